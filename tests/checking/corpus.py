"""Files that are wrong, each with the findings that it must be answered with.

`# expected: FILE:LINE:COLUMN: MESSAGE [CODE to LINE:COLUMN]`, first in each file. Those
in `tests/bad` do not load; those in `tests/bad/loads` do, and are wrong all the same.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from effscale.checking.run import check, read

if TYPE_CHECKING:
    from effscale.checking.source import Source
    from effscale.errors import Fault

FOLDER = Path(__file__).parents[1] / "bad"
FILES = sorted(str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.yaml"))
MARK = "# expected: "


def expected(name: str) -> list[str]:
    """The findings that a file states of itself."""
    lines = (FOLDER / name).read_text("utf-8").split("\n")
    return [line.removeprefix(MARK) for line in lines if line.startswith(MARK)]


def line(finding: Fault) -> str:
    """A finding as the files state it."""
    name = Path(finding.path).name
    end = f"[{finding.code} to {finding.end_line}:{finding.end_column}]"
    return f"{replace(finding, path=name)} {end}"


@cache
def source(name: str) -> Source:
    """A file of the corpus, as `check` reads it."""
    return read(str(FOLDER / name))


@cache
def findings(name: str) -> tuple[Fault, ...]:
    """What `check` finds in a file of the corpus."""
    return tuple(check(source(name)))
