"""Without rich, a report reads as with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from effscale.report import render

if TYPE_CHECKING:
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


@pytest.mark.parametrize("form", ["table", "markdown"])
@pytest.mark.parametrize("command", COMMANDS)
def test_reads_as_with_rich(
    command: str, form: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [*command.split(), "--format", form]
    rich = run(*arguments)
    monkeypatch.setattr(render, "RICH", False)
    monkeypatch.delattr(render, "Console")  # so that nothing is laid out by it
    assert run(*arguments).stdout == rich.stdout
    assert rich.exit_code == 0
