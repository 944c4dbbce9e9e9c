"""`effscale schema`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from effscale.cli import options
from effscale.cli.types import Target

if TYPE_CHECKING:
    from pathlib import Path


@click.command("schema")
@click.option(
    "--output", type=Target(), help="Write to this file, whole or not at all."
)
@click.option("--force", is_flag=True, help="Replace the output file.")
def command(*, output: Path | None, force: bool) -> None:
    """Print the JSON Schema of spec files, for editors.

    Editors that know the modeline of yaml-language-server complete keys, explain them
    and mark what is wrong. Keep the schema beside the specs and write as the first line
    of each: # yaml-language-server: $schema=effscale.schema.json

    \b
      effscale schema --output specs/effscale.schema.json
    """
    from effscale.spec.schema import dumped

    options.unused(output, force=force)
    if output is None:
        click.echo(dumped(), nl=False)
    else:
        options.write(output, dumped())
