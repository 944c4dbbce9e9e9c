"""The answer of `specs`: what is built in, counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.cost.count import count
from effscale.growth.scale import relatives
from effscale.report import rows
from effscale.report.document import Column, Report, Section, quantity, sides, unit_of
from effscale.spec.builtin import builtin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.report.document import Units
    from effscale.report.rows import Data
    from effscale.spec.models import Spec


def report(families: Sequence[str] = (), *, units: Units = "macs") -> Report:
    """Built-in specs and their published variants, family by family, cheapest first."""
    table = []
    for stem, spec in builtin().items():
        networks = relatives(spec, stem).items()
        table += [_row(name, f"{stem}.yaml", network) for name, network in networks]
    table = [row for row in table if not families or row["family"] in families]
    table.sort(key=lambda row: (row["family"] or "", row["macs"]))
    unit, factor = unit_of(units)
    columns = [
        Column("name", "name", justify="left"),
        Column("family", "family", justify="left"),
        Column("input", "resolution", sides),
        Column("params", "params", quantity),
        Column(unit, "macs", lambda macs: quantity(factor * macs)),
        Column("activ.", "activations", quantity),
        Column("top-1", "top1", lambda value: f"{value:.1f}"),
        Column("top-5", "top5", lambda value: f"{value:.1f}"),
        Column("AP", "ap", lambda value: f"{value:.1f}"),
    ]
    return Report(
        data={**rows.envelope("specs"), "specs": table},
        sections=[Section(columns, table)],
        notes=["top-1, top-5, AP: as published, in per cent"],
        records=table,
    )


def _row(name: str, file: str, spec: Spec) -> Data:
    published = spec.published
    return {
        "name": name,
        "file": file,
        "family": spec.family,
        "resolution": [int(side) for side in spec.resolution],
        **rows.costs(count(spec)),
        "top1": published.top1 if published else None,
        "top5": published.top5 if published else None,
        "ap": published.ap if published else None,
    }
