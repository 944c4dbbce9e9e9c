"""Tests of `effscale.growth.growth`: variants of a baseline, named by φ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import effscale as es
from effscale.errors import ScaleError
from effscale.growth.growth import family

if TYPE_CHECKING:
    from effscale.spec.models import Spec


@pytest.mark.parametrize(
    ("phi", "strategy", "name"),
    [
        (4, "compound", "b0-phi4"),
        (0.5, "compound", "b0-phi0.5"),
        (-1, "compound", "b0-phi-1"),
        (4.0, "depth", "b0-depth-phi4"),
    ],
)
def test_a_variant_is_named_by_strategy_and_phi(
    b0: Spec, phi: float, strategy: str, name: str
) -> None:
    (found,) = family(b0, [phi], [strategy])
    assert (found.spec.name, found.strategy, found.phi) == (name, strategy, phi)


def test_a_family_has_each_strategy_at_each_phi(b0: Spec) -> None:
    found = family(b0, [1, 2], ["compound", "width"])
    names = ["b0-phi1", "b0-width-phi1", "b0-phi2", "b0-width-phi2"]
    assert [each.spec.name for each in found] == names


def test_a_variant_is_the_scaled_baseline(b0: Spec) -> None:
    found = family(b0, [-1, 0, 3], ["depth"])
    for phi, each in zip([-1, 0, 3], found, strict=True):
        multipliers = es.strategy("depth", phi)
        scaled = es.scale(b0, multipliers)
        assert each.multipliers == multipliers
        assert each.spec == scaled.model_copy(update={"name": each.spec.name})


def test_a_family_follows_its_baseline_s_coefficients(b0: Spec) -> None:
    other = es.Coefficients(alpha=2, beta=1, gamma=1)
    (found,) = family(b0.model_copy(update={"coefficients": other}), [1])
    assert found.multipliers == es.Multipliers(2, 1, 1)


@pytest.mark.parametrize(("phi", "target"), [(0, 1), (4, 16), (-1, 0.5), (0.5, 2**0.5)])
def test_the_target_is_two_to_the_phi(b0: Spec, phi: float, target: float) -> None:
    (found,) = family(b0, [phi])
    assert found.target_ratio == target


def test_a_variant_out_of_range_is_refused(b0: Spec) -> None:
    with pytest.raises(ScaleError) as caught:
        family(b0, [1, -20])
    assert str(caught.value) == (
        "b0 scaled: resolution: expected at least 32 (the network's total stride), "
        "got 16"
    )
