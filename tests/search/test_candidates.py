"""Tests of `effscale.search.grid`: points counted at once, networks folded."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import effscale as es
from effscale.search import grid as candidates
from effscale.search.grid import Grid, counted, pareto_front, signature
from tests.examples import examples
from tests.search.drawn import aligned, figures, network

pytestmark = pytest.mark.slow

few = examples(15)
COEFFICIENTS = st.tuples(*[st.sampled_from([1.0, 1.04, 1.1, 1.15, 1.2, 1.25])] * 3)
POINTS = st.lists(COEFFICIENTS, min_size=1, max_size=12, unique=True)
Point = tuple[float, float, float]


def columns(points: list[Point]) -> list[Any]:
    return [np.array(column) for column in zip(*points, strict=True)]


def scaled(spec: es.Spec, point: Point, phi: float) -> es.Spec:
    """One point at one φ, in plain numbers."""
    return es.scale(spec, es.Multipliers(*(each**phi for each in point)))


def key(spec: es.Spec, point: Point, phis: list[float]) -> tuple[int, ...]:
    """What the network of this point is, at every φ."""
    return tuple(n for phi in phis for n in network(scaled(spec, point, phi)))


def own_of(spec: es.Spec) -> Point:
    return spec.coefficients.alpha, spec.coefficients.beta, spec.coefficients.gamma


def product_of(point: Point) -> float:
    return point[0] * point[1] ** 2 * point[2] ** 2


@given(aligned(), POINTS, st.sampled_from([[1], [0.5], [1, 2], [2, 1, 3]]))
@few
def test_points_of_one_network_fold_into_one(
    spec: es.Spec, points: list[Point], phis: list[float]
) -> None:
    found = counted(spec, columns(points), Grid((), phis=tuple(phis)))
    groups: dict[tuple[int, ...], list[Point]] = defaultdict(list)
    for point in points:
        groups[key(spec, point, phis)].append(point)
    standing = [*zip(*found.coefficients, strict=True)]
    assert len(standing) == len(groups)
    assert sum(found.same) == len(points)
    for point, same in zip(standing, found.same, strict=True):
        group = groups.pop(key(spec, point, phis))
        assert len(group) == same
        nearest = min(abs(product_of(each) - 2) for each in group)
        own = own_of(spec)
        assert point == own if own in group else abs(product_of(point) - 2) == nearest
    assert not groups


@pytest.mark.parametrize(
    "point", [(1.25, 1.1, 1.15), (1.2, 1.101, 1.15), (1.2, 1.1, 1.16)]
)
def test_the_spec_s_own_point_stands_for_its_network(b0: es.Spec, point: Point) -> None:
    # the other is nearer to 2, and the same network
    for points in ([point, own_of(b0)], [own_of(b0), point]):
        found = counted(b0, columns(points), Grid(()))
        assert tuple(each[0] for each in found.coefficients) == (1.2, 1.1, 1.15)
        assert found.same.tolist() == [2]
    assert abs(product_of(point) - 2) < abs(product_of(own_of(b0)) - 2)


@given(aligned(), POINTS)
@few
def test_each_candidate_is_counted_as_it_is_alone(
    spec: es.Spec, points: list[Point]
) -> None:
    phi, budget, base = 2.0, 1.9, int(es.count(spec).macs)
    found = counted(spec, columns(points), Grid((), target_ratio=budget, phis=(phi,)))
    for index in range(len(found)):
        one = found.take(np.array([index]))
        alpha, beta, gamma = (float(each[0]) for each in one.coefficients)
        point = alpha, beta, gamma
        alone = scaled(spec, point, phi)
        assert one.cost == es.count(alone)
        assert (one.height[0], one.width[0]) == alone.resolution
        ratio = int(es.count(alone).macs) / base
        assert one.ratio[0] == ratio
        assert one.deviation[0] == pytest.approx(ratio / budget**phi - 1, abs=1e-12)
        assert one.product[0] == pytest.approx(product_of(point), rel=1e-15)


def test_tracking_is_the_root_mean_square_of_the_logs(b0: es.Spec) -> None:
    phis, points = [1, 2, 3.5], [(1.2, 1.1, 1.15), (1.0, 1.4, 1.0)]
    found = counted(b0, columns(points), Grid((), phis=tuple(phis)))
    for index, point in enumerate(zip(*found.coefficients, strict=True)):
        logs = [
            math.log(int(es.count(scaled(b0, point, phi)).macs) / 385814752 / 2**phi)
            for phi in phis
        ]
        expected = math.sqrt(sum(log**2 for log in logs) / 3)
        assert found.tracking[index] == pytest.approx(expected, rel=1e-12)
        first = es.count(scaled(b0, point, 1)).macs
        assert found.cost.macs[index] == first


def test_tracking_of_a_single_phi_is_the_log_of_its_ratio(b0: es.Spec) -> None:
    found = counted(b0, columns([(1.2, 1.1, 1.15)]), Grid(()))
    # 860 M MACs over 2 × 386 M
    assert found.tracking[0] == pytest.approx(math.log1p(found.deviation[0]))


@pytest.mark.parametrize("chunk", [1, 3])
def test_chunks_do_not_matter(
    b0: es.Spec, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    grid = [1.0, 1.1, 1.2]
    points = [(a, b, c) for a in grid for b in grid for c in grid]
    whole = counted(b0, columns(points), Grid((), phis=(1, 2)))
    monkeypatch.setattr(candidates, "CHUNK", chunk)
    parts = counted(b0, columns(points), Grid((), phis=(1, 2)))
    assert len(whole) > 9
    assert figures(whole) == figures(parts)


def test_what_is_kept_grows_with_networks_not_with_points(
    b0: es.Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[int] = []
    chunk = candidates._chunk  # noqa: SLF001

    def noted(*given: Any) -> Any:  # noqa: ANN401
        found = chunk(*given)
        assert found is not None
        kept.append(len(found["points"]))
        return found

    folded: list[int] = []
    unique = np.unique

    def counting(rows: Any, **given: Any) -> Any:  # noqa: ANN401
        folded.append(len(rows))
        return unique(rows, **given)

    monkeypatch.setattr(candidates, "CHUNK", 8)
    monkeypatch.setattr(candidates, "_chunk", noted)
    monkeypatch.setattr(np, "unique", counting)
    many = np.linspace(1.2, 1.2000001, 400)
    found = counted(b0, [many, np.full(400, 1.1), np.full(400, 1.15)], Grid(()))
    assert found.same.tolist() == [400]
    assert sum(kept) == 400
    assert max(folded) <= 24


def test_take_picks_candidates_with_all_their_figures(b0: es.Spec) -> None:
    found = counted(
        b0,
        columns([(1.0, 1.4, 1.0), (2.0, 1.0, 1.0)]),
        Grid(()),
    )
    other = found.take(np.array([1, 0]))
    assert len(other) == 2
    assert other.coefficients[0].tolist() == found.coefficients[0].tolist()[::-1]
    assert other.cost.params.tolist() == found.cost.params.tolist()[::-1]
    assert len(found.take(np.array([1]))) == 1


def test_a_signature_is_every_number_that_scales(b0: es.Spec) -> None:
    many = es.scale(b0, es.Multipliers(depth=np.array([1.0, 2.0])))
    rows = signature(many, 2).tolist()
    alone = [es.scale(b0, es.Multipliers(depth=depth)) for depth in (1.0, 2.0)]
    assert [sorted(row) for row in rows] == [sorted(network(each)) for each in alone]


FIGURES = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1)


@given(FIGURES)
@examples(100)
def test_the_front_is_what_no_other_beats(figures: list[tuple[int, int]]) -> None:
    params, activations = (np.array(each) for each in zip(*figures, strict=True))
    found = pareto_front(params, activations)
    expected = {
        (p, a)
        for p, a in figures
        if not any(q <= p and b <= a and (q, b) != (p, a) for q, b in figures)
    }
    picked = [each for each, on in zip(figures, found, strict=True) if on]
    assert set(picked) == expected
    assert len(picked) == len(expected), "of equal ones, one stands for all"
