"""Columns that several answers have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.report.document import (
    Column,
    deviation_style,
    multiple,
    multiplier,
    quantity,
    sides,
    signed_percent,
    unit_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.report.document import Row, Units

#: How a network was scaled.
MULTIPLIERS = [
    Column("d", "depth_multiplier", multiplier),
    Column("w", "width_multiplier", multiplier),
    Column("r", "resolution_multiplier", multiplier),
]
ACTIVATIONS = Column("activ.", "activations", quantity)
OFF_BY = Column("off by", "deviation", signed_percent, style=deviation_style)

#: Behind MACs that were measured: whether the same was.
MARKS = {None: "", True: " ✓", False: " ✗"}


def costs(units: Units) -> list[Column]:
    """Image, params and MACs, marked where they were measured."""
    unit, factor = unit_of(units)

    def macs(row: Row) -> str:
        return quantity(factor * row["macs"]) + MARKS[row["agrees"]]

    return [
        Column("input", "resolution", sides),
        Column("params", "params", quantity),
        Column(unit, "", macs),
    ]


def candidates(units: Units, *, family: bool) -> list[Column]:
    """What a grid says of each network; of several φ, how well it tracks the budget."""
    tracking = Column("rms", "tracking", lambda value: f"{100 * value:.1f} %")
    return [
        *costs(units),
        ACTIVATIONS,
        Column("ratio", "ratio", multiple),
        OFF_BY,
        *([tracking] if family else []),
        Column("points", "points"),
    ]


def own(row: Row) -> str:
    """The style of a row of a grid: the spec's own coefficients stand out."""
    return "bold" if row["own"] else ""


def agreement(table: Sequence[Row]) -> list[str]:
    """The note on rows that were measured, where each is the counted one."""
    if not all(row["agrees"] for row in table):
        return []
    engine = table[0]["measured"]["engine"]
    return [f"✓ {engine} measured the same MACs, params and activations"]
