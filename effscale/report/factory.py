"""The answer of `scale` and `fit` for code: what it made, beside the target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from effscale.quantity import human
from effscale.report import document, rows
from effscale.report.document import Column, Report, Section, extents

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.importing.factory import Factory, Made
    from effscale.report.document import Units
    from effscale.report.rows import Data
    from effscale.spec.models import Coefficients


def row(made: Made, base: Made, target: float) -> Data:
    """A network that code made: its multipliers, cost, target."""
    ratio = int(made.cost.macs) / int(base.cost.macs)
    given = made.multipliers
    return {
        "name": made.name,
        "strategy": made.strategy,
        "phi": made.phi,
        "depth_multiplier": float(given.depth),
        "width_multiplier": float(given.width),
        "resolution_multiplier": float(given.resolution),
        "resolution": list(made.sides),
        **rows.costs(made.cost),
        "macs_ratio": ratio,
        "target_ratio": target,
        "deviation": ratio / target - 1,
        "measured": rows.measured(made.cost),
        "agrees": None,
    }


def scaled(
    factory: Factory, base: Made, found: Sequence[Made], units: Units = "macs"
) -> Report:
    """The baseline and what was made at each φ, beside 2^φ."""
    own = {"name": base.name.removesuffix("-phi0"), "strategy": "baseline"}
    table = [row(base, base, 1.0) | own]
    table += [row(each, base, 2.0**each.phi) for each in found]
    columns = [
        Column.words("variant", "name"),
        *document.MULTIPLIERS,
        *document.costs(units, table),
        document.RATIO,
        document.TARGET_RATIO,
        document.OFF_BY,
    ]
    return _report("scale", factory, base, table, columns, units)


def fitted(
    factory: Factory,
    base: Made,
    found: Sequence[Made],
    *,
    macs: int,
    units: Units = "macs",
) -> Report:
    """The network nearest to a cost, and the one on its other side."""
    target = macs / int(base.cost.macs)
    table = []
    for index, each in enumerate(found):
        side = "below" if each.cost.macs <= macs else "above"
        role = side if index else "nearest"
        table.append({"role": role, "target": macs, **row(each, base, target)})
    columns = [
        Column.words("", "role"),
        Column("φ", "phi", lambda phi: f"{round(phi, 3):g}"),
        *document.MULTIPLIERS,
        *document.costs(units, table),
        document.ACTIVATIONS,
        document.OFF_BY,
    ]
    return _report("fit", factory, base, table, columns, units)


def _report(  # noqa: PLR0913, PLR0917 - what both answers have
    command: str,
    factory: Factory,
    base: Made,
    table: list[Data],
    columns: list[Column],
    units: Units,
) -> Report:
    given = factory.coefficients
    unit, factor = document.unit_of(units)
    size = f"{extents(base.sides)} px"
    if factory.resolution is None:
        size += " (assumed; --resolution says another)"
    cost = (
        f"{human(factor * int(base.cost.macs))} {unit}, {human(int(base.cost.params))}"
    )
    takes = ", ".join(
        f"{keyword} takes {each}" for each, keyword in factory.takes.items()
    )
    heading: list[tuple[str, Any]] = [
        ("baseline", f"{factory.reference}, {cost} params, {size}"),
        ("code", takes),
        (
            "compound",
            _law(given),
        ),
    ]
    data = {
        **rows.envelope(command, factory.reference),
        "coefficients": {**dict(given), "product": given.product},
        "as_args": dict(factory.takes),
        "rows": table,
    }
    return Report(
        data=data,
        sections=[Section(columns, table)],
        heading=heading,
        notes=["made by its own code, and counted by torch on meta"],
        records=[rows.flat(each) for each in table],
    )


def _law(given: Coefficients) -> str:
    each = f"α {given.alpha:g}  β {given.beta:g}  γ {given.gamma:g}"
    return f"{each}  α·β²·γ² {given.product:.3f}"
