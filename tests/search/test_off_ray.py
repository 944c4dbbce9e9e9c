"""Tests of `effscale.search.off_ray`: every network off the ray, by brute force."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest

import effscale as es
from effscale.cost.figures import Running
from effscale.errors import ScaleError
from effscale.limit import parse
from effscale.search import off_ray as free
from effscale.search.asked import Bounds, asked
from effscale.search.fit import on_ray, ray
from effscale.search.off_ray import off_ray, ranges
from effscale.search.reachable import axes
from effscale.spec.models import Rounding
from tests.search.drawn import Within, near, network, off, tiny

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from effscale.limit import Figure
    from effscale.search.fit import Found
    from effscale.search.off_ray import Free, Ranges
    from effscale.spec.models import Spec

pytestmark = pytest.mark.slow

DIMENSIONS = ("depth", "width", "resolution")


def search(
    spec: Spec,
    target: int,
    limits: Within,
    tolerance: float,
    *more: Callable[[float], None],
) -> Free:
    return off_ray(spec, limits.near(target), limits.bounds, tolerance, *more)


def where(spec: Spec, target: int, limits: Within) -> Ranges:
    return ranges(spec, limits.near(target), limits.bounds)


def every(spec: Spec, target: int, limits: Within) -> dict[tuple[int, ...], es.Cost]:
    """Each network within the bounds, from thousands of multipliers a dimension."""
    choices = []
    for name, (low, high) in zip(DIMENSIONS, where(spec, target, limits), strict=True):
        found: dict[tuple[int, ...], float] = {}
        for at in [
            *np.linspace(low, high, 801).tolist(),
            *([1.0] * (low <= 1 <= high)),
        ]:
            found.setdefault(network(es.scale(spec, es.Multipliers(**{name: at}))), at)
        choices.append(list(found.values()))
    scaled = [es.scale(spec, es.Multipliers(*each)) for each in product(*choices)]
    return {network(each): es.count(each) for each in scaled}


def admitted(
    costs: dict[tuple[int, ...], es.Cost], limits: Within
) -> dict[tuple[int, ...], es.Cost]:
    """Those within limits of params, activations and resolution."""
    return {
        key: cost
        for key, cost in costs.items()
        if cost.params <= (limits.params or np.inf)
        and cost.activations <= (limits.activations or np.inf)
        and max(key[-2:]) <= (limits.max_resolution or np.inf)
    }


def roles(answer: Free, *names: str) -> list[Found]:
    return [each for each in answer.answer.found if each.role in names]


def figures(cost: es.Cost) -> tuple[int, int]:
    return int(cost.params), int(cost.activations)


def front_of(costs: list[es.Cost]) -> set[tuple[int, int]]:
    """(params, activations) that no other beats."""
    pairs = {figures(cost) for cost in costs}
    return {
        (p, a)
        for p, a in pairs
        if not any(q <= p and b <= a and (q, b) != (p, a) for q, b in pairs)
    }


@pytest.mark.parametrize("multiple", [0.6, 1, 2.3])
@pytest.mark.parametrize(
    "limits",
    [
        Within(),
        Within(params=9000, activations=52_000, max_resolution=50),
        Within(max_depth=1.2, min_width=0.8),
    ],
    ids=["", "params", "depth"],
)
def test_agrees_with_counting_every_network(multiple: float, limits: Within) -> None:
    spec = tiny()
    target = int(multiple * es.count(spec).macs)
    answer = search(spec, target, limits, 0.1)
    networks = every(spec, target, limits)
    assert answer.enumerated == len(networks)
    costs = list(admitted(networks, limits).values())
    far = [int(each.macs) / target - 1 for each in costs]
    close = [each for each, by in zip(costs, far, strict=True) if abs(by) <= 0.1]
    assert answer.within == len(close) > 0
    nearest, *_ = answer.answer.found
    assert nearest.role == "nearest"
    assert abs(off(nearest)) == min(map(abs, far))
    below = max((int(c.macs) for c in costs if c.macs <= target), default=None)
    above = min((int(c.macs) for c in costs if c.macs > target), default=None)
    sides = {int(each.cost.macs) for each in answer.answer.found[:2]}
    assert sides == {below, above} - {None}
    front = roles(answer, "front")
    assert [each.cost.params for each in front] == sorted(
        each.cost.params for each in front
    )
    assert {figures(each.cost) for each in front} == front_of(close)
    assert len(front) == len(front_of(close))
    for each in answer.answer.found:
        given, sides_of = each.variant.multipliers, each.variant.spec.resolution
        assert limits.admit(spec, given, sides_of, each.cost)
        assert each.cost == es.count(es.scale(spec, given))


def test_closest_to_the_baseline_s_cost_is_the_baseline(b0: Spec) -> None:
    narrow = Within(max_depth=1.1, min_width=0.95)
    answer = search(b0, 385814752, narrow, 0.05)
    (closest,) = roles(answer, "nearest compound")
    assert network(closest.variant.spec) == network(b0)
    assert closest.variant.multipliers == es.Multipliers(1.0, 1.0, 1.0)
    nearest = answer.answer.found[0]
    assert (nearest.role, nearest.deviation) == ("nearest", 0)


@pytest.mark.parametrize("multiple", [0.8, 1.9, 3.1])
def test_closest_is_on_the_ray_where_the_ray_passes(multiple: float) -> None:
    spec = tiny((64, 64))
    target = int(multiple * es.count(spec).macs)
    nearest = on_ray(ray(spec, [near(target)]), near(target)).found[0]
    assert abs(off(nearest)) < 0.4
    answer = search(spec, target, Within(), 0.4)
    (closest,) = roles(answer, "nearest compound")
    assert network(closest.variant.spec) == network(nearest.variant.spec)


def test_without_any_within_tolerance_only_the_neighbours_are_found() -> None:
    answer = search(tiny(), 100_003, Within(), 0.0)
    assert answer.within == 0
    assert {each.role for each in answer.answer.found} <= {"nearest", "below", "above"}


def slabbed(monkeypatch: pytest.MonkeyPatch, slab: int) -> Iterator[object]:
    spec = tiny()
    monkeypatch.setattr(free, "SLAB", slab)
    heard: list[float] = []
    answer = search(spec, 150_000, Within(), 0.3, heard.append)
    assert sum(heard) == pytest.approx(1)
    yield len(heard)
    yield answer.enumerated, answer.within
    yield [(each.role, each.variant.spec, each.cost) for each in answer.answer.found]


def test_slabs_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, *answer = slabbed(monkeypatch, 2**20)
    many, *same = slabbed(monkeypatch, 1)
    assert whole == 1
    assert many > 2  # type: ignore[operator]
    assert same == answer


def test_bounds_are_around_the_baseline_and_the_target(b0: Spec) -> None:
    # a target of 4 times the cost: from 4/5 to 5, of which w and r have the root
    depth, width, resolution = where(b0, 4 * 385814752, Within())
    assert depth == pytest.approx((0.8, 5))
    assert width == resolution == pytest.approx((0.8**0.5, 5**0.5))


def ranges_of(spec: Spec, most: Figure | None, **limits: str) -> Ranges:
    given = [parse(name, text) for name, text in limits.items()]  # type: ignore[arg-type]
    return ranges(spec, asked(given, most, None, Running()), Bounds())


def test_a_limit_looser_than_macs_widens_no_range(b0: Spec) -> None:
    alone = ranges_of(b0, None, macs="<= 500M")
    assert ranges_of(b0, None, macs="<= 500M", memory="<= 8GB") == alone
    assert ranges_of(b0, None, macs="<= 500M", params="<= 4M") != alone
    wider = ranges_of(b0, "params", macs="<= 500M", params="<= 20M")
    assert wider[1][1] > alone[1][1]


def test_bounds_end_at_the_largest_resolution(b0: Spec) -> None:
    resolution = where(b0, 385814752, Within(max_resolution=208))[2]
    assert resolution == pytest.approx((0.8**0.5, 208 / 224))


def test_images_too_small_are_left_out(b0: Spec) -> None:
    narrow = Within(
        min_depth=1, max_depth=1, min_width=1, max_width=1, max_resolution=40
    )
    answer = search(b0, 10**6, narrow, 0.05)
    sides = {each.variant.spec.resolution for each in answer.answer.found}
    assert sides <= {(32, 32), (40, 40)}
    assert answer.enumerated == 2
    with pytest.raises(ScaleError) as caught:
        search(b0, 10**6, replace(narrow, max_resolution=24), 0.05)
    assert str(caught.value) == (
        "resolution: no multiplier within the limits leaves an image"
    )


def test_bounds_are_the_limits_where_given(b0: Spec) -> None:
    limits = Within(min_depth=0.5, max_depth=9, min_width=0.25, max_width=1.5)
    depth, width, _ = where(b0, 385814752, limits)
    assert depth == (0.5, 1.25)
    assert width == (0.25, 1.25**0.5)


def test_bounds_that_leave_nothing_are_refused(b0: Spec) -> None:
    with pytest.raises(ScaleError) as caught:
        where(b0, 385814752, Within(min_depth=2.5, max_depth=2))
    assert str(caught.value) == (
        "depth: expected a multiplier of at least 2.5, and at most 2: there is none"
    )


def test_a_bound_beyond_what_is_asked_is_looked_next_to(b0: Spec) -> None:
    beyond = Within(min_depth=2.5, max_width=0.5, max_resolution=168)
    depth, width, resolution = where(b0, 385814752, beyond)
    assert depth == (2.5, 2.5 * 1.25)
    assert width == (0.5 / 1.25, 0.5)
    assert resolution == (0.75 / 1.25, 0.75)
    found = search(b0, 385814752, beyond, 0.05).answer.best
    assert found is not None
    assert max(found.variant.spec.resolution) <= 168


@pytest.mark.parametrize("share", [0.3, 0.005])
def test_a_stride_that_is_no_multiple_of_the_pixels_is_no_obstacle(
    share: float,
) -> None:
    # total stride 9, sides to a multiple of 8: 9 px, the least, would round to 8
    spec = tiny((72, 72), 3)
    wanted = int(share * es.count(spec).macs)
    assert search(spec, wanted, Within(), 0.5).answer.found[0].role == "nearest"


def test_a_baseline_off_the_multiples_is_counted_once() -> None:
    # 24 × 40 pixels below 1, 25 × 41 at 1, and 24 × 40 again above 1
    spec = tiny((25, 41))
    target = int(es.count(spec).macs)
    networks = every(spec, target, Within())
    answer = search(spec, target, Within(), 0.05)
    assert network(spec) in networks
    assert answer.enumerated == len(networks)


def test_more_than_a_billion_networks_are_refused(b0: Spec) -> None:
    rounding = Rounding(channel_divisor=1, resolution_multiple=1)
    fine = b0.model_copy(update={"rounding": rounding})
    reachable = axes(fine, where(fine, 64 * 385814752, Within()))
    with pytest.raises(ScaleError) as caught:
        search(fine, 64 * 385814752, Within(), 0.05)
    assert str(caught.value) == (
        "fit: expected at most 1,000,000,000 networks, "
        f"got {math.prod(map(len, reachable)):,}; "
        "limits of depth, width and resolution leave fewer"
    )
