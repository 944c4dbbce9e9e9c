"""`--latency` and its options, and the times that they ask for."""

from __future__ import annotations

import re
from dataclasses import asdict
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from effscale.choices import (
    DEVICE_PATTERN,
    DEVICES,
    ELEMENT_BYTES,
    MAX_BATCH,
    MAX_THREADS,
    RUNTIMES,
    STORED_BYTES,
    is_cuda,
    of_torch,
)
from effscale.cli.options import every, note, refuse
from effscale.cli.progress import Bar
from effscale.cli.types import Parsed, Range
from effscale.data import data

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from effscale.choices import Runtime
    from effscale.cli.options import F, Request
    from effscale.comparing.side_by_side import Entry
    from effscale.module.any_module import Counted
    from effscale.module.latency import Latency, Setting, Subject
    from effscale.module.weights import Original
    from effscale.report.document import Report
    from effscale.spec.models import Spec

SECONDS = 2.0
#: Settings in a table at most: each takes its seconds.
MAX_SETTINGS = 64
#: A spread above this share of the median is said to be one.
WIDE = 0.15


def whole_numbers(limit: int) -> Callable[[str], list[int]]:
    """A parser of `8`, or `1,8,64`: whole numbers from 1 to `limit`, each once."""

    def parse(text: str) -> list[int]:
        found = [each.strip() for each in text.split(",")]
        if not all(each.isascii() and each.isdecimal() for each in found):
            raise ValueError("whole numbers such as 8 or 1,8,64")
        numbers = [int(each) for each in found if len(each) <= len(str(limit))]
        if len(numbers) < len(found) or not all(1 <= n <= limit for n in numbers):
            raise ValueError(f"whole numbers from 1 to {limit}")
        return list(dict.fromkeys(numbers))

    return parse


def dtypes(known: Mapping[str, int]) -> Callable[[str], list[str]]:
    """A parser of `bfloat16`, or several with commas."""

    def parse(text: str) -> list[str]:
        found = [each.strip() for each in text.split(",")]
        if not set(found) <= set(known):
            raise ValueError(f"{', '.join(known)}, or several with commas")
        return list(dict.fromkeys(found))

    return parse


def device(text: str) -> str:
    """`cuda:1`: a kind of device, and its number."""
    if not re.fullmatch(DEVICE_PATTERN, text):
        raise ValueError(DEVICES)
    return text


DEVICE = Parsed("cpu|cuda[:N]|mps|xpu[:N]", device)


@data
class Way:
    """What runs a network, where, and how."""

    device: str | None
    channels_last: bool
    compiled: bool
    cuda_graph: bool
    runtime: Runtime | None

    def options(self) -> dict[str, object]:
        """Each by its option."""
        return {
            "--device": self.device,
            "--channels-last": self.channels_last,
            "--compile": self.compiled,
            "--cuda-graph": self.cuda_graph,
            "--runtime": self.runtime,
        }

    def words(self) -> dict[str, Any]:
        """Each by the name that a setting has for it.

        Raises:
            click.UsageError: for a CUDA graph of another device, or what another
                runtime than torch has not.
        """
        device, runtime = self.device or "cpu", self.runtime or "torch"
        if self.cuda_graph and not is_cuda(device):
            raise click.UsageError("--cuda-graph is for --device cuda")
        ways = dict(islice(self.options().items(), 1, 4))
        if runtime != "torch" and (name := of_torch(device, ways)):
            named = f"--device {device}" if name == "device" else name
            raise click.UsageError(f"{named} is of torch, not for --runtime {runtime}")
        return {**asdict(self), "device": device, "runtime": runtime}


_timing = (
    click.option(
        "--latency",
        is_flag=True,
        help="Measure the time of a run on this machine: median and interquartile "
        "range.",
    ),
    click.option(
        "--threads",
        type=Parsed("N[,N…]", whole_numbers(MAX_THREADS)),
        help="With --latency: threads of the CPU; several with commas.  [default: as "
        "many as torch takes]",
    ),
    click.option(
        "--device",
        type=DEVICE,
        help="With --latency: device to run on.  [default: cpu]",
    ),
    click.option(
        "--channels-last",
        is_flag=True,
        help="With --latency: store feature maps with channels last (NHWC).",
    ),
    click.option(
        "--compile",
        "compiled",
        is_flag=True,
        help="With --latency: run by torch.compile, which compiles for a while first.",
    ),
    click.option(
        "--cuda-graph",
        is_flag=True,
        help="With --latency: capture the run as a CUDA graph and replay it.",
    ),
    click.option(
        "--runtime",
        type=click.Choice(RUNTIMES),
        help="With --latency: what runs it; onnxruntime runs what torch exports "
        "(needs effscale[onnx]).  [default: torch]",
    ),
    click.option(
        "--seconds",
        type=Range(0.01, 3600),
        metavar="S",
        help="With --latency: least time to run each network, and its parts as "
        f"long again.  [default: {SECONDS:g}]",
    ),
)


def timing_options(*, memory: bool = False) -> Callable[[F], F]:
    """How networks are run; what they are stored as, too, where there is `memory`."""
    known = STORED_BYTES if memory else ELEMENT_BYTES
    names = ", ".join(ELEMENT_BYTES) + (", and int8 of memory" if memory else "")
    return every(
        click.option(
            "--batch",
            type=Parsed("N[,N…]", whole_numbers(MAX_BATCH)),
            default="1",
            help="Batch size; several with commas.",
        ),
        click.option(
            "--dtype",
            type=Parsed("NAME[,NAME…]", dtypes(known)),
            default="float32",
            help=f"Type of weights and feature maps: {names}; several with commas.",
        ),
        *_timing,
        title="Latency",
    )


@data
class Timed:
    """What to time: every batch with every number of threads and every dtype."""

    batch: list[int]
    threads: list[int] | None  #: None: as many as torch takes
    dtype: list[str]
    way: Mapping[str, Any]  #: what is common to all, by the words of a setting
    seconds: float

    @property
    def device(self) -> str:
        """What all run on."""
        return str(self.way["device"])

    def settings(self) -> list[Setting]:
        """Every combination; batches vary first."""
        from effscale.module.latency import Setting, all_threads

        return [
            Setting(batch, threads, dtype, **self.way)
            for dtype in self.dtype
            for threads in self.threads or [all_threads()]
            for batch in self.batch
        ]


def timed(  # noqa: PLR0913 - options
    *,
    latency: bool,
    batch: list[int],
    dtype: list[str],
    threads: list[int] | None,
    way: Way,
    seconds: float | None,
    alone: bool = False,
) -> Timed | None:
    """What the options ask to time; None if nothing.

    `--batch` and `--dtype` may be for something else, too, unless `alone`.

    Raises:
        click.UsageError: if they ask for a way to time without --latency, or for one
            that there is not.
    """
    if latency:
        words = way.words()
        for name in dtype:
            if name not in ELEMENT_BYTES:
                raise click.UsageError(f"--latency: nothing is run in {name} here")
        combinations = len(batch) * len(dtype) * len(threads or [0])
        if combinations > MAX_SETTINGS:
            raise click.UsageError(
                f"--batch, --threads and --dtype: expected at most {MAX_SETTINGS} "
                f"combinations, got {combinations}"
            )
        return Timed(batch, threads, dtype, words, seconds or SECONDS)
    given = {
        "--threads": threads,
        **way.options(),
        "--seconds": seconds,
        "--batch": alone and batch != [1],
        "--dtype": alone and dtype != ["float32"],
    }
    refuse(given, "is for --latency, which was not asked for")
    return None


timed_alone = partial(timed, alone=True)


def by_part(
    answer: Report,
    spec: Spec,
    timed: Timed,
    request: Request,
    weights: Path | Original | None,
) -> Report:
    """The answer of `profile`, with how long the network and its parts take."""
    from effscale.module.latency import spec_subjects

    subjects = partial(spec_subjects, [spec], parts=True, weights=weights)
    found = _latencies(subjects, timed, request)
    parts = {row["part"]: row["macs"] for row in answer.data["parts"]}
    return _with_parts(answer, found, parts, timed, request)


def beside_predicted(answer: Report, spec: Spec, timed: Timed) -> Report:
    """The answer with what a calibration predicts of each part, beside what was timed.

    Raises:
        MeasureError: if the device is not calibrated for the way it was timed.
    """
    from effscale.cost.latency_model import Device, load
    from effscale.report.latency import predicted

    settings = timed.settings()
    devices = [Device(**asdict(each)) for each in settings]
    return predicted(answer, [load(each) for each in devices], spec)


def of_module(
    answer: Report, counted: Counted, timed: Timed, request: Request
) -> Report:
    """The answer of `profile` for a module of other code, with how long it takes."""
    from effscale.module.latency import module_subject

    rows = answer.data["modules"]
    parts = {row["module"]: row["macs"] for row in rows if "." not in row["module"]}
    parts.pop("whole", None)
    subject = module_subject(counted, [*parts])
    found = _latencies(lambda _settings: [subject], timed, request)
    return _with_parts(answer, found, parts, timed, request)


def _with_parts(
    answer: Report,
    found: Sequence[Sequence[Latency]],
    parts: Mapping[str, int],
    timed: Timed,
    request: Request,
) -> Report:
    from effscale.module.latency import machine
    from effscale.report.latency import by_part

    each = [group[0] for group in found]
    return by_part(answer, each, parts, machine(timed.device), units=request.units)


def beside(
    answer: Report,
    compared: Sequence[Entry],
    to: str | None,
    timed: Timed,
    request: Request,
) -> Report:
    """The answer of `compare`, with how long each network takes."""
    from effscale.comparing.side_by_side import rivals
    from effscale.module.latency import machine, spec_subjects
    from effscale.report import latency

    specs = [each.spec for each in compared]
    found = _latencies(partial(spec_subjects, specs), timed, request)
    others = [
        None if rival is None else [*compared].index(rival)
        for rival in rivals(compared, to)
    ]
    name = machine(timed.device)
    return latency.beside(answer, found, others, name, units=request.units)


def _latencies(
    subjects: Callable[[Sequence[Setting]], Sequence[Subject]],
    timed: Timed,
    request: Request,
) -> list[list[Latency]]:
    """For each setting, the latency of each subject; a bar while it lasts."""
    with Bar(1, quiet=request.quiet, still=True) as bar:
        from effscale.module import latency

        settings = timed.settings()
        ready = subjects(settings)
        step = 1 / (latency.ROUNDS * len(settings) * len(ready))
        found = [
            latency.latencies(
                ready,
                setting,
                seconds=timed.seconds,
                progress=lambda what, done: bar.advance(step * done, what),
            )
            for setting in settings
        ]
    if not request.quiet:
        _note_spread(found)
    return found


def _note_spread(found: Sequence[Sequence[Latency]]) -> None:
    """Say on stderr if times differ so much that the machine must be busy."""
    spreads = [each.whole.spread for group in found for each in group]
    if max(spreads) > WIDE:
        note(
            f"times differ by up to {100 * max(spreads):.0f} % of their median: this "
            "machine does other work as well"
        )
