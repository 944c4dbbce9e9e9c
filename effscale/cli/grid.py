"""`effscale grid`."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import click

from effscale.choices import SHARES, SORTS
from effscale.cli import options, study
from effscale.cli.progress import Bar
from effscale.cli.request import Request
from effscale.cli.types import BUDGET, INTERVAL, PHIS, STEPS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.cli.study import Evaluation
    from effscale.report.rows import Data
    from effscale.search.grid import Answer, Constraint, Grid
    from effscale.spec.models import Spec

Interval = tuple[Decimal, Decimal]

#: Strategies, and which of α, β, γ each varies.
VARIED = {"compound": (True, True, True)} | {
    name: (depth > 0, width > 0, resolution > 0)
    for name, (depth, width, resolution) in SHARES.items()
    if name != "dwr"
}
#: A detector's growth of the neck's channels, as the paper lists it: 1.2, 1.25 … 1.45.
GROWTHS = (Decimal("1.2"), Decimal("1.45"))
#: Rows of the table, unless --top says otherwise.
SHOWN = 20


@dataclass(frozen=True)
class Ranges:
    """The points to look at: ranges of α, β, γ or of a neck's growth, and steps."""

    strategy: str
    step: tuple[Decimal, Decimal, Decimal]
    alpha: Interval | None = None
    beta: Interval | None = None
    gamma: Interval | None = None
    neck_width: Interval | None = None

    def coefficients(self, budget: float) -> list[Interval]:
        """Of α, β, γ; by default all that can be feasible, at two decimals."""
        given = self.alpha, self.beta, self.gamma
        root = math.ceil(100 * math.sqrt(budget)) / 100
        varied = VARIED[self.strategy]
        return [
            each or (Decimal(1), Decimal(str(high)) if varies else Decimal(1))
            for each, high, varies in zip(
                given, (budget, root, root), varied, strict=True
            )
        ]


@click.command("grid")
@options.spec_argument(default="b0")
@click.option(
    "--budget",
    type=BUDGET,
    default="2",
    show_default=True,
    help="Cost of one φ, as a multiple of the baseline's MACs.",
)
@options.tolerance_option
@click.option(
    "--constraint",
    type=click.Choice(["nominal", "realised"]),
    default="nominal",
    show_default=True,
    help="What must meet the budget: α·β²·γ², or the MACs of the rounded network.",
)
@click.option(
    "--step",
    type=STEPS,
    default="0.05",
    show_default=True,
    help="Step of the grid; one for each coefficient with commas.",
)
@click.option(
    "--strategy",
    type=click.Choice([*VARIED]),
    default="compound",
    show_default=True,
    help="Coefficients to vary, the others being 1: all, one, or a pair of them.",
)
@click.option("--alpha", type=INTERVAL, help="Depth per φ.  [default: 1:BUDGET]")
@click.option("--beta", type=INTERVAL, help="Width per φ.  [default: 1:√BUDGET]")
@click.option("--gamma", type=INTERVAL, help="Resolution per φ.  [default: 1:√BUDGET]")
@click.option(
    "--neck-width",
    type=INTERVAL,
    help="Of a detector alone: channels of its neck per φ.  [default: 1.2:1.45]",
)
@click.option(
    "--phi",
    type=PHIS,
    default="1",
    show_default=True,
    help="Where to count; several, 1..7, rank how well the family tracks BUDGET^φ.",
)
@click.option(
    "--sort",
    type=click.Choice(SORTS),
    help="What is best.  [default: deviation, or tracking over several φ]",
)
@click.option(
    "--top",
    type=click.IntRange(1),
    help="Rows of the table; with --measure, these are built and measured, with "
    "--evaluate, trained.  [default: 20; with --evaluate all]",
)
@study.evaluation_options
@options.network_options
@options.measure_option(default="none")
@options.plot_option(
    "realised against nominal cost, and the feasible points; with --evaluate, accuracy "
    "against α, β, γ and MACs"
)
@options.output_options
@options.verbosity
@options.gathered(evaluation=study.evaluation, ranges=Ranges, request=Request)
def command(  # noqa: PLR0913 - options
    *,
    spec: str,
    budget: float,
    tolerance: float,
    constraint: Constraint,
    ranges: Ranges,
    phi: list[float],
    sort: str | None,
    top: int | None,
    evaluation: Evaluation | None,
    request: Request,
) -> None:
    """Find the (α, β, γ) that meet a budget.

    Enumerates a grid of coefficients, keeps those within the tolerance of the budget,
    counts each network exactly, and folds points that round to the same network into
    one row. ★ marks the spec's own coefficients, ◆ the Pareto front of params against
    activations. Of a detector it enumerates the growth of the neck's channels.

    With --evaluate it trains them, too, and ranks them by --objective. An --output file
    named .yaml then gets the spec with the winner's coefficients, for scale.

    \b
      effscale grid --budget 2
      effscale grid --constraint realised --step 0.01 --sort activations
      effscale grid --phi 1..7 --top 5
      effscale grid d0 --phi 1..7
      effscale grid --evaluate 'python train.py {spec} --out {out}' --study pets
    """
    from effscale.report import grid as report
    from effscale.search import grid as search

    baseline = request.read(spec)
    order = sort or ("tracking" if len(phi) > 1 else "deviation")
    if baseline.neck is not None:
        refused = {
            "alpha": ranges.alpha,
            "beta": ranges.beta,
            "gamma": ranges.gamma,
            "plot": request.plot,
            "strategy": ranges.strategy != "compound",
            "constraint": constraint != "nominal",
            "evaluate": evaluation,
        }
        if named := [f"--{name}" for name, value in refused.items() if value]:
            many = f"{', '.join(named)}: of classifiers alone"
            raise click.UsageError(f"{many}; a detector's grid varies --neck-width")
        _show_necks(
            baseline,
            ranges,
            phi,
            budget,
            order=order,
            top=top or SHOWN,
            request=request,
        )
        return
    if ranges.neck_width is not None:
        raise click.UsageError(f"--neck-width is of detectors; {baseline.name} is none")
    alphas, betas, gammas = search.axes(ranges.coefficients(budget), ranges.step)
    asked = search.Grid(
        alphas,
        betas,
        gammas,
        budget=budget,
        tolerance=tolerance,
        constraint=constraint,
        phis=tuple(phi),
    )
    answer = _searched(baseline, asked, request)
    found = report.best_first(answer.candidates, order)
    table = report.candidate_rows(baseline, found, phi[0])
    if evaluation is not None:
        if len(phi) > 1:
            raise click.UsageError("--evaluate trains candidates at one --phi")
        if request.engine != "none":
            raise click.UsageError("--measure does not go with --evaluate")
        study.evaluate(
            evaluation,
            baseline,
            table[:top],
            budget=budget,
            phi=phi[0],
            request=request,
        )
        return
    top = top or SHOWN
    specs = _networks(baseline, table[:top]) if request.engine != "none" else []
    measured = request.measured(specs)
    shown = report.report(
        baseline, asked, answer, table, top=top, measured=measured, units=request.units
    )
    image = b""
    if request.picture:
        from effscale.report import plots

        image = plots.grid(asked, found, request.picture)
    request.deliver(shown, image)
    request.prove(specs, measured)


def _show_necks(  # noqa: PLR0913 - what is asked
    baseline: Spec,
    ranges: Ranges,
    phis: Sequence[float],
    budget: float,
    *,
    order: str,
    top: int,
    request: Request,
) -> None:
    """Show the growths of a detector's neck, each counted, best first."""
    from effscale.report import neck_grid as report
    from effscale.search.grid import axis
    from effscale.search.neck_grid import search

    growths = axis(*(ranges.neck_width or GROWTHS), ranges.step[0]).tolist()
    found = report.best_first(search(baseline, growths, phis, budget), order)
    specs = [each.spec for each in found[:top]] if request.engine != "none" else []
    measured = request.measured(specs)
    shown = report.report(
        baseline, found, phis, budget, top=top, measured=measured, units=request.units
    )
    request.deliver(shown)
    request.prove(specs, measured)


def _searched(baseline: Spec, asked: Grid, request: Request) -> Answer:
    """What the grid has, with a bar, and how long it took where that is asked for."""
    from effscale.search.grid import search

    start = time.perf_counter()
    with Bar(asked.points, quiet=request.quiet) as bar:
        answer = search(baseline, asked, lambda n: bar.advance(n, "counting"))
    if request.verbose or (sys.stderr.isatty() and not request.quiet):
        seconds = time.perf_counter() - start
        click.echo(f"searched {asked.points:,} points in {seconds:.2f} s", err=True)
    return answer


def _networks(baseline: Spec, table: list[Data]) -> list[Spec]:
    """The networks of these rows, to be built."""
    from effscale.growth.multipliers import Multipliers
    from effscale.growth.scale import scale

    names = ("depth_multiplier", "width_multiplier", "resolution_multiplier")
    given = [Multipliers(*(row[name] for name in names)) for row in table]
    return [scale(baseline, each) for each in given]
