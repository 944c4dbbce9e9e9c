"""`--latency` and what belongs to it: options to settings to measured times."""

from __future__ import annotations

from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from effscale.cli.running import THREADS, batch_and_dtype
from effscale.cli.types import Range

if TYPE_CHECKING:
    from collections.abc import Callable

    from effscale.module.running import Setting

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
        from effscale.module.running import Setting, all_threads

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
