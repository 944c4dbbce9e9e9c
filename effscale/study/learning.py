"""Importance of coefficients for the accuracies of a study, and learning curves."""

from __future__ import annotations

import math
from collections import defaultdict
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from effscale.study.folder import is_good
from effscale.study.ranking import is_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from effscale.study.course import Course
    from effscale.study.folder import Outcome, Study

COEFFICIENTS = ("alpha", "beta", "gamma")
#: Parameters of a parabola beside its height.
_SHAPE = 2
#: Candidates that more than a parabola can be seen of.
_FEWEST = 5


def importance(study: Study, course: Course) -> dict[str, float]:
    """How much of what candidates' accuracies differ by goes with each coefficient.

    The share of their variance that a parabola in its logarithm explains, adjusted for
    the parabola's own freedom: 0 where it explains no more than chance would. It is of
    each alone: at a given cost one is larger where another is smaller. Of the first
    rung, where all candidates are; nothing of fewer than five.
    """
    accuracies = _means(study, min(course.rungs, default=course.last))
    rows = [each for each in study.header.candidates if each["name"] in accuracies]
    if len(rows) < _FEWEST:
        return {}
    y = np.array([accuracies[each["name"]] for each in rows])
    return {
        key: _explained(np.log([each[key] for each in rows]), y) for key in COEFFICIENTS
    }


def _explained(x: np.ndarray, y: np.ndarray) -> float:
    degree = min(_SHAPE, len(np.unique(x)) - 1)
    free = len(y) - degree - 1
    every = float(((y - y.mean()) ** 2).sum())
    if not degree or not every or free < 1:
        return 0.0
    fit = np.polynomial.Polynomial.fit(x, y, degree)
    left = float(((y - fit(x)) ** 2).sum())
    return max(0.0, 1 - (left / free) / (every / (len(y) - 1)))


def _means(study: Study, epochs: int) -> dict[str, float]:
    """The mean accuracy of each candidate over its seeds, up to so many epochs."""
    found: dict[str, list[float]] = defaultdict(list)
    for training, outcomes in study.trainings.items():
        if training.epochs == epochs:
            good = filter(is_good, outcomes)
            found[training.candidate] += [float(each["accuracy"]) for each in good]
    return {name: fmean(each) for name, each in found.items() if each}


def curves(study: Study) -> dict[str, dict[int, float]]:
    """The accuracy of each candidate by epoch, as a mean over seeds.

    As the command writes it, a `history` with `epoch` and `accuracy`, as `train` does;
    else by the rungs that it has climbed. Candidates that neither is known of have
    none.
    """
    seen: dict[str, dict[int, dict[int, float]]] = defaultdict(dict)
    for training, outcomes in sorted(study.trainings.items()):
        for each in filter(is_good, outcomes):
            known = dict(_history(each))
            if training.epochs:
                known[training.epochs] = float(each["accuracy"])
            of_seed = seen[training.candidate].setdefault(training.seed, {})
            of_seed |= known
    return {
        name: _mean_by_epoch(list(seeds.values()))
        for name, seeds in seen.items()
        if any(seeds.values())
    }


def _history(outcome: Outcome) -> Iterator[tuple[int, float]]:
    result = outcome.get("result")
    history = result.get("history") if isinstance(result, dict) else None
    for each in history if isinstance(history, list) else ():
        match each:
            case {"epoch": int(epoch), "accuracy": accuracy} if is_number(accuracy):
                if math.isfinite(accuracy):
                    yield epoch, float(accuracy)


def _mean_by_epoch(seeds: Sequence[dict[int, float]]) -> dict[int, float]:
    epochs = sorted({epoch for each in seeds for epoch in each})
    return {
        epoch: fmean(each[epoch] for each in seeds if epoch in each) for epoch in epochs
    }
