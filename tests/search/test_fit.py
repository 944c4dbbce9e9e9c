"""Tests of `effscale.search.fit`: the ray's nearest network, against brute force."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import effscale as es
from effscale.errors import ScaleError
from effscale.growth.scale import numbers
from effscale.search import fit
from effscale.search.fit import on_ray, ray
from effscale.search.networks import scaled as networks_of
from tests.examples import examples
from tests.search.drawn import (
    Within,
    aligned,
    near,
    network,
    networks,
    off,
    off_multiples,
    scaling,
    tiny,
)

if TYPE_CHECKING:
    from effscale.search.fit import Found, Ray
    from effscale.search.networks import LeftOut, Networks

pytestmark = pytest.mark.slow

few = examples(15)
TARGETS = st.floats(0.2, 5)  #: as multiples of the baseline's MACs
STRATEGIES = st.sampled_from(["compound", "depth", "wr", "fast", "d1_w8_r1"])


def macs(spec: es.Spec, phi: float = 0) -> int:
    return int(es.count(es.scale(spec, es.compound(phi, spec.coefficients))).macs)


def test_candidates_are_counted_few_at_a_time_and_none_is_another(
    monkeypatch: pytest.MonkeyPatch, b0: es.Spec
) -> None:
    wanted, sizes = near(macs(b0)), []
    whole = ray(b0, [wanted])

    def scaled(spec: es.Spec, given: es.Multipliers, left: LeftOut) -> Networks | None:
        sizes.append(np.size(given.depth))
        return networks_of(spec, given, left)

    monkeypatch.setattr(fit, "BLOCKS", 100)
    monkeypatch.setattr(fit, "FEWEST", 7)
    monkeypatch.setattr(fit, "scaled", scaled)
    path = ray(b0, [wanted])
    assert max(sizes) <= 100
    assert len(sizes) > 2
    assert path.phi.tolist() == whole.phi.tolist()
    assert path.end.tolist() == whole.end.tolist()
    assert path.figures["macs"].tolist() == whole.figures["macs"].tolist()
    assert path.admitted.tolist() == whole.admitted.tolist()
    assert [*map(list, path.sides)] == [*map(list, whole.sides)]


def multipliers(path: Ray, phis: Any) -> es.Multipliers:  # noqa: ANN401
    return es.strategy(path.strategy, phis, path.spec.coefficients)


def sampled(path: Ray) -> Any:  # noqa: ANN401 - an array
    """φ all along the ray and beyond, wherever there is a network."""
    lowest = max(float(path.phi[0]), -8.0)
    return np.concatenate((np.linspace(lowest, 6.0, 2001), [0.0]))


def distances(path: Ray, target: int, limits: Within | None = None) -> Any:  # noqa: ANN401
    """How far from the target the sampled networks within the limits are."""
    given = multipliers(path, sampled(path))
    scaled = es.scale(path.spec, given)
    cost = es.count(scaled)
    far = np.abs(np.asarray(cost.macs) / target - 1)
    return far[(limits or Within()).admit(path.spec, given, scaled.resolution, cost)]


@given(aligned(), TARGETS, STRATEGIES)
@few
def test_nothing_on_the_ray_is_nearer(
    spec: es.Spec, multiple: float, name: str
) -> None:
    target = max(int(multiple * macs(spec)), 1)
    path = ray(spec, [near(target)], name=name)
    found = on_ray(path, near(target)).found
    assert found[0].role == "nearest"
    assert abs(off(found[0])) <= distances(path, target).min()
    if len(found) > 1:
        one, other = found
        assert (off(one) > 0) != (off(other) > 0)
        assert other.role == ("above" if off(other) > 0 else "below")


@given(off_multiples(), st.floats(0.5, 2))
@few
def test_nothing_is_nearer_where_the_baseline_itself_is_off_the_multiples(
    spec: es.Spec, multiple: float
) -> None:
    # MACs may fall at φ = 0, where alone nothing is rounded
    target = max(int(multiple * macs(spec)), 1)
    path = ray(spec, [near(target)])
    nearest = on_ray(path, near(target)).found[0]
    assert abs(off(nearest)) <= distances(path, target).min()


def one_network(path: Ray, found: Found) -> bool:
    """Whether all φ of the interval give what was found."""
    assert found.interval is not None
    low, high = found.interval
    inside = np.linspace(low, high, 41)[1:-1]
    return set(networks(path.spec, multipliers(path, inside))) == {
        network(found.variant.spec)
    }


def is_other(path: Ray, found: Found, phi: float) -> bool:
    """Whether this φ gives another network than what was found, or none."""
    try:
        scaled = es.scale(path.spec, multipliers(path, np.array([phi])))
    except ScaleError:
        return True
    return network_of_one(scaled) != network(found.variant.spec)


def network_of_one(spec: es.Spec) -> tuple[int, ...]:
    return tuple(int(np.ravel(each)[0]) for each in scaling(spec))


@given(aligned(), TARGETS, STRATEGIES)
@few
def test_an_interval_is_all_the_phi_of_a_network(
    spec: es.Spec, multiple: float, name: str
) -> None:
    target = max(int(multiple * macs(spec)), 1)
    path = ray(spec, [near(target)], name=name)
    for found in on_ray(path, near(target)).found:
        assert found.interval is not None
        low, high = found.interval
        assert low <= found.variant.phi < high  # type: ignore[operator]
        assert one_network(path, found)
        assert is_other(path, found, low - 1e-9) or low == path.phi[0]
        assert is_other(path, found, high + 1e-9) or high == path.end[-1]
        alone = es.scale(spec, es.strategy(name, found.variant.phi or 0.0))
        assert network(alone) == network(found.variant.spec)
        assert found.cost == es.count(alone)


@pytest.mark.parametrize("multiple", [0.05, 1, 16])
def test_every_network_of_b0_s_ray_is_on_it(b0: es.Spec, multiple: float) -> None:
    target = int(multiple * macs(b0))
    path = ray(b0, [near(target)])
    within = np.linspace(path.phi[0], path.end[-1] - 1e-9, 2001)
    reached = set(networks(b0, multipliers(path, within)))
    listed = networks(b0, multipliers(path, (path.phi + path.end) / 2))
    assert reached <= set(listed)
    assert len(set(listed)) == len(listed)
    assert path.figures["macs"][-1] > target


def test_the_baseline_s_own_cost_is_the_baseline(b0: es.Spec) -> None:
    nearest, above = on_ray(ray(b0, [near(385814752)]), near(385814752)).found
    assert (nearest.variant.phi, nearest.deviation) == (0, 0)
    assert network(nearest.variant.spec) == network(b0)
    assert nearest.variant.spec.name == "b0-phi0"
    assert (above.role, int(above.cost.macs) > 385814752) == ("above", True)


def test_a_baseline_between_images_too_small_is_no_end_of_the_ray() -> None:
    # a total stride of 9, and 9 pixels: at φ of 0.1 or 1 they would round to 8, which
    # leave no image, but at φ of 3 to 16
    spec = tiny((9, 9), 3)
    target = macs(spec, 3)
    nearest = on_ray(ray(spec, [near(target)]), near(target)).found[0]
    assert abs(off(nearest)) <= 0.1


def test_what_no_network_reaches_has_one_side(b0: es.Spec) -> None:
    (smallest,) = on_ray(ray(b0, [near(1)]), near(1)).found
    assert smallest.role == "nearest"
    # depth cannot fall below a block a stage
    assert smallest.variant.spec.resolution == (32, 32)
    assert set(numbers(smallest.variant.spec, "repeats")) == {1}


LIMITS = [
    Within(params=8_000_000),
    Within(activations=15_000_000),
    Within(max_resolution=271),
    Within(min_depth=1.355),
    Within(max_depth=1.355),
    Within(min_width=1.1733, max_width=1.18),
    Within(max_width=1.173),
    Within(min_depth=2.9),
    Within(min_depth=1.3, max_depth=1.3),
    Within(min_depth=1.3, max_resolution=280, params=12_000_000),
]


@pytest.mark.parametrize("limits", LIMITS, ids=str)
def test_limits_hold_in_what_is_found(b0: es.Spec, limits: Within) -> None:
    path = ray(b0, [limits.near(1_500_000_000)], limits.bounds)
    found = on_ray(path, limits.near(1_500_000_000)).found
    for each in found:
        given, sides = each.variant.multipliers, each.variant.spec.resolution
        assert limits.admit(b0, given, sides, each.cost)
    nearest = abs(off(found[0]))
    assert nearest <= distances(path, 1_500_000_000, limits).min()


def test_a_limit_beyond_the_target_is_still_reached(b0: es.Spec) -> None:
    # φ = 2.02 is just deep enough, and 0.6 % above
    target, limits = macs(b0, 2) - 1, Within(min_depth=1.445)
    found = on_ray(ray(b0, [limits.near(target)], limits.bounds), near(target)).found
    assert [each.role for each in found] == ["nearest"]
    assert 0 < off(found[0]) < 0.01


@pytest.mark.parametrize(
    ("name", "limits"),
    [
        ("compound", Within(min_depth=1000)),
        ("compound", Within(max_resolution=24)),
        ("depth", Within(min_width=1.1)),
        ("width", Within(max_depth=0.5)),
    ],
)
def test_limits_that_nothing_meets_leave_nothing(
    b0: es.Spec, name: str, limits: Within
) -> None:
    assert (
        on_ray(ray(b0, [limits.near(10**9)], limits.bounds, name), near(10**9)).found
        == []
    )


def test_a_ray_needs_multipliers_that_rise(b0: es.Spec) -> None:
    falling = es.Coefficients(alpha=1.5, beta=0.9, gamma=1.2)
    spec = b0.model_copy(update={"coefficients": falling})
    with pytest.raises(ScaleError) as caught:
        ray(spec, [near(10**9)])
    assert str(caught.value) == (
        "coefficients: expected at least 1 each, to search along φ"
    )


def test_the_last_network_lasts_as_long_as_it_does() -> None:
    """Where looking further stopped is no end of what was found there."""
    spec = tiny()
    macs = int(es.count(es.scale(spec, es.compound(1.0))).macs)
    for target in (macs - 1, macs, macs + 1):
        path = ray(spec, [near(target)])
        (nearest, *_) = on_ray(path, near(target)).found
        assert nearest.interval is not None
        low, high = nearest.interval
        inside = es.scale(spec, es.compound(float(np.nextafter(high, low))))
        beyond = es.scale(spec, es.compound(high))
        assert network(inside) == network(nearest.variant.spec)
        assert network(beyond) != network(nearest.variant.spec)


def test_what_is_beyond_the_last_network_may_be_beyond_our_numbers(b0: es.Spec) -> None:
    """At α = 100, φ of 2 would repeat a stage more than 10,000 times."""
    deep = b0.model_copy(
        update={"coefficients": es.Coefficients(alpha=100, beta=1, gamma=1)}
    )
    assert ray(deep, [near(10**9)]).end[-1] == 1
