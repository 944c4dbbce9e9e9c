"""`effscale grid`."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import click

from effscale.choices import CONSTRAINTS, SHARES, SORTS
from effscale.cli import latency, limits, options, study
from effscale.cli.help import Command, titled
from effscale.cli.options import Request, note
from effscale.cli.progress import Bar
from effscale.cli.types import INTERVAL, PHIS, STEPS, TARGET_RATIO, Whole
from effscale.errors import ScaleError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from effscale.choices import Constraint
    from effscale.cli.limits import Limits
    from effscale.cli.study import Evaluation
    from effscale.growth.growth import Growth, Interval
    from effscale.module.measure import Measurement
    from effscale.report.grid import Searched
    from effscale.report.rows import Data
    from effscale.search.grid import Answer, Grid
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
        """The ranges asked for; by default those of the growth, of what is varied.

        Raises:
            ScaleError: if nothing in the network follows what the strategy varies, or
                a target of 1 leaves it as it is.
        """
        one = Decimal(1), Decimal(1)
        varied = VARIED[self.strategy]
        axes = zip(growth.axes, growth.ranges(target_ratio), varied, strict=False)
        found = [
            self.given[axis.option] or (default if varies else one)
            for axis, default, varies in axes
        ]
        if not any(self.given.values()) and all(each == one for each in found):
            if target_ratio == 1:
                ranges = "ranges such as --alpha 0.8:1.2 --beta 0.9:1.1"
                raise ScaleError(f"target ratio: expected above 1, or {ranges}, got 1")
            message = f"no number of {growth.spec.name} follows it"
            raise ScaleError(f"--strategy {self.strategy}: {message}")
        return found


@dataclass(frozen=True)
class Question:
    """What is asked of a grid: its points, what they are to meet, what is best."""

    ranges: Ranges
    wanted: Limits
    target_ratio: float
    tolerance: float
    constraint: Constraint
    phi: list[float]
    sort: str | None
    top: int | None

    @property
    def rows(self) -> int:
        """How many rows the table has."""
        from effscale.report.grid import SHOWN

        return self.top or SHOWN

    @property
    def order(self) -> str:
        """What is best."""
        from effscale.report.grid import order

        return order(self.sort, self.phi)

    def axes(self, growth: Growth) -> tuple[list[Interval], Sequence[Decimal]]:
        """From where to where each axis of the growth goes, and by which step."""
        intervals = self.ranges.of(growth, self.target_ratio)
        return intervals, self.ranges.step[: len(intervals)]

    def searched(
        self,
        baseline: Spec,
        request: Request,
        axes: tuple[Sequence[Interval], Sequence[Decimal]] | None = None,
    ) -> Searched:
        """What the grid of a baseline has, along other axes where these are given."""
        from effscale.growth.growth import growth_of
        from effscale.report.grid import Searched
        from effscale.search import grid as search

        growth = growth_of(baseline)
        intervals, steps = axes or self.axes(growth)
        asked = search.Grid(
            tuple(search.axes(intervals, steps)),
            target_ratio=self.target_ratio,
            tolerance=self.tolerance,
            constraint=self.constraint if growth.meets_target else None,
            phis=tuple(self.phi),
            limits=self.wanted.of_candidates(),
            running=self.wanted.running(),
        )
        answer = _counted(baseline, asked, request)
        return Searched.by(self.order, baseline, asked, answer)

    def refuse(self, baseline: Spec, **others: object) -> None:
        """Refuse options that speak of networks of another kind.

        Raises:
            click.UsageError: naming them.
        """
        from effscale.growth.growth import growth_of

        growth = growth_of(baseline)
        given: dict[str, object] = {
            **self.ranges.given,
            "strategy": self.ranges.strategy != "compound",
            "constraint": self.constraint != "nominal",
            **others,
        }
        asked = [name for name, each in given.items() if each]
        strange = [f"--{name}" for name in asked if name not in growth.options]
        if strange:
            named = ", ".join(strange)
            said = growth.refusal.format(options=named, name=baseline.name)
            raise click.UsageError(said)


@click.command("grid", cls=Command)
@options.spec_argument(default="b0")
@titled("Target")
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
@options.tolerance_option("How far a cost may be from what was asked.", "5%")
@click.option(
    "--constraint",
    type=click.Choice(CONSTRAINTS),
    default="nominal",
    help="What is held to the target: α·β²·γ², or the MACs of the rounded network.",
)
@titled("Search")
@options.from_option("the candidates of all in one table")
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
    help="Order of the candidates.  [default: deviation, or rms_error over several φ]",
)
@click.option(
    "--top",
    type=Whole(1),
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
@options.output_options(spec=True)
@options.verbosity
@options.gathered(
    effort=study.Effort,
    evaluation=study.evaluation,
    ranges=Ranges,
    way=latency.Way,
    wanted=limits.Limits,
    question=Question,
    request=Request,
)
def command(
    *,
    spec: str,
    baselines: list[str] | None,
    question: Question,
    evaluation: Evaluation | None,
    request: Request,
) -> None:
    """Find the (α, β, γ) that meet a target.

    \b
      effscale grid --target-ratio 2
      effscale grid --constraint realised --step 0.01 --sort activations
      effscale grid --phi 1..7 --top 5
      effscale grid d0 --phi 1..7
      effscale grid --from b0,mobilenetv3-large --macs '<= 800M' --sort params
      effscale grid --evaluate 'python train.py {spec} --out {out}' --study pets

    Enumerates a grid of coefficients, keeps those within the tolerance of the target,
    counts each network exactly, and folds points that round to the same network into
    one row. ★ marks the spec's own coefficients, ◆ the Pareto front of params against
    activations. Of a detector it enumerates the growth of the neck's channels.

    With --from the candidates of several baselines stand in one table: each is near its
    own baseline's target, limits are the same for all, and the front is that of all.

    With --evaluate it trains them, too, and ranks them by --objective. An --output file
    named .yaml then gets the spec with the winner's coefficients, for scale.
    """
    if baselines is not None:
        _refuse_one(evaluation, request)
        _side_by_side(request.baselines(baselines), question, request)
        return
    from effscale.report import grid as report

    baseline = request.read(spec)
    question.refuse(baseline, plot=request.plot, evaluate=evaluation)
    if evaluation is not None:
        _evaluated(baseline, question, evaluation, request)
        return
    request.refuse_spec("--evaluate finds the coefficients of one")
    found = question.searched(baseline, request)
    specs, measured = _run(
        [(found, row) for row in found.rows[: question.rows]], question, request
    )
    shown = report.report(
        found, top=question.rows, measured=measured, units=request.units
    )
    image = b""
    if request.picture:
        from effscale.growth.growth import growth_of
        from effscale.report import plots

        own = growth_of(baseline).own
        drawn = found.grid, found.candidates, own, baseline.name
        image = plots.grid(*drawn, request.picture)
    request.deliver(shown, image)
    request.prove(specs, measured)


def _refuse_one(evaluation: Evaluation | None, request: Request) -> None:
    """Refuse what is of one baseline alone."""
    given = {"--evaluate": evaluation, "--plot": request.plot}
    options.refuse(given, "is of one baseline: it does not go with --from")


def _side_by_side(
    baselines: Mapping[str, Spec], question: Question, request: Request
) -> None:
    """The candidates of several baselines in one table.

    Raises:
        ScaleError: if none of them has one, with a line for each.
    """
    from effscale.report import grid as report
    from effscale.report import left_out

    for each in baselines.values():
        question.refuse(each)
    found, missed = left_out.each_of(
        baselines, lambda each: question.searched(each, request)
    )
    merged = report.merged(found, question.order)
    first = [(each, row) for _, each, row in merged[: question.rows]]
    specs, measured = _run(first, question, request)
    shown = report.side_by_side(
        *(baselines, found, missed, merged),
        top=question.rows,
        measured=measured,
        units=request.units,
    )
    request.deliver(shown)
    request.prove(specs, measured)


def _run(
    first: Sequence[tuple[Searched, Data]], question: Question, request: Request
) -> tuple[list[Spec], list[Measurement | None]]:
    """The networks of the first rows, and what is measured of them.

    Where latency is predicted, how long the very first of them take is put into their
    rows.
    """
    specs = [each.network(row) for each, row in first] if request.measures else []
    measured = request.measured(specs)
    if question.wanted.latency:
        from effscale.report.grid import run_first

        run_first(first, lambda networks: question.wanted.time(networks, request))
    return specs, measured


def _evaluated(
    baseline: Spec, question: Question, evaluation: Evaluation, request: Request
) -> None:
    """Train the candidates, or those around the best of them so far."""
    if len(question.phi) > 1:
        raise click.UsageError("--evaluate trains candidates at one --phi")
    if request.measures:
        raise click.UsageError("--measure does not go with --evaluate")
    from effscale.growth.growth import growth_of

    axes = question.axes(growth_of(baseline))
    best = study.around(evaluation) if evaluation.refine else None
    goes_on = evaluation.refine and best is None
    if best is not None:
        axes = _around(best, *axes)
    found = question.searched(baseline, request, axes)
    study.evaluate(
        evaluation,
        baseline,
        [] if goes_on else found.rows[: question.top],
        target_ratio=question.target_ratio,
        phi=question.phi[0],
        request=request,
    )


def _around(
    best: Sequence[float], intervals: Sequence[Interval], steps: Sequence[Decimal]
) -> tuple[list[Interval], list[Decimal]]:
    """A step to both sides of the best, within the ranges, by half of the step."""
    found = []
    for at, (low, high), step in zip(best, intervals, steps, strict=True):
        middle = Decimal(repr(at))
        found.append((max(low, middle - step), min(high, middle + step)))
    return found, [step / 2 for step in steps]


def _counted(baseline: Spec, asked: Grid, request: Request) -> Answer:
    """What the grid has, with a bar, and how long it took where that is asked for."""
    from effscale.search.grid import search

    start = time.perf_counter()
    with Bar(asked.points, quiet=request.quiet) as bar:
        answer = search(baseline, asked, lambda n: bar.advance(n, "counting"))
    shown = request.verbose or (sys.stderr.isatty() and not request.quiet)
    if asked.constraint and shown:
        seconds = time.perf_counter() - start
        note(f"{baseline.name}: searched {asked.points:,} points in {seconds:.2f} s")
    return answer
