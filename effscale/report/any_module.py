"""The answer of `profile` for a module of other code: two counters, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from effscale.cost.conventions import Term
from effscale.report import rows
from effscale.report.document import Column, Report, Section, percent, quantity, unit_of
from effscale.report.profile import sentence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from effscale.module.any_module import Side, Sides
    from effscale.module.measure import Measurement
    from effscale.report.document import Units
    from effscale.report.profile import By
    from effscale.report.rows import Data


# --------------------------------------------------------------------------------------
# What two counters saw of a module: what goes in, what is left out, and why.

#: Operators named in the line of those that are left out.
NAMED = 6


def heading(found: Sides, units: Units, tool: str | None) -> list[tuple[str, str]]:
    """The lines above the table: what it is, what it costs, what was seen of it."""
    from effscale.module.any_module import shown

    unit, factor = unit_of(units)
    best = found.best
    inputs = ", ".join(shown(each) for each in found.inputs)
    assumed = " (assumed; --input says another)" if found.assumed else ""
    counted = f"{factor * int(best.macs):,} {unit}, {int(best.params):,} params"
    said = [*map(_coverage, found.sides), *([found.note] if found.note else [])]
    agree = len(found.sides) > 1 and not found.faults()
    lines = [
        ("module", f"{found.name}, {type(found.module).__name__}"),
        ("input", f"{inputs}{assumed}"),
        ("counted", f"{counted}, {int(best.activations):,} activations"),
        ("coverage", "; ".join(said) + (" ✓" if agree else "")),
    ]
    free = _free(found)
    if free:
        lines.append(("left out", free))
    numbers, fvcore = conventions(found), found.sides[0].measured
    tool = tool or "fvcore"
    if tool == "fvcore" and "fvcore" in numbers and fvcore is not None:
        known = numbers["fvcore"] - sum(extra(fvcore).values())
        terms = [Term("MACs", 1, known)]
        terms += [Term(name, 1, n) for name, n in extra(fvcore).items()]
        lines.append(("elsewhere", f"fvcore's {sentence(terms)}"))
    elif tool in numbers:
        terms = [Term("MACs", 2 if tool == "torch" else 1, int(best.macs))]
        lines.append(("elsewhere", f"{tool}'s {sentence(terms)}"))
    return lines


def _coverage(side: Side) -> str:
    """`fvcore 53 of 54 multiplying calls (98.1 %), lstm ×1 left out`."""
    if side.measured is None:
        return f"{side.engine} none: {side.error}"
    calls, skipped = sum(side.measured.calls.values()), side.measured.skipped
    every = calls + sum(skipped.values())
    said = f"{side.engine} {calls} of {every} multiplying calls"
    if skipped:
        missed = ", ".join(f"{plain(name)} ×{n}" for name, n in skipped.items())
        said += f" ({percent(calls / every)}), {missed} left out"
    if side.measured.taught:
        known = ", ".join(side.measured.taught)
        said += f" (by effscale's formula: {known})"
    return said


def _free(found: Sides) -> str:
    """What is no convolution and no product, the most frequent first."""
    side = next(each.measured for each in found.sides if each.measured is not None)
    calls = {
        plain(name): n for name, n in side.free.items() if name not in side.skipped
    }
    names = sorted(calls, key=lambda name: -calls[name])
    said = [f"{name} ×{calls[name]}" for name in names[:NAMED]]
    said += list(extra(side)) if side.engine == "fvcore" else []
    if len(names) > NAMED:
        said.append(f"{len(names) - NAMED} others")
    return f"{', '.join(said)}: neither convolution nor product" if said else ""


def extra(measured: Measurement) -> dict[str, int]:
    """What fvcore counts besides MACs: batch norm, pooling."""
    counted = measured.operators.items()
    return {name: n for name, n in counted if name not in measured.calls and n}


def plain(name: str) -> str:
    """An operator's name without its namespace."""
    return name.removeprefix("aten::")


def conventions(found: Sides) -> dict[str, int]:
    """The numbers of tools that are known; fvcore's without what it was taught."""
    numbers = {"paper": int(found.best.macs)}
    for side in found.sides:
        if side.measured is not None:
            ours = sum(side.measured.taught.values())
            numbers[side.engine] = sum(side.measured.operators.values()) - ours
    return numbers


# --------------------------------------------------------------------------------------

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
    from effscale.module.any_module import shown

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
    from effscale.module.any_module import KINDS, kind

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
