"""Tests of `effscale.search.reachable`: where rounded numbers change."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import effscale as es
from effscale.growth.rounding import Rules
from effscale.search.reachable import axes, breakpoints, distinct, simplest
from tests.examples import examples
from tests.search.drawn import aligned, network, networks, roundings

if TYPE_CHECKING:
    from effscale.search.reachable import Intervals, Rounded
    from effscale.spec.models import Rounding, Spec

pytestmark = pytest.mark.slow

some = examples(25)
few = examples(15)
NUMBERS = st.lists(st.integers(1, 40), min_size=1, max_size=4)
DIMENSIONS = ("depth", "width", "resolution")
#: Bounds at which no rule is about to change.
BOUNDS = ((0.4003171, 2.5003), (0.4003171, 1.7003), (0.8003171, 1.7003))


def rules_of(rounding: Rounding) -> list[Rounded]:
    rules = Rules.of(rounding)
    return [rules.repeats, rules.channels, rules.resolution]


def results(rule: Rounded, numbers: list[int], at: object) -> list[list[int]]:
    parameters = np.asarray(at, dtype=float)
    rows = [rule(np.full(len(parameters), n), parameters) for n in numbers]
    return [list(row) for row in np.stack(rows, axis=1).tolist()]


def test_breakpoints_of_repeats_are_where_a_block_more_is_needed() -> None:
    # ceil(2·d) passes 2, 3 and 4 just above d = 1, 1.5 and 2: 5e-10 above, by the
    # guard against float noise
    found = breakpoints(Rules.of(es.load("b0").rounding).repeats, [2], 1.0, 2.5)
    assert found.tolist() == pytest.approx([1, 1.5, 2], abs=1e-9)
    assert all(found > [1, 1.5, 2])


def test_breakpoints_of_sides_are_halfway_between_two_multiples() -> None:
    rule = Rules.of(es.load("b0").rounding).resolution
    found = breakpoints(rule, [224, 224], 1.0, 1.1)
    assert (found * 224).tolist() == pytest.approx([228, 236, 244], abs=1e-7)


@given(roundings(), NUMBERS, st.floats(1.01, 1.5), st.floats(0.01, 2))
@some
def test_breakpoints_are_exact(
    rounding: Rounding, numbers: list[int], low: float, span: float
) -> None:
    for rule in rules_of(rounding):
        points = breakpoints(rule, numbers, low, low + span)
        assert points.tolist() == sorted(set(points.tolist()))
        assert all((low < points) & (points <= low + span))
        reached = results(rule, numbers, points)
        before = results(rule, numbers, np.nextafter(points, 0))
        assert all(a != b for a, b in zip(reached, before, strict=True))


@given(roundings(), NUMBERS, st.floats(1.01, 1.5), st.floats(0.01, 2))
@some
def test_between_breakpoints_nothing_changes(
    rounding: Rounding, numbers: list[int], low: float, span: float
) -> None:
    for rule in rules_of(rounding):
        points = breakpoints(rule, numbers, low, low + span)
        starts = [low, *points]
        ends = [*np.nextafter(points, 0), low + span]
        assert results(rule, numbers, starts) == results(rule, numbers, ends)


def along(spec: Spec, dimension: str, at: object) -> list[tuple[int, ...]]:
    multipliers = es.Multipliers(**{dimension: np.asarray(at, dtype=float)})
    return networks(spec, multipliers)


def entries(spec: Spec, axis: Intervals, dimension: str) -> list[tuple[int, ...]]:
    """The network of each entry, which must be one from its start to its end."""
    found = along(spec, dimension, axis.start)
    assert along(spec, dimension, (axis.start + axis.end) / 2) == found
    assert along(spec, dimension, np.nextafter(axis.end, 0)) == found
    return found


@given(aligned())
@few
def test_axes_are_the_distinct_results_of_all_multipliers(spec: Spec) -> None:
    asked = zip(axes(spec, BOUNDS), BOUNDS, DIMENSIONS, strict=True)
    for axis, within, dimension in asked:
        found = entries(spec, axis, dimension)
        assert len(set(found)) == len(found)
        assert set(along(spec, dimension, np.linspace(*within, 2001))) <= set(found)


@pytest.mark.parametrize("dimension", [0, 1, 2])
def test_axes_of_b0_leave_no_gap(b0: Spec, dimension: int) -> None:
    axis = axes(b0, BOUNDS)[dimension]
    low, high = BOUNDS[dimension]
    assert axis.start[0] == low
    assert axis.end[-1] == np.nextafter(high, 2 * high)
    # where two stages do not change at quite the same float, noise is left out
    gaps = axis.start[1:] - axis.end[:-1]
    assert all((gaps >= 0) & (gaps < 1e-6))
    assert all(axis.end - axis.start >= 1e-6)


def test_a_baseline_off_the_multiples_is_an_entry_of_its_own(b0: Spec) -> None:
    odd = b0.model_copy(update={"resolution": (228, 228)})
    resolution = axes(odd, ((1, 1), (1, 1), (0.97, 1.03)))[2]
    found = entries(odd, resolution, "resolution")
    assert network(odd) in found
    at = found.index(network(odd))
    assert (resolution.start[at], resolution.end[at]) == (1, np.nextafter(1, 2))


def test_a_baseline_off_the_multiples_has_no_entry_twice(b0: Spec) -> None:
    # 224 px below 1, 225 px at 1, and 224 px again above 1
    odd = b0.model_copy(update={"resolution": (225, 225)})
    resolution = axes(odd, ((1, 1), (1, 1), (0.99, 1.01)))[2]
    found = entries(odd, resolution, "resolution")
    assert len(set(found)) == len(found) == 2


@pytest.mark.parametrize(
    ("dimension", "high"), [("width", 1.05), ("resolution", 228 / 224)]
)
def test_what_only_the_upper_bound_reaches_is_an_entry(
    b0: Spec, dimension: str, high: float
) -> None:
    # 80 × 1.05 = 84 channels, halfway, go up to 88; 228 px go up to 232
    position = DIMENSIONS.index(dimension)
    bounds = [(1.0, high if name == dimension else 1.0) for name in DIMENSIONS]
    found = entries(b0, axes(b0, bounds)[position], dimension)
    assert network(es.scale(b0, es.Multipliers(**{dimension: high}))) in found


def test_a_single_multiplier_is_a_single_entry(b0: Spec) -> None:
    for axis in axes(b0, ((1.3, 1.3), (1.125, 1.125), (1, 1))):
        assert len(axis) == 1


def test_runs_of_equal_results_are_one_entry() -> None:
    start = np.array([0.5, 1.0, 1.5, 2.0])
    rows = np.array([[1, 8], [1, 8], [2, 8], [2, 16]])
    runs = distinct(start, rows, 3.0, special=[1.0])
    assert runs.start.tolist() == [0.5, 1.5, 2.0]
    assert runs.end.tolist() == [1.5, 2.0, np.nextafter(3.0, 4)]


def test_noise_is_no_entry_unless_it_is_special() -> None:
    start = np.array([1.0, 1.0 + 1e-9, 1.5, 1.5 + 1e-9])
    rows = np.array([[1], [2], [3], [4]])
    kept = distinct(start, rows, 3.0, special=[1.0])
    assert kept.start.tolist() == [1.0, 1.0 + 1e-9, 1.5 + 1e-9]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (1.664, 1.698, 1.67),
        (1.95, 4.5, 2),
        (3.7391, 3.7392, 3.7391),
        (-2.5, -1.5, -2),
        (0.96, 1.04, 1),
        (1.0, 1.2, 1),
        (0.5, 1.0, 0.5),
        (-0.033, 0.001, 0),
        (-0.033, 0.0, -0.03),
        (-0.4, 1.6, 0),
        (0.1 + 0.2, 0.4, 0.31),
    ],
)
def test_the_simplest_number(low: float, high: float, expected: float) -> None:
    assert simplest(low, high) == expected


@given(st.floats(-50, 50), st.floats(1e-6, 3))
@examples(200)
def test_the_simplest_number_has_the_fewest_decimals(low: float, span: float) -> None:
    high = low + span
    found = simplest(low, high)
    assert low <= found < high
    if low <= 0 < high:
        assert found == 0
    elif low <= 1 < high:
        assert found == 1
    else:
        digits = max(-int(Decimal(repr(found)).normalize().as_tuple().exponent), 0)
        coarser = Decimal(1).scaleb(1 - digits)
        last = (Decimal(high) / coarser).to_integral_value("ROUND_FLOOR") * coarser
        shorter = float(last), float(last - coarser)
        assert digits == 0 or not any(low <= each < high for each in shorter)


def test_of_two_neighbouring_floats_the_lower_is_simplest() -> None:
    low = np.nextafter(1.1, 2)
    assert simplest(float(low), float(np.nextafter(low, 2))) == low
