"""Multipliers of depth, width and resolution, and the strategies that choose them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from effscale.arrays import Real, every, is_array
from effscale.choices import MAX_PHI, SHARES
from effscale.errors import ScaleError
from effscale.markup import figures
from effscale.spec.models import Coefficients

if TYPE_CHECKING:
    from effscale.spec.models import Rounding

#: The paper's own four; `all` on the command line.
SINGLE = ("compound", "depth", "width", "resolution")
STRATEGIES = ("compound", *SHARES, "fast")
#: Those of a detector: its whole law, or one dimension of it.
BY_LAW = (
    *("compound", "backbone", "resolution"),
    *("neck_width", "neck_depth", "head_depth"),
)
FAST_ALPHA = 0.8
#: Of a number, those that floating point has right after a few products.
DIGITS = 12

_FAST = r"fast(?::(0|1|0?\.\d+|1\.0+))?"
_WEIGHTS = r"(?:d(\d+))?_?(?:w(\d+))?_?(?:g(\d+))?_?(?:r(\d+))?"


@dataclass(frozen=True)
class Multipliers:
    """Factors d, w, r on repeats, channels and sides; arrays hold many candidates.

    The channels of a group follow the width, or have a factor of their own, and the
    image's width follows `resolution`, as its height does, unless it has one; a
    detector's neck and heads have factors of their own, or stay.
    """

    depth: Real = 1.0
    width: Real = 1.0
    resolution: Real = 1.0
    group_width: Real | None = None
    neck_width: Real | None = None
    neck_depth: Real | None = None
    head_depth: Real | None = None
    image_width: Real | None = None

    def __post_init__(self) -> None:
        for name, value in self.given.items():
            if getattr(value, "ndim", None) == 0:  # numpy's numbers are numbers
                object.__setattr__(self, name, float(value))
            if not (every(value > 0) and every(value < math.inf)):
                raise ScaleError(f"{name}: expected a number above 0, got {value!r}")

    def _repr_html_(self) -> str:
        return figures("Multipliers", self.given)

    @property
    def is_identity(self) -> bool:
        """Whether each is a plain 1: nothing changes, whatever the rounding rules."""
        return all(not is_array(each) and each == 1 for each in self.given.values())

    @property
    def given(self) -> dict[str, Real]:
        """Those that are factors of their own."""
        return {name: each for name, each in vars(self).items() if each is not None}

    @property
    def plain(self) -> Multipliers:
        """The same to so many digits, as people write them: 1.21 of 1.1², not more."""
        given = {name: float(f"{each:.{DIGITS}g}") for name, each in self.given.items()}
        return replace(self, **given)

    def factor(self, name: str) -> Real:
        """The factor of that name, or what stands for it where it is not given."""
        given: Real | None = getattr(self, name)
        if given is not None:
            return given
        follows = {"group_width": self.width, "image_width": self.resolution}
        return follows.get(name, 1.0)

    def by(self, rounding: Rounding) -> Multipliers:
        """The same, but groups without a factor stay where a spec's rules say so."""
        keeps = self.group_width is None and rounding.group_width == "fixed"
        return replace(self, group_width=1.0) if keeps else self

    @property
    def nominal(self) -> Real:
        """d·w²·r²: what they would multiply MACs by, were nothing rounded."""
        image = self.resolution * self.factor("image_width")
        return self.depth * self.width**2 * image


def compound(phi: Real, coefficients: Coefficients | None = None) -> Multipliers:
    """Compound scaling: α^φ, β^φ, γ^φ; EfficientNet's coefficients by default.

    Source: Tan & Le 2019, equation 3.
    """
    given = coefficients or Coefficients()
    check_phi(phi)
    return Multipliers(given.alpha**phi, given.beta**phi, given.gamma**phi)


def strategy(
    name: str, phi: Real, coefficients: Coefficients | None = None, target: float = 2.0
) -> Multipliers:
    """The multipliers by which strategy `name` spends `target`^φ times the MACs.

    A name of `STRATEGIES`; `fast:0.5` for fast compound scaling with its α; or weights
    of depth, width and resolution, `d1_w8_r1`. Only `compound` reads `coefficients`,
    whose own product stands in the target's place.

    Raises:
        ScaleError: for any other name.
    """
    if name == "compound":
        return compound(phi, coefficients)
    check_phi(phi)
    depth, width, resolution = shares(name)
    growth = [phi * depth, phi * width / 2, phi * resolution / 2]
    if (group := group_share(name)) is not None:
        growth.append(phi * group / 2)
    return Multipliers(*(target**exponent for exponent in growth))


def shares(name: str) -> tuple[float, float, float]:
    """The exponents of strategy `name`: e_d, e_w, e_r, which add up to 1.

    Fast compound scaling has e_w = α and shares the rest alike: MACs grow by s,
    activations only by s^(1 − α/2). Weights are shares of their sum, as in
    pycls/models/scaler.py:17-46.

    Raises:
        ScaleError: if there is no such strategy, or its weights are all 0.
    """
    if name in SHARES:
        return SHARES[name]
    if match := re.fullmatch(_FAST, name):
        alpha = float(match[1] or FAST_ALPHA)
        return (1 - alpha) / 2, alpha, (1 - alpha) / 2
    depth, width, _, resolution = _weights(name)
    total = depth + width + resolution
    return depth / total, width / total, resolution / total


def group_share(name: str) -> float | None:
    """e_g of weights, beside the others' sum; None where groups follow the width.

    Weights say all there is: without `g` the channels of a group stay.
    """
    if name in SHARES or re.fullmatch(_FAST, name):
        return None
    depth, width, group, resolution = _weights(name)
    return group / (depth + width + resolution)


def _weights(name: str) -> tuple[int, int, int, int]:
    """Depth, width, group width, resolution of weights such as d1_w8_g8_r1."""
    match = re.fullmatch(_WEIGHTS, name)
    depth, width, group, resolution = (
        int(each or 0) for each in (match.groups() if match else (0, 0, 0, 0))
    )
    if not depth + width + resolution:
        listed = ", ".join(STRATEGIES)
        raise ScaleError(
            f"strategy: expected one of {listed}, fast:ALPHA, or weights such as "
            f"d1_w8_r1, got {name!r}{', which is for detectors' * (name in BY_LAW)}"
        )
    return depth, width, group, resolution


def check_phi(phi: Any) -> None:  # noqa: ANN401 - a number, or an array
    """Refuse a φ beyond which no network is left."""
    if not every(abs(phi) <= MAX_PHI):
        raise ScaleError(f"phi: expected from -{MAX_PHI:g} to {MAX_PHI:g}, got {phi!r}")
