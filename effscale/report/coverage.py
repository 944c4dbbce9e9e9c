"""What two counters saw of a module: what goes in, what is left out, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.cost.conventions import Term
from effscale.report.conventions import sentence
from effscale.report.document import percent, unit_of

if TYPE_CHECKING:
    from effscale.module.measure import Measurement
    from effscale.module.sides import Side, Sides
    from effscale.report.document import Units

#: Operators named in the line of those that are left out.
NAMED = 6


def heading(found: Sides, units: Units, tool: str | None) -> list[tuple[str, str]]:
    """The lines above the table: what it is, what it costs, what was seen of it."""
    from effscale.module.sides import shown

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
