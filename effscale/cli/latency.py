"""What commands do about latency: progress on the way, a note where times differ."""

from __future__ import annotations

from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from effscale.cli.types import Parsed, Range

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from effscale.compare.side_by_side import Entry
    from effscale.module.any_module import Counted
    from effscale.module.latency import Latency, Setting, Subject
    from effscale.report.document import Report, Units
    from effscale.spec.models import Spec


# --------------------------------------------------------------------------------------
# `--latency` and what belongs to it: options to settings to measured times.

# --------------------------------------------------------------------------------------
# What a network is run on and as: options of commands that measure or size a run.

#: What weights and feature maps may be stored as.
DTYPES = ("float32", "bfloat16", "float16")
MAX_BATCH, MAX_THREADS = 2**16, 1024


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


def dtypes(text: str) -> list[str]:
    """`bfloat16`, or several with commas."""
    found = [each.strip() for each in text.split(",")]
    if not set(found) <= set(DTYPES):
        raise ValueError(f"{', '.join(DTYPES)}, or several with commas")
    return list(dict.fromkeys(found))


BATCHES = Parsed("N[,N…]", whole_numbers(MAX_BATCH))
THREADS = Parsed("N[,N…]", whole_numbers(MAX_THREADS))
DTYPE = Parsed("NAME[,NAME…]", dtypes)


def batch_and_dtype(function: F) -> F:
    """`--batch` and `--dtype`, of which each may be several."""
    batch = click.option(
        "--batch",
        type=BATCHES,
        default="1",
        show_default=True,
        help="Images that go through at once; several with commas.",
    )
    dtype = click.option(
        "--dtype",
        type=DTYPE,
        default="float32",
        show_default=True,
        help="What weights and feature maps are stored as: float32, bfloat16, float16; "
        "several with commas.",
    )
    return batch(dtype(function))


# --------------------------------------------------------------------------------------

F = TypeVar("F", bound="Callable[..., Any]")

SECONDS = 2.0
#: Settings in a table at most: each takes its seconds.
MAX_SETTINGS = 64


@dataclass(frozen=True)
class Timed:
    """What to time: every batch with every number of threads and every dtype."""

    batch: list[int]
    threads: list[int] | None  #: None: as many as torch takes
    dtype: list[str]
    device: str
    channels_last: bool
    compiled: bool
    seconds: float

    def settings(self) -> list[Setting]:
        """Every combination; batches vary first."""
        from effscale.module.latency import Setting, all_threads

        return [
            Setting(
                batch, threads, dtype, self.device, self.channels_last, self.compiled
            )
            for dtype in self.dtype
            for threads in self.threads or [all_threads()]
            for batch in self.batch
        ]


def timing_options(*, alone: bool = False) -> Callable[[F], F]:
    """`--latency` and its options, handed on as `timed`: None where none is asked.

    `--batch` and `--dtype` are handed on as well, unless they are for latency `alone`.
    """

    def decorate(function: F) -> F:
        @wraps(function)
        def gathered(**options: Any) -> Any:  # noqa: ANN401 - click's
            chosen = {name: options.pop(name) for name in _NAMES}
            both = {name: options[name] for name in _SHARED}
            if alone:
                del options["batch"], options["dtype"]
            timed = _timed(alone=alone, **chosen, **both)
            return function(**options, timed=timed)

        decorated: Any = gathered
        for option in _OPTIONS:
            decorated = option(decorated)
        return batch_and_dtype(decorated)  # type: ignore[no-any-return]

    return decorate


_NAMES = ("latency", "threads", "device", "channels_last", "compiled", "seconds")
_SHARED = {"batch": [1], "dtype": ["float32"]}
_OPTIONS = (
    click.option(
        "--seconds",
        type=Range(0.01, 3600),
        metavar="S",
        help="With --latency: time each network for so long at least, its parts as "
        f"long again.  [default: {SECONDS:g}]",
    ),
    click.option(
        "--compile",
        "compiled",
        is_flag=True,
        help="With --latency: by torch.compile, which takes a while first.",
    ),
    click.option(
        "--channels-last",
        is_flag=True,
        help="With --latency: feature maps stored channel by channel last.",
    ),
    click.option(
        "--device",
        type=click.Choice(["cpu", "cuda"]),
        help="With --latency: what to run on.  [default: cpu]",
    ),
    click.option(
        "--threads",
        type=THREADS,
        help="With --latency: threads of the CPU; several with commas.  [default: as "
        "many as torch takes]",
    ),
    click.option(
        "--latency",
        is_flag=True,
        help="Measure how long it takes on this machine, with its spread.",
    ),
)


def _timed(  # noqa: PLR0913 - options
    *,
    alone: bool,
    latency: bool,
    batch: list[int],
    dtype: list[str],
    threads: list[int] | None,
    device: str | None,
    channels_last: bool,
    compiled: bool,
    seconds: float | None,
) -> Timed | None:
    """What the options ask for.

    Raises:
        click.UsageError: if they ask for a way to time without --latency.
    """
    if latency:
        combinations = len(batch) * len(dtype) * len(threads or [0])
        if combinations > MAX_SETTINGS:
            raise click.UsageError(
                f"--batch, --threads and --dtype: expected at most {MAX_SETTINGS} "
                f"combinations, got {combinations}"
            )
        return Timed(
            batch, threads, dtype, device or "cpu", channels_last, compiled,
            SECONDS if seconds is None else seconds,
        )  # fmt: skip
    given = {
        "--threads": threads,
        "--device": device,
        "--channels-last": channels_last,
        "--compile": compiled,
        "--seconds": seconds is not None,
        "--batch": alone and batch != _SHARED["batch"],
        "--dtype": alone and dtype != _SHARED["dtype"],
    }
    named = [option for option, value in given.items() if value]
    if named:
        raise click.UsageError(f"{named[0]} is for --latency, which was not asked for")
    return None


# --------------------------------------------------------------------------------------

#: A spread above this share of the median is said to be one.
WIDE = 0.15


def by_part(
    answer: Report, spec: Spec, timed: Timed, units: Units, *, quiet: bool
) -> Report:
    """The answer of `profile`, with how long the network and its parts take."""
    from effscale.report import latency

    found = _of_specs([spec], timed, parts=True, quiet=quiet)
    each = [group[0] for group in found]
    parts = {row["part"]: row["macs"] for row in answer.data["parts"]}
    return latency.by_part(answer, each, parts, _machine(timed), units=units)


def of_module(
    answer: Report, counted: Counted, timed: Timed, units: Units, *, quiet: bool
) -> Report:
    """The answer of `profile` for a module of other code, with how long it takes."""
    from effscale.report import latency

    rows = answer.data["modules"]
    parts = {row["module"]: row["macs"] for row in rows if "." not in row["module"]}
    parts.pop("whole", None)

    def subjects(_settings: Sequence[Setting]) -> list[Subject]:
        from effscale.module.latency import module_subject

        return [module_subject(counted, [*parts])]

    found = [group[0] for group in _latencies(subjects, timed, quiet=quiet)]
    return latency.by_part(answer, found, parts, _machine(timed), units=units)


def beside(  # noqa: PLR0913 - options
    answer: Report,
    compared: Sequence[Entry],
    to: str | None,
    timed: Timed,
    units: Units,
    *,
    quiet: bool,
) -> Report:
    """The answer of `compare`, with how long each network takes."""
    from effscale.compare.side_by_side import rivals
    from effscale.report import latency

    found = _of_specs([each.spec for each in compared], timed, quiet=quiet)
    others = [
        None if rival is None else [*compared].index(rival)
        for rival in rivals(compared, to)
    ]
    return latency.beside(answer, found, others, _machine(timed), units=units)


def _machine(timed: Timed) -> str:
    from effscale.module.latency import machine

    return machine(timed.device)


def _of_specs(
    specs: Sequence[Spec], timed: Timed, *, parts: bool = False, quiet: bool
) -> list[list[Latency]]:
    """For each setting, the latency of each spec's network."""

    def subjects(settings: Sequence[Setting]) -> list[Subject]:
        from effscale.module.latency import spec_subjects

        return spec_subjects(specs, settings, parts=parts)

    return _latencies(subjects, timed, quiet=quiet)


def _latencies(
    subjects: Callable[[Sequence[Setting]], Sequence[Subject]],
    timed: Timed,
    *,
    quiet: bool,
) -> list[list[Latency]]:
    """For each setting, the latency of each subject; a bar while it lasts."""
    from effscale.cli.progress import Bar

    with Bar(1, quiet=quiet, still=True) as bar:
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
    if not quiet:
        _note_spread(found)
    return found


def _note_spread(found: Sequence[Sequence[Latency]]) -> None:
    """Say on stderr if times differ so much that the machine must be busy."""
    spreads = [each.whole.spread for group in found for each in group]
    if max(spreads) > WIDE:
        click.echo(
            f"times differ by up to {100 * max(spreads):.0f} % of their median: this "
            "machine does other work as well",
            err=True,
        )
