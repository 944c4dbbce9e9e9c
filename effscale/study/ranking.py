"""Standings of a study's candidates: mean, spread, score, front, and who ties."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

import numpy as np

from effscale.errors import StudyError
from effscale.study.course import WHOLE
from effscale.study.folder import is_good
from effscale.study.objective import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from effscale.study.course import Course, Seeds
    from effscale.study.folder import Outcome, Study, Training
    from effscale.study.objective import Objective

#: Attempts by seed, by epochs.
_Ended = dict[int, dict[int, "list[Outcome]"]]
#: How often a study may tell apart any candidates that are equal.
ERROR = 0.05
#: Candidates that can be compared.
_PAIR = 2


@dataclass(frozen=True)
class Standing:
    """A candidate: its figures, the accuracy of each seed, and what follows."""

    figures: Mapping[str, Any]
    outcomes: Mapping[int, Outcome]  #: the good one of each seed
    failed: Sequence[Outcome]  #: the last failure of each seed that has no good one
    values: Mapping[str, float]  #: what an objective may speak of, as means over seeds
    scores: Mapping[int, float]  #: of each seed; none where the objective has no value
    ended: set[int]  #: seeds that have an outcome, or are given up
    epochs: int  #: of what was learnt so far; `WHOLE` where the command says itself
    seconds: float  #: of all its trainings, those that failed too

    @property
    def name(self) -> str:
        return str(self.figures["name"])

    @property
    def score(self) -> float | None:
        """The mean of the seeds' scores."""
        return fmean(self.scores.values()) if self.scores else None

    @property
    def error(self) -> float | None:
        """One standard error of the score, of two seeds or more."""
        return standard_error(list(self.scores.values()))

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

    def has(self, seeds: int) -> bool:
        """Whether so many of its seeds have ended, well or not."""
        return self.ended >= set(range(seeds))


def standard_error(values: Sequence[float]) -> float | None:
    """Of the mean of two values or more."""
    return stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None


def standings(study: Study, objective: Objective, course: Course) -> list[Standing]:
    """All candidates, the best score first, those without one last.

    Whoever has climbed more rungs stands before those who have not. One that was told
    apart from the best stands behind all that were not, whatever became of theirs
    since. Equal scores stand in the order of the header, so that a study is always
    ranked alike.
    """
    found = _standings(study, objective, course)
    best = may_be_best(found, course)

    def place(each: Standing) -> tuple[bool, int, bool, float]:
        behind = best is not None and each.name not in best
        return each.score is None, -each.epochs, behind, -(each.score or 0)

    return sorted(found, key=place)


def _standings(
    study: Study, objective: Objective, course: Course, epochs: int | None = None
) -> list[Standing]:
    """Every candidate, on the last rung that it was seen on, or after these epochs."""
    rungs = (course.rungs or (WHOLE,)) if epochs is None else (epochs,)
    every: dict[str, _Ended] = defaultdict(lambda: {each: {} for each in rungs})
    for training, outcomes in study.trainings.items():
        if outcomes and training.epochs in rungs:
            every[training.candidate][training.epochs][training.seed] = outcomes
    return [
        _standing(row, every[row["name"]], objective, course.attempts)
        for row in study.header.candidates
    ]


def _standing(
    row: dict[str, Any], ended: _Ended, objective: Objective, attempts: int
) -> Standing:
    good: dict[int, Outcome] = {}
    failed, seconds, reached = [], 0.0, min(ended)
    for epochs, attempted in sorted(ended.items()):
        last = {seed: attempted[seed][-1] for seed in sorted(attempted)}
        failed += [each for each in last.values() if not is_good(each)]
        every = [each for one in attempted.values() for each in one]
        seconds += sum(float(each.get("seconds", 0)) for each in every)
        if climbed := {seed: each for seed, each in last.items() if is_good(each)}:
            good, reached = climbed, epochs
    given_up = {
        seed for seed, each in ended[reached].items() if len(each) >= attempts
    } - {*good}
    height, width = row["resolution"]
    known = {key: row[key] for key in row if is_number(row[key])}
    known |= {"image_height": height, "image_width": width}
    values = {seed: {**numbers(each), **known} for seed, each in good.items()}
    scores = {seed: objective(each) for seed, each in values.items()}
    means, known_scores = _means(values.values()), _all_known(scores)
    return Standing(
        row, good, failed, means, known_scores, {*good} | given_up, reached, seconds
    )


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
    measured = ("seconds", "peak_memory")
    return {
        **{key: outcome[key] for key in measured if key in outcome},
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


def _all_known(scores: Mapping[int, float | None]) -> dict[int, float]:
    """The scores, if each seed has one: a mean over some would be of the luckier."""
    found = {seed: each for seed, each in scores.items() if each is not None}
    return found if len(found) == len(scores) else {}


def may_be_best(found: Sequence[Standing], course: Course) -> set[str] | None:
    """The candidates on the last rung that no other there is known to be better than.

    None where nothing can be told apart: the seeds of no candidate differ, since each
    has but one, or their command takes no notice of it, or an accuracy of few images
    does not show it. A study in which all candidates are equal leaves one out in at
    most a share of `ERROR`: Tukey and Kramer's test of all pairs, of a variance pooled
    over candidates, which holds for unequal numbers of seeds (Hayter, Annals of
    Statistics 12, 1984, 61-75). Hsu's comparison with the best (Annals of Statistics 9,
    1981, 1026-1034) keeps one that is best, but not all that share that place. With
    several looks each has an equal part of the error, as in the screening of Nelson,
    Swann, Goldsman & Song (Operations Research 49, 2001, 950-963).
    """
    final = [each for each in found if each.epochs == course.last]
    if not any(map(_differ, (each.scores.values() for each in final))):
        return None
    *_, (_, left) = _looks(final, course.seeds)
    return {each.name for each in left}


def tied(ranked: Sequence[Standing], best: set[str] | None) -> set[str] | None:
    """Those of `may_be_best` beside the first; None where nothing can be told apart."""
    return None if best is None else best - {ranked[0].name}


def due(study: Study, objective: Objective, course: Course) -> list[Training]:
    """The trainings up to the next look: of all candidates, then of those left.

    The first seed of all comes first, then the second: halves compare.
    """
    every, names, ended = _climbs(study, objective, course)
    if not ended:
        every |= _up_to(course.seeds.first, names, study, course.last)
        return list(every)
    found = [
        each
        for each in _standings(study, objective, course, course.last)
        if each.name in names
    ]
    reached = 0
    for look, left in _looks(found, course.seeds):
        every |= _up_to(look, names, study, course.last)
        ended = all(each.has(look) for each in found if each.name in names)
        names, reached = {each.name for each in left}, look
    after = [each for each in course.seeds.looks if each > reached]
    if after and ended and len(names) > 1:
        every |= _up_to(after[0], names, study, course.last)
    return list(every)


def unnamed(course: Course, candidates: int, named: Iterable[Training]) -> list[int]:
    """The epochs of trainings beside those `named` that are to come, at the least.

    Who goes on from a rung is known when it ends, but how many is known before.
    """
    known = Counter(each.epochs for each in named)
    epochs_of: list[int] = []
    for epochs in course.rungs:
        all_of_it = candidates * course.seeds.first
        epochs_of += [epochs] * (all_of_it - known[epochs])
        candidates = course.going_on(candidates)
    return epochs_of


def _climbs(
    study: Study, objective: Objective, course: Course
) -> tuple[dict[Training, None], set[str], bool]:
    """The trainings below the last rung, who is known to reach it, and if that is all.

    Whoever is among the best whatever becomes of the others goes on at once: workers
    need not wait for a rung to end, and as many or as few go the same way. (Where they
    do go on by what has ended so far, as in Li et al. 2018, arXiv:1810.05934, who goes
    on depends on who is quick.)
    """
    every: dict[Training, None] = {}
    names, count, ended = set(study.header.names), len(study.header.names), True
    for epochs, above in pairwise(course.rungs):
        every |= _up_to(course.seeds.first, names, study, epochs)
        found = [
            each
            for each in _standings(study, objective, course, epochs)
            if each.name in names and each.has(course.seeds.first)
        ]
        ended = ended and len(found) == count
        places, missing = course.going_on(count), count - len(found)
        best = sorted(
            (each for each in found if each.score is not None),
            key=lambda each: -(each.score or 0),
        )
        names = {each.name for each in best[: max(0, places - missing)]}
        # Whoever has gone on once stays, also where better ones have come since.
        climbed = (each for each, o in study.trainings.items() if o)
        names |= {each.candidate for each in climbed if each.epochs == above}
        count = len(names) if ended else max(places, len(names))
    return every, names, ended


def _up_to(
    seeds: int, names: set[str], study: Study, epochs: int
) -> dict[Training, None]:
    """So many trainings of each of the candidates, as keys."""
    every = study.header.trainings(seeds, epochs)
    return dict.fromkeys(each for each in every if each.candidate in names)


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
            each.name: [each.scores[seed] for seed in each.scores if seed < first]
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
    if len(known) < _PAIR or not any(map(_differ, samples.values())):
        return known
    free = sum(len(each) - 1 for each in samples.values())
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


def _differ(scores: Iterable[float]) -> bool:
    """Whether the seeds of a candidate show what is chance."""
    return len({*scores}) > 1


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
    known = [each.values for each in ranked if each.score is not None]
    found = {}
    for name in objective.names:
        signs = {objective.direction(name, values) for values in known} - {0}
        # What is named without a weight, 0 * params, is a cost.
        sign = min(signs, default=1 if name == "accuracy" else -1)
        if known and len(signs) < _PAIR:
            found[name] = sign
    return found


def front(ranked: Sequence[Standing], along: Mapping[str, int]) -> set[str]:
    """The candidates that no other is as good as along all axes, and better on one.

    Of those on the furthest rung: what was learnt in fewer epochs is another accuracy.
    """
    furthest = max((each.epochs for each in ranked if each.scores), default=WHOLE)
    known = [
        each for each in ranked if each.score is not None and each.epochs == furthest
    ]
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
    validation = data.get("validation") if isinstance(data, dict) else None
    if not isinstance(chance, float) or not 0 <= chance <= 1:
        return False
    if not isinstance(validation, int) or validation < 1:
        return False
    error = math.sqrt(chance * (1 - chance) / validation)
    return float(outcome["accuracy"]) <= chance + 2 * error
