"""How fast candidates are counted: one by one, as dense arrays, as axes of a grid.

All in this process, on B0 at φ = 1; memory is the peak of a process of its own.
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

import effscale as es
from effscale.search.grid import CHUNK, Grid, axis, search

if TYPE_CHECKING:
    from collections.abc import Callable

B0 = es.load("b0")


@dataclass(frozen=True)
class Rate:
    """Work that counts so many networks, and how many a second it is to count."""

    name: str
    work: Callable[[], int]
    goal: float
    runs: int


def grid(step: str) -> Grid:
    """The paper's ranges at this step, by realised cost: every point is counted."""
    one, by = Decimal(1), Decimal(step)
    root = axis(one, Decimal("1.42"), by)
    return Grid((axis(one, Decimal(2), by), root, root), constraint="realised")


def as_axes() -> int:
    """What `effscale grid --step 0.005 --constraint realised` does before it prints."""
    return search(B0, grid("0.005")).enumerated


def as_arrays() -> int:
    """Candidates that share no axis, in chunks."""
    draw = np.random.default_rng(0)
    for _ in range(16):
        d, w, r = (draw.uniform(1, high, CHUNK) for high in (2, 1.42, 1.42))
        es.count(es.scale(B0, es.Multipliers(d, w, r)))
    return 16 * CHUNK


def one_by_one() -> int:
    """The same network again and again, without scaling it."""
    for _ in range(200):
        es.count(B0)
    return 200


RATES = [
    Rate("counting one B0", one_by_one, 2_000, 9),
    Rate("dense arrays of candidates that share no axis", as_arrays, 2e6, 5),
    Rate("axes of a grid", as_axes, 15e6, 3),
]


def rates(rate: Rate) -> list[float]:
    """Networks a second in each of some runs, sorted; the first is not counted."""
    rate.work()
    found = []
    for _ in range(rate.runs):
        start = time.perf_counter()
        counted = rate.work()
        found.append(counted / (time.perf_counter() - start))
    return sorted(found)


PEAK = """
import resource, sys
sys.path.insert(0, {folder!r})
from counting import B0, grid, search
print(search(B0, grid({step!r})).enumerated)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def peak(step: str) -> tuple[int, int]:
    """Points of a grid, and MiB that the process which searches it comes to."""
    code = PEAK.format(folder=str(sys.path[0]), step=step)
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    points, most = map(int, done.stdout.split())
    return points, most
