"""A report as text: a table for people, Markdown, CSV, JSON."""

from __future__ import annotations

import io
import json
import os
import re
import sys
import textwrap
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TextIO

from effscale.extras import RICH
from effscale.report import plain as without_rich

if TYPE_CHECKING or RICH:
    from rich import box
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

from effscale.markup import in_csv, in_json, in_markdown, plain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from effscale.report.document import Column, Format, Report, Row, Section

#: Wider than any table: off a terminal, nothing is folded or cut.
UNBOUNDED = 1000
_JSON = json.JSONEncoder(indent=2, ensure_ascii=False, allow_nan=False)


def show(report: Report, form: Format, file: TextIO | None = None) -> None:
    """Print `report` to `file`, standard output by default.

    On a terminal in its colours and width; elsewhere as wide as it needs to be.
    """
    out = file or sys.stdout
    if RICH and form == "table" and (out.isatty() or os.environ.get("FORCE_COLOR")):
        width = None if out.isatty() else UNBOUNDED
        _print(report, Console(file=out, width=width, highlight=False))
    else:
        out.write(text(report, form))


def shown_anew(reports: Iterable[Report]) -> None:
    """Show each of the reports in the place of the one before, and clear the last.

    On a terminal; elsewhere none of them is shown.
    """
    if not (RICH and sys.stdout.isatty()):
        for _ in reports:
            pass
        return
    from rich.live import Live

    with Live(transient=True, auto_refresh=False) as live:
        for each in reports:
            width, out = live.console.width, io.StringIO()
            like = Console(file=out, force_terminal=True, width=width, highlight=False)
            _print(each, like)
            live.update(Text.from_ansi(out.getvalue()), refresh=True)


def text(report: Report, form: Format) -> str:
    """What `show` prints, without colour, nothing folded or cut."""
    match form:
        case "json":
            return in_json(_JSON.encode(report.data)) + "\n"
        case "csv":
            return _csv(report)
        case "markdown" | "table":
            laid = (_laid if RICH else without_rich.lines)(
                report, markdown=form != "table"
            )
            lines = (line.rstrip() for line in laid)
            return re.sub(r"\n{3,}", "\n\n", "\n".join(lines).strip("\n")) + "\n"


def _laid(report: Report, *, markdown: bool) -> list[str]:
    out = io.StringIO()
    forced = Console(file=out, width=UNBOUNDED, color_system=None)
    _print(report, forced, markdown=markdown)
    return out.getvalue().splitlines()


def _print(report: Report, console: Console, *, markdown: bool = False) -> None:
    said = in_markdown if markdown else plain
    width = max((len(label) for label, _ in report.heading), default=0)
    for label, line in report.heading:
        head = f"- {label}: " if markdown else Text(f"{label:<{width}}  ", style="bold")
        lines = _between_words(said(line), console, width + 2)
        console.print(Text.assemble(head, lines), soft_wrap=True)
    for section in report.sections:
        console.print()
        if section.title:
            title = _between_words(said(section.title), console, 0)
            console.print(Text(title, style="bold"), soft_wrap=True)
        if section.title and markdown:
            console.print()
        whole = markdown or console.width == UNBOUNDED
        parts = [section] if whole else _abreast(section, console)
        for number, each in enumerate(parts):
            if number:
                console.print()
            table = (
                _table(each, markdown=markdown) if whole else _fitting(each, console)
            )
            console.print(table)
    for note in report.notes:
        console.print()
        console.print(Text(said(note)))


def _between_words(line: str, console: Console, indent: int) -> str:
    """The line in several where the terminal is narrow, each behind the indent.

    A word that is longer than there is room for, such as a path, stays whole.
    """
    room = console.width - indent
    if room < _WRAPPED or console.width == UNBOUNDED:
        return line
    broken = textwrap.wrap(line, room, break_long_words=False, break_on_hyphens=False)
    return f"\n{' ' * indent}".join(broken)


def _abreast(section: Section, console: Console) -> list[Section]:
    """The section, or parts of its columns that each fit into the console's width.

    Each part begins with the columns up to the first that has a title, as what is in
    its row.
    """
    widths = [_width(section, column) for column in section.columns]
    if sum(widths) + len(widths) - 1 <= console.width:
        return [section]
    lead = 1 + next((k for k, each in enumerate(section.columns) if each.title), 0)
    taken = sum(widths[:lead]) + lead - 1
    parts: list[list[Column]] = [[]]
    room = console.width - taken
    for column, width in zip(section.columns[lead:], widths[lead:], strict=True):
        if parts[-1] and width + 1 > room:
            parts.append([])
            room = console.width - taken
        parts[-1].append(column)
        room -= width + 1
    first = section.columns[:lead]
    return [replace(section, columns=[*first, *each]) for each in parts]


#: What a column that wraps needs at least.
_WRAPPED = 24


def _width(section: Section, column: Column) -> int:
    """What a column needs if no cell of it is folded, but those that wrap."""
    rows = [*section.rows, *([section.total] if section.total else [])]
    widest = max((cell_len(plain(column.cell(row))) for row in rows), default=0)
    widest = max(widest, cell_len(plain(column.title)))
    return min(widest, _WRAPPED) if column.wraps else widest


def _fitting(section: Section, console: Console) -> Table:
    """The section's table as airy as the console's width allows; cells fold last."""
    unbounded = console.options.update(width=UNBOUNDED)
    for padding, fold in ((1, False), (0, False)):
        table = _table(section, padding=padding, fold=fold)
        if console.measure(table, options=unbounded).maximum <= console.width:
            return table
    return _table(section, padding=0, fold=True)


def _table(
    section: Section, *, padding: int = 1, fold: bool = False, markdown: bool = False
) -> Table:
    total = section.total or {}
    said = in_markdown if markdown else plain

    def cell(column: Column, row: Row) -> Text:
        return Text(said(column.cell(row)), style=column.style(column.value(row)))

    table = Table(
        box=box.MARKDOWN if markdown else box.SIMPLE,
        padding=(0, padding),
        collapse_padding=not markdown,
        pad_edge=markdown,
        show_edge=markdown,
        header_style="" if markdown else "bold",
        footer_style="bold",
        show_footer=bool(total) and not markdown,
    )
    for column in section.columns:
        table.add_column(
            Text(said(column.title)),
            cell(column, total) if total else "",
            justify=column.justify,
            no_wrap=not (column.wraps or fold),
            overflow="fold",
        )
    for row in section.rows:
        cells = [cell(column, row) for column in section.columns]
        table.add_row(*cells, style=section.emphasis(row))
    if markdown and total:
        table.add_row(*(cell(column, total) for column in section.columns))
    return table


def _csv(report: Report) -> str:
    import csv

    records = [_flat(row) for row in report.records]
    if not records:
        return ""
    out = io.StringIO()
    # A row may say what others need not: why it is not explained.
    columns = dict.fromkeys(key for each in records for key in each)
    writer = csv.DictWriter(out, list(columns))
    writer.writeheader()
    writer.writerows(records)
    return out.getvalue()


def _flat(row: Row) -> dict[str, Any]:
    """A row of single values: an image as `392x392`, what nests left to JSON."""
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if value and isinstance(value, list) and all(type(x) is int for x in value):
            flat[key] = "x".join(map(str, value))
        elif not isinstance(value, list | dict):
            flat[key] = in_csv(value)
    return flat
