"""Reasons for what a variant costs: factors that multiply to it exactly."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, cast

from effscale.cost.count import count
from effscale.growth.growth import Variant, growth_of, steps
from effscale.growth.scale import scale, variant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.growth.growth import Factor, Step
    from effscale.growth.multipliers import Multipliers
    from effscale.spec.models import Spec


def explain(
    spec: Spec, multipliers: Multipliers, budget: float, scaled: Spec | None = None
) -> list[Factor]:
    """Factors whose product is exactly the realised ratio over the budget.

    The realised ratio is MACs(scaled) / MACs(spec), where `scaled` is what the
    multipliers give, or a published network that multipliers alone do not make. What
    each factor is, the growth of the network's kind says (`Growth.factors`): of a
    classifier the roundings one by one, of a detector the dimensions. Every factor but
    the budget's is 1 at multipliers of 1.
    """
    scaled = scaled or scale(spec, multipliers)
    return growth_of(spec).factors(multipliers, scaled, budget, macs)


def macs(spec: Spec) -> Fraction:
    """MACs, of a network on paper too."""
    return Fraction(cast("Fraction", count(spec).macs))


@dataclass(frozen=True)
class Published:
    """A published network beside what the law gives at its φ."""

    variant: Variant
    steps: Sequence[Step]  #: from the law's network to the published one


def published(baseline: Spec, phi: float) -> list[Published]:
    """The published relatives that are meant for φ, beside the law's network."""
    growth = growth_of(baseline)
    found: list[Published] = []
    for name, given in growth.published(phi).items():
        law, spec = scale(baseline, growth.at_phi(phi)), variant(baseline, name)
        made = Variant(spec, "published", phi, given, 2.0**phi)
        found.append(Published(made, steps(law, spec, macs)))
    return found
