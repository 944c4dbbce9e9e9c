"""`effscale schema`."""

from __future__ import annotations

import click

from effscale.cli import options
from effscale.cli.options import Request
from effscale.cli.types import Target


@click.command("schema")
@click.option(
    "--output",
    type=Target(),
    help=options.TO_FILE,
)
@options.force_option
@options.gathered(request=Request)
def command(*, request: Request) -> None:
    """Print the JSON Schema of spec files, for editors.

    \b
      effscale schema --output specs/effscale.schema.json

    Editors that know the modeline of yaml-language-server complete keys, explain them
    and mark what is wrong. Keep the schema beside the specs and write as the first line
    of each: # yaml-language-server: $schema=effscale.schema.json
    """
    from effscale.spec.schema import dumped

    request.write(dumped())
