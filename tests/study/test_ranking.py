"""Tests of `effscale.study.ranking`, against figures worked out by hand."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from effscale.study.folder import Study
from effscale.study.objective import objective
from effscale.study.ranking import all_at_chance, front, standings, tied
from tests.study.small import made, rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from effscale.study.folder import Outcome, Training


def study(accuracies: Mapping[int, Sequence[float]], count: int = 3) -> Study:
    """A study in which candidate number i has these accuracies, seed by seed."""
    asked = made(count=count)
    trainings: dict[Training, list[Outcome]] = defaultdict(list)
    for index, each in accuracies.items():
        for seed, accuracy in enumerate(each):
            training = asked.names[index], seed
            known = {"candidate": training[0], "seed": seed, "attempt": 1}
            good = {"status": "ok", "accuracy": accuracy, "seconds": 2.0}
            trainings[training].append({**known, **good})
    return Study(Path("x"), asked, trainings)


ACCURACY = objective("accuracy")


def test_the_best_reward_comes_first_and_those_without_come_last() -> None:
    ranked = standings(study({1: [0.5], 2: [0.75]}), ACCURACY)
    assert [each.reward for each in ranked] == [0.75, 0.5, None]
    assert [each.name for each in ranked] == [
        *("a1.2-b1.1-g1.15", "a1.1-b1.1-g1.15", "a1-b1.1-g1.15"),
    ]


def test_equal_rewards_stand_in_the_order_of_the_header() -> None:
    ranked = standings(study({2: [0.5], 0: [0.5], 1: [0.5]}), ACCURACY)
    assert [each.name for each in ranked] == made().names


def test_the_reward_is_that_of_the_mean() -> None:
    paper = objective("accuracy * (macs/400e6)**-0.07")
    best = standings(study({0: [0.25, 0.5, 0.75]}), paper)[0]
    assert (best.mean, best.spread) == (0.5, 0.25)
    assert best.reward == 0.5  # its MACs are 400 M
    # One standard error of the mean of three: 0.25 / √3.
    assert best.error == pytest.approx(0.25 / 3**0.5)
    assert best.seconds == 6


def test_one_seed_has_no_spread_and_ties_with_nobody() -> None:
    ranked = standings(study({0: [0.5], 1: [0.5]}), ACCURACY)
    assert (ranked[0].spread, ranked[0].error, tied(ranked)) == (None, None, set())


@pytest.mark.parametrize(
    ("apart", "names"), [(0.27, {"a1.1-b1.1-g1.15"}), (0.29, set())]
)
def test_a_tie_is_within_two_standard_errors(apart: float, names: set[str]) -> None:
    # Each error is (0.6 − 0.4) / √2 / √2 = 0.1; of the difference 0.1·√2, twice 0.283.
    ranked = standings(study({0: [0.6, 0.4], 1: [0.6 - apart, 0.4 - apart]}), ACCURACY)
    assert tied(ranked) == names


def test_a_candidate_on_the_front_is_beaten_by_no_other() -> None:
    # Each has one unit less of every cost than the one before.
    cheapest = standings(study({0: [0.5], 1: [0.5], 2: [0.5]}), ACCURACY)
    assert front(cheapest) == {"a1.2-b1.1-g1.15"}
    paying = standings(study({0: [0.75], 1: [0.25], 2: [0.5]}), ACCURACY)
    assert front(paying) == {"a1-b1.1-g1.15", "a1.2-b1.1-g1.15"}
    assert front(standings(study({}), ACCURACY)) == set()


def test_equal_candidates_are_on_the_front_together() -> None:
    same = [{**each, "params": 1, "macs": 1, "activations": 1} for each in rows(2)]
    asked = made(candidates=same)
    found = Study(Path("x"), asked, study({0: [0.5], 1: [0.5]}, 2).trainings)
    assert front(standings(found, ACCURACY)) == set(asked.names)


def test_an_objective_without_a_value_is_no_reward() -> None:
    (first, *_) = standings(study({0: [0.0]}), objective("log(accuracy)"))
    assert (first.mean, first.reward) == (0, None)


def test_a_failure_counts_until_a_better_attempt() -> None:
    found = study({0: [0.5]})
    training = found.header.names[1], 0
    known = {"candidate": training[0], "seed": 0, "attempt": 1}
    found.trainings[training].append({**known, "status": "failed", "reason": "exit 1"})
    assert [len(each.failed) for each in standings(found, ACCURACY)] == [0, 1, 0]
    good = {"status": "ok", "accuracy": 0.25, "attempt": 2}
    found.trainings[training].append({**known, **good})
    ranked = standings(found, ACCURACY)
    assert [len(each.failed) for each in ranked] == [0, 0, 0]
    assert [each.mean for each in ranked] == [0.5, 0.25, None]


def told(accuracies: Mapping[int, Sequence[float]], result: object) -> bool:
    ended = study(accuracies)
    for outcomes in ended.trainings.values():
        for each in outcomes:
            each["result"] = result
    return all_at_chance(standings(ended, ACCURACY))


def test_chance_is_known_by_what_trainings_write() -> None:
    result = {"chance": 0.1, "data": {"held_out": 100}}  # ± 0.03
    assert told({0: [0.1, 0.05], 1: [0.15]}, result)
    assert not told({0: [0.1, 0.17], 1: [0.15]}, result)
    assert not told({}, result)


@pytest.mark.parametrize(
    "result",
    [
        *({}, {"chance": 0.5}, {"chance": "0.5", "data": {"held_out": 9}}),
        *({"chance": 0.5, "data": []}, {"chance": 7.0, "data": {"held_out": 9}}),
        {"chance": 0.5, "data": {"held_out": 0}},
    ],
)
def test_what_says_no_chance_is_taken_at_its_word(result: object) -> None:
    assert not told({0: [0.1]}, result)
