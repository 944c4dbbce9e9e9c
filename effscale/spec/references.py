"""The blocks, cells and backbones that a file's data name, and what they come to.

Read from plain data, before anything is made of it: of a line whose block is unknown,
no schema can say more, and a few lines can stand for billions.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from effscale.errors import Fault, SpecError, closest, is_slip, short
from effscale.spec.line import KEYS
from effscale.spec.lines import STAGES
from effscale.spec.nodes import mapping
from effscale.spec.outputs import OUTPUTS
from effscale.spec.steps import CHAINS, STEPS, OwnBlock, Use
from effscale.spec.values import MAX_REPEATS, parameter

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from effscale.errors import Place

    #: Lines as they are written, and with all repeats.
    Size: TypeAlias = tuple[int, int]
    #: Those of each block and cell of the file.
    Sizes: TypeAlias = Mapping[str, Size]
    from effscale.spec.models import Spec


def _at(data: Any, *place: Any) -> Any:  # noqa: ANN401
    """What a file holds at a place; None where there is nothing."""
    for key in place:
        data = mapping(data).get(key)
    return data


def _items(value: Any) -> list[Any]:  # noqa: ANN401
    return value if isinstance(value, list) else []


def unknown(data: Any) -> Iterator[Fault]:  # noqa: ANN401 - whatever a file holds
    """Lines that name a block or a cell which there is not."""
    if not isinstance(data, dict):
        return
    own: dict[str, dict[str, Any]] = {}
    defined = mapping(_at(data, "blocks"))
    for name, block in defined.items():
        if name in STAGES:
            message = f"expected a name that no block has, got {short(name)}"
            yield Fault(("blocks", name), message, "EFF106")
        steps, inner = _layers(block)
        place: Place = ("blocks", name, *inner)
        yield from _unknown(steps, place, STEPS, own, defined)
        parameters = mapping(_at(block, "parameters"))
        if isinstance(block, OwnBlock):  # of a backbone
            parameters = block.parameters
        yield from _named(steps, place, parameters)
        for each in [each for each in parameters if each in Use.model_fields]:
            message = f"expected a name that no key of a line has, got {short(each)}"
            yield Fault((*place[:-1], "parameters", each), message, "EFF106")
        own |= {} if name in STAGES else {name: parameters}
    for place in _places_of_steps(data):
        yield from _unknown(_at(data, *place), place, STEPS, own, defined)
    yield from _unknown(data.get("stages"), ("stages",), STAGES, own, defined)
    yield from _unknown_kinds(data)
    yield from _unknown_cells(data)
    for key, each in data.items():
        if key != "blocks":
            yield from _named(each, (key,), None)


#: Where to turn with a network that takes another word than those of the language.
UNSAID = (
    "a network that the language cannot say: effscale profile MODULE:CALLABLE, "
    "or effscale import MODULE:CALLABLE"
)


def unsaid(word: object, known: Collection[str]) -> str:
    """Where to turn with a word that the language has nowhere, nor one that is near."""
    if not isinstance(word, str) or not word.isidentifier() or word in known:
        return ""
    return "" if any(is_slip(word, each) for each in known) else UNSAID


def _layers(block: Any) -> tuple[Any, Place]:  # noqa: ANN401
    """The steps of a block of the file's own, and where in it they are."""
    if isinstance(block, dict):
        return block.get("layers"), ("layers",)
    return block, ()


#: Keys whose values are texts, whatever they begin with.
_TEXTS = {"source", "note"}


def _named(
    value: Any,  # noqa: ANN401
    place: Place,
    known: Mapping[str, Any] | None,
) -> Iterator[Fault]:
    """Parameters that a block has not; outside of blocks, `known` is None."""
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        for key, each in inner:
            if key not in _TEXTS:
                yield from _named(each, (*place, key), known)
        return
    named = parameter(value)
    if named is None or (known is not None and named.name in {*known, "channels"}):
        return
    if known is None:
        message = f"expected no parameter outside of blocks, got {short(value)}"
        yield Fault(place, message)
        return
    listed = ", ".join(f"${each}" for each in (*known, "channels"))
    close = closest(named.name, [*known])
    message = f"expected a parameter of the block ({listed}), got {short(value)}"
    yield Fault(place, message, "EFF105", close and f"${close}")


def _places_of_steps(data: dict[str, Any]) -> Iterator[Place]:
    """Where steps may stand, blocks and stages aside."""
    yield from (("stem",), ("head", "layers"), ("neck", "layers"), ("neck", "lateral"))
    yield ("heads", "layers")
    for name in mapping(_at(data, "neck", "nodes")):
        yield ("neck", "nodes", name, "layers")
    for name in mapping(_at(data, "outputs")):
        yield ("outputs", name, "layers")


def misnamed(data: Any) -> Iterator[Place]:  # noqa: ANN401 - whatever a file holds
    """Stages whose block the file defines by a name that is taken: which is meant?"""
    taken = [name for name in mapping(_at(data, "blocks")) if name in STAGES]
    for index, line in enumerate(_items(_at(data, "stages"))):
        if _at(line, "block") in taken:
            yield "stages", index


def _unknown(
    lines: Any,  # noqa: ANN401
    place: Place,
    kinds: Iterable[str],
    own: Mapping[str, Mapping[str, Any]],
    defined: Collection[str],
) -> Iterator[Fault]:
    """Blocks that lines name and there are not, parameters that blocks have not.

    `kinds` are those of the language, `own` the parameters of the file's that stand
    above, `defined` the names of all of the file's.
    """
    known = [*kinds, *own]
    for index, line in enumerate(lines if isinstance(lines, list) else [lines]):
        at = (*place, index) if isinstance(lines, list) else place
        fields = mapping(line)
        if misspelt := _misspelt_block(fields):
            message = f"unknown key {short(misspelt)}"
            yield Fault((*at, misspelt), message, "EFF102", "block")
            continue
        block = fields.get("block", "conv")
        if block not in known:
            message = f"expected {_kinds(known)}, got {short(block)}"
            fault = Fault((*at, "block"), message, "EFF105", closest(block, [*known]))
            yield replace(fault, help=unsaid(block, [*STAGES, *defined]))
        elif block in own:
            yield from _unknown_keys(fields, at, own[block])
            continue
        for key in CHAINS:
            yield from _unknown(fields.get(key, []), (*at, key), STEPS, own, defined)
        for k, branch in enumerate(_items(fields.get("branches"))):
            yield from _unknown(branch, (*at, "branches", k), STEPS, own, defined)


def _unknown_keys(
    fields: Mapping[str, Any], at: Place, parameters: Mapping[str, Any]
) -> Iterator[Fault]:
    """Keys of a line for which the block it uses has no parameters."""
    known = [*Use.model_fields, *parameters]
    for key in fields:
        if key not in known:
            close = closest(key, known)
            message = f"unknown key {short(key)}"
            yield Fault((*at, key), message, "EFF102", "" if close in fields else close)


def _kinds(known: Iterable[str]) -> str:
    """What a line may be: of steps and stages an example, of the file's blocks all."""
    own = [name for name in known if name not in STAGES]
    words = ["a step (conv, residual, …)"]
    if any(name in known and name not in STEPS for name in STAGES):
        words.insert(0, "a stage's block (mbconv, …)")
    if own:
        words.append(f"one of the file's blocks ({', '.join(own)})")
    return " or ".join(words)


def _misspelt_block(fields: dict[str, Any]) -> str:
    """The key of a line that is meant to be `block`, which decides of all others."""
    if "block" in fields:
        return ""
    wrong = (key for key in fields if key not in KEYS and isinstance(fields[key], str))
    return next((key for key in wrong if closest(key, [*KEYS]) == "block"), "")


def _unknown_kinds(data: dict[str, Any]) -> Iterator[Fault]:
    for name, output in mapping(_at(data, "outputs")).items():
        kind = _at(output, "kind")
        if kind is not None and kind not in [*OUTPUTS]:
            message = f"expected one of {', '.join(OUTPUTS)}, got {short(kind)}"
            at = ("outputs", name, "kind")
            yield Fault(at, message, "EFF105", closest(kind, [*OUTPUTS]))


def _unknown_cells(data: dict[str, Any]) -> Iterator[Fault]:
    cells = list(mapping(_at(data, "cells")))
    for index, line in enumerate(_items(_at(data, "stages"))):
        cell = _at(line, "cell")
        if isinstance(cell, str) and cell not in cells:
            listed = ", ".join(cells) or "none"
            message = f"expected one of the file's cells ({listed}), got {short(cell)}"
            at = ("stages", index, "cell")
            yield Fault(at, message, "EFF105", closest(cell, cells))


class Section(NamedTuple):
    """Lines of a file: as they are written, and with all repeats."""

    place: Place
    written: int
    repeated: int


#: The lines of what has none.
NOTHING = 0, 0
#: Lines of a network, those of used blocks and cells included: as a file writes them,
#: and with all repeats, which scaling makes more.
MAX_LINES, MAX_REPEATED = 5_000, 50_000


def too_long(sections: Iterable[Section]) -> Iterator[Fault]:
    """The first place at which a file becomes longer than any network."""
    total = deep = 0
    for place, size, repeated in sections:
        own = place[0] == "blocks"
        total, deep = (size, repeated) if own else (total + size, deep + repeated)
        most, what = MAX_LINES, "blocks"
        if total <= MAX_LINES:
            most, what = MAX_REPEATED, "blocks and repeats"
        if max(total, deep) > most:
            message = f"expected at most {most:,} lines, {what} written out"
            yield Fault(place, message, "EFF003")
            return


def sections(data: Any) -> Iterator[Section]:  # noqa: ANN401 - whatever a file holds
    """Each block that is too long, and each section of the network."""
    known: dict[str, tuple[int, int]] = {}
    given = _largest(data)
    for name, cell in mapping(_at(data, "cells")).items():
        nodes = _at(cell, "nodes")
        nodes = sum(map(_length, nodes)) if isinstance(nodes, list) else 1
        known[name] = nodes, nodes
    for name, block in mapping(_at(data, "blocks")).items():
        steps = _layers(block)[0]
        known[name] = size = _size(steps, known, given)
        if size[0] > MAX_LINES:
            yield Section(("blocks", name), *size)
            return
    outputs = [("outputs", name, "layers") for name in mapping(_at(data, "outputs"))]
    for place in (("stem",), ("stages",), ("head", "layers"), *outputs):
        yield Section(place[:1], *_size(_at(data, *place), known, given))


def _largest(data: Any) -> dict[str, int]:  # noqa: ANN401
    """The largest whole number that stands at each key, wherever that is.

    A parameter is the largest of its name.
    """
    found: dict[str, set[Any]] = {}

    def look(value: Any) -> None:  # noqa: ANN401
        for each in value if isinstance(value, list) else mapping(value).values():
            look(each)
        for key, each in mapping(value).items():
            if type(each) in {int, str}:
                found.setdefault(str(key), set()).add(each)

    def largest(key: str, around: tuple[str, ...] = ()) -> int:
        most = 0
        for each in () if key in around else found.get(key, ()):
            named = parameter(each)
            one = largest(named.name, (*around, key)) if named else each
            most = max(most, one if type(one) is int else 0)
        return most

    look(data)
    return {key: largest(key) for key in _named_keys(found) & found.keys()}


def _named_keys(found: Mapping[str, Iterable[Any]]) -> set[str]:
    """The keys that parameters are of."""
    return {
        named.name
        for values in found.values()
        for named in map(parameter, values)
        if named
    }


def _size(value: Any, known: Sizes, given: Mapping[str, int]) -> Size:  # noqa: ANN401
    """The lines of a line or several; each width of a list is a block of its own."""
    if isinstance(value, list):
        return _total([_size(each, known, given) for each in value])
    if not isinstance(value, dict):
        return NOTHING
    names = [value.get(key) for key in ("block", "cell")]
    used = _total([known.get(name, NOTHING) for name in names if type(name) is str])
    chains = [value[key] for key in (*CHAINS, "branches") if key in value]
    inner = _total([_size(each, known, given) for each in chains])
    repeats = value.get("repeats") if used[1] or value.get("block") in _REPEAT else 1
    if named := parameter(repeats):
        repeats = given.get(named.name)
    times = repeats if type(repeats) is int and 0 < repeats <= MAX_REPEATS else 1
    widths = max(1, *(_length(value.get(key)) for key in ("channels", "c_mid")))
    written, repeated = (max(1, n) + m for n, m in zip(used, inner, strict=True))
    return written * widths, repeated * widths * times


def _total(sizes: Sequence[Size]) -> Size:
    return sum(each[0] for each in sizes), sum(each[1] for each in sizes)


#: Blocks of the language that repeat steps.
_REPEAT = ("dense", "aggregate")


def _length(value: Any) -> int:  # noqa: ANN401
    return len(value) if isinstance(value, list) else 1


#: What a file takes from its backbone where it does not say otherwise.
TAKEN = (
    *("image_channels", "activation", "norm", "squeeze_excite", "padding"),
    "stochastic_depth",
    *("blocks", "cells", "stem", "stages", "rounding", "coefficients"),
)


def needs_backbone(data: Any) -> bool:  # noqa: ANN401 - whatever a file holds
    """Whether something must be read of the backbone that the data name."""
    listed = isinstance(_at(data, "scaling", "backbones"), list)
    named = isinstance(_at(data, "backbone"), str)
    return named and (listed or "stages" not in data)


def with_backbone(
    data: dict[str, Any], path: str
) -> tuple[dict[str, Any], list[Fault]]:
    """The data of a file at `path` with what its backbone adds, or why it cannot.

    Relatives that `scaling` lists by name become their multipliers.
    """
    reference = data["backbone"]
    backbone = _found(reference, path)
    if isinstance(backbone, str):
        return data, [Fault(("backbone",), backbone, "EFF401")]
    found = {name: getattr(backbone, name) for name in TAKEN} | data
    scaling = mapping(data.get("scaling"))
    names = scaling.get("backbones")
    if not isinstance(names, list):
        return found, []
    known = _multipliers(backbone)
    listed = {name: known[name] for name in names if name in [*known]}
    return (
        {**found, "scaling": {**scaling, "backbones": listed}},
        list(_not_listed(names, known, reference)),
    )


def _found(reference: str, path: str) -> Spec | str:
    """The spec of a built-in baseline, or of a file beside the one at `path`.

    Or else what is wrong. A backbone names no further one.
    """
    from effscale.spec import builtin
    from effscale.spec.loading import loads

    try:
        if builtin.is_file(reference):
            beside = "" if reference.startswith("/") else re.sub(r"[^/:]*$", "", path)
            file = f"{beside}{reference}"
            text = builtin.text(file)
            if re.search(r"^backbone:", text, re.MULTILINE):
                message = f"got {short(reference)}, which names a backbone itself"
                return f"expected a classifier's spec, {message}"
            spec, variant = loads(text, file, alone=True), None
        else:
            spec, variant = builtin.find(reference)
    except SpecError as error:
        return _refused(short(reference), error.faults[0])
    if variant is not None:
        message = f"a variant; state {spec.name} here, and it in scaling.backbones"
        return f"expected a baseline, got {short(reference)}, {message}"
    if spec.detector:
        return f"expected a classifier's spec, got {short(reference)}, a detector's"
    return spec


def _refused(reference: str, fault: Fault) -> str:
    """Why there is no backbone of that name: none at all, or one with a fault."""
    if fault.line:
        where = f"line {fault.line}: {fault.message}"
        return f"expected a spec without faults, got {reference}: {where}"
    expected, semicolon, hint = fault.message.partition("; ")
    if expected.startswith("expected"):
        return f"{expected}, got {reference}{semicolon}{hint}"
    why = fault.message.removeprefix("cannot be read: ")
    return f"expected a file that can be read, got {reference}: {why}"


def _multipliers(backbone: Spec) -> Mapping[str, dict[str, float]]:
    """Multipliers of a spec, and of its variants that are told by them alone."""
    found = {backbone.name: {"depth_multiplier": 1.0, "width_multiplier": 1.0}}
    for name, each in backbone.variants.items():
        given = each.repeats, each.channels, each.rounding
        if all(part is None for part in given):
            found[name] = {key: getattr(each, key) for key in found[backbone.name]}
    return found


def _not_listed(
    names: Iterable[Any], known: Mapping[str, Any], reference: str
) -> Iterator[Fault]:
    for index, name in enumerate(names):
        if name not in [*known]:
            listed = ", ".join(known)
            message = f"expected one of {listed} (of {reference}), got {short(name)}"
            close = closest(name, list(known))
            yield Fault(("scaling", "backbones", index), message, "EFF401", close)
