"""`effscale grid`."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

import click

from effscale.choices import SHARES, SORTS
from effscale.cli import limits, options, study
from effscale.cli.help import Command, titled
from effscale.cli.options import Request, note
from effscale.cli.progress import Bar
from effscale.cli.types import INTERVAL, PHIS, STEPS, TARGET_RATIO

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from effscale.cli.limits import Limits
    from effscale.cli.study import Evaluation
    from effscale.growth.growth import Growth, Interval
    from effscale.report.rows import Data
    from effscale.search.grid import Answer, Constraint, Grid
    from effscale.spec.models import Spec

#: Strategies, and which of α, β, γ each varies.
VARIED = {"compound": (True, True, True)} | {
    name: (depth > 0, width > 0, resolution > 0)
    for name, (depth, width, resolution) in SHARES.items()
    if name != "dwr"
}


@dataclass(frozen=True)
class Ranges:
    """The points to look at: ranges of the axes, the strategy's, and steps."""

    strategy: str
    step: tuple[Decimal, Decimal, Decimal]
    alpha: Interval | None = None
    beta: Interval | None = None
    gamma: Interval | None = None
    neck_width: Interval | None = None

    @property
    def given(self) -> dict[str, Interval | None]:
        names = ("alpha", "beta", "gamma", "neck_width")
        return {name.replace("_", "-"): getattr(self, name) for name in names}

    def of(self, growth: Growth, target_ratio: float) -> list[Interval]:
        """The ranges asked for; by default those of the growth, of what is varied."""
        one = Decimal(1), Decimal(1)
        varied = VARIED[self.strategy]
        axes = zip(growth.axes, growth.ranges(target_ratio), varied, strict=False)
        return [
            self.given[axis.option] or (default if varies else one)
            for axis, default, varies in axes
        ]


#: Networks of a table that are run, where latency is predicted to choose them.
FINALISTS = 3


@click.command("grid", cls=Command)
@options.spec_argument(default="b0")
@titled("Budget")
@click.option(
    "--target-ratio",
    type=TARGET_RATIO,
    default="2",
    help="Cost of one φ, as a multiple of the baseline's MACs.",
)
# The name that it had first; in specs, `budget:` is of limits.
@click.option(
    "--budget",
    "target_ratio",
    type=TARGET_RATIO,
    default="2",
    hidden=True,
    help="Another name of --target-ratio.",
)
@options.tolerance_option
@click.option(
    "--constraint",
    type=click.Choice(["nominal", "realised"]),
    default="nominal",
    help="What is held to the target: α·β²·γ², or the MACs of the rounded network.",
)
@titled("Search")
@click.option(
    "--step",
    type=STEPS,
    default="0.05",
    help="Step of the grid; one for each coefficient with commas.",
)
@click.option(
    "--strategy",
    type=click.Choice([*VARIED]),
    default="compound",
    help="Coefficients to vary, the others being 1: all, one, or a pair of them.",
)
@click.option(
    "--alpha", type=INTERVAL, help="Growth of depth for one φ.  [default: 1:TARGET]"
)
@click.option(
    "--beta", type=INTERVAL, help="Growth of width for one φ.  [default: 1:√TARGET]"
)
@click.option(
    "--gamma",
    type=INTERVAL,
    help="Growth of resolution for one φ.  [default: 1:√TARGET]",
)
@click.option(
    "--neck-width",
    type=INTERVAL,
    help="For a detector: growth of its neck's channels for one φ.  [default: "
    "1.2:1.45]",
)
@click.option(
    "--phi",
    type=PHIS,
    default="1",
    help="Count networks at this φ; several, such as 1..7, rank candidates by how "
    "well the family tracks TARGET^φ.",
)
@titled("What to show")
@click.option(
    "--sort",
    type=click.Choice(SORTS),
    help="Order of the candidates.  [default: deviation, or tracking over several φ]",
)
@click.option(
    "--top",
    type=click.IntRange(1),
    help="Rows of the table; with --measure, these are built and measured, with "
    "--evaluate, trained.  [default: 20; with --evaluate all]",
)
@limits.limit_options("A limit of MACs: '<= 1G', '>= 100M'.")
@study.evaluation_options
@options.network_options
@options.measure_option(default="none")
@options.plot_option(
    "realised against nominal cost, and the feasible points; with --evaluate, accuracy "
    "against α, β, γ and MACs"
)
@options.output_options
@options.verbosity
@options.gathered(
    effort=study.Effort,
    evaluation=study.evaluation,
    ranges=Ranges,
    wanted=limits.Limits,
    request=Request,
)
def command(  # noqa: PLR0913 - options
    *,
    spec: str,
    target_ratio: float,
    tolerance: float,
    constraint: Constraint,
    ranges: Ranges,
    wanted: Limits,
    phi: list[float],
    sort: str | None,
    top: int | None,
    evaluation: Evaluation | None,
    request: Request,
) -> None:
    """Find the (α, β, γ) that meet a target.

    Enumerates a grid of coefficients, keeps those within the tolerance of the target,
    counts each network exactly, and folds points that round to the same network into
    one row. ★ marks the spec's own coefficients, ◆ the Pareto front of params against
    activations. Of a detector it enumerates the growth of the neck's channels.

    With --evaluate it trains them, too, and ranks them by --objective. An --output file
    named .yaml then gets the spec with the winner's coefficients, for scale.

    \b
      effscale grid --target-ratio 2
      effscale grid --constraint realised --step 0.01 --sort activations
      effscale grid --phi 1..7 --top 5
      effscale grid d0 --phi 1..7
      effscale grid --evaluate 'python train.py {spec} --out {out}' --study pets
    """
    from effscale.growth.growth import growth_of
    from effscale.report import grid as report
    from effscale.search import grid as search

    baseline = request.read(spec)
    growth = growth_of(baseline)
    _refuse(
        growth,
        ranges.given
        | {
            "plot": request.plot,
            "strategy": ranges.strategy != "compound",
            "constraint": constraint != "nominal",
            "evaluate": evaluation,
        },
    )
    intervals = ranges.of(growth, target_ratio)
    steps: Sequence[Decimal] = ranges.step[: len(intervals)]
    goes_on = False
    if evaluation is not None:
        if len(phi) > 1:
            raise click.UsageError("--evaluate trains candidates at one --phi")
        if request.engine != "none":
            raise click.UsageError("--measure does not go with --evaluate")
        best = study.around(evaluation) if evaluation.refine else None
        goes_on = evaluation.refine and best is None
        if best is not None:
            intervals, steps = _around(best, intervals, steps)
    asked = search.Grid(
        tuple(search.axes(intervals, steps)),
        target_ratio=target_ratio,
        tolerance=tolerance,
        constraint=constraint if growth.meets_target else None,
        phis=tuple(phi),
        limits=wanted.of_candidates(),
        running=wanted.running(),
    )
    answer = _searched(baseline, asked, request)
    order = sort or ("rms_error" if len(phi) > 1 else "deviation")
    found = search.best_first(growth, answer.candidates, order)
    table = report.candidate_rows(baseline, found, asked)
    if evaluation is not None:
        study.evaluate(
            evaluation,
            baseline,
            [] if goes_on else table[:top],
            target_ratio=target_ratio,
            phi=phi[0],
            request=request,
        )
        return
    top = top or report.SHOWN
    specs = _networks(baseline, table[:top], phi[0]) if request.engine != "none" else []
    measured = request.measured(specs)
    if wanted.latency:
        first = table[: min(top, FINALISTS)]
        wanted.time(_networks(baseline, first, phi[0]), first, request)
    shown = report.report(
        baseline, asked, answer, table, top=top, measured=measured, units=request.units
    )
    image = b""
    if request.picture:
        from effscale.report import plots

        image = plots.grid(asked, found, growth.own, baseline.name, request.picture)
    request.deliver(shown, image)
    request.prove(specs, measured)


def _around(
    best: Sequence[float], intervals: Sequence[Interval], steps: Sequence[Decimal]
) -> tuple[list[Interval], list[Decimal]]:
    """A step to both sides of the best, within the ranges, by half of the step."""
    found = []
    for at, (low, high), step in zip(best, intervals, steps, strict=True):
        middle = Decimal(repr(at))
        found.append((max(low, middle - step), min(high, middle + step)))
    return found, [step / 2 for step in steps]


def _refuse(growth: Growth, given: Mapping[str, object]) -> None:
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


def _searched(baseline: Spec, asked: Grid, request: Request) -> Answer:
    """What the grid has, with a bar, and how long it took where that is asked for."""
    from effscale.search.grid import search

    start = time.perf_counter()
    with Bar(asked.points, quiet=request.quiet) as bar:
        answer = search(baseline, asked, lambda n: bar.advance(n, "counting"))
    shown = request.verbose or (sys.stderr.isatty() and not request.quiet)
    if asked.constraint and shown:
        seconds = time.perf_counter() - start
        note(f"searched {asked.points:,} points in {seconds:.2f} s")
    return answer


def _networks(baseline: Spec, table: list[Data], phi: float) -> list[Spec]:
    """The networks of these rows, to be built; what no row says is that of φ."""
    from effscale.growth.growth import at_phi
    from effscale.growth.scale import scale

    found, end = [], "_multiplier"
    for row in table:
        given = {key.removesuffix(end): row[key] for key in row if key.endswith(end)}
        found.append(scale(baseline, replace(at_phi(baseline, phi), **given)))
    return found
