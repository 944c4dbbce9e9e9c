"""The answer of `compare --parts`: what changed between two versions of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from effscale.comparing.parts import aside, changes, less, of_variants
from effscale.cost.count import Cost
from effscale.quantity import human
from effscale.report import document, rows
from effscale.report.compare import ratios
from effscale.report.document import Column, Report, Section, extents, signed_percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.comparing.parts import Change, Difference
    from effscale.comparing.side_by_side import Entry
    from effscale.module.measure import Measurement
    from effscale.report.document import Row, Show, Units
    from effscale.report.rows import Data

FIGURES = ("macs", "params", "activations", "products")
#: Longer than this, a value is not shown but said to be another.
SHORT = 30


def report(
    old: Entry,
    new: Entry,
    *,
    measured: Sequence[Measurement | None],
    units: Units = "macs",
) -> Report:
    """What changed from `old` to `new`: a verdict, and the parts that did."""
    found = changes(old.spec, new.spec)
    both = _rows(old, new, measured)
    total = less(new.cost, old.cost)
    parts = [_part_row(each, old.cost, new.cost) for each in found]
    variants = [
        {"variant": name, **figures(*both)}
        for name, both in of_variants(old.spec, new.spec).items()
    ]
    others = [_said(each) for each in aside(old.spec, new.spec)]
    changed = [row for row in parts if row["change"] != "same"]
    sum_of_all = {"part": "total", **figures(old.cost, new.cost)}
    verdict = _verdict(old, new, total, units)
    what = [Column.words("part"), Column.words("change", "changes", wraps=True)]
    name = [Column.words("variant")]
    sections = [
        Section([*what, *deltas(units, changed)], changed, verdict, total=sum_of_all),
        Section([*name, *deltas(units, variants)], variants, "Variants of the file"),
    ]
    records = [
        {key: value for key, value in row.items() if key not in {"before", "after"}}
        for row in parts
    ]
    return Report(
        data={
            **rows.envelope("compare", old.name),
            "rows": both,
            "parts": parts,
            "variants": variants,
            "other_changes": others,
        },
        sections=[each for each in sections if each.rows],
        heading=[] if changed else [("verdict", verdict)],
        notes=[*_notes(len(parts) - len(changed), others), *document.agreement(both)],
        records=records,
    )


def _rows(old: Entry, new: Entry, measured: Sequence[Measurement | None]) -> list[Data]:
    return [
        {
            **rows.network(each.name, each.spec, each.cost, each.multipliers, found),
            **ratios(each.cost, old.cost),
            "relative_to": old.name,
            "spec": each.reference,
        }
        for each, found in zip((old, new), measured, strict=True)
    ]


def _part_row(change: Change, old: Cost, new: Cost) -> Data:
    """A part before and after: both rows of `profile`, and what differs."""
    first, here = change.sides[0].part, change.sides[-1]
    name = here.part.name
    if first.name != name:
        name += f" (was {first.name.removeprefix('stage ')})"
    operator = f"{here.part.operator}, {here.part.channels} channels"
    if int(here.part.repeats) > 1:
        operator += f", ×{here.part.repeats}"
    said = ", ".join(map(_said, change.differences))
    what = said if change.before and change.after else f"{change.kind}: {operator}"
    if change.kind == "changed" and not said:
        what = _LAYERS
    costs = [
        None if each is None else each.cost for each in (change.before, change.after)
    ]
    return {
        "part": name,
        "change": change.kind,
        "changes": what,
        **figures(*costs),
        "before": change.before and rows.part_row(change.before, old),
        "after": change.after and rows.part_row(change.after, new),
    }


def figures(old: Cost | None, new: Cost | None) -> Data:
    """Before, after and the difference of each figure: `macs_before`, `macs_delta`."""
    found: Data = {}
    delta = less(new or Cost(), old or Cost())
    for figure in FIGURES:
        for when, cost in (("before", old), ("after", new), ("delta", delta)):
            found[f"{figure}_{when}"] = (
                None if cost is None else int(getattr(cost, figure))
            )
    return found


#: What is said of a part where no value of it can be named.
_LAYERS = "its layers differ"


def _said(difference: Difference) -> str:
    """`channels 40→48`, or that it differs where the values are long."""
    if not difference.place:
        return _LAYERS
    values = [_value(each) for each in (difference.before, difference.after)]
    if max(map(len, values)) > SHORT:
        return f"{difference.place} differs"
    return f"{difference.place} {values[0]}→{values[1]}"


def _value(value: Any) -> str:  # noqa: ANN401 - plain data
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list) and all(isinstance(each, int) for each in value):
        square = len(value) == 2 and value[0] == value[1]  # noqa: PLR2004 - two sides
        return str(value[0]) if square else extents(value)
    return str(value)


def deltas(units: Units, table: Sequence[Row]) -> list[Column]:
    """A column for each figure; that of products where a row has some."""
    unit, factor = document.unit_of(units)
    titles = (unit, "params", "activ.", "products")
    some = any(row["products_before"] or row["products_after"] for row in table)
    told = zip(FIGURES, titles, (factor, 1, 1, factor), strict=True)
    return [
        Column(title, "", _delta(figure, times))
        for figure, title, times in told
        if some or figure != "products"
    ]


def _delta(figure: str, times: int) -> Show:
    def show(row: Data) -> str:
        added, before = row[f"{figure}_delta"], row[f"{figure}_before"]
        if not added:
            return "0"
        text = signed(times * added)
        share = f" {_rise(added / before)}" if before else ""
        gone = row[f"{figure}_after"] is None
        return text if gone else text + share

    return show


def signed(number: int) -> str:
    """A quantity with its sign: `+2.30 M`."""
    return f"+{human(number)}" if number > 0 else human(number)


def _rise(value: float) -> str:
    """A signed share, without decimals from 100 % on."""
    return f"{100 * value:+.0f} %" if abs(value) >= 1 else signed_percent(value)


def _verdict(old: Entry, new: Entry, total: Cost, units: Units) -> str:
    """One line: what the change does to each figure, dearest first."""
    unit, factor = document.unit_of(units)
    titles = ((unit, factor), ("params", 1), ("activations", 1))
    said = []
    for figure, (title, times) in zip(FIGURES, titles, strict=False):
        before, after = (int(getattr(each.cost, figure)) for each in (old, new))
        if before == after:
            said.append(f"{title} unchanged")
            continue
        rise = _rise(after / before - 1) if before else "new"
        said.append(
            f"{title} {human(times * before)} → {human(times * after)} ({rise})"
        )
    name = new.spec.name
    if old.spec.name != name:
        name = f"{old.spec.name} → {name}"
    if total == Cost():
        return f"{name}: the cost is the same"
    return f"{name}: {', '.join(said)}"


def _notes(unchanged: int, others: Sequence[str]) -> list[str]:
    parts = {0: [], 1: ["1 part is unchanged"]}
    found = parts.get(unchanged, [f"{unchanged} parts are unchanged"])
    return [*found, *([f"besides: {'; '.join(others)}"] if others else [])]
