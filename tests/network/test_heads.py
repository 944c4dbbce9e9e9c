"""Tests of `effscale.network.heads`: weights of all levels, norms of each."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from effscale.cost.count import Cost, Visit, leaf_cost, walk
from effscale.network.blocks import Style
from effscale.network.heads import box_head, class_head
from effscale.network.operators.convolution import Conv
from effscale.network.operators.norm import BatchNorm, LayerNorm
from effscale.network.shapes import Shape
from effscale.spec.models import Squeeze
from effscale.spec.neck import Heads
from effscale.spec.norm import Norm
from tests.examples import examples

if TYPE_CHECKING:
    from collections.abc import Callable

STYLE = Style("silu", Norm(), Squeeze())
HEADS: dict[str, Callable[..., Any]] = {"class": class_head, "box": box_head}


def heads(**changes: Any) -> Heads:  # noqa: ANN401 - as a file would write them
    return Heads.model_validate(changes)


def visits(
    kind: str, given: Heads, channels: int, levels: range, side: int
) -> list[Visit]:
    """Every leaf of a head on the levels of a square image."""
    maps = tuple(Shape(channels, *[-(-side // 2**level)] * 2) for level in levels)
    layer = HEADS[kind](given, channels, levels, STYLE)
    steps, flow = walk(layer, maps, "head", unroll=True)
    wanted = given.anchors.each * (given.classes if kind == "class" else 4)
    assert flow == tuple(each._replace(channels=wanted) for each in maps)
    return steps


def total(steps: list[Visit]) -> tuple[int, int]:
    cost = sum((leaf_cost(step) for step in steps), Cost())
    return int(cost.params), int(cost.macs)


@examples(60)
@given(
    wide=st.integers(1, 40),
    repeats=st.integers(1, 5),
    low=st.integers(1, 4),
    more=st.integers(1, 5),
    classes=st.integers(1, 100),
    scales=st.integers(1, 4),
    ratios=st.integers(1, 4),
)
def test_heads_cost_what_their_closed_form_does(  # noqa: PLR0913, PLR0917
    wide: int,
    repeats: int,
    low: int,
    more: int,
    classes: int,
    scales: int,
    ratios: int,
) -> None:
    """Separable convolutions shared, a batch norm for each repeat and level."""
    anchors = {"scales": scales, "ratios": [1.0 + k for k in range(ratios)]}
    given = heads(repeats=repeats, classes=classes, anchors=anchors)
    levels, side = range(low, low + more + 1), 1024
    positions = sum((side // 2**level) ** 2 for level in levels)
    for kind, each in (("class", classes), ("box", 4)):
        out = scales * ratios * each
        separable = 9 * wide + wide**2
        assert total(visits(kind, given, wide, levels, side)) == (
            repeats * (separable + wide)
            + len(levels) * repeats * 2 * wide
            + (9 * wide + wide * out + out),
            positions * (repeats * separable + 9 * wide + wide * out),
        )


def test_convolutions_are_shared_by_the_levels_and_norms_are_not() -> None:
    steps = visits("class", heads(repeats=1), 8, range(3, 6), 64)
    block = [
        (step.path, step.level, step.tied) for step in steps if step.path[5] == "0"
    ]
    assert block == [
        *(("head.0.0.conv.shared", level, level > 3) for level in (3, 4, 5)),
        *(("head.0.1.conv.shared", level, level > 3) for level in (3, 4, 5)),
        *((f"head.0.1.norm.p{level}", level, False) for level in (3, 4, 5)),
        *(("head.0.1.act.shared", level, level > 3) for level in (3, 4, 5)),
    ]


def test_layer_norms_are_shared_by_the_levels() -> None:
    layered = replace(STYLE, normalisation=Norm(kind="layer"))
    levels, maps = range(3, 6), tuple(Shape(8, side, side) for side in (8, 4, 2))
    layer = class_head(heads(repeats=1), 8, levels, layered)
    steps, _ = walk(layer, maps, "head", unroll=True)
    norms = [step for step in steps if isinstance(step.leaf, LayerNorm)]
    assert [(step.path, step.level, step.tied) for step in norms] == [
        ("head.0.1.norm.shared", level, level > 3) for level in levels
    ]


def test_the_last_convolution_predicts_with_a_bias_and_without_a_norm() -> None:
    steps = visits("box", heads(), 8, range(3, 5), 64)
    last = [step.leaf for step in steps if step.path.startswith("head.predict.")]
    assert last[0] == Conv(8, 8, (3, 3), groups=8, init="variance_scaling")
    assert last[-1] == Conv(8, 36, bias=True, init="variance_scaling")
    assert not any(isinstance(leaf, BatchNorm) for leaf in last)


@pytest.mark.parametrize(
    ("prior", "bias"),
    [
        (0.01, -math.log(99)),  # -log((1 - 0.01) / 0.01)
        (0.5, 0.0),
        (0.9, math.log(9)),
        (1.0, 0.0),  # no bias says that everything is there
    ],
)
def test_class_logits_begin_at_the_prior_and_boxes_at_nothing(
    prior: float, bias: float
) -> None:
    given = heads(prior=prior)
    found = {kind: visits(kind, given, 8, range(3, 5), 64)[-1].leaf for kind in HEADS}
    convs = {kind: leaf for kind, leaf in found.items() if isinstance(leaf, Conv)}
    assert convs["class"].bias_init == pytest.approx(bias)
    assert convs["box"].bias_init == 0


def test_retinanet_s_heads_are_whole_convolutions() -> None:
    # torchvision/models/detection/retinanet.py: four 3×3 with bias, and the last
    plain = [{"kernel": 3, "bias": True, "norm": False, "activation": "relu"}]
    given = heads(repeats=4, classes=91, layers=plain)
    steps = visits("class", given, 256, range(3, 8), 256)
    weights = 4 * (9 * 256**2 + 256) + 9 * 256 * 9 * 91 + 9 * 91
    assert total(steps)[0] == weights
