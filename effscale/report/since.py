"""The answer of `compare --since`: spec files that have changed, in one comment."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from effscale.comparing.side_by_side import entries
from effscale.cost.count import count
from effscale.growth.scale import variant
from effscale.quantity import human
from effscale.report import parts, rows
from effscale.report.document import Column, Report, Section, several

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.comparing.since import Changed
    from effscale.report.document import Units
    from effscale.report.rows import Data
    from effscale.spec.models import Spec


@dataclass(frozen=True)
class File:
    """A file that has changed: its spec before and after, and what is wrong with it."""

    changed: Changed
    before: Spec | None
    after: Spec | None
    faults: Sequence[str] = ()  #: why it does not load
    over: Sequence[str] = field(default=())  #: limits of `budget:` that it exceeds
    unmeasured: int = 0  #: limits of latency, which nobody has measured

    @property
    def name(self) -> str:
        return self.changed.after or self.changed.before or ""


def report(files: Sequence[File], revision: str, *, units: Units = "macs") -> Report:
    """All files in a table, then what changed in each, part by part."""
    told = [_told(each, units) for each in files]
    table = [row for row, _ in told]
    columns = [
        Column.words("file"),
        Column.words("change", "said"),
        *(_known(column) for column in parts.deltas(units, table)),
    ]
    heading = [("since", f"{revision}: {several(len(files), 'spec file')} changed")]
    notes = [
        f"{row['file']}: {'; '.join(row['other_changes'])}"
        for row in table
        if row["other_changes"]
    ]
    notes += [f"does not load: {line}" for each in files for line in each.faults]
    notes += [f"over budget: {line}" for each in files for line in each.over]
    notes += [
        f"{each.name}: {several(each.unmeasured, 'limit')} of latency not measured: "
        "check --verify does"
        for each in files
        if each.unmeasured
    ]
    return Report(
        data={**rows.envelope("compare"), "since": revision, "files": table},
        sections=[
            *([Section(columns, table)] if table else []),
            *(section for _, sections in told for section in sections),
        ],
        heading=heading,
        notes=notes,
        records=[
            {key: value for key, value in row.items() if not isinstance(value, list)}
            for row in table
        ],
    )


def _told(file: File, units: Units) -> tuple[Data, list[Section]]:
    """A file's row, and the tables of what changed in it."""
    both = (None, None) if file.faults else (file.before, file.after)
    costs = [None if each is None else count(each) for each in both]
    row: Data = {
        "file": file.name,
        "was": file.changed.before,
        "change": file.changed.kind,
        "said": _said(file),
        **parts.figures(*costs),
        "other_changes": [],
        "parts": [],
        "variants": [],
        "faults": list(file.faults),
        "over_budget": list(file.over),
    }
    if file.before is not None and file.after is not None:
        names = [file.changed.before or "", file.name]
        old, new = entries(names, [file.before, file.after])
        inner = parts.report(old, new, measured=[None, None], units=units)
        row |= {
            name: inner.data[name] for name in ("parts", "variants", "other_changes")
        }
        if not inner.sections and not inner.data["other_changes"]:
            row["said"] += ", same cost"
        return row, [_titled(file.name, each) for each in inner.sections]
    spec = file.after or file.before
    if spec is None or not spec.variants:
        return row, []
    costs_of = {name: count(variant(spec, name)) for name in spec.variants}
    row["variants"] = [
        {
            "variant": name,
            **parts.figures(*((None, cost) if file.after else (cost, None))),
        }
        for name, cost in costs_of.items()
    ]
    columns = [Column.words("variant"), *parts.deltas(units, row["variants"])]
    return row, [Section(columns, row["variants"], f"{file.name}: variants")]


def _known(column: Column) -> Column:
    """A column of differences without those of files that do not load."""
    return replace(column, show=lambda row: "" if row["faults"] else column.show(row))


def _titled(name: str, section: Section) -> Section:
    return replace(section, title=f"{name}: {section.title}")


def _said(file: File) -> str:
    """How it changed, for people."""
    if file.faults:
        return "does not load"
    what = file.changed.kind
    if what == "renamed":
        what = f"was {file.changed.before}"
    if what == "added" and file.after is not None:
        what = f"added: {human(int(count(file.after).macs))} MACs"
    return f"{what}, over budget" if file.over else what
