"""The trainings that a study has left, and its end, by the time they took so far."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from effscale.study.course import WHOLE
from effscale.study.folder import is_good
from effscale.study.ranking import due, unnamed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.study.course import Course
    from effscale.study.folder import Study, Training
    from effscale.study.objective import Objective


@dataclass(frozen=True)
class Forecast:
    """The trainings of a study, at the least, and the time that those left take."""

    all: int
    done: int
    left: int
    #: Of all that is left, one training after the other; None where none has ended.
    seconds: float | None
    #: When a study that runs has ended, as `time.time` has it.
    end: float | None


def forecast(study: Study, objective: Objective, course: Course) -> Forecast:
    """Counted without further seeds, whose need is not known before a look."""
    named = due(study, objective, course)
    more = unnamed(course, len(study.header.names), named)
    left = [each for each in named if study.wants(each, course.attempts)]
    done = sum(any(map(is_good, study.trainings.get(each, []))) for each in named)
    every = len(named) + len(more)
    if not left and not more:
        return Forecast(every, done, 0, 0.0, None)
    seconds, end = _seconds(study, course, left, more), None
    if seconds is not None:
        end = _end(study, seconds)
    return Forecast(every, done, len(left) + len(more), seconds, end)


def _seconds(
    study: Study, course: Course, left: Sequence[Training], more: Sequence[int]
) -> float | None:
    """Each as its candidate took to that rung, else as all did, else by its epochs."""
    mine: dict[tuple[str, int], list[float]] = defaultdict(list)
    others: dict[int, list[float]] = defaultdict(list)
    for training, outcomes in study.trainings.items():
        for each in filter(is_good, outcomes):
            seconds = float(each.get("seconds", 0))
            mine[training.candidate, training.epochs].append(seconds)
            others[training.epochs].append(seconds)
    if not others:
        return None
    steps = _steps(course)
    known = {epochs: fmean(each) for epochs, each in others.items()}
    an_epoch = fmean(known[each] / steps.get(each, 1) for each in known)

    def usual(epochs: int) -> float:
        return known.get(epochs, an_epoch * steps.get(epochs, 1))

    of_left = (
        fmean(mine[name, epochs]) if (name, epochs) in mine else usual(epochs)
        for name, _, epochs in left
    )
    return math.fsum((*of_left, *map(usual, more)))


def _steps(course: Course) -> dict[int, int]:
    """The epochs from each rung's last one on, which a training there goes."""
    rungs = course.rungs or (WHOLE + 1,)
    below = (0, *rungs[:-1])
    return {high: high - low for low, high in zip(below, rungs, strict=True)}


def _end(study: Study, seconds: float) -> float | None:
    """When so much work is done, by as many at once as have worked in this run."""
    begun = study.last.get("began")
    if not study.running or not isinstance(begun, int | float):
        return None
    now = time.time()
    outcomes = [each for every in study.trainings.values() for each in every]
    done = sum(
        float(each.get("seconds", 0))
        for each in outcomes
        if each.get("ended", 0) >= begun
    )
    jobs = study.last.get("jobs")
    at_once = jobs if isinstance(jobs, int) and jobs > 0 else done / (now - begun or 1)
    return now + seconds / at_once if at_once else None
