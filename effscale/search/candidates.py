"""Coefficients and the exact cost of their networks, equal networks folded to one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from effscale.cost.count import Cost, count
from effscale.scaling.dimensions import ROLES, numbers
from effscale.scaling.multipliers import Multipliers
from effscale.scaling.scale import scale

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.arrays import IntArray, RealArray
    from effscale.spec.models import Spec

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
