"""A program that is interrupted as by Ctrl-C."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path


def interrupted(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Interrupt a program; what it has printed, and what it said.

    Again where it goes on: an interrupt that falls into torch's imports may be lost.
    """
    for _ in range(12):
        process.send_signal(signal.SIGINT)
        try:
            return process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            continue
    process.kill()
    return process.communicate()


def wait_for_torch(pid: int) -> None:
    """Until a program is at work, however long its imports take; at most a minute."""
    maps, until = Path(f"/proc/{pid}/maps"), time.monotonic() + 60
    if not maps.exists():
        time.sleep(3)
        return
    while "libtorch" not in maps.read_text() and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(1)
