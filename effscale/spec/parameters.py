"""Parameters of a file's own blocks: where they stand, what they are, filled in.

`$kernel` in a block is what the line that uses the block gives, or its default. A
number stands as it would if the file had written it there, and is judged as that.
"""

from __future__ import annotations

from functools import cache, lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from pydantic import TypeAdapter, ValidationError

from effscale.errors import Fault, closest, short
from effscale.spec.steps import Split, Use
from effscale.spec.values import Model, Parameter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from effscale.arrays import Int
    from effscale.errors import Place
    from effscale.spec.line import Line, Lines
    from effscale.spec.models import Spec
    from effscale.spec.steps import Blocks

    #: The parameters of a line, by its keys.
    Named: TypeAlias = Mapping[str, Parameter]

#: Keys of numbers that scale, so that a parameter which stands there stands for them.
SCALED = frozenset({"channels", "repeats"})
#: Where 0 leaves the step out.
LEAVES_OUT = frozenset({"kernel", "se_ratio", "repeats"})
#: What the first of the blocks of a line has, and those after it 1.
STRIDE = "stride"


class Spot(NamedTuple):
    """A key of a kind of line."""

    line: type[Line]
    key: str
    fixed: bool = False  #: of a step that stays as it is where the network is scaled

    def of(self, line: Line) -> Spot:
        """The spot where that line has it, or hands it on."""
        return self._replace(fixed=self.fixed or line.fixed)


def every_line(lines: Lines) -> Iterator[Line]:
    """The lines and those within them, used blocks aside."""
    for line in lines:
        yield line
        yield from every_line((*chain(*line.chains.values()),))


def spots(blocks: Blocks) -> dict[str, dict[str, list[Spot]]]:
    """Where each parameter of each block stands, in blocks that it uses too."""
    found: dict[str, dict[str, list[Spot]]] = {}
    for name, block in blocks.items():
        own: dict[str, list[Spot]] = {}
        for line in every_line(block.layers):
            for key, value in line.said.items():
                inherits = isinstance(line, Use) and key == "channels" and value is None
                if inherits and (within := found.get(line.block, {}).get(key)):
                    own[key] = [*own.get(key, []), *within]
                if isinstance(value, Parameter):
                    known = own.setdefault(value.name, [])
                    known += [
                        each
                        for place in places_of(line, key, found)
                        if (each := place.of(line)) not in known
                    ]
        found[name] = own
    return found


def places_of(
    line: Line, key: str, known: Mapping[str, Mapping[str, list[Spot]]]
) -> list[Spot]:
    """Where a value stands that a line has at a key: there, or in the block it uses."""
    if key in type(line).model_fields:
        return [Spot(type(line), key)]
    return known.get(line.block, {}).get(key, [])


@cache
def _adapter(spot: Spot) -> TypeAdapter[Any]:
    kind: Any = spot.line.model_fields[spot.key].rebuild_annotation()
    return TypeAdapter(kind)


def read(line: Line, key: str, value: object) -> Any:  # noqa: ANN401
    """What a line has at a key where a file writes that value."""
    known = key in type(line).model_fields
    return _read(Spot(type(line), key), value) if known else value


@lru_cache(maxsize=4096, typed=True)
def _read(spot: Spot, value: Any) -> Any:  # noqa: ANN401
    return _adapter(spot).validate_python(value)


def wrong(spot: Spot, value: object, *, may_leave_out: bool = True) -> str:
    """What is expected where a value stands that cannot; empty if it can."""
    if (
        may_leave_out
        and spot.key in LEAVES_OUT
        and type(value) in {int, float}
        and not value
    ):
        return ""
    try:
        _read(spot, value)
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        return str(detail.get("ctx", {}).get("expected", detail["msg"].lower()))
    return ""


def given(use: Use, blocks: Blocks, around: Int | None = None) -> dict[str, Any]:
    """What the parameters are in the blocks of a line, the first of them if it strides.

    `around` are the channels of the block that the line is in.
    """
    own = {} if around is None else {"channels": around}
    return {**blocks[use.block].parameters, **own, **use.arguments}


def named_in(line: Line) -> Named:
    """The parameters of a line, by where they stand."""
    return {key: each for key, each in line.said.items() if type(each) is Parameter}


def filled(
    line: Line, values: Mapping[str, Any], named: Named | None = None
) -> Line | None:
    """The line with what its parameters are; None if that leaves it out.

    `named` are its parameters, if they are known already.
    """
    update: dict[str, Any] = {}
    for key, parameter in (named_in(line) if named is None else named).items():
        value = values[parameter.name]
        own = _is_plain(value) and key in type(line).model_fields
        if own and not value and key in LEAVES_OUT:
            return None
        update[key] = _read(Spot(type(line), key), value) if own else value
    return line.model_copy(update=update) if update else line


def inheriting(use: Use, channels: Int | None) -> Use:
    """A use within a block, of the channels of that block's unless it says its own."""
    if use.channels is not None:
        return use
    return use.model_copy(update={"channels": channels})


#: What a file can write; candidates and networks on paper have other numbers.
PLAIN = {int, float, str, bool}


def _is_plain(value: Any) -> bool:  # noqa: ANN401 - of any key
    """Whether a file can write the value, or each of its several."""
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return type(value) in PLAIN


def parameter_faults(spec: Spec) -> Iterator[Fault]:
    """Parameters that stand nowhere, and values that cannot stand where they do."""
    if not spec.blocks:
        return
    known = spots(spec.blocks)
    for name, block in spec.blocks.items():
        for each, default in block.parameters.items():
            place: Place = "blocks", name, "parameters", each
            found = known[name].get(each, [])
            if not found:
                yield Fault(place, f"expected ${each} in the block, found none")
            keys = list(dict.fromkeys(spot.key for spot in found))
            if len(keys) > 1 and not SCALED.isdisjoint(keys):
                listed = " and ".join(keys)
                message = f"expected one kind of number, stands for {listed}"
                yield Fault(place, message)
            if default is not None:
                yield from unfit(default, found, place)
    for at, use, apart in _uses(spec, ()):
        for key, value in use.arguments.items():
            if not isinstance(value, Parameter):
                yield from unfit(value, known[use.block].get(key, ()), (*at, key))
        missing = [
            key
            for key, default in spec.blocks[use.block].parameters.items()
            if default is None and key not in use.arguments
        ]
        inherits = at[0] == "blocks" and not apart  # those of the line around it
        if "channels" in known[use.block] and use.channels is None and not inherits:
            missing.append("channels")
        if missing:
            yield Fault(at, f"missing {', '.join(missing)}", "EFF101")


def unfit(
    value: object, found: Iterable[Spot], place: Place, *, may_leave_out: bool = True
) -> Iterator[Fault]:
    """What is expected where a value stands that cannot; nothing if it can."""
    for expected in dict.fromkeys(
        wrong(spot, value, may_leave_out=may_leave_out) for spot in found
    ):
        if expected:
            words = expected.removeprefix("one of ").split(", ")
            choice = expected.startswith("one of ")
            close, code = ("", "EFF104")
            if choice:
                close, code = closest(value, words), "EFF105"
            got = short(list(value) if isinstance(value, tuple) else value)
            yield Fault(place, f"expected {expected}, got {got}", code, close)
            return


def _uses(
    value: object, place: Place, *, apart: bool = False
) -> Iterator[tuple[Place, Use, bool]]:
    """Every line of a model that uses a block, where, and whether within a split."""
    inner: Iterable[tuple[Any, object]] = ()
    if isinstance(value, Use):
        yield place, value, apart
    elif isinstance(value, Model):
        inner = value
    elif isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, tuple):
        inner = enumerate(value)
    within = apart or isinstance(value, Split)
    for key, each in inner:
        if each is not None and type(each) not in PLAIN:
            yield from _uses(each, (*place, key), apart=within)
