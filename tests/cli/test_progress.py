"""Tests of `effscale.cli.progress`: a bar on a terminal, for those who wait."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import pytest

from effscale.cli import progress
from effscale.cli.progress import PATIENCE, Bar

if TYPE_CHECKING:
    from tests.conftest import Run

pytestmark = pytest.mark.slow


class Screen(io.StringIO):
    """Standard error, being a terminal or not."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        """Whether somebody looks."""
        return self.terminal


class Clock:
    """The time, which stands still until it is told to move."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that a bar looks at."""
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def shown(
    monkeypatch: pytest.MonkeyPatch,
    clock: Clock,
    *,
    seconds: float,
    terminal: bool = True,
    quiet: bool = False,
) -> str:
    """What stderr says of a work whose halves take so many seconds each."""
    screen = Screen(terminal=terminal)
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "stderr", screen)
    with Bar(10, quiet=quiet) as bar:
        for _half in range(2):
            clock.now += seconds
            bar.advance(5, "counting")
    return screen.getvalue()


def test_work_that_takes_long_has_a_bar_while_it_lasts(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    said = shown(monkeypatch, clock, seconds=PATIENCE + 0.1)
    assert "counting" in said
    assert "━" in said
    # the line is erased at the end, and the cursor is back
    assert said.rstrip().endswith("\x1b[2K")
    assert "\x1b[?25h" in said


@pytest.mark.parametrize(
    ("seconds", "terminal", "quiet"),
    [
        (PATIENCE / 2, True, False),
        (100, False, False),
        (100, True, True),
        (0, True, False),
    ],
    ids=["quick", "no terminal", "quiet", "at once"],
)
def test_otherwise_nothing_is_said(
    monkeypatch: pytest.MonkeyPatch,
    clock: Clock,
    seconds: float,
    *,
    terminal: bool,
    quiet: bool,
) -> None:
    said = shown(monkeypatch, clock, seconds=seconds, terminal=terminal, quiet=quiet)
    assert said == ""


def test_patience_is_counted_from_the_start(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    # two halves of 0.6 seconds: the second is past the first second
    assert "counting" in shown(monkeypatch, clock, seconds=0.6 * PATIENCE)


def test_a_fault_on_the_way_takes_the_bar_away(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    screen = Screen(terminal=True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", screen)

    def work() -> None:
        with Bar(10, quiet=False) as bar:
            clock.now += 2
            bar.advance(1, "counting")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    hidden, _, said = screen.getvalue().partition("\x1b[?25l")
    assert (hidden, "counting" in said) == ("", True)
    assert "\x1b[?25h" in said


@pytest.mark.parametrize(
    "arguments",
    [
        ["grid", "--step", "0.2"],
        ["grid", "--step", "0.2", "--constraint", "realised"],
        ["fit", "--macs", "386M", "--free", "--max-depth", "1"],
    ],
    ids=" ".join,
)
def test_off_a_terminal_commands_say_nothing_of_progress(
    run: Run, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setattr(progress, "PATIENCE", -1.0)
    result = run(*arguments)
    assert (result.exit_code, result.stderr) == (0, "")
