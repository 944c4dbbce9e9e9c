"""The points that the options of `effscale grid` ask for, and their networks."""

from __future__ import annotations

import math
import sys
import time
from decimal import Decimal
from typing import TYPE_CHECKING

import click

from effscale.cli.progress import Bar

if TYPE_CHECKING:
    from effscale.report.rows import Data
    from effscale.search.grid import Answer, Grid
    from effscale.spec.models import Spec

Interval = tuple[Decimal, Decimal]

#: Which of α, β, γ a strategy varies.
DIMENSIONS = {
    "depth": (True, False, False),
    "width": (False, True, False),
    "resolution": (False, False, True),
    "dw": (True, True, False),
    "dr": (True, False, True),
    "wr": (False, True, True),
}


def ranges(budget: float, strategy: str, *given: Interval | None) -> list[Interval]:
    """The ranges asked for; by default all that can be feasible, at two decimals."""
    root = math.ceil(100 * math.sqrt(budget)) / 100
    varied = DIMENSIONS.get(strategy, (True, True, True))
    return [
        each or (Decimal(1), Decimal(str(high)) if varies else Decimal(1))
        for each, high, varies in zip(given, (budget, root, root), varied, strict=True)
    ]


def searched(baseline: Spec, asked: Grid, *, quiet: bool, verbose: bool) -> Answer:
    """What the grid has, with a bar, and how long it took where that is asked for."""
    from effscale.search.grid import search

    start = time.perf_counter()
    with Bar(asked.points, quiet=quiet) as bar:
        answer = search(baseline, asked, lambda n: bar.advance(n, "counting"))
    if verbose or (sys.stderr.isatty() and not quiet):
        seconds = time.perf_counter() - start
        click.echo(f"searched {asked.points:,} points in {seconds:.2f} s", err=True)
    return answer


def networks(baseline: Spec, table: list[Data]) -> list[Spec]:
    """The networks of these rows, to be built."""
    from effscale.scaling.multipliers import Multipliers
    from effscale.scaling.scale import scale

    names = ("depth_multiplier", "width_multiplier", "resolution_multiplier")
    given = [Multipliers(*(row[name] for name in names)) for row in table]
    return [scale(baseline, each) for each in given]
