"""The answer of `profile`: where a network's cost is."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal

from effscale.cost.conventions import TOOLS, amounts, amounts_of, figure, visits
from effscale.cost.count import layer_costs, part_costs
from effscale.network.names import kind
from effscale.network.staged import network
from effscale.quantity import agrees
from effscale.report import conventions, levels, rows
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
    from effscale.cost.conventions import Tool
    from effscale.cost.count import Cost
    from effscale.module.measure import Measurement
    from effscale.network.layers import Network
    from effscale.report.document import Units
    from effscale.report.rows import Data
    from effscale.spec.models import Published, Spec

By = Literal["part", "layer", "operator", "level"]
_FIGURES = ("params", "macs", "activations", "restated")


def report(  # noqa: PLR0913 - options
    spec: Spec,
    cost: Cost,
    *,
    by: By = "part",
    measured: Measurement | None = None,
    units: Units = "macs",
    tool: Tool | None = None,
) -> Report:
    """The cost of `spec` by part, by layer or by operator, with the measured figure.

    With a tool, what that tool prints of it stands beside the MACs.
    """
    net = network(spec)
    found = [(part.name, amounts(steps)) for part, steps in visits(net)]
    whole = sum((each for _, each in found), Counter[str]())
    parts = [rows.part_row(each, cost) for each in part_costs(net)]
    if tool:
        for row, (_, each) in zip(parts, found, strict=True):
            row["restated"] = figure(each, tool)
    data = {
        **rows.envelope("profile", spec.name),
        "resolution": [int(side) for side in spec.resolution],
        "totals": rows.costs(cost),
        "parts": parts,
    }
    table = parts
    if by == "layer":
        table = data["layers"] = _layers(net, cost, tool)
    elif by == "operator":
        table = data["operators"] = _operators(net, cost, tool)
    elif by == "level":
        table = data["levels"] = levels.rows(net, cost)
    data["measured"] = rows.measured(measured)
    data["agrees"] = rows.agrees(cost, measured)
    data["conventions"] = {each: figure(whole, each) for each in TOOLS}
    if spec.neck is not None:
        data["groups"] = levels.groups(net, cost)
    total = {by: "total", **rows.costs(cost), "share": 1.0}
    if tool:
        data["as"] = conventions.restated(whole, tool)
        total["restated"] = data["as"]["total"]
    return Report(
        data=data,
        sections=[Section(_columns(by, units, tool), table, total=total)],
        heading=[
            *_heading(spec, cost, measured, units),
            *levels.shares(spec, net, cost),
            conventions.heading(whole, tool),
        ],
        records=table,
    )


def _layers(net: Network, cost: Cost, tool: Tool | None) -> list[Data]:
    table = [
        rows.layer_row(each, cost, kind(each.visit.leaf)) for each in layer_costs(net)
    ]
    if tool:
        for row, figure_of in zip(table, _figures(net, tool), strict=True):
            row["restated"] = figure_of
    return table


def _figures(net: Network, tool: Tool) -> list[int]:
    """The tool's figure of every leaf."""
    steps = (step for _, part in visits(net, unroll=True) for step in part)
    return [figure(each, tool) for _, each in amounts_of(steps)]


def _operators(net: Network, cost: Cost, tool: Tool | None) -> list[Data]:
    """Leaves of one kind together, dearest first."""
    sums: dict[str, Counter[str]] = {}
    for row in _layers(net, cost, tool):
        kept = {key: row[key] for key in _FIGURES if key in row}
        sums.setdefault(row["operator"], Counter()).update(calls=1, **kept)
    whole = max(int(cost.macs), 1)
    table = [
        {"operator": name, **figures, "share": figures["macs"] / whole}
        for name, figures in sums.items()
    ]
    return sorted(table, key=lambda row: (-row["macs"], -row["params"]))


def _columns(by: By, units: Units, tool: Tool | None) -> list[Column]:
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
        *([conventions.column(tool)] if tool else []),
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
