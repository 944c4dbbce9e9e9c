"""`effscale report`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from effscale.cli import latency, options, proof
from effscale.cli import latency as timing
from effscale.cli.compare import compared_networks
from effscale.cli.references import SpecOrFamily
from effscale.cli.types import Target

if TYPE_CHECKING:
    from pathlib import Path

    from effscale.cli.latency import Timed
    from effscale.report.document import Units


@click.command("report")
@click.argument(
    "specs", type=SpecOrFamily(), nargs=-1, required=True, metavar="SPEC..."
)
@click.option(
    "--output",
    type=Target(),
    help="Write the page to this file, whole or not at all.",
)
@click.option("--force", is_flag=True, help="Replace the output file.")
@click.option("--title", help="What the page is called.  [default: its networks]")
@click.option(
    "--to",
    metavar="NAME|cheapest",
    help="What the ratios are to, as in effscale compare.  [default: the first]",
)
@options.network_options
@options.measure_option(default="none")
@timing.timing_options(alone=True)
@options.units_option
@options.verbosity
def command(  # noqa: PLR0913 - options
    *,
    specs: tuple[str, ...],
    output: Path | None,
    force: bool,
    title: str | None,
    to: str | None,
    resolution: tuple[int, int] | None,
    classes: int | None,
    engine: str,
    timed: Timed | None,
    units: Units,
    quiet: bool,
    verbose: bool,
) -> None:
    """Write a page of HTML about each SPEC, to look at and send around.

    Its tables can be sorted and searched; its pictures show where the cost is and how
    large the feature maps are. The page is one file that loads nothing from anywhere.
    SPEC is whatever effscale compare takes, families included.

    \b
      effscale report b0 b4 my.yaml --output report.html
      effscale report efficientnet --to cheapest --output family.html
      effscale report b1 resnet152 --latency --threads 1 --output latency.html

    Needs jinja2 and matplotlib: pip install 'effscale[report]'.
    """
    from effscale.cli.progress import Bar
    from effscale.extras import needed
    from effscale.report import compare
    from effscale.report import page as summary

    options.unused(output, force=force)
    if output is None and sys.stdout.isatty():
        raise click.UsageError("expected --output report.html, or a pipe to read it")
    needed("report", output or "report")
    compared = compared_networks(specs, resolution, classes, to)
    networks = [each.spec for each in compared]
    measured = proof.measurements(networks, engine, quiet=quiet)
    answer = compare.report(compared, to=to, measured=measured, units=units)
    if timed is not None:
        answer = latency.beside(answer, compared, to, timed, units, quiet=quiet)
    names = [each.name for each in compared]
    with Bar(len(compared), quiet=quiet) as bar:
        page = summary.page(
            compared,
            answer,
            title=title or _title(names),
            measured=measured,
            units=units,
            progress=lambda name: bar.advance(1, f"drawing {name}"),
        )
    if output is None:
        click.echo(page, nl=False)
    else:
        options.write(output, page)
        if not quiet:
            size = f"{len(page.encode()):,} bytes"
            click.echo(f"{output}: {_title(names)}, {size}", err=True)
    if verbose:
        proof.explain(measured)
    proof.verify(networks, measured)


def _title(names: list[str]) -> str:
    """The networks by name, or how many they are."""
    return ", ".join(names) if len(names) <= 4 else f"{len(names)} networks"  # noqa: PLR2004 - more fill a line
