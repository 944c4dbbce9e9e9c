"""Why a detector costs what it does: a factor for each dimension that it differs in."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from effscale.cost.count import count
from effscale.growth.family import Variant
from effscale.growth.law import at_phi
from effscale.growth.multipliers import Multipliers
from effscale.growth.scale import scale, stated, variant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from effscale.spec.models import Spec

#: What makes a detector another one, in the order in which the factors are applied:
#: the field, or the section and its field.
DIMENSIONS: Mapping[str, tuple[str, ...]] = {
    "backbone": ("backbone",),
    "resolution": ("resolution",),
    "neck channels": ("neck", "channels"),
    "neck repeats": ("neck", "repeats"),
    "head repeats": ("heads", "repeats"),
    "levels": ("neck", "levels"),
    "fusion": ("neck", "fusion"),
    "anchor scale": ("heads", "anchors", "scale"),
}
#: Fields that a backbone is.
BACKBONE = ("backbone", "stem", "stages", "blocks")


@dataclass(frozen=True)
class Step:
    """A dimension in which two detectors differ, and what that multiplies MACs by."""

    dimension: str
    before: Any
    after: Any
    factor: Fraction


@dataclass(frozen=True)
class Published:
    """A published detector beside what the law gives at its φ."""

    variant: Variant
    law: Spec
    steps: Sequence[Step]  #: from the law's detector to the published one


def steps(old: Spec, new: Spec) -> list[Step]:
    """What leads from one detector to another, dimension by dimension.

    The product of the factors is exactly the ratio of their MACs; each is a ratio of
    two counts, the later with one more dimension of `new` than the earlier.
    """
    found: list[Step] = []
    here, macs = old, int(count(old).macs)
    for name, path in DIMENSIONS.items():
        before, after = value(here, path), value(new, path)
        if name == "backbone":
            update = {each: getattr(new, each) for each in BACKBONE}
            differs = any(getattr(here, each) != update[each] for each in update)
        else:
            update = {path[0]: _changed(getattr(here, path[0]), path[1:], after)}
            differs = before != after
        if differs:
            here = here.model_copy(update=update)
            then = int(count(here).macs)
            found.append(Step(name, before, after, Fraction(then, macs)))
            macs = then
    return found


def value(spec: Spec, path: Sequence[str]) -> Any:  # noqa: ANN401 - of any field
    """The value of a dimension."""
    found: Any = spec
    for name in path:
        found = getattr(found, name)
    return found


def _changed(section: Any, path: Sequence[str], value: Any) -> Any:  # noqa: ANN401
    """A section with one of its fields, or of those of a section within, changed."""
    if not path:
        return value
    inner = _changed(getattr(section, path[0]), path[1:], value)
    return section.model_copy(update={path[0]: inner})


def published(baseline: Spec, phi: float) -> list[Published]:
    """The published relatives that are meant for φ, beside the law's detector."""
    found: list[Published] = []
    for name, given in baseline.variants.items():
        if baseline.neck is None or given.phi != phi or given.phi is None:
            continue
        spec = variant(baseline, name)
        law = scale(baseline, at_phi(baseline, phi))
        made = Variant(spec, "published", phi, given_by(baseline, name), 2.0**phi)
        found.append(Published(made, law, steps(law, spec)))
    return found


def given_by(baseline: Spec, name: str) -> Multipliers:
    """The multipliers that make a published detector of its baseline."""
    spec, given = variant(baseline, name), stated(baseline, baseline.variants[name])
    ratios = {
        "resolution": spec.resolution[0] / baseline.resolution[0],
        "neck_width": _ratio(spec, baseline, ("neck", "channels")),
        "neck_depth": _ratio(spec, baseline, ("neck", "repeats")),
        "head_depth": _ratio(spec, baseline, ("heads", "repeats")),
    }
    return Multipliers(given.depth, given.width, **ratios)


def _ratio(spec: Spec, baseline: Spec, path: Sequence[str]) -> float:
    return int(value(spec, path)) / int(value(baseline, path))
