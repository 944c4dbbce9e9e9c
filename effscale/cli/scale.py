"""`effscale scale`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from effscale.cli import code as of_code
from effscale.cli import options
from effscale.cli.help import Command, titled
from effscale.cli.options import Request
from effscale.cli.types import PHIS, SWEEP

if TYPE_CHECKING:
    from effscale.importing.factory import Factory
    from effscale.search.sweep import Dimension
    from effscale.spec.models import Spec


@click.command("scale", cls=Command)
@options.spec_argument(default="b0")
@titled("Scaling")
@click.option(
    "--phi",
    type=PHIS,
    default="1",
    help="Compound coefficient: 4, 0,1,2, 0..7 or 0..7:0.5; below 0 scales down.",
)
@options.strategy_option(
    "How to spend 2^φ: compound, depth, width, resolution (or all); dw, dr, wr, dwr; "
    "fast or fast:ALPHA; weights such as d1_w8_r1. Several with commas. "
    "Groups follow the width; of weights, that of g (d1_w8_g8_r1)."
)
@click.option(
    "--sweep",
    type=SWEEP,
    help="Show cost along one dimension instead: resolution=200..320 in pixels, "
    "depth=1..2 or width=1..2 as multipliers.",
)
@options.plot_option("the sweep, or the family over φ")
@of_code.code_options
@options.network_options
@options.measure_option()
@options.output_options(spec=True)
@options.verbosity
@options.gathered(code=of_code.factory, request=Request)
def command(  # noqa: PLR0913 - options
    *,
    spec: str,
    code: Factory | None,
    phi: list[float],
    strategy: list[str],
    sweep: tuple[Dimension, float, float] | None,
    request: Request,
) -> None:
    """Scale SPEC, and show how close it lands to 2^φ.

    \b
      effscale scale --phi 4
      effscale scale --phi 0..7 --measure none
      effscale scale b4 --phi -1 --format json
      effscale scale --phi 2 --output b0-x4.yaml
      effscale scale b0 --sweep resolution=200..320
      effscale scale d0 --phi 5

    SPEC is a file (my.yaml, my.yaml@variant), - for standard input, or a built-in name
    (see effscale specs); b0 by default. Depth, width and resolution grow by the spec's
    α^φ, β^φ, γ^φ; other strategies spend the same target on them differently. A
    detector grows by its own scaling rule (or one dimension of it: backbone,
    resolution, neck_width, neck_depth, head_depth), beside what is published for that
    φ.

    Where several variants are asked for, one that cannot exist is left out, with the
    reason on stderr.

    An --output file named .yaml gets the scaled network as a spec of its own, or
    several as variants of the baseline; any other gets the answer.

    SPEC may be code that takes multipliers, MODULE:CALLABLE with --as-args: it is
    called at each φ, and what it makes is counted by torch.
    """
    if code is not None:
        request.refuse_spec("it is made by code")
        _code(code, phi, strategy, request)
        return
    from effscale.growth.growth import recipes
    from effscale.report import left_out, scaling
    from effscale.search.explain import published

    baseline = request.read(spec)
    if sweep is not None:
        others = ("--phi", "--strategy", *["--measure"] * request.measures)
        options.refuse_typed(others, "is not for --sweep")
        request.refuse_spec("a sweep is of many networks")
        _sweep(baseline, sweep, request)
        return
    made = recipes(baseline, phi, strategy)
    missed: dict[str, str] = {}
    if len(made) == 1:  # whose error says enough
        found = {name: make() for name, make in made.items()}
    else:
        found, missed = left_out.each_of(made, lambda make: make())
    variants = [*found.values()]
    as_spec = request.wants_spec
    beside = [each for one in dict.fromkeys(phi) for each in published(baseline, one)]
    every = [*variants, *(each.variant for each in beside)]
    specs = [baseline, *(each.spec for each in every)]
    measured = request.measured(specs)
    report = scaling.report(
        baseline,
        variants,
        published=beside,
        missed=missed,
        measured=measured,
        units=request.units,
    )
    image = b""
    if request.picture:
        from effscale.report import plots

        image = plots.family(baseline.name, report.data["rows"][1:], request.picture)
    request.deliver(report, image, to_file=not as_spec)
    if as_spec:
        request.write_family(baseline, variants)
    request.prove(specs, measured)


def _code(
    code: Factory, phi: list[float], strategy: list[str], request: Request
) -> None:
    """What the code makes at each φ, beside 2^φ."""
    from effscale.growth.growth import Classifier
    from effscale.report import factory

    every = dict.fromkeys(
        name
        for each in strategy
        for name in (Classifier.strategies if each == "all" else [each])
    )
    with of_code.aside():
        base = code.at(0.0)
        found = [code.at(each, name) for each in phi for name in every]
    request.deliver(factory.scaled(code, base, found, request.units))


def _sweep(
    baseline: Spec, asked: tuple[Dimension, float, float], request: Request
) -> None:
    from effscale.cost.count import Counted
    from effscale.report import sweep as report
    from effscale.report.scaling import base_macs
    from effscale.search.sweep import sweep

    base = base_macs(Counted.of(baseline))
    found = sweep(baseline, *asked)
    answer = report.report(baseline, asked[0], found, base, units=request.units)
    image = b""
    if request.picture:
        from effscale.report import plots

        image = plots.sweep(baseline.name, asked[0], found.steps, request.picture)
    request.deliver(answer, image)
