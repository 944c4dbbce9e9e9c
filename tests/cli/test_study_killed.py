"""A study that is killed, again and again, ends as one that never was."""

from __future__ import annotations

import json
import random
import time
from typing import TYPE_CHECKING

import pytest

from tests.forked import started
from tests.study.small import STAND_IN, running

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Run

pytestmark = pytest.mark.slow

#: Of 18 candidates with two seeds, of which six go on.
TRAININGS = (18 + 6) * 2


def words(folder: Path, seconds: float, jobs: int = 2) -> list[str]:
    """The command of a study whose trainings take so long, so many at once."""
    command = f"sh {STAND_IN} {{spec}} {{out}} {{epochs}}{{seed}} {seconds}"
    study = ["--evaluate", command, "--study", str(folder), "--rungs", "2,4"]
    study += ["--on", f"local:jobs={jobs}", "--format", "json"]
    return ["grid", "--top", "18", "--seeds", "2", *study]


def lines(folder: Path) -> list[bytes]:
    """The outcomes that are whole."""
    path = folder / "outcomes.jsonl"
    text = path.read_bytes() if path.exists() else b""
    return text[: text.rfind(b"\n") + 1].splitlines()


def accuracies(folder: Path) -> dict[tuple[str, int, int], float]:
    """The accuracy of each training; a training that counts twice is an error."""
    found = [json.loads(line) for line in lines(folder)]
    table = {
        (each["candidate"], each["seed"], each["epochs"]): each["accuracy"]
        for each in found
    }
    assert len(table) == len(found)
    return table


@pytest.mark.parametrize("kills", [7, pytest.param(20, marks=pytest.mark.long)])
def test_kills_at_random_moments_lose_and_double_nothing(
    run: Run, tmp_path: Path, kills: int
) -> None:
    folder = tmp_path / "killed"
    draw = random.Random(20)  # noqa: S311 - no secret
    kept: list[bytes] = []
    for _ in range(kills):
        program = started(words(folder, 0.15))
        time.sleep(draw.uniform(0, 0.4))
        program.kill()
        program.join()
        assert program.exitcode == -9  # in the middle, then
        end = time.monotonic() + 5
        while list(running(str(folder))):
            assert time.monotonic() < end  # no training is left behind
            time.sleep(0.02)
        now = lines(folder)
        assert now[: len(kept)] == kept  # nothing that was finished is lost
        kept = now
    whole = tmp_path / "whole"
    done, never = run(*words(folder, 0.15, 8)), run(*words(whole, 0))
    assert (done.exit_code, never.exit_code) == (0, 0)
    assert len(accuracies(folder)) == TRAININGS
    assert accuracies(folder) == accuracies(whole)
    ranked, expected = (
        [(row["name"], row["score"]) for row in json.loads(each.stdout)["candidates"]]
        for each in (done, never)
    )
    assert ranked == expected
    starts = [path.read_text("utf-8") for path in folder.glob("runs/*/*/starts")]
    again = sum(map(len, map(str.splitlines, starts))) - TRAININGS
    assert again <= 2 * kills  # at most what was running is trained anew
