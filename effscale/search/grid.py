"""Coefficients of a grid that meet a target, and the exact cost of their networks.

Of a classifier, step 1 of compound scaling: every (α, β, γ). The axes stay axes while
counting: channels know only of β, sides only of γ, repeats only of α, and arrays of
these shapes broadcast in the few sums that see all three. The grid is walked in slabs
of its first axis, so that memory does not grow with it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from effscale.arrays import ZERO, is_array
from effscale.cost.count import Cost, count
from effscale.cost.figures import Running
from effscale.cost.fold import keys
from effscale.errors import CandidateError, ScaleError
from effscale.growth.growth import growth_of
from effscale.growth.multipliers import Multipliers
from effscale.growth.scale import ROLES, leaves_an_image, numbers, scale
from effscale.search.networks import LeftOut, Networks, scaled, spread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from decimal import Decimal

    from effscale.arrays import IntArray, Real, RealArray
    from effscale.choices import Constraint
    from effscale.growth.growth import Axis, Growth
    from effscale.limit import Figure, Limit
    from effscale.spec.models import Spec


#: Candidates counted at once: the more there are, the more of them are alike.
CHUNK = 2**15
#: Points counted at once: a slab's arrays stay within tens of megabytes.
SLAB = 2**20
MAX_POINTS = 10**9
#: Float noise at the edge of a tolerance.
EDGE = 1e-12


@dataclass(frozen=True)
class Grid:
    """The points to look at, and what makes one of them feasible."""

    axes: tuple[RealArray, ...]  #: as the growth of the network names them
    target_ratio: float = 2.0
    tolerance: float = 0.05  #: relative, of the target
    constraint: Constraint | None = "nominal"  #: None keeps every point
    phis: tuple[float, ...] = (1.0,)
    limits: tuple[Limit, ...] = ()  #: of each network at the first φ
    running: Running = field(default_factory=Running)

    def __post_init__(self) -> None:
        if not 1 <= self.target_ratio < float("inf"):
            raise ScaleError(
                f"target ratio: expected at least 1, got {self.target_ratio!r}"
            )
        _limit(self.points)

    @property
    def figures(self) -> list[Figure]:
        """What limits speak of and a cost does not have."""
        named = dict.fromkeys(each.figure for each in self.limits)
        return [name for name in named if name not in Cost.__dataclass_fields__]

    @property
    def points(self) -> int:
        return math.prod(map(len, self.axes))


def axes(
    ranges: Sequence[tuple[Decimal, Decimal]], steps: Sequence[Decimal]
) -> list[RealArray]:
    """An axis for each range and step, once they are few enough points together.

    Raises:
        ScaleError: as `axis` does, and for more than 10^9 points.
    """
    given = list(zip(ranges, steps, strict=True))
    _limit(math.prod(_values(low, high, step) for (low, high), step in given))
    return [axis(low, high, step) for (low, high), step in given]


def axis(low: Decimal, high: Decimal, step: Decimal) -> RealArray:
    """`low`, `low + step`, … up to `high`: each the float nearest to its decimal.

    No step is accumulated: 1.2 is the literal, never 1.2000000000000002.

    Raises:
        ScaleError: if the step is not above 0, or the range is empty or too long.
    """
    _limit(_values(low, high, step))
    exponent = min(int(each.as_tuple().exponent) for each in (low, step, high))
    scale_by = 10 ** max(-exponent, 0)
    first, stride, last = (int(each * scale_by) for each in (low, step, high))
    ticks: IntArray = np.arange(first, last + 1, stride, dtype=np.int64)
    result: RealArray = ticks / scale_by
    return result


def _values(low: Decimal, high: Decimal, step: Decimal) -> int:
    if not step > 0:
        raise ScaleError(f"step: expected a number above 0, got {step}")
    if not 0 < low <= high:
        raise ScaleError(
            f"range: expected LOW:HIGH with 0 < LOW <= HIGH, got {low}:{high}"
        )
    return int((high - low) / step) + 1


def _limit(points: int) -> None:
    if points > MAX_POINTS:
        raise ScaleError(
            f"grid: expected at most {MAX_POINTS:,} points, got {points:,}; "
            "a larger --step or narrower ranges have fewer"
        )


@dataclass(frozen=True)
class Answer:
    """What a search found."""

    enumerated: int
    feasible: int  #: points; several may be one network
    candidates: Candidates
    left: LeftOut = field(default_factory=LeftOut)


def search(
    spec: Spec, grid: Grid, advance: Callable[[int], None] = lambda _points: None
) -> Answer:
    """Every feasible point of `grid`, counted exactly; `advance` hears of progress.

    Raises:
        ScaleError: if no point is feasible, naming the nearest and what admits it.
    """
    growth, base = growth_of(spec), int(count(spec).macs)
    axes = [
        _imaged(spec, axis, values, grid.phis)
        for axis, values in zip(growth.axes, grid.axes, strict=True)
    ]
    left, feasible = LeftOut(), 0
    table = _Table(spec, grid, left)
    nearest: tuple[float, tuple[float, ...]] = (math.inf, ())
    skipped = math.prod(map(len, grid.axes[1:]))
    for slab in _slabs(axes):
        # Where an axis changes nothing, what is counted has one entry for all of it.
        distance = np.broadcast_to(
            np.abs(_off_target(growth, base, grid, slab, left)), [*map(len, slab)]
        )
        inside = np.nonzero(distance <= grid.tolerance + EDGE)
        table.count(_points(slab, inside))
        feasible += inside[0].size
        if not feasible:
            at = np.unravel_index(distance.argmin(), distance.shape)
            point = tuple(float(each) for each in _points(slab, at))
            if distance[at] < math.inf:
                nearest = min(nearest, (float(distance[at]), point))
        advance(len(slab[0]) * skipped)
    if not feasible:
        if not nearest[1]:
            left.refuse_all("point of the grid")
        raise _infeasible(growth, grid, *nearest)
    candidates = within(grid, table.candidates())
    return Answer(grid.points, int(candidates.same.sum()), candidates, left)


def _imaged(
    spec: Spec, axis: Axis, values: RealArray, phis: Sequence[float]
) -> RealArray:
    """The values of an axis, of resolution those that leave an image at each φ."""
    if axis.multiplier != "resolution":
        return values
    for phi in phis:
        values = values[leaves_an_image(spec, Multipliers(resolution=values**phi))]
    if not len(values):
        message = f"no {axis.key} of the grid leaves an image"
        raise ScaleError(f"resolution: {message}")
    return values


def _slabs(axes: Sequence[RealArray]) -> Iterator[list[RealArray]]:
    """The axes as arrays that broadcast, some rows of the first at a time."""
    first, *others = axes
    last = len(others)
    inner = [each.reshape(-1, *[1] * (last - k)) for k, each in enumerate(others, 1)]
    rows = max(1, SLAB // math.prod(map(len, others)))
    for start in range(0, len(first), rows):
        yield [first[start : start + rows].reshape(-1, *[1] * last), *inner]


def _off_target(
    growth: Growth, base: int, grid: Grid, axes: Sequence[RealArray], left: LeftOut
) -> Any:  # noqa: ANN401
    """Cost over target − 1 of each point: nominal, or realised at the grid's φ.

    Infinite of what is no network.
    """
    if grid.constraint is None:
        return np.zeros([len(each) for each in axes])
    if grid.constraint == "nominal":
        return growth.nominal(axes) / grid.target_ratio - 1
    logs = []
    for phi in grid.phis:
        exists, figures, _ = spread(growth.spec, growth.at(axes, phi), left)
        macs: Any = np.where(exists, figures["macs"], np.inf)
        logs.append(np.log(macs / base / grid.target_ratio**phi))
    if len(logs) == 1:
        return np.expm1(logs[0])
    return np.sqrt(sum(log**2 for log in logs) / len(logs))


def _points(axes: Sequence[RealArray], at: Any) -> tuple[Any, ...]:  # noqa: ANN401
    """The values of the axes at these indices."""
    return tuple(each.ravel()[k] for each, k in zip(axes, at, strict=True))


def _infeasible(
    growth: Growth, grid: Grid, distance: float, point: tuple[float, ...]
) -> ScaleError:
    realised = grid.constraint == "realised"
    target = grid.target_ratio ** (grid.phis[0] if realised else 1)
    low, high = (target * (1 + sign * grid.tolerance) for sign in (-1, 1))
    places = max(0, 1 - math.floor(math.log10(100 * distance))) if distance else 0
    admits = math.ceil(distance * 10 ** (places + 2)) / 10 ** (places + 2)
    named = zip(growth.axes, point, strict=True)
    nearest = ", ".join(f"{axis.key} {value:g}" for axis, value in named)
    return ScaleError(
        f"no coefficients cost {low:.6g} to {high:.6g} times the baseline "
        f"({grid.constraint}); nearest is {nearest}, off by "
        f"{100 * distance:.{places}f} %; "
        f"try --tolerance {admits:g}"
    )


@dataclass(frozen=True)
class Candidates:
    """Feasible coefficients, one entry each, those of one network folded into one.

    Costs and deviation are those at the first φ of the grid; `tracking` is the root
    mean square, over all its φ, of the log of realised ratio over target^φ.
    """

    coefficients: tuple[RealArray, ...]  #: one array for each axis of the growth
    product: RealArray  #: what a unit of φ costs, were nothing rounded
    height: IntArray
    width: IntArray
    cost: Cost
    ratio: RealArray
    deviation: RealArray
    tracking: RealArray
    numbers: IntArray  #: what the growth shows of each network, φ by φ
    figures: (
        RealArray  #: what limits speak of and a cost does not have, one after other
    )
    same: IntArray  #: how many feasible points are this network
    pareto: Any  #: no other is as good in params and activations, and better in one

    def __len__(self) -> int:
        return len(self.product)

    def take(self, order: IntArray) -> Candidates:
        picked = {name: _take(value, order) for name, value in vars(self).items()}
        return Candidates(**picked)


def _take(value: Any, order: IntArray) -> Any:  # noqa: ANN401 - a field of candidates
    if isinstance(value, Cost):
        return Cost(*(_take(each, order) for each in vars(value).values()))
    if isinstance(value, tuple):
        return tuple(each[order] for each in value)
    return value[order] if is_array(value) else value


def within(grid: Grid, found: Candidates) -> Candidates:
    """The candidates that all limits of a grid admit.

    Raises:
        ScaleError: if there is none, with what misses each limit by least.
    """
    misses = []
    admitted = np.ones(len(found), dtype=bool)
    for limit in grid.limits:
        if limit.figure in grid.figures:
            value = found.figures[:, grid.figures.index(limit.figure)]
        else:
            value = getattr(found.cost, limit.figure)
        excess = limit.excess(value)
        admitted &= excess == 0
        nearest = value[int(excess.argmin())].item()
        misses.append(f"{limit}: {limit.beside(nearest)} comes nearest")
    if not admitted.any():
        times = grid.target_ratio ** grid.phis[0]
        of = "" if grid.constraint is None else f" of {times:.3g} × the baseline"
        raise ScaleError(f"no candidate{of} is within all limits; {'; '.join(misses)}")
    return found if admitted.all() else found.take(np.nonzero(admitted)[0])


def counted(
    spec: Spec,
    points: Sequence[RealArray],
    grid: Grid,
    left: LeftOut | None = None,
) -> Candidates:
    """The points, an array for each axis, counted at each φ and folded.

    `left` hears of those that are no network at some φ.

    Those of a growth that keeps all points are few, and counted as plain numbers.
    """
    table = _Table(spec, grid, left or LeftOut())
    table.count(points)
    return table.candidates()


class _Table:
    """Figures of points as they are found, those of one network folded into one.

    What is kept grows with the networks that there are, not with the points.
    """

    def __init__(self, spec: Spec, grid: Grid, left: LeftOut) -> None:
        self._growth, self._grid, self._left = growth_of(spec), grid, left
        #: Points that are too few to be counted yet, an array for each axis.
        self._waiting: list[Sequence[RealArray]] = []
        #: Columns by name; only the first is folded.
        self._tables: list[dict[str, Any]] = []

    def count(self, points: Sequence[RealArray]) -> None:
        """Count points, an array for each axis, once there are enough of them."""
        self._waiting.append(points)
        if sum(len(each[0]) for each in self._waiting) >= CHUNK:
            self._count_waiting()

    def candidates(self) -> Candidates:
        """All that were counted.

        Raises:
            ScaleError: if none of them is a network.
        """
        self._count_waiting()
        if not self._tables:
            self._left.refuse_all("point within the target")
        self._fold()
        (table,) = self._tables
        points = [*table["points"].T]
        named = {k: v for k, v in table.items() if k not in {"points", "network"}}
        figures = [each.name for each in fields(Cost) if each.name in named]
        cost = Cost(**{name: named.pop(name) for name in figures})
        return Candidates(
            coefficients=tuple(points),
            product=self._product(points),
            cost=cost,
            pareto=pareto_front(cost.params, cost.activations),
            **named,
        )

    def _count_waiting(self) -> None:
        """Points of a growth that keeps all are few, and counted as plain numbers."""
        if not self._waiting:
            return
        points = [np.concatenate(each) for each in zip(*self._waiting, strict=True)]
        self._waiting = []
        chunks: Iterable[Sequence[Real]]
        if self._growth.meets_target:
            starts = range(0, len(points[0]), CHUNK)
            chunks = ([each[k : k + CHUNK] for each in points] for k in starts)
        else:
            chunks = zip(*(each.tolist() for each in points), strict=True)
        for chunk in chunks:
            table = _chunk(self._growth, chunk, self._grid, self._left)
            if table is not None:
                rows = len(table["points"])
                self._tables.append({**table, "same": np.ones(rows, dtype=np.int64)})
            known, *others = [len(each["points"]) for each in self._tables] or [0]
            if sum(others) >= max(known, CHUNK):
                self._fold()

    def _fold(self) -> None:
        """Keep one point of each network: the spec's own, or that nearest the target.

        Of several as near it is the first.
        """
        table = {
            name: np.concatenate([each[name] for each in self._tables])
            for name in self._tables[0]
        }
        points = [*table["points"].T]
        is_own = np.all(
            [each == own for each, own in zip(points, self._growth.own, strict=True)],
            axis=0,
        )
        distance = np.abs(self._product(points) - self._grid.target_ratio)
        order = np.lexsort((distance, ~is_own))
        rows = keys(table["network"][order].T)
        _, first, kind = np.unique(rows, return_index=True, return_inverse=True)
        same = np.zeros(len(first), dtype=np.int64)
        np.add.at(same, kind, table["same"][order])
        kept = {name: values[order[first]] for name, values in table.items()}
        self._tables = [{**kept, "same": same}]

    def _product(self, points: Sequence[RealArray]) -> RealArray:
        nominal = self._growth.nominal(points)
        return np.broadcast_to(nominal, len(points[0])).copy()


def _chunk(
    growth: Growth,
    points: Sequence[Real],
    grid: Grid,
    left: LeftOut,
) -> dict[str, Any] | None:
    """Figures of some points, or of one: an array each, and an entry for a point.

    Of those that are networks at each φ; none if there are none.
    """
    base, size = int(count(growth.spec).macs), np.size(points[0])
    target, phis = grid.target_ratio, grid.phis
    limited: list[Any] = []
    networks: list[IntArray] = []
    numbers: list[Any] = []
    logs: list[Any] = []
    table: dict[str, Any] = {}
    for phi in phis:
        found = _networks(growth, points, phi, left)
        if found is None:
            return None
        kept, made, cost = found
        if len(kept) < size:
            some = [np.asarray(each)[kept] for each in points]
            return _chunk(growth, some, grid, left)
        networks.append(signature(made, size))
        numbers += growth.numbers(made)
        ratio = cost.macs / base
        logs.append(_log(ratio, target, phi))
        if not table:
            height, width = made.resolution
            figures = {k: each for k, each in vars(cost).items() if each is not ZERO}
            table = {"height": height, "width": width, **figures, "ratio": ratio}
            table["deviation"] = ratio / target**phi - 1
            limited = [grid.running.figure(name, made, cost) for name in grid.figures]
    table["tracking"] = np.sqrt(sum(log**2 for log in logs) / len(logs))
    table = {name: np.broadcast_to(each, size) for name, each in table.items()}
    values = [np.broadcast_to(each, size) for each in limited]
    table["figures"] = np.array(values, dtype=float).reshape(-1, size).T
    table["numbers"] = np.array(numbers, dtype=np.int64).reshape(-1, size).T
    stacked = np.array(np.broadcast_arrays(*points), dtype=float).reshape(-1, size).T
    return {**table, "network": np.concatenate(networks, axis=1), "points": stacked}


def _networks(
    growth: Growth, points: Sequence[Real], phi: float, left: LeftOut
) -> Networks | None:
    """The networks among some points at φ, or the one of a single point."""
    given = growth.at(points, phi)
    if any(map(is_array, points)):
        return scaled(growth.spec, given, left)
    try:
        spec = scale(growth.spec, given)
        return Networks(np.zeros(1, dtype=np.int64), spec, count(spec))
    except CandidateError as error:
        left.add(error, 1, {name: float(each) for name, each in given.given.items()})
        return None


def _log(ratio: Any, target: float, phi: float) -> Any:  # noqa: ANN401
    """The log of ratio over target^φ."""
    if is_array(ratio):
        return np.log(ratio / target**phi)
    return math.log(ratio) - phi * math.log(target)


def signature(spec: Spec, size: int) -> IntArray:
    """A row for each candidate that says which network it is."""
    columns = [*numbers(spec, *ROLES), *spec.resolution]
    return np.stack([np.broadcast_to(np.asarray(c), size) for c in columns], axis=1)


def pareto_front(params: Any, activations: Any) -> Any:  # noqa: ANN401 - arrays
    """Which entries no other beats in one figure without losing in the other."""
    order = np.lexsort((activations, params))
    best = np.minimum.accumulate(activations[order])
    front = np.empty(len(order), dtype=bool)
    sorted_activations = activations[order]
    earlier = np.concatenate(([np.iinfo(np.int64).max], best[:-1]))
    front[order] = sorted_activations < earlier
    return front


def best_first(growth: Growth, candidates: Candidates, by: str) -> Candidates:
    """The candidates sorted: smallest deviation, or smallest figure, first."""
    axes = zip(growth.axes, candidates.coefficients, strict=True)
    keys: dict[str, Any] = {
        "deviation": np.abs(candidates.deviation),
        "rms_error": candidates.tracking,
        **vars(candidates.cost),
        "resolution": candidates.height * candidates.width,
        **{axis.key: each for axis, each in axes},
    }
    order = [keys[name] for name in (by, *growth.ties)]
    return candidates.take(np.lexsort(order[::-1]))
