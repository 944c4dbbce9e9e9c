"""Long work: a bar while it lasts, and an end between two of its steps."""

from __future__ import annotations

import signal
import sys
import time
from typing import TYPE_CHECKING, Self

from effscale.extras import RICH
from effscale.markup import plain

if TYPE_CHECKING:
    from types import FrameType

    from rich.progress import Progress

PATIENCE = 1.0  #: seconds that one waits without asking
#: What a shell says of a program that was terminated.
TERMINATED = 128 + signal.SIGTERM


class Bar:
    """Work of a total that may grow; `advance` it, and stop it with the `with` block.

    A bar that is `still` moves when it is advanced alone: nothing runs beside the work,
    whose time is being measured.
    """

    def __init__(self, total: float, *, quiet: bool, still: bool = False) -> None:
        self.total, self._quiet, self._done = total, quiet, 0.0
        self._still = still
        self._start = time.monotonic()
        self._shown: Progress | None = None

    def advance(self, amount: float, what: str) -> None:
        """So much more is done; `what` is being done now."""
        self._done += amount
        if self._shown is None and self._wanted():
            self._shown = _progress(still=self._still)
            self._shown.start()
            self._shown.add_task(what, total=self.total)
        if self._shown is not None:
            task = self._shown.task_ids[0]
            self._shown.update(
                task,
                description=what,
                completed=self._done,
                total=self.total,
                refresh=self._still,
            )

    def say(self, line: str) -> None:
        """Print a line that stays, above the bar where there is one."""
        line = plain(line)
        if self._shown is not None:
            self._shown.console.print(line, highlight=False, markup=False)
        elif not self._quiet:
            print(line, file=sys.stderr, flush=True)  # noqa: T201 - as it is said

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._shown is not None:
            self._shown.stop()

    def _wanted(self) -> bool:
        late = time.monotonic() - self._start > PATIENCE
        return RICH and late and not self._quiet and sys.stderr.isatty()


def _progress(*, still: bool) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    look = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    console = Console(stderr=True)
    return Progress(*look, console=console, transient=True, auto_refresh=not still)


class Stopping:
    """Signals to stop, to be asked for between two steps; a second Ctrl-C ends all."""

    def __init__(self) -> None:
        self._heard: int | None = None
        self._before = {
            number: signal.getsignal(number)
            for number in (signal.SIGINT, signal.SIGTERM)
        }

    def __enter__(self) -> Self:
        for number in self._before:
            signal.signal(number, self._hear)
        return self

    def __exit__(self, *_error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __bool__(self) -> bool:
        return self._heard is not None

    def leave(self) -> None:
        """End the program as whoever sent the signal expects it to end."""
        if self._heard == signal.SIGTERM:
            sys.exit(TERMINATED)
        raise KeyboardInterrupt

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        if self._heard is not None:
            raise KeyboardInterrupt
        self._heard = number
