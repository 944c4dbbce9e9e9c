"""`effscale specs`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from effscale.cli import options
from effscale.cli.references import FAMILY

if TYPE_CHECKING:
    from pathlib import Path

    from effscale.report.document import Units


@click.command("specs")
@click.argument("families", metavar="[FAMILY...]", nargs=-1, type=FAMILY)
@options.output_options
def command(
    *,
    families: tuple[str, ...],
    form: str | None,
    output: Path | None,
    force: bool,
    units: Units,
) -> None:
    """List what is built in, counted; or those of each FAMILY.

    Families in turn, each from its cheapest network to its dearest. Each name is a
    SPEC: effscale profile b4, effscale scale resnet50 --phi 1.
    """
    from effscale.report import specs

    options.unused(output, force=force)
    options.deliver(specs.report(families, units=units), form, output)
