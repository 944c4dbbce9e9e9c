"""The answer of `scale --sweep`: the staircase, as a plot of characters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.quantity import human
from effscale.report import document, left_out, rows
from effscale.report.document import Column, Report, Section, signed_percent

if TYPE_CHECKING:
    from effscale.report.document import Row, Units
    from effscale.report.rows import Data
    from effscale.search.sweep import Dimension, Step, Sweep
    from effscale.spec.models import Spec

#: Characters of the longest bar.
BAR = 24


def report(
    spec: Spec,
    dimension: Dimension,
    found: Sweep,
    base: int,
    *,
    units: Units = "macs",
) -> Report:
    """Each step with its cost as a bar, cliffs and sizes free of waste marked."""
    table = [_row(dimension, each, base) for each in found.steps]
    unit, factor = document.unit_of(units)
    wasted = any(row["waste"] is not None for row in table)
    highest = max((row["macs"] for row in table), default=1)
    columns = [
        Column(_title(dimension), "", lambda row: _range(dimension, row)),
        document.macs_column(units),
        Column("", "macs", lambda macs: _bar(macs / highest), justify="left"),
        document.RATIO,
        Column("step", "rise", lambda rise: signed_percent(rise) if rise else ""),
        *_dimension_columns(dimension, wasted=wasted),
        Column("", "", _mark, justify="left"),
    ]
    return Report(
        data={
            **rows.envelope("scale", spec.name),
            "sweep": dimension,
            "steps": table,
            "left_out": left_out.rows(found.left),
        },
        sections=[
            Section(columns, table, emphasis=_emphasis),
            *left_out.sections(found.left),
        ],
        heading=[("baseline", f"{spec.name}, {human(factor * base)} {unit}")],
        notes=[_legend(wasted=wasted)],
        records=table,
    )


def _row(dimension: Dimension, step: Step, base: int) -> Data:
    whole = dimension == "resolution"
    return {
        "from": int(step.low) if whole else float(step.low),
        "to": int(step.high) if whole else float(step.high),
        **rows.costs(step.cost),
        "ratio": int(step.cost.macs) / base,
        "rise": step.rise,
        "cliff": step.is_cliff,
        "waste": step.waste,
    }


def _dimension_columns(dimension: Dimension, *, wasted: bool) -> list[Column]:
    if dimension == "resolution":
        return [Column("waste", "waste", signed_percent)] if wasted else []
    return [document.PARAMS]


def _title(dimension: Dimension) -> str:
    return "pixels" if dimension == "resolution" else dimension


def _range(dimension: Dimension, row: Row) -> str:
    if dimension == "resolution":
        low, high = row["from"], row["to"]
        return str(low) if low == high else f"{low}-{high}"
    low, high = f"{row['from']:.4g}", f"{row['to']:.4g}"
    return low if low == high else f"{low} to {high}"


def _bar(share: float) -> str:
    """Whole blocks, and one of an eighth to seven."""
    eighths = round(share * BAR * 8)
    return "█" * (eighths // 8) + "▏▎▍▌▋▊▉"[: eighths % 8][-1:]


def _free(row: Row) -> bool:
    return row["waste"] is not None and abs(row["waste"]) < 5e-4  # noqa: PLR2004


def _mark(row: Row) -> str:
    return "cliff" if row["cliff"] else "free" if _free(row) else ""


def _emphasis(row: Row) -> str:
    return "bold" if row["cliff"] or _free(row) else ""


def _legend(*, wasted: bool) -> str:
    cliff = "cliff: 5 % or more above the step before"
    if not wasted:
        return cliff
    waste = "waste: MACs of maps that strides round up, at the step's last size"
    return f"{cliff}  free: none wasted  {waste}"
