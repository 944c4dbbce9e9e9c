"""Why a variant misses its budget: factors that multiply exactly to the miss."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, cast

from effscale.cost.count import count
from effscale.growth.rounding import EXACT, Rules
from effscale.growth.scale import scale
from effscale.search.detectors import steps

if TYPE_CHECKING:
    from effscale.growth.multipliers import Multipliers
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


#: A detector's: a factor of growth for each dimension, and what the budget foresees.
GROWTH = {
    "budget": "1 over the budget, which the others' growth is held against",
    "backbone": "of the baseline's depth and width",
    "resolution": "pixels, each side a multiple",
    "neck channels": "of neck and heads, a multiple of the divisor",
    "neck repeats": "layers of the feature network",
    "head repeats": "layers of the class and the box head",
    "levels": "feature maps by level",
}


def explain(
    spec: Spec, multipliers: Multipliers, budget: float, scaled: Spec | None = None
) -> list[Factor]:
    """Factors whose product is exactly the realised ratio over the budget.

    Of a detector, which grows by a law of its own, each dimension is a factor: MACs
    with it grown, over those before, in the order of `GROWTH`; `scaled` is a published
    one, which multipliers alone do not make. Of a classifier:

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
    if spec.neck is not None:
        return _growth(spec, scaled or scale(spec, multipliers), budget)
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


def _growth(spec: Spec, scaled: Spec, budget: float) -> list[Factor]:
    found = {each.dimension: each.factor for each in steps(spec, scaled)}
    found["budget"] = 1 / Fraction(budget)
    one = Fraction(1)
    return [Factor(name, found.get(name, one), why) for name, why in GROWTH.items()]


def _smooth(spec: Spec) -> Spec:
    """`spec` with its sides as fractions, which no stride rounds up."""
    height, width = (Fraction(cast("int", side)) for side in spec.resolution)
    return spec.model_copy(update={"resolution": (height, width)})


def _macs(spec: Spec) -> Fraction:
    return Fraction(cast("Fraction", count(spec).macs))
