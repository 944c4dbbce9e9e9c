"""`effscale grid`."""

from __future__ import annotations

import math
import sys
import time
from decimal import Decimal
from typing import TYPE_CHECKING

import click

from effscale.cli import options, proof
from effscale.cli.evaluation import evaluation_options
from effscale.cli.progress import Bar
from effscale.cli.studying import Shown, evaluate
from effscale.cli.types import BUDGET, INTERVAL, PHIS, STEPS

if TYPE_CHECKING:
    from pathlib import Path

    from effscale.cli.evaluation import Asked
    from effscale.report.document import Units
    from effscale.report.rows import Data
    from effscale.search.grid import Answer, Constraint, Grid
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
    type=click.Choice(["compound", *DIMENSIONS]),
    default="compound",
    show_default=True,
    help="Coefficients to vary, the others being 1: all, one, or a pair of them.",
)
@click.option("--alpha", type=INTERVAL, help="Depth per φ.  [default: 1:BUDGET]")
@click.option("--beta", type=INTERVAL, help="Width per φ.  [default: 1:√BUDGET]")
@click.option("--gamma", type=INTERVAL, help="Resolution per φ.  [default: 1:√BUDGET]")
@click.option(
    "--phi",
    type=PHIS,
    default="1",
    show_default=True,
    help="Where to count; several, 1..7, rank how well the family tracks BUDGET^φ.",
)
@click.option(
    "--sort",
    type=click.Choice(
        ["deviation", "tracking", "params", "activations", "macs", "resolution"]
    ),
    help="What is best.  [default: deviation, or tracking over several φ]",
)
@click.option(
    "--top",
    type=click.IntRange(1),
    help="Rows of the table; with --measure, these are built and measured, with "
    "--evaluate, trained.  [default: 20; with --evaluate all]",
)
@evaluation_options
@options.network_options
@options.measure_option(default="none")
@options.plot_option(
    "realised against nominal cost, and the feasible points; with --evaluate, accuracy "
    "against α, β, γ and MACs"
)
@options.output_options
@options.verbosity
def command(  # noqa: PLR0913 - options
    *,
    spec: str,
    budget: float,
    tolerance: float,
    constraint: Constraint,
    step: tuple[Decimal, Decimal, Decimal],
    strategy: str,
    alpha: Interval | None,
    beta: Interval | None,
    gamma: Interval | None,
    phi: list[float],
    sort: str | None,
    top: int | None,
    evaluation: Asked | None,
    resolution: tuple[int, int] | None,
    classes: int | None,
    engine: str,
    plot: Path | None,
    form: str | None,
    output: Path | None,
    force: bool,
    units: Units,
    quiet: bool,
    verbose: bool,
) -> None:
    """Find the (α, β, γ) that meet a budget.

    Enumerates a grid of coefficients, keeps those within the tolerance of the budget,
    counts each network exactly, and folds points that round to the same network into
    one row. ★ marks the spec's own coefficients, ◆ the Pareto front of params against
    activations.

    With --evaluate it trains them, too, and ranks them by --objective. An --output file
    named .yaml then gets the spec with the winner's coefficients, for scale.

    \b
      effscale grid --budget 2
      effscale grid --constraint realised --step 0.01 --sort activations
      effscale grid --phi 1..7 --top 5
      effscale grid --evaluate 'python train.py {spec} --out {out}' --study pets
    """
    from effscale.report import grid as report
    from effscale.search import grid as search

    options.unused(output, force=force)
    picture = options.drawable(plot, force=force)
    baseline = options.read(spec, resolution, classes)
    ranges = _ranges(budget, strategy, alpha, beta, gamma)
    alphas, betas, gammas = search.axes(ranges, step)
    asked = search.Grid(
        alphas,
        betas,
        gammas,
        budget=budget,
        tolerance=tolerance,
        constraint=constraint,
        phis=tuple(phi),
    )
    answer = _searched(baseline, asked, quiet=quiet, verbose=verbose)
    order = sort or ("tracking" if len(phi) > 1 else "deviation")
    found = report.best_first(answer.candidates, order)
    table = report.candidate_rows(baseline, found, phi[0])
    if evaluation is not None:
        _check_evaluation(phi, engine)
        where = Shown(form, output, plot, picture, units, quiet, verbose)
        rows = table[:top]
        evaluate(evaluation, baseline, rows, budget=budget, phi=phi[0], shown=where)
        return
    top = top or 20
    specs = _networks(baseline, table[:top]) if engine != "none" else []
    measured = proof.measurements(specs, engine, quiet=quiet)
    shown = report.report(
        baseline, asked, answer, table, top=top, measured=measured, units=units
    )
    if plot is not None:
        from effscale.report import plots

        options.write(plot, plots.grid(asked, found, picture))
    options.deliver(shown, form, output)
    if verbose:
        proof.explain(measured)
    proof.verify(specs, measured)


def _ranges(budget: float, strategy: str, *given: Interval | None) -> list[Interval]:
    """The ranges asked for; by default all that can be feasible, at two decimals."""
    root = math.ceil(100 * math.sqrt(budget)) / 100
    varied = DIMENSIONS.get(strategy, (True, True, True))
    return [
        each or (Decimal(1), Decimal(str(high)) if varies else Decimal(1))
        for each, high, varies in zip(given, (budget, root, root), varied, strict=True)
    ]


def _searched(baseline: Spec, asked: Grid, *, quiet: bool, verbose: bool) -> Answer:
    from effscale.search.grid import search

    start = time.perf_counter()
    with Bar(asked.points, quiet=quiet) as bar:
        answer = search(baseline, asked, lambda n: bar.advance(n, "counting"))
    if verbose or (sys.stderr.isatty() and not quiet):
        seconds = time.perf_counter() - start
        click.echo(f"searched {asked.points:,} points in {seconds:.2f} s", err=True)
    return answer


def _check_evaluation(phi: list[float], engine: str) -> None:
    """Refuse what a study has no use for."""
    if len(phi) > 1:
        raise click.UsageError("--evaluate trains candidates at one --phi")
    if engine != "none":
        raise click.UsageError("--measure does not go with --evaluate")


def _networks(baseline: Spec, table: list[Data]) -> list[Spec]:
    """The networks of these rows, to be built."""
    from effscale.scaling.multipliers import Multipliers
    from effscale.scaling.scale import scale

    names = ("depth_multiplier", "width_multiplier", "resolution_multiplier")
    given = [Multipliers(*(row[name] for name in names)) for row in table]
    return [scale(baseline, each) for each in given]
