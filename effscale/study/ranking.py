"""Standings of a study's candidates: mean, spread, reward, front, and who ties."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

import numpy as np

from effscale.study.folder import is_good

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from effscale.study.folder import Outcome, Study
    from effscale.study.objective import Objective

#: Standard errors by which two rewards must differ to be told apart.
APART = 2.0
#: Costs that the Pareto front sets against accuracy.
COSTS = ("macs", "params", "activations")


@dataclass(frozen=True)
class Standing:
    """A candidate: its figures, the accuracy of each seed, and what follows."""

    figures: Mapping[str, Any]
    outcomes: Mapping[int, Outcome]  #: the good one of each seed
    failed: Sequence[Outcome]  #: the last failure of each seed that has no good one
    reward: float | None
    error: float | None  #: of the reward: one standard error over seeds

    @property
    def name(self) -> str:
        return str(self.figures["name"])

    @property
    def accuracies(self) -> list[float]:
        return [float(each["accuracy"]) for each in self.outcomes.values()]

    @property
    def mean(self) -> float | None:
        return fmean(self.accuracies) if self.outcomes else None

    @property
    def spread(self) -> float | None:
        """Standard deviation of the accuracies, of two seeds or more."""
        return stdev(self.accuracies) if len(self.outcomes) > 1 else None

    @property
    def seconds(self) -> float:
        return sum(float(each.get("seconds", 0)) for each in self.outcomes.values())


def standings(study: Study, objective: Objective) -> list[Standing]:
    """All candidates, the best reward first, those without one last.

    Equal rewards stand in the order of the header, so that a study is always ranked
    alike.
    """
    ended: dict[str, dict[int, list[Outcome]]] = defaultdict(dict)
    for (candidate, seed), outcomes in study.trainings.items():
        if outcomes:
            ended[candidate][seed] = outcomes
    found = [
        _standing(row, ended[row["name"]], objective) for row in study.header.candidates
    ]
    return sorted(found, key=lambda each: (each.reward is None, -(each.reward or 0)))


def _standing(
    row: dict[str, Any], ended: Mapping[int, list[Outcome]], objective: Objective
) -> Standing:
    last = {seed: ended[seed][-1] for seed in sorted(ended)}
    good = {seed: each for seed, each in last.items() if is_good(each)}
    failed = [each for each in last.values() if not is_good(each)]
    reward = error = None
    accuracies = [float(each["accuracy"]) for each in good.values()]
    if accuracies:
        mean = fmean(accuracies)
        reward = _reward(objective, row, mean)
        if len(accuracies) > 1:
            width = stdev(accuracies) / math.sqrt(len(accuracies))
            ends = [_reward(objective, row, mean + sign * width) for sign in (1, -1)]
            error = None if None in ends else abs(ends[0] - ends[1]) / 2  # type: ignore[operator]
    return Standing(row, good, failed, reward, error)


def _reward(objective: Objective, row: dict[str, Any], accuracy: float) -> float | None:
    height, width = row["resolution"]
    return objective({**row, "height": height, "width": width, "accuracy": accuracy})


def tied(ranked: Sequence[Standing]) -> set[str]:
    """The candidates whose reward cannot be told from the best, itself not among them.

    Two rewards differ if two standard errors of their difference lie between them;
    nothing can be said of one seed.
    """
    best = ranked[0]
    if best.reward is None or best.error is None:
        return set()
    return {
        each.name
        for each in ranked[1:]
        if each.reward is not None
        and each.error is not None
        and best.reward - each.reward <= APART * math.hypot(best.error, each.error)
    }


def front(ranked: Sequence[Standing]) -> set[str]:
    """The candidates that no other is as good as in all four, and better in one."""
    known = [each for each in ranked if each.mean is not None]
    if not known:
        return set()
    table = np.array(
        [[-(each.mean or 0), *(each.figures[cost] for cost in COSTS)] for each in known]
    )
    return {
        each.name
        for each, row in zip(known, table, strict=True)
        if not ((table <= row).all(axis=1) & (table < row).any(axis=1)).any()
    }


def all_at_chance(ranked: Sequence[Standing]) -> bool:
    """Whether every training says what chance comes to, and none is better than it.

    Better by two standard errors of a share of the images that it was asked about, as
    `train` writes them; other commands may.
    """
    found = [each for one in ranked for each in one.outcomes.values()]
    return bool(found) and all(map(_is_at_chance, found))


def _is_at_chance(outcome: Outcome) -> bool:
    result = outcome.get("result") or {}
    chance, data = result.get("chance"), result.get("data")
    held_out = data.get("held_out") if isinstance(data, dict) else None
    if not isinstance(chance, float) or not 0 <= chance <= 1:
        return False
    if not isinstance(held_out, int) or held_out < 1:
        return False
    error = math.sqrt(chance * (1 - chance) / held_out)
    return float(outcome["accuracy"]) <= chance + 2 * error
