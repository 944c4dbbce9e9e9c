"""Scaling, Spec to Spec: the output is again a legal input."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeVar, assert_never

from effscale.arrays import every, maximum
from effscale.errors import ScaleError
from effscale.growth.dimensions import ROLES, changed, numbers
from effscale.growth.law import backbone_called
from effscale.growth.multipliers import Multipliers
from effscale.growth.rounding import Rules, in_groups
from effscale.spec import builtin
from effscale.spec.lines import Bottleneck
from effscale.spec.sizes import least_sides, too_small
from effscale.spec.structure import faults, fits_by_itself
from effscale.spec.types import Model

if TYPE_CHECKING:
    from pathlib import Path

    from effscale.arrays import Int, Real
    from effscale.growth.dimensions import Role
    from effscale.spec.models import Spec, Variant
    from effscale.spec.steps import Line

M = TypeVar("M", bound=Model)


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
    rules = rules or Rules.of(spec.rounding)
    followed: set[Role] = set()

    def change(role: Role, number: Int) -> Int:
        followed.add(role)
        match role:
            case "channels":
                return rules.channels(number, multipliers.width)
            case "neck_channels":
                return rules.channels(number, multipliers.factor("neck_width"))
            case "neck_repeats":
                return rules.repeats(number, multipliers.factor("neck_depth"))
            case "head_repeats":
                return rules.repeats(number, multipliers.factor("head_depth"))
            case "grown":
                grown: Int = maximum(number, rules.channels(number, multipliers.width))
                return grown
            case "group_width":
                return rules.group_width(number, multipliers.factor("group_width"))
            case "repeats":
                return rules.repeats(number, multipliers.depth)
            case _:
                assert_never(role)

    scaled = spec.model_copy(update=changed(spec, change))
    _check_scaled(spec, multipliers, followed)
    if spec.neck is not None:
        scaled = scaled.model_copy(update=_of_detector(spec, multipliers))
    stages = tuple(map(_compatible, scaled.stages))
    height, width = spec.resolution
    r = multipliers.resolution
    resolution = rules.resolution(height, r), rules.resolution(width, r)
    sized = at_resolution(scaled.model_copy(update={"stages": stages}), resolution)
    if not fits_by_itself(sized) and is_plain(sized):
        for fault in faults(sized):
            raise ScaleError(f"{spec.name} scaled: {fault.said}")
    return sized


def _of_detector(spec: Spec, multipliers: Multipliers) -> dict[str, object]:
    """What a scaled detector calls its backbone, whose relatives are others now."""
    found: dict[str, object] = {"backbone": backbone_called(spec, multipliers)}
    if spec.scaling is not None:
        found["scaling"] = spec.scaling.model_copy(update={"backbones": {}})
    return found


def is_plain(spec: Spec) -> bool:
    """Whether `spec` is of one network, in whole numbers."""
    every_number = (*numbers(spec, *ROLES), *spec.resolution)
    return all(type(each) is int for each in every_number)


def _compatible(line: Line) -> Line:
    """A bottleneck whose inner channels are whole groups."""
    if not isinstance(line, Bottleneck) or line.group_width is None:
        return line
    inner = "channels" if line.c_mid is None else "c_mid"
    channels, group = in_groups(getattr(line, inner), line.group_width)
    return line.model_copy(update={inner: channels, "group_width": group})


def _check_scaled(spec: Spec, multipliers: Multipliers, followed: set[Role]) -> None:
    """Refuse a multiplier that nothing in the network has followed."""
    for dimension, role, what in (
        ("depth", {"repeats"}, "stage that repeats"),
        ("width", {"channels", "grown"}, "width that scales"),
        ("neck_width", {"neck_channels"}, "neck"),
        ("neck_depth", {"neck_repeats"}, "neck"),
        ("head_depth", {"head_repeats"}, "heads by level"),
    ):
        if not followed & role and not every(multipliers.factor(dimension) == 1):
            raise ScaleError(f"{dimension}: {spec.name} has no {what}")


def at_resolution(spec: Spec, resolution: tuple[Int, Int]) -> Spec:
    """`spec` for images of (height, width) pixels, without its figures and variants.

    Raises:
        ScaleError: if a side is below the network's total stride.
    """
    on_paper = any(isinstance(side, Fraction) for side in resolution)
    if not on_paper and (found := too_small(spec, resolution)):
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
    if spec.head is not None and not spec.head.classifier:
        raise ScaleError(f"classes: {spec.name} has no linear classifier")
    name = "head" if spec.heads is None else "heads"
    section = getattr(spec, name).model_copy(update={"classes": classes})
    return _changed(spec, **{name: section})


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
    sections: dict[str, object] = {}
    if scaled.head is not None and given.dropout is not None:
        update = {"dropout": given.dropout}
        sections["head"] = scaled.head.model_copy(update=update)
    if scaled.neck is not None and given.neck is not None:
        sections["neck"] = _with(scaled.neck, **dict(given.neck))
    if scaled.heads is not None and given.heads is not None:
        anchors = _with(scaled.heads.anchors, scale=given.heads.anchor_scale)
        repeats = given.heads.repeats
        sections["heads"] = _with(scaled.heads, repeats=repeats, anchors=anchors)
    resized = at_resolution(scaled, given.resolution)
    return resized.model_copy(update={"name": name, **sections, **figures})


def stated(spec: Spec, given: Variant) -> Multipliers:
    """The multipliers of depth and width that a published variant has."""
    listed = {} if spec.scaling is None else spec.scaling.backbones
    of = given if given.backbone is None else listed[given.backbone]
    return Multipliers(of.depth_multiplier, of.width_multiplier)


def _with(section: M, **update: object) -> M:
    """A copy of a section with what is given of these."""
    given = {name: each for name, each in update.items() if each is not None}
    return section.model_copy(update=given)


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
