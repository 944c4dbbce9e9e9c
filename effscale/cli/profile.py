"""`effscale profile`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from effscale.cli import options, proof, timing

#: `effscale.cost.conventions.TOOLS`, which would have to be loaded for --help.
TOOLS = ("paper", "fvcore", "torch", "torchinfo", "ptflops", "thop", "calflops")

if TYPE_CHECKING:
    from pathlib import Path

    from effscale.cli.timing import Timed
    from effscale.cost.conventions import Tool
    from effscale.report.document import Units
    from effscale.report.profile import By


@click.command("profile")
@options.spec_argument()
@click.option(
    "--by",
    type=click.Choice(["part", "layer", "operator"]),
    default="part",
    show_default=True,
    help="A row for each stage, for each layer, or for each kind of layer.",
)
@click.option(
    "--as",
    "tool",
    type=click.Choice(TOOLS),
    help="Restate the cost as that tool prints it, in a column and in a sum.",
)
@options.network_options
@options.measure_option()
@timing.timing_options()
@options.output_options
@options.verbosity
def command(  # noqa: PLR0913 - options
    *,
    spec: str,
    by: By,
    tool: Tool | None,
    resolution: tuple[int, int] | None,
    classes: int | None,
    engine: str,
    batch: list[int],
    dtype: list[str],
    timed: Timed | None,
    form: str | None,
    output: Path | None,
    force: bool,
    units: Units,
    quiet: bool,
    verbose: bool,
) -> None:
    """Show where the cost of SPEC is.

    SPEC is a file (my.yaml, my.yaml@variant), - for standard input, or a built-in name
    (see effscale specs). The figures are counted by arithmetic; the same network is
    built and measured beside them; exits 1 if the two differ. Where the file expects
    other figures of itself, that is noted, and effscale check fails.

    \b
      effscale profile b4
      effscale profile b0 --resolution 480x640 --classes 10
      effscale profile my.yaml --by layer --measure none --format csv
    """
    from effscale.cost.count import count
    from effscale.report import profile

    options.unused(output, force=force)
    network = options.read(spec, resolution, classes)
    cost = count(network)
    (measured,) = proof.measurements([network], engine, quiet=quiet)
    report = profile.report(
        network, cost, by=by, measured=measured, units=units, tool=tool
    )
    if timed is not None:
        report = timing.by_part(report, network, timed, units, quiet=quiet)
    options.deliver(report, form, output)
    if verbose:
        proof.explain([measured])
    proof.verify([network], [measured])
    if not quiet:
        proof.note_expected(network, int(cost.macs), int(cost.params))
