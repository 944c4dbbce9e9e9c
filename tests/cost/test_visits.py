"""Tests of `effscale.cost.count`: every leaf, in order, with its feature maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from effscale.cost.count import Visit, walk
from effscale.errors import LayerError
from effscale.network.combinators import (
    IDENTITY,
    Gate,
    Graph,
    Maybe,
    Node,
    Repeat,
    Residual,
    Sequential,
    seq,
)
from effscale.network.network import network
from effscale.network.operators.convolution import Conv, Linear
from effscale.network.operators.elementwise import Act, Dropout, Flatten, Shift
from effscale.network.operators.norm import BatchNorm
from effscale.network.operators.pooling import GlobalPool, Pool
from effscale.network.shapes import Shape

if TYPE_CHECKING:
    from effscale.network.combinators import Layer
    from effscale.network.operators.operator import Operator
    from effscale.network.shapes import Flow, Merge
    from effscale.spec.models import Spec

NORM = BatchNorm(4, 1e-3, 0.01)
STAGE = Sequential((("0", Act("relu")), ("1", Repeat(seq(conv=Conv(4, 4)), 3))))


def visits(part: Sequential, *, unroll: bool = False) -> list[tuple[str, int]]:
    """Path and number of each visit of a 4-channel image's way through `part`."""
    steps, _ = walk(part, Shape(4, 6, 6), "net", unroll=unroll)
    return [(step.path, int(step.times)) for step in steps]


def test_a_walk_meets_every_leaf_in_order(tiny: Spec) -> None:
    net, steps = network(tiny), list[Visit]()
    flow: Flow = net.image
    for part in net.parts:
        visits, flow = walk(part.layer, flow, part.path)
        steps += visits
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
    assert flow == Shape(3, 1, 1)


def test_each_visit_begins_where_the_last_ended() -> None:
    first, second = Conv(4, 8, (3, 3), (2, 2)), Conv(8, 2, stride=(3, 3))
    image, middle, end = Shape(4, 5, 7), Shape(8, 3, 4), Shape(2, 1, 2)
    steps = [
        Visit("net.a", first, 1, image, middle),
        Visit("net.b", second, 1, middle, end),
    ]
    assert walk(seq(a=first, b=second), image, "net") == (steps, end)


def test_equal_copies_are_one_visit() -> None:
    assert visits(STAGE) == [("net.0", 1), ("net.1.conv", 3)]
    assert visits(seq(a=Repeat(STAGE, 2))) == [("net.a.0", 2), ("net.a.1.conv", 6)]
    assert visits(seq(a=Repeat(Act("relu"), 0))) == [("net.a", 0)]


def test_unrolled_copies_have_paths_of_their_own() -> None:
    assert visits(STAGE, unroll=True) == [
        ("net.0", 1),
        *((f"net.{index}.conv", 1) for index in (1, 2, 3)),
    ]


def test_candidates_may_repeat_differently() -> None:
    stage = seq(**{"0": Repeat(Act("relu"), np.array([0, 3]))})
    steps, _ = walk(stage, Shape(4, 6, 6), "net")
    assert [np.asarray(step.times).tolist() for step in steps] == [[0, 3]]


def test_a_gate_keeps_the_shape_of_what_it_gates() -> None:
    layer = Gate((("pool", GlobalPool()), ("conv", Conv(4, 4))))
    _, flow = walk(seq(se=layer), Shape(4, 6, 6), "net")
    assert flow == Shape(4, 6, 6)


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
        visits(seq(a=layer))
    assert str(caught.value) == "net.a: expected 4 channels, got 8"


@pytest.mark.parametrize(
    "layer",
    [
        Residual((("conv", Conv(4, 4, (3, 3), (2, 2))),)),
        Repeat(Conv(4, 4, (3, 3), (2, 2)), 2),
    ],
)
def test_what_must_keep_the_size_and_does_not_is_refused(layer: Layer) -> None:
    with pytest.raises(LayerError) as caught:
        visits(seq(a=layer))
    words = "net.a: expected 4 channels of 6×6 px, got 4 channels of 3×3 px"
    assert str(caught.value) == words


@pytest.mark.parametrize(
    ("leaf", "expected"),
    [
        (Conv(4, 8), Shape(8, 5, 7)),
        (Conv(4, 8, (5, 5)), Shape(8, 5, 7)),
        (Conv(4, 8, (3, 3), (2, 2)), Shape(8, 3, 4)),
        (Conv(4, 8, (3, 3), (6, 6)), Shape(8, 1, 2)),
        (Linear(4, 10), Shape(10, 1, 1)),
        (Conv(4, 8, (1, 5), (1, 2)), Shape(8, 5, 4)),
        (Conv(4, 8, (3, 2), padding="valid"), Shape(8, 3, 6)),
        (Conv(4, 8, (5, 7), (2, 2), padding="valid"), Shape(8, 1, 1)),
        (Pool("max", (3, 3), (2, 2)), Shape(4, 3, 4)),
        (Pool("avg", (2, 2), (2, 2)), Shape(4, 3, 4)),
        (Pool("avg", (2, 2), (2, 2), "valid"), Shape(4, 2, 3)),
        (Shift(), Shape(4, 5, 7)),
        (GlobalPool(), Shape(4, 1, 1)),
        (NORM, Shape(4, 5, 7)),
        (Act("relu"), Shape(4, 5, 7)),
        (Flatten(), Shape(4, 5, 7)),
        (Dropout(0.5), Shape(4, 5, 7)),
    ],
)
def test_what_a_leaf_makes_of_a_feature_map(leaf: Operator, expected: Shape) -> None:
    assert leaf.output(Shape(4, 5, 7), "net") == expected


@pytest.mark.parametrize("leaf", [Conv(4, 8), Linear(4, 8), NORM])
def test_other_channels_than_a_leaf_takes_are_refused(leaf: Operator) -> None:
    with pytest.raises(LayerError) as caught:
        leaf.output(Shape(3, 5, 7), "stages.2.0.expand.conv")
    assert str(caught.value) == "stages.2.0.expand.conv: expected 4 channels, got 3"


def test_one_candidate_of_other_channels_is_refused() -> None:
    leaf = Conv(np.array([4, 8]), 8)
    assert leaf.output(Shape(np.array([4, 8]), 5, 7), "net") == Shape(8, 5, 7)
    with pytest.raises(LayerError) as caught:
        leaf.output(Shape(np.array([4, 9]), 5, 7), "net")
    assert str(caught.value) == "net: expected 8 channels, got 9"


@pytest.mark.parametrize(
    "leaf",
    [Conv(4, 8, (6, 1), padding="valid"), Pool("max", (1, 8), (1, 1), "valid")],
)
def test_a_feature_map_smaller_than_a_kernel_is_refused(leaf: Operator) -> None:
    assert isinstance(leaf, Conv | Pool)
    rows, columns = leaf.kernel
    with pytest.raises(LayerError) as caught:
        leaf.output(Shape(4, 5, 7), "net")
    words = f"net: expected at least {rows}×{columns} px, got 4 channels of 5×7 px"
    assert str(caught.value) == words


WIDER, SAME = Conv(4, 8), Conv(4, 4)


def merging(merge: Merge, *layers: Layer) -> Graph:
    """Branches of one feature map, merged."""
    nodes = [Node(f"way{k}", (0,), layer) for k, layer in enumerate(layers)]
    reads = tuple(range(1, len(nodes) + 1))
    nodes.append(Node("all", reads, IDENTITY, merge))
    return Graph(1, tuple(nodes), (len(nodes),))


def test_a_graph_s_nodes_are_visited_in_order_by_name() -> None:
    part = seq(a=merging("concat", WIDER, IDENTITY, seq(b=SAME)))
    assert visits(part) == [("net.a.way0", 1), ("net.a.way2.b", 1)]
    assert walk(part, Shape(4, 6, 6), "net")[1] == Shape(16, 6, 6)


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (merging("sum", SAME, WIDER), "net.a.all: expected 4 channels, got 8"),
        (
            merging("concat", SAME, Conv(4, 8, (3, 3), (2, 2))),
            "net.a.all: expected 4 channels of 6×6 px, got 4 channels of 3×3 px",
        ),
        (
            Graph(2, (), (0,)),
            "net.a: expected 2 feature maps, got 1",
        ),
        (
            Sequential((("two", Graph(1, (), (0, 0))), ("one", SAME))),
            "net.a.one: expected one feature map, got 2",
        ),
    ],
)
def test_maps_that_cannot_be_merged_are_refused(graph: Layer, message: str) -> None:
    with pytest.raises(LayerError) as caught:
        visits(seq(a=graph))
    assert str(caught.value) == message


@pytest.mark.parametrize(("there", "found"), [(0, Shape(4, 6, 6)), (1, Shape(8, 3, 3))])
def test_what_may_be_is_walked_where_it_is(there: int, found: Shape) -> None:
    half = Maybe(Conv(4, 8, (3, 3), (2, 2)), there)
    steps, flow = walk(seq(a=half), Shape(4, 6, 6), "net")
    assert flow == found
    assert sum(int(step.times) for step in steps) == there


def test_candidates_may_have_it_or_not() -> None:
    half = Maybe(Conv(4, 8, (3, 3), (2, 2)), np.array([0, 1]))
    steps, flow = walk(seq(a=half), Shape(4, 6, 6), "net")
    assert isinstance(flow, Shape)
    assert [np.asarray(each).tolist() for each in flow] == [[4, 8], [6, 3], [6, 3]]
    assert np.asarray(steps[0].times).tolist() == [0, 1]


def test_a_residual_s_shortcut_is_walked_after_its_layers() -> None:
    layer = Residual((("body", WIDER),), (("beside", WIDER),))
    assert visits(seq(a=layer)) == [("net.a.body", 1), ("net.a.shortcut.beside", 1)]


def test_weights_are_tied_within_a_block_alone() -> None:
    conv = Conv(4, 4, shared="w")
    block = seq(first=conv, second=seq(third=conv), other=Conv(4, 4, shared="v"))
    part = Sequential((("0", block), ("1", Repeat(block, 2))))
    steps, _ = walk(part, Shape(4, 6, 6), "net")
    assert [step.tied for step in steps] == [False, True, False] * 2
    every, _ = walk(part, Shape(4, 6, 6), "net", unroll=True)
    assert [step.tied for step in every] == [False, True, False] * 3
