"""Energy of networks, roughly: picojoules for what they compute and what they move."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from effscale.cost.memory import memory
from effscale.network.network import network
from effscale.quantity import in_joules
from effscale.report.document import Column, Section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.report.document import Report
    from effscale.spec.models import Spec

PICO = 1e-12


def beside(
    answer: Report, specs: Sequence[Spec], per_mac: float, per_byte: float
) -> Report:
    """The answer of `compare`, and a table of joules for an image in single precision.

    Every operator is taken to read its inputs and weights from memory, and to write its
    output there; no cache, no leakage.
    """
    table = []
    for spec in specs:
        found = memory(network(spec))
        computed = PICO * per_mac * found.macs
        moved = PICO * per_byte * found.moved
        table.append(
            {
                "name": spec.name,
                "computed": computed,
                "moved": moved,
                "energy": computed + moved,
            }
        )
    columns = [
        Column.words("network", "name"),
        Column("MACs", "computed", in_joules),
        Column("bytes", "moved", in_joules),
        Column("energy", "energy", in_joules),
    ]
    title = f"Energy, roughly: {per_mac:g} pJ a MAC, {per_byte:g} pJ a byte moved"
    data = {**answer.data, "energy": table}
    return replace(
        answer, data=data, sections=[*answer.sections, Section(columns, table, title)]
    )
