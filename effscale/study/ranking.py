"""Standings of a study's candidates: mean, spread, reward, front, and who ties."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

import numpy as np

from effscale.errors import StudyError
from effscale.study.folder import is_good
from effscale.study.objective import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from effscale.study.folder import Outcome, Study, Training
    from effscale.study.objective import Objective
    from effscale.study.seeds import Seeds

#: How often a study may tell apart any candidates that are equal.
ERROR = 0.05
#: Values that have a spread, and candidates that can be compared.
_PAIR = 2


@dataclass(frozen=True)
class Standing:
    """A candidate: its figures, the accuracy of each seed, and what follows."""

    figures: Mapping[str, Any]
    outcomes: Mapping[int, Outcome]  #: the good one of each seed
    failed: Sequence[Outcome]  #: the last failure of each seed that has no good one
    values: Mapping[str, float]  #: what an objective may speak of, as means over seeds
    rewards: Mapping[int, float]  #: of each seed; none where the objective has no value

    @property
    def name(self) -> str:
        return str(self.figures["name"])

    @property
    def reward(self) -> float | None:
        """The mean of the seeds' rewards."""
        return fmean(self.rewards.values()) if self.rewards else None

    @property
    def error(self) -> float | None:
        """One standard error of the reward, of two seeds or more."""
        return standard_error(list(self.rewards.values()))

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
    def accuracy_error(self) -> float | None:
        """One standard error of their mean, of two seeds or more."""
        return standard_error(self.accuracies)

    @property
    def seconds(self) -> float:
        return sum(float(each.get("seconds", 0)) for each in self.outcomes.values())

    def has(self, seeds: int) -> bool:
        """Whether so many of its seeds have ended, well or not."""
        ended = {*self.outcomes, *(each["seed"] for each in self.failed)}
        return ended >= set(range(seeds))


def standard_error(values: Sequence[float]) -> float | None:
    """Of the mean of two values or more."""
    return stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None


def standings(study: Study, objective: Objective, seeds: Seeds) -> list[Standing]:
    """All candidates, the best reward first, those without one last.

    One that was told apart from the best stands behind all that were not, whatever
    became of theirs since. Equal rewards stand in the order of the header, so that a
    study is always ranked alike.
    """
    found = _standings(study, objective)
    best = may_be_best(found, seeds)

    def place(each: Standing) -> tuple[bool, bool, float]:
        behind = best is not None and each.name not in best
        return each.reward is None, behind, -(each.reward or 0)

    return sorted(found, key=place)


def _standings(study: Study, objective: Objective) -> list[Standing]:
    ended: dict[str, dict[int, list[Outcome]]] = defaultdict(dict)
    for (candidate, seed), outcomes in study.trainings.items():
        if outcomes:
            ended[candidate][seed] = outcomes
    return [
        _standing(row, ended[row["name"]], objective) for row in study.header.candidates
    ]


def _standing(
    row: dict[str, Any], ended: Mapping[int, list[Outcome]], objective: Objective
) -> Standing:
    last = {seed: ended[seed][-1] for seed in sorted(ended)}
    good = {seed: each for seed, each in last.items() if is_good(each)}
    failed = [each for each in last.values() if not is_good(each)]
    height, width = row["resolution"]
    known = {key: row[key] for key in row if is_number(row[key])}
    known |= {"height": height, "width": width}
    values = {seed: {**numbers(each), **known} for seed, each in good.items()}
    rewards = {seed: objective(each) for seed, each in values.items()}
    return Standing(row, good, failed, _means(values.values()), _all_known(rewards))


def is_number(value: object) -> bool:
    """Whether an objective can reckon with it."""
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return known and math.isfinite(value)  # type: ignore[arg-type]


def numbers(outcome: Outcome) -> dict[str, float]:
    """The numbers of a good outcome by name: those that the command wrote come first.

    But `accuracy`, which is the study's own reading of it.
    """
    wrote = outcome.get("result", {})
    found = {key: wrote[key] for key in wrote if is_number(wrote[key])}
    return {
        "seconds": outcome.get("seconds", 0),
        **found,
        "accuracy": outcome["accuracy"],
    }


def names_of(study: Study) -> list[str]:
    """What an objective of this study can speak of, by the outcomes that it has."""
    good = [
        each for every in study.trainings.values() for each in filter(is_good, every)
    ]
    return list(
        dict.fromkeys([*NAMES, *(name for each in good for name in numbers(each))])
    )


def unknown(study: Study, objective: Objective) -> list[str]:
    """The names of the objective that the outcomes, if there are any, do not have."""
    known = names_of(study)
    return [name for name in objective.names if name not in known]


def _means(values: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each number that every seed has."""
    every = list(values)
    names = set(every[0]).intersection(*every) if every else set()
    return {name: fmean(each[name] for each in every) for name in sorted(names)}


def _all_known(rewards: Mapping[int, float | None]) -> dict[int, float]:
    """The rewards, if each seed has one: a mean over some would be of the luckier."""
    found = {seed: each for seed, each in rewards.items() if each is not None}
    return found if len(found) == len(rewards) else {}


def may_be_best(found: Sequence[Standing], seeds: Seeds) -> set[str] | None:
    """The candidates that no other is known to be better than.

    None where nothing can be told apart: one seed each. A study in which all candidates
    are equal leaves one out in at most a share of `ERROR`: Tukey and Kramer's test of
    all pairs, of a variance pooled over candidates, which holds for unequal numbers of
    seeds (Hayter, Annals of Statistics 12, 1984, 61-75). Hsu's comparison with the best
    (Annals of Statistics 9, 1981, 1026-1034) keeps one that is best, but not all that
    share that place. With several looks each has an equal part of the error, as in the
    screening of Nelson, Swann, Goldsman & Song (Operations Research 49, 2001, 950-963).
    """
    if all(len(each.rewards) < _PAIR for each in found):
        return None
    *_, (_, left) = _looks(found, seeds)
    return {each.name for each in left}


def tied(ranked: Sequence[Standing], best: set[str] | None) -> set[str] | None:
    """Those of `may_be_best` beside the first; None where nothing can be told apart."""
    return None if best is None else best - {ranked[0].name}


def due(study: Study, objective: Objective, seeds: Seeds) -> list[Training]:
    """The trainings up to the next look: of all candidates, then of those left.

    The first seed of all comes first, then the second: halves compare.
    """
    found = _standings(study, objective)
    every: dict[Training, None] = {}
    names, reached, ended = set(study.header.names), 0, True
    for look, left in _looks(found, seeds):
        every |= _up_to(look, names, study)
        ended = all(each.has(look) for each in found if each.name in names)
        names, reached = {each.name for each in left}, look
    after = [each for each in seeds.looks if each > reached]
    if after and ended and len(names) > 1:
        every |= _up_to(after[0], names, study)
    return list(every)


def _up_to(seeds: int, names: set[str], study: Study) -> dict[Training, None]:
    """So many trainings of each of the candidates, as keys."""
    every = study.header.trainings(seeds)
    return dict.fromkeys(each for each in every if each[0] in names)


def _looks(
    found: Sequence[Standing], seeds: Seeds
) -> Iterator[tuple[int, list[Standing]]]:
    """Each look that can be taken, and the candidates that it leaves.

    The first is always taken: whoever watches a study sees how it stands.
    """
    left, looks = list(found), seeds.looks
    for look in looks:
        ended = all(each.has(look) for each in left)
        if look > seeds.first and not ended:
            return
        # At the last look all that is there counts, whatever it was once made for.
        first = math.inf if look == seeds.most else look
        samples = {
            each.name: [each.rewards[seed] for seed in each.rewards if seed < first]
            for each in found
        }
        left = _left(left, {k: v for k, v in samples.items() if v}, ERROR / len(looks))
        yield look, left
        if not ended:
            return


def _left(
    rivals: Sequence[Standing], samples: Mapping[str, Sequence[float]], error: float
) -> list[Standing]:
    """The rivals that no other is better than, by Tukey and Kramer's test."""
    known = [each for each in rivals if each.name in samples]
    free = sum(len(each) - 1 for each in samples.values())
    if not free or len(known) < _PAIR:
        return known
    squares = sum(
        math.fsum((value - fmean(each)) ** 2 for value in each)
        for each in samples.values()
    )
    mean = np.array([fmean(samples[each.name]) for each in known])
    share = np.array([1 / len(samples[each.name]) for each in known])
    width = studentized_range(error, len(samples), free) * math.sqrt(squares / free)
    # A row for each rival: is anyone ahead of it by more than chance?
    ahead = mean[None, :] - mean[:, None]
    apart = ahead > width * np.sqrt((share[None, :] + share[:, None]) / 2)
    behind = {each.name for each, row in zip(known, apart, strict=True) if row.any()}
    return [each for each in known if each.name not in behind]


@cache
def studentized_range(error: float, count: int, free: int) -> float:
    """What the range of so many equal means exceeds as rarely as `error` says.

    In standard errors of a mean that is known by `free` degrees of freedom.

    Raises:
        StudyError: if scipy is not there, which comes with effscale.
    """
    try:
        from scipy.stats import studentized_range as law
    except ImportError:
        message = "needs scipy; pip install effscale brings it"
        raise StudyError(f"more than one seed: {message}") from None

    return float(law.ppf(1 - error, count, free))


def axes(ranked: Sequence[Standing], objective: Objective) -> dict[str, int]:
    """The names of the objective that candidates can be set against each other by.

    Each with 1 where more of it is better, -1 where less is. A name that the objective
    wants neither more nor less of throughout, such as MACs near a target, is none.
    """
    known = [each.values for each in ranked if each.reward is not None]
    found = {}
    for name in objective.names:
        signs = {objective.direction(name, values) for values in known} - {0}
        # What is named without a weight, 0 * params, is a cost.
        sign = min(signs, default=1 if name == "accuracy" else -1)
        if known and len(signs) < _PAIR:
            found[name] = sign
    return found


def front(ranked: Sequence[Standing], along: Mapping[str, int]) -> set[str]:
    """The candidates that no other is as good as along all axes, and better on one."""
    known = [each for each in ranked if each.reward is not None]
    if not known or not along:
        return set()
    table = np.array(
        [[-sign * each.values[name] for name, sign in along.items()] for each in known]
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
