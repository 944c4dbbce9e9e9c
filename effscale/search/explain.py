"""Reasons for what a variant costs, and networks nearby that cost less."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, cast

from effscale.cost.count import Cost, count
from effscale.errors import LayerError, ScaleError, UnexplainedError
from effscale.growth.growth import Factor, Variant, growth_of
from effscale.growth.multipliers import Multipliers
from effscale.growth.scale import at_resolution, scale, variant
from effscale.spec.geometry import too_small
from effscale.spec.lines import CellStage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from effscale.cost.count import Counted
    from effscale.growth.growth import Macs, Step
    from effscale.spec.models import Spec


def explain(
    spec: Spec,
    multipliers: Multipliers,
    target_ratio: float,
    scaled: Spec | None = None,
) -> list[Factor]:
    """Factors whose product is exactly the realised ratio over the target.

    The realised ratio is MACs(scaled) / MACs(spec), where `scaled` is what the
    multipliers give, or a published network that multipliers alone do not make. What
    each factor is, the growth of the network's kind says (`Growth.factors`): of a
    classifier the roundings one by one, of a detector the dimensions. Every factor but
    the target's is 1 at multipliers of 1.

    Raises:
        ScaleError: if the target is not above 0.
        UnexplainedError: if the layers of a network between the two do not meet, or the
            baseline multiplies nothing.
    """
    if not target_ratio > 0:
        expected = "expected a number above 0"
        raise ScaleError(f"target_ratio: {expected}, got {target_ratio!r}")
    scaled = scaled or scale(spec, multipliers)
    return _factors(spec, scaled, multipliers, target_ratio, macs)


def explained(
    baseline: Counted, scaled: Counted, multipliers: Multipliers, target_ratio: float
) -> list[Factor]:
    """The same of networks that are counted already, and are not counted again."""
    known = {id(each.spec): Fraction(each.cost.macs) for each in (baseline, scaled)}

    def known_macs(spec: Spec) -> Fraction:
        return known[id(spec)] if id(spec) in known else macs(spec)

    specs = baseline.spec, scaled.spec
    return _factors(*specs, multipliers, target_ratio, known_macs)


def _factors(
    spec: Spec, scaled: Spec, given: Multipliers, target: float, macs: Macs
) -> list[Factor]:
    growth = growth_of(spec)
    if scaled is spec and given == Multipliers() and target == 1:
        return [
            Factor(name, Fraction(1), each.text)
            for name, each in growth.reasons.items()
        ]
    try:
        return growth.factors(given, scaled, target, macs)
    except ZeroDivisionError:
        why = f"{spec.name} has no MACs"
    except (LayerError, ScaleError) as error:
        why = f"unrounded its layers do not meet: {_shorter(str(error))}"
    raise UnexplainedError(f"{scaled.name}: no explanation, as {why}")


def _shorter(text: str) -> str:
    """`text` with its fractions as decimals of a few digits."""
    return re.sub(r"\d+/\d+", lambda found: f"{float(Fraction(found[0])):.6g}", text)


def macs(spec: Spec) -> Fraction:
    """MACs, of a network on paper too: of fractions of channels, pixels and blocks.

    Blocks in part are counted in part. Where a stage has one cell and part of a second,
    what the cell after it reads besides is of either size, and never between the two:
    such a stage is counted with one and with two, and as much between the counts. Each
    such stage changes no other than the next one's first cell, so that what several
    change adds up.
    """
    cells = (line if isinstance(line, CellStage) else None for line in spec.stages)
    partly = {
        index: Fraction(cast("Fraction", line.repeats)) - 1
        for index, line in enumerate(cells)
        if line and line.repeats is not None and 1 < line.repeats < TWO
    }
    alone = _with_cells(spec, dict.fromkeys(partly, 1))
    least = _counted(alone)
    more = (
        part * (_counted(_with_cells(alone, {index: TWO})) - least)
        for index, part in partly.items()
    )
    return sum(more, least)


def _counted(spec: Spec) -> Fraction:
    return Fraction(cast("Fraction", count(spec).macs))


#: Cells of a stage from which on all that the next one reads is of that stage.
TWO = 2


def _with_cells(spec: Spec, cells: Mapping[int, int]) -> Spec:
    """`spec` with so many cells in the stages of these numbers."""
    stages = tuple(
        line.model_copy(update={"repeats": cells[k]}) if k in cells else line
        for k, line in enumerate(spec.stages)
    )
    return spec.model_copy(update={"stages": stages}) if cells else spec


@dataclass(frozen=True)
class Published:
    """A published network beside what the law gives at its φ."""

    variant: Variant
    steps: Sequence[Step]  #: from the law's network to the published one


def published(baseline: Spec, phi: float) -> list[Published]:
    """The published relatives that are meant for φ, beside the law's network."""
    growth = growth_of(baseline)
    found: list[Published] = []
    for name, given in growth.published(phi).items():
        law, spec = scale(baseline, growth.at_phi(phi)), variant(baseline, name)
        made = Variant(spec, "published", phi, given, 2.0**phi)
        found.append(Published(made, growth_of(law).steps(spec, macs)))
    return found


#: A smaller image is worth a word if each of its pixels costs this much less.
WORTH = 0.04
#: How much smaller it may be, and how close in cost a published relative must be.
SMALLER, CLOSE = 0.1, 0.1


@dataclass(frozen=True)
class Hint:
    """A network to consider instead; `change` is its MACs over the variant's, − 1."""

    kind: Literal["resolution", "published"]
    name: str
    resolution: tuple[int, int]
    cost: Cost
    change: float
    area: float  #: share of the pixels that it does without


def hint(baseline: Spec, scaled: Spec, macs: int | None = None) -> Hint | None:
    """The one hint that pays most for `scaled`, a variant of `baseline`, if any.

    `macs` are those of `scaled`, where they are known.
    """
    macs = int(count(scaled).macs) if macs is None else macs
    return _smaller_image(scaled, macs) or _published(baseline, scaled, macs)


def _smaller_image(spec: Spec, macs: int) -> Hint | None:
    """The size at most a tenth smaller whose pixels are cheapest.

    One pixel row can cost a tenth of the MACs, where it makes the feature maps of
    several stages odd.
    """
    height, width = (int(side) for side in spec.resolution)
    step = spec.rounding.resolution_multiple
    best, best_gain = None, WORTH
    for less in range(step, int(min(height, width) * SMALLER) + 1, step):
        smaller = height - less, width - less
        if too_small(spec, smaller):
            break
        try:
            cost = count(at_resolution(spec, smaller))
        except ScaleError:  # branches that meet at other sizes
            continue
        ratio = int(cost.macs) / macs
        gain = 1 - ratio * (height * width) / (smaller[0] * smaller[1])
        if gain >= best_gain:
            area = 1 - smaller[0] * smaller[1] / (height * width)
            best = Hint("resolution", spec.name, smaller, cost, ratio - 1, area)
            best_gain = gain
    return best


def _published(baseline: Spec, spec: Spec, macs: int) -> Hint | None:
    """The published variant of the baseline that costs about the same.

    One that is expected to be far away is not counted.
    """
    near: list[tuple[float, Hint]] = []
    for name, published in baseline.variants.items():
        expected = published.expected and published.expected.macs
        if expected and abs(expected / macs - 1) > 2 * CLOSE:
            continue
        try:
            relative = variant(baseline, name)
        except ScaleError:  # a variant that is none
            continue
        cost = count(relative)
        change = int(cost.macs) / macs - 1
        if abs(change) <= CLOSE and name != spec.name:
            sides = int(relative.resolution[0]), int(relative.resolution[1])
            area = 1 - sides[0] * sides[1] / math.prod(map(int, spec.resolution))
            found = Hint("published", name, sides, cost, change, area)
            near.append((abs(math.log1p(change)), found))
    return min(near, key=lambda pair: pair[0])[1] if near else None
