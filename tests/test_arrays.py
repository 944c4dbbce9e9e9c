"""Tests of `effscale.arrays`: numbers and arrays answer alike."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from effscale import arrays
from tests.examples import examples

if TYPE_CHECKING:
    from collections.abc import Callable

REALS = st.lists(st.floats(0, 1e6), min_size=1, max_size=5)
EVEN = partial(arrays.nearest, ties="even")
RULES = pytest.mark.parametrize(
    "rule", [arrays.floor, arrays.ceil, arrays.nearest, EVEN]
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, False),
        (1.5, False),
        (Fraction(1, 2), False),
        ([1, 2], False),
        (np.array([1, 2]), True),
    ],
)
def test_tells_arrays_from_numbers(value: object, *, expected: bool) -> None:
    assert arrays.is_array(value) is expected


@RULES
@examples(25)
@given(values=REALS)
def test_each_entry_rounds_as_the_number_does(
    rule: Callable[[Any], Any], values: list[float]
) -> None:
    together = rule(np.array(values))
    assert together.dtype == np.int64
    assert together.tolist() == [rule(value) for value in values]


@RULES
@pytest.mark.parametrize("value", [2, 2.5, Fraction(5, 2)])
def test_rounded_numbers_are_plain_ints(
    rule: Callable[[Any], Any],
    value: float | Fraction,
) -> None:
    assert type(rule(value)) is int


@pytest.mark.parametrize(
    ("value", "below", "above"),
    [(2.0, 2, 2), (2.1, 2, 3), (0.0, 0, 0), (Fraction(7, 2), 3, 4)],
)
def test_floor_and_ceil(value: float, below: int, above: int) -> None:
    assert (arrays.floor(value), arrays.ceil(value)) == (below, above)


@pytest.mark.parametrize(
    ("noisy", "whole"),
    [
        ((2**0.5) ** 2, 2),  # 2.0000000000000004
        (1.2000000000000002 * 5, 6),  # np.arange(1, 2, 0.1)[2]
        ((2 ** (1 / 4)) ** 4, 2),  # 1.9999999999999998
        (3 + 1e-8, 4),  # what is no noise is rounded up
    ],
)
def test_ceil_rounds_no_noise_up(noisy: float, whole: int) -> None:
    assert arrays.ceil(noisy) == whole
    assert arrays.ceil(np.array([noisy])).tolist() == [whole]


@pytest.mark.parametrize("edge", [2.0000000005, 13.0000000005, 7.4999999995])
def test_arrays_draw_the_line_of_noise_where_numbers_do(edge: float) -> None:
    assert arrays.ceil(np.array([edge])).tolist() == [arrays.ceil(edge)]


@pytest.mark.parametrize(
    ("value", "up", "even"),
    [(0.5, 1, 0), (1.5, 2, 2), (2.5, 3, 2), (2.4, 2, 2), (2.6, 3, 3), (3.0, 3, 3)],
)
def test_halves_go_up_or_to_the_even_neighbour(
    value: float, up: int, even: int
) -> None:
    assert (arrays.nearest(value), EVEN(value)) == (up, even)
    assert arrays.nearest(np.array([value])).tolist() == [up]
    assert EVEN(np.array([value])).tolist() == [even]


def test_maximum_is_a_lower_bound() -> None:
    assert [arrays.maximum(3, value) for value in (2, 3, 4)] == [3, 3, 4]
    assert arrays.maximum(3, np.array([2, 3, 4])).tolist() == [3, 3, 4]


@pytest.mark.parametrize(("condition", "chosen"), [(True, "then"), (False, "else")])
def test_where_chooses(*, condition: bool, chosen: str) -> None:
    assert arrays.where(condition, "then", "else") == chosen


def test_where_chooses_for_each_candidate() -> None:
    chosen = arrays.where(np.array([True, False]), np.array([1, 2]), np.array([3, 4]))
    assert chosen.tolist() == [1, 4]


@pytest.mark.parametrize(
    ("a", "b", "total"), [(0, 0, 0), (0, 3, 3), (3, 0, 3), (2, 3, 5)]
)
def test_plus_adds(a: int, b: int, total: int) -> None:
    assert arrays.plus(a, b) == total
    for one, other in ((np.array([a]), b), (a, np.array([b]))):
        assert np.asarray(arrays.plus(one, other)).tolist() == [total]


def test_adding_nothing_makes_no_array() -> None:
    values = np.array([1, 2])
    assert arrays.plus(values, 0) is values
    assert arrays.plus(0, values) is values


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, True),
        (2, False),
        (np.array([3, 9]), True),
        (np.array([9, 2]), False),
        (Fraction(1, 2), True),  # on paper, a network may have half a channel
        (Fraction(0), False),
    ],
)
def test_at_least_means_all_candidates(value: object, *, expected: bool) -> None:
    assert arrays.at_least(3, value) is expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (True, True),
        (False, False),
        (np.array([True, True]), True),
        (np.array([True, False]), False),
    ],
)
def test_every_means_all_candidates(condition: object, *, expected: bool) -> None:
    assert arrays.every(condition) is expected


@pytest.mark.parametrize(
    ("parts", "total", "expected"),
    [
        (3, 6, True),
        (4, 6, False),
        (3, np.array([3, 6]), True),
        (3, np.array([3, 7]), False),
        (Fraction(4), Fraction(6), True),
        (4, Fraction(6), True),
        (1, np.array([3, 7]), True),
        (np.array([3, 6]), np.array([6, 6]), True),
        (np.array([3, 4]), np.array([6, 6]), False),
    ],
)
def test_divides(parts: object, total: object, *, expected: bool) -> None:
    assert arrays.divides(parts, total) is expected


@pytest.mark.parametrize(
    ("total", "parts", "share"),
    [
        (6, 3, 2),
        (6, 1, 6),
        (6, 6, 1),
        (Fraction(6), Fraction(4), Fraction(3, 2)),
        (Fraction(1), 2, Fraction(1, 2)),
    ],
)
def test_divided(total: object, parts: object, share: object) -> None:
    found = arrays.divided(total, parts)
    assert found == share
    assert type(found) is type(share)


def test_equal_parts_are_one_of_each() -> None:
    width = np.array([8, 16])
    assert np.asarray(arrays.divided(width, width)).max() == 1
    assert arrays.divided(width, np.array([4, 2])).tolist() == [2, 8]


@given(side=st.integers(1, 300), stride=st.integers(1, 8))
def test_a_stride_visits_its_positions(side: int, stride: int) -> None:
    visited = len(range(0, side, stride))
    assert arrays.strided(side, stride) == visited
    assert arrays.strided(np.array([side]), stride).tolist() == [visited]


def test_a_fraction_of_a_side_is_never_rounded_up() -> None:
    assert arrays.strided(Fraction(7), 2) == Fraction(7, 2)


@given(
    side=st.integers(1, 300),
    kernel=st.integers(1, 31),
    stride=st.integers(1, 8),
)
def test_a_kernel_of_valid_padding_lies_within_the_side(
    side: int, kernel: int, stride: int
) -> None:
    starts = [start for start in range(0, side, stride) if start + kernel <= side]
    if starts:
        assert arrays.valid(side, kernel, stride) == len(starts)
        assert arrays.valid(np.array([side]), kernel, stride).tolist() == [len(starts)]


def test_a_fraction_of_a_side_holds_a_fraction_of_kernels() -> None:
    assert arrays.valid(Fraction(8), 3, 2) == Fraction(7, 2)
    assert arrays.valid(Fraction(7), 3, 2) == arrays.valid(7, 3, 2) == 3


@pytest.mark.parametrize(
    ("exact", "divisor", "found"),
    [  # make_divisible of MobileNet's code (8, 0.9), and below a multiple
        *((0.3, 8, 8), (7, 8, 8), (11, 8, 16), (12, 8, 16), (19.2, 8, 24)),
        *((20, 8, 24), (17.7, 8, 16), (17.8, 8, 24), (100, 8, 104), (5.5, 1, 6)),
    ],
)
def test_a_multiple_is_the_nearest_that_loses_little(
    exact: float, divisor: int, found: int
) -> None:
    assert arrays.multiple(exact, divisor) == found
    several = arrays.multiple(np.array([exact, 8.0]), divisor)
    assert several.tolist() == [found, 8]


def test_a_multiple_may_lose_anything_or_meet_ties_evenly() -> None:
    assert arrays.multiple(19.2, 8, max_loss=1.0) == 16
    assert arrays.multiple(20, 8, max_loss=1.0, ties="even") == 16
    assert arrays.multiple(28, 8, max_loss=1.0, ties="even") == 32
    found = arrays.multiple(np.array([20.0, 28.0]), 8, max_loss=1.0, ties="even")
    assert found.tolist() == [16, 32]


@pytest.mark.parametrize(("value", "found"), [(-3, 0), (0, 0), (1, 1), (5, 1)])
def test_what_is_clipped_is_between_0_and_1(value: int, found: int) -> None:
    assert arrays.clipped(value) == found
    assert arrays.clipped(np.array([value])).tolist() == [found]


def test_a_clipped_fraction_between_stays_one() -> None:
    assert arrays.clipped(Fraction(1, 3)) == Fraction(1, 3)
    assert arrays.clipped(Fraction(4, 3)) == 1


def test_between_two_is_either_or_on_paper_a_part_of_the_way() -> None:
    assert arrays.between(3, 8, 0) == 3
    assert arrays.between(3, 8, 1) == 8
    assert arrays.between(3, 8, Fraction(1, 5)) == 4
    there = np.array([0, 1, 1])
    assert arrays.between(3, 8, there).tolist() == [3, 8, 8]
    found = arrays.between(np.array([3, 4, 5]), np.array([6, 7, 8]), there)
    assert found.tolist() == [3, 7, 8]


def test_between_two_of_one_kind_makes_no_new_array() -> None:
    width = np.array([8, 16])
    assert arrays.between(width, width, np.array([0, 1])) is width
    assert arrays.between(3, width, arrays.ONE) is width
