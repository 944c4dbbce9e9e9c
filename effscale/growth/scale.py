"""Scaling, Spec to Spec: the output is again a legal input.

The tables at the top say which numbers scale, and the multiplier and rule of each.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from functools import cache, lru_cache
from math import gcd, lcm
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from effscale.arguments import pixels, whole
from effscale.arrays import every, is_array, on_paper
from effscale.choices import MAX_CLASSES
from effscale.data import Same
from effscale.errors import Fault, PlacedError, ScaleError, short
from effscale.growth.multipliers import Multipliers
from effscale.growth.rounding import Rules, in_groups
from effscale.spec import builtin
from effscale.spec.geometry import chains, least_sides, lines_of, too_small
from effscale.spec.heads import share_of_keys
from effscale.spec.line import Line
from effscale.spec.lines import Bottleneck, MBConv
from effscale.spec.outputs import Detect
from effscale.spec.parameters import every_line, filled, given, spots
from effscale.spec.steps import Attention, Grouped, Use
from effscale.spec.structure import fits_by_itself, fitting_sides, misfits
from effscale.spec.values import Model, Parameter
from effscale.spec.variants import with_own

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from effscale.arrays import Int
    from effscale.errors import Place
    from effscale.spec.line import Lines
    from effscale.spec.models import Rounding, Spec, Variant
    from effscale.spec.steps import Blocks, OwnBlock

#: Channels that scale, those that only grow, those of a group, and repeats; a
#: detector's neck and heads have their own.
Role = Literal[
    "channels",
    "grown",
    "group_width",
    "repeats",
    "neck_channels",
    "neck_repeats",
    "head_repeats",
]
Change: TypeAlias = "Callable[[Role, Int], Int]"
#: Of each block of the file's own, the parameters that scale.
Roles: TypeAlias = "Mapping[str, Mapping[str, Role]]"


class Follows(NamedTuple):
    """What makes another number of one: a multiplier, and a rule that rounds."""

    multiplier: str  #: of `Multipliers`
    rule: str  #: of `Rules`


FOLLOWS: Mapping[Role, Follows] = {
    "channels": Follows("width", "channels"),
    "grown": Follows("width", "grown"),
    "group_width": Follows("group_width", "group_width"),
    "repeats": Follows("depth", "repeats"),
    "neck_channels": Follows("neck_width", "channels"),
    "neck_repeats": Follows("neck_depth", "repeats"),
    "head_repeats": Follows("head_depth", "repeats"),
}
ROLES = tuple(FOLLOWS)

#: What the fields of lines and heads are, by the names that they have everywhere.
ROLE_OF: Mapping[str, Role] = {
    "channels": "channels",
    "c_mid": "channels",
    "growth": "channels",
    "hidden": "channels",
    "widths": "channels",
    "group_width": "group_width",
    "repeats": "repeats",
}
#: Sections of which just these fields scale.
FIELDS: Mapping[str, Mapping[str, Role]] = {
    "neck": {"channels": "neck_channels", "repeats": "neck_repeats"},
    "heads": {"repeats": "head_repeats"},
}


def _role_of(line: type[Model], key: str) -> Role | None:
    """What a number is; a step's group keeps its width, as it keeps its number.

    Heads of a `detect` output are as deep at any size: RetinaNet's and FCOS' have four
    convolutions on each backbone, YOLOX's two at each depth multiple.
    """
    fixed = key == "group_width" and issubclass(line, Grouped)
    fixed = fixed or (key == "repeats" and issubclass(line, Detect))
    return None if fixed else ROLE_OF.get(key)


@cache
def _roles_of(line: type[Model]) -> Mapping[str, Role]:
    """The numbers of a line that scale, by name."""
    found = {name: _role_of(line, name) for name in line.model_fields}
    return {name: role for name, role in found.items() if role is not None}


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
    multipliers, rules = multipliers.by(spec.rounding), rules or rules_of(spec)
    with _told(spec, f"{spec.name} scaled"):
        grown = _grown(spec, multipliers, rules)
        return _fitting(_sized(grown, _sides(spec, rules, multipliers), spec))


@contextmanager
def _told(spec: Spec, called: str) -> Iterator[None]:
    """What is wrong with values, said of that network, where the file has them."""
    try:
        yield
    except PlacedError as error:
        found = spec.origin.located(error.fault)
        help_text = found.help and f"; {found.help}"
        message = f"{called}: {found.said}{help_text}"
        raise ScaleError(message, error.among, found.where) from None


def _grown(spec: Spec, multipliers: Multipliers, rules: Rules) -> Spec:
    """The network with the numbers of its lines scaled, for images as they were."""
    followed: set[str] = set()
    known: dict[tuple[Role, Int], Int] = {}

    def change(role: Role, number: Int) -> Int:
        if type(number) is int and (role, number) in known:
            return known[role, number]
        multiplier, rule = FOLLOWS[role]
        followed.add(multiplier)
        result: Int = getattr(rules, rule)(number, multipliers.factor(multiplier))
        if type(number) is int:
            known[role, number] = result
        return result

    update = changed(spec, change)
    _check_followed(spec, multipliers, followed)
    scaled = spec.model_copy(update=update | _renamed(spec, multipliers))
    ratios = spec.rounding.inside == "ratio"
    stages = tuple(
        _compatible(line, before if ratios else None)
        for line, before in zip(scaled.stages, spec.stages, strict=True)
    )
    return scaled.model_copy(update={"stages": stages})


def rules_of(spec: Spec, rounding: Rounding | None = None) -> Rules:
    """The rules of a spec: its `rounding`, and widths of whole heads and groups."""
    return Rules.of(rounding or spec.rounding, _width_unit(Same(spec)))


@lru_cache(maxsize=8)  # all variants of a file ask it of one spec
def _width_unit(same: Same[Spec]) -> int:
    """What widths are a multiple of, for heads and groups to be whole."""
    lines = lines_of(same.it)
    convolutions = _convolutions(every_line(lines), same.it)
    return lcm(_head_unit(lines, same.it), *map(_group_unit, convolutions))


def _head_unit(lines: Lines, spec: Spec) -> int:
    """What widths are a multiple of, for the heads of lines and of those within."""
    unit = 1
    for line in lines:
        if isinstance(line, Attention):
            free = None in {line.heads, line.key_width, line.value_width}
            unit = lcm(unit, int(line.head_width or line.heads or 1) if free else 1)
            unit = lcm(unit, share_of_keys(line).denominator)
        elif isinstance(line, Use) and not _has(Attention, spec.blocks):
            continue
        unit = lcm(
            unit, *(_head_unit(each, spec) for each in chains(line, spec.blocks))
        )
    return unit


def _has(kind: type[Line], blocks: Blocks) -> bool:
    """Whether a block of the file's own has such a line."""
    return any(
        isinstance(line, kind)
        for block in blocks.values()
        for line in every_line(block.layers)
    )


def _convolutions(
    lines: Iterable[Line], spec: Spec, around: Int | None = None
) -> Iterator[Grouped]:
    """Those among lines, and in the blocks that they use, as their parameters are.

    `around` are the channels of the block that the lines are in.
    """
    for line in lines:
        if isinstance(line, Grouped):
            yield line
        elif isinstance(line, Use):
            values = given(line, spec.blocks, around)
            inner = every_line(spec.blocks[line.block].layers)
            there = (each for one in inner if (each := filled(one, values)))
            yield from _convolutions(there, spec, values.get("channels"))


def _group_unit(line: Grouped) -> int:
    """What a width is a multiple of, so that a share of it is whole groups.

    Where there is one group, each width is as its own rule has it.
    """
    groups = int(line.group_width or line.groups)
    if groups == 1:
        return 1
    share = 1.0 if line.channels is not None else line.share
    exact = Fraction(share).limit_denominator(_SHARES)
    needed = groups * exact.denominator
    return needed // gcd(needed, exact.numerator)


#: The smallest share of a width whose whole groups are looked after.
_SHARES = 16


def _renamed(spec: Spec, multipliers: Multipliers) -> dict[str, object]:
    """What the backbone is called now: its relatives are of other networks."""
    update: dict[str, object] = {}
    if (called := backbone_called(spec, multipliers)) != spec.backbone:
        update["backbone"] = called
    if spec.scaling is not None:
        update["scaling"] = with_value(spec.scaling, ("backbones",), {})
    return update


def backbone_called(spec: Spec, multipliers: Multipliers) -> str | None:
    """The backbone at these multipliers: the spec's own, or a listed one, if any."""
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
    stated = line.c_mid is not None
    if stated and isinstance(before, Bottleneck) and before.c_mid is not None:
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


#: What has to be there for a multiplier to change something, and where it would be.
FOLLOWERS: Mapping[str, tuple[Place, str]] = {
    "depth": (
        ("stages",),
        (
            "stage that repeats; repeats: 1 on the line of a block makes it one, "
            "strategy wr scales width and resolution alone"
        ),
    ),
    "width": (("stages",), "width that scales"),
    "neck_width": ((), "neck"),
    "neck_depth": ((), "neck"),
    "head_depth": ((), "heads by level"),
}


def _check_followed(spec: Spec, multipliers: Multipliers, followed: set[str]) -> None:
    for name, (place, what) in FOLLOWERS.items():
        if name not in followed and not every(multipliers.factor(name) == 1):
            raise _lacking(spec, place, f"{name}: {spec.name} has no {what}")


def _lacking(spec: Spec, place: Place, message: str) -> ScaleError:
    """What the network lacks, where its file would have it."""
    where = spec.origin.located(Fault(place, message)).where
    return ScaleError(message, where=where)


def changed(spec: Spec, change: Change) -> dict[str, object]:
    """What `change` makes of stem, stages, blocks, and of what is behind them.

    It is asked of each number that scales by the spec's own rules, and of no other.
    """
    rules, stages, roles = spec.rounding, list(spec.stages), _roles(Same(spec.blocks))
    repeats = [each.times for each in stages]
    ends = [k for k, each in enumerate(repeats) if each is not None]
    fixed = {ends[0], ends[-1]} if ends and rules.ends == "fixed" else set()

    def but_repeats(role: Role, number: Int) -> Int:
        return number if role == "repeats" else change(role, number)

    def of_block(name: str, block: OwnBlock) -> OwnBlock:
        own = ("blocks", name)
        values, role = block.parameters, roles[name]
        inside = _numbers(values, change, role, (*own, "parameters"))
        update = {"parameters": {**values, **inside}} if inside else {}
        made: OwnBlock = _with(_changed(block, change, roles, own), update)
        return made

    stem = spec.stem
    found = {
        **_sections(spec, change, roles),
        "stem": _changed(stem, change, roles, ("stem",))
        if _stem_scales(spec)
        else stem,
        "stages": tuple(
            _changed(
                line,
                but_repeats if index in fixed else change,
                roles,
                ("stages", index),
            )
            for index, line in enumerate(stages)
        ),
    }
    blocks = {name: of_block(name, each) for name, each in spec.blocks.items()}
    if _differ(blocks.values(), spec.blocks.values()):
        found["blocks"] = blocks
    return found


@lru_cache(maxsize=8)  # variants of a file have its blocks
def _roles(blocks: Same[Blocks]) -> Roles:
    """What the parameters of each block are that scale, by where they stand."""
    return {
        name: {
            key: role
            for key, found in known.items()
            for spot in found
            if not spot.fixed and (role := _role_of(spot.line, spot.key)) is not None
        }
        for name, known in spots(blocks.it).items()
    }


def _numbers(
    values: Mapping[str, Any], change: Change, roles: Mapping[str, Role], place: Place
) -> dict[str, Any]:
    """Those of the values that become others; a 0 leaves a step out, and stays.

    What is wrong with one of them is said of it, in the section at `place`.
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        role = roles.get(name)
        if role is None or value is None or isinstance(value, Parameter):
            continue
        each = value if isinstance(value, tuple) else (value,)
        try:
            after = tuple(
                number if type(number) is int and not number else change(role, number)
                for number in each
            )
        except PlacedError as error:
            raise error.at((*place, name)) from None
        if _differ(after, each):
            found[name] = after if isinstance(value, tuple) else after[0]
    return found


def _differ(made: Iterable[object], before: Iterable[object]) -> bool:
    """Whether one of those that were made is not the one before."""
    return any(one is not other for one, other in zip(made, before, strict=True))


def _with(model: Any, update: Mapping[str, Any]) -> Any:  # noqa: ANN401 - of any kind
    """A model with other values; itself where there are none."""
    return model.model_copy(update=update) if update else model


def _stem_scales(spec: Spec) -> bool:
    """Whether the stem's widths scale, by the spec's rule."""
    if spec.rounding.stem == "mbconv":
        return any(isinstance(line, MBConv) for line in spec.stages)
    return spec.rounding.stem == "scaled"


def _sections(spec: Spec, change: Change, roles: Roles) -> dict[str, object]:
    """What is behind the stages: a head by the spec's rule, others by their fields."""

    def of_head(role: Role, number: Int) -> Int:
        return change("grown" if role == "channels" else role, number)

    head = of_head if spec.rounding.head == "grows" else change
    found: dict[str, object] = {}
    for name, section in spec.sections.items():
        if name in FIELDS:
            own = FIELDS[name]
            stated = {key: getattr(section, key) for key in own}
            found[name] = _with(section, _numbers(stated, change, own, (name,)))
        elif spec.rounding.head != "fixed":
            found[name] = _changed(section, head, roles, (name,))
    if spec.outputs and spec.rounding.head != "fixed":
        found["outputs"] = {
            name: _changed(each, head, roles, ("outputs", name))
            for name, each in spec.outputs.items()
        }
    return found


def _changed(value: Any, change: Change, roles: Roles, place: Place) -> Any:  # noqa: ANN401 - models, and lists of them
    """The value with what is made of its numbers; itself where that is the same."""
    if isinstance(value, tuple):
        every_one = enumerate(value)
        made = [_changed(each, change, roles, (*place, k)) for k, each in every_one]
        return tuple(made) if _differ(made, value) else value
    if not isinstance(value, Model) or (isinstance(value, Line) and value.fixed):
        return value  # numbers within lists are pixels
    stated, own_roles = vars(value), _roles_of(type(value))
    update: dict[str, Any] = {} if stated.get("c_in") is None else {"c_in": None}
    inner = {name: stated[name] for name in own_roles}
    update |= _numbers(inner, change, own_roles, place)
    for name, field in stated.items():
        if isinstance(field, tuple) and field and isinstance(field[0], Line | tuple):
            made = _changed(field, change, roles, (*place, name))
            update |= {name: made} if made is not field else {}
    if isinstance(value, Use):
        extra, own = value.model_extra or {}, roles[value.block]
        update |= _numbers(extra, change, own, place)
    return _with(value, update)


def numbers(spec: Spec, *roles: Role) -> list[Int]:
    """The numbers of `spec` that have one of these roles, in the order of the file."""
    found: list[Int] = []

    def note(role: Role, number: Int) -> Int:
        if role in roles:
            found.append(number)
        return number

    changed(spec, note)
    return found


def followed(spec: Spec) -> set[str]:
    """The multipliers that a number of `spec` follows; an image is not asked."""
    found: set[str] = set()

    def note(role: Role, number: Int) -> Int:
        found.add(FOLLOWS[role].multiplier)
        return number

    changed(spec, note)
    return found


def value(spec: Spec, path: Sequence[str]) -> Any:  # noqa: ANN401 - of any field
    """The value at `path`; None in a section that there is not."""
    found: Any = spec
    for name in path:
        found = getattr(found, name, None)
    return found


def with_value(model: Any, path: Sequence[str], value: object) -> Any:  # noqa: ANN401
    """`model`, a spec or a section, with another value at `path`."""
    first, *rest = path
    if isinstance(model, dict):
        return {**model, first: with_value(model[first], rest, value)}
    inner = with_value(getattr(model, first), rest, value) if rest else value
    return model.model_copy(update={first: inner})


def at_resolution(spec: Spec, resolution: tuple[Int, Int]) -> Spec:
    """`spec` for images of (height, width) pixels, without its figures and variants.

    Raises:
        ScaleError: if a side is below the network's total stride, or lines no longer
            fit each other.
    """
    return _at(spec, resolution, spec)


def _at(
    spec: Spec, resolution: tuple[Int, Int], like: Spec, *, restated: bool = False
) -> Spec:
    """The same; `like` is a network of the same kernels and strides.

    Of lines that are `restated` nothing is known before they are read; a file has them
    in whole numbers.
    """
    height, width = resolution
    several = is_array(height) or is_array(width)
    with _told(spec, spec.name + f" at {height}×{width} px" * (not several)):
        return _fitting(_sized(spec, resolution, like), restated=restated)


def _fitting(spec: Spec, *, restated: bool = False) -> Spec:
    """The network itself, if its lines still fit each other."""
    if restated or (not fits_by_itself(spec) and is_plain(spec)):
        for fault in misfits(spec):
            raise PlacedError(replace(fault, help=fault.help or fitting_sides(spec)))
    return spec


def _sized(spec: Spec, resolution: tuple[Int, Int], like: Spec) -> Spec:
    """`spec` for images of that size, which is to be as large as its strides ask.

    They are those of `like`: widths and repeats ask for no larger image.
    """
    found, exact = _another(spec, resolution=resolution), on_paper(*resolution)
    if not exact and (wrong := too_small(found, resolution, least_sides(like))):
        (axis, message, least), *_ = wrong
        fault = Fault(("resolution",), message)
        raise PlacedError(fault, resolution[axis] < least)
    return found


def _sides(spec: Spec, rules: Rules, given: Multipliers) -> tuple[Int, Int]:
    """Height and width, each by the multiplier that it follows."""
    height, width = spec.resolution
    factors = given.resolution, given.factor("image_width")
    return rules.resolution(height, factors[0]), rules.resolution(width, factors[1])


def leaves_an_image(spec: Spec, given: Multipliers) -> Any:  # noqa: ANN401
    """Whether the rounded image is as large as the network's total stride asks for."""
    height, width = _sides(spec, Rules.of(spec.rounding), given)
    rows, columns = least_sides(spec)
    return (height >= rows) & (width >= columns)


def with_classes(spec: Spec, classes: int) -> Spec:
    """`spec` with another number of classes, without its figures and variants.

    Raises:
        ScaleError: if no linear layer makes them, or they are no number of classes.
    """
    found, classes = _another(spec), whole("classes", classes, 1, MAX_CLASSES)
    for place, head in spec.classifying.items():
        if not getattr(head, "classifier", True):
            raise _lacking(
                spec, place, f"classes: {spec.name} has no linear classifier"
            )
        found = with_value(found, (*place, "classes"), classes)
    return found


def without_classifier(spec: Spec) -> Spec:
    """`spec` without the linear layer that makes classes, and without its figures.

    Accuracies that were published stay.

    Raises:
        ScaleError: if no linear layer makes them.
    """
    found = _another(spec)
    for place, head in spec.classifying.items():
        if not (getattr(head, "classifier", False) and "classifier" in dict(head)):
            expected = f"{spec.name}: expected a linear classifier, got none"
            raise _lacking(spec, place, expected)
        found = with_value(found, (*place, "classifier"), False)  # noqa: FBT003
    costs: dict[str, object] = dict.fromkeys(("params", "macs", "note"))
    printed = spec.published and spec.published.model_copy(update=costs)
    return found.model_copy(update={"published": printed})


def _another(spec: Spec, **update: object) -> Spec:
    """A copy that is another network, of which the file's figures say nothing."""
    figures: dict[str, object] = dict.fromkeys(("expected", "published", "budget"))
    figures["variants"] = {}
    return spec.model_copy(update={**figures, **update})


def variant(spec: Spec, name: str) -> Spec:
    """The published variant `name` of `spec`: its multipliers, resolution, dropout.

    Raises:
        ScaleError: if it has none of that name, or that is no network.
    """
    given = spec.variants.get(name)
    if given is None:
        listed = ", ".join(spec.variants) or "none"
        message = f"expected one of {listed}, got {short(name)}"
        raise ScaleError(f"{spec.name}: variants: {message}")
    rounding = given.rounding or spec.rounding
    multipliers = stated(spec, given).by(rounding)
    scaled = spec.model_copy(update={"rounding": rounding})
    if not multipliers.is_identity:
        with _told(spec, f"{name} scaled"):
            scaled = _grown(scaled, multipliers, rules_of(spec, rounding))
    restated = with_own(scaled, given)
    figures: dict[str, object] = {
        "family": given.family or spec.family,
        "expected": given.expected,
        "published": given.published,
        "budget": given.budget,
    }
    found = restated
    for path, value in given.sections.items():
        found = with_value(found, path, value)
    named = found.model_copy(update={"name": name})
    like = named if given.stem or given.stages else spec
    made = _at(named, given.resolution, like, restated=restated is not scaled)
    return made.model_copy(update=figures)


def stated(spec: Spec, given: Variant) -> Multipliers:
    """The multipliers of depth and width that a published variant has."""
    listed = {} if spec.scaling is None else spec.scaling.backbones
    of = given if given.backbone is None else listed[given.backbone]
    return Multipliers(of.depth_multiplier, of.width_multiplier)


def relatives(spec: Spec, name: str) -> dict[str, Spec]:
    """`spec` by its name, and its published variants by theirs."""
    return {name: spec, **{each: variant(spec, each) for each in spec.variants}}


def load(
    reference: str | Path,
    *,
    resolution: int | tuple[int, int] | None = None,
    classes: int | None = None,
) -> Spec:
    """The spec that `reference` names: `b0`, `b4`, `my.yaml`, `my.yaml@large`, `-`.

    Args:
        reference: a built-in name, a file, or a variant of one.
        resolution: pixels of the image instead of the spec's: height and width, or one
            number for a square.
        classes: classes instead of the spec's.

    Raises:
        SpecError: with each thing that is wrong, in the order of the file.
        ScaleError: if the network leaves nothing of such an image, or an argument is
            of another kind.
    """
    if not isinstance(reference, str | PathLike):
        raise ScaleError(f"expected a spec's name or path, got {short(reference)}")
    spec, name = builtin.find(str(reference))
    found = variant(spec, name) if name else spec
    if resolution is not None:
        found = at_resolution(found, pixels(resolution))
    return found if classes is None else with_classes(found, classes)
