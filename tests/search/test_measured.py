"""Tests of `effscale.search.measured`: networks of a ray, some of them run."""

from __future__ import annotations

import pytest

import effscale as es
from effscale.cost.figures import Running
from effscale.limit import parse
from effscale.search.asked import Bounds, asked
from effscale.search.measured import TRIES, least, timed_ray


def test_what_is_too_slow_once_is_run_again() -> None:
    limit = parse("latency", "<= 20ms")
    runs = iter([0.03, 0.025, 0.019])
    assert least(limit, lambda: next(runs)) == 0.019
    fast = iter([0.019])
    assert least(limit, lambda: next(fast)) == 0.019
    slow: list[float] = []

    def crawl() -> float:
        slow.append(0.03 - 0.001 * len(slow))
        return slow[-1]

    assert least(limit, crawl) == min(slow)
    assert len(slow) == TRIES


@pytest.mark.parametrize("text", ["<= 200ms", "200ms"])
def test_a_stray_measurement_leads_no_search_astray(text: str) -> None:
    """Every other run takes thrice as long."""
    wanted = asked([parse("latency", text)], None, None, Running())
    runs: list[float] = []

    def quiet(spec: es.Spec) -> float:
        return int(es.count(spec).macs) / 1e9

    def busy(spec: es.Spec) -> float:
        runs.append(quiet(spec))
        return runs[-1] * (3 if len(runs) % 2 else 1)

    _, there = timed_ray(es.load("lcnet"), wanted, Bounds(), "compound", quiet)
    _, here = timed_ray(es.load("lcnet"), wanted, Bounds(), "compound", busy)
    assert there.found
    assert here.found[0] == there.found[0]
