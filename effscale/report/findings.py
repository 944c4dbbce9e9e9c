"""Findings for people: each with its line of the file, and a caret under the place."""

from __future__ import annotations

import os
import unicodedata
from typing import TYPE_CHECKING, TextIO

from effscale.checking.catalogue import help_on, severity
from effscale.checking.formats import counted
from effscale.extras import RICH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from effscale.checking.rule import Applies
    from effscale.checking.run import Outcome
    from effscale.errors import Fault

#: A line of text: pieces, each with its style.
Line = list[tuple[str, str]]
STYLES = {"error": "bold red", "warning": "bold yellow", "note": "bold cyan"}
#: Cells of a source line that are shown off a terminal.
WIDE = 160


def show(outcome: Outcome, file: TextIO, *, quiet: bool = False) -> None:
    """Print the findings to `file`, in colours if it is a terminal that has them."""
    if not (RICH and (file.isatty() or os.environ.get("FORCE_COLOR"))):
        file.write(text(outcome, quiet=quiet))
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(file=file, highlight=False)
    for line in _lines(outcome, console.width if file.isatty() else WIDE, quiet=quiet):
        console.print(Text.assemble(*line), soft_wrap=True)


def text(outcome: Outcome, *, quiet: bool = False) -> str:
    """What `show` prints, without colour."""
    lines = _lines(outcome, WIDE, quiet=quiet)
    return "".join(
        "".join(piece for piece, _ in line).rstrip() + "\n" for line in lines
    )


def _lines(outcome: Outcome, width: int, *, quiet: bool) -> Iterator[Line]:
    first = True
    for each in outcome.files:
        number, source = 0, ""
        for finding in each.findings:
            if finding.line != number:  # a line may be long, and have many findings
                number, source = finding.line, each.source.line(finding.line)
            if not first:
                yield []
            first = False
            yield from _finding(source, finding, width)
    if not quiet:
        if not first:
            yield []
        yield [(f"{counted(outcome)}{_mended(outcome)}", "bold")]
        if hints := _hints(outcome):
            yield [(hints, "")]


def _mended(outcome: Outcome) -> str:
    return f"; {outcome.fixed:,} fixed" if outcome.fixed else ""


def _hints(outcome: Outcome) -> str:
    """The number of findings that each option would fix."""
    options: dict[Applies, str]
    options = {"safe": "--fix", "unsafe": "--fix --unsafe-fixes", "update": "--update"}
    found = [
        f"{outcome.fixable[name]:,} with {option}"
        for name, option in options.items()
        if outcome.fixable[name]
    ]
    return f"fixable: {', '.join(found)}" if found else ""


def _finding(source: str, finding: Fault, width: int) -> Iterator[Line]:
    style = STYLES[severity(finding)]
    yield [
        (f"{finding.where}: ", "bold"),
        (f"{severity(finding)} {finding.code}", style),
        (f" {finding.said}", ""),
    ]
    if source and not source.isspace():
        margin = f"{finding.line:>5} | "
        shown, caret = _excerpt(source, finding, width - len(margin))
        yield [(margin, "dim"), (shown, "")]
        yield [(f"{'| ':>{len(margin)}}", "dim"), (caret, style)]
    if said := help_on(finding):
        yield [("help: ", "bold"), (said, "")]


def _excerpt(source: str, finding: Fault, width: int) -> tuple[str, str]:
    """The part of a line that a finding is about, and carets to stand under it."""
    room = max(width, 20)
    start = min(finding.column - 1, len(source))
    first = 0 if _cells(source[: 2 * room]) <= room else max(0, start - room // 3)
    line = "".join(c if c.isprintable() else " " for c in source[first : first + room])
    before, cut = ("…" if first else ""), first + room < len(source)
    while _cells(line) > room - len(before) - cut:
        line, cut = line[:-1], True
    same = finding.end_line == finding.line
    stop = finding.end_column - 1 if same else len(source.rstrip())
    indent = len(before) + _cells(line[: start - first])
    carets = _cells(line[start - first : max(stop, start + 1) - first])
    return f"{before}{line}{'…' if cut else ''}", " " * indent + "^" * max(1, carets)


def _cells(line: str) -> int:
    """Columns of a terminal that a text takes; wide letters take two, accents none."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in line)
    return len(line) + wide - sum(unicodedata.combining(c) > 0 for c in line)
