"""`effscale fit`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

from effscale.cli import code as of_code
from effscale.cli import options
from effscale.cli.help import Command, titled
from effscale.cli.options import Request
from effscale.cli.progress import Bar
from effscale.cli.types import QUANTITIES, QUANTITY, Range
from effscale.errors import UnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from effscale.cli.options import F
    from effscale.importing.factory import Factory
    from effscale.search.fit import Found, Limits
    from effscale.search.networks import LeftOut
    from effscale.spec.models import Spec


def _multiplier(name: str, default: float, text: str) -> Callable[[F], F]:
    return click.option(
        name, type=Range(0), metavar="X", default=default, show_default=False, help=text
    )


@click.command("fit", cls=Command)
@options.spec_argument(default="b0")
@titled("The cost to meet")
@titled("Budget")
@click.option(
    "--macs",
    type=QUANTITIES,
    required=True,
    help="The cost to meet: 1.5G; several with commas give a family.",
)
@options.tolerance_option
@titled("Search")
@click.option("--free", is_flag=True, help="Look off the ray too: any d, w and r.")
@options.strategy_option("The ray to search, as in effscale scale.")
@click.option("--params", type=QUANTITY, help="At most so many parameters: 8M.")
@click.option("--activations", type=QUANTITY, help="At most so many activations: 20M.")
@click.option(
    "--max-resolution",
    type=click.IntRange(1),
    metavar="N",
    help="At most so many pixels on the longer side.",
)
@_multiplier("--min-depth", 0.0, "Depth multiplier, at least.")
@_multiplier("--max-depth", math.inf, "Depth multiplier, at most.")
@_multiplier("--min-width", 0.0, "Width multiplier, at least.")
@_multiplier("--max-width", math.inf, "Width multiplier, at most.")
@click.option(
    "--top",
    type=click.IntRange(1),
    default=10,
    help="Rows of the Pareto front in the table.",
)
@of_code.code_options
@options.network_options
@options.measure_option(default="none")
@options.output_options
@options.verbosity
@options.gathered(code=of_code.factory, request=Request)
def command(  # noqa: PLR0913 - options
    *,
    spec: str,
    code: Factory | None,
    macs: list[int],
    tolerance: float,
    free: bool,
    strategy: list[str],
    top: int,
    request: Request,
    **given: Any,  # noqa: ANN401 - by the names that `Limits` has
) -> None:
    """Find the variant that costs what one can pay.

    The inverse of scale. Rounding makes the reachable networks finitely many, so the
    answer is exact: the φ whose network is nearest to the cost (any φ of the interval
    gives the same one), the nearest below and the nearest above. With --free, every
    distinct network within bounds is counted: the nearest, the one closest to the ray,
    and the Pareto front of params against activations. Exits 1 if nothing is within
    the tolerance.

    \b
      effscale fit --macs 1.5G
      effscale fit --macs 1.5G --free --params 8M --activations 20M
      effscale fit --macs 0.4G,0.7G,1G,1.8G,4.4G,10G,19G,37G
      effscale fit --macs 600M --output small.yaml

    An --output file named .yaml gets the nearest network as a spec of its own.
    """
    if code is not None:
        _code(code, macs, tolerance, strategy, request)
        return
    from effscale.growth.growth import growth_of
    from effscale.report import fit as report
    from effscale.report.scaling import resolved
    from effscale.search.fit import Limits

    limits = Limits(**given)
    as_spec = request.wants_spec(len(macs))
    if (
        len(strategy) > 1
        or strategy == ["all"]
        or (free and (len(macs) > 1 or strategy != ["compound"]))
    ):
        raise click.UsageError("--free and --strategy take one ray and one cost")
    baseline = request.read(spec)
    if free:
        found, searched, left = _off_ray(baseline, macs[0], limits, tolerance, request)
    else:
        found, searched, left = _on_ray(baseline, macs, limits, strategy[0])
    every = found
    if len(macs) > 1:  # the others are named where they are missed
        found = [each for each in every if each.role == "nearest"]
    specs = [each.variant.spec for each in found]
    measured = request.measured(specs)
    shown = report.report(
        baseline,
        found,
        asked=_asked(macs, tolerance),
        searched=searched,
        left=left,
        measured=measured,
        units=request.units,
        top=top,
    )
    request.deliver(shown, to_file=not as_spec)
    elsewhere = "" if free else growth_of(baseline).elsewhere
    _within(every, macs, tolerance, elsewhere)
    if as_spec:
        request.write(resolved(baseline, found[0].variant))
    request.prove(specs, measured)


def _code(
    code: Factory,
    macs: list[int],
    tolerance: float,
    strategy: list[str],
    request: Request,
) -> None:
    """The networks of the code that are nearest to a cost.

    Raises:
        UnreachableError: if none is within the tolerance.
    """
    from effscale.report import factory

    if len(macs) > 1 or len(strategy) > 1:
        raise click.UsageError("code is fitted to one cost, on one ray")
    with of_code.aside():
        base, found = code.at(0.0), code.fit(macs[0], strategy[0])
    shown = factory.fitted(code, base, found, macs=macs[0], units=request.units)
    request.deliver(shown)
    nearest = shown.data["rows"][0]
    if abs(nearest["deviation"]) > tolerance:
        off = f"the nearest is {nearest['deviation']:+.1%} off, φ {nearest['phi']:.4g}"
        raise UnreachableError(
            f"{code.reference}: none within {100 * tolerance:g} %; {off}"
        )


def _on_ray(
    baseline: Spec, macs: list[int], limits: Limits, strategy: str
) -> tuple[list[Found], str, LeftOut]:
    from effscale.search.fit import on_ray, ray

    path = ray(baseline, max(macs), limits, strategy)
    found = [each for target in macs for each in on_ray(path, target)]
    low, high = path.phi[0], path.end[-1]
    text = f"{len(path.phi):,} networks of {strategy}, φ {low:.3g} to {high:.3g}"
    return found, text, path.left


def _off_ray(
    baseline: Spec, macs: int, limits: Limits, tolerance: float, request: Request
) -> tuple[list[Found], str, LeftOut]:
    from effscale.growth.growth import growth_of
    from effscale.search.off_ray import off_ray

    with Bar(1.0, quiet=request.quiet) as bar:
        answer = off_ray(
            baseline,
            macs,
            limits,
            tolerance,
            lambda share: bar.advance(share, "counting"),
        )
    text = f"{answer.enumerated:,} networks off the ray, {answer.within:,} within it"
    kept = growth_of(baseline).kept
    text += f"; {kept}" if kept else ""
    return answer.found, text, answer.left


def _asked(macs: list[int], tolerance: float) -> str:
    from effscale.quantity import human

    targets = ", ".join(human(each) for each in macs)
    return f"{targets} MACs within {100 * tolerance:g} %"


def _within(
    found: list[Found], macs: list[int], tolerance: float, elsewhere: str
) -> None:
    """Raise if a target has nothing within tolerance, the nearest named.

    `elsewhere` are the options that may find a cheaper one, if there are any.
    """
    from effscale.quantity import human

    lines = []
    for target in macs:
        mine = [each for each in found if each.target == target]
        if any(abs(each.deviation) <= tolerance for each in mine):
            continue
        near = ", ".join(
            f"{human(int(each.cost.macs), 4)} ({each.deviation:+.1%})"
            for each in mine
            if each.role not in {"closest", "front"}
        )
        what = f"nearest: {near}" if near else "the limits leave none"
        if near and elsewhere and all(each.deviation > 0 for each in mine):
            what += f"; the ray has none that is cheaper: try {elsewhere}"
        lines.append(
            f"no variant costs {human(target)} within {100 * tolerance:g} %; {what}"
        )
    if lines:
        raise UnreachableError("\n".join(lines))
