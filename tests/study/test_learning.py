"""Tests of `effscale.study.learning`: what goes with accuracy, and curves."""

from __future__ import annotations

import math
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from effscale.study.course import Course, Seeds
from effscale.study.folder import Study, Training
from effscale.study.learning import curves, importance
from tests.study.small import made, rows

ONE = Course(Seeds(1, 1))
#: Figures by which candidates that are alike in others have names of their own.
APART = [1.0, 1.1, 1.2, 1.3, 1.4]


def study(accuracies: list[float], **figures: list[float]) -> Study:
    """Candidates of these accuracies and figures, one seed each."""
    changed = [
        {**row, **{key: values[k] for key, values in figures.items()}}
        for k, row in enumerate(rows(len(accuracies)))
    ]
    found = Study(Path("x"), made(candidates=changed), defaultdict(list))
    for name, accuracy in zip(found.header.names, accuracies, strict=True):
        end(found, Training(name, 0), accuracy)
    return found


def end(of: Study, training: Training, accuracy: float, **result: Any) -> None:  # noqa: ANN401
    known = {**training._asdict(), "attempt": 1, "status": "ok"}
    of.trainings[training].append({**known, "accuracy": accuracy, "result": result})


def test_what_accuracy_is_a_parabola_of_explains_all_of_it() -> None:
    alpha = [1.0, 1.1, 1.2, 1.3, 1.4, 1.5]
    peaked = [0.9 - (math.log(each) - 0.2) ** 2 for each in alpha]
    shares = importance(study(peaked, alpha=alpha), ONE)
    assert shares["alpha"] == pytest.approx(1)
    assert (shares["beta"], shares["gamma"]) == (0, 0)  # all have the same


def test_what_explains_no_more_than_chance_is_0() -> None:
    # Two values twice each, and accuracies that differ as much within as between.
    shares = importance(
        study([0.5, 0.7, 0.5, 0.7, 0.6], alpha=[1, 1, 1.2, 1.2, 1.1], beta=APART), ONE
    )
    assert shares["alpha"] == 0


def test_the_share_is_adjusted_for_the_parabola_s_own_freedom() -> None:
    alpha, y = [1.0, 1.0, 2.0, 2.0, 2.0], [0.1, 0.3, 0.5, 0.6, 0.7]
    # A line through two values goes through their means, 0.2 and 0.6: 0.04 of 0.232
    # are left, of 3 degrees of freedom and of 4.
    shares = importance(study(y, alpha=alpha, beta=APART), ONE)
    assert shares["alpha"] == pytest.approx(1 - (0.04 / 3) / (0.232 / 4))


def test_of_few_candidates_nothing_is_said() -> None:
    assert importance(study([0.5, 0.6, 0.7, 0.8]), ONE) == {}
    assert importance(study([0.5] * 5), ONE) == dict.fromkeys(
        ("alpha", "beta", "gamma"), 0.0
    )


def test_on_rungs_it_is_of_the_first_where_all_are() -> None:
    found = study([0.0] * 6)
    for k, name in enumerate(found.header.names):
        end(found, Training(name, 0, 2), 0.1 * k)
    end(found, Training(found.header.names[0], 0, 4), 0.9)
    assert importance(found, Course(Seeds(1, 1), (2, 4)))["alpha"] > 0.99


def test_a_curve_is_the_mean_of_what_trainings_wrote_or_of_rungs() -> None:
    found = study([])
    found.header.candidates.clear()
    epochs = [{"epoch": 1, "accuracy": 0.2}, {"epoch": 2, "accuracy": 0.4}]
    end(found, Training("a", 0), 0.4, history=epochs)
    end(found, Training("a", 1), 0.6, history=[{"epoch": 1, "accuracy": 0.4}])
    for rung in (2, 4):
        end(found, Training("b", 0, rung), 0.1 * rung)
    end(found, Training("c", 0), 0.5)
    assert curves(found) == {
        "a": {1: pytest.approx(0.3), 2: 0.4},
        "b": {2: 0.2, 4: 0.4},
    }


@pytest.mark.parametrize(
    "history",
    [
        *(7, None, "x", [7], [{}], [{"epoch": "1", "accuracy": 0.5}]),
        *([{"epoch": 1, "accuracy": None}], [{"epoch": 1, "accuracy": math.inf}]),
    ],
)
def test_what_is_no_history_has_no_curve(history: object) -> None:
    found = study([])
    end(found, Training("a", 0), 0.5, history=history)
    assert curves(found) == {}
