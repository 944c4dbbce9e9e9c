"""Which numbers of a spec follow which multiplier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from effscale.spec.steps import Line

if TYPE_CHECKING:
    from collections.abc import Callable

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

ROLES: tuple[Role, ...] = get_args(Role)

#: What the fields of lines and heads are, by the names that they have everywhere.
ROLE_OF: dict[str, Role] = {
    "channels": "channels",
    "c_mid": "channels",
    "growth": "channels",
    "hidden": "channels",
    "group_width": "group_width",
    "repeats": "repeats",
}


def changed(spec: Spec, change: Change) -> dict[str, object]:
    """What `change` makes of stem, stages, blocks, and of what is behind them.

    It is asked of each number that scales by the spec's own rules, and of no other.
    """
    rules, stages = spec.rounding, list(spec.stages)
    repeats = [each.times for each in stages]
    ends = [k for k, each in enumerate(repeats) if each is not None]
    fixed = {ends[0], ends[-1]} if ends and rules.ends == "fixed" else set()

    def of_head(role: Role, number: Int) -> Int:
        return change("grown" if role == "channels" else role, number)

    def but_repeats(role: Role, number: Int) -> Int:
        return number if role == "repeats" else change(role, number)

    head = of_head if rules.head == "grows" else change
    found: dict[str, object] = {}
    if spec.head is not None and rules.head != "fixed":
        found["head"] = _changed(spec.head, head)
    if spec.neck is not None:
        wide = change("neck_channels", spec.neck.channels)
        deep = change("neck_repeats", spec.neck.repeats)
        update = {"channels": wide, "repeats": deep}
        found["neck"] = spec.neck.model_copy(update=update)
    if spec.heads is not None:
        update = {"repeats": change("head_repeats", spec.heads.repeats)}
        found["heads"] = spec.heads.model_copy(update=update)
    return found | {
        "stem": spec.stem if rules.stem == "fixed" else _changed(spec.stem, change),
        "stages": tuple(
            _changed(line, but_repeats if index in fixed else change)
            for index, line in enumerate(stages)
        ),
        "blocks": _changed(spec.blocks, change),
    }


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
