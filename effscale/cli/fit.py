"""`effscale fit`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from effscale.choices import MOST
from effscale.cli import code as of_code
from effscale.cli import latency, limits, options
from effscale.cli.help import Command, titled
from effscale.cli.options import Request
from effscale.cli.progress import Bar
from effscale.cli.types import Parsed, Range, Whole
from effscale.errors import ScaleError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from effscale.cli.limits import Limits
    from effscale.cli.options import F
    from effscale.cost.latency_model import Device
    from effscale.importing.factory import Factory
    from effscale.limit import Figure
    from effscale.search.asked import Asked, Bounds
    from effscale.search.fit import Answer
    from effscale.search.measured import Tries
    from effscale.search.networks import LeftOut
    from effscale.spec.models import Spec


def hold(text: str) -> frozenset[str]:
    """`resolution`, or several with commas: what stays as the baseline has it."""
    from effscale.search.asked import HELD

    found = [each.strip() for each in text.split(",")]
    if not set(found) <= set(HELD):
        raise ValueError(f"{', '.join(HELD)}, or several with commas")
    return frozenset(found)


def bounds(  # noqa: PLR0913 - options
    *,
    max_resolution: int | None,
    min_resolution: int | None,
    min_depth: float,
    max_depth: float,
    min_width: float,
    max_width: float,
    hold: frozenset[str] | None,
) -> Bounds:
    """Where to look.

    Raises:
        click.UsageError: if there is nothing between two of them.
    """
    from effscale.search.asked import Bounds

    sides, depth = (max_resolution, min_resolution), (min_depth, max_depth)
    try:
        return Bounds(*sides, *depth, min_width, max_width, hold or frozenset())
    except ScaleError as error:
        raise click.UsageError(str(error)) from None


@dataclass(frozen=True)
class Search:
    """What is searched for, among which networks of a baseline."""

    wanted: Limits
    bounds: Bounds
    most: Figure | None
    tolerance: float | None
    free: bool
    strategy: list[str]
    asked: list[Asked] = field(init=False)  #: one for each limit of MACs

    def __post_init__(self) -> None:
        asked = self.wanted.asked(self.most, self.tolerance, predicts=self.free)
        object.__setattr__(self, "asked", asked)

    def refuse_several(self) -> None:
        """Refuse more strategies than one, and what is for one cost alone.

        Raises:
            click.UsageError: naming it.
        """
        if len(self.strategy) > 1 or self.strategy == ["all"]:
            raise click.UsageError("--strategy: expected one strategy, got several")
        if self.free and (len(self.asked) > 1 or self.strategy != ["compound"]):
            raise click.UsageError("--free takes one cost, and no --strategy")
        if self.times and len(self.asked) > 1:
            raise click.UsageError("--latency is for one cost")

    @property
    def times(self) -> bool:
        """Whether networks are run while it searches."""
        return bool(self.wanted.latency) and not self.free

    def ran(self, specs: Sequence[Spec], request: Request) -> list[float]:
        """What these take on the device, if that was predicted so far."""
        if not (self.free and self.wanted.latency):
            return []
        return self.wanted.time(specs, request)

    def of(self, baseline: Spec, request: Request) -> tuple[list[Answer], str, LeftOut]:
        """The answers of a baseline, where was searched, and what was left out."""
        from effscale.report import fit as report

        if self.free:
            with Bar(1.0, quiet=request.quiet) as bar:
                return report.off_ray(
                    baseline,
                    self.asked[0],
                    self.bounds,
                    lambda share: bar.advance(share, "counting"),
                )
        if self.times:
            return self._timed(baseline, request)
        return report.on_ray(baseline, self.asked, self.bounds, self.strategy[0])

    def _timed(
        self, baseline: Spec, request: Request
    ) -> tuple[list[Answer], str, LeftOut]:
        """The networks of a ray within a limit of latency, some of them measured."""
        from effscale.report import fit as report

        (strategy,), (asked,) = self.strategy, self.asked
        with Bar(1, quiet=request.quiet, still=True) as bar:
            from effscale.module.calibrate import tries

            def clock(spec: Spec, device: Device) -> Tries:
                bar.advance(0, f"timing {spec.name}")
                return tries(spec, device)

            return report.timed(baseline, asked, self.bounds, strategy, clock)


def _multiplier(name: str, default: float, text: str) -> Callable[[F], F]:
    return click.option(
        name, type=Range(0), metavar="X", default=default, show_default=False, help=text
    )


def _pixels(name: str, text: str) -> Callable[[F], F]:
    return click.option(name, type=Whole(1), help=text)


@click.command("fit", cls=Command)
@options.spec_argument(default="b0")
@titled("Limits")
@limits.limit_options(
    "MACs to meet, 1.5G, or a limit: '<= 300M', '>= 100M', '= 1.5G within 5 %'; "
    "several with commas give a family.",
    several=True,
)
@click.option(
    "--most",
    type=click.Choice(MOST),
    help="Figure to maximise within limits.  [default: macs]",
)
@options.tolerance_option("Exit 1 if no network is this close to the cost to meet.")
@titled("Search")
@options.from_option("the best of each")
@click.option(
    "--free",
    is_flag=True,
    help="Search every depth, width and resolution, not the strategy's alone.",
)
@options.strategy_option("Strategy to follow, as in effscale scale.")
@click.option(
    "--hold",
    type=Parsed("NAME[,NAME…]", hold),
    help="What stays as the baseline has it: depth, width, resolution, or aspect, the "
    "image's width over its height.",
)
@_pixels("--max-resolution", "At most so many pixels on the longer side.")
@_pixels("--min-resolution", "At least so many pixels on the shorter side.")
@_multiplier("--min-depth", 0.0, "Depth multiplier, at least.")
@_multiplier("--max-depth", math.inf, "Depth multiplier, at most.")
@_multiplier("--min-width", 0.0, "Width multiplier, at least.")
@_multiplier("--max-width", math.inf, "Width multiplier, at most.")
@click.option(
    "--top",
    type=Whole(1),
    default=10,
    help="Rows of the Pareto front in the table.",
)
@of_code.code_options
@options.network_options
@options.measure_option(default="none")
@options.output_options(spec=True)
@options.verbosity
@options.gathered(
    code=of_code.factory,
    way=latency.Way,
    wanted=limits.Limits,
    bounds=bounds,
    search=Search,
    request=Request,
)
def command(  # noqa: PLR0913 - options
    *,
    spec: str,
    code: Factory | None,
    baselines: list[str] | None,
    search: Search,
    top: int,
    request: Request,
) -> None:
    """Find the network whose cost is nearest to a budget.

    \b
      effscale fit --macs 1.5G
      effscale fit --macs '<= 300M' --params '<= 4M' --memory '<= 64MB'
      effscale fit --macs '<= 1G' --resolution 192x320 --hold resolution
      effscale fit --macs 1.5G --free --params '<= 8M' --activations '<= 20M'
      effscale fit --macs 0.4G,0.7G,1G,1.8G,4.4G,10G,19G,37G
      effscale fit --macs '<= 400M' --from b0,mobilenetv3-large,tinynet-a
      effscale fit --macs 600M --output small.yaml
      effscale fit --macs '<= 0.4G,<= 0.8G,<= 1.6G' --output family.yaml

    The inverse of scale. Rounding leaves finitely many networks, so the answer is
    exact. For a cost to meet (1.5G), it shows the nearest network, any φ of whose range
    gives the same one, and the nearest on the other side. For limits ('<= 300M'), it
    shows the largest network within them, and the next larger one, which breaks one. A
    limit binds if a larger network would be within all the others. With --free it
    counts every combination of depth, width and resolution, not the strategy's alone.

    Exits 1 if no network is within the limits (and names the nearest miss of each), or
    if none is as close to the cost as --tolerance asks.

    An --output file named .yaml gets the best network as a spec of its own; of several
    costs, the baseline with all of them as variants, each held to its limits.
    """
    if code is not None:
        request.refuse_spec("it is made by code")
        _code(code, search, request)
        return
    from effscale.growth.growth import growth_of
    from effscale.report import fit as report

    as_spec = request.wants_spec
    search.refuse_several()
    if not search.free:
        options.refuse_typed(("--top",), "is for --free")
    if baselines is not None:
        if len(search.asked) > 1:
            raise click.UsageError("--from takes one cost")
        request.refuse_spec("--from shows the best of several baselines")
        _side_by_side(request.baselines(baselines), search, request)
        return
    baseline = request.read(spec)
    answers, searched, left = search.of(baseline, request)
    networks = [each for answer in answers for each in report.shown(answer, answers)]
    specs = [each.variant.spec for each in networks]
    measured = request.measured(specs)
    best = [each.best.variant for each in answers if each.best is not None]
    ran = search.ran([each.spec for each in best], request)
    shown = report.report(
        baseline,
        answers,
        searched=searched,
        left=left,
        measured=measured,
        units=request.units,
        top=top,
        latency=next(iter(ran), None),
    )
    request.deliver(shown, to_file=not as_spec)
    elsewhere = "" if search.free else growth_of(baseline).elsewhere
    report.refuse_unmet(answers, elsewhere)
    if as_spec:
        budgets = [each.asked.budget() for each in answers]
        names = [each.spec.name for each in best]
        request.write_family(baseline, best, dict(zip(names, budgets, strict=True)))
    request.prove(specs, measured)


def _code(code: Factory, search: Search, request: Request) -> None:
    """The networks of the code that are nearest to a cost.

    Raises:
        UnreachableError: if none is as close as it is to be.
    """
    from effscale.report import factory

    search.refuse_several()
    goal, within = search.asked[0].goal, search.asked[0].within
    if len(search.asked) > 1 or goal.target is None:
        cost = "a cost to meet, such as --macs 300M"
        raise click.UsageError(f"code is fitted to {cost}")
    macs = int(goal.target)
    with of_code.aside():
        base, found = code.at(0.0), code.fit(macs, search.strategy[0])
    shown = factory.fitted(code, base, found, macs=macs, units=request.units)
    request.deliver(shown)
    nearest = shown.data["rows"][0]
    if within is not None and abs(nearest["deviation"]) > within:
        deviation, phi = 100 * nearest["deviation"], nearest["phi"]
        off = f"the nearest is {deviation:+.1f} % off, φ {phi:.4g}"
        raise UnreachableError(
            f"{code.reference}: none within {100 * within:g} %; {off}"
        )


def _side_by_side(
    baselines: Mapping[str, Spec], search: Search, request: Request
) -> None:
    """The best network of each baseline.

    Raises:
        UnreachableError: if none of them has one.
        ScaleError: if none can be searched so, with a line for each.
    """
    from effscale.report import fit as report
    from effscale.report import left_out

    answers, missed = left_out.each_of(
        baselines, lambda each: search.of(each, request)[0][0]
    )
    networks = [(e.found or e.misses)[:1] for e in answers.values()]
    specs = [each.variant.spec for found in networks for each in found]
    measured = request.measured(specs)
    shown = report.side_by_side(
        baselines,
        answers,
        missed,
        measured=measured,
        ran=search.ran(specs, request),
        units=request.units,
    )
    request.deliver(shown)
    if all(each.best is None for each in answers.values()):
        report.refuse_unmet([*answers.values()])
    request.prove(specs, measured)
