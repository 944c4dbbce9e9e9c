"""`effscale specs`."""

from __future__ import annotations

import click

from effscale.cli import options
from effscale.cli.options import Request
from effscale.cli.types import FAMILY


@click.command("specs")
@click.argument("families", metavar="[FAMILY...]", nargs=-1, type=FAMILY)
@options.output_options()
@options.gathered(request=Request)
def command(*, families: tuple[str, ...], request: Request) -> None:
    """List what is built in, counted; or those of each FAMILY.

    Families in turn, each from its cheapest network to its most expensive. Each name
    is a SPEC: effscale profile b4, effscale scale resnet50 --phi 1.
    """
    from effscale.report import specs

    request.deliver(specs.report(families, units=request.units))
