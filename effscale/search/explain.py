"""Why a variant misses its budget: factors that multiply exactly to the miss."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, cast

from effscale.cost.count import count
from effscale.scaling.rounding import EXACT, Rules
from effscale.scaling.scale import scale

if TYPE_CHECKING:
    from effscale.scaling.multipliers import Multipliers
    from effscale.spec.models import Spec


@dataclass(frozen=True)
class Factor:
    """One reason: `value` above 1 costs more than the budget foresaw."""

    name: str
    value: Fraction
    reason: str


#: Every factor, in the order in which they are applied.
REASONS = {
    "coefficients": "d·w²·r² of the multipliers over the budget",
    "fixed parts": "image, classes, depthwise, first blocks: not d·w²·r²",
    "repeats": "rounded to whole blocks",
    "channels": "rounded to a multiple of the divisor",
    "resolution": "rounded to a multiple in pixels",
    "odd maps": "a stride on an odd side rounds up",
}


def explain(spec: Spec, multipliers: Multipliers, budget: float) -> list[Factor]:
    """Factors whose product is exactly the realised ratio over the budget.

    The realised ratio is MACs(scaled) / MACs(spec). Each factor is a ratio of two
    counts in fractions, the later with one more rounding than the earlier:

    - coefficients: d·w²·r² / budget.
    - fixed parts: the network with fractional repeats, channels and sides, over
      d·w²·r² times the baseline; sides are never rounded up here, of either.
    - repeats, channels, resolution: the same with that rounding, over the one before.
    - odd maps: sides rounded up at each stride, over the same without; the baseline's
      own share of it divided out.

    Every factor is 1 at multipliers of 1.
    """
    rules = Rules.of(spec.rounding)
    nominal = Fraction(1)
    for dimension, power in (("depth", 1), ("width", 2), ("resolution", 2)):
        nominal *= Fraction(getattr(multipliers, dimension)) ** power
    base = Fraction(int(count(spec).macs))
    smooth_base = _macs(_smooth(spec))
    steps = [EXACT]
    for names in (("repeats",), ("channels", "group_width"), ("resolution",)):
        rounded = {name: getattr(rules, name) for name in names}
        steps.append(replace(steps[-1], **rounded))
    costs = [_macs(_smooth(scale(spec, multipliers, rules=each))) for each in steps]
    realised = Fraction(int(count(scale(spec, multipliers)).macs))
    values = [
        nominal / Fraction(budget),
        costs[0] / (nominal * smooth_base),
        *(after / before for before, after in pairwise(costs)),
        (realised / costs[-1]) / (base / smooth_base),
    ]
    named = zip(REASONS.items(), values, strict=True)
    return [Factor(name, value, reason) for (name, reason), value in named]


def _smooth(spec: Spec) -> Spec:
    """`spec` with its sides as fractions, which no stride rounds up."""
    height, width = (Fraction(cast("int", side)) for side in spec.resolution)
    return spec.model_copy(update={"resolution": (height, width)})


def _macs(spec: Spec) -> Fraction:
    return Fraction(cast("Fraction", count(spec).macs))
