"""Variants of a baseline, by strategy and φ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from effscale.growth.law import at_phi, strategies_of
from effscale.growth.scale import scale

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.growth.multipliers import Multipliers
    from effscale.spec.models import Spec


@dataclass(frozen=True)
class Variant:
    """A scaled network, how it came about, and what it is meant to cost."""

    spec: Spec
    strategy: str
    phi: float | None  #: None where no φ gives these multipliers
    multipliers: Multipliers
    budget: float  #: as a multiple of the baseline's MACs


def family(
    baseline: Spec, phis: Sequence[float], strategies: Sequence[str] = ("compound",)
) -> list[Variant]:
    """A variant of budget 2^φ for each φ and strategy: `b0-phi4`, `b0-depth-phi4`.

    The strategy `all` stands for those that the paper compares.

    Raises:
        ScaleError: if a variant would leave the range of what a network can be.
    """
    every = dict.fromkeys(
        name
        for each in strategies
        for name in (strategies_of(baseline) if each == "all" else [each])
    )
    return [_variant(baseline, phi, name) for phi in phis for name in every]


def _variant(baseline: Spec, phi: float, name: str) -> Variant:
    multipliers = at_phi(baseline, phi, name)
    scaled = scale(baseline, multipliers)
    named = scaled.model_copy(update={"name": called(baseline, name, phi)})
    return Variant(named, name, phi, multipliers, float(2.0**phi))


def called(baseline: Spec, strategy: str, phi: float) -> str:
    """What a variant is called: `b0-phi4`, `b0-depth-phi4`."""
    short = [] if strategy == "compound" else [strategy.replace(":", "")]
    return "-".join([baseline.name, *short, f"phi{phi:.12g}"])
