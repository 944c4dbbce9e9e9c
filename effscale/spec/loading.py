"""YAML to `Spec`, with every fault of a file found in one reading."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from effscale.data import data
from effscale.errors import Fault, SpecError, closest, short
from effscale.spec import references, structure
from effscale.spec.line import KEYS, Line
from effscale.spec.lines import STAGES
from effscale.spec.models import ENDS, Spec
from effscale.spec.nodes import (
    Node,
    Origin,
    compose,
    decoded,
    label,
    mapping,
    of_spec,
    read_bytes,
    stated,
)
from effscale.spec.outputs import OUTPUTS, Classify
from effscale.spec.parameters import parameter_faults
from effscale.spec.steps import OwnBlock, Use

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from pydantic_core import ErrorDetails

    from effscale.errors import Place


@data
class Reading:
    """What became of a text: its values, its spec if it has one, all its faults."""

    root: Node | None
    spec: Spec | None
    faults: tuple[Fault, ...]
    lines: int = 0  #: of its network, repeats too


def load_file(path: Path | str) -> Spec:
    """The spec in the file at `path`; `-` reads standard input.

    Raises:
        SpecError: with each thing that is wrong, in the order of the file.
    """
    name = label(path)
    return loads(decoded(read_bytes(path), name), name)


def loads(
    text: str, path: str = "<text>", *, alone: bool = False, scale: str | None = None
) -> Spec:
    """The spec that `text` states; `path` is what messages call it.

    One that is `alone` reads no backbone of another file. A model of ultralytics is
    read at one of its scales, at the first if at none.

    Raises:
        SpecError: with each thing that is wrong, in the order of the text.
    """
    reading = examine(text, path, alone=alone, scale=scale)
    if reading.spec is None or reading.faults:
        raise SpecError(reading.faults)
    return reading.spec


def examine(
    text: str, path: str = "<text>", *, alone: bool = False, scale: str | None = None
) -> Reading:
    """Everything that can be read of `text`; the spec is sound if there is no fault."""
    root, faults = compose(text, path)
    if root is None:
        nothing = Fault((), "expected a spec, found nothing", "EFF008")
        faults = faults or [Node(None, 1, 1, (1, 1, 0)).located(nothing, path)]
        return Reading(None, None, tuple(sorted(faults)))
    data = root.plain()
    if mapping(data).keys() >= _ANSWER:
        what = f"the answer of effscale {short(data['command'])}"
        answer = Fault((), f"expected a spec, found {what}", "EFF107")
        return Reading(root, None, (root.at(()).located(answer, path),))
    sections = list(references.sections(data))
    lines = sum(each.repeated for each in sections)
    if long := list(references.too_long(sections)):
        faults += [
            replace(root.at(each.place).located(each, path), place=()) for each in long
        ]
        return Reading(root, None, tuple(sorted(set(faults))), lines)
    if FOREIGN.search(text):
        return replace(_translated(root, faults, path, scale), lines=lines)
    given, wrong = data, list[Fault]()
    if not alone and references.needs_backbone(data):
        given, wrong = references.with_backbone(data, path)
    unknown, unfit = list(references.unknown(given)), list[Fault]()
    found = [*wrong, *unknown]
    spec, details = _validated(given)
    lacking = _lacking(mapping(given))
    if lacking and {"head", "neck"} <= mapping(given).keys():
        from effscale.spec.neck_faults import HEAD_BESIDE  # where there is a neck

        found.append(HEAD_BESIDE)
    if details or lacking:
        wrong_lines = [each.place[:-1] for each in unknown]
        wrong_lines += references.misnamed(data)
        if "backbone" in mapping(given) and not alone:  # it would have brought these
            lacks = _BROUGHT - {(name,) for name in data}
            details = [each for each in details if each["loc"] not in lacks]
        found_too = schema_faults(details, mapping(given), root, path, wrong_lines)
        faults += [each for each in found_too if not _of_merge(each, root, faults)]
    elif spec is not None and not found:
        spec = spec.read_at(Origin(root, path))
        unfit = list(parameter_faults(spec))
        found += unfit or structure.faults(spec)
    for fault in found:
        place, of_key = stated(fault.place, root), fault.code == "EFF102"
        said = replace(fault, place=place[:-1] if of_key else place)
        faults.append(of_spec(place, root, key=of_key).located(said, path))
    sound = None if wrong or unknown or details or lacking or unfit else spec
    return Reading(root, sound, tuple(_once(sorted(set(faults)))), lines)


#: Keys of what a command answers in JSON.
_ANSWER = {"effscale", "schema", "command"}


def _once(faults: Iterable[Fault]) -> Iterator[Fault]:
    """Faults in order, of which the first alone has a help that others have, too."""
    said = set[str]()
    for each in faults:
        yield replace(each, help="") if each.help in said else each
        said.add(each.help)


#: A model file of ultralytics: a list of layers where a spec has a reference.
FOREIGN = re.compile(r"^backbone:\s*(#.*)?$(\n\s*(#.*)?)*\n\s*- *\[", re.MULTILINE)


def _translated(
    root: Node, faults: list[Fault], path: str, scale: str | None
) -> Reading:
    """What became of a model of ultralytics, each fault at its layer."""
    from effscale.spec import ultralytics  # where there is one

    data = root.plain()
    if not ultralytics.is_model(data):
        message = "expected backbone and head, both lists of layers"
        faults.append(root.at(()).located(Fault((), message, "EFF107"), path))
        return Reading(root, None, tuple(faults))
    known = ultralytics.scales(data)
    if scale is not None and scale not in known:
        message = f"expected one of {', '.join(known) or 'none'}, got {scale!r}"
        at = Fault(("scales",), message, "EFF105", closest(scale, known))
        faults.append(root.at(("scales",)).located(at, path))
        return Reading(root, None, tuple(faults))
    name = re.sub(r"^.*[/:]|\.[^.]*$", "", path)
    made = ultralytics.translated(data, name, scale)
    found, spec = list(made.faults), None
    if not found:
        try:
            spec = Spec.model_validate(made.data)
            spec = spec.read_at(Origin(root, path, made.place))
            found += structure.faults(spec)
        except ValidationError as error:
            for each in error.errors(include_url=False):
                place = stated(each["loc"], root)
                found.append(Fault(place, str(each["msg"]), "EFF104"))
        found = [replace(each, place=made.place(each.place)) for each in found]
    faults += [root.at(each.place).located(each, path) for each in found]
    return Reading(root, None if faults else spec, tuple(sorted(set(faults))))


#: Where a file would say what its backbone says for it.
_BROUGHT = {(name,) for name in references.TAKEN}


def _validated(data: Any) -> tuple[Spec | None, list[ErrorDetails]]:  # noqa: ANN401
    """The spec that the data are, or what the models say is wrong with them."""
    null: list[ErrorDetails] = [
        {"type": "model_type", "loc": (name,), "msg": "", "input": None}
        for name in chain(*ENDS)
        if mapping(data).get(name, ...) is None
    ]
    try:
        return Spec.model_validate(data), null
    except ValidationError as error:
        return None, [*error.errors(include_url=False), *null]


def _lacking(data: Collection[str], meant: Collection[str] = ()) -> list[str]:
    """Sections of which a network has one or the other: a head, or neck and heads."""
    known = {*data, *meant}
    others = (group for group in reversed(ENDS) if not known.isdisjoint(group))
    return [name for name in next(others, ENDS[0]) if name not in data]


def _of_merge(fault: Fault, root: Node, faults: list[Fault]) -> bool:
    """Whether `<<` is to blame for a key that is unknown, or missing."""
    node = root.at(fault.place)
    if fault.code not in {"EFF101", "EFF102"} or not node.merges(faults):
        return False
    at = node.keys["<<"].line, node.keys["<<"].column
    return fault.code == "EFF101" or (fault.line, fault.column) == at


#: Words compared with those that are known, in one file: a hint costs time.
MAX_HINTS = 1000
#: What a value is compared with that is no word.
NO_WORDS: tuple[object, list[str]] = ("", [])


def schema_faults(
    details: Sequence[ErrorDetails],
    data: dict[str, Any],
    root: Node,
    path: str,
    unknown: list[Place],
) -> Iterator[Fault]:
    """Each error of a file's data as a fault.

    Of lines whose block is unknown nothing else is said, and a key that is there but
    misspelt is not missing.
    """
    missing: dict[Place, list[str]] = {}
    misspelt: list[Fault] = []
    for index, detail in enumerate(details):
        place, kind = stated(detail["loc"], root), detail["type"]
        if any(place[: len(line)] == line for line in unknown):
            continue
        if kind == "missing" and isinstance(detail["loc"][-1], str):
            missing.setdefault(place[:-1], []).append(str(place[-1]))
        elif kind == "union_tag_not_found" and isinstance(detail["input"], dict):
            key = "kind" if place[:1] == ("outputs",) else "block"
            missing.setdefault(place, []).append(key)
        elif kind != "too_short" or len(detail["input"]) < detail["ctx"]["min_length"]:
            # else pydantic has counted only the items that are right
            found = _worded(detail, place, root, path, hints=index < MAX_HINTS)
            meant = found.suggestion if found.code == "EFF102" else ""
            if meant:
                misspelt.append(found)
            else:
                yield found
    if isinstance(root.value, dict):
        ends = _lacking(data, [each.suggestion for each in misspelt if not each.place])
        missing.setdefault((), []).extend(ends)
    for fault in misspelt:
        lacking = missing.get(fault.place, [])
        whole = fault.place == () and fault.suggestion == "backbone"
        implied = {fault.suggestion, *(references.TAKEN if whole else ())}
        missing[fault.place] = [key for key in lacking if key not in implied]
        yield replace(fault, implies=len(lacking) - len(missing[fault.place]))
    for place, keys in missing.items():
        if keys:
            node = root.at(place)
            plain = (
                keys == ["block"]
                and "kernel" in node.keys
                and not _OF_BLOCKS & {*node.keys}
            )
            hint = "; a plain convolution is block: conv" if plain else ""
            fault = Fault(place, f"missing {', '.join(keys)}{hint}", "EFF101")
            yield node.located(fault, path)


#: Keys that a block of several layers has, and a convolution has not.
_OF_BLOCKS = {"expand_ratio", "repeats", "se_ratio", "c_mid"}


def _worded(
    detail: ErrorDetails, place: Place, root: Node, path: str, *, hints: bool
) -> Fault:
    """One error as a fault, with the word that was meant."""
    of_key = place[-1:] == ("[key]",)
    key = of_key or detail["type"] == "extra_forbidden"
    place = place[:-1] if of_key else place
    message, code, compared = _wording(detail, place, root)
    close = closest(*compared) if hints else ""
    if key and close in root.at(place[:-1]).keys:
        close = ""  # the right key is there already
    where, code = place[:-1] if key else place, "EFF106" if of_key else code
    unsaid = references.unsaid(place[-1], KEYS) if _of_line(place, code) else ""
    fault = Fault(where, message, code, close, help=unsaid)
    return root.at(place, key=key).located(fault, path)


#: Sections that are made of lines, and how deep those are; blocks have names.
_OF_LINES = {"blocks": 3} | dict.fromkeys(
    ("stem", "stages", "neck", "head", "heads", "outputs"), 1
)


def _of_line(place: Place, code: str) -> bool:
    """Whether what is unknown there is a key of a line."""
    return code == "EFF102" and len(place) > _OF_LINES.get(str(place[0]), len(place))


#: Keys that are looked for where they are not, and what is there in their place.
_ELSEWHERE: dict[object, str] = {
    "classes": "a classifier's stand in head",
    "dropout": "a classifier's stands in head",
    "resolution_multiplier": "a variant has its resolution in pixels",
}


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
            if place[-1] in _ELSEWHERE and place[-1] not in known:
                said = f"{message}; {_ELSEWHERE[place[-1]]}"
                return said, "EFF102", NO_WORDS
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
            what = _LISTS.get(place[-1], "a list")
            return f"expected {what}, got {found}", "EFF107", NO_WORDS
        case "too_long" | "missing":
            return f"expected {_two(place)}, got {found}", "EFF104", NO_WORDS
        case (
            "model_type" | "dict_type" | "model_attributes_type" | "union_tag_not_found"
        ):
            return f"expected keys and values, got {found}", "EFF107", NO_WORDS
        case _:
            return f"{detail['msg'].lower()}, got {found}", "EFF104", NO_WORDS


#: What may stand beside a list, or for one.
_LISTS: dict[object, str] = {
    "stem": "a line or a list of lines",
    "resolution": "pixels, or height and width",
}


def _two(place: Place) -> str:
    cell = "nodes" in place
    return "an operator and a state" if cell else "two sides, height and width"


def _known_keys(place: Place, root: Node) -> list[str]:
    """The keys that the model at `place` has, by walking the models themselves."""
    model: Any = Spec
    node, steps = root, list(place)
    while steps:
        annotation = _annotation(model, str(steps[0]))
        node = node.at((steps.pop(0),))
        if get_origin(annotation) is dict:
            node = node.at((steps.pop(0),))
            if isinstance(node.value, list):  # a block without parameters
                annotation = _annotation(OwnBlock, "layers")
        while steps and isinstance(steps[0], int):
            node = node.at((steps.pop(0),))
        model = _model_in(annotation, node.plain())
    return list(model.model_fields)


def _annotation(model: type[BaseModel], name: str) -> Any:  # noqa: ANN401
    """The type of a field, whose names its module may say further down."""
    model.model_rebuild()
    return model.model_fields[name].annotation


def _model_in(annotation: Any, value: Any) -> Any:  # noqa: ANN401
    """The model that an annotation, `tuple[Stage, ...] | None`, means by `value`."""
    models = list(_models(annotation))
    if Classify in models:
        return OUTPUTS.get(str(value.get("kind")), Classify)
    if Line in models:
        block = value.get("block", "conv") if isinstance(value, dict) else "conv"
        return STAGES.get(block, Use)
    return models[0]


def _models(annotation: Any) -> Iterator[Any]:  # noqa: ANN401
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for each in get_args(annotation):
        yield from _models(each)
