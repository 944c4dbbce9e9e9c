"""A strategy's ray: how far it goes within limits, and where its network changes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from effscale.cost.count import count
from effscale.errors import CountError, ScaleError
from effscale.scaling.law import at_phi
from effscale.scaling.multipliers import MAX_PHI, Multipliers
from effscale.scaling.scale import leaves_an_image, scale
from effscale.search.reach import breakpoints, rounded_numbers

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from effscale.arrays import IntArray, RealArray
    from effscale.spec.models import Spec

    Condition: TypeAlias = Callable[[Multipliers], Any]


def span(
    spec: Spec, name: str, highest: int, reached: Condition, passed: Condition
) -> tuple[float, float]:
    """The φ of strategy `name` to look at, low and high; none is, if low > high.

    From the least φ that has `reached` the lower limits, to one above 0 that costs over
    `highest`, or to the last that has not `passed` the upper limits. Both conditions
    hold ever after they first do.
    """

    def given(phi: float) -> Multipliers:
        """As arrays have it: numpy's powers may differ from Python's in a digit."""
        return at_phi(spec, np.array([phi]), name)

    def macs(phi: float) -> float:
        """Those at φ: 0 where the image is too small, infinity beyond what fits."""
        try:
            if not leaves_an_image(spec, given(phi).resolution):
                return 0.0
            return float(np.max(count(scale(spec, given(phi))).macs))
        except (CountError, ScaleError):
            return math.inf

    low, high = -MAX_PHI, MAX_PHI
    for phi in np.arange(1.0, MAX_PHI):
        if macs(phi) == math.inf or (reached(given(phi)) and macs(phi) > highest):
            high = float(phi)
            break
    high = _last(lambda phi: macs(phi) < math.inf, 0.0, high)
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


def changes(
    spec: Spec, name: str, low: float, high: float
) -> tuple[RealArray, IntArray]:
    """Where the network changes along φ, `low` first, and its numbers from there on.

    The numbers of one φ are a row; some may be of images that are too small.
    """
    points, rounders = [np.array([low])], []
    for follows, rule, given in rounded_numbers(spec):

        def value(phi: Any, of: str = follows) -> Any:  # noqa: ANN401
            return at_phi(spec, phi, name).factor(of) + 0 * phi

        def rounded(number: Any, phi: Any, rule: Any = rule, value: Any = value) -> Any:  # noqa: ANN401
            return rule(number, value(phi))

        def about_1(_: Any, phi: Any, value: Any = value) -> Any:  # noqa: ANN401
            return (value(phi) >= 1) * 1 + (value(phi) > 1) * 1

        # At exactly 1 nothing is rounded, and just before and after it all is.
        points.append(breakpoints(about_1, [0], low, high))
        points.append(breakpoints(rounded, given, low, high))
        rounders += [(rounded, number) for number in given]
    phi: RealArray = np.unique(np.concatenate(points))
    columns = [rule(np.full(len(phi), number), phi) for rule, number in rounders]
    return phi, np.stack(columns, axis=1)
