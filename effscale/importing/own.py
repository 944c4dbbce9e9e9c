"""Rows of lines as stages: blocks of the file's own, and equal ones as repeats.

A unit, the lines of a module that recurs, becomes a block whose widths are shares of
what it puts out. The first of a stage differs from those after it by its stride, and by
what is beside its residual; a block says both at once, with `$stride` and `projection`.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any

from effscale.arrays import whole_share
from effscale.importing.lines import Item
from effscale.importing.squeezes import IN_A_ROW
from effscale.spec import elements, steps
from effscale.spec.lines import STAGES, Block, Dense
from effscale.spec.values import Parameter

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from effscale.spec.line import Line, Lines

#: Kinds of lines that are a block by its name, and repeat as that.
KNOWN: tuple[type[Line], ...] = (*Block.__subclasses__(), Dense)
ONE = 1, 1
STRIDE = Parameter("$stride")


@dataclass(frozen=True)
class Row:
    """Lines of one module, a unit, that recurs or does more than follow its parts."""

    items: tuple[Item, ...]
    unit: tuple[str, str] | None = None  #: path, and name of its class

    @property
    def c_in(self) -> int:
        return self.items[0].c_in

    @property
    def c_out(self) -> int:
        return self.items[-1].c_out

    @property
    def lines(self) -> Lines:
        return tuple(item.line for item in self.items)


@dataclass(frozen=True)
class Form:
    """A unit's lines as a block has them, and the stride that this one has."""

    lines: Lines
    stride: int = 1
    #: Whether its widths are shares of what it puts out.
    shared: bool = True

    @property
    def later(self) -> Lines:
        """What the blocks after the first are: no stride, nothing beside a residual."""
        return tuple(_closed(line, projects=False) for line in self.lines)

    @property
    def unstrided(self) -> Lines:
        return tuple(_closed(line, projects=True) for line in self.lines)

    @property
    def parameters(self) -> dict[str, Any]:
        takes = any(_strides(line) for line in self.lines)
        return {"stride": 1} if takes else {}


class OwnBlocks:
    """The blocks that the file defines, by name, in the order of their use."""

    def __init__(self) -> None:
        self.defined: dict[str, steps.OwnBlock] = {}

    def used(self, strands: Sequence[Sequence[Row]]) -> list[list[Item]]:
        """The rows of each strand as lines that stages have, equal ones as one."""
        rows = [row for strand in strands for row in strand]
        forms = [form(row) if row.unit is not None else None for row in rows]
        chosen = _chosen(forms)
        times = Counter(each.lines for each in chosen if each is not None)
        left = iter(chosen)
        return [self._of_strand(strand, left, times) for strand in strands]

    def _of_strand(
        self, rows: Sequence[Row], forms: Iterator[Form | None], times: Counter[Lines]
    ) -> list[Item]:
        found: list[Item] = []
        for row, each in zip(rows, forms, strict=False):
            alone = each is not None and times[each.lines] == 1
            if each is None or (alone and len(row.items) == 1 and not _binds(row)):
                found = _merged(found, row.items[0])
            else:
                found = _merged(found, self._use(row, each))
        return [_at_any_depth(item) for item in self._in_turn(found)]

    def _in_turn(self, items: list[Item]) -> list[Item]:
        """Blocks that come in turn, again and again, as one block that repeats."""
        plain = [_as_within(item) for item in items]
        widths = [item.c_out for item in items]
        known = {
            tuple(plain[start : start + length])
            for start, length, times in _turns(plain, widths)
            if times > 1
        }
        found: list[Item] = []
        index = 0
        while index < len(items):
            turns = [(n, _times(plain, widths, index, n, known)) for n in _LENGTHS]
            length, times = max(turns, key=lambda turn: turn[0] * turn[1])
            if not times:
                found.append(items[index])
                index += 1
                continue
            part = items[index : index + length * times]
            layers: Any = tuple(plain[index : index + length])
            use = steps.Use(
                block=self._name("", steps.OwnBlock(layers=layers)),
                channels=part[-1].c_out,
                repeats=times,
            )
            nodes = tuple(node for item in part for node in item.nodes)
            found.append(Item(use, nodes, part[0].c_in, part[-1].c_out))
            index += length * times
        return found

    def _folded(self, lines: Lines) -> Lines:
        """Steps that are the same again and again as a block that repeats."""
        within = [
            line
            if isinstance(line, steps.Attention)
            else line.over_chains(self._folded)
            for line in lines
        ]
        found: list[Line] = []
        index = 0
        while index < len(within):
            length, times = _again(within, index)
            if times == 1:
                found.append(within[index])
                index += 1
                continue
            layers: Any = tuple(within[index : index + length])
            name = self._name("", steps.OwnBlock(layers=layers))
            found.append(steps.Use(block=name, repeats=times))
            index += length * times
        return tuple(found)

    def _use(self, row: Row, of: Form) -> Item:
        kind = "" if row.unit is None else row.unit[1]
        layers: Any = self._folded(of.lines)
        block = steps.OwnBlock(layers=layers, parameters=of.parameters)
        name = self._name(kind, block)
        given: dict[str, Any] = {}
        if of.stride > 1 and of.parameters:
            given["stride"] = of.stride
        use = steps.Use(
            block=name,
            channels=row.c_out if of.shared else None,
            repeats=1 if all(keeps(line) for line in of.later) else None,
            **given,
        )
        nodes = tuple(node for item in row.items for node in item.nodes)
        return Item(use, nodes, row.c_in, row.c_out)

    def _name(self, kind: str, block: steps.OwnBlock) -> str:
        """The name of this block: its class's, numbered where there are others."""
        stem, number = _snake(kind), 1
        while True:
            name = stem if number == 1 else f"{stem}_{number}"
            if name not in STAGES and self.defined.setdefault(name, block) == block:
                return name
            number += 1


def _snake(name: str) -> str:
    parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return re.sub(r"[^A-Za-z0-9_]+", "", parts).strip("_").lower() or "unit"


#: How many blocks, or steps, may come in turn.
_LENGTHS = range(2, 9)


def _as_within(item: Item) -> Line | None:
    """A block that keeps its shape, as a step of another; none of what is not one."""
    line = item.line
    if not isinstance(line, steps.Use) or line.repeats != 1:
        return None
    own = {**line.arguments, "channels": None}
    if item.c_in != item.c_out or own != {"channels": None}:
        return None
    return steps.Use(block=line.block)


def _turns(
    plain: Sequence[Line | None], widths: Sequence[int]
) -> list[tuple[int, int, int]]:
    """Where blocks come in turn, how many do, and how often; of each the most often."""
    best: dict[frozenset[str], tuple[int, int, int]] = {}
    for start in range(len(plain)):
        for length in _LENGTHS:
            part = plain[start : start + length]
            names = frozenset(line.block for line in part if line is not None)
            times = _times(plain, widths, start, length)
            if (
                len(names) == length
                and times > 1
                and times >= best.get(names, (0, 0, 0))[2]
            ):
                best[names] = start, length, times
    return [*best.values()]


def _times(
    plain: Sequence[Line | None],
    widths: Sequence[int],
    start: int,
    length: int,
    known: Collection[tuple[Line | None, ...]] | None = None,
) -> int:
    """How often so many blocks of one width follow each other, if they are `known`."""
    first = plain[start : start + length]
    if len(first) < length or None in first:
        return 0
    if known is not None and tuple(first) not in known:
        return 0
    times, here = 0, start
    while (
        plain[here : here + length] == first
        and len({*widths[start : here + length]}) == 1
    ):
        times, here = times + 1, here + length
    return times


def _again(lines: Sequence[Line], start: int) -> tuple[int, int]:
    """How many steps from one on are the same again, and how often they are there."""
    for length in range(1, len(lines) // 2 + 1):
        part = lines[start : start + length]
        if length == 1 and not part[0].chains:
            continue
        times, here = 1, start + length
        while lines[here : here + length] == part:
            times, here = times + 1, here + length
        if times > 1 and all(keeps(line) for line in part):
            return length, times
    return 1, 1


# Forms.


def form(row: Row) -> Form:
    """The unit as a block: shares for widths, `$stride`, `projection`."""
    try:
        lines, _ = _shares(row.lines, row.c_in, _Around(row.c_out))
    except ValueError:
        return Form(row.lines, shared=False)
    changes = [not keeps(e.line) or e.c_in != e.c_out for e in row.items]
    opened = [
        _projected(line) if change else line
        for line, change in zip(lines, changes, strict=True)
    ]
    found = {each for line in opened for each in _found_strides(line)}
    if len(found) != 1 or ONE in found:
        return Form(tuple(opened))
    (stride,) = found
    if stride[0] != stride[1] or _total(opened) != stride[0]:
        return Form(tuple(opened))
    return Form(tuple(map(_parametrised, opened)), stride[0])


def _chosen(forms: Sequence[Form | None]) -> list[Form | None]:
    """Of each unit the most general form that says it: as a later block, or a first."""
    general: dict[Lines, Form] = {}
    every = [each for each in forms if each is not None and each.shared]
    for each in sorted(every, key=lambda one: len(one.parameters)):
        general[each.unstrided] = general[each.later] = each
    return [None if each is None else _more(each, general) for each in forms]


def _more(each: Form, general: Mapping[Lines, Form]) -> Form:
    more = general.get(each.lines) or general.get(each.unstrided)
    if more is None or not each.shared:
        return each
    return replace(more, stride=each.stride)


@dataclass(frozen=True)
class _Around:
    """The widths that lines may have shares of."""

    #: What the line that uses the block puts out; none within a split.
    whole: int | None
    #: What comes into the residual, or the part of a split, around them.
    unstated: int | None = None
    #: Whether they put out what comes into that residual, and this is not `whole`.
    returns: bool = False


def _shares(lines: Lines, c_in: int, around: _Around) -> tuple[Lines, int]:
    """Lines with shares for widths, and what comes out.

    ValueError where a width is no share that is cut to it.
    """
    found: list[Line] = []
    for line in lines:
        shared, c_in = _shared(line, c_in, around)
        found.append(shared)
    return tuple(found), c_in


def _shared(line: Line, c_in: int, around: _Around) -> tuple[Line, int]:
    channels: Any
    if isinstance(line, elements.PadChannels):
        channels = line.of(around.unstated or c_in)
        open_ = line.model_copy(update={"channels": None})
        return open_ if channels == around.whole else line, int(channels)
    if isinstance(line, steps.Conv) and line.expand_ratio is None and not line.fixed:
        channels = int(line.of(c_in, around.unstated))
        own = _share(channels, c_in, around)
        return line.model_copy(update={"channels": None, **own}), channels
    if not line.chains or isinstance(line, steps.Attention):
        return line, int(line.c_out(c_in))
    ends: list[int] = []
    parts = iter(line.parts(c_in) if isinstance(line, steps.Split) else ())
    inner = around
    if isinstance(line, steps.Residual):
        whole = around.whole
        returns = not line.shortcut and c_in != whole is not None
        inner = _Around(whole, c_in, returns)

    def within(chain: Lines) -> Lines:
        part = int(next(parts, c_in))
        own = _Around(None, part) if isinstance(line, steps.Split) else inner
        made, end = _shares(chain, part, own)
        ends.append(end)
        return made

    line = line.over_chains(within)
    return line, sum(ends) if line.block in IN_A_ROW else ends[0]


def _share(channels: int, c_in: int, around: _Around) -> dict[str, float]:
    """A width as a multiple of what comes in, or as a share of what is around."""
    whole, times = around.whole, Fraction(channels, c_in)
    if around.returns and times.numerator == 1 < times.denominator:
        return {"expand_ratio": _ratio(channels, c_in)}
    if around.returns and times.denominator == 1 < times:
        return {"expand_ratio": float(times)}
    if channels != whole and times.denominator == 1 < times:
        return {"expand_ratio": float(times)}
    return {"ratio": _ratio(channels, whole or around.unstated or c_in)}


def _ratio(channels: int, whole: int) -> float:
    exact = Fraction(channels, whole)
    for digits in range(7):
        ratio = -(-exact.numerator * 10**digits // exact.denominator) / 10**digits
        near = abs(ratio - exact) < exact / 1000
        if near and whole_share(whole, ratio) == channels:
            return float(ratio)
    raise ValueError(channels)


def _binds(row: Row) -> bool:
    """Whether widths in a row depend on each other: shares keep them that way."""
    return any(map(_meets, row.lines))


def _meets(line: Line) -> bool:
    """Whether a residual in a line ends in maps in a row, or there are groups."""
    within = [each for chain in line.chains.values() for each in chain]
    ends = isinstance(line, steps.Residual) and _in_row(line.layers)
    grouped = isinstance(line, steps.Grouped) and (line.groups, line.group_width) != (
        1,
        None,
    )
    return ends or grouped or any(map(_meets, within))


def _in_row(layers: Lines) -> bool:
    """Whether maps one after the other are the last that has channels of its own."""
    for line in reversed(layers):
        if isinstance(line, steps.Conv):
            return False
        if line.block in IN_A_ROW:
            return True
    return False


def _projected(line: Line) -> Line:
    """A residual whose shortcut is there where the shape changes, and nowhere else."""
    if isinstance(line, steps.Residual) and line.shortcut:
        return line.model_copy(update={"projection": line.shortcut, "shortcut": ()})
    return line


def _found_strides(line: Line) -> list[Any]:
    """The strides above 1 of a line and of those within it."""
    own = getattr(line, "stride", ONE)
    within = [
        e
        for chain in line.chains.values()
        for one in chain
        for e in _found_strides(one)
    ]
    return [*([] if own in {1, ONE} else [own]), *within]


def _total(lines: Sequence[Line]) -> int:
    """How many rows that come in there are to one that comes out, by the strides."""
    found = 1
    for line in lines:
        first = next(iter(line.chains.values()), ())
        found *= int(getattr(line, "stride", ONE)[0]) * _total(first)
    return found


def _parametrised(line: Line) -> Line:
    if getattr(line, "stride", ONE) != ONE:
        line = line.model_copy(update={"stride": STRIDE})
    return line.over_chains(lambda chain: tuple(map(_parametrised, chain)))


def _strides(line: Line) -> bool:
    """Whether a line, or one within it, has the block's stride."""
    own = getattr(line, "stride", None) == STRIDE
    return own or any(_strides(one) for chain in line.chains.values() for one in chain)


def _closed(line: Line, *, projects: bool) -> Line:
    """The line of a block whose stride is 1; unless it `projects`, that keeps shape."""
    update: dict[str, Any] = {}
    if getattr(line, "stride", None) == STRIDE:
        update["stride"] = ONE
    if isinstance(line, steps.Residual) and not projects:
        update["projection"] = None
    line = line.model_copy(update=update)
    close = partial(_closed, projects=projects)
    return line.over_chains(lambda chain: tuple(map(close, chain)))


# Repeats.


def keeps(line: Line) -> bool:
    """Whether a line keeps the size of the map."""
    if line.chains:
        chain = next(iter(line.chains.values()))
        return all(keeps(each) for each in chain)
    rows, columns = line.window[1]
    return (
        rows == columns == 1
        and line.window[2] == "same"
        and not getattr(line, "whole", False)
    )


def _at_any_depth(item: Item) -> Item:
    """A block alone that changes the shape is one at any depth."""
    line = item.line
    if not isinstance(line, steps.Use) or line.repeats != 1:
        return item
    if item.c_in == item.c_out and "stride" not in line.arguments:
        return item
    return item.over(line.model_copy(update={"repeats": None}))


def _merged(found: list[Item], item: Item) -> list[Item]:
    """`found` and the item; blocks like the one before them as its repeats."""
    both = _together(found[-1], item) if found else None
    return [*found, item] if both is None else [*found[:-1], both]


def _together(before: Item, item: Item) -> Item | None:
    """Two items as one line that repeats, if the second is as the first goes on."""
    first, other = before.line, item.line
    if type(first) is not type(other) or first.times is None or other.times is None:
        return None
    if isinstance(other, Block | steps.Use) and item.c_in != item.c_out:
        return None
    if isinstance(first, steps.Use) and isinstance(other, steps.Use):
        ours = {**first.arguments, "stride": 1}, first.block
        same = ours == ({**other.arguments, "stride": 1}, other.block)
        if not same or "stride" in other.arguments:
            return None
    else:
        last = (
            {"repeats": 1} if isinstance(first, Dense) else {"stride": 1, "repeats": 1}
        )
        if getattr(other, "stride", 1) != 1:
            return None
        if first.model_copy(update=last) != other.model_copy(update=last):
            return None
    line = first.model_copy(update={"repeats": first.times + other.times})
    return Item(line, (*before.nodes, *item.nodes), before.c_in, item.c_out)
