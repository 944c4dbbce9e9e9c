"""The answer of `specs`: built-in networks and their counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.cost.count import count
from effscale.growth.scale import relatives
from effscale.report import document, rows
from effscale.report.document import Column, Report, Section
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
    columns = [
        Column.words("name"),
        Column.words("family"),
        document.IMAGE,
        document.PARAMS,
        document.macs_column(units),
        document.ACTIVATIONS,
        *(
            Column(title, key, "{:.1f}".format)
            for title, key in document.SCORES.items()
        ),
    ]
    return Report(
        data={**rows.envelope("specs"), "specs": table},
        sections=[Section(columns, table)],
        notes=["top-1, top-5, AP: as published, in per cent"],
        records=table,
    )


def _row(name: str, file: str, spec: Spec) -> Data:
    return {
        "name": name,
        "file": file,
        "family": spec.family,
        "resolution": rows.image(spec),
        **rows.costs(count(spec)),
        **{key: getattr(spec.published, key, None) for key in document.SCORES.values()},
    }
