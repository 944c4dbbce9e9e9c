"""How fast candidates are counted: as axes, as dense arrays, one by one, by fvcore.

All in one process and one run, on B0 at φ = 1; memory is the peak that Python's and
numpy's own accounting saw, for a grid and for one eight times as large.

    make bench
"""

from __future__ import annotations

import time
import tracemalloc
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

import effscale as es
from effscale.search.grid import CHUNK, Grid, axis, search

if TYPE_CHECKING:
    from collections.abc import Callable

B0 = es.load("b0")
RUNS = 3


def rate(work: Callable[[], int]) -> float:
    """Networks a second, the best of a few runs."""
    best = 0.0
    for _ in range(RUNS):
        start = time.perf_counter()
        counted = work()
        best = max(best, counted / (time.perf_counter() - start))
    return best


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
    """A plain loop in Python over the same functions."""
    for k in range(200):
        es.count(es.scale(B0, es.Multipliers(1 + k / 200, 1 + k / 500, 1 + k / 500)))
    return 200


def by_fvcore() -> int:
    """Building and tracing B0 itself, the smallest of them."""
    from effscale.module.measure import measure_spec

    for _ in range(3):
        measure_spec(B0, "fvcore")
    return 3


def peak(step: str) -> float:
    """Peak memory of a search, in MiB."""
    tracemalloc.start()
    search(B0, grid(step))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most / 2**20


def main() -> None:
    """Print each rate, and its ratio to fvcore's."""
    by_fvcore()  # imports are not what is measured
    slowest = rate(by_fvcore)
    for name, work in (
        ("axes of a grid", as_axes),
        ("dense arrays", as_arrays),
        ("one by one", one_by_one),
    ):
        speed = rate(work)
        print(f"{name:16} {speed:12,.0f} networks/s, {speed / slowest:12,.0f} × fvcore")
    print(f"{'fvcore':16} {slowest:12,.1f} networks/s")
    small, large = peak("0.005"), peak("0.0025")
    print(f"peak of a grid   {small:.0f} MiB; with 8 times the points, {large:.0f} MiB")


if __name__ == "__main__":
    main()
