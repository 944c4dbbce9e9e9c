"""The rows of `scale`, under the keys that JSON promises."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.cost.count import count, part_costs, whole
from effscale.network.staged import network
from effscale.report import rows
from effscale.search.explain import explain

if TYPE_CHECKING:
    from effscale.module.measure import Measurement
    from effscale.report.rows import Data
    from effscale.scaling.family import Variant
    from effscale.spec.models import Spec


def variant_row(
    baseline: Spec, variant: Variant, measurement: Measurement | None
) -> Data:
    """A variant beside its baseline: multipliers, cost, budget, and the reasons.

    The baseline's own row has ratio and budget 1.
    """
    cost, given = count(variant.spec), variant.multipliers
    ratio = int(cost.macs) / int(count(baseline).macs)
    factors = explain(baseline, given, variant.budget, variant.spec)
    return {
        "name": variant.spec.name,
        "strategy": variant.strategy,
        "phi": None if variant.phi is None else float(variant.phi),
        "depth_multiplier": float(given.depth),
        "width_multiplier": float(given.width),
        "resolution_multiplier": float(given.resolution),
        "resolution": [int(side) for side in variant.spec.resolution],
        **_of_detector(variant),
        **rows.costs(cost),
        "ratio": ratio,
        "budget": variant.budget,
        "deviation": ratio / variant.budget - 1,
        "measured": rows.measured(measurement),
        "agrees": rows.agrees(cost, measurement),
        "stages": _stages(baseline, variant.spec),
        "explain": [
            {"factor": each.name, "value": float(each.value), "reason": each.reason}
            for each in factors
        ],
    }


def _of_detector(variant: Variant) -> Data:
    """What a detector has besides; nothing of a classifier."""
    spec, given = variant.spec, variant.multipliers
    if spec.neck is None or spec.heads is None:
        return {}
    return {
        "neck_width_multiplier": float(given.factor("neck_width")),
        "neck_depth_multiplier": float(given.factor("neck_depth")),
        "head_depth_multiplier": float(given.factor("head_depth")),
        "backbone": spec.backbone,
        "neck_channels": int(spec.neck.channels),
        "neck_repeats": int(spec.neck.repeats),
        "head_repeats": int(spec.heads.repeats),
        "levels": list(spec.neck.levels),
    }


def _stages(baseline: Spec, scaled: Spec) -> list[Data]:
    """The scaled stage table, with what each part was before."""
    old = part_costs(network(baseline))
    new = part_costs(network(scaled))
    cost = whole(new)
    table = []
    for before, after in zip(old, new, strict=True):
        row = rows.part_row(after, cost)
        row["channels_before"] = int(before.part.channels)
        row["repeats_before"] = int(before.part.repeats)
        row["input_before"] = rows.size(before.input)
        table.append(row)
    return table
