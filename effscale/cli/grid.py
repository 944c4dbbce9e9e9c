"""`effscale grid`."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from effscale.cli import options, proof
from effscale.cli.progress import Bar
from effscale.cli.study import Shown, evaluate, evaluation_options
from effscale.cli.types import BUDGET, INTERVAL, PHIS, STEPS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from effscale.cli.study import Asked
    from effscale.growth.growth import Growth, Interval
    from effscale.report.document import Units
    from effscale.report.rows import Data
    from effscale.search.grid import Answer, Constraint, Grid
    from effscale.spec.models import Spec


#: Which of α, β, γ a strategy varies.
DIMENSIONS = {
    "depth": (True, False, False),
    "width": (False, True, False),
    "resolution": (False, False, True),
    "dw": (True, True, False),
    "dr": (True, False, True),
    "wr": (False, True, True),
}


def refuse(growth: Growth, given: Mapping[str, object]) -> None:
    """Refuse options that speak of networks of another kind.

    Raises:
        UsageError: naming them.
    """
    asked = [name for name, each in given.items() if each]
    others = [f"--{name}" for name in asked if name not in growth.options]
    if others:
        named = ", ".join(others)
        said = growth.refusal.format(options=named, name=growth.spec.name)
        raise click.UsageError(said)


def coefficient_ranges(
    growth: Growth, budget: float, strategy: str, given: Mapping[str, Any]
) -> list[Interval]:
    """The ranges asked for; by default those of the growth, of what is varied."""
    one = Decimal(1), Decimal(1)
    varied = DIMENSIONS.get(strategy, (True, True, True))
    axes = zip(growth.axes, growth.ranges(budget), varied, strict=False)
    return [
        given[axis.option] or (default if varies else one)
        for axis, default, varies in axes
    ]


def searched(baseline: Spec, asked: Grid, *, quiet: bool, verbose: bool) -> Answer:
    """What the grid has, with a bar, and how long it took where that is asked for."""
    from effscale.search.grid import search

    start = time.perf_counter()
    with Bar(asked.points, quiet=quiet) as bar:
        answer = search(baseline, asked, lambda n: bar.advance(n, "counting"))
    if asked.constraint and (verbose or (sys.stderr.isatty() and not quiet)):
        seconds = time.perf_counter() - start
        click.echo(f"searched {asked.points:,} points in {seconds:.2f} s", err=True)
    return answer


def networks(baseline: Spec, table: list[Data], phi: float) -> list[Spec]:
    """The networks of these rows, to be built; what no row says is that of φ."""
    from effscale.growth.growth import at_phi
    from effscale.growth.scale import scale

    found, end = [], "_multiplier"
    for row in table:
        given = {key.removesuffix(end): row[key] for key in row if key.endswith(end)}
        found.append(scale(baseline, replace(at_phi(baseline, phi), **given)))
    return found


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
    from effscale.growth.growth import growth_of
    from effscale.report import grid as report
    from effscale.search import grid as search

    options.unused(output, force=force)
    picture = options.drawable(plot, force=force)
    baseline = options.read(spec, resolution, classes)
    growth = growth_of(baseline)
    given = {
        "alpha": alpha,
        "beta": beta,
        "gamma": gamma,
        "neck-width": neck_width,
        "plot": plot,
        "strategy": strategy != "compound",
        "constraint": constraint != "nominal",
        "evaluate": evaluation,
    }
    refuse(growth, given)
    ranges = coefficient_ranges(growth, budget, strategy, given)
    asked = search.Grid(
        tuple(search.axes(ranges, step[: len(ranges)])),
        budget=budget,
        tolerance=tolerance,
        constraint=constraint if growth.meets_budget else None,
        phis=tuple(phi),
    )
    answer = searched(baseline, asked, quiet=quiet, verbose=verbose)
    order = sort or ("tracking" if len(phi) > 1 else "deviation")
    found = search.best_first(growth, answer.candidates, order)
    table = report.candidate_rows(baseline, found, phi[0])
    if evaluation is not None:
        _check_evaluation(phi, engine)
        where = Shown(form, output, plot, picture, units, quiet, verbose)
        rows = table[:top]
        evaluate(evaluation, baseline, rows, budget=budget, phi=phi[0], shown=where)
        return
    top = top or SHOWN
    specs = networks(baseline, table[:top], phi[0]) if engine != "none" else []
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
