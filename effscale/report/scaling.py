"""The answer of `scale`: variants beside their baseline, and why they miss."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from effscale.cost.count import Counted, count
from effscale.errors import ScaleError, UnexplainedError, dotted
from effscale.growth.growth import Variant, growth_of
from effscale.growth.multipliers import Multipliers
from effscale.growth.scale import value
from effscale.quantity import human
from effscale.report import document, left_out, rows
from effscale.report.document import (
    Column,
    Report,
    Section,
    change,
    extents,
    multiple,
    percent,
    sides,
    signed_percent,
)
from effscale.report.family import passing, readable
from effscale.search.explain import Hint, explained, hint
from effscale.spec.dumping import dumps
from effscale.spec.geometry import covering, uncovered
from effscale.spec.loading import examine
from effscale.spec.models import Expected
from effscale.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from effscale.growth.growth import Growth
    from effscale.module.measure import Measurement
    from effscale.report.document import Row, Units
    from effscale.report.rows import Data
    from effscale.search.explain import Published
    from effscale.spec.models import Budget, Spec


def base_macs(baseline: Counted) -> int:
    """The baseline's MACs, of which a target is a multiple.

    Raises:
        ScaleError: if there are none.
    """
    macs = int(baseline.cost.macs)
    if not macs:
        raise ScaleError(f"{baseline.spec.name}: expected MACs to scale, counted 0")
    return macs


def variant_row(
    baseline: Counted, variant: Variant, measurement: Measurement | None
) -> Data:
    """A variant beside its baseline: multipliers, cost, target, and the reasons.

    The baseline's own row has ratio and target 1.
    """
    spec, given = variant.spec, variant.multipliers
    scaled = baseline if spec is baseline.spec else Counted.of(spec)
    ratio = int(scaled.cost.macs) / base_macs(baseline)
    told = growth_of(spec).told(variant)
    row = rows.network(spec.name, spec, scaled.cost, given, measurement, told)
    return row | {
        "strategy": variant.strategy,
        "phi": None if variant.phi is None else float(variant.phi),
        "macs_ratio": ratio,
        "target_ratio": variant.target_ratio,
        "deviation": ratio / variant.target_ratio - 1,
        "stages": _stages(baseline, scaled),
        **_explained(baseline, scaled, variant),
        **_warned(baseline.spec, spec),
    }


def _warned(baseline: Spec, scaled: Spec) -> Data:
    """What is another network now than a larger one, if anything is."""
    found = [
        f"{dotted(place)}: {what}"
        for place, what in uncovered(covering(baseline), scaled).items()
    ]
    return {"warnings": found} if found else {}


def warnings(table: Sequence[Data]) -> list[str]:
    """A line for each warning of each row."""
    named = ((row["name"], row.get("warnings", ())) for row in table)
    return [f"warning: {name}: {each}" for name, found in named for each in found]


def _explained(baseline: Counted, scaled: Counted, variant: Variant) -> Data:
    """Why a variant costs what it does; or nothing, and why that cannot be told."""
    given, target = variant.multipliers, variant.target_ratio
    try:
        factors = explained(baseline, scaled, given, target)
    except UnexplainedError as error:
        return {"explain": [], "unexplained": str(error)}
    return {
        "explain": [
            {"factor": each.name, "value": float(each.value), "reason": each.reason}
            for each in factors
        ]
    }


def unexplained(table: Sequence[Data]) -> list[str]:
    """The notes on rows that have no explanation."""
    return [row["unexplained"] for row in table if "unexplained" in row]


def _stages(baseline: Counted, scaled: Counted) -> list[Data]:
    """The scaled stage table, with what each part was before."""
    table = []
    for before, after in zip(baseline.parts, scaled.parts, strict=True):
        row = rows.part_row(after, scaled.cost)
        row["channels_before"] = int(before.part.channels)
        row["repeats_before"] = int(before.part.repeats)
        row["input_before"] = rows.size(before.input)
        table.append(row)
    return table


def report(  # noqa: PLR0913 - what there is to say
    baseline: Spec,
    variants: Sequence[Variant],
    *,
    published: Sequence[Published] = (),
    missed: Mapping[str, str] = MappingProxyType({}),
    measured: Sequence[Measurement | None],
    units: Units = "macs",
) -> Report:
    """Baseline and variants: the table, and for a single variant all of its story.

    Published detectors stand beside those that the law gives. `missed` says of each
    variant that was asked for and is no network why it is none. `measured` has an entry
    for the baseline, then one for each variant, then for each that is published.
    """
    base = Counted.of(baseline)
    itself = Variant(baseline, "baseline", 0.0, Multipliers(), 1.0)
    every = [itself, *variants, *(each.variant for each in published)]
    table = [
        variant_row(base, each, measurement)
        for each, measurement in zip(every, measured, strict=True)
    ]
    for row, each in zip(table[1 + len(variants) :], published, strict=True):
        row["departures"] = _departures(each)
    if published:  # each beside the law's of its φ
        table.sort(key=lambda row: row["phi"])
    growth = growth_of(baseline)
    if len(variants) == 1:
        more = _story(growth, variants[0], table[1:], units)
        found = (
            None if published else hint(baseline, variants[0].spec, table[1]["macs"])
        )
    else:
        more, found = reasons(growth, table[1:]), None
    said = None if found is None else _sentence(found)
    notes = [*document.agreement(table), *_by_law(published)]
    notes += unexplained(table)
    return Report(
        data={
            **rows.envelope("scale", baseline.name),
            "coefficients": growth.coefficients,
            "rows": table,
            "left_out": [{"name": name, "why": why} for name, why in missed.items()],
            "hint": None if found is None else _hint(found),
        },
        sections=[
            Section(_columns(growth, units, table), table, emphasis=_emphasis),
            *more,
            *_left(published),
        ],
        heading=_heading(base, growth, variants, units),
        notes=[*notes, *([said] if said else [])],
        records=[rows.flat(row) for row in table],
        warnings=[*left_out.warnings(missed), *warnings(table)],
    )


def _heading(
    base: Counted, growth: Growth, variants: Sequence[Variant], units: Units
) -> list[tuple[str, str]]:
    baseline, cost = base.spec, base.cost
    unit, factor = document.unit_of(units)
    size = extents(baseline.resolution)
    macs = human(factor * int(cost.macs))
    params = human(int(cost.params))
    text = f"{baseline.name}, {macs} {unit}, {params} params, {size} px"
    lines = [("baseline", text), growth.law]
    targets = {(each.phi, each.target_ratio) for each in variants}
    if len(targets) == 1:
        phi, target = targets.pop()
        aim = human(factor * int(cost.macs) * target)
        text = f"2^{phi:g} = {multiple(target)} × {baseline.name} = {aim} {unit}"
    else:
        text = f"2^φ × {baseline.name}"
    return [*lines, ("target", text)]


def _emphasis(row: Any) -> str:  # noqa: ANN401 - a row
    return "dim" if row["strategy"] == "baseline" else ""


def _columns(growth: Growth, units: Units, table: Sequence[Data]) -> list[Column]:
    return [
        Column.words("variant", "name"),
        *scaled(growth),
        *document.costs(units, table),
        document.RATIO,
        document.TARGET_RATIO,
        document.OFF_BY,
    ]


def _backbone(row: Row) -> str:
    if row["backbone"]:
        return str(row["backbone"])
    depth, width = row["depth_multiplier"], row["width_multiplier"]
    return f"d {depth:.3g}, w {width:.3g}"


#: How a network was scaled: the columns that a growth names.
_SCALED = {
    **{column.key: column for column in document.MULTIPLIERS},
    "backbone": Column("backbone", "", _backbone, justify="left"),
    "neck_channels": Column("neck channels", "neck_channels"),
    "neck_repeats": Column("neck repeats", "neck_repeats"),
    "head_repeats": Column("head repeats", "head_repeats"),
}


def scaled(growth: Growth) -> list[Column]:
    return [_SCALED[key] for key in growth.columns]


def _story(
    growth: Growth, variant: Variant, table: Sequence[Data], units: Units
) -> list[Section]:
    """All of a single variant; the rows behind its own are of published ones."""
    own = table[0]
    why = _factors(own) if growth.of_deviation else reasons(growth, table)
    return [_parts(own, units), *why, *_unrounded(growth, variant)]


def _parts(row: Data, units: Units) -> Section:
    """A single variant's stages, old → new."""
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
        Column.words("part"),
        Column.words("operator"),
        Column("stride", "stride"),
        Column("channels", "channels_change", change),
        Column("repeats", "repeats_change", change),
        Column("input", "input_change", change),
        document.macs_column(units),
        *document.products(stages, units),
        document.SHARE,
    ]
    figures = {name: row[name] for name in ("macs", "products")}
    total = {"part": "total", **figures, "share": 1.0}
    return Section(parts, stages, f"{row['name']}, stage by stage", total)


def _factors(row: Data) -> list[Section]:
    """A single variant's factors, with the reason of each; if it has been explained."""
    if not row["explain"]:
        return []
    why = [
        Column.words("factor"),
        Column("effect", "value", lambda value: signed_percent(value - 1)),
        Column.words("why", "reason", wraps=True),
    ]
    ratio, target = multiple(row["macs_ratio"]), multiple(row["target_ratio"])
    product = row["macs_ratio"] / row["target_ratio"]
    text = f"MACs ratio {ratio} / target {target}"
    title = (
        "Why MACs differ from the target: the product of 1 + effect is 1 + deviation"
    )
    foot = {"factor": "deviation", "value": product, "reason": text}
    return [Section(why, row["explain"], title, foot)]


def reasons(growth: Growth, scaled: Sequence[Data]) -> list[Section]:
    """The factors of those variants that have been explained, one a column.

    Those that change none of them are named once, above.
    """
    matrix = [
        {
            "name": row["name"],
            "deviation": row["deviation"],
            **{each["factor"]: each["value"] for each in row["explain"]},
        }
        for row in scaled
        if row["explain"]
    ]
    if not matrix:
        return []

    def effect(value: float) -> str:
        return signed_percent(value - 1) if growth.of_deviation else f"×{value:.3g}"

    shown = {
        key: any(abs(row[key] - 1) > document.FLOAT_NOISE for row in matrix)
        for key in growth.reasons
    }
    effects = [
        Column.words("variant", "name"),
        *(
            Column(each.title, key, effect)
            for key, each in growth.reasons.items()
            if shown[key]
        ),
        document.OFF_BY,
    ]
    what = "1 + effect" if growth.of_deviation else "the factors"
    title = f"Why MACs differ from the target: the product of {what} is 1 + deviation"
    idle = [each.title for key, each in growth.reasons.items() if not shown[key]]
    title += f"; no effect: {', '.join(idle)}" if idle else ""
    return [Section(effects, matrix, title)]


def _unrounded(growth: Growth, variant: Variant) -> list[Section]:
    """What the law gives before it is rounded, and what is used; if it says so."""
    found = [
        {
            "dimension": name,
            "before": exact,
            "after": _plain(value(variant.spec, growth.dimensions[name][0])),
        }
        for name, exact in growth.unrounded(variant.multipliers).items()
    ]
    columns = [
        Column.words("dimension"),
        Column("before rounding", "", lambda row: _said(row, "before")),
        Column("after rounding", "", lambda row: _said(row, "after")),
    ]
    return [Section(columns, found, f"{variant.spec.name}, rounded")] if found else []


def _departures(published: Published) -> list[Data]:
    """What a published network has otherwise than the law, and what that costs."""
    return [
        {
            "name": published.variant.spec.name,
            "dimension": each.dimension,
            "rule": _plain(each.before),
            "published": _plain(each.after),
            "macs_factor": float(each.factor),
        }
        for each in published.steps
    ]


def _by_law(published: Sequence[Published]) -> list[str]:
    """The note on published networks that are the law's own."""
    names = [each.variant.spec.name for each in published if not each.steps]
    return [f"as the scaling rule gives them: {', '.join(names)}"] if names else []


def _left(published: Sequence[Published]) -> list[Section]:
    """The published networks beside the law's, a row for each departure."""
    found = [row for each in published for row in _departures(each)]
    columns = [
        Column.words("detector", "name"),
        Column.words("dimension"),
        Column("rule", "", lambda row: _said(row, "rule")),
        Column("published", "", lambda row: _said(row, "published")),
        Column(
            "effect on MACs", "macs_factor", lambda factor: signed_percent(factor - 1)
        ),
    ]
    title = "Published detectors that differ from the scaling rule"
    return [Section(columns, found, title)] if found else []


def _plain(found: Any) -> Any:  # noqa: ANN401 - of any dimension
    if isinstance(found, tuple):
        return [int(each) for each in found]
    return found if isinstance(found, str | float) or found is None else int(found)


def _said(row: Row, key: str) -> str:
    """The value of a dimension: levels, sides, or whatever else a row is about."""
    found = row[key]
    if row["dimension"] == "levels":
        return f"P{found[0]}-P{found[1]}"
    numbers = dict.fromkeys(found if isinstance(found, list) else [found])
    return "×".join(
        f"{each:.6g}" if isinstance(each, float) else str(each) for each in numbers
    )


def _hint(found: Hint) -> Data:
    """A network to consider instead, as data."""
    return {
        "kind": found.kind,
        "name": found.name,
        "resolution": list(found.resolution),
        **rows.costs(found.cost),
        "change": found.change,
    }


def _sentence(found: Hint) -> str:
    size = sides(found.resolution)
    cost, saved = human(int(found.cost.macs)), percent(abs(found.change))
    if found.kind == "resolution":
        return (
            f"hint: {size} px needs {saved} fewer MACs ({cost}); the smaller area "
            f"alone would save {percent(found.area)}, the rest is fewer odd sizes"
        )
    more = "more" if found.change >= 0 else "less"
    params = human(int(found.cost.params))
    return (
        f"hint: the published {found.name} costs {saved} {more} "
        f"({cost} MACs, {params} params, {size} px)"
    )


def resolved(baseline: Spec, variant: Variant, budget: Budget | None = None) -> str:
    """YAML of the scaled spec, with its multipliers in a comment and exact figures.

    A budget that it was searched for is one that it is held to.

    Raises:
        ScaleError: if no command could read it.
    """
    cost, m = count(variant.spec), readable(baseline, variant)
    expected = Expected(params=int(cost.params), macs=int(cost.macs))
    given: Data = {"expected": expected, "variants": {}}
    if budget is not None and budget.model_fields_set:
        given["budget"] = budget
    spec = variant.spec.model_copy(update=given)
    how = variant.strategy
    how += "".join(f", {name} held" for name in variant.held)
    how += "" if variant.phi is None else f", phi {variant.phi:g}"
    constants = growth_of(baseline).constants(variant.strategy).items()
    how += "".join(f", {name} {each:g}" for name, each in constants)
    factors = [f"{name}_multiplier {value!r}" for name, value in m.given.items()]
    comment = (
        f"{variant.spec.name}: {baseline.name} scaled by effscale {VERSION}\n"
        f"{how}\n"
        f"{', '.join(factors)}"
    )
    text = dumps(spec, comment)
    if faults := examine(text).faults:
        name, why = variant.spec.name, faults[0].said
        raise ScaleError(
            f"{name}: cannot be written, as no command would read it: {why}"
        )
    return passing(text)
