"""YAML to `Spec`, with every fault of a file found in one reading."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from effscale.errors import Fault, SpecError
from effscale.spec import backbone, structure
from effscale.spec.files import decoded, label, read_bytes
from effscale.spec.models import Spec
from effscale.spec.node import dotted, mapping
from effscale.spec.nodes import compose
from effscale.spec.references import misnamed, references
from effscale.spec.wording import schema_faults, stated
from effscale.spec.written import too_long
from effscale.spec.wrong import Wrong

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic_core import ErrorDetails

    from effscale.spec.node import Node


@dataclass(frozen=True)
class Reading:
    """What became of a text: its values, its spec if it has one, all its faults."""

    root: Node | None
    spec: Spec | None
    faults: tuple[Fault, ...]


def load_file(path: Path | str) -> Spec:
    """The spec in the file at `path`; `-` reads standard input.

    Raises:
        SpecError: with each thing that is wrong, in the order of the file.
    """
    name = label(path)
    return loads(decoded(read_bytes(path), name), name)


def loads(text: str, path: str = "<text>", *, alone: bool = False) -> Spec:
    """The spec that `text` states; `path` is what messages call it.

    One that is `alone` reads no backbone of another file.

    Raises:
        SpecError: with each thing that is wrong, in the order of the text.
    """
    reading = examine(text, path, alone=alone)
    if reading.spec is None or reading.faults:
        raise SpecError(reading.faults)
    return reading.spec


def examine(text: str, path: str = "<text>", *, alone: bool = False) -> Reading:
    """Everything that can be read of `text`; the spec is sound if there is no fault."""
    root, faults = compose(text, path)
    if root is None:
        nothing = Fault(path, 1, 1, "", "expected a spec, found nothing", "EFF008")
        return Reading(None, None, tuple(sorted(faults or [nothing])))
    data = root.plain()
    if long := list(too_long(data)):
        faults += [root.at(each.place).fault(path, "", *each[1:]) for each in long]
        return Reading(root, None, tuple(sorted(set(faults))))
    given, wrong = data, list[Wrong]()
    if not alone and backbone.is_needed(data):
        given, wrong = backbone.with_backbone(data, path)
    unknown = list(references(given))
    findings: list[structure.Finding] = [*wrong, *unknown]
    spec, details = _validated(given)
    lacking = _lacking(given)
    if details or lacking:
        lines = [found.place[:-1] for found in unknown] + list(misnamed(data))
        if "backbone" in mapping(given) and not alone:  # it would have brought these
            details = [each for each in details if each["loc"] not in _BROUGHT]
        faults += schema_faults(details, lacking, root, path, lines)
    elif spec is not None and not findings:
        findings += structure.faults(spec)
    for found in map(_whole, findings):
        place = stated(found.place, root)
        faults.append(root.at(place).fault(path, dotted(place), *found[1:]))
    sound = None if wrong or unknown or details or lacking else spec
    return Reading(root, sound, tuple(sorted(set(faults))))


#: Where a file would say what its backbone says for it.
_BROUGHT = {(name,) for name in backbone.TAKEN}


def _validated(data: Any) -> tuple[Spec | None, list[ErrorDetails]]:  # noqa: ANN401
    """The spec that the data are, or what the models say is wrong with them."""
    null: list[ErrorDetails] = [
        {"type": "model_type", "loc": (name,), "msg": "", "input": None}
        for name in ("head", "neck", "heads")
        if mapping(data).get(name, ...) is None
    ]
    try:
        return Spec.model_validate(data), null
    except ValidationError as error:
        return None, [*error.errors(include_url=False), *null]


def _lacking(data: Any) -> list[str]:  # noqa: ANN401 - whatever a file holds
    """Sections of which a network has one or the other: a head, or neck and heads."""
    keys = mapping(data).keys()
    if not isinstance(data, dict):
        return []
    if "neck" in keys or "heads" in keys:
        return [each for each in ("neck", "heads") if each not in keys]
    return [] if "head" in keys else ["head"]


def _whole(found: structure.Finding) -> Wrong:
    return Wrong(*found)
