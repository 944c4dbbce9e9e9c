"""The answer of `profile`: where a network's cost is."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from effscale.choices import TOOLS
from effscale.cost.conventions import (
    VERSIONS,
    amounts,
    amounts_of,
    figure,
    terms,
)
from effscale.cost.count import layer_costs, visited
from effscale.errors import ScaleError
from effscale.quantity import agrees, human
from effscale.report import document, rows
from effscale.report.document import Column, Report, Section, extents, percent, sides

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from effscale.choices import By, Tool
    from effscale.cost.conventions import Term
    from effscale.cost.count import Cost, Counted
    from effscale.module.measure import Measurement
    from effscale.network.parts import Network, Part
    from effscale.report.document import Units
    from effscale.report.rows import Data
    from effscale.spec.models import Published, Spec


_FIGURES = (*rows.FIGURES, "restated")


def report(
    counted: Counted,
    *,
    by: By = "part",
    measured: Measurement | None = None,
    units: Units = "macs",
    tool: Tool | None = None,
) -> Report:
    """The cost of a network by part, layer, operator or level, and what was measured.

    With a tool, what that tool prints of it stands beside the MACs.
    """
    spec, net, cost = counted.spec, counted.network, counted.cost
    found = [amounts(each.visits) for each in counted.visits]
    whole = sum(found, Counter[str]())
    parts = rows.part_rows(counted.parts, cost)
    if tool:
        for row, each in zip(parts, found, strict=True):
            row["restated"] = figure(each, tool)
    data = {
        **rows.envelope("profile", spec.name),
        "resolution": rows.image(spec),
        "totals": {**rows.costs(cost), "product_outputs": int(cost.product_outputs)},
        "parts": parts,
    }
    table = parts
    if by == "layer":
        table = data["layers"] = _layers(net, cost, tool)
    elif by == "operator":
        table = data["operators"] = _operators(net, cost, tool)
    elif by == "level":
        table = data["levels"] = level_rows(counted)
    data["measured"] = rows.measured(measured)
    data["agrees"] = rows.agrees(cost, measured)
    data["conventions"] = {each: figure(whole, each) for each in TOOLS}
    grouped = groups(counted)
    if len(grouped) > 1:
        data["groups"] = grouped
    total = {by: "total", **rows.costs(cost), "share": 1.0}
    if tool:
        data["restated"] = restated(whole, tool)
        total["restated"] = data["restated"]["total"]
    columns = _columns(by, units, tool, table, _titles(counted))
    return Report(
        data=data,
        sections=[Section(columns, table, total=total)],
        heading=[
            *_heading(spec, cost, measured, units),
            *shares(grouped),
            heading(whole, tool),
        ],
        records=table,
    )


def _heading(
    spec: Spec, cost: Cost, measured: Measurement | None, units: Units
) -> list[tuple[str, str]]:
    unit, factor = document.unit_of(units)
    image = extents((spec.image_channels, *spec.resolution))
    counted = f"{factor * int(cost.macs):,} {unit}, {int(cost.params):,} params"
    counted += f", {int(cost.activations):,} activations"
    if cost.products:
        counted += f"; of the {unit}, {factor * int(cost.products):,} of products"
    lines = [
        ("network", f"{spec.name}, {image} px, one image"),
        ("counted", counted),
    ]
    if spec.published is not None:
        lines += _published(spec.published, cost)
    if measured is not None:
        same = rows.agrees(cost, measured)
        figure = "the same ✓" if same else f"{int(measured.macs):,} MACs ✗"
        once = document.once_said(once=measured.once)
        lines.append(("measured", f"{figure}, by {measured.engine}{once}"))
    return lines


def _published(printed: Published, cost: Cost) -> list[tuple[str, str]]:
    """What the source printed, and whether that is not our figure, rounded or cut.

    Nothing, of a source without figures.
    """
    pairs = ((printed.macs, "MACs", cost.macs), (printed.params, "params", cost.params))
    figures = [
        f"{text} {name}"
        + ("" if agrees(text, int(ours)) else " (differs from the count)")
        for text, name, ours in pairs
        if text is not None
    ]
    accuracies = (("top-1", printed.top1), ("top-5", printed.top5))
    figures += [f"{name} {value} %" for name, value in accuracies if value is not None]
    scores = (("AP", printed.ap), ("mIoU", printed.miou))
    figures += [f"{name} {value}" for name, value in scores if value is not None]
    return [("published", ", ".join(figures))] if figures else []


def _layers(net: Network, cost: Cost, tool: Tool | None) -> list[Data]:
    table = [
        rows.layer_row(each, cost, each.visit.leaf.label) for each in layer_costs(net)
    ]
    if tool:
        steps = (step for each in visited(net, unroll=True) for step in each.visits)
        for row, (_, found) in zip(table, amounts_of(steps), strict=True):
            row["restated"] = figure(found, tool)
    return table


def _operators(net: Network, cost: Cost, tool: Tool | None) -> list[Data]:
    """Leaves of one kind together, dearest first."""
    sums: dict[str, Counter[str]] = {}
    for row in _layers(net, cost, tool):
        kept = {key: row[key] for key in _FIGURES if key in row}
        sums.setdefault(row["operator"], Counter()).update(calls=1, **kept)
    table = [
        {"operator": name, **figures, "share": rows.share(figures["macs"], cost)}
        for name, figures in sums.items()
    ]
    return sorted(table, key=lambda row: (-row["macs"], -row["params"]))


_OPERATOR = Column.words("operator")
_READS = Column("reads", "reads", ", ".join, justify="left", wraps=True)
_CHANNELS = Column("channels", "channels")
_OUTPUT = Column("output", "output", sides)
_WHAT = {
    "part": [
        Column.words("part"),
        _OPERATOR,
        Column("input", "input", sides),
        _OUTPUT,
        _CHANNELS,
        Column("repeats", "repeats"),
    ],
    "layer": [Column.words("layer"), _OPERATOR, _OUTPUT, _CHANNELS],
    "operator": [_OPERATOR, Column("calls", "calls")],
}


def _columns(
    by: By,
    units: Units,
    tool: Tool | None,
    table: Sequence[Data],
    titles: Mapping[str, str],
) -> list[Column]:
    if by == "level":
        return _level_columns(units, titles)
    reads = [_READS] if any(row.get("reads") for row in table) else []
    return [
        *_WHAT[by][:2],
        *reads,
        *_WHAT[by][2:],
        document.PARAMS,
        document.macs_column(units),
        *document.products(table, units),
        *([Column(tool, "restated", human)] if tool else []),
        document.SHARE,
        document.ACTIVATIONS,
    ]


#: Parts behind the backbone, by the path that they have in the built module.
HEADS = {"neck": "neck", "class_head": "class head", "box_head": "box head"}


def groups(counted: Counted) -> list[Data]:
    """Backbone, neck, class head and box head, each as a whole."""
    sums: dict[str, Counter[str]] = {}
    for each in counted.parts:
        group = _group(each.part)
        sums.setdefault(group, Counter()).update(rows.costs(each.cost))
    return [
        {"group": name, **found, "share": rows.share(found["macs"], counted.cost)}
        for name, found in sums.items()
    ]


def shares(found: Sequence[Data]) -> list[tuple[str, str]]:
    """What groups of parts cost, in a line of the heading; nothing of a single one."""
    texts = [f"{row['group']} {percent(row['share'])}" for row in found]
    return [("MACs", ", ".join(texts))] if len(found) > 1 else []


def level_rows(counted: Counted) -> list[Data]:
    """A row for the backbone, and for each level what neck and heads do for it.

    Params are left out: levels share the heads' weights.

    Raises:
        ScaleError: if the network has no levels.
    """
    sums: dict[int | None, Counter[str]] = {}
    sizes: dict[int | None, list[int]] = {}
    for each in layer_costs(counted.network):
        level, path = each.visit.level, _head(each.visit.path)
        found = sums.setdefault(level, Counter())
        found["macs"] += int(each.cost.macs)
        found["activations"] += int(each.cost.activations)
        if level is not None:
            found[path] += int(each.cost.macs)
            sizes[level] = rows.size(each.visit.output)
    heads = list(_titles(counted))
    if len(sums) == 1:
        raise ScaleError(f"level: {counted.spec.name} has none; a detector has")
    return [
        {
            "level": "backbone" if level is None else f"P{level}",
            "size": sizes.get(level),
            **{name: None if level is None else found[name] for name in heads},
            "macs": found["macs"],
            "activations": found["activations"],
            "share": rows.share(found["macs"], counted.cost),
        }
        for level, found in sorted(sums.items(), key=lambda pair: pair[0] or 0)
    ]


def _titles(counted: Counted) -> dict[str, str]:
    """Parts that work on levels, by path, and what they are called."""
    parts = counted.network.parts
    outputs = {part.path: part.name for part in parts if part.path not in HEADS}
    own = {path: name for path, name in outputs.items() if path.startswith("outputs.")}
    if not own:
        return HEADS
    steps = (step for each in counted.visits for step in each.visits)
    of_levels = {_head(step.path) for step in steps if step.level is not None}
    return {path: name for path, name in own.items() if path in of_levels}


def _head(path: str) -> str:
    """The path of the part that a layer is in, if that may work on levels."""
    first, _, rest = path.partition(".")
    return f"{first}.{rest.partition('.')[0]}" if first == "outputs" else first


def _group(part: Part) -> str:
    own = part.path.startswith("outputs.")
    return part.name if own else HEADS.get(part.path, "backbone")


def _level_columns(units: Units, titles: Mapping[str, str]) -> list[Column]:
    return [
        Column.words("level"),
        Column("size", "size", sides),
        *(
            document.macs_column(units, name, title=title)
            for name, title in titles.items()
        ),
        document.macs_column(units),
        document.SHARE,
        document.ACTIVATIONS,
    ]


_UNITS = ((10**9, " G"), (10**6, " M"), (10**3, " k"), (1, ""))
#: How many of the smallest term make a unit at least.
SMALL = 20


def heading(found: Counter[str], tool: Tool | None) -> tuple[str, str]:
    """The line that reconciles a tool's figure, fvcore's where none was asked for."""
    tool = tool or "fvcore"
    whose = f"{tool}'" if tool.endswith("s") else f"{tool}'s"
    return "other tools", f"{whose} {sentence(terms(found, tool))}"


def sentence(made: Sequence[Term]) -> str:
    """`401.7 M = 385.8 M MACs + 13.5 M batch norm + 2.4 M pooling`.

    In a unit that leaves no term at nothing, with as many decimals as it takes for the
    printed figures to add up.
    """
    total = sum(each.times * each.amount for each in made)
    least = min(each.amount for each in made)
    unit, letter = next((u for u in _UNITS if least * SMALL >= u[0]), _UNITS[-1])
    places = min(1, unit - 1)
    while unit > 10**places and not _adds_up(made, total, unit // 10**places):
        places += 1

    def show(amount: int) -> str:
        steps = _rounded(amount, unit // 10**places)
        return f"{steps / 10**places:,.{places}f}{letter}"

    said = " + ".join(
        f"{f'{each.times} × ' if each.times > 1 else ''}{show(each.amount)} {each.name}"
        for each in made
    )
    return f"{show(total)} = {said}"


def _rounded(amount: int, step: int) -> int:
    """How many steps there are in an amount, to the nearest, halves up."""
    return (2 * amount + step) // (2 * step)


def _adds_up(made: Sequence[Term], total: int, step: int) -> bool:
    """Whether the figures add up when each is rounded to whole steps."""
    steps = (each.times * _rounded(each.amount, step) for each in made)
    return sum(steps) == _rounded(total, step)


def restated(found: Counter[str], tool: Tool) -> Data:
    """The tool's figure and its terms, for JSON."""
    return {
        "tool": tool,
        "version": VERSIONS.get(tool),
        "total": figure(found, tool),
        "terms": [
            {"name": each.name, "times": each.times, "elements": each.amount}
            for each in terms(found, tool)
        ],
    }
