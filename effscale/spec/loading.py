"""YAML to `Spec`, with every fault of a file found in one reading."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from effscale.errors import Fault, SpecError, closest, short
from effscale.spec import backbone, structure
from effscale.spec.lines import STAGES
from effscale.spec.models import Spec
from effscale.spec.nodes import (
    Node,
    Place,
    compose,
    decoded,
    dotted,
    label,
    mapping,
    read_bytes,
)
from effscale.spec.steps import STEPS, Use
from effscale.spec.types import MAX_REPEATS
from effscale.spec.wrong import Wrong

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from pydantic_core import ErrorDetails


# --------------------------------------------------------------------------------------
# Blocks and cells that lines name: those of the language, and those of the file.
#
# Read from plain data: of a line whose block is unknown, no schema can say more.


def references(data: Any) -> Iterator[Wrong]:  # noqa: ANN401 - whatever a file holds
    """Lines that name a block or a cell which there is not."""
    if not isinstance(data, dict):
        return
    own: list[str] = []
    for name, steps in mapping(data.get("blocks")).items():
        if name in STAGES:
            message = f"expected a name that no block has, got {short(name)}"
            yield Wrong(("blocks", name), message, "EFF106")
        yield from _unknown(steps, ("blocks", name), (*STEPS, *own))
        own += [] if name in STAGES else [name]
    for place, steps in _steps_of(data).items():
        yield from _unknown(steps, place, (*STEPS, *own))
    yield from _unknown(data.get("stages"), ("stages",), (*STAGES, *own))
    yield from _cells(data.get("stages"), mapping(data.get("cells")))


def _steps_of(data: dict[str, Any]) -> dict[Place, Any]:
    """What may hold steps, outside the stages, by its place."""
    neck = mapping(data.get("neck"))
    found: dict[Place, Any] = {
        ("stem",): data.get("stem"),
        ("head", "layers"): mapping(data.get("head")).get("layers"),
        ("neck", "layers"): neck.get("layers"),
        ("neck", "lateral"): neck.get("lateral"),
        ("heads", "layers"): mapping(data.get("heads")).get("layers"),
    }
    for name, node in mapping(neck.get("nodes")).items():
        found["neck", "nodes", name, "layers"] = mapping(node).get("layers")
    return found


def misnamed(data: Any) -> Iterator[Place]:  # noqa: ANN401 - whatever a file holds
    """Stages whose block the file defines by a name that is taken: which is meant?"""
    taken = [name for name in mapping(mapping(data).get("blocks")) if name in STAGES]
    stages = mapping(data).get("stages")
    for index, line in enumerate(stages if isinstance(stages, list) else []):
        if mapping(line).get("block") in taken:
            yield "stages", index


def _unknown(lines: Any, place: Place, known: Iterable[str]) -> Iterator[Wrong]:  # noqa: ANN401
    for index, line in enumerate(lines if isinstance(lines, list) else [lines]):
        at = (*place, index) if isinstance(lines, list) else place
        fields = mapping(line)
        block = fields.get("block", "conv")
        if block not in known:
            message = f"expected one of {', '.join(known)}, got {short(block)}"
            close = closest(block, list(known))
            yield Wrong((*at, "block"), message, "EFF105", close)
        elif block not in STAGES and "repeats" in fields and at[:-1] != ("stages",):
            message = "expected none but in a line of stages, got"
            yield Wrong((*at, "repeats"), f"{message} {short(fields['repeats'])}")
        for key in ("layers", "shortcut"):
            yield from _unknown(fields.get(key, []), (*at, key), _steps(known))
        branches = fields.get("branches")
        for k, branch in enumerate(branches if isinstance(branches, list) else []):
            yield from _unknown(branch, (*at, "branches", k), _steps(known))


def _steps(known: Iterable[str]) -> list[str]:
    """What may stand within a step: no stages."""
    return [name for name in known if name in STEPS or name not in STAGES]


def _cells(stages: Any, cells: dict[str, Any]) -> Iterator[Wrong]:  # noqa: ANN401
    for index, line in enumerate(stages if isinstance(stages, list) else []):
        cell = mapping(line).get("cell")
        if isinstance(cell, str) and cell not in cells:
            listed = ", ".join(cells) or "none"
            message = f"expected one of the file's cells ({listed}), got {short(cell)}"
            close = closest(cell, list(cells))
            yield Wrong(("stages", index, "cell"), message, "EFF105", close)


# --------------------------------------------------------------------------------------

# --------------------------------------------------------------------------------------
# How much a file states once its blocks and cells are written out.
#
# A block may use those above it, each several times: a few lines can stand for
# billions.
# Read from plain data, before anything is made of it.

#: Lines of a network, those of used blocks and cells included.
MAX_LINES = 5_000


def lines(data: Any) -> int:  # noqa: ANN401 - whatever a file holds
    """The lines of the network; more than `MAX_LINES` where they are not counted on."""
    return sum(size for _, size in _sizes(data))


def too_long(data: Any) -> Iterator[Wrong]:  # noqa: ANN401
    """The first place at which a file becomes longer than any network."""
    total = 0
    for place, size in _sizes(data):
        total = size if place[0] == "blocks" else total + size
        if total > MAX_LINES:
            message = f"expected at most {MAX_LINES:,} lines, blocks written out"
            yield Wrong(place, message, "EFF003")
            return


def _sizes(data: Any) -> Iterator[tuple[Place, int]]:  # noqa: ANN401
    """The lines of each block that is too long, and of each section of the network."""
    known: dict[str, int] = {}
    for name, cell in mapping(mapping(data).get("cells")).items():
        nodes = mapping(cell).get("nodes")
        known[name] = sum(map(_length, nodes)) if isinstance(nodes, list) else 1
    for name, steps in mapping(mapping(data).get("blocks")).items():
        known[name] = _size(steps, known)
        if known[name] > MAX_LINES:
            yield ("blocks", name), known[name]
            return
    head = mapping(mapping(data).get("head"))
    yield ("stem",), _size(mapping(data).get("stem"), known)
    yield ("stages",), _size(mapping(data).get("stages"), known)
    yield ("head",), _size(head.get("layers"), known)


def _size(value: Any, known: dict[str, int]) -> int:  # noqa: ANN401
    """The lines of a line or several; each width of a list is a block of its own."""
    if isinstance(value, list):
        return sum(_size(each, known) for each in value)
    if not isinstance(value, dict):
        return 0
    names = [value.get(key) for key in ("block", "cell")]
    used = sum(known.get(name, 0) for name in names if isinstance(name, str))
    inner = sum(_size(value.get(k), known) for k in ("layers", "shortcut", "branches"))
    repeats = value.get("repeats") if used or value.get("block") == "dense" else 1
    times = repeats if type(repeats) is int and 0 < repeats <= MAX_REPEATS else 1
    widths = max(_length(value.get(key)) for key in ("channels", "c_mid"))
    return (max(1, used) * times + inner) * max(1, widths)


def _length(value: Any) -> int:  # noqa: ANN401
    return len(value) if isinstance(value, list) else 1


# --------------------------------------------------------------------------------------

# --------------------------------------------------------------------------------------
# pydantic's errors in our words, at the place in the file they speak of.

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


# --------------------------------------------------------------------------------------


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
