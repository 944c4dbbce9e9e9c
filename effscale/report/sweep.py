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
    """Each row with its cost as a bar, jumps and sizes without overhead marked."""
    table = [_row(dimension, each, base) for each in found.steps]
    unit, factor = document.unit_of(units)
    wasted = any(row["rounding_overhead"] is not None for row in table)
    highest = max((row["macs"] for row in table), default=1)
    columns = [
        Column(_title(dimension), "", lambda row: _range(dimension, row)),
        document.macs_column(units),
        Column("", "macs", lambda macs: _bar(macs / highest), justify="left"),
        document.RATIO,
        Column("rise", "rise", lambda rise: signed_percent(rise) if rise else ""),
        *_dimension_columns(dimension, wasted=wasted),
        Column("", "", _mark, justify="left"),
    ]
    return Report(
        data={
            **rows.envelope("scale", spec.name),
            "sweep": dimension,
            "rows": table,
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
        "macs_ratio": int(step.cost.macs) / base,
        "rise": step.rise,
        "jump": step.is_cliff,
        "rounding_overhead": step.waste,
    }


def _dimension_columns(dimension: Dimension, *, wasted: bool) -> list[Column]:
    if dimension == "resolution":
        return (
            [Column("overhead", "rounding_overhead", signed_percent)] if wasted else []
        )
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
    return row["rounding_overhead"] is not None and abs(row["rounding_overhead"]) < 5e-4  # noqa: PLR2004


def _mark(row: Row) -> str:
    return "jump" if row["jump"] else "no overhead" if _free(row) else ""


def _emphasis(row: Row) -> str:
    return "bold" if row["jump"] or _free(row) else ""


def _legend(*, wasted: bool) -> str:
    jump = "jump: 5 % or more above the row before"
    if not wasted:
        return jump
    overhead = "overhead: MACs added by rounding odd sides up, at the row's last size"
    return f"{jump}  {overhead}"
