"""Limits of what a network may cost, as options that commands share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from effscale.choices import (
    ELEMENT_BYTES,
    MAX_BATCH,
    MAX_THREADS,
    RUNTIMES,
    STORED_BYTES,
)
from effscale.cli.latency import DEVICE, Way
from effscale.cli.options import every, refuse_typed
from effscale.cli.progress import Bar
from effscale.cli.types import Parsed, Whole
from effscale.errors import ScaleError
from effscale.glossary import TERMS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from effscale.cli.options import F, Request
    from effscale.cost.figures import Running
    from effscale.cost.latency_model import Device
    from effscale.limit import Figure, Limit
    from effscale.search.asked import Asked
    from effscale.spec.models import Spec


def _parsed(figure: Figure, *, several: bool = False) -> Parsed:
    def parse(text: str) -> list[Limit]:
        from effscale.limit import parse

        texts = text.split(",") if several else [text]
        return [parse(figure, each) for each in texts]

    return Parsed("LIMIT[,LIMIT…]" if several else "LIMIT", parse)


def limit_option(
    figure: Figure, what: str, *, several: bool = False
) -> Callable[[F], F]:
    """The option that limits a figure; `several` where commas part them."""
    kind = _parsed(figure, several=several)
    return click.option(f"--{figure.replace('_', '-')}", type=kind, help=what)


device_options = (
    click.option(
        "--device",
        type=DEVICE,
        default="cpu",
        help="Device to run on, for latency.",
    ),
    click.option(
        "--threads",
        type=Whole(1, MAX_THREADS),
        default=1,
        help="Threads of the CPU, for latency.",
    ),
    click.option(
        "--channels-last",
        is_flag=True,
        help="Store feature maps with channels last (NHWC), for latency.",
    ),
    click.option(
        "--compile",
        "compiled",
        is_flag=True,
        help="Run by torch.compile, for latency.",
    ),
    click.option(
        "--cuda-graph",
        is_flag=True,
        help="Capture the run as a CUDA graph and replay it, for latency.",
    ),
    click.option(
        "--runtime",
        type=click.Choice(RUNTIMES),
        default="torch",
        help="What runs it, for latency; onnxruntime runs what torch exports (needs "
        "effscale[onnx]).",
    ),
)


#: The heading of what says how networks run.
RUNNING = "How networks run, for memory and latency"
#: How a search knows latency.
SEARCHED = (
    "measured along a strategy; with --free and in grid predicted, as effscale "
    "calibrate has learned."
)


def limit_options(
    macs: str, *, several: bool = False, latency: str = SEARCHED
) -> Callable[[F], F]:
    """Limits of all that is counted, and of latency.

    `macs` is the help of --macs, `latency` says how that is known.
    """
    of_latency = f"A limit of the time that one run takes here, '<= 20ms': {latency}"
    limits = every(
        limit_option("macs", macs, several=several),
        limit_option("params", f"A limit such as '<= 8M'. {TERMS['params'].means}"),
        limit_option(
            "activations", f"A limit such as '<= 20M'. {TERMS['activations'].means}"
        ),
        limit_option("memory", f"A limit such as '<= 64MB'. {TERMS['memory'].means}"),
        limit_option(
            "training_memory",
            f"A limit such as '<= 8GB'. {TERMS['training_memory'].means}",
        ),
        limit_option("latency", of_latency),
        title="Limits",
    )
    running = every(
        click.option(
            "--batch",
            type=Whole(1, MAX_BATCH),
            default=1,
            help="Batch size, for memory and latency.",
        ),
        click.option(
            "--dtype",
            type=click.Choice([*STORED_BYTES]),
            default="float32",
            help="Type of weights and feature maps, for memory and latency.",
        ),
        *device_options,
        title=RUNNING,
    )
    return lambda command: limits(running(command))


@dataclass(frozen=True)
class Limits:
    """The limits that were given, and how what they limit is to run."""

    macs: list[Limit] | None
    params: list[Limit] | None
    activations: list[Limit] | None
    memory: list[Limit] | None
    training_memory: list[Limit] | None
    batch: int
    dtype: str
    latency: list[Limit] | None
    threads: int
    way: Way

    def __post_init__(self) -> None:
        """Refuse what says how networks run where nothing asks for that.

        Raises:
            click.UsageError: naming it.
        """
        if not self.latency:
            refuse_typed(
                ("--threads", *self.way.options()),
                "is for a limit of --latency, and there is none",
            )
        if not (self.latency or self.memory or self.training_memory):
            refuse_typed(
                ("--batch", "--dtype"),
                "is for a limit of memory or --latency, and there is none",
            )

    @property
    def beside_macs(self) -> list[Limit]:
        """Those of other figures."""
        memory = self.memory, self.training_memory
        names = (self.params, self.activations, *memory, self.latency)
        return [each for given in names for each in given or ()]

    @property
    def runs_on(self) -> Device:
        """The device that latency is of, and how it runs there.

        Raises:
            click.UsageError: for a type of element that nothing here runs, or a way to
                run that there is not.
        """
        from effscale.cost.latency_model import Device

        words = self.way.words()
        if self.dtype not in ELEMENT_BYTES:
            raise click.UsageError(f"--latency: nothing is run in {self.dtype} here")
        return Device(threads=self.threads, batch=self.batch, dtype=self.dtype, **words)

    def running(self, *, predicts: bool = True) -> Running:
        """How what is limited is to run; with what predicts latency, if that is.

        Raises:
            MeasureError: if latency is to be predicted, and the device not calibrated.
        """
        from effscale.cost.figures import Running

        if not self.latency:
            return Running(self.batch, self.dtype)
        from effscale.cost.latency_model import load

        model = load(self.runs_on) if predicts else None
        return Running(self.batch, self.dtype, model, self.runs_on)

    def time(self, specs: Sequence[Spec], request: Request) -> list[float]:
        """How long each of these networks takes, in seconds, on the device."""
        found = []
        with Bar(len(specs), quiet=request.quiet) as bar:
            from effscale.module.calibrate import measured

            for spec in specs:
                bar.advance(0, f"timing {spec.name}")
                found.append(measured(spec, self.runs_on))
                bar.advance(1, f"timed {spec.name}")
        return found

    def of_candidates(self) -> tuple[Limit, ...]:
        """All limits, of candidates that other things choose among.

        Raises:
            click.UsageError: if one is a cost to meet.
        """
        found = (*(self.macs or ()), *self.beside_macs)
        for each in found:
            if each.is_target:
                name = each.figure.replace("_", "-")
                raise click.UsageError(f"--{name} is a limit here, as in '<= …'")
        return found

    def asked(
        self, most: Figure | None, tolerance: float | None, *, predicts: bool = True
    ) -> list[Asked]:
        """What each of the limits of MACs asks for, the others beside it.

        Raises:
            click.UsageError: unless they are one target, or something is limited from
                above.
        """
        from effscale.search.asked import asked

        running = self.running(predicts=predicts)
        every: list[list[Limit]] = [[each] for each in self.macs or ()] or [[]]
        try:
            return [
                asked([*macs, *self.beside_macs], most, tolerance, running, sign="--")
                for macs in every
            ]
        except ScaleError as error:
            raise click.UsageError(str(error)) from None
