"""Tests that the program runs without POSIX, which studies alone may ask for."""

from __future__ import annotations

import re
from pathlib import Path

import effscale

HERE = Path(effscale.__file__).parent
#: What Windows has not; `signal.SIGKILL` and the like fail when they are looked up.
POSIX = re.compile(
    r"\bos\.(fork|killpg|waitpid|getuid|geteuid|setsid|nice|sched_\w+|mkfifo)\b"
    r"|\bsignal\.(SIGKILL|SIGHUP|SIGALRM|SIGUSR\d|alarm|pause|pthread_\w+)\b"
    r"|\bimport (fcntl|resource|termios|pwd|grp|pty)\b"
)


def test_what_only_posix_has_is_asked_for_by_studies_alone() -> None:
    found = [
        f"{path.relative_to(HERE).as_posix()}: {match[0]}"
        for path in HERE.rglob("*.py")
        for match in POSIX.finditer(path.read_text("utf-8"))
        if path.parent.name != "study"
    ]
    assert found == []
