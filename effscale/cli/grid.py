"""`effscale grid`."""

from __future__ import annotations

import math
import sys
import time
from decimal import Decimal
from typing import TYPE_CHECKING

import click

from effscale.cli import options, proof
from effscale.cli.progress import Bar
from effscale.cli.study import Shown, evaluate, evaluation_options
from effscale.cli.types import BUDGET, INTERVAL, PHIS, STEPS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from effscale.cli.study import Asked
    from effscale.report.document import Units
    from effscale.report.rows import Data
    from effscale.search.grid import Answer, Constraint, Grid
    from effscale.spec.models import Spec


# --------------------------------------------------------------------------------------
# `effscale grid` of a detector: the growth of its neck's channels.

#: The paper's list: 1.2, 1.25 … 1.45.
GROWTHS = (Decimal("1.2"), Decimal("1.45"))


def refuse(given: Mapping[str, object]) -> None:
    """Refuse options that speak of α, β and γ.

    Raises:
        UsageError: naming them.
    """
    named = [f"--{name}" for name, value in given.items() if value]
    if named:
        many = f"{', '.join(named)}: of classifiers alone"
        raise click.UsageError(f"{many}; a detector's grid varies --neck-width")


def neck_answer(  # noqa: PLR0913 - options
    baseline: Spec,
    growths: Interval | None,
    step: Decimal,
    phis: Sequence[float],
    budget: float,
    *,
    sort: str | None,
    top: int,
    engine: str,
    form: str | None,
    output: Path | None,
    units: Units,
    quiet: bool,
    verbose: bool,
) -> None:
    """Print, or write, the growths of a range, each counted, best first."""
    from effscale.report import neck_grid as report
    from effscale.search.grid import axis
    from effscale.search.neck_grid import search

    low, high = growths or GROWTHS
    candidates = search(baseline, axis(low, high, step).tolist(), phis, budget)
    order = sort or ("tracking" if len(phis) > 1 else "deviation")
    found = report.best_first(candidates, order)
    specs = [each.spec for each in found[:top]] if engine != "none" else []
    measured = proof.measurements(specs, engine, quiet=quiet)
    shown = report.report(
        baseline, found, phis, budget, top=top, measured=measured, units=units
    )
    options.deliver(shown, form, output)
    if verbose:
        proof.explain(measured)
    proof.verify(specs, measured)


# --------------------------------------------------------------------------------------

# --------------------------------------------------------------------------------------
# The points that the options of `effscale grid` ask for, and their networks.

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


def coefficient_ranges(
    budget: float, strategy: str, *given: Interval | None
) -> list[Interval]:
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
    from effscale.growth.multipliers import Multipliers
    from effscale.growth.scale import scale

    names = ("depth_multiplier", "width_multiplier", "resolution_multiplier")
    given = [Multipliers(*(row[name] for name in names)) for row in table]
    return [scale(baseline, each) for each in given]


# --------------------------------------------------------------------------------------

#: Rows of the table, unless --top says otherwise.
SHOWN = 20


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
    neck_width: Interval | None,
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

    options.unused(output, force=force)
    picture = options.drawable(plot, force=force)
    baseline = options.read(spec, resolution, classes)
    if baseline.neck is not None:
        refuse(
            {
                "alpha": alpha,
                "beta": beta,
                "gamma": gamma,
                "plot": plot,
                "strategy": strategy != "compound",
                "constraint": constraint != "nominal",
                "evaluate": evaluation,
            }
        )
        neck_answer(
            baseline,
            neck_width,
            step[0],
            phi,
            budget,
            sort=sort,
            top=top or SHOWN,
            engine=engine,
            form=form,
            output=output,
            units=units,
            quiet=quiet,
            verbose=verbose,
        )
        return
    if neck_width is not None:
        raise click.UsageError(f"--neck-width is of detectors; {baseline.name} is none")
    ranges = coefficient_ranges(budget, strategy, alpha, beta, gamma)
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
    answer = searched(baseline, asked, quiet=quiet, verbose=verbose)
    order = sort or ("tracking" if len(phi) > 1 else "deviation")
    found = report.best_first(answer.candidates, order)
    table = report.candidate_rows(baseline, found, phi[0])
    if evaluation is not None:
        _check_evaluation(phi, engine)
        where = Shown(form, output, plot, picture, units, quiet, verbose)
        rows = table[:top]
        evaluate(evaluation, baseline, rows, budget=budget, phi=phi[0], shown=where)
        return
    top = top or SHOWN
    specs = networks(baseline, table[:top]) if engine != "none" else []
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


def _check_evaluation(phi: list[float], engine: str) -> None:
    """Refuse what a study has no use for."""
    if len(phi) > 1:
        raise click.UsageError("--evaluate trains candidates at one --phi")
    if engine != "none":
        raise click.UsageError("--measure does not go with --evaluate")
