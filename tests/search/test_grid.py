"""Tests of `effscale.search.grid`: every feasible point, by exact counts."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import effscale as es
from effscale.cost.memory import memory
from effscale.errors import ScaleError
from effscale.growth.scale import numbers
from effscale.limit import parse
from effscale.network.network import network
from effscale.search import grid
from effscale.search.grid import Grid, axes, axis, search
from effscale.spec.models import POLICIES
from tests.examples import examples
from tests.search.drawn import figures
from tests.strategies import specs

if TYPE_CHECKING:
    from effscale.choices import Constraint
    from effscale.search.grid import Answer

pytestmark = pytest.mark.slow

few = examples(15)
DECIMALS = st.integers(0, 5).flatmap(
    lambda places: st.integers(1, 10**places * 3).map(
        lambda n: Decimal(n).scaleb(-places)
    )
)


def papers(step: str = "0.05", **more: Any) -> Grid:  # noqa: ANN401
    """The paper's grid for twice the cost, at some step: √2 is 1.42, rounded up."""
    by, one = Decimal(step), Decimal(1)
    root = axis(one, Decimal("1.42"), by)
    return Grid((axis(one, Decimal(2), by), root, root), **more)


def cube(*values: float, **more: Any) -> Grid:  # noqa: ANN401
    return Grid((np.array(values),) * 3, **more)


def points(answer: Answer) -> list[tuple[float, float, float]]:
    columns = (each.tolist() for each in answer.candidates.coefficients)
    return list(zip(*columns, strict=True))


@given(DECIMALS, DECIMALS, st.integers(0, 200))
@examples(100)
def test_values_of_an_axis_are_literals(
    low: Decimal, step: Decimal, count: int
) -> None:
    high = low + step * count
    expected = [float(low + k * step) for k in range(count + 1)]
    assert axis(low, high, step).tolist() == expected
    assert axis(low, high + step * Decimal("0.9"), step).tolist() == expected


def test_no_step_is_accumulated() -> None:
    values = axis(Decimal(1), Decimal("1.42"), Decimal("0.1")).tolist()
    assert values == [1.0, 1.1, 1.2, 1.3, 1.4]
    # what adding up would give
    assert 1.0 + 0.1 + 0.1 != 1.2
    assert axis(Decimal("1.25"), Decimal("1.25"), Decimal(1)).tolist() == [1.25]


@pytest.mark.parametrize("step", ["0", "-0.05"])
def test_a_step_must_lead_somewhere(step: str) -> None:
    with pytest.raises(ScaleError) as caught:
        axis(Decimal(1), Decimal(2), Decimal(step))
    assert str(caught.value) == f"step: expected a number above 0, got {step}"


@pytest.mark.parametrize(("low", "high"), [("2", "1"), ("0", "1"), ("-1", "1")])
def test_a_range_must_not_be_empty(low: str, high: str) -> None:
    with pytest.raises(ScaleError) as caught:
        axis(Decimal(low), Decimal(high), Decimal("0.1"))
    assert str(caught.value) == (
        f"range: expected LOW:HIGH with 0 < LOW <= HIGH, got {low}:{high}"
    )


def test_a_range_of_too_many_values_is_refused_before_it_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(np, "arange")  # which would need 8 GB
    with pytest.raises(ScaleError) as caught:
        axis(Decimal(1), Decimal(2), Decimal("0.000000001"))
    assert str(caught.value) == (
        "grid: expected at most 1,000,000,000 points, got 1,000,000,001; "
        "a larger --step or narrower ranges have fewer"
    )


def test_axes_are_refused_together_before_they_are_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, two, fine = Decimal(1), Decimal(2), Decimal("0.001")
    values = axes([(one, two), (one, one), (two, two)], [fine, fine, fine])
    assert [len(each) for each in values] == [1001, 1, 1]
    assert values[2].tolist() == [2]
    monkeypatch.delattr(np, "arange")
    with pytest.raises(ScaleError, match=r"points, got 1,003,003,001; "):
        axes([(one, two)] * 3, [fine] * 3)


@pytest.mark.parametrize("ratio", [0.999, 0, -2, float("inf"), float("nan")])
def test_a_target_below_the_baseline_is_refused(ratio: float) -> None:
    with pytest.raises(ScaleError) as caught:
        papers(target_ratio=ratio)
    assert str(caught.value) == f"target ratio: expected at least 1, got {ratio!r}"


def test_more_than_a_billion_points_are_refused() -> None:
    many = np.linspace(1, 2, 1001)
    with pytest.raises(ScaleError) as caught:
        Grid((many, many, many))
    assert str(caught.value) == (
        "grid: expected at most 1,000,000,000 points, got 1,003,003,001; "
        "a larger --step or narrower ranges have fewer"
    )


def test_the_paper_s_grid(b0: es.Spec) -> None:
    answer = search(b0, papers())
    assert (answer.enumerated, answer.feasible) == (1701, 109)
    assert sum(answer.candidates.same) == 109
    # Tan & Le 2019, section 3.3, step 1: α = 1.2, β = 1.1, γ = 1.15
    assert (1.2, 1.1, 1.15) in points(answer)


def test_a_finer_grid(b0: es.Spec) -> None:
    answer = search(b0, papers("0.01", tolerance=0.01))
    assert (answer.enumerated, answer.feasible) == (186749, 2062)


def test_the_point_nearest_to_two(b0: es.Spec) -> None:
    answer = search(b0, papers(tolerance=0.0002))
    at = points(answer).index((1.25, 1.1, 1.15))
    assert f"{answer.candidates.product[at]:.4f}" == "2.0003"


def test_a_point_on_the_very_edge_of_the_tolerance_is_in(b0: es.Spec) -> None:
    # 1.1 is 10 % above 1, though 1.1 / 1 - 1 is 0.10000000000000009
    alone = Grid(
        (np.array([1.1]), np.ones(1), np.ones(1)), target_ratio=1, tolerance=0.1
    )
    assert search(b0, alone).feasible == 1


def realised(spec: es.Spec, asked: Grid) -> list[tuple[float, float, float]]:
    """The feasible points, one network after the other; no image, no network.

    A grid with a network that cannot be for any other reason is refused as a whole.
    """
    base, feasible = int(es.count(spec).macs), []
    for point in product(*(each.tolist() for each in asked.axes)):
        logs = []
        for phi in asked.phis:
            multipliers = es.Multipliers(*(each**phi for each in point))
            try:
                cost = es.count(es.scale(spec, multipliers))
            except ScaleError as error:
                assume(str(error).startswith("resolution:"))
                logs.append(np.inf)
                continue
            logs.append(np.log(int(cost.macs) / base / asked.target_ratio**phi))
        off = np.sqrt(np.mean(np.square(logs)))
        if len(logs) == 1:
            off = abs(np.expm1(logs[0]))
        if off <= asked.tolerance:
            feasible.append(point)
    return feasible


@given(
    specs(),
    st.sampled_from([(1.0,), (0.5,), (2.0,), (1.0, 2.0)]),
    st.sampled_from([0.1, 0.4]),
)
@few
def test_realised_cost_is_that_of_each_network(
    spec: es.Spec, phis: tuple[float, ...], tolerance: float
) -> None:
    assume(numbers(spec, "repeats"))  # else nothing follows α
    asked = cube(1, 1.2, 1.5, tolerance=tolerance, constraint="realised", phis=phis)
    feasible = realised(spec, asked)
    if not feasible:
        with pytest.raises(ScaleError):
            search(spec, asked)
        return
    answer = search(spec, asked)
    assert (answer.enumerated, answer.feasible) == (27, len(feasible))
    assert set(points(answer)) <= set(feasible)
    assert sum(answer.candidates.same) == len(feasible)


def test_bottlenecks_that_keep_their_ratio_are_searched() -> None:
    """By pycls' rules those of candidates are arrays."""
    spec = es.load("regnety-400mf").model_copy(update={"rounding": POLICIES["pycls"]})
    asked = cube(1, 1.2, 1.4, tolerance=0.4, constraint="realised", phis=(1.0,))
    assert points(search(spec, asked))


@pytest.mark.parametrize("slab", [1, 7, 100])
@pytest.mark.parametrize("constraint", ["nominal", "realised"])
def test_slabs_do_not_matter(
    b0: es.Spec, monkeypatch: pytest.MonkeyPatch, constraint: Constraint, slab: int
) -> None:
    asked = papers("0.1", tolerance=0.1, constraint=constraint)
    whole = search(b0, asked)
    heard: list[int] = []
    monkeypatch.setattr(grid, "SLAB", slab)
    parts = search(b0, asked, heard.append)
    assert len(heard) > 1
    assert sum(heard) == whole.enumerated == parts.enumerated
    assert parts.feasible == whole.feasible > 10
    assert figures(parts.candidates) == figures(whole.candidates)


def test_the_network_of_the_spec_s_own_coefficients_is_named_by_them(
    b0: es.Spec,
) -> None:
    answer = search(b0, papers())
    at = points(answer).index((1.2, 1.1, 1.15))
    # (1.2, 1.1, 1.15) and another point nearer to 2 are one network
    assert answer.candidates.same[at] == 2


def test_images_too_small_are_left_out(b0: es.Spec) -> None:
    # at φ = -10 the image must not shrink to less than 28 of 224 pixels
    asked = papers("0.1", tolerance=0.4, phis=(-10.0,))
    answer = search(b0, asked)
    assert answer.enumerated == asked.points
    assert {gamma for _, _, gamma in points(answer)} == {1.0, 1.1, 1.2}
    assert min(answer.candidates.height) == 40  # of 36, the nearest multiple
    with pytest.raises(ScaleError) as caught:
        search(b0, cube(1.3, phis=(-10.0,)))
    assert str(caught.value) == "resolution: no gamma of the grid leaves an image"


INFEASIBLE = [
    (papers("0.1", tolerance=0.0001, target_ratio=2.3), "nominal"),
    (papers("0.5", tolerance=0.01, constraint="realised"), "realised"),
    (cube(1.5, tolerance=0.05), "nominal"),
    (cube(1.3, tolerance=0.05, constraint="realised", phis=(3.0,)), "realised"),
    (cube(1.3, tolerance=0.001, constraint="realised", phis=(1.0, 2.0)), "realised"),
]


@pytest.mark.parametrize(("asked", "constraint"), INFEASIBLE)
def test_what_is_suggested_where_nothing_is_feasible_succeeds(
    b0: es.Spec, asked: Grid, constraint: str
) -> None:
    with pytest.raises(ScaleError) as caught:
        search(b0, asked)
    message = str(caught.value)
    assert f"({constraint}); nearest is alpha " in message
    tolerance = float(message.rpartition("--tolerance ")[2])
    answer = search(b0, replace(asked, tolerance=tolerance))
    named = re.findall(r"(?:alpha|beta|gamma) ([\d.]+)", message)
    assert tuple(map(float, named)) in points(answer)
    # no smaller number of as many digits as are told does
    (percents,) = re.findall(r"off by [\d]+\.?(\d*) %", message)
    with pytest.raises(ScaleError):
        search(b0, replace(asked, tolerance=tolerance - 10 ** -(2.0 + len(percents))))


def test_the_nearest_is_that_of_all_slabs(
    b0: es.Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = cube(1.1, 1.3, 1.5, tolerance=0.01)
    with pytest.raises(ScaleError) as whole:
        search(b0, asked)
    monkeypatch.setattr(grid, "SLAB", 1)
    with pytest.raises(ScaleError) as parts:
        search(b0, asked)
    assert str(parts.value) == str(whole.value)
    # 1.1 × 1.1² × 1.3² = 2.249, 1.3 × 1.1² × 1.1² = 1.903
    assert "nearest is alpha 1.3, beta 1.1, gamma 1.1, off by 4.8 %" in str(whole.value)


def test_the_message_where_nothing_is_feasible(b0: es.Spec) -> None:
    with pytest.raises(ScaleError) as caught:
        search(b0, cube(1.5, tolerance=0.05))
    assert str(caught.value) == (
        "no coefficients cost 1.9 to 2.1 times the baseline (nominal); nearest is "
        "alpha 1.5, beta 1.5, gamma 1.5, off by 280 %; try --tolerance 2.8"
    )


def test_the_message_speaks_of_the_cost_at_its_phi(b0: es.Spec) -> None:
    # at φ = 3, the realised cost is to be 8 times the baseline's
    with pytest.raises(ScaleError, match=r"^no coefficients cost 7\.6 to 8\.4 times "):
        search(b0, cube(1.5, constraint="realised", phis=(3.0,)))


def test_limits_leave_those_that_each_by_itself_is_within(b0: es.Spec) -> None:
    limits = parse("params", "<= 8.5M"), parse("memory", "<= 50MB")
    whole = search(b0, papers()).candidates
    answer = search(b0, papers(limits=limits))
    kept = {
        (each.memory, each.params)
        for point in zip(*(c.tolist() for c in whole.coefficients), strict=True)
        if (each := held(es.scale(b0, es.Multipliers(*point)))).memory <= 50_000_000
        and each.params <= 8_500_000
    }
    found = answer.candidates
    assert kept
    pairs = zip(
        found.figures[:, 0].tolist(), np.asarray(found.cost.params), strict=True
    )
    assert {(memory, int(params)) for memory, params in pairs} == kept


class Held(NamedTuple):
    """Bytes and params of one network."""

    memory: int
    params: int


def held(spec: es.Spec) -> Held:
    found = memory(network(spec))
    return Held(found.weights + found.peak, int(es.count(spec).params))


def test_limits_that_leave_none_name_what_comes_nearest(b0: es.Spec) -> None:
    with pytest.raises(ScaleError) as caught:
        search(b0, papers(limits=(parse("params", "<= 1M"),)))
    assert str(caught.value) == (
        "no candidate of 2 × the baseline is within all limits; <= 1.00 M params: "
        "5.289 M (+428.9 %) comes nearest"
    )
