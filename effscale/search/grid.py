"""Step 1 of compound scaling: every (α, β, γ) of a grid that meets a budget.

The three axes stay axes while counting: channels know only of β, sides only of γ,
repeats only of α, and arrays of these shapes broadcast in the few sums that see all
three. The grid is walked in slabs of α, so that memory does not grow with it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from effscale.cost.count import Cost, count
from effscale.errors import ScaleError
from effscale.growth.dimensions import ROLES, numbers
from effscale.growth.multipliers import Multipliers
from effscale.growth.scale import leaves_an_image, scale

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from decimal import Decimal

    from effscale.arrays import IntArray, RealArray
    from effscale.spec.models import Spec


# --------------------------------------------------------------------------------------
# Coefficients and the exact cost of their networks, equal networks folded to one.

#: Candidates counted at once: their arrays stay in the processor's cache.
CHUNK = 2**13


@dataclass(frozen=True)
class Candidates:
    """Feasible coefficients, one entry each, those of one network folded into one.

    Costs and deviation are those at the first φ of the grid; `tracking` is the root
    mean square, over all its φ, of the log of realised ratio over budget^φ.
    """

    alpha: RealArray
    beta: RealArray
    gamma: RealArray
    product: RealArray
    height: IntArray
    width: IntArray
    cost: Cost
    ratio: RealArray
    deviation: RealArray
    tracking: RealArray
    same: IntArray  #: how many feasible points are this network
    pareto: Any  #: no other is as good in params and activations, and better in one

    def __len__(self) -> int:
        return len(self.alpha)

    def take(self, order: IntArray) -> Candidates:
        """The candidates at these indices."""
        picked: dict[str, Any] = {}
        for name, value in vars(self).items():
            if isinstance(value, Cost):
                picked[name] = Cost(*(each[order] for each in vars(value).values()))
            else:
                picked[name] = value[order]
        return Candidates(**picked)


def counted(
    spec: Spec, points: Sequence[RealArray], budget: float, phis: Sequence[float]
) -> Candidates:
    """The points (α, β, γ, each an array) counted at each φ and folded."""
    chunks = [
        _chunk(spec, [each[start : start + CHUNK] for each in points], budget, phis)
        for start in range(0, len(points[0]), CHUNK)
    ]
    table = {
        name: np.concatenate([each[name] for each in chunks]) for name in chunks[0]
    }
    first, same = _folded(spec, budget, points, table.pop("network"))
    named = {name: values[first] for name, values in table.items()}
    cost = Cost(*(named.pop(name) for name in ("macs", "params", "activations")))
    alpha, beta, gamma = (each[first] for each in points)
    return Candidates(
        alpha=alpha,
        beta=beta,
        gamma=gamma,
        product=alpha * beta**2 * gamma**2,
        cost=cost,
        same=same,
        pareto=pareto_front(cost.params, cost.activations),
        **named,
    )


def multipliers(points: Sequence[RealArray], phi: float) -> Multipliers:
    """α^φ, β^φ, γ^φ."""
    return Multipliers(*(each**phi for each in points))


def _chunk(
    spec: Spec, points: Sequence[RealArray], budget: float, phis: Sequence[float]
) -> dict[str, Any]:
    base, size = int(count(spec).macs), len(points[0])
    networks: list[IntArray] = []
    logs: list[RealArray] = []
    table: dict[str, Any] = {}
    for phi in phis:
        scaled = scale(spec, multipliers(points, phi))
        cost = count(scaled)
        networks.append(signature(scaled, size))
        ratio = cost.macs / base
        logs.append(np.log(ratio / budget**phi))
        if not table:
            height, width = scaled.resolution
            table = {"height": height, "width": width, **vars(cost), "ratio": ratio}
            table["deviation"] = ratio / budget**phi - 1
    table["tracking"] = np.sqrt(sum(log**2 for log in logs) / len(logs))
    table = {name: np.broadcast_to(each, size) for name, each in table.items()}
    return {**table, "network": np.concatenate(networks, axis=1)}


def signature(spec: Spec, size: int) -> IntArray:
    """A row for each candidate that says which network it is."""
    columns = [*numbers(spec, *ROLES), *spec.resolution]
    return np.stack([np.broadcast_to(np.asarray(c), size) for c in columns], axis=1)


def _folded(
    spec: Spec, budget: float, points: Sequence[RealArray], networks: IntArray
) -> tuple[IntArray, IntArray]:
    """Index of one point for each distinct network, and how many points it is.

    The point that stands for a network is the spec's own, or else the one whose
    product is nearest to the budget.
    """
    alpha, beta, gamma = points
    own = spec.coefficients
    is_own = (alpha == own.alpha) & (beta == own.beta) & (gamma == own.gamma)
    distance = np.abs(alpha * beta**2 * gamma**2 - budget)
    order = np.lexsort((distance, ~is_own))
    _, first, same = np.unique(
        networks[order], axis=0, return_index=True, return_counts=True
    )
    return order[first], same


def pareto_front(params: Any, activations: Any) -> Any:  # noqa: ANN401 - arrays
    """Which entries no other beats in one figure without losing in the other."""
    order = np.lexsort((activations, params))
    best = np.minimum.accumulate(activations[order])
    front = np.empty(len(order), dtype=bool)
    sorted_activations = activations[order]
    earlier = np.concatenate(([np.iinfo(np.int64).max], best[:-1]))
    front[order] = sorted_activations < earlier
    return front


# --------------------------------------------------------------------------------------

Constraint = Literal["nominal", "realised"]

MAX_POINTS = 10**9
#: Points counted at once: a slab's arrays stay within tens of megabytes.
SLAB = 2**20
#: Float noise at the edge of a tolerance.
EDGE = 1e-12


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
class Grid:
    """The points to look at, and what makes one of them feasible."""

    alpha: RealArray
    beta: RealArray
    gamma: RealArray
    budget: float = 2.0
    tolerance: float = 0.05  #: relative, of the budget
    constraint: Constraint = "nominal"
    phis: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        """Refuse what no search can answer."""
        if not 1 <= self.budget < float("inf"):
            raise ScaleError(f"budget: expected at least 1, got {self.budget!r}")
        _limit(self.points)

    @property
    def points(self) -> int:
        """How many (α, β, γ) there are."""
        return len(self.alpha) * len(self.beta) * len(self.gamma)


@dataclass(frozen=True)
class Answer:
    """What a search found."""

    enumerated: int
    feasible: int  #: points; several may be one network
    candidates: Candidates


def search(
    spec: Spec, grid: Grid, advance: Callable[[int], None] = lambda _points: None
) -> Answer:
    """Every feasible point of `grid`, counted exactly; `advance` hears of progress.

    Raises:
        ScaleError: if no point is feasible, naming the nearest and what admits it.
    """
    found = []
    nearest: tuple[float, tuple[float, ...]] = (float("inf"), ())
    base = int(count(spec).macs)
    gamma = grid.gamma
    for phi in grid.phis:  # a smaller image may be none at all
        gamma = gamma[leaves_an_image(spec, gamma**phi)]
    if not len(gamma):
        raise ScaleError("resolution: no gamma of the grid leaves an image")
    for alpha in _slabs(grid):
        axes = alpha[:, None, None], grid.beta[:, None], gamma
        over = _over_budget(spec, base, grid, axes)
        distance = np.abs(over)
        inside = np.nonzero(distance <= grid.tolerance + EDGE)
        found.append(_points(axes, inside))
        if not inside[0].size:
            at = np.unravel_index(distance.argmin(), distance.shape)
            point = tuple(float(each) for each in _points(axes, at))
            nearest = min(nearest, (float(distance[at]), point))
        advance(len(alpha) * len(grid.beta) * len(grid.gamma))
    alpha, beta, gamma = (np.concatenate(each) for each in zip(*found, strict=True))
    if not len(alpha):
        raise _infeasible(grid, *nearest)
    candidates = counted(spec, (alpha, beta, gamma), grid.budget, grid.phis)
    return Answer(grid.points, len(alpha), candidates)


def _slabs(grid: Grid) -> Iterator[RealArray]:
    rows = max(1, SLAB // (len(grid.beta) * len(grid.gamma)))
    for start in range(0, len(grid.alpha), rows):
        yield grid.alpha[start : start + rows]


def _over_budget(spec: Spec, base: int, grid: Grid, axes: Sequence[RealArray]) -> Any:  # noqa: ANN401
    """Cost over budget − 1 of each point: nominal, or realised at the grid's φ."""
    alpha, beta, gamma = axes
    if grid.constraint == "nominal":
        return alpha * beta**2 * gamma**2 / grid.budget - 1
    logs = [
        np.log(_macs(spec, axes, phi) / base / grid.budget**phi) for phi in grid.phis
    ]
    if len(logs) == 1:
        return np.expm1(logs[0])
    return np.sqrt(sum(log**2 for log in logs) / len(logs))


def _macs(spec: Spec, axes: Sequence[RealArray], phi: float) -> Any:  # noqa: ANN401
    return count(scale(spec, multipliers(axes, phi))).macs


def _points(axes: Sequence[RealArray], at: Any) -> tuple[Any, ...]:  # noqa: ANN401
    alpha, beta, gamma = axes
    return alpha[at[0], 0, 0], beta[at[1], 0], gamma[at[2]]


def _infeasible(grid: Grid, distance: float, point: tuple[float, ...]) -> ScaleError:
    alpha, beta, gamma = point
    realised = grid.constraint == "realised"
    budget = grid.budget ** (grid.phis[0] if realised else 1)
    low, high = (budget * (1 + sign * grid.tolerance) for sign in (-1, 1))
    admits = np.ceil(distance * 1000) / 1000
    return ScaleError(
        f"no coefficients cost {low:.6g} to {high:.6g} times the baseline "
        f"({grid.constraint}); nearest is alpha {alpha:g}, beta {beta:g}, gamma "
        f"{gamma:g}, off by {distance:.1%}; try --tolerance {admits:g}"
    )
