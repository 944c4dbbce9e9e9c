"""The answer of `compare --table`: a paper's table, with what is counted beside it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from effscale.comparing.paper_tables import UNPROVED
from effscale.quantity import human
from effscale.report import document, rows
from effscale.report.compare import ratios, unmarked
from effscale.report.document import (
    Column,
    Footnotes,
    Report,
    Section,
    marked,
    multiplier,
)

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from effscale.comparing.paper_tables import Cell, Row, Table
    from effscale.module.measure import Measurement
    from effscale.report.document import Row as Data
    from effscale.report.document import Show

CONVENTION = "What the paper calls FLOPS are MACs, and B is 10⁹."
#: A difference that nobody has explained yet.
UNEXPLAINED = "unexplained"
_TITLES = {"macs": "FLOPS", "head_layers": "head layers"}


def report(table: Table, *, measured: Sequence[Measurement | None]) -> Report:
    """Each cell as printed, ours beside it, and a mark where they are not equal."""
    leads = {row.model: row.cost for row in table.rows}
    notes = Footnotes()
    found = [
        {
            **rows.network(row.spec.name, row.spec, row.cost, row.multipliers, each),
            **ratios(row.cost, leads[row.to]),
            "model": row.model,
            "relative_to": row.to,
            **_trained(row),
            **{key: row.printed.get(key) for key in document.SCORES.values()},
            "cells": {cell.figure: _cell(cell) for cell in row.cells},
            "marks": _marks(row, notes),
        }
        for row, each in zip(table.rows, measured, strict=True)
    ]
    costs = any("macs" in figure for row in found for figure in row["cells"])
    return Report(
        data={
            **rows.envelope("compare"),
            "table": table.name,
            "title": table.title,
            "source": table.source,
            "part": table.part,
            "rows": unmarked(found),
        },
        sections=[
            Section(_columns(table, found), found, emphasis=_emphasis),
            *notes.section("Where they differ, and why"),
        ],
        heading=[
            ("table", table.title),
            ("source", table.source),
            ("cells", _accounted(table)),
        ],
        notes=[
            *([CONVENTION] if costs else []),
            *table.notes,
            *document.agreement(found),
        ],
        records=[_record(row) for row in unmarked(found)],
    )


def _trained(row: Row) -> dict[str, Any]:
    """What a row was trained on, where that is another thing than ImageNet."""
    if row.data is None:
        return {}
    return {"data": row.data, "classes": row.classes, "params_in_all": row.in_all}


def _accounted(table: Table) -> str:
    """How many of the cells are as printed, and how many of the law's."""
    cells = [cell for row in table.rows for cell in row.cells]
    laws = [cell.law for cell in cells if cell.law is not None]
    equal = sum(cell.equal for cell in cells)
    same = sum(law.equal for law in laws)
    apart = Counter(each.standing for each in (*cells, *laws) if not each.equal)
    if laws:
        found = [f"{len(cells)} printed", f"{equal} as the specs state them"]
        found.append(f"{same} of {len(laws)} as the scaling rule gives them")
    else:
        alone = "" if table.part is None else f" of the {table.part} alone"
        found = [f"{len(cells)} counted{alone}", f"{equal} equal after rounding"]
    kinds = ("explained below", *UNPROVED.values(), "unexplained")
    return ", ".join(
        [*found, *(f"{apart[each]} {each}" for each in kinds if apart[each])]
    )


def _cell(cell: Cell) -> dict[str, Any]:
    ours, law = cell.ours, cell.law
    return {
        "printed": cell.printed,
        "counted": ours if isinstance(ours, int | str) else float(ours),
        "equal": cell.equal,
        "reason": cell.reason,
        "rule": None if law is None else law.ours,
        "rule_reason": None if law is None else law.reason,
    }


def _marks(row: Row, notes: Footnotes) -> dict[str, str]:
    """The marks of the cells that differ, and of the law's: `law_channels`."""
    both = [(cell.figure, cell) for cell in row.cells]
    both += [(f"rule_{name}", cell.law) for name, cell in both if cell.law is not None]
    return {
        name: notes.mark(cell.reason or UNEXPLAINED)
        for name, cell in both
        if not cell.equal
    }


def _record(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row for a CSV: each cell as printed, and whether it is equal."""
    cells = {
        f"{figure}_{key}": cell[key]
        for figure, cell in row["cells"].items()
        for key in ("printed", "equal", "rule")
        if key != "rule" or cell[key] is not None
    }
    return {**rows.flat(dict(row)), **cells}


def _emphasis(row: Data) -> str:
    return "bold" if row["model"] == row["relative_to"] else ""


def _columns(table: Table, found: Sequence[Mapping[str, Any]]) -> list[Column]:
    scaled = any(not row.multipliers.is_identity for row in table.rows)
    figures = dict.fromkeys(figure for row in found for figure in row["cells"])
    laws = any(cell.law is not None for row in table.rows for cell in row.cells)
    beside = [
        column
        for figure in figures
        for column in (
            Column(_title(figure, figures), "", _printed(figure)),
            *([] if _repeats(figure, found) else [Column("ours", "", _ours(figure))]),
            *([Column("rule", "", _law(figure))] if laws else []),
        )
    ]
    return [
        *([Column.words("data")] if any("data" in row for row in found) else []),
        Column.words("network", "model"),
        *(_DIMENSIONS if scaled else []),
        *(Column(*each) for each in document.scored(found).items()),
        *beside,
        *(_TRAINED if any("classes" in row for row in found) else []),
    ]


#: Params with a classifier for the classes of a row's data.
_TRAINED = [Column("classes", "classes"), Column("in all", "params_in_all", human)]


def _repeats(figure: str, found: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a column of ours would say just what is printed."""
    cells = [row["cells"][figure] for row in found if figure in row["cells"]]
    return all(each["printed"].lower() == str(each["counted"]) for each in cells)


def _title(figure: str, figures: Container[str]) -> str:
    """What a column is called; a ratio behind its own figure is just `×`."""
    name, times, _ = figure.partition("_ratio")
    title = _TITLES.get(name, name)
    if not times:
        return title
    return "×" if name in figures else f"{title} ×"


_DIMENSIONS = [*document.MULTIPLIERS, document.IMAGE]


def _printed(figure: str) -> Show:
    def show(row: Data) -> str:
        cell = row["cells"].get(figure)
        return "" if cell is None else str(cell["printed"]).removesuffix("x")

    return show


def _ours(figure: str) -> Show:
    form = _FORMS.get(figure, str)

    def show(row: Data) -> str:
        if figure not in row["cells"]:
            return ""
        return _noted(row, figure, form(row["cells"][figure]["counted"]))

    return show


def _law(figure: str) -> Show:
    def show(row: Data) -> str:
        law = row["cells"][figure]["rule"]
        return "" if law is None else _noted(row, f"rule_{figure}", str(law))

    return show


_FORMS: Mapping[str, Show] = {
    "params": human,
    "macs": human,
    "params_ratio": multiplier,
    "macs_ratio": multiplier,
}


def _noted(row: Data, name: str, text: str) -> str:
    return marked([row["marks"][name]] if name in row["marks"] else [], text)
