"""Tests of `effscale.network.network`: a line as its blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from effscale.cost.count import layer_costs, total
from effscale.network import blocks
from effscale.network.blocks import Style
from effscale.network.cells import Ends
from effscale.network.combinators import Maybe, Repeat, Sequential
from effscale.network.network import network, stage
from effscale.network.operators.convolution import Conv
from effscale.spec.lines import MBConv
from tests.spec.small import lines

if TYPE_CHECKING:
    from effscale.spec.models import Spec

MBCONV = (
    "{block: mbconv, kernel: 3, stride: 2, channels: 24, repeats: 5, se_ratio: 0.25, "
)


def made(spec: Spec, c_in: int = 16) -> tuple[Sequential, Ends]:
    """The only stage of `spec` on so many channels."""
    return stage(spec.stages[0], Ends(c_in), spec, Style.of(spec))


def repeating(spec: Spec, repeats: Any) -> Spec:  # noqa: ANN401 - a number, or an array
    stages = (spec.stages[0].model_copy(update={"repeats": repeats}),)
    return spec.model_copy(update={"stages": stages})


def test_only_the_first_block_has_the_stride_and_the_change_of_width() -> None:
    spec = lines(MBCONV + "expand_ratio: 6}")
    line, style = spec.stages[0], Style.of(spec)
    assert isinstance(line, MBConv)
    first = blocks.mbconv(line, style, 16, 2, 0)
    rest = blocks.mbconv(line, style, 24, 1, 1)
    layer, ends = made(spec)
    assert layer == Sequential((("0", first), ("1", Repeat(rest, 4))))
    assert ends == Ends(24)


def depthwise_widths(spec: Spec) -> list[int]:
    return [
        int(each.visit.leaf.c_out)
        for each in layer_costs(network(spec))
        if each.visit.path.endswith("depthwise.conv")
        and isinstance(each.visit.leaf, Conv)
    ]


@pytest.mark.parametrize(
    ("repeats", "found"),
    [(1, [32]), (2, [32, 40]), (3, [32, 40, 56]), (5, [32, 40, 56, 56, 56])],
)
def test_blocks_have_their_own_expanded_widths_the_last_for_all_after(
    repeats: int, found: list[int]
) -> None:
    # MobileNetV3 expands to 200, 184 and 184 channels in its stage of 80
    spec = repeating(lines(MBCONV + "c_mid: [32, 40, 56]}"), repeats)
    assert depthwise_widths(spec) == found


@pytest.mark.parametrize(
    "line",
    [
        MBCONV + "c_mid: [32, 40, 56]}",
        MBCONV + "expand_ratio: 2}",
        "{block: bottleneck, stride: 2, channels: 16, repeats: 1}",
        "{block: dense, growth: 4, repeats: 1}",
        "{block: own, channels: 8, repeats: 1}",
        "{block: cell, cell: a, stride: 2, channels: 8, repeats: 1}",
        "{block: cell, cell: a, channels: 8, repeats: 1}",
    ],
)
def test_candidates_of_other_depth_cost_what_they_do_alone(line: str) -> None:
    spec = lines(
        line,
        blocks="{own: [{kernel: 3, channels: [5, 6, 7]}, {kernel: 1}]}",
        cells="{a: {nodes: [[[sep_3x3, 0], [identity, 1]]], concat: [1, 2]}}",
    )
    depths = [1, 2, 3, 4, 7]
    together = total(network(repeating(spec, np.array(depths))))
    alone = [total(network(repeating(spec, depth))) for depth in depths]
    for name in ("macs", "params", "activations"):
        expected = [getattr(each, name) for each in alone]
        assert np.asarray(getattr(together, name)).tolist() == expected


def test_blocks_that_differ_are_there_or_not() -> None:
    spec = repeating(lines(MBCONV + "c_mid: [32, 40, 56]}"), np.array([1, 2, 5]))
    layer, _ = made(spec)
    (_, first), (_, second), (_, third), (name, rest) = layer.layers
    assert not isinstance(first, Maybe)
    assert isinstance(second, Maybe)
    assert isinstance(third, Maybe)
    assert isinstance(rest, Repeat)
    assert name == "3"
    found = [
        np.asarray(each).tolist() for each in (second.there, third.there, rest.times)
    ]
    assert found == [[0, 1, 1], [0, 0, 1], [0, 0, 2]]


def test_a_dense_stage_hands_on_what_came_in_and_all_it_made() -> None:
    assert made(lines("{block: dense, growth: 32, repeats: 6}"), 64)[1] == Ends(256)
    assert made(lines("{block: transition}"), 256)[1] == Ends(128)


def test_cells_hand_on_their_two_newest_outputs() -> None:
    cells = "{a: {nodes: [[[identity, 0], [identity, 1]]], concat: [0, 1, 2]}}"
    once, twice = (
        made(lines(f"{{block: cell, cell: a, stride: 2, channels: 8{end}", cells=cells))
        for end in ("}", ", repeats: 2}")
    )
    assert once[1] == Ends(24, 16, 1)  # the one before is twice as large
    assert twice[1] == Ends(24, 24, 0)


@pytest.mark.parametrize(
    ("use", "alike"),
    [
        ("{block: own, channels: 16, repeats: 3}", True),
        ("{block: own, channels: 24, repeats: 3}", False),
        ("{block: own, channels: 16, stride: 2, repeats: 3}", False),
        ("{block: own, channels: 16, wide: [8, 16], repeats: 3}", False),
    ],
)
def test_a_block_of_the_file_s_that_is_like_the_first_is_made_once(
    use: str, *, alike: bool
) -> None:
    block = """
own:
  parameters: {stride: 1, wide: 8}
  layers: [{kernel: 3, stride: $stride, channels: $wide}, {kernel: 1}]
"""
    layer, _ = made(lines(use, blocks=block))
    (_, first), (_, second), *_ = layer.layers
    again = second.layer if isinstance(second, Repeat) else second
    assert (again is first) == alike
