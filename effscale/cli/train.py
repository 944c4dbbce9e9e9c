"""`effscale train`."""

from __future__ import annotations

import math
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from effscale.cli import options
from effscale.cli.help import OUTPUT, Command, titled
from effscale.cli.options import Request
from effscale.cli.progress import Bar, Stopping
from effscale.cli.types import (
    AUGMENT,
    DEVICE,
    DURATION,
    NORMALIZE,
    RESOLUTION,
    Range,
    Target,
    Whole,
)
from effscale.errors import TrainError

if TYPE_CHECKING:
    from effscale.module.weights import Original
    from effscale.spec.models import Spec
    from effscale.train.batches import Data
    from effscale.train.devices import Share
    from effscale.train.recipe import Optimizer, Precision, Recipe
    from effscale.train.trainer import Training

#: Processes that read images, unless more are asked for.
MOST_WORKERS = 16


def result(
    *,
    resolution: tuple[int, int] | None,
    form: str | None,
    output: Path | None,
    force: bool,
    quiet: bool,
) -> Request:
    """The request; its file is of JSON, and its classes are not asked of the spec."""
    return Request(
        resolution=resolution,
        form=form or (None if output is None else "json"),
        output=output,
        force=force,
        quiet=quiet,
    )


@dataclass(frozen=True)
class Learning:
    """What a recipe is made of, once data and device are known, and how far it goes."""

    epochs: int
    until: int | None
    batch: int
    lr: float | None
    seed: int
    augment: str
    precision: str
    optimizer: Optimizer
    normalize: str
    crop: float
    mirror: bool | None
    mixup: float
    erase: float
    weights: Path | None
    freeze: tuple[str, ...]
    lr_backbone: float

    def recipe(self, images: int, precision: Precision) -> Recipe:
        from effscale.train.recipe import Recipe, decay_of, peak_rate

        batch = min(self.batch, images)
        return Recipe(
            self.epochs,
            batch,
            peak_rate(self.optimizer, batch) if self.lr is None else self.lr,
            self.seed,
            self.augment,
            precision,
            weight_decay=decay_of(self.optimizer),
            optimizer=self.optimizer,
            normalize=self.normalize,
            crop=self.crop,
            mirror=self.mirror,
            mixup=self.mixup,
            erase=self.erase,
            freeze=self.freeze,
            lr_backbone=self.lr_backbone,
        )


@dataclass(frozen=True)
class Machine:
    """What a training may use of a machine."""

    device: str
    devices: int
    threads: int | None
    workers: int | None

    def readers(self, kind: str, threads: int) -> int:
        """Processes that read images for a device of that kind.

        On the CPU they share its cores with what is computed by so many threads.
        """
        if self.workers is not None:
            return self.workers
        wanted = (os.cpu_count() or 1) if kind == "cuda" else max(1, threads // 2)
        return min(wanted, MOST_WORKERS)


@dataclass(frozen=True)
class Part:
    """What each of several processes needs to know of a training that they share."""

    spec: str  #: as YAML
    data: str
    recipe: Recipe
    machine: Machine
    threads: int
    file: Path | None
    until: int | None
    weights: Path | Original | None

    def training(self, network: Spec, images: Data, share: Share) -> Training:
        """The training of one of them."""
        from effscale.train.devices import of_rank
        from effscale.train.recipe import device_of
        from effscale.train.trainer import Training

        device = of_rank(device_of(self.machine.device), share)
        return Training(
            network,
            images,
            self.recipe,
            device=device,
            workers=self.machine.readers(device.type, self.threads),
            file=self.file,
            until=self.until,
            weights=self.weights,
            share=share,
        )

    def __call__(self, share: Share) -> None:
        """Train along, in a process that is not the first."""
        from effscale.spec.loading import loads
        from effscale.train.recipe import use_threads
        from effscale.train.sources import data_of

        use_threads(self.threads)
        network, images = loads(self.spec), data_of(self.data)
        for _ in self.training(network, images, share).run():
            pass


@click.command("train", cls=Command)
@options.spec_argument()
@titled("Data")
@click.option(
    "--data",
    default="digits",
    metavar="FOLDER",
    help="A folder with a folder of images for each class, or with such folders in "
    "train and val (valid, validation; else test); digits are 1797 handwritten ones of "
    "8×8 pixels, built in.",
)
@click.option(
    "--check-data",
    is_flag=True,
    help="Decode every image first, and name those that cannot be.",
)
@titled("Recipe")
@click.option(
    "--epochs",
    type=Whole(1, 10**6),
    default=20,
    help="Passes over the training images.",
)
@click.option(
    "--until",
    type=Whole(1, 10**6),
    help="Stop after this many of the epochs; the same command with more resumes.  "
    "[default: all]",
)
@click.option(
    "--batch",
    type=Whole(2, 2**20),
    default=64,
    help="Batch size.",
)
@click.option(
    "--lr",
    type=Range(0, 1000, min_open=True),
    metavar="RATE",
    help="Learning rate at its peak.  [default: 0.4 × batch / 256; rmsprop 0.016 × "
    "batch / 256; adamw 0.001]",
)
@click.option(
    "--optimizer",
    type=click.Choice(["sgd", "adamw", "rmsprop"]),
    default="sgd",
    help="sgd with Nesterov momentum 0.9; rmsprop as EfficientNet was trained; adamw "
    "with weight decay 0.05.",
)
@options.seed_option("Random seed of initial weights, shuffling and augmentation.")
@click.option(
    "--augment",
    type=AUGMENT,
    metavar="none|plain|rand[:N]",
    default="plain",
    help="plain crops and mirrors photographs, and moves images up to 64 px; rand adds "
    "RandAugment, rand:15 at that strength of 30 (needs effscale[train]); none shows "
    "images as they are.",
)
@click.option(
    "--crop",
    type=Range(0, 1, min_open=True),
    metavar="SHARE",
    default=0.08,
    help="Smallest share of a photograph's area that plain crops to.",
)
@click.option(
    "--mirror/--no-mirror",
    default=None,
    help="Whether plain mirrors half of the images.  [default: only those above 64 px]",
)
@click.option(
    "--mixup",
    type=Range(0, 100),
    metavar="ALPHA",
    default=0.0,
    help="Mix each image with another, by a share drawn from Beta(ALPHA, ALPHA).",
)
@click.option(
    "--erase",
    type=Range(0, 1),
    metavar="P",
    default=0.0,
    help="Probability that a part of an image is made black (needs effscale[train]).",
)
@titled("Weights to begin with")
@click.option(
    "--weights",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Start from the weights of this file: .pth, .safetensors, or a checkpoint, "
    "as effscale weights reads them. A classifier of other classes is initialised "
    "anew.",
)
@click.option(
    "--freeze",
    multiple=True,
    metavar="backbone|PATH",
    help="Leave the weights of a part as they are: backbone is all but the classifier; "
    "stem, stages.0 and other paths of the built network. May be given again.",
)
@click.option(
    "--lr-backbone",
    type=Range(0, 1, min_open=True),
    metavar="SHARE",
    default=1.0,
    help="Learning rate of all but the classifier, as a share of --lr.",
)
@titled("Data")
@click.option(
    "--normalize",
    type=NORMALIZE,
    metavar="half|imagenet|MEAN/STD",
    default="half",
    help="Mean and standard deviation that normalize pixels from 0 to 1: half is "
    "0.5/0.5; one number for all channels, or 0.5,0.4,0.4/0.2,0.2,0.2.",
)
@click.option(
    "--resolution",
    type=RESOLUTION,
    metavar="N|HxW",
    help="Pixels of the images that the network sees, instead of SPEC's.",
)
@click.option(
    "--classes",
    type=Whole(2, 2**20),
    help="Classes of the network.  [default: as many as the data have]",
)
@titled("Machine")
@click.option(
    "--device",
    type=DEVICE,
    metavar="auto|cpu|cuda[:N]",
    default="auto",
    help="cpu, cuda or cuda:1; auto is CUDA where there is one.",
)
@click.option(
    "--devices",
    type=Whole(1, 64),
    default=1,
    help="Split each batch among this many GPUs, or processes on the CPU.",
)
@click.option(
    "--precision",
    type=click.Choice(["auto", "float32", "bfloat16"]),
    default="auto",
    help="auto is mixed precision with bfloat16 where the GPU computes in it.",
)
@click.option(
    "--threads",
    type=Whole(1, 4096),
    help="Threads of the CPU.  [default: torch's own choice]",
)
@click.option(
    "--workers",
    type=Whole(0, 1024),
    help="Processes that read images which do not fit into memory.  [default: with "
    "CUDA one for each core, else one for two threads; at most 16]",
)
@click.option(
    "--time-limit",
    type=DURATION,
    help="Stop after 90s, 10m or 2h and keep the checkpoint; exits 1 if training has "
    "not ended.",
)
@titled(OUTPUT)
@click.option(
    "--checkpoint",
    type=Target(),
    metavar="FILE",
    help="Save the state of training to this file, and resume from it.  [default: "
    "OUTPUT.checkpoint]",
)
@click.option(
    "--output",
    type=Target(),
    help="Write the result to this file, as JSON unless --format says otherwise.",
)
@click.option("--force", is_flag=True, help="Replace the file of the result.")
@options.format_option("the result")
@options.quiet_option
@options.gathered(request=result, learning=Learning, machine=Machine)
def command(  # noqa: PLR0913 - options
    *,
    spec: str,
    data: str,
    classes: int | None,
    learning: Learning,
    machine: Machine,
    check_data: bool,
    time_limit: float | None,
    checkpoint: Path | None,
    request: Request,
) -> None:
    """Train the network of SPEC and say how accurate it becomes.

    \b
      effscale train mobilenetv3-small --resolution 32 --epochs 5
      effscale train my.yaml --data photos/ --epochs 100 --output my.json
      effscale train b0 --weights b0.pth --data photos/ --freeze backbone

    The accuracy is that on validation images.

    Gradient descent, cosine schedule and warm-up, label smoothing 0.1, averaged weights
    (EMA), batch norm's statistics estimated anew at the end of each epoch, and dropout
    and stochastic depth as SPEC says. On the CPU the same seed gives the same figures,
    also where a training was interrupted: the same command takes it up from its
    checkpoint and ends as it would have ended.

    It is there to compare candidates with each other. A few epochs on a few images are
    a proxy for a training in full, and accuracies within their standard error of each
    other are not told apart.
    """
    from effscale.report.train import data_lines, report
    from effscale.spec.dumping import dumps
    from effscale.train.devices import together
    from effscale.train.recipe import device_of, precision_of, use_threads
    from effscale.train.sources import DIGITS, data_of, fitted

    threads = use_threads(machine.threads, machine.devices)
    device = device_of(machine.device)
    images = data_of(data)
    network = fitted(request.read(spec), images, classes)
    if data != DIGITS and not request.quiet:
        for line in data_lines(images.name, images.counts(), images.notes):
            options.note(line)
    if check_data:
        _check(images, quiet=request.quiet)
    precision = precision_of(learning.precision, device)
    part = Part(
        dumps(network),
        data,
        learning.recipe(len(images.train.labels), precision),
        machine,
        threads=threads,
        file=_file(checkpoint, request.output),
        until=learning.until,
        weights=options.weights_of(spec, learning.weights),
    )
    with together(machine.devices, device, part.recipe.batch, part) as share:
        training = part.training(network, images, share)
        if training.begun is not None and not request.quiet:
            for line in begun_lines(training, network):
                options.note(line)
        _run(training, quiet=request.quiet, seconds=time_limit)
    request.deliver(report(network, training.outcome()))


def begun_lines(training: Training, spec: Spec) -> list[str]:
    """Where the weights came from, and what may be wrong with them."""
    from effscale.report.weights import warnings

    begun = training.begun
    assert begun is not None  # noqa: S101 - asked before
    count, by = len(begun.mapped.pairs), begun.mapped.by
    anew = "; the classifier is initialised anew" if begun.mapped.classifier else ""
    said = [f"{begun.file}: {count} tensors by {by}{anew}"]
    if begun.normalisation not in {None, training.normalisation}:
        asked = "/".join(
            ",".join(f"{n:g}" for n in each) for each in begun.normalisation
        )
        said.append(f"warning: trained with --normalize {asked}, which is another here")
    return [*said, *warnings(spec, begun.mapped)]


def _check(images: Data, *, quiet: bool) -> None:
    from effscale.train.sources import check

    count = len(images.train.labels) + len(images.validation.labels)
    with Bar(count, quiet=quiet) as bar:
        check(images, lambda: bar.advance(1, "decoding every image"))


def _file(checkpoint: Path | None, output: Path | None) -> Path | None:
    """Where the training is kept: where it was asked to be, or beside the result."""
    if checkpoint is None:
        return output and output.with_name(f"{output.name}.checkpoint")
    if output is not None and checkpoint.resolve() == output.resolve():
        message = f"expected another file than --output, got {str(checkpoint)!r}"
        raise click.BadParameter(message, param_hint="'--checkpoint'")
    return checkpoint


def _run(training: Training, *, quiet: bool, seconds: float | None) -> None:
    """Train to the end, or until asked to stop or late; what is done is kept."""
    from effscale.report.train import epoch_line

    epochs = training.recipe.epochs
    end = time.monotonic() + (math.inf if seconds is None else seconds)
    if training.step:
        options.note(f"{training.file}: goes on {_place(training)}", quiet=quiet)
    with Stopping() as stopping, Bar(training.last_step, quiet=quiet) as bar:
        bar.advance(training.step, "training")
        for epoch in training.run():
            speed = training.images_per_second
            if epoch is not None:
                bar.say(epoch_line(asdict(epoch), epochs, speed))
            bar.advance(1, _state(training))
            late = time.monotonic() > end and training.step < training.last_step
            if stopping or late:
                training.save()
                break
        else:
            return
    kept = _kept(training)
    if late and not stopping:
        raise TrainError(f"time limit: reached {_place(training)}; {kept}")
    options.note(f"stopped {_place(training)}; {kept}", quiet=quiet)
    stopping.leave()


def _place(training: Training) -> str:
    epochs, steps = divmod(training.step, training.order.per_epoch)
    within = f" and {steps} of {training.order.per_epoch} steps" if steps else ""
    return f"after {epochs} of {training.recipe.epochs} epochs{within}"


def _kept(training: Training) -> str:
    if training.file is None:
        return "nothing is kept without --checkpoint"
    return f"kept in {training.file}, from which the same command goes on"


def _state(training: Training) -> str:
    """What the bar says: the epoch, the last accuracy, the speed, the time left."""
    from effscale.report.document import duration, percent

    epochs = training.recipe.epochs
    epoch = min(training.step // training.order.per_epoch + 1, epochs)
    last = [f"accuracy {percent(each.accuracy)}" for each in training.history[-1:]]
    speed = f"{training.images_per_second:,.0f} images/s"
    left = f"{duration(training.seconds_left)} left"
    return "  ".join([f"epoch {epoch}/{epochs}", *last, speed, left])
