"""Tests of `effscale.growth.growth`: how detectors grow by φ."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import effscale as es
from effscale.errors import ScaleError
from effscale.growth.detector import Detector
from effscale.growth.growth import at_phi, family, growth_of
from effscale.growth.multipliers import SINGLE
from effscale.spec.neck import Scaling
from tests.examples import examples
from tests.parts import detecting

PHIS = range(8)


@pytest.fixture(scope="module")
def d0() -> es.Spec:
    """EfficientDet-D0, as built in."""
    return es.load("d0")


def scaled(spec: es.Spec, phi: float, name: str = "compound") -> es.Spec:
    return es.scale(spec, at_phi(spec, phi, name))


def law(**fields: object) -> dict[str, object]:
    return {"scaling": Scaling.model_validate(fields)}


def test_gives_equations_1_to_3(d0: es.Spec) -> None:
    # Tan, Pang & Le 2020, table 1's formulas; 64·1.35^φ as a multiple of 8 is what
    # automl's issue 278 and its forks' calculators have, not what was published.
    found = [detecting(scaled(d0, phi)) for phi in PHIS]
    assert [neck.channels for neck, _ in found] == [
        *(64, 88, 120, 160, 216, 288, 384, 520),
    ]
    assert [neck.repeats for neck, _ in found] == [3, 4, 5, 6, 7, 8, 9, 10]
    assert [heads.repeats for _, heads in found] == [3, 3, 3, 4, 4, 4, 5, 5]
    sides = [scaled(d0, phi).resolution for phi in PHIS]
    assert sides == [(512 + 128 * phi,) * 2 for phi in PHIS]
    assert [scaled(d0, phi).backbone for phi in PHIS] == [f"b{phi}" for phi in PHIS]


def test_a_whole_phi_has_the_published_backbone(d0: es.Spec) -> None:
    for phi in PHIS:
        published = es.load(f"b{phi}")
        found = scaled(d0, phi)
        assert (found.stem, found.stages) == (published.stem, published.stages)


def test_phi_0_changes_nothing(d0: es.Spec) -> None:
    assert at_phi(d0, 0).is_identity
    assert scaled(d0, 0) is d0


def test_a_backbone_between_two_is_in_proportion(d0: es.Spec) -> None:
    # b2 is 1.2 by 1.1, b3 1.4 by 1.2
    found = at_phi(d0, 2.5)
    assert (found.depth, found.width) == pytest.approx((1.3, 1.15), rel=1e-15)
    assert scaled(d0, 2.5).backbone is None


def test_a_classifier_keeps_the_name_of_its_backbone_with_its_stages() -> None:
    named = es.load("b0").model_copy(update={"backbone": "b0"})
    assert es.scale(named, es.Multipliers(resolution=2)).backbone == "b0"
    assert es.scale(named, es.Multipliers(width=2)).backbone is None


def test_beyond_its_list_a_backbone_grows_by_the_coefficients(d0: es.Spec) -> None:
    over, under = at_phi(d0, 9), at_phi(d0, -2)
    assert (over.depth, over.width) == pytest.approx((3.1 * 1.2**2, 2 * 1.1**2))
    assert (under.depth, under.width) == pytest.approx((1.2**-2, 1.1**-2))


def test_without_a_list_a_backbone_grows_by_the_coefficients(d0: es.Spec) -> None:
    alone = d0.model_copy(update={"scaling": None})
    found = at_phi(alone, 3)
    assert (found.depth, found.width) == pytest.approx((1.2**3, 1.1**3))
    assert found.neck_width == at_phi(d0, 3).neck_width


def test_each_rule_is_the_files_own(d0: es.Spec) -> None:
    rules = law(channels=2, repeats=0.5, heads_every=0, resolution=64)
    neck, heads = detecting(scaled(d0.model_copy(update=rules), 3))
    assert (neck.channels, neck.repeats, heads.repeats) == (512, 5, 3)  # 3 + 1.5 is 5
    found = at_phi(d0.model_copy(update=rules), 3)
    assert found.resolution == (512 + 3 * 64) / 512


def test_nothing_shrinks_away(d0: es.Spec) -> None:
    neck, heads = detecting(scaled(d0, -12))
    assert (neck.channels, neck.repeats, heads.repeats) == (8, 1, 1)
    assert scaled(d0, -12).resolution == (128, 128)


@pytest.mark.parametrize("name", Detector.strategies[1:])
def test_a_strategy_is_one_dimension_of_the_law(d0: es.Spec, name: str) -> None:
    whole, found = at_phi(d0, 3).given, at_phi(d0, 3, name).given
    followed = {"depth", "width"} if name == "backbone" else {name}
    for each, value in found.items():
        assert value == (whole[each] if each in followed else 1)
    assert followed <= found.keys()


def test_strategies_of_a_classifier_are_not_a_detectors(
    d0: es.Spec, b0: es.Spec
) -> None:
    with pytest.raises(ScaleError) as caught:
        at_phi(d0, 1, "dw")
    assert str(caught.value) == (
        "strategy: expected one of compound, backbone, resolution, neck_width, "
        "neck_depth, head_depth for d0, a detector, got 'dw'"
    )
    with pytest.raises(ScaleError, match=r"got 'neck_width', which is for detectors$"):
        at_phi(b0, 1, "neck_width")
    assert at_phi(b0, 2) == es.compound(2)
    assert growth_of(b0).strategies == SINGLE
    assert growth_of(d0).strategies == Detector.strategies


def test_a_phi_beyond_all_networks_is_refused(d0: es.Spec) -> None:
    with pytest.raises(ScaleError, match=r"^phi: expected from -50 to 50, got 51$"):
        at_phi(d0, 51)


@examples(60)
@given(
    phis=st.lists(st.floats(-12, 12), min_size=1, max_size=4),
    name=st.sampled_from(Detector.strategies),
)
def test_arrays_are_as_numbers(phis: list[float], name: str) -> None:
    d0 = es.load("d0")
    together = at_phi(d0, np.array(phis), name).given
    for k, phi in enumerate(phis):
        alone = at_phi(d0, phi, name).given
        for each, value in alone.items():
            found = np.broadcast_to(together[each], len(phis))[k]
            assert found == pytest.approx(value, rel=1e-12)


@examples(60)
@given(phis=st.tuples(st.floats(-10, 10), st.floats(-10, 10)))
def test_no_dimension_falls_as_phi_rises(phis: tuple[float, float]) -> None:
    d0 = es.load("d0")
    low, high = (at_phi(d0, phi).given for phi in sorted(phis))
    assert all(low[each] <= high[each] for each in low)


def test_what_is_scaled_has_relatives_of_its_own_no_more(d0: es.Spec) -> None:
    bigger = scaled(d0, 2)
    assert bigger.scaling == d0.scaling.model_copy(update={"backbones": {}})  # type: ignore[union-attr]
    again = at_phi(bigger, 1)
    assert (again.depth, again.width) == (1.2, 1.1)
    assert es.loads(es.dumps(bigger)) == bigger


@pytest.mark.parametrize("name", ["b0", "d0"])
def test_the_own_coefficients_of_a_grid_are_the_law(name: str) -> None:
    growth = growth_of(es.load(name))
    for phi in (-1.0, 0.5, 1.0, 3.0):
        assert growth.at(growth.own, phi) == growth.at_phi(phi)
    for axis, (low, high), own in zip(
        growth.axes, growth.ranges(2), growth.own, strict=True
    ):
        assert low <= own <= high
        assert axis.key in growth.candidate
        assert axis.option in growth.options


@pytest.mark.parametrize("name", ["b0", "d0"])
def test_columns_are_keys_of_rows(name: str) -> None:
    growth = growth_of(es.load(name))
    (variant,) = family(growth.spec, [1])
    given = {f"{each}_multiplier" for each in variant.multipliers.given}
    assert set(growth.columns) <= given | growth.told(variant).keys()
    assert growth.unrounded(variant.multipliers).keys() <= growth.dimensions.keys()
    assert set(growth.unsaid) <= set(growth.candidate)
