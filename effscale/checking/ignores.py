"""`# effscale: ignore[EFF301]` on a line; EFF009 where there is nothing to ignore."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from effscale.checking.rule import Rule
from effscale.errors import Edit, Fault
from effscale.spec.nodes import Node

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from effscale.checking.source import Source

UNUSED = Rule(
    "EFF009",
    "unused-ignore",
    "warning",
    "A comment ignores a rule that finds nothing on its line.",
    "What it once excused is gone, or it never matched: a code that does not exist, or "
    "another line than the finding's. Left there, it would hide the next one.",
    "resolution: 224  # effscale: ignore[EFF206]",
    "resolution: 224",
    applies="safe",
)
RULES = (UNUSED,)
#: With the reason behind it, up to the next one.
_COMMENT = re.compile(
    r"[ \t]*#[ \t]*effscale:[ \t]*ignore\b(?:\[([^\]]*)\])?"
    r"((?:(?!#[ \t]*effscale:).)*)"
)


@dataclass(frozen=True)
class Ignore:
    """A comment that asks for silence: its codes, and where it stands."""

    line: int
    column: int
    start: int  #: with the blanks before it
    end: int  #: with the reason that follows
    codes: tuple[str, ...]
    reason: str

    def covers(self, finding: Fault) -> list[str]:
        """The codes of it that are meant for `finding`, a whole one or its start."""
        if finding.code.startswith("EFF0"):
            return []
        return [code for code in self.codes if code and finding.code.startswith(code)]


def ignores(source: Source) -> list[Ignore]:
    """Every such comment of a file, texts that only look like one left out."""
    if "effscale:" not in source.text:
        return []
    found = []
    for begin, behind in source.comments:
        if source.text[begin - 1 : begin].strip():
            continue  # no comment begins right behind a letter
        blank = len(source.text[:begin].rstrip(" \t"))
        for match in _COMMENT.finditer(source.text[blank:behind]):
            start = blank + match.start()
            line, column = source.place(start + match[0].index("#"))
            codes = tuple(code.strip() for code in (match[1] or "").split(","))
            end = blank + match.end()
            found.append(Ignore(line, column, start, end, codes, match[2].rstrip()))
    return found


def spared(source: Source, findings: list[Fault]) -> Iterator[Fault]:
    """The findings that no comment ignores."""
    comments = ignores(source) if findings else []
    for finding in findings:
        here = (each for each in comments if each.line == finding.line)
        if not any(each.covers(finding) for each in here):
            yield finding


def applied(
    source: Source,
    findings: list[Fault],
    known: Collection[str],
    enabled: Collection[str],
) -> Iterator[Fault]:
    """The findings that no comment ignores, and comments that ignore none of them.

    Of all `known` codes, those not `enabled` were not looked for, so that they may be
    ignored for nothing. So may all where some rules could not look: they have not found
    nothing.
    """
    comments = ignores(source)
    by_line: dict[int, list[Ignore]] = {}
    for comment in comments:
        by_line.setdefault(comment.line, []).append(comment)
    used: set[tuple[int, str]] = set()
    for finding in findings:
        here = by_line.get(finding.line, [])
        hits = [(each.start, code) for each in here for code in each.covers(finding)]
        used.update(hits)
        if not hits:
            yield finding
    if not comments or not source.is_counted:
        return
    unasked = [code for code in known if code not in enabled]
    for comment in comments:
        idle = [code for code in comment.codes if (comment.start, code) not in used]
        idle = [code for code in idle if not _any_begins(unasked, code)]
        if idle:
            yield _unused(source, comment, idle)


def _any_begins(codes: list[str], start: str) -> bool:
    return bool(start) and any(code.startswith(start) for code in codes)


def _unused(source: Source, comment: Ignore, idle: list[str]) -> Fault:
    kept = [code for code in comment.codes if code not in idle]
    written = source.text[comment.start : comment.end].lstrip(" \t")
    listed = f"  # effscale: ignore[{', '.join(kept)}]{comment.reason}"
    text = listed if kept else ""
    message = (
        f"expected a finding of {', '.join(idle)} on this line, found none"
        if any(idle)
        else "expected codes to ignore, such as ignore[EFF301], got none"
    )
    end = comment.line, comment.column + len(written), comment.end
    node = Node(None, comment.line, comment.column, end, comment.start)
    edits = (Edit(comment.start, comment.end, text),)
    fault = Fault((), message, UNUSED.code, edits=edits)
    return node.located(fault, source.path)
