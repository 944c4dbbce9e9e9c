"""Tests of `effscale.spec.geometry`: how small an image a network can take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from effscale.spec.geometry import least_sides, too_small
from tests.spec.small import lines, spec

if TYPE_CHECKING:
    from effscale.spec.models import Spec

POOL = "{block: max_pool, kernel: 3, stride: 8}"
VALID = "{{kernel: {kernel}, stride: {stride}, padding: valid, channels: 8}}"
#: A total stride of 16.
STRIDES = lines(POOL, POOL.replace("8", "1"))


def test_strides_of_same_padding_multiply() -> None:
    assert least_sides(spec()) == (2, 2)
    assert least_sides(spec("stages.0.stride", 3)) == (6, 6)
    assert least_sides(STRIDES) == (16, 16)


@pytest.mark.parametrize(
    ("stem", "sides"),
    [
        (VALID.format(kernel=3, stride=1), (3, 3)),
        (VALID.format(kernel=3, stride=2), (3, 3)),
        (VALID.format(kernel="[1, 7]", stride=1), (1, 7)),
        (VALID.format(kernel="[3, 1]", stride="[2, 1]"), (3, 1)),
        ("{kernel: 7, stride: [1, 4], channels: 8}", (1, 4)),
        # one of 3 needs (3 − 1)·2 + 3 = 7 before it
        (f"[{', '.join([VALID.format(kernel=3, stride=2)] * 2)}]", (7, 7)),
        # Szegedy et al. 2015's first three: 2·(3 + 0) … from behind: 3, 5, 11
        (
            (
                "[{kernel: 3, stride: 2, padding: valid, channels: 8}, "
                "{kernel: 3, padding: valid, channels: 8}, "
                "{block: max_pool, kernel: 3, stride: 1, padding: valid}]"
            ),
            (11, 11),
        ),
    ],
)
def test_kernels_of_valid_padding_need_room(stem: str, sides: tuple[int, int]) -> None:
    assert least_sides(lines("{block: norm}", stem=stem)) == sides


@pytest.mark.parametrize(
    ("stage", "sides"),
    [
        ("{block: transition}", (2, 2)),
        ("{block: dense, growth: 4, repeats: 2}", (1, 1)),
        ("{block: bottleneck, stride: 2, channels: 8, repeats: 1}", (2, 2)),
        ("{block: cell, cell: a, stride: 2, channels: 8}", (2, 2)),
        (
            (
                "{block: concat, branches: [[{block: max_pool, kernel: 3, stride: 2}], "
                "[{block: avg_pool, kernel: 5, padding: valid, stride: 2}]]}"
            ),
            (5, 5),
        ),
        (
            (
                "{block: residual, layers: [{kernel: 3, stride: 2, channels: 8}], "
                "shortcut: [{block: avg_pool, kernel: [2, 3], stride: 2, padding: "
                "valid}]}"
            ),
            (2, 3),
        ),
        ("{block: own, channels: 8}", (4, 4)),
    ],
)
def test_each_kind_of_line_needs_what_its_layers_do(
    stage: str, sides: tuple[int, int]
) -> None:
    found = lines(
        stage,
        stem="{kernel: 1, channels: 8}",
        blocks="{inner: [{kernel: 4, padding: valid}], own: [{block: inner}]}",
        cells="{a: {nodes: [[[identity, 0]]], concat: [2]}}",
    )
    assert least_sides(found) == sides


def test_steps_of_the_head_need_room_too() -> None:
    head = f"{{layers: [{VALID.format(kernel=5, stride=1)}]}}"
    assert least_sides(lines("{block: norm}", head=head)) == (10, 10)


def told(spec: Spec, resolution: tuple[Any, Any]) -> list[tuple[int, str]]:
    """The sides that are too small, and what is wrong with each."""
    return [(axis, message) for axis, message, _ in too_small(spec, resolution)]


@pytest.mark.parametrize("side", [16, 17, 1000])
def test_a_side_of_the_total_stride_or_more_is_right(side: int) -> None:
    assert told(STRIDES, (side, side)) == []


@pytest.mark.parametrize("side", [15, 1, 0, -16])
def test_a_side_below_the_total_stride_is_too_small(side: int) -> None:
    message = f"expected at least 16 (the network's total stride), got {side}"
    assert told(STRIDES, (side, 16)) == [(0, message)]
    assert told(STRIDES, (16, side)) == [(1, message)]


def test_each_side_that_is_too_small_is_said() -> None:
    words = "expected at least 16 (the network's total stride), got"
    assert told(STRIDES, (2, 1)) == [(0, f"{words} 2"), (1, f"{words} 1")]


def test_what_is_needed_for_kernels_is_said_to_be() -> None:
    message = "expected at least 7 (the network's kernels and strides), got 6"
    found = lines("{block: norm}", stem=VALID.format(kernel=7, stride=2))
    assert told(found, (6, 7)) == [(0, message)]


def test_one_candidate_that_is_too_small_spoils_them_all() -> None:
    assert told(STRIDES, (np.array([16, 32]), 16)) == []
    message = "expected at least 16 (the network's total stride), got 14"
    several = np.array([16, 15, 14, 32])
    assert told(STRIDES, (several, 16)) == [(0, message)]
    assert told(STRIDES, (16, several)) == [(1, message)]


def test_a_total_stride_too_long_to_print_is_too_much_too() -> None:
    message = "expected at least 655360 (the network's total stride), got 32"
    assert told(lines(*[POOL] * 5000), (32, 32)) == [(axis, message) for axis in (0, 1)]
