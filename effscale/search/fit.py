"""The inverse of scaling: the networks of a ray that cost what one can pay."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from effscale.choices import MAX_PHI
from effscale.cost.count import Cost, count
from effscale.errors import CountError, LayerError, ScaleError
from effscale.growth.growth import Variant, at_phi, called, growth_of
from effscale.growth.scale import leaves_an_image, scale
from effscale.search.networks import LeftOut, scaled
from effscale.search.reachable import (
    Intervals,
    breakpoints,
    distinct,
    rounded_numbers,
    simplest,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from effscale.arrays import RealArray
    from effscale.growth.multipliers import Multipliers
    from effscale.search.reachable import Numbers, Rounded
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
        within = self.reached(multipliers) & ~np.asarray(self.passed(multipliers))
        if self.params is not None:
            within = within & (cost.params <= self.params)
        if self.activations is not None:
            within = within & (cost.activations <= self.activations)
        if self.max_resolution is not None:
            within = within & (np.maximum(*sides) <= self.max_resolution)
        return within

    def reached(self, given: Multipliers) -> Any:  # noqa: ANN401
        """Whether depth and width are as large as asked for."""
        return (given.depth >= self.min_depth) & (given.width >= self.min_width)

    def passed(self, given: Multipliers) -> Any:  # noqa: ANN401
        """Whether depth or width is larger than asked for."""
        return (given.depth > self.max_depth) | (given.width > self.max_width)


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


def nearest_first(sides: list[Found]) -> list[Found]:
    """The nearest, called so, and the one on the other side of the target."""
    sides = sorted(sides, key=lambda each: abs(each.deviation))
    return [replace(each, role="nearest") for each in sides[:1]] + sides[1:]


@dataclass(frozen=True)
class Ray:
    """Every network of a strategy, in order of φ."""

    spec: Spec
    strategy: str
    phi: RealArray  #: where each begins
    end: RealArray  #: where each ends, itself not included
    cost: Cost
    admitted: Any  #: which of them the limits admit
    left: LeftOut

    def at(self, index: int, role: str, target: int) -> Found:
        low, high = float(self.phi[index]), float(self.end[index])
        phi = simplest(low, high)
        name = called(self.spec, self.strategy, phi)
        given = at_phi(self.spec, phi, self.strategy)
        variant = named(self.spec, name, self.strategy, phi, given, target)
        return Found(role, variant, count(variant.spec), target, (low, high))


def ray(
    spec: Spec, highest: int, limits: Limits | None = None, name: str = "compound"
) -> Ray:
    """The networks of strategy `name` from the smallest there is to `highest` MACs.

    One above `highest` is among them, if there is one.

    Raises:
        ScaleError: if a multiplier would fall as φ rises.
    """
    rising = at_phi(spec, 1.0, name)
    if min(rising.given.values()) < 1:
        raise ScaleError("coefficients: expected at least 1 each, to search along φ")
    limits = limits or Limits()
    low, high = _span(spec, name, highest, limits)
    empty = low > high
    low, high = (0.0, 0.0) if empty else (low, high)
    runs = _runs(spec, name, low, high)
    image = leaves_an_image(spec, at_phi(spec, runs.start, name))
    exists = np.broadcast_to(image, len(runs))
    runs = Intervals(runs.start[exists], runs.end[exists])
    if len(runs) and not empty and high == round(high):
        runs.end[-1] = _change_after(spec, name, high)
    left = LeftOut()
    found = scaled(spec, at_phi(spec, runs.start, name), left)
    if found is None:
        left.refuse_all(f"candidate of {name}")
        raise ScaleError(f"no candidate of {name} leaves an image")
    runs = Intervals(runs.start[found.kept], runs.end[found.kept])
    cost = of_shape(found.cost, len(runs))
    given = at_phi(spec, runs.start, name)
    admitted = limits.admit(given, found.spec.resolution, cost) & (not empty)
    return Ray(spec, name, runs.start, runs.end, cost, admitted, left)


def on_ray(path: Ray, target: int) -> list[Found]:
    """The network nearest to `target` MACs, then the nearest on its other side.

    Empty if the limits admit none.
    """
    macs: Any = path.cost.macs
    below = np.nonzero(path.admitted & (macs <= target))[0]
    above = np.nonzero(path.admitted & (macs > target))[0]
    found = []
    if len(below):
        found.append(path.at(int(below[macs[below].argmax()]), "below", target))
    if len(above):
        found.append(path.at(int(above[macs[above].argmin()]), "above", target))
    return nearest_first(found)


def _change_after(spec: Spec, name: str, phi: float) -> float:
    """Where the network of φ changes next: where looking further has stopped."""
    step = 1.0
    while phi + step <= MAX_PHI:
        high = phi + step
        runs = _runs(spec, name, phi, high)
        if len(runs) > 1:
            return float(runs.end[0])
        step *= 2
    return MAX_PHI


def of_shape(cost: Cost, shape: Any) -> Cost:  # noqa: ANN401 - a size, or sizes
    """A cost whose arrays broadcast, as arrays of one shape."""
    return Cost(*(np.broadcast_to(each, shape) for each in vars(cost).values()))


def _span(spec: Spec, name: str, highest: int, limits: Limits) -> tuple[float, float]:
    """The φ of strategy `name` to look at, low and high; none is, if low > high.

    From the least φ that has reached the lower limits, to one above 0 that costs over
    `highest`, or to the last that has not passed the upper limits. What is reached or
    passed at some φ is so ever after.
    """

    def given(phi: float) -> Multipliers:
        """As arrays have it: numpy's powers may differ from Python's in a digit."""
        return at_phi(spec, np.array([phi]), name)

    def macs(phi: float) -> float:
        """Those at φ: 0 where the image is too small, infinity beyond what fits."""
        try:
            if not leaves_an_image(spec, given(phi)):
                return 0.0
            return float(np.max(count(scale(spec, given(phi))).macs))
        except (CountError, ScaleError):
            return math.inf
        except LayerError:  # no network, though those of more φ may be
            return 0.0

    low, high = -MAX_PHI, MAX_PHI
    for phi in np.arange(1.0, MAX_PHI):
        if macs(phi) == math.inf or (
            limits.reached(given(phi)) and macs(phi) > highest
        ):
            high = float(phi)
            break
    high = _last(lambda phi: macs(phi) < math.inf, 0.0, high)
    low = _least(lambda phi: bool(limits.reached(given(phi))), low, high)
    past = _least(lambda phi: bool(limits.passed(given(phi))), min(low, high), high)
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


def _runs(spec: Spec, name: str, low: float, high: float) -> Intervals:
    """The intervals of φ from `low` to `high` that have one network each.

    Some may be of images that are too small.
    """
    points, rounders = [np.array([low])], []
    for each in rounded_numbers(spec):
        about_1, rounded = _along(spec, name, each)
        points.append(breakpoints(about_1, [0], low, high))
        points.append(breakpoints(rounded, each.numbers, low, high))
        rounders += [(rounded, number) for number in each.numbers]
    phi: RealArray = np.unique(np.concatenate(points))
    columns = [rule(np.full(len(phi), number), phi) for rule, number in rounders]
    numbers = np.stack(columns, axis=1)
    return distinct(phi, numbers, high, special=growth_of(spec).special)


def _along(spec: Spec, name: str, numbers: Numbers) -> tuple[Rounded, Rounded]:
    """Functions of φ: whether a multiplier is at 1 or beyond it, and what it makes.

    At exactly 1 nothing is rounded, and just before and after it all is.
    """

    def value(phi: Any) -> Any:  # noqa: ANN401
        return at_phi(spec, phi, name).factor(numbers.follows) + 0 * phi

    def about_1(_: Any, phi: Any) -> Any:  # noqa: ANN401
        return (value(phi) >= 1) * 1 + (value(phi) > 1) * 1

    def rounded(number: Any, phi: Any) -> Any:  # noqa: ANN401
        return numbers.rule(number, value(phi))

    return about_1, rounded
