"""Used blocks written out; the strides of lines, the sides they need, their levels."""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property, lru_cache, partial
from itertools import chain
from math import ceil
from typing import TYPE_CHECKING, Any, TypeAlias

from effscale.arrays import every, is_array
from effscale.data import Same, data
from effscale.spec.elements import PadChannels
from effscale.spec.line import SQUARE
from effscale.spec.outputs import Detect
from effscale.spec.padding import around, positions
from effscale.spec.parameters import (
    STRIDE,
    every_line,
    filled,
    given,
    inheriting,
    named_in,
)
from effscale.spec.steps import (
    Attention,
    Branches,
    Conv,
    Resized,
    Select,
    Split,
    TransposedConv,
    Use,
)
from effscale.spec.values import MAX_RESOLUTION, Parameter, of_block
from effscale.spec.wiring import IMAGE, STEM, ends, followed, sources

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from effscale.arrays import Int
    from effscale.errors import Place
    from effscale.spec.line import Line, Lines
    from effscale.spec.models import Spec
    from effscale.spec.parameters import Named
    from effscale.spec.steps import Blocks
    from effscale.spec.values import Window

    Strides: TypeAlias = tuple[int | Fraction, int | Fraction]


def expanded(use: Use, blocks: Blocks, index: int = 0) -> Lines:
    """The steps of block number `index` of those that a line uses."""
    return _written(use, blocks).of(index)


def kinds(use: Use, blocks: Blocks) -> int:
    """How many blocks of a line differ: as many as its longest list has widths."""
    return _written(use, blocks).kinds


def alike_from(use: Use, blocks: Blocks) -> int:
    """Which block of a line is the first that all after it are like."""
    return _written(use, blocks).last


def _written(use: Use, blocks: Blocks) -> _Written:
    if is_array(use.channels):  # as large as its candidates are many: not kept
        return _Written(use, blocks)
    return _kept(Same(use), Same(blocks))


@lru_cache(maxsize=256)  # those of a few networks: each is asked for many times
def _kept(use: Same[Use], blocks: Same[Blocks]) -> _Written:
    return _Written(use.it, blocks.it)


class _Written:
    """The blocks of a line, each written out when it is first asked for."""

    def __init__(self, use: Use, blocks: Blocks) -> None:
        self.use, self.stated = use, _stated(Same(blocks))
        self.values = given(use, blocks)
        self.found: dict[int, Lines] = {}

    @cached_property
    def kinds(self) -> int:
        return self.stated.kinds(self.use.block, self.values)

    @cached_property
    def last(self) -> int:
        """The first block that all after it are like."""
        return max(self.kinds - 1, int(self.values.get(STRIDE, 1) != 1))

    def of(self, index: int) -> Lines:
        index = min(index, self.last) if index else 0
        if index not in self.found:
            values = self.values
            if index and STRIDE in values:
                values = {**values, STRIDE: 1}
            writing = _Writing(values, self.stated, index)
            self.found[index] = writing.out(
                self.stated.blocks[self.use.block].layers, self.use.channels
            )
        return self.found[index]


class _Stated:
    """The blocks of a file as it states them, and what their lines lack."""

    def __init__(self, blocks: Blocks) -> None:
        self.blocks = blocks
        self.chains: dict[int, tuple[tuple[Line, Named | None], ...]] = {}
        self.differing: dict[str, list[Line]] = {}

    def lacking(self, lines: Lines) -> tuple[tuple[Line, Named | None], ...]:
        """Lines within a block, and the parameters of each.

        None in their place of one in which nothing is to be written.
        """
        if id(lines) not in self.chains:
            self.chains[id(lines)] = tuple(
                (line, named if (named := named_in(line)) or self.lacks(line) else None)
                for line in lines
            )
        return self.chains[id(lines)]

    def lacks(self, line: Line) -> bool:
        """Whether something is to be written in a line, parameters aside."""
        match line:
            case (
                Use()
                | Conv(channels=None, expand_ratio=None)
                | Conv(channels=tuple())
                | TransposedConv(channels=None)
                | PadChannels(channels=None)
            ):
                return True
            case _:
                inner = chain(*map(self.lacking, line.chains.values()))
                return any(named is not None for _, named in inner)

    def kinds(self, name: str, values: Mapping[str, Any]) -> int:
        """How many blocks of that name differ in a line whose parameters these are."""
        longest = 1
        for line in self._differing(name):
            if isinstance(line, Use):
                use = filled(line, values)
                if isinstance(use, Use) and use.repeats is None:
                    inner = given(use, self.blocks, around=values.get("channels"))
                    longest = max(longest, self.kinds(use.block, inner))
                continue
            widths = line.said["channels"]
            if isinstance(widths, Parameter):
                widths = values[widths.name]
            if isinstance(widths, tuple) and filled(line, values):
                longest = max(longest, len(widths))
        return longest

    def _differing(self, name: str) -> list[Line]:
        """The lines of a block that may differ from one of a stage's to the next."""
        if name not in self.differing:
            self.differing[name] = [
                line
                for line in every_line(self.blocks[name].layers)
                if isinstance(line, Use)
                or (
                    isinstance(line, Conv)
                    and isinstance(line.channels, tuple | Parameter)
                )
            ]
        return self.differing[name]


@lru_cache(maxsize=8)  # those of a few networks: each of their lines asks for them
def _stated(blocks: Same[Blocks]) -> _Stated:
    return _Stated(blocks.it)


@data
class _Writing:
    """Writes out a block, its parameters being these."""

    values: Mapping[str, Any]
    stated: _Stated
    index: int

    def out(self, lines: Lines, channels: Int | None) -> Lines:
        """`lines` with parameters and widths, and the steps of the blocks they use.

        Blocks that repeat stay lines. `channels` are those of convolutions that state
        none, if these are not what comes into a part of a split.
        """
        found: list[Line] = []
        for stated, named in self.stated.lacking(lines):
            if named is None:
                found.append(stated)
                continue
            match line := filled(stated, self.values, named):
                case None:
                    continue
                case Conv(channels=None, expand_ratio=None) if channels is not None:
                    found.append(_with(line, line.of(channels, channels)))
                case TransposedConv(channels=None) if channels is not None:
                    found.append(_with(line, line.of(channels)))
                case PadChannels(channels=None) if channels is not None:
                    found.append(line.model_copy(update={"channels": channels}))
                case Conv(channels=tuple() as widths):
                    found.append(_with(line, of_block(widths, self.index)))
                case Use():
                    found += self.used(line, channels)
                case Split():
                    found.append(line.over_chains(partial(self.out, channels=None)))
                case _:
                    found.append(line.over_chains(partial(self.out, channels=channels)))
        return tuple(found)

    def used(self, use: Use, around: Int | None) -> Lines:
        """The steps of a block; itself where it repeats."""
        if use.repeats is not None:
            return (inheriting(use, around),)
        blocks = self.stated.blocks
        values = given(use, blocks, around)
        inner = _Writing(values, self.stated, self.index)
        return inner.out(blocks[use.block].layers, values.get("channels"))


def _with(conv: Line, channels: Int) -> Line:
    return conv.model_copy(
        update={"channels": channels, "ratio": 1.0, "expand_ratio": None}
    )


def chains(line: Line, blocks: Blocks) -> list[Lines]:
    """The lines within a line, or those of the block that it uses."""
    return (
        [expanded(line, blocks)] if isinstance(line, Use) else [*line.chains.values()]
    )


def forked(line: Line, blocks: Blocks) -> tuple[Branches, Lines] | None:
    """The branches that a line begins with, and the steps after; None where none do."""
    steps = expanded(line, blocks) if isinstance(line, Use) else (line,)
    first = next(iter(steps), None)
    return (first, steps[1:]) if isinstance(first, Branches) else None


def as_wide(lines: Sequence[Line], channels: Int) -> tuple[Line, ...]:
    """`lines`, whose last convolution puts out so many channels."""
    last = max(k for k, line in enumerate(lines) if isinstance(line, Conv))
    return (*lines[:last], _with(lines[last], channels), *lines[last + 1 :])


#: What is too large to multiply or to print, whatever else it is.
MOST = 10 * MAX_RESOLUTION


def lines_of(spec: Spec) -> tuple[Line, ...]:
    """Every line, in order, that a feature map goes through; of a neck none."""
    return (*spec.stem, *spec.stages, *chain(*(end.lines for end in ends(spec))))


def least_sides(spec: Spec) -> Window:
    """Height and width that an image needs, so that each stride divides what it meets.

    The product of all strides where nothing is padded less than `same`.
    """
    return _least_of(Same(spec))


@lru_cache(maxsize=8)  # loading, scaling and checking a file ask it of one spec
def _least_of(same: Same[Spec]) -> Window:
    return _least(same.it)


def _least(spec: Spec) -> Window:
    """Each stage needs what those that read it need, from the last to the first.

    Behind the finest level of a detector a map may be of any size: the coarsest of
    SSD's levels are of one position.
    """
    finest = _finest(spec)
    needs = dict.fromkeys(range(IMAGE, len(spec.stages) + 1), SQUARE)
    for end in ends(spec):
        within = _needed(spec, end.lines, SQUARE)
        needs.update({k: _larger(needs[k], within) for k in end.numbers})
    for index, numbers in reversed([*enumerate(sources(spec))]):
        line, need = spec.stages[index], needs[index + 1]
        down, across = strides(spec, (line,)) if index >= finest else SQUARE
        own = SQUARE if line.likened else need  # of any size, as it takes another's
        for number, (rows, columns) in zip(
            numbers, _each_needs(spec, line, own, len(numbers)), strict=False
        ):
            spared = rows - ceil(down) + 1, columns - ceil(across) + 1
            needs[number] = _larger(needs[number], spared)
        if line.likened:
            needs[numbers[-1]] = _larger(needs[numbers[-1]], need)
    return _larger(needs[IMAGE], _needed(spec, spec.stem, needs[STEM]))


def _larger(one: Window, other: Window) -> Window:
    """The larger of both, down and across."""
    return max(one[0], other[0]), max(one[1], other[1])


def _finest(spec: Spec) -> int:
    """The number of the first line that a detector's output reads; else the last."""
    levels = [
        number
        for end, output in zip(ends(spec), spec.outputs.values(), strict=False)
        if isinstance(output, Detect)
        for number in end.numbers
    ]
    return min(levels, default=len(spec.stages))


def _each_needs(spec: Spec, line: Line, need: Window, several: int) -> list[Window]:
    """The sides that a stage needs of each map that it reads."""
    if line.merge == "apart" and (found := forked(line, spec.blocks)):
        need = _needed(spec, found[1], need)
        return [_needed(spec, each, need) for each in found[0].branches]
    return [_needed(spec, (line,), need)] * several


def _needed(spec: Spec, lines: Sequence[Line], need: Window) -> Window:
    """The sides that `lines` need to put out a map of those of `need`."""
    for line in reversed(lines):
        if inner := chains(line, spec.blocks):
            # Keys and values are of any size, whatever that of the queries.
            alike = not isinstance(line, Attention | Resized | Select)
            first, *others = inner
            found = _needed(spec, first, need)
            for each in others:
                found = _larger(found, _needed(spec, each, need if alike else SQUARE))
            need = found
        else:
            rows, columns = line.sides_before(need)
            need = min(rows, MOST), min(columns, MOST)
    return need


def strides(spec: Spec, lines: Sequence[Line]) -> Strides:
    """Rows and columns of what goes in to one of what comes out; branches agree.

    Fractions where lines grow a map.
    """
    rows: int | Fraction = 1
    columns: int | Fraction = 1
    for line in lines:
        inner = chains(line, spec.blocks)
        down, across = strides(spec, inner[0]) if inner else line.window[1]
        high, wide = line.grows
        if not down == across == high == wide == 1:
            rows, columns = _over(rows * down, high), _over(columns * across, wide)
    return rows, columns


def keeps_size(lines: Lines, blocks: Blocks) -> bool:
    """Whether lines put out a map of the size that comes in, whatever that is."""
    for line in lines:
        inner = chains(line, blocks)
        if inner and not keeps_size(inner[0], blocks):
            return False
        if line.whole or not (inner or _keeps_size(line)):
            return False
    return True


def _keeps_size(line: Line) -> bool:
    """The same of a line that has none within it."""
    kernel, stride, padding = line.window
    if stride != SQUARE or line.grows != SQUARE or line.likened is not None:
        return False
    return padding == "same" or all(
        positions(reach, reach, 1, around(padding, axis)) == reach
        for axis, reach in enumerate(kernel)
    )


def _over(total: int | Fraction, growth: int) -> int | Fraction:
    """The quotient, a whole number where it is one."""
    if growth == 1 and isinstance(total, int):
        return total
    found = Fraction(total, growth)
    return int(found) if found.denominator == 1 else found


def covering(spec: Spec) -> dict[Place, tuple[int, int]]:
    """Lines whose windows without padding cover a whole map, and that map's sides.

    Such a line makes one position of a map, as if it were pooled as a whole; of
    another size it makes several. Lines of a used block are told by its own line.
    """
    found: dict[Place, tuple[int, int]] = {}
    image = int(spec.resolution[0]), int(spec.resolution[1])
    stem = _windowed(spec, spec.stem, image, ("stem",), found)

    def through(index: int, line: Line, read: list[tuple[int, int]]) -> tuple[int, int]:
        if line.merge == "apart" and (fork := forked(line, spec.blocks)):
            ends = [
                _windowed(spec, each, sides, ("stages", index, *place), found)
                for (place, each), sides in zip(
                    fork[0].chains.items(), read, strict=False
                )
            ]
            return _windowed(spec, fork[1], ends[0], ("stages", index), found)
        after = _windowed(spec, (line,), read[0], ("stages",), found, index)
        return read[-1] if line.likened else after

    after = followed(spec, image, stem, through)
    for end in ends(spec):
        last = after[end.numbers[0]]
        _windowed(spec, end.lines, last, (*end.place, "layers"), found)
    return found


def _windowed(  # noqa: PLR0913, PLR0917 - where it is, and what it has found
    spec: Spec,
    lines: Sequence[Line],
    sides: tuple[int, int],
    place: Place,
    found: dict[Place, tuple[int, int]],
    first: int = 0,
) -> tuple[int, int]:
    """The sides that `lines` make of these; whole windows on the way are noted.

    `first` is the number that the first of them has in the file.
    """
    for index, line in enumerate(lines, first):
        at = (*place, index)
        within = line.chains
        if isinstance(line, Use):
            within = {(): expanded(line, spec.blocks)}
        if within:
            ends = [
                _windowed(spec, each, sides, (*at, *inner), found)
                for inner, each in within.items()
            ]
            sides = ends[0]
            continue
        kernel, _, padding = line.window
        whole = padding == "valid" and kernel == sides != (1, 1)
        if whole and line.sides is not None:
            found[at] = sides
        sides = line.sides_after(sides)
    return sides


def uncovered(whole: Mapping[Place, Window], after: Spec) -> dict[Place, str]:
    """What the windows of `covering` are in another network of the same lines.

    Those alone that no longer cover their map.
    """
    if not whole:
        return {}
    still = covering(after)
    size = "×".join(str(side) for side in after.resolution)
    return {
        place: f"its {rows}×{columns} window covered the whole map, and at {size} px "
        "no longer does"
        for place, (rows, columns) in whole.items()
        if place not in still
    }


def pads_all(spec: Spec) -> bool:
    """Whether every line pads as `same`, so that sides are only ever rounded up."""
    return least_sides(spec) == _deepest(spec)


def _deepest(spec: Spec) -> tuple[int, int]:
    """The most pixels of the image to one position of any line: rows and columns."""
    made = [strides(spec, spec.stem), *totals(spec)]
    found = [*made]
    for end in ends(spec):
        down, across = strides(spec, end.lines)
        rows, columns = made[end.numbers[0]]
        found.append((rows * down, columns * across))
    return max(ceil(each[0]) for each in found), max(ceil(each[1]) for each in found)


def too_small(
    spec: Spec,
    resolution: tuple[Any, Any],
    least_of: tuple[int, int] | None = None,
) -> list[tuple[int, str, int]]:
    """The sides that the network cannot take, what is wrong, and the least it takes.

    `least_of` are the network's least sides, where they are known already.
    """
    found = []
    least_of = least_of or least_sides(spec)
    for axis, (side, least) in enumerate(zip(resolution, least_of, strict=True)):
        if not every(side >= least):
            got = side.min() if is_array(side) else side
            total = _deepest(spec)[axis]
            why = "total stride" if least == min(total, MOST) else "kernels and strides"
            message = f"expected at least {least} (the network's {why}), got {got}"
            found.append((axis, message, least))
    return found


def totals(spec: Spec) -> list[Strides]:
    """Pixels of the image to one of each stage's output: rows and columns."""

    def through(_: int, line: Line, read: list[Strides]) -> Strides:
        if line.likened:
            return read[-1]
        (rows, columns), (down, across) = read[0], strides(spec, (line,))
        return _over(rows * down, 1), _over(columns * across, 1)

    image: Strides = (1, 1)
    return followed(spec, image, strides(spec, spec.stem), through)[1:]


def tapped(spec: Spec) -> list[int]:
    """Indices of the stages that are a detector's lowest levels, lowest first.

    Of each level it is the last stage at its stride, up to the first that has none;
    unless the neck names its own.
    """
    neck = spec.neck
    if neck is None:
        return []
    if neck.taps is not None:
        return [number - 1 for number in neck.taps]
    low, high = neck.levels
    last = {stride: index for index, stride in enumerate(totals(spec))}
    found = [last.get((2**level, 2**level)) for level in range(low, high + 1)]
    ends = found.index(None) if None in found else len(found)
    return [index for index in found[:ends] if index is not None]
