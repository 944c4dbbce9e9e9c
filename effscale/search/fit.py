"""The inverse: the variant that costs what one can pay; exact, as all are counted."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from effscale.cost.count import Cost, count
from effscale.errors import ScaleError
from effscale.scaling.family import Variant
from effscale.scaling.multipliers import MAX_PHI, Multipliers, strategy
from effscale.scaling.rounding import Rules
from effscale.scaling.scale import scale
from effscale.search.candidates import signature
from effscale.search.reach import breakpoints, distinct, simplest

if TYPE_CHECKING:
    from effscale.arrays import RealArray
    from effscale.spec.models import Spec


@dataclass(frozen=True)
class Limits:
    """What a variant may cost besides MACs; None is no limit."""

    params: int | None = None
    activations: int | None = None
    max_resolution: int | None = None  #: of the longer side, in pixels
    min_depth: float = 0.0
    max_depth: float = math.inf
    min_width: float = 0.0
    max_width: float = math.inf

    def admit(self, multipliers: Multipliers, sides: Any, cost: Cost) -> Any:  # noqa: ANN401
        """Which candidates are within every limit: an array of booleans."""
        d, w = multipliers.depth, multipliers.width
        within = (self.min_depth <= d) & (d <= self.max_depth)
        within = within & (self.min_width <= w) & (w <= self.max_width)
        if self.params is not None:
            within = within & (cost.params <= self.params)
        if self.activations is not None:
            within = within & (cost.activations <= self.activations)
        if self.max_resolution is not None:
            within = within & (np.maximum(*sides) <= self.max_resolution)
        return within


@dataclass(frozen=True)
class Found:
    """A reachable network, and how it stands to the target."""

    role: str  #: `nearest`, `below`, `above`, `closest` (to the ray), `front`
    variant: Variant
    cost: Cost
    target: int  #: MACs asked for
    interval: tuple[float, float] | None = None  #: φ from, up to and without

    @property
    def deviation(self) -> float:
        """MACs over target − 1."""
        return int(self.cost.macs) / self.target - 1


@dataclass(frozen=True)
class Ray:
    """Every network of a strategy, in order of φ."""

    spec: Spec
    strategy: str
    phi: RealArray  #: where each begins
    end: RealArray  #: where each ends, itself not included
    cost: Cost
    admitted: Any  #: which of them the limits admit

    def at(self, index: int, role: str, target: int) -> Found:
        """The network with this index."""
        low, high = float(self.phi[index]), float(self.end[index])
        phi = simplest(low, high)
        name = f"{self.spec.name}-phi{phi:g}"
        given = strategy(self.strategy, phi, self.spec.coefficients)
        variant = named(self.spec, name, self.strategy, phi, given, target)
        return Found(role, variant, count(variant.spec), target, (low, high))


def named(  # noqa: PLR0913, PLR0917 - what a variant is
    spec: Spec,
    name: str,
    strategy: str,
    phi: float | None,
    multipliers: Multipliers,
    target: int,
) -> Variant:
    """`spec` scaled by these multipliers, meant to cost `target` MACs."""
    scaled = scale(spec, multipliers).model_copy(update={"name": name})
    budget = target / int(count(spec).macs)
    return Variant(scaled, strategy, phi, multipliers, budget)


def ray(
    spec: Spec, highest: int, limits: Limits | None = None, name: str = "compound"
) -> Ray:
    """The networks of strategy `name` from the smallest there is to `highest` MACs.

    One above `highest` is among them, if there is one.

    Raises:
        ScaleError: if a multiplier would fall as φ rises.
    """
    rising = strategy(name, 1.0, spec.coefficients)
    if min(vars(rising).values()) < 1:
        raise ScaleError("coefficients: expected at least 1 each, to search along φ")
    low, high = _bracket(spec, name, highest)
    start = _phis(spec, name, low, high)
    every = scale(spec, strategy(name, start, spec.coefficients))
    runs = distinct(start, high, signature(every, len(start)), special=0.0)
    phi = runs.start
    given = strategy(name, phi, spec.coefficients)
    scaled = scale(spec, given)
    cost = spread(count(scaled), len(phi))
    admitted = (limits or Limits()).admit(given, scaled.resolution, cost)
    return Ray(spec, name, phi, runs.end, cost, np.broadcast_to(admitted, len(phi)))


def spread(cost: Cost, shape: Any) -> Cost:  # noqa: ANN401 - a size, or sizes
    """A cost whose arrays broadcast, as arrays of one shape."""
    return Cost(*(np.broadcast_to(each, shape) for each in vars(cost).values()))


def on_ray(path: Ray, target: int) -> list[Found]:
    """The network nearest to `target` MACs, then the nearest on its other side.

    Empty if the limits admit none.
    """
    macs = path.cost.macs
    below = np.nonzero(path.admitted & (macs <= target))[0]
    above = np.nonzero(path.admitted & (macs > target))[0]
    found = []
    if len(below):
        found.append(path.at(int(below[-1]), "below", target))
    if len(above):
        found.append(path.at(int(above[0]), "above", target))
    return nearest_first(found)


def nearest_first(sides: list[Found]) -> list[Found]:
    """The nearest, called so, and the one on the other side of the target."""
    sides = sorted(sides, key=lambda each: abs(each.deviation))
    return [replace(each, role="nearest") for each in sides[:1]] + sides[1:]


def _bracket(spec: Spec, name: str, highest: int) -> tuple[float, float]:
    """The least φ that leaves a network, and one whose network costs over `highest`."""
    low = _edge(spec, name, -MAX_PHI)
    high = 1.0
    while high < MAX_PHI:
        macs = _macs(spec, name, high)
        if macs is None:
            return low, _edge(spec, name, high)
        if macs > highest:
            return low, high
        high += 1.0
    return low, MAX_PHI


def _edge(spec: Spec, name: str, outside: float) -> float:
    """The φ nearest to `outside` that leaves a network, 0 being one that does."""
    if _macs(spec, name, outside) is not None:
        return outside
    inside = 0.0
    while True:
        middle = inside + (outside - inside) / 2
        if middle in {inside, outside}:
            return inside
        if _macs(spec, name, middle) is None:
            outside = middle
        else:
            inside = middle


def _macs(spec: Spec, name: str, phi: float) -> int | None:
    try:
        return int(count(scale(spec, strategy(name, phi, spec.coefficients))).macs)
    except ScaleError:
        return None


def _phis(spec: Spec, name: str, low: float, high: float) -> RealArray:
    """Where the network changes along φ, `low` first."""
    rules = Rules.of(spec.rounding)
    numbers = {
        "depth": spec.repeats,
        "width": spec.channels,
        "resolution": list(spec.resolution),
    }
    by_name = {"depth": rules.repeats, "width": rules.channels}
    points = []
    for dimension, given in numbers.items():
        rule = by_name.get(dimension, rules.resolution)

        def along(n: Any, phi: Any, rule: Any = rule, of: str = dimension) -> Any:  # noqa: ANN401
            return rule(n, getattr(strategy(name, phi, spec.coefficients), of))

        points.append(breakpoints(along, [int(n) for n in given], low, high))
    zero = [0.0, np.nextafter(0.0, 1.0)] if low <= 0 < high else []
    result: RealArray = np.unique(np.concatenate(([low], zero, *points)))
    return result
