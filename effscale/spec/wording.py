"""pydantic's errors in our words, at the place in the file they speak of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args, get_origin

from pydantic import BaseModel

from effscale.errors import closest, short
from effscale.spec.lines import STAGES
from effscale.spec.models import Spec
from effscale.spec.node import Node, Place, dotted
from effscale.spec.steps import Use

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic_core import ErrorDetails

    from effscale.errors import Fault

#: The classes of lines, which pydantic names on the way to a fault.
KINDS = {kind.__name__ for kind in STAGES.values()} | {Use.__name__}
#: Words compared with those that are known, in one file: a hint costs time.
MAX_HINTS = 1000
#: What a value is compared with that is no word.
NO_WORDS: tuple[object, list[str]] = ("", [])


def schema_faults(
    details: Sequence[ErrorDetails],
    lacking: Sequence[str],
    root: Node,
    path: str,
    unknown: list[Place],
) -> Iterator[Fault]:
    """Each error as a fault; `lacking` are keys of the file that it must have as well.

    Of lines whose block is unknown nothing else is said.
    """
    missing: dict[Place, list[str]] = {}
    for index, detail in enumerate(details):
        place = stated(detail["loc"], root)
        if any(place[: len(line)] == line for line in unknown):
            continue
        if detail["type"] == "missing" and isinstance(detail["loc"][-1], str):
            missing.setdefault(place[:-1], []).append(str(place[-1]))
            continue
        if detail["type"] == "union_tag_not_found" and isinstance(
            detail["input"], dict
        ):
            missing.setdefault(place, []).append("block")
            continue
        short_of = detail.get("ctx", {}).get("min_length", 0)
        if detail["type"] == "too_short" and len(detail["input"]) >= short_of:
            continue  # pydantic counts only the items that are right
        of_key = place[-1:] == ("[key]",)
        key = of_key or detail["type"] == "extra_forbidden"
        place = place[:-1] if of_key else place
        node = root.at(place, key=key)
        message, code, compared = _wording(detail, place, root)
        close = closest(*compared) if index < MAX_HINTS else ""
        if key and close in root.at(place[:-1]).keys:
            close = ""  # the right key is there already
        where = dotted(place[:-1] if key else place)
        yield node.fault(path, where, message, "EFF106" if of_key else code, close)
    if lacking:
        missing.setdefault((), []).extend(lacking)
    for place, keys in missing.items():
        message = f"missing {', '.join(keys)}"
        yield root.at(place).fault(path, dotted(place), message, "EFF101")


def stated(place: Place, root: Node) -> Place:
    """`place` as the file has it: less what only the models know of.

    That is the class of a line, and an index into what the file writes as one.
    """
    found: list[str | int] = []
    node: Node | None = root
    for step in place:
        value = None if node is None else node.value
        if isinstance(value, dict) and step in value:
            node = value[step]
        elif isinstance(value, list) and step in range(len(value)):
            node = value[int(step)]
        elif isinstance(step, int) or step in KINDS:
            continue
        else:
            node = None
        found.append(step)
    return tuple(found)


def _wording(
    detail: ErrorDetails, place: Place, root: Node
) -> tuple[str, str, tuple[object, list[str]]]:
    """What to say, the rule that is broken, and the word of which others."""
    found = short(detail["input"])
    match detail["type"]:
        case "extra_forbidden":
            known = _known_keys(place[:-1], root)
            message = f"unknown key {short(place[-1])}"
            if place[-1] == "repeats" and place[0] in {"stages", "blocks"}:
                only = "it is one at any depth; a block under blocks repeats"
                return f"{message}; {only}", "EFF102", NO_WORDS
            return message, "EFF102", (place[-1], known)
        case "kind":
            expected = str(detail["ctx"]["expected"])
            words = expected.removeprefix("one of ").split(", ")
            choice = expected.startswith("one of ")
            rule = detail["ctx"].get("code", "EFF104")
            code = "EFF105" if choice else str(rule)
            close = detail["input"], words if choice else []
            return f"expected {expected}, got {found}", code, close
        case "too_short":
            least = detail["ctx"]["min_length"]
            count = "one" if least == 1 else str(least)
            several = len(detail["input"]) or "none"
            return f"expected at least {count}, found {several}", "EFF107", NO_WORDS
        case "tuple_type":
            what = "a line or a list of lines" if place == ("stem",) else "a list"
            return f"expected {what}, got {found}", "EFF107", NO_WORDS
        case "too_long" | "missing":
            return f"expected {_two(place)}, got {found}", "EFF104", NO_WORDS
        case (
            "model_type" | "dict_type" | "model_attributes_type" | "union_tag_not_found"
        ):
            return f"expected keys and values, got {found}", "EFF107", NO_WORDS
        case _:
            return f"{detail['msg'].lower()}, got {found}", "EFF104", NO_WORDS


def _two(place: Place) -> str:
    """What a list of two holds."""
    cell = "nodes" in place
    return "an operator and a state" if cell else "two sides, height and width"


def _known_keys(place: Place, root: Node) -> list[str]:
    """The keys that the model at `place` has, by walking the models themselves."""
    model, node = Spec, root
    steps = list(place)
    while steps:
        annotation = model.model_fields[str(steps[0])].annotation
        node = node.at((steps.pop(0),))
        if get_origin(annotation) is dict:
            node = node.at((steps.pop(0),))
        while steps and isinstance(steps[0], int):
            node = node.at((steps.pop(0),))
        model = _model_in(annotation, node.plain())
    return list(model.model_fields)


def _model_in(annotation: Any, value: Any) -> Any:  # noqa: ANN401
    """The model that an annotation, `tuple[Stage, ...] | None`, means by `value`."""
    models = list(_models(annotation))
    if len(models) > 1:
        block = value.get("block", "conv") if isinstance(value, dict) else "conv"
        return STAGES.get(block, Use)
    return models[0]


def _models(annotation: Any) -> Iterator[Any]:  # noqa: ANN401
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for each in get_args(annotation):
        yield from _models(each)
