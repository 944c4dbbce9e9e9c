"""The function that an engine runs: it starts a guard, and watches it until it answers.

A file of its own, since engines send its module by value to nodes without effscale; it
keeps to the standard library.
"""

from __future__ import annotations

import json
import math
import os
import selectors
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

#: By what an outcome is of its training and attempt; epochs where they are set.
KNOWN = ("candidate", "seed", "epochs", "attempt")
#: What became of a training that was not started any more.
LATE = "late"
#: Seconds between two looks at whether the training is still wanted.
LOOK = 0.2
#: Reads the job, which brings the guard's own text; a list of processes shows no more.
#: It becomes nobody's child: Ray kills those of a worker, and would leave the command.
START = (
    "import json, os; job = json.loads(input()); os.fork() and os._exit(0); "
    "guard = {}; exec(job.pop('guard'), guard); guard['main'](job)"
)


def run(
    job: dict[str, Any], wanted: Callable[[], bool] = lambda: True
) -> dict[str, Any] | None:
    """The outcome of the training; None once it was ended as not `wanted`.

    Nor is it started once it is later than the job says. Never raises for what the
    training does.
    """
    known = {key: job[key] for key in KNOWN if key in job}
    if time.time() > (job.get("start_before") or math.inf):
        return {**known, "status": LATE}
    with subprocess.Popen(  # noqa: S603 - this very Python
        [sys.executable, "-I", "-S", "-c", START],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as guard:
        assert guard.stdin is not None  # noqa: S101 - mypy
        assert guard.stdout is not None  # noqa: S101
        with suppress(BrokenPipeError):
            guard.stdin.write(json.dumps(job).encode() + b"\n")
            guard.stdin.flush()
        said, handle = b"", guard.stdout.fileno()
        with selectors.DefaultSelector() as ready:
            ready.register(handle, selectors.EVENT_READ)
            while True:
                if ready.select(LOOK):
                    if not (piece := os.read(handle, 2**16)):
                        break
                    said += piece
                elif not wanted() and not guard.stdin.closed:
                    guard.stdin.close()
        unwanted = guard.stdin.closed
    lines = said.decode("utf-8", "replace").splitlines()
    if lines and lines[-1].startswith("{"):
        found: dict[str, Any] = json.loads(lines[-1])
        return found
    if unwanted:
        return None
    if lines and lines[0].isdecimal():  # the guard was killed, the command was not
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(int(lines[0]), signal.SIGKILL)
    last = f": {lines[-1]}" if len(lines) > 1 else ""
    reason = f"its guard was ended{last}"
    return {**known, "status": "failed", "reason": reason}
