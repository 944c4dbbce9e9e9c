"""The answer of `specs`: built-in networks and their counts.

To read and count some hundred networks takes seconds, so that the rows are kept in a
file beside them, `counted.json`, with a digest of all their texts. Where a text is
another, all are counted.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from zlib import crc32

from effscale.report import document, rows
from effscale.report.document import Column, Report, Section
from effscale.spec.names import files, folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.report.document import Units
    from effscale.report.rows import Data
    from effscale.spec.models import Spec

#: The name of the file that keeps the rows.
KEPT = "counted.json"


def report(families: Sequence[str] = (), *, units: Units = "macs") -> Report:
    """Built-in specs and their published variants, family by family, cheapest first."""
    table = _kept() or counted()
    table = [row for row in table if not families or row["family"] in families]
    table.sort(key=lambda row: (row["family"] or "", row["macs"]))
    scores = document.scored(table)
    columns = [
        Column.words("name"),
        Column.words("family"),
        document.IMAGE,
        document.PARAMS,
        document.macs_column(units),
        document.ACTIVATIONS,
        *(Column(title, key, "{:.1f}".format) for title, key in scores.items()),
    ]
    return Report(
        data={**rows.envelope("specs"), "specs": table},
        sections=[Section(columns, table)],
        notes=document.as_published(scores),
        records=table,
    )


def _kept() -> list[Data]:
    """The rows as they were counted; none if that was of other texts."""
    path = folder() / KEPT
    kept = json.loads(path.read_text("utf-8")) if path.exists() else {}
    found: list[Data] = kept["specs"] if kept.get("digest") == _digest() else []
    return found


def _digest() -> int:
    """A number that another text of a built-in file makes another."""
    found = 0
    for path in files().values():
        found = crc32(path.read_bytes(), found)
    return found


def counted() -> list[Data]:
    """A row for each built-in network, in the order of their files."""
    from effscale.growth.scale import relatives
    from effscale.spec.builtin import builtin

    return [
        _row(name, f"{stem}.yaml", network)
        for stem, spec in builtin().items()
        for name, network in relatives(spec, stem).items()
    ]


def kept_text() -> str:
    """What `counted.json` holds, a line for each network."""
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in counted())
    return f'{{"digest": {_digest()}, "specs": [\n{lines}\n]}}\n'


def _row(name: str, file: str, spec: Spec) -> Data:
    from effscale.cost.count import count

    return {
        "name": name,
        "file": file,
        "family": spec.family,
        "resolution": rows.image(spec),
        **rows.costs(count(spec)),
        **{key: getattr(spec.published, key, None) for key in document.SCORES.values()},
    }
