"""Completion, in the shells that there are, as at a prompt."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.spec.small import TEXT as SMALL

CASES = {
    "profile b0@b": {"b0@b1", "b0@b7"},
    "profile my.yaml@": {"my.yaml@large"},
    "scale --strategy depth,w": {"depth,width"},
    "scale --strategy=w": {"width"},
    "check --select EFF201,EFF30": {"EFF201,EFF301", "EFF201,EFF302"},
    "compare b0 b": {"b1", "bin"},
}
PATIENCE = 40  #: seconds


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a spec of one variant, and the program on the path."""
    monkeypatch.chdir(tmp_path)
    variants = "variants:\n  large: {resolution: 64}\n"
    Path("my.yaml").write_text(SMALL + variants, "utf-8")
    program = tmp_path / "bin" / "effscale"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m effscale "$@"\n', "utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    return tmp_path


#: Calls the function as bash does, with the part that it will replace.
BASH = r"""
eval "$(_EFFSCALE_COMPLETE=bash_source effscale)"
compopt() { local IFS=" "; asked="$*"; }
while IFS= read -r line; do
    COMP_LINE="effscale $line" COMP_POINT=$((${#line} + 9)) asked=""
    current="${line##*[[:space:]=:]}"
    [[ $current == *@* ]] && current="@${current##*@}"
    _effscale_completion effscale "$current"
    echo "$line|${line%"$current"}|${COMPREPLY[*]}|$asked"
done
"""


@pytest.mark.slow
def test_bash_is_offered_what_fits(here: Path) -> None:
    assert here
    bash = shutil.which("bash")
    assert bash
    done = subprocess.run(
        [bash, "--norc", "-c", BASH],
        input="".join(f"{line}\n" for line in CASES),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    answers = {}
    for row in done.stdout.splitlines():
        line, before, offered, asked = row.split("|")
        word = before.rpartition(" ")[2].rpartition("=")[2]
        answers[line] = {f"{word}{each}" for each in offered.split()}
        assert asked in {"", "-o default", "-o filenames"}
    for line, expected in CASES.items():
        assert expected <= answers[line], line


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_prompt_completes(shell: str, here: Path) -> None:
    """A real shell on a terminal: one name is filled in, and so is a variant."""
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    assert here
    quiet = {"bash": ["--norc", "-i"], "zsh": ["-f", "-i"], "fish": ["-N", "-i"]}
    start = {
        "bash": 'eval "$(_EFFSCALE_COMPLETE=bash_source effscale)"',
        "zsh": "autoload -Uz compinit && compinit -u; "
        'eval "$(_EFFSCALE_COMPLETE=zsh_source effscale)"',
        "fish": "_EFFSCALE_COMPLETE=fish_source effscale | source",
    }
    typed(
        [shell, *quiet[shell]],
        [
            (f"{start[shell]}; echo REA''DY\n", "READY"),
            ("effscale profile darknet5\t", "darknet53"),
            ("\x15effscale profile my.yaml@l\t", "my.yaml@large"),
        ],
    )


def typed(command: list[str], keys: list[tuple[str, str]]) -> None:
    """Type at a terminal, each time until it shows what is expected."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(TERM="dumb", PS1="> ")
        os.execvp(command[0], command)  # noqa: S606
    try:
        for text, expected in keys:
            os.write(terminal, text.encode())
            seen, until = "", time.monotonic() + PATIENCE
            while expected not in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen):
                assert time.monotonic() < until, (text, seen)
                if select.select([terminal], [], [], 0.1)[0]:
                    seen += os.read(terminal, 2**14).decode(errors="replace")
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(terminal)
