"""Who runs a study: one process at a time, which leaves word of how."""

from __future__ import annotations

import json
import os
import socket
import time
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

from effscale.errors import StudyError

if TYPE_CHECKING:
    from pathlib import Path

#: Seconds before a lock that is held is taken for another run's.
PATIENCE = 0.3


def hold(file: IO[str], path: Path, how: dict[str, Any]) -> None:
    """Hold the open lock at `path` for as long as it is open, and say so in it.

    The system lets go of it when the process ends, however that may be.

    Raises:
        StudyError: if another process holds it.
    """
    taken = _taken(file)
    if not taken:
        time.sleep(PATIENCE)  # someone may but look at the study
        taken = _taken(file)
    if not taken:
        found = last(path)
        who = f"process {found['pid']} on {found['host']}" if found else "a process"
        raise StudyError(f"{path.parent}: {who} is running this study")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    mine = {"pid": os.getpid(), "host": socket.gethostname(), "since": now}
    file.seek(0)
    file.truncate()
    file.write(json.dumps({**mine, **how}) + "\n")
    file.flush()


def last(path: Path) -> dict[str, Any]:
    """What the last process that held the lock has said; nothing if none did."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and {"pid", "host"} <= set(found) else {}


def is_held(path: Path) -> bool:
    """Whether a process holds the lock."""
    try:
        with path.open(encoding="utf-8") as file:
            return not _taken(file)
    except OSError:
        return False


def _taken(file: IO[str]) -> bool:
    try:
        import fcntl
    except ImportError:  # pragma: no cover - Windows
        raise StudyError("study: needs a POSIX system: Linux, macOS, WSL") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
