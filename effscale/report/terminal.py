"""A report on a terminal: in its colours, as wide as it is."""

from __future__ import annotations

import io
import re
import textwrap
from dataclasses import replace
from typing import TYPE_CHECKING

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from effscale.markup import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TextIO

    from effscale.report.document import Column, Report, Row, Section

#: Wider than any table: off a terminal, nothing is folded or cut.
UNBOUNDED = 1000


#: Blanks that no line ends at: within a quantity, and behind the sign of a limit.
_HELD = re.compile(r"(?<=\d) (?=(?:[kMGTP]|[kMGT]?i?B|px|ms|µs|s|%)(?!\w))|(?<=[<>]=) ")


def show(report: Report, out: TextIO) -> None:
    """Print a report in colours; where `out` is no terminal, nothing is folded."""
    width = None if out.isatty() else UNBOUNDED
    printed(report, Console(file=out, width=width, highlight=False))


def shown_anew(reports: Iterable[Report]) -> None:
    """Show each of the reports in the place of the one before, and clear the last."""
    with Live(transient=True, auto_refresh=False) as live:
        for each in reports:
            width, out = live.console.width, io.StringIO()
            like = Console(file=out, force_terminal=True, width=width, highlight=False)
            printed(each, like)
            live.update(Text.from_ansi(out.getvalue()), refresh=True)


def printed(report: Report, console: Console) -> None:
    """Print a report in the width of the console, wide tables in several parts."""
    width = max((len(label) for label, _ in report.heading), default=0)
    for label, line in report.heading:
        head = Text(f"{label:<{width}}  ", style="bold")
        lines = _between_words(plain(line), console, width + 2)
        console.print(Text.assemble(head, lines), soft_wrap=True)
    for above, section in enumerate(report.sections, bool(report.heading)):
        if above:
            console.print()
        if section.title:
            title = _between_words(plain(section.title), console, 0)
            console.print(Text(title, style="bold"), soft_wrap=True)
        whole = console.width == UNBOUNDED
        parts = [section] if whole else _abreast(section, console)
        for number, each in enumerate(parts):
            if number:
                console.print()
            console.print(_table(each) if whole else _fitting(each, console))
    for note in report.notes:
        console.print()
        console.print(Text(_between_words(plain(note), console, 0)), soft_wrap=True)


def _between_words(line: str, console: Console, indent: int) -> str:
    """The line in several where the terminal is narrow, each behind the indent.

    A word that is longer than there is room for, such as a path, stays whole, and a
    number stays with its unit.
    """
    room = console.width - indent
    if room < _WRAPPED or console.width == UNBOUNDED:
        return line
    held = _HELD.sub("\N{NO-BREAK SPACE}", line)
    broken = textwrap.wrap(held, room, break_long_words=False, break_on_hyphens=False)
    return f"\n{' ' * indent}".join(broken).replace("\N{NO-BREAK SPACE}", " ")


def _abreast(section: Section, console: Console) -> list[Section]:
    """The section, or parts of its columns that each fit into the console's width.

    Each part begins with the columns that tell its rows apart.
    """
    widths = [_width(section, column) for column in section.columns]
    if sum(widths) + len(widths) - 1 <= console.width:
        return [section]
    lead = _lead(section, widths, console.width)
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


def _lead(section: Section, widths: Sequence[int], room: int) -> int:
    """How many columns tell rows apart, if they leave a third of the room for others.

    If not, as many as there are up to the first that has a title.
    """
    least = 1 + next((k for k, each in enumerate(section.columns) if each.title), 0)
    for lead in range(least, len(widths)):
        if sum(widths[:lead]) + lead - 1 > room * 2 // 3:
            break
        told = {
            tuple(each.cell(row) for each in section.columns[:lead])
            for row in section.rows
        }
        if len(told) == len(section.rows):
            return lead
    return least


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


def _table(section: Section, *, padding: int = 1, fold: bool = False) -> Table:
    total = section.total or {}

    def cell(column: Column, row: Row) -> Text:
        return Text(plain(column.cell(row)), style=column.style(column.value(row)))

    table = Table(
        box=box.SIMPLE,
        padding=(0, padding),
        collapse_padding=True,
        pad_edge=False,
        show_edge=False,
        header_style="bold",
        footer_style="bold",
        show_footer=bool(total),
    )
    for column in section.columns:
        table.add_column(
            Text(plain(column.title)),
            cell(column, total) if total else "",
            justify=column.justify,
            no_wrap=not (column.wraps or fold),
            overflow="fold",
        )
    for row in section.rows:
        cells = [cell(column, row) for column in section.columns]
        table.add_row(*cells, style=section.emphasis(row))
    return table
