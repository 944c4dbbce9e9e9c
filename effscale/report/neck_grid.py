"""The answer of `grid` for a detector: growths of its neck's channels, best first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.report import document, rows
from effscale.report.document import Column, Report, Section, multiple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.module.measure import Measurement
    from effscale.report.document import Units
    from effscale.report.rows import Data
    from effscale.search.neck_grid import Candidate
    from effscale.spec.models import Spec


def best_first(found: Sequence[Candidate], by: str) -> list[Candidate]:
    """The candidates sorted: smallest deviation, or smallest figure, first."""

    def key(each: Candidate) -> tuple[float, float]:
        height, width = each.spec.resolution
        figures = {
            "deviation": abs(each.deviation),
            "tracking": each.tracking,
            "params": int(each.cost.params),
            "activations": int(each.cost.activations),
            "macs": int(each.cost.macs),
            "resolution": int(height * width),
        }
        return figures[by], each.growth

    return sorted(found, key=key)


def report(  # noqa: PLR0913 - what a search was, and what it found
    spec: Spec,
    found: Sequence[Candidate],
    phis: Sequence[float],
    budget: float,
    *,
    top: int,
    measured: Sequence[Measurement | None] = (),
    units: Units = "macs",
) -> Report:
    """Each growth's network; `top` of them shown, all of them in JSON and CSV."""
    table = [
        _row(each, measured[k] if k < len(measured) else None)
        for k, each in enumerate(found)
    ]
    shown = [*table[:top], *(row for row in table[top:] if row["own"])]
    points = sum(each.points for each in found)
    low, high = phis[0], phis[-1]
    said = f"φ {low:g}" if low == high else f"φ {low:g} to {high:g}"
    more = [f"{len(table) - top} more networks: --top {len(table)}, or --format csv"]
    return Report(
        data={
            **rows.envelope("grid", spec.name),
            "enumerated": points,
            "feasible": points,
            "networks": len(table),
            "candidates": table,
        },
        sections=[Section(_columns(units, phis), shown, emphasis=document.own)],
        heading=[
            ("budget", f"{budget:g} × {spec.name} per φ, {said}"),
            ("grid", f"{points:,} growths of the neck, {len(table):,} networks"),
        ],
        notes=[
            "★ the spec's own growth  W: channels of the neck",
            *(more if len(table) > top else []),
        ],
        records=[rows.flat({**row, "channels": row["channels"][0]}) for row in table],
    )


def _row(each: Candidate, measurement: Measurement | None) -> Data:
    given = each.multipliers
    return {
        **dict.fromkeys(("alpha", "beta", "gamma", "product")),
        "neck_growth": each.growth,
        "depth_multiplier": float(given.depth),
        "width_multiplier": float(given.width),
        "resolution_multiplier": float(given.resolution),
        "neck_width_multiplier": float(given.factor("neck_width")),
        "resolution": [int(side) for side in each.spec.resolution],
        "channels": list(each.channels),
        **rows.costs(each.cost),
        "ratio": each.ratio,
        "budget": each.budget,
        "deviation": each.deviation,
        "tracking": each.tracking,
        "points": each.points,
        # Params and activations rise together with the neck's channels.
        "pareto": None,
        "own": each.own,
        "measured": rows.measured(measurement),
        "agrees": rows.agrees(each.cost, measurement),
    }


def _columns(units: Units, phis: Sequence[float]) -> list[Column]:
    return [
        Column("", "own", lambda own: "★" if own else "", justify="left"),
        Column("growth", "neck_growth", multiple),
        Column("W", "channels", lambda each: " ".join(map(str, each))),
        *document.candidates(units, family=len(phis) > 1),
    ]
