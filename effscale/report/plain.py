"""A report as text for files and pipes, and where rich is not installed."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from effscale.markup import in_markdown, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from effscale.report.document import Column, Report, Row, Section


def lines(report: Report, *, markdown: bool) -> Iterator[str]:
    """The lines of a report, none folded or cut."""
    said = in_markdown if markdown else plain
    width = max((len(label) for label, _ in report.heading), default=0)
    for label, line in ((label, said(line)) for label, line in report.heading):
        yield f"- {label}: {line}" if markdown else f"{label:<{width}}  {line}"
    for section in report.sections:
        yield ""
        if section.title:
            title = said(section.title)
            yield from [title, ""] if markdown else [title]
        yield from _table(section, markdown=markdown)
    for note in report.notes:
        yield from ["", said(note)]


def _table(section: Section, *, markdown: bool) -> Iterator[str]:
    columns = section.columns
    said = in_markdown if markdown else plain

    def cells(row: Row) -> list[str]:
        return [said(column.cell(row)) for column in columns]

    head = [said(column.title) for column in columns]
    total = [cells(section.total)] if section.total else []
    body = [cells(row) for row in section.rows]
    widths = [max(map(_width, each)) for each in zip(head, *body, *total, strict=True)]

    def line(texts: Sequence[str]) -> str:
        padded = map(_padded, columns, texts, widths)
        return f"| {' | '.join(padded)} |" if markdown else "  ".join(padded)

    dashes = ["-" * (width + 2) for width in widths]
    rule = f"|{'|'.join(dashes)}|" if markdown else "─" * _width(line(head))
    yield from [line(head), rule, *map(line, body)]
    if total:
        yield from ([] if markdown else [rule])
        yield line(total[0])


def _padded(column: Column, cell: str, width: int) -> str:
    blanks = " " * (width - _width(cell))
    return cell + blanks if column.justify == "left" else blanks + cell


def _width(text: str) -> int:
    """Cells of a terminal that a text takes."""
    return sum(
        0
        if unicodedata.combining(each)
        else 2
        if unicodedata.east_asian_width(each) in "WF"
        else 1
        for each in text
    )
