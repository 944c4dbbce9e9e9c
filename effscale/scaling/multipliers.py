"""Multipliers of depth, width and resolution, and the strategies that choose them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from effscale.arrays import Real, is_array
from effscale.errors import ScaleError
from effscale.spec.models import Coefficients

if TYPE_CHECKING:
    from collections.abc import Mapping

#: |φ| beyond which no network is left: 2^φ is then 10^15 times the baseline's cost.
MAX_PHI = 50.0

#: Shares of the growth that depth, width² and resolution² take: the exponents of 2^φ.
#: Single dimensions as in Tan & Le 2019, tables 3 and 7.
SHARES: Mapping[str, tuple[float, float, float]] = {
    "depth": (1, 0, 0),
    "width": (0, 1, 0),
    "resolution": (0, 0, 1),
}
STRATEGIES = ("compound", *SHARES)


@dataclass(frozen=True)
class Multipliers:
    """Factors d, w, r on repeats, channels and sides; arrays hold many candidates."""

    depth: Real = 1.0
    width: Real = 1.0
    resolution: Real = 1.0

    def __post_init__(self) -> None:
        """Refuse what scales to nothing."""
        for name, value in vars(self).items():
            if not is_array(value) and not (value > 0 and math.isfinite(value)):
                raise ScaleError(f"{name}: expected a number above 0, got {value!r}")

    @property
    def is_identity(self) -> bool:
        """Whether each is a plain 1: nothing changes, whatever the rounding rules."""
        return all(not is_array(value) and value == 1 for value in vars(self).values())

    @property
    def nominal(self) -> Real:
        """d·w²·r²: what they would multiply MACs by, were nothing rounded."""
        return self.depth * self.width**2 * self.resolution**2


def compound(phi: float, coefficients: Coefficients | None = None) -> Multipliers:
    """Compound scaling: α^φ, β^φ, γ^φ; EfficientNet's coefficients by default.

    Source: Tan & Le 2019, equation 3.
    """
    given = coefficients or Coefficients()
    _check(phi)
    return Multipliers(given.alpha**phi, given.beta**phi, given.gamma**phi)


def strategy(
    name: str, phi: float, coefficients: Coefficients | None = None
) -> Multipliers:
    """The multipliers by which strategy `name` spends 2^φ times the baseline's MACs.

    Raises:
        ScaleError: for a name that is not in `STRATEGIES`.
    """
    if name == "compound":
        return compound(phi, coefficients)
    if name not in SHARES:
        listed = ", ".join(STRATEGIES)
        raise ScaleError(f"strategy: expected one of {listed}, got {name!r}")
    _check(phi)
    depth, width, resolution = SHARES[name]
    growth = phi * depth, phi * width / 2, phi * resolution / 2
    return Multipliers(*(2.0**exponent for exponent in growth))


def _check(phi: float) -> None:
    if not is_array(phi) and not abs(phi) <= MAX_PHI:
        raise ScaleError(f"phi: expected from -{MAX_PHI:g} to {MAX_PHI:g}, got {phi!r}")
