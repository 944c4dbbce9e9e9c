"""Tests of `effscale.train.recipe`, against closed forms."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from effscale.train.recipe import average_decay, learning_rate

STEPS, WARMUP, PEAK = 100, 5, 0.4


def rates() -> list[float]:
    return [learning_rate(step, STEPS, WARMUP, PEAK) for step in range(STEPS)]


def test_the_rate_rises_in_equal_steps_to_its_peak() -> None:
    assert rates()[:WARMUP] == pytest.approx([0.08, 0.16, 0.24, 0.32, 0.4])


def test_then_it_falls_along_half_a_cosine() -> None:
    falling = rates()[WARMUP:]
    expected = [PEAK * math.cos(math.pi * k / 190) ** 2 for k in range(95)]
    assert falling == pytest.approx(expected)
    assert all(a > b for a, b in pairwise(falling))
    # an odd number of steps has its middle at half the peak
    assert learning_rate(55, 105, 5, PEAK) == pytest.approx(PEAK / 2)


def test_a_step_more_would_be_at_no_rate_at_all() -> None:
    assert learning_rate(STEPS, STEPS, WARMUP, PEAK) == 0


def test_without_warm_up_it_begins_at_its_peak() -> None:
    assert learning_rate(0, STEPS, 0, PEAK) == PEAK


def test_an_average_forgets_quickly_at_first() -> None:
    decays = [average_decay(n, 0.9999) for n in (0, 1, 8, 90)]
    assert decays == [1 / 10, 2 / 11, 1 / 2, 91 / 100]
    # (1 + n) / (10 + n) is above 0.9999 from n = 89990 on
    assert average_decay(89_989, 0.9999) < 0.9999
    assert average_decay(89_991, 0.9999) == 0.9999
