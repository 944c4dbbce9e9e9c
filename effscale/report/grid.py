"""The answer of `grid`: coefficients that meet a budget, best first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from effscale.report import document, rows
from effscale.report.document import (
    Column,
    Report,
    Section,
    multiple,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.module.measure import Measurement
    from effscale.report.document import Units
    from effscale.report.rows import Data
    from effscale.search.grid import Answer, Candidates, Grid
    from effscale.spec.models import Spec

#: Orders that one may ask for: best first, each with what to sort by.


def best_first(candidates: Candidates, by: str) -> Candidates:
    """The candidates sorted: smallest deviation, or smallest figure, first."""
    keys: dict[str, Any] = {
        "deviation": np.abs(candidates.deviation),
        "tracking": candidates.tracking,
        "params": candidates.cost.params,
        "activations": candidates.cost.activations,
        "macs": candidates.cost.macs,
        "resolution": candidates.height * candidates.width,
    }
    ties: tuple[Any, ...] = candidates.gamma, candidates.beta, candidates.alpha
    return candidates.take(np.lexsort((*ties, np.abs(candidates.deviation), keys[by])))


def candidate_rows(spec: Spec, candidates: Candidates, phi: float) -> list[Data]:
    """A row for each candidate, in order, as plain Python numbers."""
    own = spec.coefficients
    figures = {
        "alpha": candidates.alpha,
        "beta": candidates.beta,
        "gamma": candidates.gamma,
        "product": candidates.product,
        "depth_multiplier": candidates.alpha**phi,
        "width_multiplier": candidates.beta**phi,
        "resolution_multiplier": candidates.gamma**phi,
        "resolution": np.stack([candidates.height, candidates.width], axis=1),
        "params": candidates.cost.params,
        "macs": candidates.cost.macs,
        "activations": candidates.cost.activations,
        "ratio": candidates.ratio,
        "deviation": candidates.deviation,
        "tracking": candidates.tracking,
        "points": candidates.same,
        "pareto": candidates.pareto,
    }
    lists = [np.asarray(column).tolist() for column in figures.values()]
    table = [dict(zip(figures, row, strict=True)) for row in zip(*lists, strict=True)]
    for row in table:
        point = row["alpha"], row["beta"], row["gamma"]
        row["own"] = point == (own.alpha, own.beta, own.gamma)
    return table


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
    budget = grid.budget ** grid.phis[0]
    for index, row in enumerate(table):
        found = measured[index] if index < len(measured) else None
        row["budget"] = budget
        row["measured"] = rows.measured(found)
        row["agrees"] = None if found is None else found.macs == row["macs"]
    shown = [*table[:top], *(row for row in table[top:] if row["own"])]
    family = len(grid.phis) > 1
    more = [f"{len(table) - top} more networks: --top {len(table)}, or --format csv"]
    return Report(
        data={
            **rows.envelope("grid", spec.name),
            "enumerated": answer.enumerated,
            "feasible": answer.feasible,
            "networks": len(table),
            "candidates": table,
        },
        sections=[
            Section(_columns(units, family=family), shown, emphasis=document.own)
        ],
        heading=_heading(spec, grid, answer, len(table)),
        notes=[_legend(family=family), *(more if len(table) > top else [])],
        records=[rows.flat(row) for row in table],
    )


def _heading(
    spec: Spec, grid: Grid, answer: Answer, networks: int
) -> list[tuple[str, str]]:
    low, high = grid.phis[0], grid.phis[-1]
    phis = f"φ {low:g}" if low == high else f"φ {low:g} to {high:g}"
    what = "α·β²·γ²" if grid.constraint == "nominal" else "realised MACs"
    percent = f"{100 * grid.tolerance:g} %"
    budget = f"{grid.budget:g} × {spec.name} per φ, by {what} within {percent}, {phis}"
    found = (
        f"{answer.enumerated:,} points, {answer.feasible:,} feasible, "
        f"{networks:,} networks"
    )
    return [("budget", budget), ("grid", found)]


def _columns(units: Units, *, family: bool) -> list[Column]:
    def marks(row: Data) -> str:
        return "".join(
            mark for key, mark in (("own", "★"), ("pareto", "◆")) if row[key]
        )

    return [
        Column("", "", marks, justify="left"),
        Column("α", "alpha", multiple),
        Column("β", "beta", multiple),
        Column("γ", "gamma", multiple),
        Column("product", "product", lambda value: f"{value:.3f}"),
        *document.candidates(units, family=family),
    ]


def _legend(*, family: bool) -> str:
    text = "★ the spec's own coefficients  ◆ on the front of params against activations"
    return f"{text}  rms: of log(ratio / budget) over φ" if family else text
