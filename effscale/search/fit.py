"""The inverse of scaling: the networks of a ray that cost what one can pay."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from effscale.choices import MAX_PHI
from effscale.cost.count import Cost, count, counts
from effscale.errors import CountError, LayerError, ScaleError
from effscale.growth.growth import Variant, called, growth_of
from effscale.growth.scale import leaves_an_image, scale
from effscale.limit import title
from effscale.search.asked import Asked, Best, Bounds, Goal, suiting
from effscale.search.networks import LeftOut, scaled
from effscale.search.reachable import (
    Intervals,
    breakpoints,
    distinct,
    rounded_numbers,
    simplest,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from effscale.arrays import RealArray
    from effscale.growth.multipliers import Multipliers
    from effscale.limit import Figure, Limit
    from effscale.search.asked import Key
    from effscale.search.reachable import Numbers, Rounded
    from effscale.spec.models import Spec

#: Candidates times the depth of the deepest, counted at once; and the fewest.
BLOCKS, FEWEST = 2**20, 2**8


@dataclass(frozen=True)
class Found:
    """A reachable network, and how it stands to what was asked."""

    #: `nearest`, `below`, `above`, `most`, `next`, `closest` (to the ray), `front`, or
    #: `misses` with the limit that it misses by least.
    role: str
    variant: Variant
    cost: Cost
    goal: Goal
    figures: Mapping[Figure, float]  #: what was asked for, of this network
    interval: tuple[float, float] | None = None  #: φ from, up to and without

    @property
    def deviation(self) -> float | None:
        """Its figure over the target − 1."""
        target = self.goal.target
        return None if target is None else self.figures[self.goal.figure] / target - 1


@dataclass(frozen=True)
class Answer:
    """What was found for a goal within limits."""

    asked: Asked
    found: list[Found]  #: the best first
    #: Without any one of these the goal would be nearer.
    binding: list[Limit]
    #: Of each limit, the network within all others that misses it by least, if none is
    #: within all of them; behind those, what misses all of them by least.
    misses: list[Found] = field(default_factory=list)

    @property
    def best(self) -> Found | None:
        """The network that is nearest, or the most."""
        return self.found[0] if self.found else None


def named(  # noqa: PLR0913 - what a variant is
    spec: Spec,
    name: str,
    strategy: str,
    phi: float | None,
    multipliers: Multipliers,
    *,
    asked: Asked,
) -> Variant:
    """`spec` scaled by these multipliers, and the MACs that it is meant to have.

    Those that are asked for, or at most allowed; else 2^φ times the baseline's, or what
    the multipliers would make of them.
    """
    scaled = scale(spec, multipliers).model_copy(update={"name": name})
    most = asked.most().get("macs")
    if most is not None:
        target = most / int(count(spec).macs)
    elif phi is not None:
        target = 2.0**phi
    else:
        target = float(multipliers.nominal)
    return Variant(scaled, strategy, phi, multipliers, target)


def nearest_first(sides: list[Found]) -> list[Found]:
    """The nearest, called so, and the one on the other side of the target."""
    sides = sorted(sides, key=lambda each: abs(each.deviation or 0.0))
    return [replace(each, role="nearest") for each in sides[:1]] + sides[1:]


def answered(best: Best, make: Callable[[Key, str], Found]) -> Answer:
    """What a search for the best has found, each network made by its key."""
    asked, roles = best.asked, best.roles
    found = [
        make(roles[name, 0][2], name)
        for name in ("most", "below", "above")
        if (name, 0) in roles
    ]
    if asked.goal.target is not None:
        found = nearest_first(found)
    binding = [asked.limits[k] for k in best.binding()]
    misses: list[Found] = []
    if not found and asked.limits:
        for k, limit in enumerate(asked.limits):
            if ("misses", k) in roles:
                role = f"misses {title(limit.figure)}"
                misses.append(make(roles["misses", k][2], role))
        if not misses and ("least", 0) in roles:
            misses.append(make(roles["least", 0][2], "misses several"))
    return Answer(asked, found, binding, misses)


@dataclass(frozen=True)
class Ray:
    """Every network of a strategy, in order of φ."""

    spec: Spec
    strategy: str
    bounds: Bounds
    phi: RealArray  #: where each begins
    end: RealArray  #: where each ends, itself not included
    figures: Mapping[str, Any]  #: of each
    sides: tuple[Any, Any]
    admitted: Any  #: which of them the bounds admit
    left: LeftOut

    def at(self, index: int, role: str, asked: Asked) -> Found:
        """The network of that number."""
        low, high = float(self.phi[index]), float(self.end[index])
        phi = simplest(low, high)
        name = called(self.spec, self.strategy, phi)
        given = self.bounds.at_phi(self.spec, phi, self.strategy)
        variant = named(self.spec, name, self.strategy, phi, given, asked=asked)
        variant = replace(variant, held=tuple(sorted(self.bounds.hold)))
        known = [name for name in asked.figures if name in self.figures]
        figures = {name: self.figures[name][index].item() for name in known}
        cost = count(variant.spec)
        return Found(role, variant, cost, asked.goal, figures, (low, high))


def ray(
    spec: Spec,
    asked: Sequence[Asked],
    bounds: Bounds | None = None,
    name: str = "compound",
) -> Ray:
    """The networks of strategy `name`, from the smallest there is to what is asked for.

    To the first that passes what a figure may come to, of each of those `asked`; what
    is limited from above nowhere ends where no network is left.

    Raises:
        ScaleError: if a multiplier would fall as φ rises, or nothing grows.
    """
    bounds = bounds or Bounds()
    rising = bounds.at_phi(spec, 1.0, name)
    if min(rising.given.values()) < 1:
        raise ScaleError("coefficients: expected at least 1 each, to search along φ")
    low, high = _span(spec, name, asked, bounds)
    empty = low > high
    low, high = (0.0, 0.0) if empty else (low, high)
    runs = intervals(spec, name, bounds, low, high)
    image = leaves_an_image(spec, bounds.at_phi(spec, runs.start, name))
    exists = np.broadcast_to(image, len(runs))
    runs = Intervals(runs.start[exists], runs.end[exists])
    if len(runs) and not empty and high == round(high):
        runs.end[-1] = _change_after(spec, name, bounds, high)
    left = LeftOut()
    slabs = [*_counted(spec, asked, bounds, name, runs.start, left)]
    if not slabs:
        left.refuse_all(f"candidate of {name}")
        raise ScaleError(f"no candidate of {name} leaves an image")
    found = {key: np.concatenate([each[key] for each in slabs]) for key in slabs[0]}
    kept, height, width = (found.pop(key) for key in ("kept", "height", "width"))
    admitted = found.pop("admitted") & (not empty)
    start, end, sides = runs.start[kept], runs.end[kept], (height, width)
    return Ray(spec, name, bounds, start, end, found, sides, admitted, left)


def _counted(  # noqa: PLR0913, PLR0917 - what is counted, and for whom
    spec: Spec,
    asked: Sequence[Asked],
    bounds: Bounds,
    name: str,
    phis: RealArray,
    left: LeftOut,
) -> Iterator[dict[str, Any]]:
    """The networks among these φ, some at a time: an array of each of their figures.

    The deeper, the fewer: blocks that all differ are arrays each.
    """
    deepest = np.max(bounds.at_phi(spec, phis, name).depth, initial=1)
    rows = max(FEWEST, int(BLOCKS / deepest))
    for start in range(0, len(phis), rows):
        phi = phis[start : start + rows]
        given = _of_length(bounds.at_phi(spec, phi, name), len(phi))
        found = scaled(spec, given, left)
        if found is None:
            continue
        sides = height, width = found.spec.resolution
        those = bounds.at_phi(spec, phi[found.kept], name)
        columns = {
            "kept": start + found.kept,
            "height": height,
            "width": width,
            "admitted": bounds.admit(spec, those, sides),
            **figures_of(asked, found.spec, found.cost),
        }
        size = len(found.kept)
        yield {key: np.broadcast_to(each, size) for key, each in columns.items()}


def _of_length(given: Multipliers, size: int) -> Multipliers:
    """The multipliers as arrays, of which one at least has `size` entries."""
    return replace(given, depth=np.broadcast_to(given.depth, size))


def figures_of(asked: Sequence[Asked], spec: Spec, cost: Cost) -> dict[str, Any]:
    """The figures of many candidates that are asked for, counted in one setting."""
    wanted = dict.fromkeys(name for each in asked for name in each.figures)
    running = asked[0].running
    return {name: running.figure(name, spec, cost) for name in wanted}


def on_ray(path: Ray, asked: Asked) -> Answer:
    """The best network of a ray, and those beside it.

    Of a target the nearest, then the nearest on its other side; of the most, the next
    larger one as well, whatever it breaks.
    """
    best = Best(asked, suiting(path.spec))
    best.look(path.figures, path.admitted, path.sides, lambda index: index)
    answer = answered(best, lambda key, role: path.at(key[0], role, asked))
    if asked.goal.target is None and answer.best is not None:
        value: Any = path.figures[asked.goal.figure]
        more = np.where(value > answer.best.figures[asked.goal.figure], value, np.inf)
        if len(more) and more.min() < np.inf:
            answer.found.append(path.at(int(more.argmin()), "next", asked))
    return answer


def _change_after(spec: Spec, name: str, bounds: Bounds, phi: float) -> float:
    """Where the network of φ changes next: where looking further has stopped.

    φ itself, where what is looked at next would be beyond our numbers.
    """
    step = 1.0
    while phi + step <= MAX_PHI:
        high = phi + step
        try:
            runs = intervals(spec, name, bounds, phi, high)
        except ScaleError:
            return phi
        if len(runs) > 1:
            return float(runs.end[0])
        step *= 2
    return MAX_PHI


def of_shape(cost: Cost, shape: Any) -> Cost:  # noqa: ANN401 - a size, or sizes
    """A cost whose arrays broadcast, as arrays of one shape."""
    return Cost(*(np.broadcast_to(each, shape) for each in vars(cost).values()))


def _span(
    spec: Spec, name: str, asked: Sequence[Asked], bounds: Bounds
) -> tuple[float, float]:
    """The φ of strategy `name` to look at, low and high; none is, if low > high.

    From the least φ that has reached the lower bounds, to one above 0 that passes what
    each of those asked allows, or to the last that has not passed the upper bounds.
    What is reached or passed at some φ is so ever after.
    """

    def given(phi: float) -> Multipliers:
        """As arrays have it: numpy's powers may differ from Python's in a digit."""
        return bounds.at_phi(spec, np.array([phi]), name)

    def passes(phi: float) -> bool:
        """Whether every one of those asked has a figure that may not come to this."""
        made = scale(spec, given(phi))
        found = figures_of(asked, made, counts(made))
        return all(
            any(np.max(found[figure]) > most for figure, most in each.most().items())
            for each in asked
        )

    def fits(phi: float) -> bool:
        """Whether there is a network, or one of more φ may be: it fits our numbers."""
        try:
            if np.all(leaves_an_image(spec, given(phi))):
                counts(scale(spec, given(phi)))
        except LayerError:
            return True
        except (CountError, ScaleError):
            return False
        return True

    low, high = -MAX_PHI, MAX_PHI
    for phi in np.arange(1.0, MAX_PHI):
        try:
            ends = np.all(leaves_an_image(spec, given(phi))) and (
                bounds.reached(given(phi)) and passes(phi)
            )
        except LayerError:  # no network, though those of more φ may be
            continue
        except (CountError, ScaleError):
            ends = True
        if ends:
            high = float(phi)
            break
    high = _last(fits, 0.0, high)
    low = _least(lambda phi: bool(bounds.reached(given(phi))), low, high)
    past = _least(lambda phi: bool(bounds.passed(given(phi))), min(low, high), high)
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


def intervals(
    spec: Spec, name: str, bounds: Bounds, low: float, high: float
) -> Intervals:
    """The intervals of φ from `low` to `high` that have one network each.

    Some may be of images that are too small.
    """
    points, rounders = [np.array([low])], []
    for each in rounded_numbers(spec):
        about_1, rounded = _along(spec, name, bounds, each)
        points.append(breakpoints(about_1, [0], low, high))
        points.append(breakpoints(rounded, each.numbers, low, high))
        rounders += [(rounded, number) for number in each.numbers]
    phi: RealArray = np.unique(np.concatenate(points))
    columns = [rule(np.full(len(phi), number), phi) for rule, number in rounders]
    numbers = np.stack(columns, axis=1)
    return distinct(phi, numbers, high, special=growth_of(spec).special)


def _along(
    spec: Spec, name: str, bounds: Bounds, numbers: Numbers
) -> tuple[Rounded, Rounded]:
    """Functions of φ: whether a multiplier is at 1 or beyond it, and what it makes.

    At exactly 1 nothing is rounded, and just before and after it all is.
    """

    def value(phi: Any) -> Any:  # noqa: ANN401
        return bounds.at_phi(spec, phi, name).factor(numbers.follows) + 0 * phi

    def about_1(_: Any, phi: Any) -> Any:  # noqa: ANN401
        return (value(phi) >= 1) * 1 + (value(phi) > 1) * 1

    def rounded(number: Any, phi: Any) -> Any:  # noqa: ANN401
        return numbers.rule(number, value(phi))

    return about_1, rounded
