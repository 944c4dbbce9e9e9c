"""Off a terminal a report reads as on one that is wide enough."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from effscale.report import render, terminal

if TYPE_CHECKING:
    from effscale.report.document import Report
    from tests.conftest import Run

COMMANDS = (
    "compare b0 b1",
    "compare b0 b0",
    "compare --table efficientnet-2",
    "profile b0 --measure none",
    "profile d0 --measure none --by level",
    "profile b0 --measure none --memory",
    "scale --phi 0..2 --measure none",
    "specs mobilenetv3",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_reads_as_on_a_wide_terminal(
    command: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports: list[Report] = []
    monkeypatch.setattr(render, "show", lambda report, _form: reports.append(report))
    assert run(*command.split()).exit_code == 0
    file = io.StringIO()
    console = Console(file=file, width=terminal.UNBOUNDED, color_system=None)
    terminal.printed(reports[0], console)
    on_terminal = [line.rstrip() for line in file.getvalue().splitlines()]
    lines = render.text(reports[0], "table").splitlines()
    assert [each for each in lines if each] == [each for each in on_terminal if each]
