"""Tests of `effscale.cost.visits`: every leaf, in order, with its feature maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from effscale.cost.visits import Visit, output, walk
from effscale.errors import LayerError
from effscale.network.layers import (
    Act,
    Conv,
    Dropout,
    Flatten,
    Gate,
    Linear,
    Norm,
    Pool,
    Repeat,
    Residual,
    Sequential,
    Shape,
    seq,
)
from effscale.network.staged import network

if TYPE_CHECKING:
    from effscale.network.layers import Layer, Leaf
    from effscale.spec.models import Spec

NORM = Norm(4, 1e-3, 0.01)
STAGE = Sequential((("0", Act("relu")), ("1", Repeat(seq(conv=Conv(4, 4)), 3))))


def visits(layer: Layer, *, unroll: bool = False) -> list[tuple[str, int]]:
    """Path and number of each visit of a 4-channel image's way through `layer`."""
    steps: list[Visit] = []
    walk(layer, Shape(4, 6, 6), "net", steps, unroll=unroll)
    return [(step.path, int(step.times)) for step in steps]


def test_a_walk_meets_every_leaf_in_order(tiny: Spec) -> None:
    net, steps = network(tiny), list[Visit]()
    shape = net.image
    for part in net.parts:
        shape = walk(part.layer, shape, part.path, steps)
    leaves = {
        "stem": ["conv", "norm", "act"],
        "stages.0.0": [
            *("depthwise.conv", "depthwise.norm", "depthwise.act"),
            *("se.pool", "se.reduce", "se.act", "se.expand", "se.gate"),
            *("project.conv", "project.norm"),
        ],
        "head": ["conv", "norm", "act", "pool", "flatten", "dropout", "classifier"],
    }
    expected = [f"{part}.{leaf}" for part, found in leaves.items() for leaf in found]
    assert [step.path for step in steps if step.times] == expected
    assert shape == Shape(3, 1, 1)


def test_each_visit_begins_where_the_last_ended() -> None:
    steps: list[Visit] = []
    first, second = Conv(4, 8, 3, 2), Conv(8, 2, stride=3)
    image, middle, end = Shape(4, 5, 7), Shape(8, 3, 4), Shape(2, 1, 2)
    assert walk(seq(a=first, b=second), image, "net", steps) == end
    assert steps == [
        Visit("net.a", first, 1, image, middle),
        Visit("net.b", second, 1, middle, end),
    ]


def test_equal_copies_are_one_visit() -> None:
    assert visits(STAGE) == [("net.0", 1), ("net.1.conv", 3)]
    assert visits(Repeat(STAGE, 2)) == [("net.0", 2), ("net.1.conv", 6)]
    assert visits(Repeat(Act("relu"), 0)) == [("net", 0)]


def test_unrolled_copies_have_paths_of_their_own() -> None:
    assert visits(STAGE, unroll=True) == [
        ("net.0", 1),
        *((f"net.{index}.conv", 1) for index in (1, 2, 3)),
    ]


def test_candidates_may_repeat_differently() -> None:
    steps: list[Visit] = []
    walk(Repeat(Act("relu"), np.array([0, 3])), Shape(4, 6, 6), "net", steps)
    assert [np.asarray(step.times).tolist() for step in steps] == [[0, 3]]


def test_a_gate_keeps_the_shape_of_what_it_gates() -> None:
    layer = Gate((("pool", Pool()), ("conv", Conv(4, 4))))
    assert walk(layer, Shape(4, 6, 6), "net", []) == Shape(4, 6, 6)


@pytest.mark.parametrize(
    "layer",
    [
        Residual((("conv", Conv(4, 8)),)),
        Gate((("conv", Conv(4, 8)),)),
        Repeat(Conv(4, 8), 2),
    ],
)
def test_what_must_keep_the_channels_and_does_not_is_refused(layer: Layer) -> None:
    with pytest.raises(LayerError) as caught:
        visits(layer)
    assert str(caught.value) == "net: expected 4 channels, got 8"


@pytest.mark.parametrize(
    "layer",
    [
        Residual((("conv", Conv(4, 4, 3, stride=2)),)),
        Repeat(Conv(4, 4, 3, stride=2), 2),
    ],
)
def test_what_must_keep_the_size_and_does_not_is_refused(layer: Layer) -> None:
    with pytest.raises(LayerError) as caught:
        visits(layer)
    before, after = Shape(4, 6, 6), Shape(4, 3, 3)
    assert str(caught.value) == f"net: expected to keep {before}, gives {after}"


@pytest.mark.parametrize(
    ("leaf", "expected"),
    [
        (Conv(4, 8), Shape(8, 5, 7)),
        (Conv(4, 8, 5), Shape(8, 5, 7)),
        (Conv(4, 8, 3, stride=2), Shape(8, 3, 4)),
        (Conv(4, 8, 3, stride=6), Shape(8, 1, 2)),
        (Linear(4, 10), Shape(10, 1, 1)),
        (Pool(), Shape(4, 1, 1)),
        (NORM, Shape(4, 5, 7)),
        (Act("relu"), Shape(4, 5, 7)),
        (Flatten(), Shape(4, 5, 7)),
        (Dropout(0.5), Shape(4, 5, 7)),
    ],
)
def test_what_a_leaf_makes_of_a_feature_map(leaf: Leaf, expected: Shape) -> None:
    assert output(leaf, Shape(4, 5, 7), "net") == expected


@pytest.mark.parametrize("leaf", [Conv(4, 8), Linear(4, 8), NORM])
def test_other_channels_than_a_leaf_takes_are_refused(leaf: Leaf) -> None:
    with pytest.raises(LayerError) as caught:
        output(leaf, Shape(3, 5, 7), "stages.2.0.expand.conv")
    assert str(caught.value) == "stages.2.0.expand.conv: expected 4 channels, got 3"


def test_one_candidate_of_other_channels_is_refused() -> None:
    leaf = Conv(np.array([4, 8]), 8)
    assert output(leaf, Shape(np.array([4, 8]), 5, 7), "net") == Shape(8, 5, 7)
    with pytest.raises(LayerError) as caught:
        output(leaf, Shape(np.array([4, 9]), 5, 7), "net")
    assert str(caught.value) == "net: expected [4 8] channels, got [4 9]"
