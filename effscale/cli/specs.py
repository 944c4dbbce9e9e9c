"""`effscale specs`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from effscale.cli import options

if TYPE_CHECKING:
    from pathlib import Path

    from effscale.report.document import Units


@click.command("specs")
@options.output_options
def command(
    *, form: str | None, output: Path | None, force: bool, units: Units
) -> None:
    """List what is built in, counted.

    Baselines, and their published variants below them. Each name is a SPEC:
    effscale profile b4, effscale scale b3 --phi 1.
    """
    from effscale.report import specs

    options.unused(output, force=force)
    options.deliver(specs.report(units=units), form, output)
