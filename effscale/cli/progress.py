"""A bar on the terminal, for work that takes longer than one waits without asking."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress

PATIENCE = 1.0  #: seconds


class Bar:
    """Work of a known total; `advance` it, and stop it with the `with` block.

    A bar that is `still` moves when it is advanced alone: nothing runs beside the work,
    whose time is being measured.
    """

    def __init__(self, total: float, *, quiet: bool, still: bool = False) -> None:
        self._total, self._quiet, self._done = total, quiet, 0.0
        self._still = still
        self._start = time.monotonic()
        self._shown: Progress | None = None

    def advance(self, amount: float, what: str) -> None:
        """So much more is done; `what` is being done now."""
        self._done += amount
        if self._shown is None and self._wanted():
            self._shown = _progress(still=self._still)
            self._shown.start()
            self._shown.add_task(what, total=self._total)
        if self._shown is not None:
            task = self._shown.task_ids[0]
            self._shown.update(
                task, description=what, completed=self._done, refresh=self._still
            )

    def say(self, line: str) -> None:
        """Print a line that stays, above the bar where there is one."""
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
        return late and not self._quiet and sys.stderr.isatty()


def _progress(*, still: bool) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    look = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    console = Console(stderr=True)
    return Progress(*look, console=console, transient=True, auto_refresh=not still)
