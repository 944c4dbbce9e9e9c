"""Faults of a spec whose every value is right: lines that do not fit each other.

A walk takes a feature map through the lines and notes what is wrong on the way.
"""

from __future__ import annotations

from dataclasses import field
from itertools import pairwise
from math import ceil, lcm
from typing import TYPE_CHECKING, Any, NamedTuple

from effscale.arrays import strided
from effscale.data import data, remade
from effscale.errors import MISFIT, Fault
from effscale.spec import outputs, variants, wiring
from effscale.spec.elements import PadChannels
from effscale.spec.geometry import (
    alike_from,
    expanded,
    forked,
    keeps_size,
    kinds,
    least_sides,
    lines_of,
    strides,
    tapped,
    too_small,
)
from effscale.spec.lines import (
    PATHS,
    Block,
    CellStage,
    Dense,
    Transition,
    cells_follow,
)
from effscale.spec.norm import Norm
from effscale.spec.parameters import STRIDE
from effscale.spec.resampling import PixelUnshuffle, Pool
from effscale.spec.steps import (
    Activate,
    Aggregate,
    Attention,
    Branches,
    Conv,
    IntoFirst,
    Normalise,
    Residual,
    Resized,
    Select,
    Split,
    SqueezeExcite,
    TransposedConv,
    Use,
)
from effscale.spec.tokens import ClassToken, DropTokens, FirstToken
from effscale.spec.values import pair
from effscale.spec.wiring import followed, is_wired

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from effscale.errors import Place
    from effscale.spec.line import Line
    from effscale.spec.models import Spec
    from effscale.spec.outputs import AnyOutput, Detect

#: A line before a cell halves at most, as the cell does with what it reads besides.
HALVES = 2
#: What mends layers of other channels than a shortcut that does nothing.
KEEPING = "; expand_ratio: 1 keeps those that come in, a projection makes others"


class Map(NamedTuple):
    """A feature map: channels, height, width."""

    channels: int
    height: int
    width: int

    @property
    def elements(self) -> int:
        return self.channels * self.height * self.width

    @property
    def size(self) -> str:
        return f"{self.height}×{self.width} px"

    def __str__(self) -> str:
        return f"{self.channels} channels of {self.size}"


@data
class Walk:
    """Takes a feature map through lines; `faults` are what is wrong so far."""

    spec: Spec
    #: Whether lines are the network's own, rather than within another.
    stated: bool = False
    #: Channels of convolutions that state none, if not those that come in.
    unstated: int | None = None
    #: Convolutions of the block whose weights are shared, by name; None outside one.
    shared: dict[str, tuple[object, ...]] | None = None
    faults: list[Fault] = field(default_factory=list)

    def wrong(self, place: Place, message: str, code: str = MISFIT) -> None:
        self.faults.append(Fault(place, message, code))

    def through(self, lines: Sequence[Line], here: Map, place: Place) -> Map:
        """What `lines` make of a feature map, each of what the one before has made."""
        for index, line in enumerate(lines):
            at = (*place, index)
            self.inspect(line, here, at)
            stated = line.said
            for key in ("name", "reads", "like", "merge"):
                said = stated.get(key)
                if said and said != "concat":
                    found = ", ".join(said) if isinstance(said, tuple) else said
                    self.wrong(
                        (*at, key), f"expected none but in stages, got {found!r}"
                    )
            here = self.after(line, here, at)
        return here

    def stages(self, image: Map) -> list[Map]:
        """What the stem and each stage put out."""
        stem = self.through(self.spec.stem, image, ("stem",))
        return [read[0] for read in followed(self.spec, [image], [stem], self.stage)]

    def stage(self, index: int, line: Line, read: list[list[Map]]) -> list[Map]:
        """What a stage makes of the maps that it reads, and that it read itself."""
        at: Place = ("stages", index)
        like = read.pop()[0] if line.likened else None
        maps = [each[0] for each in read]
        if line.merge == "apart":
            return [self.apart(index, line, maps, at), maps[0]]
        here = self.merged(line, maps, at)
        self.inspect(line, here, at)
        if isinstance(line, CellStage) and index > 0:
            before = self.spec.stages[index - 1]
            self.meet(before, read[0][-1], here, at)
            self.reduce(line, before, at)
        after = self.after(line, here, at)
        return [after if like is None else like._replace(channels=after.channels), here]

    def apart(self, index: int, line: Line, read: Sequence[Map], at: Place) -> Map:
        """What a line makes that has a branch for each map that it reads."""
        found = forked(line, self.spec.blocks)
        several = 0 if found is None else len(found[0].branches)
        if found is None or several != len(read):
            message = f"expected {len(read)} branches as its first step, got"
            self.wrong((*at, "merge"), f"{message} {several or 'none'}")
            return read[0]
        if line.times is not None:
            message = f"expected none beside merge: apart, got {line.times}"
            self.wrong((*at, "repeats"), message)
        if cells_follow(self.spec.stages, index):
            message = "expected maps that are merged before a cell, got 'apart'"
            self.wrong((*at, "merge"), message)
        within = () if isinstance(line, Use) else at
        inside = remade(self, stated=False, shared={}, faults=[])
        end = inside.branches(found[0], read, within)
        end = inside.through(found[1], end, within)
        for fault in inside.faults:
            if isinstance(line, Use):
                self.wrong(at, f"block {line.block}: {fault.said}", fault.code)
            else:
                self.faults.append(fault)
        return end

    def merged(self, line: Line, read: Sequence[Map], at: Place) -> Map:
        """The one map of several, which have to be of one size to meet."""
        first, summed = read[0], line.merge != "concat"
        for k, each in enumerate(read):
            if (each != first) if summed else (each[1:] != first[1:]):
                expected, found = (first, each) if summed else (first.size, each.size)
                message = f"expected {expected} (of {line.reads[0]}), got {found}"
                self.wrong((*at, "reads", k), message)
        widths = [each.channels for each in read]
        return first._replace(channels=widths[0] if summed else sum(widths))

    def end(self, end: wiring.End, here: Map) -> None:
        """Note what is wrong with what is behind the stages, on the map it reads."""
        here = self.through(end.lines, here, (*end.place, "layers"))
        head = self.spec.classifying[end.place]
        if isinstance(head, outputs.Head) and head.channels is not None:
            wide = here._replace(channels=int(head.channels))
            self.normed(self.spec.norm, wide, (*end.place, "channels"))

    def by_level(self, output: AnyOutput, read: Sequence[Map], at: Place) -> None:
        """Note what is wrong with heads on maps of several levels."""
        if isinstance(output, outputs.Detect):
            self.kept(output, read, at)
        elif isinstance(output, outputs.Yolo):
            for here in read:
                inside = output.normed(here.channels, read[0].channels)
                for channels in dict.fromkeys(inside):
                    found = here._replace(channels=channels)
                    self.normed(self.spec.norm, found, at)

    def kept(self, output: Detect, read: Sequence[Map], at: Place) -> None:
        """Note layers of heads that do not put out what they take in, by level."""
        heard = len(self.faults)
        for k, here in enumerate(read):
            if output.shared and here.channels != read[0].channels:
                message = f"expected {read[0].channels} channels, whose heads it"
                self.wrong((*at, "reads", k), f"{message} shares, got {here.channels}")
            if len(self.faults) > heard:
                return
            inside = remade(self, stated=False)
            after = inside.through(output.layers, here, (*at, "layers"))
            if after != here:
                message = f"expected {here}, as comes in, got {after}"
                self.wrong((*at, "layers"), message)

    def inspect(self, line: Line, here: Map, at: Place) -> None:
        """Note what is wrong with a line where it stands."""
        found = [each.within(at) for each in line.faults(here.channels)]
        self.faults.extend(found)
        match line:
            case (
                Conv(channels=None, expand_ratio=None)
                | TransposedConv(channels=None)
                | PadChannels(channels=None)
            ) if self.stated and not found:
                self.wrong(at, "missing channels", "EFF101")
            case Conv(channels=tuple()) if not found:
                message = "expected one width, as nothing repeats, got a list"
                self.wrong((*at, "channels"), message)
            case CellStage():
                halve = line.stride > 1 and line.repeats in {None, 1}
                wiring = self.spec.cells[line.cell].faults(strides=halve)
                self.faults.extend(each.within(("cells", line.cell)) for each in wiring)
            case _:
                pass

    def meet(self, before: Line, older: Map, newest: Map, at: Place) -> None:
        """Note what a cell cannot make of the line before it, whose input it reads."""
        if isinstance(before, CellStage):
            return
        step, other = strides(self.spec, (before,))
        made = tuple(strided(side, ceil(step)) for side in older[1:])
        if step > HALVES or step != other or newest[1:] != made:
            message = "expected a line before the cell that keeps or halves, got"
            self.wrong(at, f"{message} {older.size} to {newest.size}")

    def reduce(self, cell: CellStage, before: Line, at: Place) -> None:
        """Note a cell too narrow to halve what it reads besides, if that is larger."""
        deep = isinstance(before, CellStage) and int(before.repeats or 1) > 1
        wiring = self.spec.cells[cell.cell]
        reads = {state for node in wiring.nodes for _, state in node} | {*wiring.concat}
        larger = not deep and strides(self.spec, (before,)) != (1, 1)
        if larger and 1 in reads and cell.stride == 1 and int(cell.channels) < PATHS:
            message = f"expected at least {PATHS} to reduce the map before, got"
            self.wrong((*at, "channels"), f"{message} {cell.channels}")

    def after(self, line: Line, here: Map, at: Place) -> Map:
        """What one line makes of a feature map."""
        match line:
            case Conv():
                channels = int(line.of(here.channels, self.unstated))
                self.convolved(line, here.channels, channels, at)
            case Branches():
                return self.branches(line, [here] * len(line.branches), at)
            case Residual():
                return self.residual(line, here, at)
            case Split():
                return self.split(line, here, at)
            case Aggregate():
                return self.aggregated(line, here, at)
            case Use():
                return self.used(line, here, at)
            case Attention():
                return self.attention(line, here, at)
            case ClassToken():
                tokens = line.tokens + here.height * here.width
                return Map(here.channels, tokens, 1)
            case FirstToken():
                return Map(here.channels, 1, 1)
            case DropTokens():
                left = here.height * here.width - line.tokens
                if left < 1:
                    message = f"expected less than the positions of {here.size}, got"
                    self.wrong((*at, "tokens"), f"{message} {line.tokens}")
                return Map(here.channels, max(1, left), 1)
            case IntoFirst():
                self.into_first(line, here, at)
                return here
            case CellStage():
                states = self.spec.cells[line.cell].concat
                channels = int(line.channels) * len(states)
            case Resized():
                inside = remade(self, stated=False)
                made = inside.through(line.layers, here, (*at, "layers"))
                return here._replace(channels=made.channels)
            case Select():
                return self.selected(line, here, at)
            case PadChannels():
                channels = int(line.of(self.unstated or here.channels))
                if channels < here.channels:
                    message = f"expected at least the {here.channels} that come in, got"
                    self.wrong((*at, "channels"), f"{message} {channels}")
            case TransposedConv():
                channels = int(line.of(self.unstated or here.channels))
                self.grouped(line, here.channels, channels, at)
            case _:
                channels = int(line.c_out(here.channels))
        if isinstance(line, PixelUnshuffle) and any(n % line.factor for n in here[1:]):
            message = f"expected one that divides {here.size}, got {line.factor}"
            self.wrong((*at, "factor"), message)
        sides = line.sides_after((here.height, here.width))
        if min(sides) < 1:  # behind a pool of the whole map
            rows, columns = line.window[0]
            self.wrong(at, f"expected at least {rows}×{columns} px, got {here}")
        there = Map(channels, max(1, sides[0]), max(1, sides[1]))
        self.normalised(line, there, at)
        self.within(line, here, there, at)
        return there

    def within(self, line: Line, here: Map, there: Map, at: Place) -> None:
        """Note what is wrong with the norms that are within a line."""
        inner = line.normed(here.channels)
        if isinstance(line, CellStage):
            inner = self.spec.cells[line.cell].normed(int(line.channels))
        before = isinstance(line, Transition)
        for channels in dict.fromkeys(inner):
            found = (here if before else there)._replace(channels=channels)
            self.normed(self.spec.norm, found, at)
        if self.spec.squeeze_excite.norm:
            self.squeezed(line, here.channels, (*at, "se_ratio"))

    def squeezed(self, line: Line, c_in: int, at: Place) -> None:
        """Note what is wrong with the norms of what a line squeezes."""
        choice = self.spec.squeeze_excite
        gated = line.gated(c_in, choice.at)
        if isinstance(line, SqueezeExcite):
            gated = iter([(c_in, self.unstated or c_in)])
        ratio = line.said.get("se_ratio", 0.0)
        squeezed = (int(choice.width(*each, ratio)) for each in gated)
        for channels in dict.fromkeys(squeezed):
            self.normed(self.spec.norm, Map(channels, 1, 1), at)

    def convolved(self, line: Conv, c_in: int, c_out: int, at: Place) -> None:
        """Note groups that do not divide the channels, weights shared by unequals."""
        self.grouped(line, c_in, c_out, at)
        if line.shared is None:
            return
        if self.shared is None:
            message = "expected none outside the file's own blocks in stages, got"
            self.wrong((*at, "shared"), f"{message} {line.shared!r}")
            return
        weights = (
            *(c_in, c_out, line.kernel, line.stride, line.groups_of(c_in)),
            *(line.bias, line.padding, line.dilation),
        )
        if self.shared.setdefault(line.shared, weights) != weights:
            message = "expected a convolution like the first of that name, got"
            self.wrong((*at, "shared"), f"{message} {line.shared!r}")

    def normalised(self, line: Line, here: Map, at: Place) -> None:
        """Note what is wrong with a line's own norm."""
        stated: Norm | bool | None = line.said.get("norm", False)
        norm = self.spec.norm
        if isinstance(stated, Norm):
            norm, at = stated, (*at, "norm")
        elif stated is False or (stated is None and not isinstance(line, Normalise)):
            return
        self.normed(norm, here, at)

    def normed(self, norm: Norm, here: Map, at: Place) -> None:
        """Note groups of a norm that do not divide the channels, or of one number."""
        groups = norm.group_width or norm.groups or 1
        if norm.kind == "instance":
            groups = here.channels
        if norm.kind == "group" and here.channels % groups:
            what = "groups" if norm.group_width is None else "of a group"
            message = f"expected a divisor of {here.channels} channels, got {groups}"
            self.wrong(at, f"{message} {what}")
            return
        if norm.group_width is not None:
            groups = here.channels // norm.group_width
        if norm.in_groups and groups == here.elements:
            self.wrong(at, f"expected several numbers to normalise, got {here}")

    def grouped(
        self, line: Conv | TransposedConv, c_in: int, c_out: int, at: Place
    ) -> None:
        """Note groups that do not divide the channels."""
        groups, key = line.groups, "groups"
        if line.group_width is not None:
            if c_in % line.group_width:
                return
            groups, key = int(line.groups_of(c_in)), "group_width"
        for channels in dict.fromkeys((c_in, c_out)):
            if channels % groups:
                message = f"expected a divisor of {channels} channels, got {groups}"
                of = "" if key == "groups" else " groups"
                self.wrong((*at, key), f"{message}{of}")

    def branches(self, line: Branches, read: Sequence[Map], at: Place) -> Map:
        """Branches of one size; for a sum or a product, of as many channels."""
        inside = remade(self, stated=False)
        ends = {
            place: inside.through(branch, here, (*at, *place))
            for (place, branch), here in zip(line.chains.items(), read, strict=True)
        }
        first, summed = next(iter(ends.values())), line.block != "concat"
        widths = [end.channels for end in ends.values()]
        if summed:
            wide = next((each for each in widths if each > 1), 1)
            first = first._replace(channels=wide)
            sides = first[1:], (1, 1)
            fitting = {Map(each, *two) for each in (wide, 1) for two in sides}
        for place, end in ends.items():
            if summed:
                if end not in fitting:
                    self.wrong((*at, *place), f"expected {first}, got {end}")
            elif end[1:] != first[1:]:
                message = f"expected {first.size}, got {end.size}"
                self.wrong((*at, *place), message)
        return first if summed else first._replace(channels=sum(widths))

    def residual(self, line: Residual, here: Map, at: Place) -> Map:
        """Layers that put out what the shortcut does."""
        inside = remade(self, stated=False, unstated=here.channels)
        out = inside.through(line.layers, here, (*at, "layers"))
        key, steps = "shortcut", line.shortcut
        if line.projection is not None:
            keeps = keeps_size(line.layers, self.spec.blocks)
            if keeps and out.channels == here.channels:
                return out
            key, steps = "projection", line.projection
            if not steps:
                return out
        aside = remade(self, stated=False)
        beside = aside.through(steps, here, (*at, key))
        if out != beside:
            message = f"expected {beside} (the shortcut's), got {out}"
            plain = not steps and out._replace(channels=here.channels) == here
            self.wrong((*at, "layers"), message + KEEPING * plain)
        return out

    def split(self, line: Split, here: Map, at: Place) -> Map:
        """Branches of one size, each of a part of the channels."""
        ends = list[Map]()
        for k, (branch, channels) in enumerate(
            zip(line.branches, line.parts(here.channels), strict=False)
        ):
            own, place = here._replace(channels=int(channels)), (*at, "branches", k)
            if line.cascade and branch and ends and ends[-1] != own:
                message = f"expected {own} of the branch before, to add it, got"
                self.wrong(place, f"{message} {ends[-1]}")
            inside = remade(self, stated=False, unstated=own.channels)
            end = inside.through(branch, own, place)
            if ends and end[1:] != ends[0][1:]:
                message = f"expected {ends[0].size}, got {end.size}"
                self.wrong(place, message)
            ends.append(end)
        return ends[0]._replace(channels=sum(end.channels for end in ends))

    def aggregated(self, line: Aggregate, here: Map, at: Place) -> Map:
        """Layers that keep the size, each time they are there."""
        inside = remade(self, stated=False, shared=None)
        total, last = here.channels, here
        left = int(line.repeats)
        while left:
            before, heard = last, len(self.faults)
            last = inside.through(line.layers, last, (*at, "layers"))
            if last[1:] != here[1:]:
                message = f"expected {here.size}, as comes in, got {last.size}"
                self.wrong((*at, "layers"), message)
            alike = last == before or len(self.faults) > heard
            times = left if alike else 1
            total, left = total + times * last.channels, left - times
        return here._replace(channels=total)

    def selected(self, line: Select, here: Map, at: Place) -> Map:
        """One of several parts, by a number for each channel that comes in."""
        inside = remade(self, stated=False)
        one = here._replace(channels=max(1, int(line.c_out(here.channels))))
        made = inside.through(line.layers, one, (*at, "layers"))
        wanted = Map(here.channels, 1, 1)
        if made != wanted and here.channels % line.parts == 0:
            message = f"expected {wanted}, one for each that comes in, got {made}"
            self.wrong((*at, "layers"), message)
        return one

    def attention(self, line: Attention, here: Map, at: Place) -> Map:
        """Queries, and keys of as many positions as there are values."""
        inside = remade(self, stated=False, unstated=None)
        made = {
            place: inside.through(steps, here, (*at, *place))
            for place, steps in line.chains.items()
        }
        queries, keys, *rest = made.values()
        values = rest[0] if rest else keys  # of one context
        if keys[1:] != values[1:]:
            message = f"expected {keys.size} (the keys'), got {values.size}"
            self.wrong((*at, "values"), message)
        window = None if line.project else line.size  # others are filled up
        if window and any(
            n % unit for n, unit in zip(queries[1:], window, strict=True)
        ):
            found = "×".join(map(str, dict.fromkeys(window)))
            message = f"expected one that divides {queries.size}, got {found}"
            self.wrong((*at, "size"), message)
        if queries.height * queries.width % line.areas:
            message = f"expected one that divides the positions of {queries.size}, got"
            self.wrong((*at, "areas"), f"{message} {line.areas}")
        if self.faults:
            return here
        channels = self.unstated if line.project else line.c_out(here.channels)
        return queries._replace(channels=int(channels or here.channels))

    def into_first(self, line: IntoFirst, here: Map, at: Place) -> None:
        """Layers that make one position, of the channels that come in."""
        made = self.through(line.layers, here, (*at, "layers"))
        wanted = here._replace(height=1, width=1)
        if made != wanted and not self.faults:
            message = f"expected one position of {here.channels} channels, got"
            self.wrong((*at, "layers"), f"{message} {made.size}, {made.channels}")

    def used(self, line: Use, here: Map, at: Place) -> Map:
        """The file's own block, each of a stage's that differs."""
        asked = line.arguments.get(STRIDE)
        if asked is not None and pair(asked) != (made := strides(self.spec, (line,))):
            found = "×".join(map(str, dict.fromkeys(made)))
            message = f"expected {found} (what the block makes of it), got"
            self.wrong((*at, STRIDE), f"{message} {asked}")
        differ = kinds(line, self.spec.blocks)
        if line.repeats is None and differ > 1:
            message = f"missing repeats, as block {line.block} has widths for {differ}"
            self.wrong(at, message, "EFF101")
        of_stage = self.stated and at[0] == "stages"
        shared = {} if of_stage else self.shared if line.repeats is None else None
        last, alike = here, alike_from(line, self.spec.blocks)
        for index in range(1 if line.repeats is None else int(line.repeats)):
            if index > alike and here == last:
                break  # it is like the one before, and so are all further ones
            if of_stage:
                shared = {}  # weights are of one block
            inside = remade(self, stated=False, shared=shared, faults=[])
            steps = expanded(line, self.spec.blocks, index)
            last, here = here, inside.through(steps, here, ())
            for fault in inside.faults:
                self.wrong(at, f"block {line.block}: {fault.said}", fault.code)
        if of_stage and shared and cells_follow(self.spec.stages, int(at[1])):
            message = "expected a block without shared weights before a cell, got"
            self.wrong((*at, "block"), f"{message} {line.block!r}")
        again = expanded(line, self.spec.blocks, 1)
        if line.repeats is not None and not keeps_size(again, self.spec.blocks):
            message = "expected none, as the block does not keep the size, got"
            self.wrong((*at, "repeats"), f"{message} {line.repeats}")
        return here


def fits_by_itself(spec: Spec) -> bool:
    """Whether its lines fit each other whatever their widths: blocks in a row."""
    if spec.detector or is_wired(spec) or spec.outputs or spec.norm.in_groups:
        return False
    return all(map(_fits_by_itself, lines_of(spec)))


def _fits_by_itself(line: Line) -> bool:
    norm = line.said.get("norm")
    if isinstance(norm, Norm) and norm.in_groups:
        return False
    if isinstance(line, Conv):
        return line.groups == 1 and line.group_width is None
    return isinstance(line, Block | Dense | Transition | Pool | Normalise | Activate)


def faults(spec: Spec) -> Iterator[Fault]:
    """Lines that cannot follow the one before them, resolutions too small."""
    sizes: dict[Place, Any] = {("resolution",): spec.resolution}
    for name, variant in spec.variants.items():
        sizes["variants", name, "resolution"] = variant.resolution
        yield from variants.faults(spec, name)
    sides = least_sides(spec)
    for place, resolution in sizes.items():
        for axis, message, least in too_small(spec, resolution, sides):
            yield Fault((*place, axis), message, "EFF203", instead=str(least))
    if not too_small(spec, spec.resolution, sides):
        yield from misfits(spec)


def misfits(spec: Spec) -> Iterator[Fault]:
    """Lines that cannot follow the one before them, on an image that is large enough.

    And what is stated beside each other that cannot be.
    """
    walk = Walk(spec, stated=True)
    image = Map(int(spec.image_channels), *(int(side) for side in spec.resolution))
    taps = tapped(spec) if spec.detector else []
    wired = [*wiring.faults(spec, taps)]
    yield from wired
    stem, *stages = walk.stages(image)
    for end in wiring.ends(spec):
        here = (stem, *stages)[end.numbers[0]]
        walk.end(end, here)
    for name, output in spec.outputs.items():
        if outputs.of_levels(output):
            known = wiring.called(spec)
            read = [(stem, *stages)[max(0, known.get(k, 0))] for k in output.reads]
            walk.by_level(output, read, ("outputs", name))
    met = (*_outputs(spec, (stem, *stages)), *walk.faults)
    # Nothing is known of the maps of a line or an output that reads what is not there.
    lost = {each.place[:2] for each in wired if "reads" in each.place[:-1]}
    yield from (each for each in met if each.place[:2] not in lost)
    if not spec.detector:
        yield from _only_of_detectors(spec)
        return
    from effscale.spec.neck_faults import faults_of_detector  # where there is one

    yield from faults_of_detector(walk, *spec.detector, stages)


def fitting_sides(spec: Spec) -> str:
    """Of which numbers of pixels sides are multiples that fit, if these do not."""
    unit = lcm(*least_sides(spec))
    height, width = (-(-int(side) // unit) * unit for side in spec.resolution)
    larger = spec.model_copy(update={"resolution": (height, width)})
    if (height, width) == spec.resolution or any(misfits(larger)):
        return ""
    fit = f"multiples of {unit} px fit"
    if spec.rounding.resolution_multiple % unit == 0:
        return fit
    return f"{fit}, and rounding: {{resolution_multiple: {unit}}} scales to them"


def _outputs(spec: Spec, passed: Sequence[Map]) -> Iterator[Fault]:
    """Outputs beside another head, none, or of levels that do not follow each other."""
    if not (spec.outputs or spec.sections):
        yield Fault(("outputs",), "expected at least one, found none", "EFF107")
    for key in ("head", "neck", "heads"):
        if spec.outputs and getattr(spec, key) is not None:
            yield Fault((key,), "expected none beside outputs", "EFF404")
    for end, output in zip(wiring.ends(spec), spec.outputs.values(), strict=False):
        for fault in outputs.faults(output):
            yield fault.within(end.place)
        maps = [passed[k] for k in end.numbers]
        sizes = maps if outputs.of_levels(output) else []
        for k, each in enumerate(maps if not sizes else []):
            if each[1:] != maps[0][1:]:
                message = f"expected {maps[0].size} (of {output.reads[0]}), got"
                yield Fault((*end.place, "reads", k), f"{message} {each.size}")
        for k, (before, after) in enumerate(pairwise(sizes), 1):
            height, width = (strided(side, 2) for side in before[1:])
            if after[1:] != (height, width):
                of = f"half of {output.reads[k - 1]}"
                message = f"expected {height}×{width} px, {of}, got {after.size}"
                yield Fault((*end.place, "reads", k), message)


def _only_of_detectors(spec: Spec) -> Iterator[Fault]:
    """What is stated for a neck that there is not."""
    stated: dict[Place, object] = {("heads",): spec.heads, ("scaling",): spec.scaling}
    for name, variant in spec.variants.items():
        for key in ("backbone", "neck", "heads"):
            stated["variants", name, key] = getattr(variant, key)
    for place, each in stated.items():
        if each is not None:
            yield Fault(place, "expected none without a neck", "EFF404")
