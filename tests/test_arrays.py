"""Tests of `effscale.arrays`: numbers and arrays answer alike."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from effscale import arrays

if TYPE_CHECKING:
    from collections.abc import Callable

REALS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5)


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


@pytest.mark.parametrize("rule", [arrays.floor, arrays.ceil])
@settings(max_examples=50, deadline=None)
@given(values=REALS)
def test_each_entry_rounds_as_the_number_does(
    rule: Callable[[Any], Any], values: list[float]
) -> None:
    together = rule(np.array(values))
    assert together.dtype == np.int64
    assert together.tolist() == [rule(value) for value in values]


@pytest.mark.parametrize("rule", [arrays.floor, arrays.ceil])
@pytest.mark.parametrize("value", [2, 2.5, Fraction(5, 2)])
def test_rounded_numbers_are_plain_ints(
    rule: Callable[[Any], Any],
    value: float | Fraction,
) -> None:
    assert type(rule(value)) is int


@pytest.mark.parametrize(
    ("value", "below", "above"),
    [(2.0, 2, 2), (2.1, 2, 3), (-2.1, -3, -2), (Fraction(7, 2), 3, 4)],
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
        (Fraction(4), 6, True),
        (4, Fraction(6), True),
    ],
)
def test_divides(parts: object, total: object, *, expected: bool) -> None:
    assert arrays.divides(parts, total) is expected


@pytest.mark.parametrize(
    ("total", "parts", "share"),
    [(6, 3, 2), (Fraction(6), Fraction(4), Fraction(3, 2)), (Fraction(1), 2, 0.5)],
)
def test_divided(total: object, parts: object, share: object) -> None:
    found = arrays.divided(total, parts)
    assert found == share
    assert type(found) is type(total)


@given(side=st.integers(1, 300), stride=st.integers(1, 8))
def test_a_stride_visits_its_positions(side: int, stride: int) -> None:
    visited = len(range(0, side, stride))
    assert arrays.strided(side, stride) == visited
    assert arrays.strided(np.array([side]), stride).tolist() == [visited]


def test_a_fraction_of_a_side_is_never_rounded_up() -> None:
    assert arrays.strided(Fraction(7), 2) == Fraction(7, 2)
