"""`effscale calibrate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from effscale.choices import ELEMENT_BYTES, MAX_BATCH
from effscale.cli import limits, options
from effscale.cli.help import Command, titled
from effscale.cli.latency import Way
from effscale.cli.options import Request, every
from effscale.cli.progress import Bar
from effscale.cli.types import Range, Whole

if TYPE_CHECKING:
    from effscale.cost.latency_model import Device

#: Networks are run for so long, unless --seconds says otherwise.
SECONDS = 100.0


def device(*, threads: int, batch: int, dtype: str, way: Way) -> Device:
    """What to run on, and how.

    Raises:
        click.UsageError: for a way to run that there is not.
    """
    from effscale.cost.latency_model import Device

    return Device(threads=threads, batch=batch, dtype=dtype, **way.words())


@click.command("calibrate", cls=Command)
@titled("Latency")
@every(
    click.option(
        "--batch",
        type=Whole(1, MAX_BATCH),
        default=1,
        help="Batch size.",
    ),
    click.option(
        "--dtype",
        type=click.Choice([*ELEMENT_BYTES]),
        default="float32",
        help="Type of weights and feature maps.",
    ),
    *limits.device_options,
    click.option(
        "--seconds",
        type=Range(0.01, 3600),
        metavar="S",
        default=SECONDS,
        help="Time to run networks for; two of each family at least.",
    ),
    title="Latency",
)
@options.output_options()
@options.verbosity
@options.gathered(way=Way, runs_on=device, request=Request)
def command(*, runs_on: Device, seconds: float, request: Request) -> None:
    """Time networks on this device, so that the latency of others can be predicted.

    \b
      effscale calibrate
      effscale calibrate --device cuda --dtype float16 --channels-last
      effscale grid --latency '<= 20ms'

    Runs networks of several families, scaled at random, and finds how long an operator
    of each kind takes for a MAC, an element that it reads or makes, a param and a call.
    On a CPU and on CUDA it times each operator within its network, and interpolates
    between those. The result is kept in the user's cache folder, a file for each device
    and setting; fit, grid and profile read it. The error of its predictions, on
    families that it has not seen, is shown here and beside every prediction.
    """
    from effscale.cost.latency_model import save
    from effscale.report import calibrate as report

    with Bar(1, quiet=request.quiet, still=True) as bar:
        from effscale.module.calibrate import calibrate

        done = 0.0

        def advance(share: float, what: str) -> None:
            nonlocal done
            bar.advance(max(0.0, min(share, 1.0) - done), what)
            done = max(done, min(share, 1.0))

        model = calibrate(runs_on, seconds=seconds, progress=advance)
    request.deliver(report.report(model, save(model)))
