"""A detector's grid: what the neck's channels may grow by for each φ.

The one coefficient that EfficientDet searched for: "a grid search on a list of values
{1.2, 1.25, 1.3, 1.35, 1.4, 1.45}" chose 1.35 (Tan, Pang & Le 2020, section 4.2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from effscale.cost.count import Cost, count
from effscale.growth.growth import at_phi
from effscale.growth.scale import scale
from effscale.spec.neck import Scaling

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from effscale.growth.multipliers import Multipliers
    from effscale.spec.models import Spec


@dataclass(frozen=True)
class Candidate:
    """A growth of the neck's channels, and its network at the first φ."""

    growth: float
    multipliers: Multipliers
    spec: Spec
    cost: Cost
    ratio: float  #: MACs over the baseline's
    budget: float
    tracking: float  #: root mean square over all φ of log(ratio / budget^φ)
    channels: tuple[int, ...]  #: of the neck, at each φ
    own: bool  #: the spec's own growth
    points: int = 1  #: growths that give these networks

    @property
    def deviation(self) -> float:
        """Ratio over budget − 1."""
        return self.ratio / self.budget - 1


def search(
    baseline: Spec, growths: Iterable[float], phis: Sequence[float], budget: float
) -> list[Candidate]:
    """The networks of each growth, counted at each φ; those alike folded into one.

    The spec's own growth stands for those that round to its networks.
    """
    law = baseline.scaling or Scaling()
    found: dict[tuple[int, ...], Candidate] = {}
    for growth in growths:
        given = {"scaling": law.model_copy(update={"channels": growth})}
        each = _candidate(baseline.model_copy(update=given), phis, budget)
        each = replace(each, own=growth == law.channels)
        alike = found.get(each.channels)
        points = 1 if alike is None else alike.points + 1
        kept = each if alike is None or each.own else alike
        found[each.channels] = replace(kept, points=points)
    return list(found.values())


def _candidate(baseline: Spec, phis: Sequence[float], budget: float) -> Candidate:
    base = int(count(baseline).macs)
    given = [at_phi(baseline, phi) for phi in phis]
    specs = [scale(baseline, each) for each in given]
    costs = [count(each) for each in specs]
    ratios = [int(each.macs) / base for each in costs]
    logs = [
        math.log(ratio) - phi * math.log(budget)
        for ratio, phi in zip(ratios, phis, strict=True)
    ]
    law, necks = baseline.scaling, [each.neck for each in specs]
    return Candidate(
        growth=1.0 if law is None else law.channels,
        multipliers=given[0],
        spec=specs[0],
        cost=costs[0],
        ratio=ratios[0],
        budget=budget ** phis[0],
        tracking=math.sqrt(sum(log**2 for log in logs) / len(logs)),
        channels=tuple(int(neck.channels) for neck in necks if neck is not None),
        own=False,
    )
