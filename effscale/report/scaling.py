"""The answer of `scale`: variants beside their baseline, and why they miss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from effscale.cost.count import count, part_costs, whole
from effscale.growth.family import Variant
from effscale.growth.multipliers import Multipliers
from effscale.network.network import network
from effscale.report import detectors, document, rows
from effscale.report.document import (
    Column,
    Report,
    Section,
    change,
    multiple,
    percent,
    quantity,
    sides,
    signed_percent,
    unit_of,
)
from effscale.search.explain import REASONS, explain
from effscale.search.hints import Hint, hint
from effscale.spec.dumping import dumps
from effscale.spec.models import Expected
from effscale.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.module.measure import Measurement
    from effscale.report.document import Row, Units
    from effscale.report.rows import Data
    from effscale.search.detectors import Published
    from effscale.spec.models import Spec


# --------------------------------------------------------------------------------------
# The rows of `scale`, under the keys that JSON promises.


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


# --------------------------------------------------------------------------------------


def report(
    baseline: Spec,
    variants: Sequence[Variant],
    *,
    published: Sequence[Published] = (),
    measured: Sequence[Measurement | None],
    units: Units = "macs",
) -> Report:
    """Baseline and variants: the table, and for a single variant all of its story.

    Published detectors stand beside those that the law gives. `measured` has an entry
    for the baseline, then one for each variant, then for each that is published.
    """
    itself = Variant(baseline, "baseline", 0.0, Multipliers(), 1.0)
    every = [itself, *variants, *(each.variant for each in published)]
    table = [
        variant_row(baseline, each, measurement)
        for each, measurement in zip(every, measured, strict=True)
    ]
    for row, each in zip(table[1 + len(variants) :], published, strict=True):
        row["departures"] = detectors.departure_rows(each)
    if published:  # each beside the law's of its φ
        table.sort(key=lambda row: row["phi"])
    given = baseline.coefficients
    named = {"alpha": given.alpha, "beta": given.beta, "gamma": given.gamma}
    single = len(variants) == 1
    found = hint(baseline, variants[0].spec) if single and not published else None
    more = _story(table[1], units) if single else reasons(table[1:])
    notes = [*document.agreement(table)]
    if baseline.neck is not None:
        more = [*(more[:1] if single else []), *reasons(table[1:])]
        more += [detectors.exactly(baseline, variants[0])] if single else []
        more += detectors.departures(published)
        notes += [*detectors.by_law(published), detectors.LEGEND]
    return Report(
        data={
            **rows.envelope("scale", baseline.name),
            "coefficients": {**named, "product": given.product},
            "rows": table,
            "hint": None if found is None else _sentence(found),
        },
        sections=[Section(_columns(units, table), table, emphasis=_emphasis), *more],
        heading=_heading(baseline, variants, units),
        notes=[*notes, *([] if found is None else [_sentence(found)])],
        records=[rows.flat(row) for row in table],
    )


def _heading(
    baseline: Spec, variants: Sequence[Variant], units: Units
) -> list[tuple[str, str]]:
    base, c = count(baseline), baseline.coefficients
    unit, factor = unit_of(units)
    size = "×".join(str(side) for side in baseline.resolution)
    macs = quantity(factor * int(base.macs))
    params = quantity(int(base.params))
    lines = [
        ("baseline", f"{baseline.name}, {macs} {unit}, {params} params, {size} px"),
        (
            "compound",
            f"α {c.alpha:g}  β {c.beta:g}  γ {c.gamma:g}  α·β²·γ² {c.product:.3f}",
        )
        if baseline.neck is None
        else detectors.heading(baseline),
    ]
    budgets = {(each.phi, each.budget) for each in variants}
    if len(budgets) == 1:
        phi, budget = budgets.pop()
        cost = quantity(factor * int(base.macs) * budget)
        text = f"2^{phi:g} = {multiple(budget)} × {baseline.name} = {cost} {unit}"
    else:
        text = f"2^φ × {baseline.name}"
    return [*lines, ("budget", text)]


def _emphasis(row: Any) -> str:  # noqa: ANN401 - a row
    return "dim" if row["strategy"] == "baseline" else ""


def _columns(units: Units, table: Sequence[Row]) -> list[Column]:
    return [
        Column("variant", "name", justify="left"),
        *detectors.scaled(table),
        *document.costs(units),
        Column("ratio", "ratio", multiple),
        Column("budget", "budget", multiple),
        document.OFF_BY,
    ]


def _story(row: Data, units: Units) -> list[Section]:
    """A single variant's stages, old → new, and the factors of its deviation."""
    unit, factor = unit_of(units)
    stages = [
        {
            **part,
            "channels_change": [part["channels_before"], part["channels"]],
            "repeats_change": [part["repeats_before"], part["repeats"]],
            "input_change": [sides(part["input_before"]), sides(part["input"])],
        }
        for part in row["stages"]
    ]
    parts = [
        Column("part", "part", justify="left"),
        Column("operator", "operator", justify="left"),
        Column("stride", "stride"),
        Column("channels", "channels_change", change),
        Column("repeats", "repeats_change", change),
        Column("input", "input_change", change),
        Column(unit, "macs", lambda macs: quantity(factor * macs)),
        Column("share", "share", percent),
    ]
    total = {"part": "total", "macs": row["macs"], "share": 1.0}
    why = [
        Column("factor", "factor", justify="left"),
        Column("effect", "value", lambda value: signed_percent(value - 1)),
        Column("why", "reason", justify="left", wraps=True),
    ]
    ratio, budget = multiple(row["ratio"]), multiple(row["budget"])
    product = row["ratio"] / row["budget"]
    text = f"ratio {ratio} / budget {budget}"
    return [
        Section(parts, stages, f"{row['name']}, stage by stage", total),
        Section(
            why,
            row["explain"],
            "Why it misses the budget: factors that multiply to the deviation",
            {"factor": "together", "value": product, "reason": text},
        ),
    ]


def reasons(scaled: list[Data]) -> list[Section]:
    """Several variants' deviations, a factor a column."""
    if detectors.is_of_detectors(scaled):
        return [detectors.growth(scaled)]
    matrix = [
        {
            "name": row["name"],
            "deviation": row["deviation"],
            **{each["factor"]: each["value"] for each in row["explain"]},
        }
        for row in scaled
    ]

    def effect(value: float) -> str:
        return signed_percent(value - 1)

    titles = ("law", "fixed", "repeats", "channels", "size", "odd maps")
    effects = [
        Column("variant", "name", justify="left"),
        *(
            Column(title, name, effect)
            for title, name in zip(titles, REASONS, strict=True)
        ),
        document.OFF_BY,
    ]
    return [Section(effects, matrix, "Why: factors that multiply to the deviation")]


def _sentence(found: Hint) -> str:
    size = sides(found.resolution)
    cost, saved = quantity(int(found.cost.macs)), percent(abs(found.change))
    if found.kind == "resolution":
        return (
            f"hint: at {size} px it costs {saved} less ({cost} MACs), more than the "
            "smaller image explains: fewer feature maps are odd"
        )
    more = "more" if found.change >= 0 else "less"
    params = quantity(int(found.cost.params))
    return (
        f"hint: the published {found.name} costs {saved} {more} "
        f"({cost} MACs, {params} params, {size} px)"
    )


# --------------------------------------------------------------------------------------
# A scaled network as a spec of its own, which says where it comes from.


def resolved(baseline: Spec, variant: Variant) -> str:
    """YAML of the scaled spec, with its multipliers in a comment and exact figures."""
    cost, m, c = count(variant.spec), variant.multipliers, baseline.coefficients
    expected = Expected(params=int(cost.params), macs=int(cost.macs))
    spec = variant.spec.model_copy(update={"expected": expected, "variants": {}})
    how = variant.strategy
    how += "" if variant.phi is None else f", phi {variant.phi:g}"
    if how.startswith("compound") and baseline.neck is None:
        how += f", alpha {c.alpha:g}, beta {c.beta:g}, gamma {c.gamma:g}"
    given = [f"{name}_multiplier {value!r}" for name, value in m.given.items()]
    comment = (
        f"{variant.spec.name}: {baseline.name} scaled by effscale {VERSION}\n"
        f"{how}\n"
        f"{', '.join(given)}"
    )
    return dumps(spec, comment)
