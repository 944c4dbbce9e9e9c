"""Every network that multipliers can reach: rounded numbers change at breakpoints.

Rounding makes the reachable networks finitely many. A rule's result rises in steps as
its multiplier grows; between two steps of any of a network's numbers nothing changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from effscale.growth.scale import FOLLOWS, numbers, rules_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from effscale.arrays import RealArray
    from effscale.spec.models import Spec

    #: Whole numbers and a parameter, both arrays, to whole numbers.
    Rounded = Callable[[Any, Any], Any]


def breakpoints(
    rule: Rounded, numbers: Sequence[int], low: float, high: float
) -> RealArray:
    """Where, above `low` and up to `high`, any of the numbers changes; sorted.

    Each is exact: the least float at which `rule(number, it)` has reached its value.
    `rule` must not fall as its parameter rises.
    """
    lanes, targets = [], []
    for number in dict.fromkeys(numbers):
        ends = np.array([low, high])
        first, last = (int(each) for each in rule(np.array([number] * 2), ends))
        lanes.append(np.full(max(last - first, 0), number))
        targets.append(np.arange(first + 1, last + 1))
    found: RealArray = _least(
        rule, np.concatenate(lanes), np.concatenate(targets), low, high
    )
    return found


def _least(rule: Rounded, numbers: Any, targets: Any, low: float, high: float) -> Any:  # noqa: ANN401
    """The least parameter at which each number reaches its target, by bisection."""
    below, reached = np.full(len(numbers), low), np.full(len(numbers), high)
    while True:
        middle = below + (reached - below) / 2
        between = (middle > below) & (middle < reached)
        if not between.any():
            result: RealArray = np.unique(reached)
            return result
        enough = rule(numbers, middle) >= targets
        reached = np.where(between & enough, middle, reached)
        below = np.where(between & ~enough, middle, below)


#: An interval as short as this is the guard against float noise at work: just above a
#: whole multiple the repeats of some stages are rounded up before those of others.
NOISE = 1e-6


@dataclass(frozen=True)
class Intervals:
    """Intervals of one multiplier, each of which is one distinct set of numbers."""

    start: RealArray
    end: RealArray  #: not included

    def __len__(self) -> int:
        return len(self.start)


def axes(
    spec: Spec, bounds: Sequence[tuple[float, float]]
) -> tuple[Intervals, Intervals, Intervals]:
    """Depth, width and resolution within (low, high) each, one entry a distinct result.

    A network within the bounds is that of just one triple of entries.
    """
    stays = {"group_width"} if spec.rounding.group_width == "fixed" else set()
    rounded = [each for each in rounded_numbers(spec) if each.follows not in stays]
    depth, width, resolution = (
        _axis(
            [(each.rule, each.numbers) for each in rounded if each.follows in names],
            *ends,
        )
        for names, ends in zip(FOLLOWED, bounds, strict=True)
    )
    return depth, width, resolution


#: The multipliers by dimension; of channels of a group, that of the width.
FOLLOWED = ({"depth"}, {"width", "group_width"}, {"resolution", "image_width"})


class Numbers(NamedTuple):
    """Numbers of a spec that follow a multiplier by one rule."""

    follows: str  #: the factor of `Multipliers`
    rule: Rounded
    numbers: list[int]


def rounded_numbers(spec: Spec) -> list[Numbers]:
    """All numbers of `spec` that scale, each once for a rule."""
    rules = rules_of(spec)
    asked: list[tuple[str, Rounded, list[Any]]] = [
        (each.multiplier, getattr(rules, each.rule), numbers(spec, role))
        for role, each in FOLLOWS.items()
    ]
    height, width = spec.resolution
    asked.append(("resolution", rules.resolution, [height]))
    if width != height:
        asked.append(("image_width", rules.resolution, [width]))
    return [
        Numbers(name, rule, [int(number) for number in dict.fromkeys(found)])
        for name, rule, found in asked
        if found
    ]


def _axis(asked: list[tuple[Rounded, list[int]]], low: float, high: float) -> Intervals:
    """The intervals from `low` to `high`; where nothing follows, 1 is all there is."""
    if not asked:
        return Intervals(np.array([1.0]), np.array([np.nextafter(1.0, 2.0)]))
    # At exactly 1 nothing is rounded: a baseline off the divisor has its numbers there
    # and nowhere else, so that 1 is a point of its own.
    points = [breakpoints(rule, numbers, low, high) for rule, numbers in asked]
    ones = np.array([1.0, np.nextafter(1.0, 2.0)])
    ones = ones[(low <= ones) & (ones <= high)]
    start = np.unique(np.concatenate(([low], *points, ones)))
    columns = [rule(np.full(len(start), n), start) for rule, ns in asked for n in ns]
    return distinct(start, np.stack(columns, axis=1), high, special=[1.0])


def distinct(
    start: RealArray,
    results: Any,  # noqa: ANN401
    high: float,
    *,
    special: Sequence[float],
) -> Intervals:
    """Each row of `results` once, and where it holds; what only noise makes left out.

    The special points are kept, however short their interval. Around that where nothing
    is rounded a row may come back; its first interval stands for both.
    """
    changed = np.concatenate(([True], np.any(results[1:] != results[:-1], axis=1)))
    start, results = start[changed], results[changed]
    end = np.append(start[1:], np.nextafter(high, np.inf))
    kept = end - start >= NOISE
    holds = np.searchsorted(start, special, side="right") - 1
    kept[holds[(holds >= 0) & (np.asarray(special) < end[holds])]] = True
    kept[[0, -1]] = True  # what the bounds cut short is no noise
    start, end, results = start[kept], end[kept], results[kept]
    _, first = np.unique(results, axis=0, return_index=True)
    first.sort()
    return Intervals(start[first], end[first])


def simplest(low: float, high: float) -> float:
    """The number of fewest decimals from `low` up to, not including, `high`.

    0 and 1, which change nothing, come before all others.
    """
    for unchanged in (0.0, 1.0):
        if low <= unchanged < high:
            return unchanged
    for digits in range(17):
        quantum = Decimal(1).scaleb(-digits)
        candidate = float(Decimal(repr(low)).quantize(quantum, rounding=ROUND_CEILING))
        if low <= candidate < high:
            return candidate
    return low
