"""The answer of `compare --table`: a paper's table, with what is counted beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from effscale.report import columns, rows
from effscale.report.compare import network_row, ratios
from effscale.report.document import (
    Column,
    Report,
    Section,
    multiplier,
    quantity,
    sides,
)
from effscale.report.footnotes import Footnotes, marked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from effscale.module.measure import Measurement
    from effscale.report.document import Row as Data
    from effscale.report.document import Show
    from effscale.search.printed import Cell, Row, Table

CONVENTION = "What the paper calls FLOPS are MACs, and B is 10⁹."
#: A difference that nobody has explained yet.
UNEXPLAINED = "unexplained"
_TITLES = {"params": "params", "params_ratio": "×", "macs": "FLOPS", "macs_ratio": "×"}


def report(table: Table, *, measured: Sequence[Measurement | None]) -> Report:
    """Each cell as printed, ours beside it, and a mark where they are not equal."""
    leads = {row.model: row.cost for row in table.rows}
    notes = Footnotes()
    found = [
        {
            **network_row(row.spec.name, row.spec, row.cost, row.multipliers, each),
            **ratios(row.cost, leads[row.to]),
            "model": row.model,
            "to": row.to,
            "top1": row.printed.get("top1"),
            "top5": row.printed.get("top5"),
            "cells": {cell.figure: _cell(cell) for cell in row.cells},
            "marks": _marks(row, notes),
        }
        for row, each in zip(table.rows, measured, strict=True)
    ]
    cells = [cell for row in table.rows for cell in row.cells]
    equal = sum(cell.equal for cell in cells)
    counted = f"{len(cells)} counted, {equal} equal after rounding"
    counted += f", {len(cells) - equal} explained below" if equal < len(cells) else ""
    return Report(
        data={
            **rows.envelope("compare"),
            "table": table.name,
            "title": table.title,
            "source": table.source,
            "rows": found,
        },
        sections=[
            Section(_columns(table, found), found, emphasis=_emphasis),
            *notes.section("Where they differ, and why"),
        ],
        heading=[("table", table.title), ("source", table.source), ("cells", counted)],
        notes=[CONVENTION, *table.notes, *columns.agreement(found)],
        records=[_record(row) for row in found],
    )


def _cell(cell: Cell) -> dict[str, Any]:
    exact = cell.ours if isinstance(cell.ours, int) else float(cell.ours)
    return {
        "printed": cell.printed,
        "counted": exact,
        "equal": cell.equal,
        "reason": cell.reason,
    }


def _marks(row: Row, notes: Footnotes) -> dict[str, str]:
    return {
        cell.figure: notes.mark(cell.reason or UNEXPLAINED)
        for cell in row.cells
        if not cell.equal
    }


def _record(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row for a CSV: each cell as printed, and whether it is equal."""
    cells = {
        f"{figure}_{key}": cell[key]
        for figure, cell in row["cells"].items()
        for key in ("printed", "equal")
    }
    return {**rows.flat(dict(row)), **cells}


def _emphasis(row: Data) -> str:
    return "bold" if row["model"] == row["to"] else ""


def _columns(table: Table, found: Sequence[Mapping[str, Any]]) -> list[Column]:
    scaled = any(not row.multipliers.is_identity for row in table.rows)
    top5 = any(row["top5"] is not None for row in found)
    figures = dict.fromkeys(figure for row in found for figure in row["cells"])
    pairs = [
        column
        for figure in figures
        for column in (
            Column(_TITLES[figure], "", _printed(figure)),
            Column("ours", "", _ours(figure)),
        )
    ]
    return [
        Column("network", "model", justify="left"),
        *(_DIMENSIONS if scaled else []),
        Column("top-1", "top1", _percent),
        *([Column("top-5", "top5", _percent)] if top5 else []),
        *pairs,
    ]


_DIMENSIONS = [*columns.MULTIPLIERS, Column("input", "resolution", sides)]


def _percent(value: float) -> str:
    return f"{value:.1f}"


def _printed(figure: str) -> Show:
    def show(row: Data) -> str:
        cell = row["cells"].get(figure)
        return "" if cell is None else str(cell["printed"]).removesuffix("x")

    return show


def _ours(figure: str) -> Show:
    ratio = figure.endswith("_ratio")

    def show(row: Data) -> str:
        if figure not in row["cells"]:
            return ""
        exact = row["cells"][figure]["counted"]
        text = multiplier(exact) if ratio else quantity(exact)
        mark = [row["marks"][figure]] if figure in row["marks"] else []
        return marked(mark, text)

    return show
