"""What `train` does while a network trains: progress, and an end in between."""

from __future__ import annotations

import math
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from effscale.cli.progress import Bar
from effscale.cli.stopping import Stopping
from effscale.errors import TrainError
from effscale.report.document import percent
from effscale.report.train import epoch_line

if TYPE_CHECKING:
    from effscale.module.train.trainer import Training


def run(training: Training, *, quiet: bool, seconds: float | None) -> None:
    """Train to the end, or until asked to stop; what is done is kept.

    Raises:
        TrainError: if the time is up before.
    """
    epochs = training.recipe.epochs
    end = time.monotonic() + (math.inf if seconds is None else seconds)
    if training.step and not quiet:
        click.echo(f"{training.file}: goes on {_place(training)}", err=True)
    with Stopping() as stopping, Bar(training.steps, quiet=quiet) as bar:
        bar.advance(training.step, "training")
        for epoch in training.run():
            speed = training.images_per_second
            if epoch is not None:
                bar.say(epoch_line(asdict(epoch), epochs, speed))
            bar.advance(1, _state(training))
            late = time.monotonic() > end and training.step < training.steps
            if stopping or late:
                training.save()
                break
        else:
            return
    kept = _kept(training)
    if late and not stopping:
        raise TrainError(f"time limit: reached {_place(training)}; {kept}")
    if not quiet:
        click.echo(f"stopped {_place(training)}; {kept}", err=True)
    stopping.leave()


def _place(training: Training) -> str:
    """How far it has come, in words."""
    epochs, steps = divmod(training.step, training.order.per_epoch)
    within = f" and {steps} of {training.order.per_epoch} steps" if steps else ""
    return f"after {epochs} of {training.recipe.epochs} epochs{within}"


def _kept(training: Training) -> str:
    if training.file is None:
        return "nothing is kept without --checkpoint"
    return f"kept in {training.file}, from which the same command goes on"


def _state(training: Training) -> str:
    """What the bar says: the epoch, the last accuracy, the speed."""
    epochs = training.recipe.epochs
    epoch = min(training.step // training.order.per_epoch + 1, epochs)
    last = [f"accuracy {percent(each.accuracy)}" for each in training.history[-1:]]
    speed = f"{training.images_per_second:,.0f} images/s"
    return "  ".join([f"epoch {epoch}/{epochs}", *last, speed])
