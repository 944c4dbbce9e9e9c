"""Ctrl-C and termination, heard between two steps of a work and not within one."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import FrameType

#: What a shell says of a program that was terminated.
TERMINATED = 128 + signal.SIGTERM


class Stopping:
    """Asked to stop or not; a second Ctrl-C does not wait to be asked."""

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
