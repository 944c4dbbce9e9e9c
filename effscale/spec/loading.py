"""YAML to `Spec`, with every fault of a file found in one reading."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from effscale.errors import Fault, SpecError, did_you_mean, short
from effscale.spec import structure
from effscale.spec.lines import STAGES
from effscale.spec.models import Spec
from effscale.spec.nodes import MAX_BYTES, Node, Place, compose, dotted
from effscale.spec.references import references
from effscale.spec.steps import Use

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic_core import ErrorDetails


#: The classes of lines, which pydantic names on the way to a fault.
KINDS = {kind.__name__ for kind in STAGES.values()} | {Use.__name__}


def load_file(path: Path | str) -> Spec:
    """The spec in the file at `path`; `-` reads standard input.

    Raises:
        SpecError: with each thing that is wrong, in the order of the file.
    """
    name = "<stdin>" if str(path) == "-" else str(path)
    return loads(_read(path, name), name)


def loads(text: str, path: str = "<text>") -> Spec:
    """The spec that `text` states; `path` is what messages call it.

    Raises:
        SpecError: with each thing that is wrong, in the order of the text.
    """
    root, faults = compose(text, path)
    if root is None:
        faults = faults or [Fault(path, 1, 1, "", "expected a spec, found nothing")]
        raise SpecError(tuple(sorted(faults)))
    data = root.plain()
    unknown = list(references(data))
    findings = list(unknown)
    spec: Spec | None = None
    try:
        spec = Spec.model_validate(data)
    except ValidationError as error:
        lines = [place[:-1] for place, _ in unknown]
        faults += _schema_faults(error, root, path, lines)
    else:
        findings += [] if unknown else structure.faults(spec)
    for found, message in findings:
        place = _stated(found, root)
        node = root.at(place)
        faults.append(Fault(path, node.line, node.column, dotted(place), message))
    if spec is None or faults:
        raise SpecError(tuple(sorted(set(faults))))
    return spec


def _read(path: Path | str, name: str) -> str:
    """The text at `path`, or the fault that keeps it from being read."""

    def refuse(message: str) -> SpecError:
        return SpecError((Fault(name, 0, 0, "", message),))

    try:
        if str(path) == "-":
            raw = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(path).open("rb") as file:
                raw = file.read(MAX_BYTES + 1)
    except IsADirectoryError:
        raise refuse("expected a file, found a folder") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise refuse(f"cannot be read: {reason.lower()}") from None
    if len(raw) > MAX_BYTES:
        raise refuse(f"expected at most {MAX_BYTES:,} bytes, found more")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        byte = raw[error.start]
        raise refuse(f"expected UTF-8 text, found byte {byte:#04x} in it") from None


def _schema_faults(
    error: ValidationError, root: Node, path: str, unknown: list[Place]
) -> Iterator[Fault]:
    """pydantic's errors in our words, at the place in the file they speak of.

    Of lines whose block is unknown nothing else is said.
    """
    missing: dict[Place, list[str]] = {}
    for detail in error.errors(include_url=False):
        place = _stated(detail["loc"], root)
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
        message = _wording(detail, place, root)
        where = dotted(place[:-1] if key else place)
        yield Fault(path, node.line, node.column, where, message)
    for place, keys in missing.items():
        node = root.at(place)
        message = f"missing {', '.join(keys)}"
        yield Fault(path, node.line, node.column, dotted(place), message)


def _stated(place: Place, root: Node) -> Place:
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


def _wording(detail: ErrorDetails, place: Place, root: Node) -> str:
    found = short(detail["input"])
    match detail["type"]:
        case "extra_forbidden":
            hint = did_you_mean(place[-1], _known_keys(place[:-1], root))
            if place[-1] == "repeats":
                hint = "; a step is one at any depth, a block under blocks repeats"
            return f"unknown key {short(place[-1])}{hint}"
        case "kind":
            expected = str(detail["ctx"]["expected"])
            words = expected.removeprefix("one of ").split(", ")
            return f"expected {expected}, got {found}" + did_you_mean(
                detail["input"], words if expected.startswith("one of ") else []
            )
        case "too_short":
            least = detail["ctx"]["min_length"]
            count = "one" if least == 1 else str(least)
            several = len(detail["input"])
            return f"expected at least {count}, found {several or 'none'}"
        case "tuple_type":
            what = "a line or a list of lines" if place == ("stem",) else "a list"
            return f"expected {what}, got {found}"
        case "too_long" | "missing":
            return f"expected {_two(place)}, got {found}"
        case (
            "model_type" | "dict_type" | "model_attributes_type" | "union_tag_not_found"
        ):
            return f"expected keys and values, got {found}"
        case _:
            return f"{detail['msg'].lower()}, got {found}"


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
