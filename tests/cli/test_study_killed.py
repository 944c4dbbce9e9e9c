"""A study that is killed, again and again, ends as one that never was."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.study.small import STAND_IN, running

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

KILLS = 20
PROGRAM = [sys.executable, "-m", "effscale", "grid", "--top", "24", "--seeds", "2"]


def program(folder: Path, seconds: float) -> list[str]:
    """The command line of a study whose trainings take so long."""
    command = f"sh {STAND_IN} {{spec}} {{out}} {{seed}} {seconds}"
    study = ["--evaluate", command, "--study", str(folder)]
    return [*PROGRAM, *study, "--on", "local:jobs=2", "--format", "json"]


def lines(folder: Path) -> list[bytes]:
    """The outcomes that are whole."""
    path = folder / "outcomes.jsonl"
    text = path.read_bytes() if path.exists() else b""
    return text[: text.rfind(b"\n") + 1].splitlines()


def accuracies(folder: Path) -> dict[tuple[str, int], float]:
    """The accuracy of each training; a training that counts twice is an error."""
    found = [json.loads(line) for line in lines(folder)]
    table = {(each["candidate"], each["seed"]): each["accuracy"] for each in found}
    assert len(table) == len(found)
    return table


def test_twenty_kills_at_random_moments_lose_and_double_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    draw = random.Random(20)  # noqa: S311 - no secret
    kept: list[bytes] = []
    for _ in range(KILLS):
        with subprocess.Popen(program(folder, 0.15), stdout=subprocess.DEVNULL) as run:
            time.sleep(draw.uniform(0.1, 1.1))
            run.kill()
        assert run.returncode == -9  # in the middle, then
        end = time.monotonic() + 5
        while list(running(str(folder))):
            assert time.monotonic() < end  # no training is left behind
            time.sleep(0.02)
        now = lines(folder)
        assert now[: len(kept)] == kept  # nothing that was finished is lost
        kept = now
    done = subprocess.run(program(folder, 0.15), check=True, capture_output=True)
    whole = tmp_path / "whole"
    never = subprocess.run(program(whole, 0), check=True, capture_output=True)
    assert len(accuracies(folder)) == 24 * 2
    assert accuracies(folder) == accuracies(whole)
    ranked, expected = (
        [(row["name"], row["reward"]) for row in json.loads(each.stdout)["candidates"]]
        for each in (done, never)
    )
    assert ranked == expected
    starts = [path.read_text("utf-8") for path in folder.glob("runs/*/*/starts")]
    again = sum(map(len, map(str.splitlines, starts))) - 24 * 2
    assert again <= 2 * KILLS  # at most what was running is trained anew
