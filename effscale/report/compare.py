"""The answer of `compare`: networks side by side, and what is printed of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.comparing.side_by_side import CHEAPEST, marks, rivals
from effscale.quantity import human
from effscale.report import document, rows
from effscale.report.document import Column, Footnotes, Report, Section, marked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.comparing.side_by_side import Entry
    from effscale.cost.count import Cost
    from effscale.module.measure import Measurement
    from effscale.report.document import Row, Units
    from effscale.report.rows import Data

_WORDS = {"params": "params", "macs": "MACs"}
#: Of a published figure that is not ours.
UNEXPLAINED = "the source gives no reason"


def report(
    compared: Sequence[Entry],
    *,
    to: str | None = None,
    measured: Sequence[Measurement | None],
    units: Units = "macs",
) -> Report:
    """The networks side by side; ratios to the first, to `to`, or to their rivals."""
    notes = Footnotes()
    beside = rivals(compared, to)
    triples = zip(compared, beside, measured, strict=True)
    table = [_row(each, rival, found, notes) for each, rival, found in triples]
    return Report(
        data={**rows.envelope("compare", compared[0].name), "rows": unmarked(table)},
        sections=[
            Section(_columns(table, to, units), table),
            *notes.section("Where another figure is published", "published"),
        ],
        notes=_notes(to, table),
        records=[rows.flat(row) for row in unmarked(table)],
    )


def ratios(cost: Cost, other: Cost) -> Data:
    """MACs and params as multiples of another network's."""
    return {
        "macs_ratio": int(cost.macs) / max(int(other.macs), 1),
        "params_ratio": int(cost.params) / max(int(other.params), 1),
    }


def unmarked(table: Sequence[Data]) -> list[Data]:
    """The rows without the marks of their footnotes, which are of a table alone."""
    return [{k: v for k, v in row.items() if k != "marks"} for row in table]


def times(value: float) -> str:
    """A ratio to three digits, large ones whole: 0.0167, 4.74, 1233."""
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"  # noqa: PLR2004


def _row(
    entry: Entry, rival: Entry | None, measurement: Measurement | None, notes: Footnotes
) -> Data:
    printed = entry.spec.published
    given = entry.multipliers
    text = (printed.note if printed else None) or UNEXPLAINED
    found = {
        each.figure: notes.mark(
            text, f"{entry.name} {each.printed} {_WORDS[each.figure]}"
        )
        for each in marks(entry)
    }
    none = {"macs_ratio": None, "params_ratio": None}
    return {
        **rows.network(entry.name, entry.spec, entry.cost, given, measurement),
        **(none if rival is None else ratios(entry.cost, rival.cost)),
        "relative_to": None if rival is None else rival.name,
        "spec": entry.reference,
        "family": entry.spec.family,
        **{key: getattr(printed, key, None) for key in document.SCORES.values()},
        "published": printed.model_dump() if printed else None,
        "published_differs": list(found),
        "marks": found,
    }


def _columns(table: Sequence[Data], to: str | None, units: Units) -> list[Column]:
    unit, factor = document.unit_of(units)

    def cost(key: str, times: int = 1) -> Column:
        def show(row: Row) -> str:
            mark = [row["marks"][key]] if key in row["marks"] else []
            agrees = document.MARKS[row["agrees"]] if key == "macs" else ""
            return marked(mark, human(times * row[key]) + agrees)

        return Column(unit if key == "macs" else key, "", show)

    rival = [Column.words("relative to", "relative_to")] if to == CHEAPEST else []
    accuracies = [
        Column(title, key, "{:.1f}".format)
        for title, key in document.scored(table).items()
    ]
    return [
        Column.words("network", "name"),
        document.IMAGE,
        cost("params"),
        Column("params ×", "params_ratio", times),
        cost("macs", factor),
        Column("MACs ×", "macs_ratio", times),
        *rival,
        *document.products(table, units),
        document.ACTIVATIONS,
        *accuracies,
    ]


def _notes(to: str | None, table: Sequence[Data]) -> list[str]:
    if to == CHEAPEST:
        text = "×: as a multiple of the cheapest network here that is as accurate"
    else:
        text = f"×: as a multiple of {table[0]['relative_to']}"
    said = "; ".join([text, *document.as_published(document.scored(table))])
    return [said, *document.agreement(table)]
