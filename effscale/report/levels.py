"""A detector's cost by what it is made of, and by level."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from effscale.cost.count import layer_costs, part_costs
from effscale.errors import ScaleError
from effscale.report import rows as shared
from effscale.report.document import Column, percent, quantity, sides, unit_of

if TYPE_CHECKING:
    from effscale.cost.count import Cost
    from effscale.network.layers import Network
    from effscale.report.document import Units
    from effscale.report.rows import Data
    from effscale.spec.models import Spec

#: Parts behind the backbone, by the path that they have in the built module.
HEADS = {"neck": "neck", "class_head": "class head", "box_head": "box head"}


def groups(net: Network, cost: Cost) -> list[Data]:
    """Backbone, neck, class head and box head, each as a whole."""
    sums: dict[str, Counter[str]] = {}
    for each in part_costs(net):
        group = HEADS.get(each.part.path, "backbone")
        sums.setdefault(group, Counter()).update(shared.costs(each.cost))
    return [
        {"group": name, **found, "share": found["macs"] / max(int(cost.macs), 1)}
        for name, found in sums.items()
    ]


def shares(spec: Spec, net: Network, cost: Cost) -> list[tuple[str, str]]:
    """What a detector's parts cost, in a line of the heading."""
    if spec.neck is None:
        return []
    texts = [f"{row['group']} {percent(row['share'])}" for row in groups(net, cost)]
    return [("MACs", ", ".join(texts))]


def rows(net: Network, cost: Cost) -> list[Data]:
    """A row for the backbone, and for each level what neck and heads do for it.

    Params are left out: levels share the heads' weights.

    Raises:
        ScaleError: if the network has no levels.
    """
    sums: dict[int | None, Counter[str]] = {}
    sizes: dict[int | None, list[int]] = {}
    for each in layer_costs(net):
        level, path = each.visit.level, each.visit.path.partition(".")[0]
        found = sums.setdefault(level, Counter())
        found["macs"] += int(each.cost.macs)
        found["activations"] += int(each.cost.activations)
        if level is not None:
            found[path] += int(each.cost.macs)
            sizes[level] = shared.size(each.visit.output)
    if len(sums) == 1:
        raise ScaleError(f"level: {net.name} has none; a detector has")
    return [
        {
            "level": "backbone" if level is None else f"P{level}",
            "size": sizes.get(level),
            **{name: found[name] if level else None for name in HEADS},
            "macs": found["macs"],
            "activations": found["activations"],
            "share": found["macs"] / max(int(cost.macs), 1),
        }
        for level, found in sorted(sums.items(), key=lambda pair: pair[0] or 0)
    ]


def columns(units: Units) -> list[Column]:
    """A level, its size, and the MACs of neck and heads."""
    unit, factor = unit_of(units)

    def macs(number: int) -> str:
        return quantity(factor * number)

    return [
        Column("level", "level", justify="left"),
        Column("size", "size", sides),
        *(Column(title, name, macs) for name, title in HEADS.items()),
        Column(unit, "macs", macs),
        Column("share", "share", percent),
        Column("activ.", "activations", quantity),
    ]
