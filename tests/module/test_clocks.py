"""Tests of `effscale.module.clocks`: when a time is one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from effscale.module.clocks import Stopwatch, is_there, on_host, waiting

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.torch


class Told(Stopwatch):
    """Runs that take as long as they are told, three alike in a try."""

    def __init__(self, tries: list[float]) -> None:
        super().__init__(lambda: None, "cpu")
        self.left: Iterator[float] = iter([9.0, *(x for x in tries for _ in range(3))])

    def block(self) -> float:
        return next(self.left)


def test_a_run_settles_once_two_tries_agree() -> None:
    assert Told([0.5, 0.2, 0.101, 0.1, 7.0]).settle(0) == 0.1


def test_what_never_settles_ends() -> None:
    tries = [float(2**k) for k in range(8)]
    assert Told(tries).settle(0) == tries[-1]


@pytest.mark.parametrize(("takes", "least"), [(1e-6, 1000), (1e-3, 1), (0.01, 1)])
def test_short_runs_are_timed_in_blocks(
    monkeypatch: pytest.MonkeyPatch, takes: float, least: int
) -> None:
    now, ran = [0.0], [0]

    def run() -> None:
        now[0] += takes
        ran[0] += 1

    clock = SimpleNamespace(perf_counter=lambda: now[0])
    monkeypatch.setattr("effscale.module.clocks.time", clock)
    watch = Stopwatch(run, "cpu")
    assert watch.settle(0) == pytest.approx(takes)
    before = ran[0]
    assert watch.block() == pytest.approx(takes)
    assert least <= ran[0] - before <= 2 * least
    assert len(watch.runs(2.5 * takes * (ran[0] - before))) == 3


def test_each_device_is_waited_for_by_its_own_means(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited: list[object] = []
    for kind in ("cuda", "xpu"):
        fake = SimpleNamespace(synchronize=waited.append, is_available=lambda: True)
        monkeypatch.setattr(torch, kind, fake)
    own = SimpleNamespace(synchronize=lambda: waited.append("mps"))
    monkeypatch.setattr(torch, "mps", own)
    there = SimpleNamespace(is_available=lambda: False)
    monkeypatch.setattr(torch.backends, "mps", there)
    for device in ("cpu", "cuda:1", "xpu", "mps"):
        Stopwatch(lambda: None, device).block()
    assert waited == ["cuda:1"] * 2 + ["xpu"] * 2 + ["mps"] * 2
    assert [is_there(k) for k in ("cpu", "cuda", "xpu", "mps")] == [True] * 3 + [False]
    waiting("cpu")()


def test_modules_are_timed_where_they_are_called() -> None:
    conv = nn.Conv2d(3, 3, 1)
    net = nn.Sequential(conv, nn.ReLU(), conv)
    image = torch.zeros(1, 3, 8, 8)
    whole, each = on_host(lambda: net(image), [conv, net[1], nn.ReLU()])
    assert [len(calls) for calls in each] == [2, 1, 0]
    assert 0 < sum(each[0] + each[1]) < whole
    assert not conv._forward_pre_hooks  # noqa: SLF001 - put back
