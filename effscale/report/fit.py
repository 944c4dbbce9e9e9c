"""The answer of `fit`: the variants that meet a cost, or come nearest to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.growth.growth import growth_of
from effscale.report import document, left_out, rows
from effscale.report.document import Column, Report, Section
from effscale.report.scaling import (
    legend,
    reasons,
    scaled,
    unexplained,
    variant_row,
    warnings,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.growth.growth import Growth
    from effscale.module.measure import Measurement
    from effscale.report.document import Row, Units
    from effscale.report.rows import Data
    from effscale.search.fit import Found
    from effscale.search.networks import LeftOut
    from effscale.spec.models import Spec


def report(  # noqa: PLR0913 - what was asked, and what was found
    spec: Spec,
    found: Sequence[Found],
    *,
    asked: str,
    searched: str,
    left: LeftOut,
    measured: Sequence[Measurement | None],
    units: Units = "macs",
    top: int = 10,
) -> Report:
    """Each network found, its role beside it; of the front, `top` in the table."""
    growth = growth_of(spec)
    table = [
        _row(spec, each, measurement)
        for each, measurement in zip(found, measured, strict=True)
    ]
    front = [row for row in table if row["role"] == "front"]
    others = [row for row in table if row["role"] != "front"]
    chosen = [row for row in others if row["role"] == "nearest"]
    sections = [Section(_columns(growth, units, others), others, emphasis=_emphasis)]
    notes = []
    if front:
        title = "Pareto front within the tolerance: params against activations"
        sections.append(
            Section(_columns(growth, units, front), _spread(front, top), title)
        )
        if len(front) > top:
            notes.append(f"{len(front)} on the front: --top {len(front)} shows all")
    sections += [*reasons(growth, chosen), *left_out.sections(left)]
    return Report(
        data={
            **rows.envelope("fit", spec.name),
            "rows": table,
            "left_out": left_out.rows(left),
        },
        sections=sections,
        heading=[("target", asked), ("searched", searched)],
        notes=[*notes, *legend(growth), *unexplained(table)],
        records=[_flat(row) for row in table],
        warnings=warnings(table),
    )


def _row(spec: Spec, found: Found, measurement: Measurement | None) -> Data:
    row = variant_row(spec, found.variant, measurement)
    interval = None if found.interval is None else list(found.interval)
    return {"role": found.role, "target": found.target, **row, "interval": interval}


def _flat(row: Data) -> Data:
    """A row for a CSV, the interval in two cells."""
    low, high = row["interval"] or (None, None)
    flat = {**rows.flat(row), "phi_from": low, "phi_to": high}
    del flat["interval"]
    return flat


def _spread(front: list[Data], top: int) -> list[Data]:
    """At most `top` of the front, evenly spread along it, both ends among them."""
    if len(front) <= top:
        return front
    last = len(front) - 1
    picked = [round(k * last / max(top - 1, 1)) for k in range(top)]
    return [front[index] for index in dict.fromkeys(picked)]


def _interval(value: Sequence[float]) -> str:
    low, high = value
    return f"{low:.3f} to {high:.3f}"


_PHI = [
    Column("φ", "phi", lambda phi: f"{phi:g}"),
    Column("same for φ", "interval", _interval),
]


def _columns(growth: Growth, units: Units, table: list[Data]) -> list[Column]:
    several = len({row["target"] for row in table}) > 1
    targets = [document.macs_column(units, "target", title="target")]
    ray = any(row["interval"] for row in table)
    return [
        Column.words("", "role"),
        *(targets if several else []),
        *(_PHI if ray else []),
        *scaled(growth),
        *document.costs(units, table),
        document.ACTIVATIONS,
        document.OFF_BY,
    ]


def _emphasis(row: Row) -> str:
    return "bold" if row["role"] == "nearest" else ""
