"""Tests of `effscale.search.measured`: networks of a ray, some of them run."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING

import pytest

import effscale as es
from effscale.cost.figures import Running
from effscale.limit import parse
from effscale.search.asked import Bounds, asked
from effscale.search.measured import AGAIN, TRIES, least, timed_ray
from tests.search.drawn import tiny

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from effscale.search.fit import Found
    from effscale.search.measured import Tries


def quiet(spec: es.Spec) -> float:
    """A second for a billion MACs."""
    return int(es.count(spec).macs) / 1e9


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

    def stray(spec: es.Spec) -> float:
        runs.append(quiet(spec))
        return runs[-1] * (3 if len(runs) % 2 else 1)

    def searched(seconds: Callable[[es.Spec], float]) -> list[Found]:
        def clock(spec: es.Spec) -> Tries:
            return nullcontext(partial(seconds, spec))

        _, answer = timed_ray(es.load("lcnet"), wanted, Bounds(), "compound", clock)
        return answer.found

    there, here = searched(quiet), searched(stray)
    assert there
    assert here[0] == there[0]


def test_a_network_is_built_once_for_all_its_tries() -> None:
    """What is too slow, by a clock that is right, is run as often as it may be.

    Both sides of the limit are built once more, at the end.
    """
    spec = tiny()
    limit = parse("latency", f"<= {3000 * quiet(spec)}ms")
    tried: list[int] = []  #: how often, of each network that was built
    slow: list[bool] = []

    @contextmanager
    def clock(each: es.Spec) -> Iterator[Callable[[], float]]:
        tried.append(0)
        slow.append(not limit.admits(quiet(each)))

        def seconds() -> float:
            tried[-1] += 1
            return quiet(each)

        yield seconds

    wanted = asked([limit], None, None, Running())
    _, answer = timed_ray(spec, wanted, Bounds(), "compound", clock)
    assert answer.binding == [limit]
    assert {*slow} == {False, True}
    assert tried[:-2] == [TRIES if each else 1 for each in slow[:-2]]
    assert (tried[-2:], slow[-2:]) == ([AGAIN, AGAIN], [False, True])


@pytest.mark.parametrize("share", [0.97, 1.04])
def test_what_was_lucky_or_late_is_measured_again(share: float) -> None:
    """The first run of each network is wrong: all too fast, or all too slow."""
    wanted = asked([parse("latency", "<= 200ms")], None, None, Running())
    seen: set[str] = set()

    def searched(first: float) -> list[Found]:
        @contextmanager
        def clock(spec: es.Spec) -> Iterator[Callable[[], float]]:
            once = first if spec.model_dump_json() not in seen else 1.0
            seen.add(spec.model_dump_json())
            yield lambda: once * quiet(spec)

        _, answer = timed_ray(es.load("lcnet"), wanted, Bounds(), "compound", clock)
        return answer.found

    right = searched(1.0)
    seen.clear()
    assert searched(share)[0] == right[0]


def test_where_all_are_slow_again_there_is_none() -> None:
    limit = parse("latency", "<= 1ns")
    wanted = asked([limit], None, None, Running())

    def clock(spec: es.Spec) -> Tries:
        return nullcontext(partial(quiet, spec))

    _, answer = timed_ray(tiny(), wanted, Bounds(), "compound", clock)
    assert answer.best is None
    assert [each.role for each in answer.misses] == ["misses latency"]
