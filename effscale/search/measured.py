"""The networks of a ray within a limit of latency, by measuring some of them.

Along a ray networks take longer and longer: the last that is within a limit is found by
bisection over the finitely many, each that is asked for measured, none predicted.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from effscale.cost.count import count
from effscale.errors import CandidateError, CountError
from effscale.growth.scale import scale
from effscale.limit import Limit
from effscale.search.asked import Asked, Goal
from effscale.search.fit import Answer, Found, nearest_first, on_ray, ray

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from effscale.cost.latency_model import Device
    from effscale.search.asked import Bounds
    from effscale.search.fit import Ray
    from effscale.spec.models import Spec

    #: Measures the network that was built for a block, once more at each call.
    Tries = AbstractContextManager[Callable[[], float]]
    #: Builds a network for a device, to be measured on it.
    Clock = Callable[[Spec, Device], Tries]
    #: Seconds that a network takes, by as many of its runs as it wants.
    Measure = Callable[[Callable[[], float]], float]
    #: The same of a network that is built for it.
    Seconds = Callable[[Spec, Measure], float]

#: φ whose network no device waits for.
FARTHEST = 12


#: What takes longer than it may is run so often, before it is said to.
TRIES = 3
#: Runs of the networks on both sides of a limit, and which of them counts, from the
#: shortest: neither a lucky one nor one beside which the machine did something else.
AGAIN, COUNTS = 5, 1


def least(limit: Limit, timed: Callable[[], float]) -> float:
    """How long a network takes at least, of a few tries where it takes too long."""
    best = timed()
    for _ in range(TRIES - 1):
        if limit.admits(best):
            break
        best = min(best, timed())
    return best


def again(timed: Callable[[], float]) -> float:
    """How long a network takes, by several runs: what another run will show."""
    return sorted(timed() for _ in range(AGAIN))[COUNTS]


def timed_ray(
    spec: Spec,
    asked: Asked,
    bounds: Bounds,
    name: str,
    timed: Callable[[Spec], Tries],
) -> tuple[Ray, Answer]:
    """The ray as far as it is within a limit of latency, and the best network on it.

    `timed` builds a network to be measured.
    """
    limit = _limit(asked)
    counted = _without(asked)

    def seconds(each: Spec, measure: Measure) -> float:
        with timed(each) as tries:
            return measure(tries)

    def slow(each: Spec) -> bool:
        return seconds(each, partial(least, limit)) > limit.value

    if not counted.most():
        most = _too_slow(spec, bounds, name, slow)
        within = (*counted.limits, Limit("macs", "<=", most))
        counted = replace(counted, limits=within)
    path = ray(spec, [counted], bounds, name)
    return path, _bisected(path, asked, counted, limit, seconds)


def _limit(asked: Asked) -> Limit:
    """The most that a network may take: the limit of latency, or the time to meet."""
    for each in asked.limits:
        if each.figure == "latency":
            return each
    return Limit("latency", "<=", asked.goal.target or 0.0)


def _without(asked: Asked) -> Asked:
    """What is asked for besides latency; the most MACs, if that is all."""
    goal = Goal() if asked.goal.figure == "latency" else asked.goal
    others = tuple(each for each in asked.limits if each.figure != "latency")
    return replace(asked, goal=goal, limits=others)


def _too_slow(
    spec: Spec, bounds: Bounds, name: str, slow: Callable[[Spec], bool]
) -> int:
    """MACs of a network on the ray that is too slow, or of the farthest there is."""
    most = int(count(spec).macs)
    for phi in range(FARTHEST):
        try:
            made = scale(spec, bounds.at_phi(spec, float(phi), name))
            most = max(most, int(count(made).macs))
            if slow(made):
                break
        except (CandidateError, CountError):
            continue
    return most


def _bisected(
    path: Ray,
    asked: Asked,
    counted: Asked,
    limit: Limit,
    timed: Seconds,
) -> Answer:
    figures = [path.figures[each.figure] for each in counted.limits]
    within = path.admitted.copy()
    for each, found in zip(counted.limits, figures, strict=True):
        within &= np.asarray(each.admits(found))
    value = path.figures[counted.goal.figure]
    places = np.nonzero(within)[0]
    order = places[np.argsort(value[places], kind="stable")].tolist()
    if not order:
        return on_ray(path, counted)
    known: dict[int, Found] = {}  #: by index, those that were measured

    def taken(index: int, measure: Measure) -> Found:
        found = path.at(index, "", asked)
        figures = {**found.figures, "latency": timed(found.variant.spec, measure)}
        known[index] = replace(found, figures=figures)
        return known[index]

    def at(index: int, role: str) -> Found:
        return replace(known.get(index) or taken(index, again), role=role)

    def fast(measure: Measure, number: int) -> bool:
        return taken(order[number], measure).figures["latency"] <= limit.value

    low = _last(len(order), partial(fast, partial(least, limit)), partial(fast, again))
    return _answer(asked, limit, order, low, at, value)


def _last(
    size: int, fast: Callable[[int], bool], fast_again: Callable[[int], bool]
) -> int:
    """The number of the last that is fast of so many, by bisection; −1 of none.

    It and the next are measured again; which proves to be on the other side is an end
    there, and what is between is looked at as well.
    """
    known = {-1: True, size: False}
    sure = {*known}
    while True:
        low = max(number for number, is_fast in known.items() if is_fast)
        high = min(each for each in known if each > low)
        if high - low > 1:
            middle = (low + high) // 2
            known[middle] = fast(middle)
        elif doubtful := {low, high} - sure:
            number = min(doubtful)
            known[number] = fast_again(number)
            sure.add(number)
        else:
            return low


def _answer(  # noqa: PLR0913, PLR0917 - what a bisection has found
    asked: Asked,
    limit: Limit,
    order: list[int],
    low: int,
    at: Callable[[int, str], Found],
    value: object,
) -> Answer:
    """The best up to number `low` of those in order, and the next, which is slower."""
    goal, more = asked.goal, order[low + 1 : low + 2]
    if goal.figure == "latency":
        sides = [at(order[low], "below")] if low >= 0 else []
        sides += [at(each, "above") for each in more]
        return Answer(asked, nearest_first(sides), [])
    if low < 0:
        return Answer(asked, [], [limit], [at(order[0], "misses latency")])
    fast = order[: low + 1]
    badness = np.asarray(goal.badness(np.asarray(value)[fast]))
    role = "most" if goal.target is None else "nearest"
    best = at(fast[int(badness.argmin())], role)
    binding = [limit] if more and best.variant == at(order[low], role).variant else []
    return Answer(asked, [best, *(at(each, "next") for each in more)], binding)
