"""YAML to `Spec`, with every fault of a file found in one reading."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, ValidationError

from effscale.errors import Fault, SpecError, did_you_mean, short
from effscale.spec import structure
from effscale.spec.models import Spec
from effscale.spec.nodes import MAX_BYTES, Node, Place, compose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic_core import ErrorDetails


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
    spec: Spec | None = None
    try:
        spec = Spec.model_validate(data)
    except ValidationError as error:
        faults += _schema_faults(error, root, path)
    for place, message in structure.faults(data):
        node = root.at(place)
        faults.append(Fault(path, node.line, node.column, dotted(place), message))
    if spec is None or faults:
        raise SpecError(tuple(sorted(set(faults))))
    return spec


def dotted(place: Place) -> str:
    """`("stages", 2, "kernel")` as one writes it in Python: `stages[2].kernel`."""
    text = ""
    for step in place:
        plain = isinstance(step, str) and re.fullmatch(r"\w[\w+-]*", step)
        text += f".{step}" if plain else f"[{short(step)}]"
    return text.removeprefix(".")


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


def _schema_faults(error: ValidationError, root: Node, path: str) -> Iterator[Fault]:
    """pydantic's errors in our words, at the place in the file they speak of."""
    missing: dict[Place, list[str]] = {}
    for detail in error.errors(include_url=False):
        place = detail["loc"]
        if detail["type"] == "missing" and isinstance(place[-1], str):
            missing.setdefault(place[:-1], []).append(place[-1])
            continue
        if detail["type"] == "too_short" and detail["input"]:
            continue  # pydantic counts only the items that are right
        of_key = place[-1:] == ("[key]",)
        unknown = detail["type"] == "extra_forbidden"
        place = place[:-1] if of_key else place
        node = root.at(place, key=unknown or of_key)
        where = place[:-1] if unknown or of_key else _stated(place, root)
        message = _wording(detail, place)
        yield Fault(path, node.line, node.column, dotted(where), message)
    for place, keys in missing.items():
        node = root.at(place)
        message = f"missing {', '.join(keys)}"
        yield Fault(path, node.line, node.column, dotted(place), message)


def _stated(place: Place, root: Node) -> Place:
    """`place`, less an index into a pair that the file writes as one number."""
    *outer, last = place or ("",)
    value = root.at(tuple(outer)).value
    inside = isinstance(value, list) and last in range(len(value))
    return tuple(outer) if isinstance(last, int) and not inside else place


def _wording(detail: ErrorDetails, place: Place) -> str:
    found = short(detail["input"])
    match detail["type"]:
        case "extra_forbidden":
            hint = did_you_mean(place[-1], _known_keys(place[:-1]))
            return f"unknown key {short(place[-1])}{hint}"
        case "kind":
            expected = str(detail["ctx"]["expected"])
            words = expected.removeprefix("one of ").split(", ")
            return f"expected {expected}, got {found}" + did_you_mean(
                detail["input"], words if expected.startswith("one of ") else []
            )
        case "too_short":
            return "expected at least one, found none"
        case "tuple_type":
            return f"expected a list, got {found}"
        case "too_long" | "missing":
            return f"expected two sides, height and width, got {found}"
        case "model_type" | "dict_type":
            return f"expected keys and values, got {found}"
        case _:
            return f"{detail['msg'].lower()}, got {found}"


def _known_keys(place: Place) -> list[str]:
    """The keys that the model at `place` has, by walking the models themselves."""
    model: type[BaseModel] = Spec
    steps = iter(place)
    for step in steps:
        annotation = model.model_fields[str(step)].annotation
        model = _model_in(annotation)
        if model is not annotation:
            next(steps, None)  # an index, or a variant's name
    return list(model.model_fields)


def _model_in(annotation: Any) -> Any:  # noqa: ANN401
    """The model that an annotation such as `tuple[Stage, ...] | None` holds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)
