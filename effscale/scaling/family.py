"""Variants of a baseline, by strategy and φ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from effscale.scaling.multipliers import strategy
from effscale.scaling.scale import scale

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.scaling.multipliers import Multipliers
    from effscale.spec.models import Spec


@dataclass(frozen=True)
class Variant:
    """A baseline scaled by `strategy` for 2^φ times its cost."""

    spec: Spec
    strategy: str
    phi: float
    multipliers: Multipliers

    @property
    def budget(self) -> float:
        """The cost it is meant to have, as a multiple of the baseline's MACs: 2^φ."""
        return float(2.0**self.phi)


def family(
    baseline: Spec, phis: Sequence[float], strategies: Sequence[str] = ("compound",)
) -> list[Variant]:
    """A variant for each φ and strategy; named `b0-phi4` or `b0-depth-phi4`.

    Raises:
        ScaleError: if a variant would leave the range of what a network can be.
    """
    return [_variant(baseline, phi, name) for phi in phis for name in strategies]


def _variant(baseline: Spec, phi: float, name: str) -> Variant:
    multipliers = strategy(name, phi, baseline.coefficients)
    parts = [baseline.name, *([] if name == "compound" else [name]), f"phi{phi:g}"]
    scaled = scale(baseline, multipliers)
    called = scaled.model_copy(update={"name": "-".join(parts)})
    return Variant(called, name, phi, multipliers)
