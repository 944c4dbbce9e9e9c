"""Tests of `effscale.study.forecast`, against figures worked out by hand."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest

from effscale.study.course import Course, Seeds
from effscale.study.folder import Study, Training
from effscale.study.forecast import forecast
from effscale.study.objective import objective
from tests.study.small import made

ACCURACY = objective("accuracy")
CLIMB = Course(Seeds(2, 2), (2, 6))


def study(*ended: tuple[int, int, int, float]) -> Study:
    """Nine candidates; these have ended, by number, seed, epochs and seconds."""
    found = Study(Path("x"), made(count=9), defaultdict(list))
    for number, seed, epochs, seconds in ended:
        training = Training(found.header.names[number], seed, epochs)
        known = {**training._asdict(), "attempt": 1, "status": "ok", "accuracy": 0.5}
        timed = {"seconds": seconds, "ended": time.time()}
        found.trainings[training].append({**known, **timed})
    return found


def test_nothing_is_known_before_anything_has_ended() -> None:
    ahead = forecast(study(), ACCURACY, CLIMB)
    # Nine with two seeds, and then three of them.
    assert (ahead.all, ahead.done, ahead.left) == (24, 0, 24)
    assert (ahead.seconds, ahead.end) == (None, None)


def test_what_is_left_takes_what_its_like_took() -> None:
    ahead = forecast(study((0, 0, 2, 10.0), (1, 0, 2, 20.0)), ACCURACY, CLIMB)
    assert (ahead.all, ahead.done, ahead.left) == (24, 2, 22)
    # The other seeds of these two as they, 14 as their mean; and on the next rung,
    # which is of four epochs more in place of two, six of twice that mean.
    assert ahead.seconds == pytest.approx(10 + 20 + 14 * 15 + 6 * 30)


def test_what_is_done_has_nothing_left() -> None:
    one = Course(Seeds(1, 1))
    ahead = forecast(study(*((k, 0, 0, 1.0) for k in range(9))), ACCURACY, one)
    assert (ahead.all, ahead.done, ahead.left) == (9, 9, 0)
    assert (ahead.seconds, ahead.end) == (0, None)


def test_as_many_at_once_as_there_are_jobs_or_as_it_was_so_far() -> None:
    one = Course(Seeds(1, 1))
    found = study(*((k, 0, 0, 6.0) for k in range(5)))
    now = time.time()
    running = replace(found, running=True, last={"began": now - 10, "jobs": 4})
    end = forecast(running, ACCURACY, one).end
    assert end == pytest.approx(now + 4 * 6 / 4, abs=2)
    # 30 seconds of work in ten are three at once.
    unknown = replace(running, last={"began": now - 10, "jobs": None})
    end = forecast(unknown, ACCURACY, one).end
    assert end == pytest.approx(now + 4 * 6 / 3, abs=2)
    for last in ({}, {"began": "then"}):
        assert forecast(replace(running, last=last), ACCURACY, one).end is None
