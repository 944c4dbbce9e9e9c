"""The answer of `profile` for a module of other code: two counters, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from effscale.report import rows
from effscale.report.coverage import conventions, extra, heading, plain
from effscale.report.document import (
    Column,
    Report,
    Section,
    percent,
    quantity,
    unit_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from effscale.module.sides import Side, Sides
    from effscale.report.document import Units
    from effscale.report.profile import By
    from effscale.report.rows import Data

#: Of the other tools' numbers, those that the two counters know.
TOOLS = ("paper", "fvcore", "torch")


def report(
    found: Sides,
    *,
    by: By = "part",
    depth: int = 1,
    units: Units = "macs",
    tool: str | None = None,
) -> Report:
    """What both counters say of a module, by the tree of its modules or by operator."""
    from effscale.module.sides import shown

    best = found.best
    engines = [each.engine for each in found.sides]
    named = list(_modules(found, depth if by == "part" else None, leaves=by == "layer"))
    operators, left_out = _operators(found), _left_out(found)
    numbers = conventions(found)
    total: Data = {
        "module": "total",
        "operator": "total",
        **rows.costs(best),
        **{side.engine: _macs(side) for side in found.sides},
        "share": 1.0,
    }
    data = {
        **rows.envelope("profile", found.name),
        "inputs": [shown(each) for each in found.inputs],
        "totals": rows.costs(best),
        "modules": named,
        "operators": operators,
        "left_out": left_out,
        "measured": [_measured(side) for side in found.sides],
        "agrees": not found.faults(),
        "faults": found.faults(),
        "conventions": numbers,
    }
    if tool:
        data["as"] = {"tool": tool, "total": numbers[tool]}
    main = operators if by == "operator" else named
    sections = [Section(_columns(by, engines, units), main, total=total)]
    if by == "operator" and left_out:
        sections.append(Section(_LEFT_OUT, left_out, "Left out: no MACs"))
    return Report(
        data=data,
        sections=sections,
        heading=heading(found, units, tool),
        records=[_record(row) for row in main],
    )


def _macs(side: Side) -> int | None:
    return None if side.measured is None else int(side.measured.macs)


def _modules(found: Sides, depth: int | None, *, leaves: bool) -> Iterator[Data]:
    """The modules that cost something, those that hold others before what they hold."""
    whole = max(int(found.best.macs), 1)
    alone = next(found.module.children(), None) is None
    for path, module in found.module.named_modules():
        level = path.count(".") + 1
        inner = next(module.children(), None) is not None
        if not path and not alone:
            continue
        if (depth is not None and level > depth) or (leaves and inner):
            continue
        macs: Data = {
            side.engine: side.measured.modules.get(path, 0)
            for side in found.sides
            if side.measured is not None
        }
        params = sum(p.numel() for p in module.parameters() if p.requires_grad)
        if params or any(macs.values()):
            ours = found.best.modules.get(path, 0)
            yield {
                "module": path or "whole",
                "level": 1 if leaves else level,
                "type": type(module).__name__,
                "params": params,
                "macs": ours,
                **macs,
                "share": ours / whole,
            }


def _operators(found: Sides) -> list[Data]:
    """Convolutions and matrix products, with each engine's names of them."""
    from effscale.module.sides import KINDS, kind

    whole = max(int(found.best.macs), 1)
    table = []
    for name in KINDS:
        row: Data = {"operator": name}
        for side in found.sides:
            if side.measured is not None:
                calls = side.measured.calls
                row[side.engine] = side.kinds()[name]
                row[f"{side.engine}_calls"] = {
                    each: n for each, n in calls.items() if kind(each) == name
                }
        best = row.get(found.best.engine, 0)
        if any(row.get(f"{side.engine}_calls") for side in found.sides):
            table.append({**row, "macs": best, "share": best / whole})
    return table


def _left_out(found: Sides) -> list[Data]:
    """Operators that are no MACs; what fvcore counts of them all the same."""
    table: dict[str, Data] = {}
    for side in found.sides:
        if side.measured is None:
            continue
        more = extra(side.measured) if side.engine == "fvcore" else {}
        for name, calls in {**dict.fromkeys(more), **side.measured.free}.items():
            row = table.setdefault(plain(name), {"operator": plain(name)})
            row[f"{side.engine}_calls"] = calls
            row["fvcore_counts"] = more.get(name, row.get("fvcore_counts"))
            row["multiplies"] = name in side.measured.skipped or row.get(
                "multiplies", False
            )
    return sorted(table.values(), key=lambda row: -(row.get("fvcore_counts") or 0))


def _measured(side: Side) -> Data:
    """What an engine said, with all its calls, for JSON."""
    if side.measured is None:
        return {"engine": side.engine, "error": side.error}
    each = side.measured
    return {
        **(rows.measured(each) or {}),
        "calls": dict(each.calls),
        "taught": dict(each.taught),
        "skipped": each.skipped,
        "free": dict(each.free),
    }


def _columns(by: By, engines: Sequence[str], units: Units) -> list[Column]:
    unit, factor = unit_of(units)

    def macs(value: int) -> str:
        return quantity(factor * value)

    if by == "operator":
        what = [
            Column("operator", "operator", justify="left"),
            *(Column(f"{each} calls", f"{each}_calls", _calls) for each in engines),
        ]
    else:
        what = [
            Column("module", "", _indented, justify="left"),
            Column("type", "type", justify="left"),
            Column("params", "params", quantity),
        ]
    return [
        *what,
        *(Column(f"{unit} by {each}", each, macs) for each in engines),
        Column("share", "share", percent),
    ]


def _indented(row: Mapping[str, Any]) -> str:
    level, path = row.get("level", 1), str(row["module"])
    return path if level == 1 else "  " * (level - 1) + path.rpartition(".")[2]


def _calls(calls: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ×{n}" for name, n in calls.items())


_LEFT_OUT = [
    Column("operator", "operator", justify="left"),
    Column("calls by fvcore", "fvcore_calls"),
    Column("calls by torch", "torch_calls"),
    Column("fvcore counts", "fvcore_counts", quantity),
]


def _record(row: Data) -> Data:
    """A row for a CSV: calls in words."""
    return {
        key: _calls(value) if isinstance(value, dict) else value
        for key, value in row.items()
        if key != "level"
    }
