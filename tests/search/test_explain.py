"""Tests of `effscale.search.explain`: factors that multiply exactly to the miss."""

from __future__ import annotations

from fractions import Fraction
from math import prod
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

import effscale as es
from effscale.errors import LayerError, ScaleError, UnexplainedError
from effscale.growth.growth import Classifier
from effscale.growth.multipliers import STRATEGIES, strategy
from effscale.search.explain import explain
from effscale.spec.lines import MBConv
from effscale.spec.models import Spec
from effscale.spec.outputs import Head
from effscale.spec.steps import Conv
from tests.examples import examples
from tests.strategies import specs

if TYPE_CHECKING:
    from effscale.growth.growth import Factor

NAMES = [
    "coefficients",
    "other scaling",
    "repeats",
    "channels",
    "resolution",
    "odd sizes",
]


# B0's MACs, and those that no side changes: both convolutions of squeeze and excite,
# expanded × squeezed width of Tan & Le 2019, table 1, and the classifier
MACS = 385814752
FIXED = 1280 * 1000 + 2 * sum(
    copies * expanded * squeezed
    for copies, expanded, squeezed in (
        *((1, 32, 8), (1, 96, 4), (2, 144, 6), (2, 240, 10)),
        *((3, 480, 20), (3, 672, 28), (4, 1152, 48)),
    )
)


def miss(spec: Spec, multipliers: es.Multipliers, budget: float) -> Fraction:
    """The realised ratio of MACs over the budget, exactly."""
    macs = int(es.count(es.scale(spec, multipliers)).macs)
    return Fraction(macs, int(es.count(spec).macs)) / Fraction(budget)


def values(factors: list[Factor]) -> dict[str, Fraction]:
    """Each factor by its name."""
    return {each.name: each.value for each in factors}


def test_factors_are_named_in_the_order_they_apply(b0: Spec) -> None:
    found = explain(b0, es.compound(2), 4)
    assert [each.name for each in found] == NAMES
    said = {name: each.text for name, each in Classifier.reasons.items()}
    assert {each.name: each.reason for each in found} == said


def explained(spec: Spec, multipliers: es.Multipliers, budget: float) -> list[Factor]:
    """What a drawn spec's miss is made of, where its layers meet unrounded, too."""
    try:
        return explain(spec, multipliers, budget)
    except UnexplainedError:
        reject()


@examples(15)
@given(spec=specs(), name=st.sampled_from(STRATEGIES), phi=st.floats(0, 6))
def test_factors_multiply_to_exactly_the_miss(
    spec: Spec, name: str, phi: float
) -> None:
    multipliers, budget = strategy(name, phi), 2.0**phi
    try:
        expected = miss(spec, multipliers, budget)
    except (LayerError, ScaleError):  # a side that is too small, or too few to norm
        reject()
    found = explained(spec, multipliers, budget)
    assert all(isinstance(each.value, Fraction) for each in found)
    assert prod(each.value for each in found) == expected


@pytest.mark.parametrize("phi", [-3, 0.5, 4])
@pytest.mark.parametrize("name", STRATEGIES)
def test_b0_s_factors_multiply_to_exactly_the_miss(
    b0: Spec, name: str, phi: float
) -> None:
    multipliers = strategy(name, phi)
    found = explain(b0, multipliers, 2.0**phi)
    assert prod(each.value for each in found) == miss(b0, multipliers, 2.0**phi)


@pytest.mark.parametrize(
    ("name", "phi"), [("compound", -14), ("width", -10), ("depth", -8)]
)
def test_whatever_can_be_scaled_is_explained(b0: Spec, name: str, phi: int) -> None:
    multipliers = strategy(name, phi)
    expected = miss(b0, multipliers, 2.0**phi)
    found = explain(b0, multipliers, 2.0**phi)
    assert prod(each.value for each in found) == expected
    assert all(each.value > 0 for each in found)


@pytest.mark.parametrize("target", [0, -2.0, float("nan")])
def test_a_target_that_is_none_is_refused(b0: Spec, target: float) -> None:
    with pytest.raises(ScaleError, match="target_ratio: expected a number above 0"):
        es.explain(b0, es.compound(1), target)


def test_maps_halved_behind_a_pool_meet_in_fractions() -> None:
    found = values(explain(es.load("yolov9t"), es.Multipliers(resolution=2.0), 4))
    assert found["odd sizes"] == 1


@examples(10)
@given(spec=specs())
def test_at_phi_zero_nothing_misses(spec: Spec) -> None:
    found = explained(spec, es.compound(0), 1.0)
    assert [each.value for each in found] == [1] * len(NAMES)


def test_odd_sides_and_channels_are_no_reason_by_themselves() -> None:
    stage = MBConv(
        block="mbconv", kernel=3, stride=2, expand_ratio=3, channels=13, repeats=2
    )
    spec = Spec(
        name="odd",
        resolution=(61, 47),
        stem=(Conv(kernel=(3, 3), stride=(2, 2), channels=11),),
        stages=(stage,),
        head=Head(channels=101, classes=7),
    )
    found = explained(spec, es.compound(0), 1.0)
    assert [each.value for each in found] == [1] * len(NAMES)


def test_the_coefficients_are_a_little_below_the_budget(b0: Spec) -> None:
    # Tan & Le 2019, section 3.3: α·β²·γ² ≈ 2, and is 1.92027 for 1.2, 1.1, 1.15
    found = values(explain(b0, es.compound(1), 2))
    assert float(found["coefficients"]) == pytest.approx(1.92027 / 2, abs=5e-6)


def test_depth_alone_has_repeats_and_fixed_parts_to_blame(b0: Spec) -> None:
    found = values(explain(b0, es.Multipliers(depth=1.1), 1.1))
    assert found["repeats"] > 1  # 23 blocks for 17.6, as B1 has
    assert {name for name in NAMES if found[name] == 1} == {
        *("coefficients", "channels", "resolution", "odd sizes")
    }


def test_whole_repeats_are_not_rounded(b0: Spec) -> None:
    found = values(explain(b0, es.Multipliers(depth=4.0), 4))
    assert found["repeats"] == 1
    # stem and head stay; a block added is wider inside than the first of its stage
    assert found["other scaling"] == Fraction(1575132640, 4 * MACS)


def test_multiples_of_the_divisor_are_not_rounded(b0: Spec) -> None:
    assert values(explain(b0, es.Multipliers(width=2.0), 4))["channels"] == 1


def test_resolution_alone_scales_every_other_convolution(b0: Spec) -> None:
    found = values(explain(b0, es.Multipliers(resolution=2.0), 4))
    assert found["resolution"] == found["odd sizes"] == 1
    assert found["other scaling"] == Fraction(FIXED + 4 * (MACS - FIXED), 4 * MACS)


def test_a_rounded_side_counts_by_its_square(b0: Spec) -> None:
    def grown(multiplier: Fraction) -> Fraction:
        return FIXED + (MACS - FIXED) * multiplier**2

    found = values(explain(b0, es.Multipliers(resolution=1.15), 1.3225))
    rounded = grown(Fraction(256, 224)) / grown(Fraction(1.15))  # 257.6 px
    assert found["resolution"] == rounded
    assert found["odd sizes"] == 1  # 256 is halved five times


def test_odd_maps_cost_more(b0: Spec) -> None:
    # 304 px are halved to 152, 76, 38, 19, and 9.5, which is 10
    found = values(explain(b0, es.Multipliers(resolution=304 / 224), 1))
    assert found["odd sizes"] > 1
