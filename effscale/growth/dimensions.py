"""Numbers of a spec that scale, and the multiplier and the rule that each follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from effscale.spec.lines import MBConv
from effscale.spec.steps import Line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from effscale.arrays import Int
    from effscale.spec.models import Spec

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
    "group_width": "group_width",
    "repeats": "repeats",
}
#: Sections of which just these fields scale.
FIELDS: Mapping[str, Mapping[str, Role]] = {
    "neck": {"channels": "neck_channels", "repeats": "neck_repeats"},
    "heads": {"repeats": "head_repeats"},
}


def changed(spec: Spec, change: Change) -> dict[str, object]:
    """What `change` makes of stem, stages, blocks, and of what is behind them.

    It is asked of each number that scales by the spec's own rules, and of no other.
    """
    rules, stages = spec.rounding, list(spec.stages)
    repeats = [each.times for each in stages]
    ends = [k for k, each in enumerate(repeats) if each is not None]
    fixed = {ends[0], ends[-1]} if ends and rules.ends == "fixed" else set()

    def but_repeats(role: Role, number: Int) -> Int:
        return number if role == "repeats" else change(role, number)

    return {
        **_sections(spec, change),
        "stem": _changed(spec.stem, change) if _stem_scales(spec) else spec.stem,
        "stages": tuple(
            _changed(line, but_repeats if index in fixed else change)
            for index, line in enumerate(stages)
        ),
        "blocks": _changed(spec.blocks, change),
    }


def _stem_scales(spec: Spec) -> bool:
    """Whether the stem's widths scale, by the spec's rule."""
    if spec.rounding.stem == "mbconv":
        return any(isinstance(line, MBConv) for line in spec.stages)
    return spec.rounding.stem == "scaled"


def _sections(spec: Spec, change: Change) -> dict[str, object]:
    """What is behind the stages: a head by the spec's rule, others by their fields."""

    def of_head(role: Role, number: Int) -> Int:
        return change("grown" if role == "channels" else role, number)

    head = of_head if spec.rounding.head == "grows" else change
    found: dict[str, object] = {}
    for name, section in spec.sections.items():
        if name in FIELDS:
            roles = FIELDS[name].items()
            update = {key: change(role, getattr(section, key)) for key, role in roles}
            found[name] = section.model_copy(update=update)
        elif spec.rounding.head != "fixed":
            found[name] = _changed(section, head)
    return found


def _changed(value: Any, change: Change) -> Any:  # noqa: ANN401 - models, and lists of them
    if isinstance(value, dict):
        return {name: _changed(each, change) for name, each in value.items()}
    if isinstance(value, tuple):
        return tuple(_changed(each, change) for each in value)
    update: dict[str, Any] = {"c_in": None} if hasattr(value, "c_in") else {}
    for name in type(value).model_fields:
        field = getattr(value, name)
        role = ROLE_OF.get(name)
        if role is not None and field is not None:
            each = field if isinstance(field, tuple) else (field,)
            after = tuple(change(role, number) for number in each)
            update[name] = after if isinstance(field, tuple) else after[0]
        elif isinstance(field, tuple) and field and isinstance(field[0], Line | tuple):
            update[name] = _changed(field, change)
    return value.model_copy(update=update)


def numbers(spec: Spec, *roles: Role) -> list[Int]:
    """The numbers of `spec` that have one of these roles, in the order of the file."""
    found: list[Int] = []

    def note(role: Role, number: Int) -> Int:
        if role in roles:
            found.append(number)
        return number

    changed(spec, note)
    return found


# --------------------------------------------------------------------------------------
# Values of a spec by their place: the fields that lead there.

Path: TypeAlias = tuple[str, ...]


def value(spec: Spec, path: Sequence[str]) -> Any:  # noqa: ANN401 - of any field
    """The value at `path`; None in a section that there is not."""
    found: Any = spec
    for name in path:
        found = getattr(found, name, None)
    return found


def with_value(model: Any, path: Sequence[str], value: object) -> Any:  # noqa: ANN401
    """`model`, a spec or a section, with another value at `path`."""
    first, *rest = path
    inner = with_value(getattr(model, first), rest, value) if rest else value
    return model.model_copy(update={first: inner})
