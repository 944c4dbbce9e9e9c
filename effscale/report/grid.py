"""The answer of `grid`: coefficients that meet a target, best first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from effscale.cost.count import Cost
from effscale.glossary import word
from effscale.growth.growth import growth_of
from effscale.limit import UNITS, title
from effscale.quantity import in_seconds
from effscale.report import document, left_out, rows
from effscale.report.calibrate import predicted
from effscale.report.document import Column, Report, Section, multiple, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.growth.growth import Growth
    from effscale.module.measure import Measurement
    from effscale.report.document import Row, Units
    from effscale.report.rows import Data
    from effscale.search.grid import Answer, Candidates, Grid
    from effscale.spec.models import Spec


#: Rows of the printed table, unless others are asked for.
SHOWN = 20


def candidate_rows(spec: Spec, candidates: Candidates, grid: Grid) -> list[Data]:
    """A row for each candidate, in order, as plain Python numbers."""
    growth, size, phi = growth_of(spec), len(candidates), grid.phis[0]
    axes = [*zip(growth.axes, candidates.coefficients, growth.own, strict=True)]
    given = growth.at(candidates.coefficients, phi).given
    figures = {
        **{axis.key: each for axis, each, _ in axes},
        **{f"{name}_multiplier": each for name, each in given.items()},
        **vars(candidates.cost),
        "product": candidates.product,
        "resolution": np.stack([candidates.height, candidates.width], axis=1),
        "channels": candidates.numbers,
        "macs_ratio": candidates.ratio,
        "deviation": candidates.deviation,
        "rms_error": candidates.tracking,
        "grid_points": candidates.same,
        "pareto": candidates.pareto,
        **_figures(grid, candidates),
        "own_coefficients": np.all([each == own for _, each, own in axes], axis=0),
    }
    said = [key for key in (*growth.candidate, *grid.figures) if key in figures]
    lists = [_plain(figures[key], size) for key in said]
    table = [dict(zip(said, row, strict=True)) for row in zip(*lists, strict=True)]
    return [row | dict.fromkeys(growth.unsaid) for row in table]


def _figures(grid: Grid, candidates: Candidates) -> Data:
    """What limits speak of: whole bytes, seconds as they are."""
    columns = zip(grid.figures, candidates.figures.T, strict=True)
    return {k: v if k == "latency" else v.astype(np.int64) for k, v in columns}


def _plain(column: Any, size: int) -> list[Any]:  # noqa: ANN401 - an array, or a number
    found: list[Any] = (
        np.asarray(column).tolist() if np.ndim(column) else [column] * size
    )
    return found


def report(  # noqa: PLR0913 - what a search was, and what it found
    spec: Spec,
    grid: Grid,
    answer: Answer,
    table: list[Data],
    *,
    top: int,
    measured: Sequence[Measurement | None] = (),
    units: Units = "macs",
) -> Report:
    """The feasible networks; `top` of them shown, all of them in JSON and CSV.

    `measured` has an entry for each of the first rows, as far as it goes.
    """
    growth, target = growth_of(spec), grid.target_ratio ** grid.phis[0]
    for index, row in enumerate(table):
        found = measured[index] if index < len(measured) else None
        cost = Cost(**{name: row[name] for name in rows.FIGURES})
        row["target_ratio"] = target
        row["measured"] = rows.measured(found)
        row["agrees"] = rows.agrees(cost, found)
    ran = ["measured_latency"] if "latency" in grid.figures else []
    keys = (*growth.candidate, *grid.figures, *ran)
    table = [{key: row.get(key) for key in keys} for row in table]
    shown = [*table[:top], *(row for row in table[top:] if row["own_coefficients"])]
    family = len(grid.phis) > 1
    left = len(table) - top
    more = [
        f"{left} more network{'s' * (left != 1)}: --top {len(table)}, or --format csv"
    ]
    return Report(
        data={
            **rows.envelope("grid", spec.name),
            "enumerated": answer.enumerated,
            "feasible": answer.feasible,
            "distinct": len(table),
            "candidates": table,
            "left_out": left_out.rows(answer.left),
        },
        sections=[
            Section(
                _columns(growth, grid, units, shown),
                shown,
                emphasis=_emphasis,
            ),
            *left_out.sections(answer.left),
        ],
        heading=_heading(growth, grid, answer, len(table)),
        notes=[_legend(growth, family=family), *(more if len(table) > top else [])],
        records=[_record(row) for row in table],
    )


def _record(row: Data) -> Data:
    """A row for a CSV; of what is shown φ by φ, the first."""
    first = {key: row[key][0] for key in ("channels",) if key in row}
    return rows.flat({**row, **first})


def _heading(
    growth: Growth, grid: Grid, answer: Answer, networks: int
) -> list[tuple[str, str]]:
    low, high = grid.phis[0], grid.phis[-1]
    target = [f"{grid.target_ratio:g} × {growth.spec.name} per φ"]
    found = [f"{answer.enumerated:,} {growth.points}"]
    if grid.constraint is not None:
        what = "α·β²·γ²" if grid.constraint == "nominal" else "realised MACs"
        target.append(f"by {what} within {100 * grid.tolerance:g} %")
        found.append(f"{answer.feasible:,} feasible")
    target.append(f"φ {low:g}" if low == high else f"φ {low:g} to {high:g}")
    found.append(f"{networks:,} networks")
    lines = [("target", ", ".join(target)), ("grid", ", ".join(found))]
    limits = [("limits", "; ".join(map(str, grid.limits)))]
    model = grid.running.model
    said = [] if model is None else [("latency", predicted(model))]
    return [*lines, *(limits if grid.limits else []), *said]


#: How long the first networks took when they were run, where latency is predicted.
_RAN = Column("measured", "measured_latency", in_seconds)
#: Columns beside the coefficients, of the growths whose candidates have them.
_BESIDE = {
    "product": Column("product", "product", lambda value: f"{value:.3f}"),
    "channels": Column(
        "neck channels", "channels", lambda each: " ".join(map(str, each))
    ),
}


def _columns(
    growth: Growth, grid: Grid, units: Units, shown: list[Data]
) -> list[Column]:
    family = len(grid.phis) > 1
    said = [key for key in growth.candidate if key not in growth.unsaid]
    return [
        document.marks_column(
            *((key, word(key)) for key in ("own_coefficients", "pareto"))
        ),
        *(Column(axis.title, axis.key, multiple) for axis in growth.axes),
        *(_BESIDE[key] for key in said if key in _BESIDE),
        *document.costs(units, shown),
        document.ACTIVATIONS,
        *(Column(title(name), name, UNITS[name].show) for name in grid.figures),
        *([_RAN] if any(row.get(_RAN.key) for row in shown) else []),
        document.RATIO,
        document.OFF_BY,
        *([Column(word("rms_error"), "rms_error", percent)] if family else []),
        Column(word("grid_points"), "grid_points"),
    ]


def _emphasis(row: Row) -> str:
    return "bold" if row["own_coefficients"] else ""


def _legend(growth: Growth, *, family: bool) -> str:
    tracking = [growth.tracking] if family and growth.tracking else []
    return "  ".join([growth.marks, *tracking])
