"""Counts and measurements as rows of plain data, under the keys that JSON promises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from effscale.version import STAMP

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from effscale.arrays import Int
    from effscale.cost.count import Cost, LayerCost, PartCost
    from effscale.growth.multipliers import Multipliers
    from effscale.module.measure import Measurement
    from effscale.network.shapes import Shape, Window
    from effscale.report.document import Row
    from effscale.spec.models import Spec

Data = dict[str, Any]
#: What a row has of a cost; `products` are among the MACs.
FIGURES = ("params", "macs", "activations", "products")


def envelope(command: str, spec: str | None = None) -> Data:
    """What every command's object begins with."""
    named = {} if spec is None else {"spec": spec}
    return {**STAMP, "command": command, **named}


def image(spec: Spec) -> list[int]:
    """Height and width of the image."""
    return [int(side) for side in spec.resolution]


def costs(cost: Cost) -> Data:
    """Each of the figures, as plain ints."""
    return {name: int(getattr(cost, name)) for name in FIGURES}


def measured(measurement: Measurement | None) -> Data | None:
    if measurement is None:
        return None
    how = {"engine": measurement.engine, "once": measurement.once}
    return how | costs(measurement)


def network(  # noqa: PLR0913, PLR0917 - what a network is, and what is told of it
    name: str,
    spec: Spec,
    cost: Cost,
    multipliers: Multipliers | None,
    measurement: Measurement | None = None,
    told: Data | None = None,
) -> Data:
    """The keys that a row of every comparison begins with; no φ made the network."""
    given = multipliers
    return {
        "name": name,
        "strategy": None,
        "phi": None,
        **{
            f"{each}_multiplier": None if given is None else float(given.factor(each))
            for each in ("depth", "width", "resolution")
        },
        "resolution": image(spec),
        **(told or {}),
        **costs(cost),
        "macs_ratio": None,
        "target_ratio": None,
        "deviation": None,
        "measured": measured(measurement),
        "agrees": agrees(cost, measurement),
    }


def flat(row: Data) -> Data:
    """A row for a CSV: the measured MACs in one cell."""
    found = row["measured"]
    return {**row, "measured": found["macs"] if found else None}


def by_part(
    records: Sequence[Row], entries: Sequence[Data], cells: Callable[[Data, Data], Data]
) -> list[Data]:
    """Rows of parts for a CSV, once for each entry, with the cells of its part.

    Rows that are not of parts are left as they are.
    """
    if not all("part" in row for row in records):
        return [dict(row) for row in records]
    return [
        {**row, **cells(each, part)}
        for each in entries
        for row in records
        for part in each["parts"]
        if part["part"] == row["part"]
    ]


def agrees(cost: Cost, measurement: Measurement | None) -> bool | None:
    """Whether just what was counted was measured; None where nothing was."""
    return None if measurement is None else costs(cost) == costs(measurement)


def part_rows(parts: Sequence[PartCost], whole: Cost) -> list[Data]:
    """Each part, and what it reads, if that is another than the one before it."""
    wired = any(each.reads for each in parts)
    return [
        part_row(each, whole) | ({"reads": list(each.reads)} if wired else {})
        for each in parts
    ]


def part_row(each: PartCost, whole: Cost) -> Data:
    """A part of a network: what it is, and its share of the MACs."""
    return {
        "part": each.part.name,
        "operator": each.part.operator,
        "kernel": window(each.part.kernel),
        "stride": window(each.part.stride),
        "input": size(each.input),
        "output": size(each.output),
        "channels": int(each.part.channels),
        "repeats": int(each.part.repeats),
        **_share(each.cost, whole),
    }


def layer_row(each: LayerCost, whole: Cost, kind: str) -> Data:
    """A leaf of a network, by the path it has in the built module."""
    return {
        "layer": each.visit.path,
        "operator": kind,
        "input": size(each.visit.input),
        "output": size(each.visit.output),
        "channels": int(each.visit.output.channels),
        **_share(each.cost, whole),
    }


def share(macs: Int, whole: Cost) -> float:
    """These MACs over those of the whole, which may have none."""
    return int(macs) / max(int(whole.macs), 1)


def _share(cost: Cost, whole: Cost) -> Data:
    return {**costs(cost), "share": share(cost.macs, whole)}


def window(sides: Window | None) -> int | list[int] | None:
    """A kernel or a stride: one number for a square, or rows and columns."""
    if sides is None:
        return None
    return sides[0] if sides[0] == sides[1] else list(sides)


def size(shape: Shape) -> list[int]:
    """Height and width of a feature map."""
    return [int(shape.height), int(shape.width)]
