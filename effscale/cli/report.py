"""`effscale report`."""

from __future__ import annotations

import os
import shlex
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from effscale.cli import latency, options
from effscale.cli.compare import compared_networks
from effscale.cli.help import OUTPUT, Command, titled
from effscale.cli.options import Request
from effscale.cli.progress import Bar
from effscale.cli.types import SpecOrFamily, Target

if TYPE_CHECKING:
    from effscale.cli.latency import Timed


@click.command("report", cls=Command)
@click.argument(
    "specs", type=SpecOrFamily(), nargs=-1, required=True, metavar="SPEC..."
)
@titled(OUTPUT)
@click.option(
    "--output", type=Target(), help="Write the page to this file, atomically."
)
@options.force_option
@titled("What to show")
@click.option("--title", help="Title of the page.  [default: its networks]")
@click.option(
    "--relative-to",
    "to",
    metavar="NAME|cheapest",
    help="Network that ratios are relative to, as in effscale compare.  [default: the "
    "first]",
)
@options.network_options
@options.measure_option(default="none")
@latency.timing_options()
@options.units_option
@options.verbosity
@options.gathered(way=latency.Way, timed=latency.timed_alone, request=Request)
def command(
    *,
    specs: tuple[str, ...],
    title: str | None,
    to: str | None,
    timed: Timed | None,
    request: Request,
) -> None:
    """Write a page of HTML about each SPEC, to look at and send around.

    \b
      effscale report b0 b4 my.yaml --output report.html
      effscale report efficientnet --relative-to cheapest --output family.html
      effscale report b1 resnet152 --latency --threads 1 --output latency.html

    Its tables can be sorted and searched; its pictures show where the cost is and how
    large the feature maps are. The page is one file that loads nothing from anywhere.
    SPEC is whatever effscale compare takes, families included.

    Needs jinja2 and matplotlib: pip install 'effscale[report]'.
    """
    from effscale.extras import needed
    from effscale.report import compare
    from effscale.report.page import page

    output, units = request.output, request.units
    if output is None and sys.stdout.isatty():
        raise click.UsageError("expected --output report.html, or a pipe to read it")
    needed("report", output or "report")
    compared = compared_networks(specs, to, request)
    networks = [each.spec for each in compared]
    measured = request.measured(networks)
    answer = compare.report(compared, to=to, measured=measured, units=units)
    if timed is not None:
        answer = latency.beside(answer, compared, to, timed, request)
    names = _title([each.name for each in compared])
    with Bar(len(compared), quiet=request.quiet) as bar:
        text = page(
            compared,
            answer,
            title=title or names,
            measured=measured,
            units=units,
            made=f"{_today()}{_command()}",
            progress=lambda name: bar.advance(1, f"drawing {name}"),
        )
    request.write(text)
    request.prove(networks, measured)


def _today() -> str:
    """The day, or that of SOURCE_DATE_EPOCH, by which builds are the same each time."""
    stamp = os.environ.get("SOURCE_DATE_EPOCH", "")
    now = datetime.now(tz=UTC)
    day = datetime.fromtimestamp(int(stamp), tz=UTC) if stamp.isdecimal() else now
    return f"{day:%Y-%m-%d}"


def _command() -> str:
    """The command as it was given, if it is this one."""
    words = sys.argv[1:]
    given = shlex.join(["effscale", *words])
    return f" · {given}" if words[:1] == ["report"] else ""


def _title(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 4 else f"{len(names)} networks"  # noqa: PLR2004 - more fill a line
