"""What the tables of detectors have that those of classifiers have not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from effscale.report import document
from effscale.report.document import (
    Column,
    Section,
    sides,
    signed_percent,
)
from effscale.search.detectors import DIMENSIONS, value
from effscale.search.explain import GROWTH
from effscale.spec.neck import Scaling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.growth.family import Variant
    from effscale.report.document import Row
    from effscale.report.rows import Data
    from effscale.search.detectors import Published
    from effscale.spec.models import Spec

#: Titles of the factors of growth, above narrow columns.
TITLES = ("1/budget", "backbone", "size", "channels", "neck", "heads", "levels")


def scaled(table: Sequence[Row]) -> list[Column]:
    """How the networks of these rows were scaled: detectors by their law."""
    if not is_of_detectors(table):
        return document.MULTIPLIERS
    return [
        Column("backbone", "", _backbone, justify="left"),
        Column("W", "neck_channels"),
        Column("D", "neck_repeats"),
        Column("H", "head_repeats"),
    ]


def is_of_detectors(table: Sequence[Row]) -> bool:
    """Whether the rows are of detectors."""
    return bool(table) and "neck_channels" in table[0]


LEGEND = "W, D: channels and repeats of the neck; H: repeats of the heads"


def _backbone(row: Any) -> str:  # noqa: ANN401 - a row
    if row["backbone"]:
        return str(row["backbone"])
    depth, width = row["depth_multiplier"], row["width_multiplier"]
    return f"d {depth:.3g}, w {width:.3g}"


def heading(spec: Spec) -> tuple[str, str]:
    """The law, in a line."""
    law, neck, heads = spec.scaling or Scaling(), spec.neck, spec.heads
    if neck is None or heads is None:
        return ("law", "none")
    names = list(law.backbones)
    backbone = f"{names[0]} … {names[-1]}" if names else "α^φ, β^φ"
    every = f" + ⌊φ/{law.heads_every}⌋" if law.heads_every else ""
    size = sides([int(side) for side in spec.resolution])
    wider = f"·{law.channels:g}^φ" if law.channels != 1 else ""
    deeper = f" + {law.repeats:g}·φ" if law.repeats else ""
    larger = f" + {law.resolution}·φ" if law.resolution else ""
    words = [
        f"backbone {backbone}",
        f"W {neck.channels}{wider}",
        f"D {neck.repeats}{deeper}",
        f"H {heads.repeats}{every}",
        f"{size}{larger} px",
    ]
    return ("law", "; ".join(words))


def growth(scaled: Sequence[Data]) -> Section:
    """Each variant's growth over the budget, a dimension a column."""
    matrix = [
        {
            "name": row["name"],
            "deviation": row["deviation"],
            **{each["factor"]: each["value"] for each in row["explain"]},
        }
        for row in scaled
    ]
    shown = zip(TITLES, GROWTH, strict=True)
    effects = [
        Column("variant", "name", justify="left"),
        *(
            Column(title, name, lambda factor: f"×{factor:.3g}")
            for title, name in shown
        ),
        document.OFF_BY,
    ]
    return Section(effects, matrix, "Why: factors that multiply to ratio over budget")


def exactly(baseline: Spec, variant: Variant) -> Section:
    """What the law gives before it is rounded, and what is used."""
    given, spec = variant.multipliers, variant.spec
    exact = {
        "resolution": given.resolution * baseline.resolution[0],
        "neck channels": given.factor("neck_width") * value(baseline, _CHANNELS),
        "neck repeats": given.factor("neck_depth") * value(baseline, _REPEATS),
        "head repeats": given.factor("head_depth") * value(baseline, _HEADS),
    }
    used = values(spec)
    found = [
        {"dimension": name, "exact": float(number), "used": used[name]}
        for name, number in exact.items()
    ]
    table = [
        Column("dimension", "dimension", justify="left"),
        Column("exactly", "exact", lambda number: f"{number:.6g}"),
        Column("used", "used", _said),
    ]
    return Section(table, found, f"{spec.name}, rounded")


_CHANNELS, _REPEATS = ("neck", "channels"), ("neck", "repeats")
_HEADS = ("heads", "repeats")


def departure_rows(published: Published) -> list[Data]:
    """What a published detector has otherwise than the law, and what that costs."""
    return [
        {
            "name": published.variant.spec.name,
            "dimension": each.dimension,
            "law": _plain(each.before),
            "published": _plain(each.after),
            "factor": float(each.factor),
        }
        for each in published.steps
    ]


def by_law(published: Sequence[Published]) -> list[str]:
    """The note on published detectors that are the law's own."""
    names = [each.variant.spec.name for each in published if not each.steps]
    return [f"as the law gives them: {', '.join(names)}"] if names else []


def departures(published: Sequence[Published]) -> list[Section]:
    """The published detectors beside the law's, a row for each departure."""
    found = [row for each in published for row in departure_rows(each)]
    if not found:
        return []
    table = [
        Column("published", "name", justify="left"),
        Column("dimension", "dimension", justify="left"),
        Column("law", "law", _said),
        Column("is", "published", _said),
        Column("MACs", "factor", lambda factor: signed_percent(factor - 1)),
    ]
    title = "Where the published detectors leave the law"
    return [Section(table, found, title)]


def values(spec: Spec) -> Data:
    """The value of every dimension of a detector."""
    return {name: _plain(value(spec, path)) for name, path in DIMENSIONS.items()}


def _plain(found: Any) -> Any:  # noqa: ANN401
    if isinstance(found, tuple):
        return [int(each) for each in found]
    return found if isinstance(found, str | float) or found is None else int(found)


def _said(found: Any) -> str:  # noqa: ANN401 - plain data
    if isinstance(found, list):
        return sides(found) if found[0] == found[1] else f"P{found[0]}-P{found[1]}"
    return f"{found:g}" if isinstance(found, float) else str(found)
