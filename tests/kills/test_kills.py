"""A short run of the kills, whose long one is `make kills`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kills.attack import SIGNALS, attacked
from tests.kills.cases import CASES, prepare

if TYPE_CHECKING:
    from pathlib import Path

#: A text that a command writes, and a file that is mended in its place.
WAYS = ("schema schema.json", "check --fix spec.yaml")


@pytest.mark.slow
@pytest.mark.parametrize("name", WAYS)
def test_commands_that_are_ended_leave_files_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    prepare(tmp_path)
    (case,) = [each for each in CASES if each.name == name]
    found = attacked(case, tmp_path, 3)
    assert found.wrong == []
    assert found.events > 100
    assert {each.name for each in SIGNALS} <= set(found.ended)
    assert found.ended["full disk"] > 2


@pytest.mark.slow
def test_a_pipe_stays_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (case,) = [each for each in CASES if each.name == WAYS[0]]
    found = attacked(case, tmp_path, 2, piped=True)
    assert found.wrong == []


def test_every_command_that_writes_is_among_the_cases() -> None:
    from effscale.cli import COMMANDS

    written = {each.arguments.split()[0] for each in CASES}
    assert set(COMMANDS) - written == {"rule", "specs"}  # which print alone
