"""How far a strategy's ray goes: the φ that leave a network, within limits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from effscale.cost.count import count
from effscale.errors import CountError, ScaleError
from effscale.scaling.multipliers import MAX_PHI, Multipliers, strategy
from effscale.scaling.rounding import Rules
from effscale.scaling.scale import scale
from effscale.search.reach import breakpoints

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from effscale.arrays import RealArray
    from effscale.spec.models import Spec

    Condition: TypeAlias = Callable[[Multipliers], Any]


def span(
    spec: Spec, name: str, highest: int, reached: Condition, passed: Condition
) -> tuple[float, float]:
    """The φ of strategy `name` to look at, low and high; none is, if low > high.

    From the least φ that leaves a network and has `reached` the lower limits, to one
    above 0 that costs over `highest`, or to the last that has not `passed` the upper
    limits. Both conditions hold ever after they first do.
    """

    def given(phi: float) -> Multipliers:
        """As arrays have it: numpy's powers may differ from Python's in a digit."""
        return strategy(name, np.array([phi]), spec.coefficients)

    def macs(phi: float) -> float:
        """Those at φ; infinity beyond 64 bits, NaN where there is no network."""
        try:
            return float(np.max(count(scale(spec, given(phi))).macs))
        except CountError:
            return math.inf
        except ScaleError:
            return math.nan

    def exists(phi: float) -> bool:
        try:
            scale(spec, given(phi))
        except ScaleError:
            return False
        return True

    def fits(phi: float) -> bool:
        return macs(phi) < math.inf

    low = _last(exists, 0.0, -MAX_PHI)
    high = MAX_PHI
    for phi in np.arange(1.0, MAX_PHI):
        if not fits(phi) or (bool(reached(given(phi))) and macs(phi) > highest):
            high = float(phi)
            break
    high = _last(fits, 0.0, high)
    low = _least(lambda phi: bool(reached(given(phi))), low, high)
    past = _least(lambda phi: bool(passed(given(phi))), min(low, high), high)
    return low, high if past > high else float(np.nextafter(past, -np.inf))


def _least(holds: Callable[[float], bool], low: float, high: float) -> float:
    """The least φ at which a condition holds, as it does ever after; or infinity."""
    if holds(low):
        return low
    if not holds(high):
        return math.inf
    return _last(holds, high, low)


def _last(holds: Callable[[float], bool], inside: float, outside: float) -> float:
    """The φ nearest to `outside` at which what holds `inside` still does."""
    if holds(outside):
        return outside
    while (middle := inside + (outside - inside) / 2) not in {inside, outside}:
        if holds(middle):
            inside = middle
        else:
            outside = middle
    return inside


def changes(spec: Spec, name: str, low: float, high: float) -> RealArray:
    """Where the network changes along φ, `low` first."""
    rules = Rules.of(spec.rounding)
    numbers = {
        "depth": (rules.repeats, spec.repeats),
        "width": (rules.channels, spec.channels),
        "resolution": (rules.resolution, list(spec.resolution)),
    }
    points = [np.array([low])]
    for dimension, (rule, given) in numbers.items():

        def value(phi: Any, of: str = dimension) -> Any:  # noqa: ANN401
            return getattr(strategy(name, phi, spec.coefficients), of)

        def rounded(number: Any, phi: Any, rule: Any = rule, value: Any = value) -> Any:  # noqa: ANN401
            return rule(number, value(phi))

        def about_1(_: Any, phi: Any, value: Any = value) -> Any:  # noqa: ANN401
            return (value(phi) >= 1) * 1 + (value(phi) > 1) * 1

        # At exactly 1 nothing is rounded, and just before and after it all is.
        points.append(breakpoints(about_1, [0], low, high))
        points.append(breakpoints(rounded, [int(n) for n in given], low, high))
    result: RealArray = np.unique(np.concatenate(points))
    return result
