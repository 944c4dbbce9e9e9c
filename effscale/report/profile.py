"""The answer of `profile`: where a network's cost is."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal

from effscale.cost.conventions import conventions
from effscale.cost.count import layer_costs, part_costs
from effscale.network.names import kind
from effscale.network.staged import network
from effscale.quantity import agrees
from effscale.report import levels, rows
from effscale.report.document import (
    Column,
    Report,
    Section,
    percent,
    quantity,
    sides,
    unit_of,
)

if TYPE_CHECKING:
    from effscale.cost.count import Cost
    from effscale.module.measure import Measurement
    from effscale.network.layers import Network
    from effscale.report.document import Units
    from effscale.report.rows import Data
    from effscale.spec.models import Published, Spec

By = Literal["part", "layer", "operator", "level"]


def report(
    spec: Spec,
    cost: Cost,
    *,
    by: By = "part",
    measured: Measurement | None = None,
    units: Units = "macs",
) -> Report:
    """The cost of `spec` by part, by layer or by operator, with the measured figure."""
    net = network(spec)
    parts = [rows.part_row(each, cost) for each in part_costs(net)]
    data = {
        **rows.envelope("profile", spec.name),
        "resolution": [int(side) for side in spec.resolution],
        "totals": rows.costs(cost),
        "parts": parts,
    }
    table = parts
    if by == "layer":
        table = data["layers"] = _layers(net, cost)
    elif by == "operator":
        table = data["operators"] = _operators(net, cost)
    elif by == "level":
        table = data["levels"] = levels.rows(net, cost)
    data["measured"] = rows.measured(measured)
    data["agrees"] = rows.agrees(cost, measured)
    data["conventions"] = conventions(net)
    if spec.neck is not None:
        data["groups"] = levels.groups(net, cost)
    total = {by: "total", **rows.costs(cost), "share": 1.0}
    return Report(
        data=data,
        sections=[Section(_columns(by, units), table, total=total)],
        heading=_heading(spec, cost, measured, units) + levels.shares(spec, net, cost),
        records=table,
    )


def _layers(net: Network, cost: Cost) -> list[Data]:
    return [
        rows.layer_row(each, cost, kind(each.visit.leaf)) for each in layer_costs(net)
    ]


def _operators(net: Network, cost: Cost) -> list[Data]:
    """Leaves of one kind together, dearest first."""
    calls: Counter[str] = Counter()
    sums: dict[str, Counter[str]] = {}
    for each in layer_costs(net):
        name = kind(each.visit.leaf)
        calls[name] += 1
        sums.setdefault(name, Counter()).update(rows.costs(each.cost))
    whole = max(int(cost.macs), 1)
    table = [
        {
            "operator": name,
            "calls": calls[name],
            "params": figures["params"],
            "macs": figures["macs"],
            "activations": figures["activations"],
            "share": figures["macs"] / whole,
        }
        for name, figures in sums.items()
    ]
    return sorted(table, key=lambda row: (-row["macs"], -row["params"]))


def _columns(by: By, units: Units) -> list[Column]:
    unit, factor = unit_of(units)
    what = {
        "part": [
            Column("part", "part", justify="left"),
            Column("operator", "operator", justify="left"),
            Column("input", "input", sides),
            Column("output", "output", sides),
            Column("channels", "channels"),
            Column("repeats", "repeats"),
        ],
        "layer": [
            Column("layer", "layer", justify="left"),
            Column("operator", "operator", justify="left"),
            Column("output", "output", sides),
            Column("channels", "channels"),
        ],
        "operator": [
            Column("operator", "operator", justify="left"),
            Column("calls", "calls"),
        ],
        "level": [],
    }
    if by == "level":
        return levels.columns(units)
    return [
        *what[by],
        Column("params", "params", quantity),
        Column(unit, "macs", lambda macs: quantity(factor * macs)),
        Column("share", "share", percent),
        Column("activ.", "activations", quantity),
    ]


def _heading(
    spec: Spec, cost: Cost, measured: Measurement | None, units: Units
) -> list[tuple[str, str]]:
    unit, factor = unit_of(units)
    size = "×".join(str(side) for side in spec.resolution)
    counted = f"{factor * int(cost.macs):,} {unit}, {int(cost.params):,} params"
    lines = [
        ("network", f"{spec.name}, {spec.image_channels}×{size} px, one image"),
        ("counted", f"{counted}, {int(cost.activations):,} activations"),
    ]
    if spec.published is not None:
        lines += _published(spec.published, cost)
    if measured is not None:
        same = rows.agrees(cost, measured)
        figure = "the same ✓" if same else f"{int(measured.macs):,} MACs ✗"
        lines.append(("measured", f"{figure}, by {measured.engine}"))
    return lines


def _published(printed: Published, cost: Cost) -> list[tuple[str, str]]:
    """What the source printed; ≠ where that is not our figure, rounded or cut."""
    pairs = ((printed.macs, "MACs", cost.macs), (printed.params, "params", cost.params))
    figures = [
        f"{text} {name}" + ("" if agrees(text, int(ours)) else " ≠")
        for text, name, ours in pairs
        if text is not None
    ]
    accuracies = (("top-1", printed.top1), ("top-5", printed.top5))
    figures += [f"{name} {value} %" for name, value in accuracies if value is not None]
    figures += [] if printed.ap is None else [f"AP {printed.ap}"]
    return [("published", ", ".join(figures))]
