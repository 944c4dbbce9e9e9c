"""Scaling, Spec to Spec: the output is again a legal input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from effscale.arrays import every, is_array, on_paper
from effscale.errors import ScaleError
from effscale.growth.dimensions import FOLLOWS, ROLES, changed, numbers, with_value
from effscale.growth.multipliers import Multipliers
from effscale.growth.rounding import Rules, in_groups
from effscale.spec import builtin
from effscale.spec.geometry import least_sides, too_small
from effscale.spec.lines import Bottleneck
from effscale.spec.structure import faults, fits_by_itself

if TYPE_CHECKING:
    from pathlib import Path

    from effscale.arrays import Int, Real
    from effscale.growth.dimensions import Role
    from effscale.spec.models import Spec, Variant
    from effscale.spec.steps import Line


def scale(spec: Spec, multipliers: Multipliers, *, rules: Rules | None = None) -> Spec:
    """`spec` deeper, wider and at a higher resolution, rounded by its own rules.

    Stem and head widths scale too; classes and image channels do not. Dropout and
    stochastic depth stay. Figures and variants speak of the baseline and are left out.
    Arrays of multipliers give a spec of arrays. Multipliers of 1 give `spec` itself.

    Raises:
        ScaleError: if a number leaves its range, or the image becomes too small.
    """
    if multipliers.is_identity:
        return spec
    multipliers = multipliers.by(spec.rounding)
    rules = rules or Rules.of(spec.rounding)
    followed: set[str] = set()

    def change(role: Role, number: Int) -> Int:
        multiplier, rule = FOLLOWS[role]
        followed.add(multiplier)
        result: Int = getattr(rules, rule)(number, multipliers.factor(multiplier))
        return result

    update = changed(spec, change)
    _check_followed(spec, multipliers, followed)
    scaled = spec.model_copy(update=update | _renamed(spec, multipliers))
    ratios = spec.rounding.inside == "ratio"
    stages = tuple(
        _compatible(line, before if ratios else None)
        for line, before in zip(scaled.stages, spec.stages, strict=True)
    )
    height, width = spec.resolution
    r = multipliers.resolution
    resolution = rules.resolution(height, r), rules.resolution(width, r)
    sized = at_resolution(scaled.model_copy(update={"stages": stages}), resolution)
    if not fits_by_itself(sized) and is_plain(sized):
        for fault in faults(sized):
            raise ScaleError(f"{spec.name} scaled: {fault.said}")
    return sized


def _renamed(spec: Spec, multipliers: Multipliers) -> dict[str, object]:
    """What a neck's backbone is called: its relatives are of other networks now."""
    if not spec.detector:
        return {}
    backbone = {"backbone": backbone_called(spec, multipliers)}
    if spec.scaling is None:
        return {**backbone}
    return {**backbone, "scaling": with_value(spec.scaling, ("backbones",), {})}


def backbone_called(spec: Spec, multipliers: Multipliers) -> str | None:
    """The listed backbone that a detector has at these multipliers, if it is one."""
    asked = multipliers.depth, multipliers.width
    if any(map(is_array, asked)):
        return None
    listed = {} if spec.scaling is None else spec.scaling.backbones
    for name, each in listed.items():
        if asked == (each.depth_multiplier, each.width_multiplier):
            return name
    return spec.backbone if asked == (1, 1) else None


def is_plain(spec: Spec) -> bool:
    """Whether `spec` is of one network, in whole numbers."""
    every_number = (*numbers(spec, *ROLES), *spec.resolution)
    return all(type(each) is int for each in every_number)


def _compatible(line: Line, before: Line | None) -> Line:
    """A bottleneck whose inner channels are whole groups.

    If they are to keep their ratio to what it put out `before`, it puts out what that
    makes of the inner ones (pycls/models/blocks.py:215-226); on paper all is exact.
    """
    if not isinstance(line, Bottleneck):
        return line
    if isinstance(before, Bottleneck) and None not in {line.c_mid, before.c_mid}:
        exact = on_paper(line.channels)
        return line if exact else _by_ratio(line, before)
    if line.group_width is None:
        return line
    inner = "channels" if line.c_mid is None else "c_mid"
    channels, group = in_groups(getattr(line, inner), line.group_width)
    return line.model_copy(update={inner: channels, "group_width": group})


def _by_ratio(line: Bottleneck, before: Bottleneck) -> Line:
    """Inner channels in the ratio that they had, cut to whole ones, in whole groups."""
    inside, out = int(before.c_mid or before.channels), int(before.channels)
    c_mid, group = line.channels * inside // out, line.group_width
    if group is not None:
        widens = inside // out if inside > out else 1
        c_mid, group = in_groups(c_mid, group, widens)
    channels = c_mid * out // inside
    update = {"c_mid": c_mid, "channels": channels, "group_width": group}
    return line.model_copy(update=update)


#: What has to be there for a multiplier to change something.
FOLLOWERS = {
    "depth": "stage that repeats",
    "width": "width that scales",
    "neck_width": "neck",
    "neck_depth": "neck",
    "head_depth": "heads by level",
}


def _check_followed(spec: Spec, multipliers: Multipliers, followed: set[str]) -> None:
    """Refuse a multiplier that nothing in the network has followed."""
    for name, what in FOLLOWERS.items():
        if name not in followed and not every(multipliers.factor(name) == 1):
            raise ScaleError(f"{name}: {spec.name} has no {what}")


def at_resolution(spec: Spec, resolution: tuple[Int, Int]) -> Spec:
    """`spec` for images of (height, width) pixels, without its figures and variants.

    Raises:
        ScaleError: if a side is below the network's total stride.
    """
    exact = on_paper(*resolution)
    if not exact and (found := too_small(spec, resolution)):
        raise ScaleError(f"resolution: {found[0][1]}")
    return _changed(spec, resolution=resolution)


def leaves_an_image(spec: Spec, resolution_multiplier: Real) -> Any:  # noqa: ANN401
    """Whether the rounded image is as large as the network's total stride asks for."""
    rule = Rules.of(spec.rounding).resolution
    height, width = (rule(side, resolution_multiplier) for side in spec.resolution)
    rows, columns = least_sides(spec)
    return (height >= rows) & (width >= columns)


def with_classes(spec: Spec, classes: int) -> Spec:
    """`spec` with another number of classes, without its figures and variants.

    Raises:
        ScaleError: if no linear layer makes them.
    """
    name, head = spec.classifying
    if not head.classifier:
        raise ScaleError(f"classes: {spec.name} has no linear classifier")
    return _changed(spec, **{name: with_value(head, ("classes",), classes)})


def _changed(spec: Spec, **update: object) -> Spec:
    """A copy that is another network, of which the file's figures say nothing."""
    figures: dict[str, object] = dict.fromkeys(("expected", "published", "budget"))
    figures["variants"] = {}
    return spec.model_copy(update={**figures, **update})


def variant(spec: Spec, name: str) -> Spec:
    """The published variant `name` of `spec`: its multipliers, resolution, dropout."""
    given = spec.variants[name]
    multipliers = stated(spec, given)
    rounding = given.rounding or spec.rounding
    scaled = scale(spec.model_copy(update={"rounding": rounding}), multipliers)
    if given.repeats is not None:
        own = iter(given.repeats)
        stages = tuple(
            line
            if line.times is None
            else line.model_copy(update={"repeats": next(own)})
            for line in scaled.stages
        )
        scaled = scaled.model_copy(update={"stages": stages})
    figures: dict[str, object] = {
        "family": given.family or spec.family,
        "expected": given.expected,
        "published": given.published,
        "budget": given.budget,
    }
    for path, value in given.sections.items():
        scaled = with_value(scaled, path, value)
    resized = at_resolution(scaled, given.resolution)
    return resized.model_copy(update={"name": name, **figures})


def stated(spec: Spec, given: Variant) -> Multipliers:
    """The multipliers of depth and width that a published variant has."""
    listed = {} if spec.scaling is None else spec.scaling.backbones
    of = given if given.backbone is None else listed[given.backbone]
    return Multipliers(of.depth_multiplier, of.width_multiplier)


def relatives(spec: Spec, name: str) -> dict[str, Spec]:
    """`spec` by its name, and its published variants by theirs."""
    return {name: spec, **{each: variant(spec, each) for each in spec.variants}}


def load(reference: str | Path) -> Spec:
    """The spec that `reference` names: `b0`, `b4`, `my.yaml`, `my.yaml@large`, `-`.

    Raises:
        SpecError: with each thing that is wrong, in the order of the file.
    """
    spec, name = builtin.find(str(reference))
    return variant(spec, name) if name else spec
