"""Fitting off the ray: every distinct network within bounds, one depth at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from effscale.cost.count import count
from effscale.errors import ScaleError
from effscale.growth.multipliers import Multipliers
from effscale.growth.scale import leaves_an_image
from effscale.search.asked import Best, suiting
from effscale.search.fit import Found, answered, figures_of, named
from effscale.search.grid import MAX_POINTS, SLAB, pareto_front
from effscale.search.networks import LeftOut, spread
from effscale.search.reachable import Intervals, axes, simplest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from effscale.arrays import RealArray
    from effscale.cost.count import Cost
    from effscale.search.asked import Asked, Bounds, Key
    from effscale.search.fit import Answer
    from effscale.spec.models import Spec

#: How far beyond the target's own multiple (and short of 1) each dimension may go.
SLACK = 1.25
#: Between networks as close to the ray, the one nearer to the target.
TIE = 1e-6

Ranges = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class Free:
    """What lies off the ray, near what was asked for."""

    ranges: Ranges  #: where was looked
    enumerated: int  #: distinct networks within these
    within: int  #: of them, within tolerance and limits
    answer: Answer  #: closest to the ray and the front among what was found
    left: LeftOut


def ranges(spec: Spec, asked: Asked, bounds: Bounds) -> Ranges:
    """Where to look: 4/5 of the smaller to 5/4 of the larger of 1 and what is asked.

    As multiples of the baseline's own figures, the least and the largest of all that
    are asked for or allowed (where MACs are, of MACs and of what is to be met or to be
    largest), of which width and resolution have the root; bounds of
    depth, width and resolution stand where they are given, and what is held is held;
    beyond all that, it is next to a bound, as far as 4/5 or 5/4 of it.
    """
    cost = count(spec)
    multiples = {
        name: most / float(asked.running.figure(name, spec, cost))
        for name, most in asked.most().items()
    }
    # What MACs rule out no looser limit brings back, and memory takes long to count.
    goals = {"macs", asked.goal.figure} if asked.budgets_macs else multiples.keys()
    largest = [multiples[name] for name in goals & multiples.keys()]
    low, high = min([1.0, *multiples.values()]) / SLACK, max([1.0, *largest]) * SLACK
    root_low, root_high = math.sqrt(low), math.sqrt(high)
    longer, shorter = max(spec.resolution), min(spec.resolution)
    most = (bounds.max_resolution or math.inf) / int(longer)
    least = (bounds.min_resolution or 0) / int(shorter)
    depth = bounds.min_depth, bounds.max_depth
    width = bounds.min_width, bounds.max_width
    found = {
        "depth": _between(bounds.min_depth or low, high, *depth),
        "width": _between(bounds.min_width or root_low, root_high, *width),
        "resolution": _between(root_low, root_high, least, most),
    }
    for name, (first, last) in found.items():
        if name in bounds.hold:
            found[name] = 1.0, 1.0
        elif first > last:
            message = f"expected a multiplier of at least {first:.4g}, and at most "
            raise ScaleError(f"{name}: {message}{last:.4g}: there is none")
    return found["depth"], found["width"], found["resolution"]


def _between(low: float, high: float, least: float, most: float) -> tuple[float, float]:
    """From `low` to `high` as far as bounds go; next to a bound that is beyond."""
    if most < low:
        low = most / SLACK
    if least > high:
        high = least * SLACK
    return max(low, least), min(high, most)


def off_ray(
    spec: Spec,
    asked: Asked,
    bounds: Bounds,
    tolerance: float,
    advance: Callable[[float], None] = lambda _share: None,
) -> Free:
    """Every distinct network within bounds: the best, the ray's closest, the front.

    Of those within `tolerance` of a target, `closest` is the one whose depth, width and
    resolution stand for the most alike φ; `front` are those that no other beats in both
    params and activations.

    `advance` hears of shares of the work as they are done.

    Raises:
        ScaleError: if there are more than 10^9 networks to look at.
    """
    where = ranges(spec, asked, bounds)
    depth, width, sides = axes(spec, where)
    images = leaves_an_image(spec, Multipliers(resolution=sides.start))
    if not images.any():
        raise ScaleError("resolution: no multiplier within the limits leaves an image")
    reachable = depth, width, Intervals(sides.start[images], sides.end[images])
    enumerated = math.prod(map(len, reachable))
    if enumerated > MAX_POINTS:
        raise ScaleError(
            f"fit: expected at most {MAX_POINTS:,} networks, got {enumerated:,}; "
            "limits of depth, width and resolution leave fewer"
        )
    search = _Search(spec, asked, bounds, tolerance, reachable)
    for rows in search.slabs():
        search.look(rows)
        advance(len(rows) / len(reachable[0]))
    if not search.exist:
        search.left.refuse_all("candidate")
    return Free(where, enumerated, search.within, search.answer(), search.left)


def _phi_interval(axis: Intervals, base: float) -> tuple[RealArray, RealArray]:
    """From which φ to which each entry is `base`^φ; all φ if base and entry are 1."""
    if base == 1:
        inside = (axis.start <= 1) & (axis.end > 1)
        return np.where(inside, -np.inf, np.inf), np.where(inside, np.inf, -np.inf)
    ends = np.log(axis.start) / np.log(base), np.log(axis.end) / np.log(base)
    return np.minimum(*ends), np.maximum(*ends)


@dataclass
class _Search:
    """What has been found so far, slab by slab of depth."""

    spec: Spec
    asked: Asked
    bounds: Bounds
    tolerance: float
    axes: tuple[Intervals, Intervals, Intervals]
    within: int = 0
    exist: bool = False  #: whether any of them is a network
    left: LeftOut = field(default_factory=LeftOut)
    #: Of those within the tolerance, the one closest to the ray: how far, and where.
    closest: tuple[float, Key] | None = None
    #: Params, activations, indices.
    front: list[tuple[Any, Any, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.best = Best(self.asked, suiting(self.spec))
        given = self.spec.coefficients
        pairs = zip(self.axes, (given.alpha, given.beta, given.gamma), strict=True)
        self.phis = [_phi_interval(axis, base) for axis, base in pairs]

    def slabs(self) -> Iterator[Any]:
        """Indices of depths to look at together."""
        depths, width, resolution = map(len, self.axes)
        rows = max(1, SLAB // (width * resolution))
        for start in range(0, depths, rows):
            yield np.arange(start, min(start + rows, depths))

    def look(self, rows: Any) -> None:  # noqa: ANN401
        """Count these depths with every width and resolution."""
        depth, width, resolution = (each.start for each in self.axes)
        given = Multipliers(depth[rows, None, None], width[:, None], resolution)
        exists, found, sides = spread(self.spec, given, self.left, self._figures)
        self.exist = self.exist or bool(np.any(exists))
        shape = len(rows), len(width), len(resolution)
        figures = {name: np.broadcast_to(found[name], shape) for name in self._wanted}
        exists = np.broadcast_to(
            exists & self.bounds.admit(self.spec, given, sides), shape
        )
        admitted = self.best.look(
            figures, exists, sides, lambda at: (int(rows[at[0]]), at[1], at[2])
        )
        if self.asked.goal.target is not None:
            self._near(rows, figures, admitted)

    @property
    def _wanted(self) -> list[str]:
        return [*dict.fromkeys([*self.asked.figures, "params", "activations"])]

    def _figures(self, spec: Spec, cost: Cost) -> dict[str, Any]:
        both = {"params": cost.params, "activations": cost.activations}
        return both | figures_of([self.asked], spec, cost)

    def _near(self, rows: Any, figures: Mapping[str, Any], admitted: Any) -> None:  # noqa: ANN401
        """Note those within the tolerance: the closest to the ray, and the front."""
        goal = self.asked.goal
        off = goal.badness(figures[goal.figure])
        close = admitted & (off <= self.tolerance)
        self.within += int(close.sum())
        if not close.any():
            return
        far = np.where(close, self._distance(rows) + TIE * off, np.inf)
        at = np.unravel_index(int(far.argmin()), far.shape)
        if self.closest is None or far[at] < self.closest[0]:
            key = int(rows[at[0]]), int(at[1]), int(at[2])
            self.closest = float(far[at]), key
        places = np.nonzero(close)
        indices = np.stack([rows[places[0]], places[1], places[2]], axis=1)
        params, activations = (figures[k][places] for k in ("params", "activations"))
        self._front(params, activations, indices)

    def _distance(self, rows: Any) -> Any:  # noqa: ANN401
        """How far apart the φ are that depth, width and resolution stand for.

        0 if the ray itself passes through the network.
        """
        (d_low, d_high), (w_low, w_high), (r_low, r_high) = self.phis
        depth = d_low[rows, None, None], d_high[rows, None, None]
        width = w_low[:, None], w_high[:, None]
        low = np.maximum(np.maximum(depth[0], width[0]), r_low)
        high = np.minimum(np.minimum(depth[1], width[1]), r_high)
        return np.maximum(low - high, 0)

    def _front(self, params: Any, activations: Any, indices: Any) -> None:  # noqa: ANN401
        self.front.append((params, activations, indices))
        joined = [np.concatenate(each) for each in zip(*self.front, strict=True)]
        best = pareto_front(joined[0], joined[1])
        self.front = [(joined[0][best], joined[1][best], joined[2][best])]

    def answer(self) -> Answer:
        """The best, the other side, nearest to the ray, the front by params."""
        answer = answered(self.best, lambda key, role: self._found(role, key))
        if self.closest is not None:
            answer.found.append(self._found("nearest compound", self.closest[1]))
        if self.front:
            params, _, indices = self.front[0]
            for each in np.argsort(params):
                answer.found.append(self._found("front", tuple(indices[each])))
        return answer

    def _found(self, role: str, at: tuple[int, ...]) -> Found:
        picked = (
            simplest(float(axis.start[index]), float(axis.end[index]))
            for axis, index in zip(self.axes, at, strict=True)
        )
        given = Multipliers(*picked)
        d, w, r = (f"{each:.4g}" for each in given.given.values())
        name = f"{self.spec.name}-d{d}-w{w}-r{r}"
        variant = named(self.spec, name, "free", None, given, asked=self.asked)
        cost = count(variant.spec)
        running, wanted = self.asked.running, self.asked.figures
        figures = {k: running.figure(k, variant.spec, cost) for k in wanted}
        return Found(role, variant, cost, self.asked.goal, figures)
