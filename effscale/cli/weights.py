"""`effscale weights`."""

from __future__ import annotations

from pathlib import Path

import click

from effscale.cli import options
from effscale.cli.options import Request
from effscale.errors import WeightsError


@click.command("weights")
@click.argument(
    "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE"
)
@click.option(
    "--to",
    "spec",
    required=True,
    metavar="SPEC",
    help="The network that the tensors are for.",
)
@options.network_options
@options.output_options()
@options.quiet_option
@options.gathered(request=Request)
def command(*, file: Path, spec: str, request: Request) -> None:
    """Show which tensor of FILE is which of SPEC's network.

    \b
      effscale weights efficientnet-lite0.pth --to efficientnet-lite0
      effscale weights model.safetensors --to my.yaml --format json

    FILE is a state dict that torch has saved (.pth), safetensors, or a checkpoint of
    effscale train; nothing in it is run. Names of torchvision, timm, effdet and
    efficientnet_pytorch are known; of others, layers are taken in order by shape. Exits
    1 if something does not fit; classes may be others, as effscale train --weights has
    it.
    """
    network = request.read(spec)
    from effscale.module.mapping import held, mapping
    from effscale.report.weights import report

    given = held(options.weights_of(spec, file) or file)
    found = mapping(network, given)
    request.deliver(report(network, file, given, found))
    if found.misfits:
        count = len(found.misfits)
        what = "1 does not" if count == 1 else f"{count} do not"
        raise WeightsError(f"{file}: expected {network.name}'s weights, {what} fit")
