"""Tests that the program runs without POSIX, and in terminals without our signs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

import effscale
from effscale.cli import COMMANDS, main

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


#: Answers and a fault with φ, ×, √, →, ◆, bars and lines of tables.
SHOWN = (
    "scale tinynet-e --phi 1 --measure none",
    "scale tinynet-e --sweep resolution=100..104",
    "compare tinynet-e tinynet-d --parts",
    "grid tinynet-e --phi x",
)


@pytest.mark.parametrize("page", ["cp1252", "cp437"])
def test_any_code_page_shows_answers_and_help(page: str) -> None:
    helps = (f"{name} --help" for name in COMMANDS)
    for command in (*SHOWN, *helps):
        done = CliRunner(charset=page).invoke(main, shlex.split(command))
        assert done.exit_code == 2 * command.endswith(" x"), (command, done.output)
        done.output_bytes.decode(page)
