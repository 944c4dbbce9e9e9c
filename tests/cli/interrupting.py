"""A program that is interrupted as by Ctrl-C."""

from __future__ import annotations

import signal
import subprocess


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
