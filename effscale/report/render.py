"""A report as text: a table for people, Markdown, CSV, JSON."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Any, TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from effscale.report.document import Column, Format, Report, Row, Section

#: Wider than any table: off a terminal, nothing is folded or cut.
UNBOUNDED = 1000


def show(report: Report, form: Format, file: TextIO | None = None) -> None:
    """Print `report` to `file`, standard output by default, as a terminal allows."""
    out = file or sys.stdout
    match form:
        case "json":
            json.dump(report.data, out, indent=2, ensure_ascii=False, allow_nan=False)
            out.write("\n")
        case "csv":
            _csv(report, out)
        case "markdown":
            console = Console(file=out, width=UNBOUNDED, color_system=None)
            for section in report.sections:
                console.print(_table(section, markdown=True))
        case "table":
            _print(report, out)


def text(report: Report, form: Format) -> str:
    """What `show` prints, without colour, as wide as it needs to be."""
    buffer = io.StringIO()
    show(report, form, buffer)
    return buffer.getvalue()


def _print(report: Report, out: TextIO) -> None:
    wide = None if out.isatty() else UNBOUNDED
    console = Console(file=out, width=wide, highlight=False, emoji=False)
    label_width = max((len(label) for label, _ in report.heading), default=0)
    for label, line in report.heading:
        head = Text(f"{label:<{label_width}}  ", style="bold")
        console.print(Text.assemble(head, line), soft_wrap=True)
    for section in report.sections:
        console.print()
        if section.title:
            console.print(Text(section.title, style="bold"), soft_wrap=True)
        console.print(_fitting(section, console))
    for index, note in enumerate(report.notes):
        if index == 0:
            console.print()
        console.print(Text(note))


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
            Text(column.title),
            _cell(column, total) if total else "",
            justify=column.justify,
            no_wrap=not (column.wraps or fold),
            overflow="fold",
        )
    for row in section.rows:
        cells = [_cell(column, row) for column in section.columns]
        table.add_row(*cells, style=section.emphasis(row))
    if markdown and total:
        table.add_row(*(_cell(column, total) for column in section.columns))
    return table


def _cell(column: Column, row: Row) -> Text:
    return Text(column.cell(row), style=column.style(column.value(row)))


def _csv(report: Report, out: TextIO) -> None:
    import csv

    records = [_flat(row) for row in report.records]
    writer = csv.DictWriter(out, list(records[0]) if records else [], restval="")
    writer.writeheader()
    writer.writerows(records)


def _flat(row: Row) -> dict[str, Any]:
    """A row of single values: an image as `392x392`, what nests left to JSON."""
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, list) and all(isinstance(each, int) for each in value):
            flat[key] = "x".join(map(str, value))
        elif not isinstance(value, list | dict):
            flat[key] = value
    return flat
