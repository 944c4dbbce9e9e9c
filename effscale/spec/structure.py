"""What a spec's lines must be to each other, so that one can follow another."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

from effscale.arrays import strided, valid
from effscale.spec.cells import cells_follow, meeting
from effscale.spec.line_faults import line_faults
from effscale.spec.lines import Block, CellStage, Dense, Transition
from effscale.spec.neck_faults import neck_faults
from effscale.spec.nodes import dotted
from effscale.spec.sizes import least_sides, lines_of, too_small
from effscale.spec.steps import (
    Activate,
    Branches,
    Conv,
    Normalise,
    Pool,
    Residual,
    Use,
)
from effscale.spec.types import of_block
from effscale.spec.used import expanded, kinds_of_block
from effscale.spec.wrong import Wrong

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from effscale.spec.models import Spec
    from effscale.spec.nodes import Place
    from effscale.spec.steps import Line

    #: Place in the file, and what is wrong there; with its rule where it has its own.
    Finding: TypeAlias = tuple[Place, str] | Wrong
    #: Finds as it goes, and gives the feature map that comes out.
    Through: TypeAlias = Generator["Finding", None, "Map"]


class Map(NamedTuple):
    """A feature map: channels, height, width."""

    channels: int
    height: int
    width: int


def fits_by_itself(spec: Spec) -> bool:
    """Whether its lines fit each other whatever their widths: blocks in a row."""
    return spec.neck is None and all(
        isinstance(line, Block | Dense | Transition | Pool | Normalise | Activate)
        or (isinstance(line, Conv) and line.groups == 1)
        for line in lines_of(spec)
    )


def faults(spec: Spec) -> Iterator[Finding]:
    """Lines that cannot follow the one before them, resolutions too small."""
    sizes: dict[Place, Any] = {("resolution",): spec.resolution}
    for name, variant in spec.variants.items():
        sizes["variants", name, "resolution"] = variant.resolution
        yield from _overrides(spec, name)
    sides = least_sides(spec)
    for place, resolution in sizes.items():
        for axis, message, least in too_small(spec, resolution, sides):
            yield Wrong((*place, axis), message, "EFF203", "", str(least))
    if too_small(spec, spec.resolution, sides):
        return
    here = Map(int(spec.image_channels), *(int(side) for side in spec.resolution))
    reader = _Reader(spec, stated=True)
    here = yield from reader.through(spec.stem, here, ("stem",))
    passed = yield from reader.along(spec.stages, here, ("stages",))
    if spec.head is not None:
        yield from reader.through(spec.head.layers, passed[-1], ("head", "layers"))
    yield from neck_faults(spec, passed, replace(reader, stated=False).through)


def _overrides(spec: Spec, name: str) -> Iterator[Finding]:
    """A variant's own list of repeats has one for each stage that repeats."""
    given = spec.variants[name].repeats
    stages = [
        each for each in spec.stages if getattr(each, "repeats", None) is not None
    ]
    if given is not None and len(given) != len(stages):
        message = f"expected {len(stages)}, one for each stage with repeats, got"
        yield ("variants", name, "repeats"), f"{message} {len(given)}"


@dataclass(frozen=True)
class _Reader:
    """Follows lines; `unstated` are the channels of convolutions that state none."""

    spec: Spec
    stated: bool = False
    unstated: int | None = None
    #: Convolutions of the block whose weights are shared, by name; None outside one.
    shared: dict[str, tuple[object, ...]] | None = None

    def through(self, lines: Sequence[Line], here: Map, place: Place) -> Through:
        """What `lines` make of a feature map; where they could not, what is wrong."""
        passed = yield from self.along(lines, here, place)
        return passed[-1] if passed else here

    def along(
        self, lines: Sequence[Line], here: Map, place: Place
    ) -> Generator[Finding, None, list[Map]]:
        """What each of `lines` puts out; where they could not, what is wrong."""
        passed: list[Map] = []
        older = here
        for index, line in enumerate(lines):
            at = (*place, index)
            yield from line_faults(self.spec, line, here, at, stated=self.stated)
            if isinstance(line, CellStage) and index > 0:
                yield from meeting(self.spec, lines[index - 1], older[1:], here[1:], at)
            older, here = here, (yield from self.after(line, here, at))
            passed.append(here)
        return passed

    def after(self, line: Line, here: Map, at: Place) -> Through:
        """What one line makes of a feature map."""
        match line:
            case Branches():
                return (yield from self.branches(line, here, at))
            case Residual():
                return (yield from self.residual(line, here, at))
            case Use():
                return (yield from self.used(line, here, at))
            case Dense() | Transition():
                channels = int(line.c_out(here.channels))
            case CellStage():
                states = self.spec.cells[line.cell].concat
                channels = int(line.channels) * len(states)
            case Conv():
                channels = int(line.of(self.unstated or here.channels))
                yield from self.convolved(line, here.channels, channels, at)
            case _:
                own = of_block(getattr(line, "channels", None), 0)
                channels = here.channels if own is None else int(own)
        kernel, stride, padding = line.window
        sides = (
            valid(n, k, s) if padding == "valid" else strided(n, s)
            for n, k, s in zip(here[1:], kernel, stride, strict=True)
        )
        return Map(channels, *sides)

    def convolved(
        self, line: Conv, c_in: int, c_out: int, at: Place
    ) -> Iterator[Finding]:
        """Groups that divide the channels; weights that are shared by equals."""
        for channels in dict.fromkeys((c_in, c_out)):
            if channels % line.groups:
                message = (
                    f"expected a divisor of {channels} channels, got {line.groups}"
                )
                yield (*at, "groups"), message
        if line.shared is None:
            return
        if self.shared is None:
            message = "expected none outside the file's own blocks in stages, got"
            yield (*at, "shared"), f"{message} {line.shared!r}"
            return
        weights = (
            c_in,
            c_out,
            line.kernel,
            line.stride,
            line.groups,
            line.bias,
            line.padding,
            line.dilation,
        )
        if self.shared.setdefault(line.shared, weights) != weights:
            message = "expected a convolution like the first of that name, got"
            yield (*at, "shared"), f"{message} {line.shared!r}"

    def branches(self, line: Branches, here: Map, at: Place) -> Through:
        """Branches of one size; for a sum, of as many channels."""
        inside = replace(self, stated=False)
        ends: list[Map] = []
        for k, branch in enumerate(line.branches):
            where = (*at, "branches", k)
            ends.append((yield from inside.through(branch, here, where)))
        first, like = ends[0], slice(0 if line.block == "sum" else 1, None)
        for k, end in enumerate(ends[1:], 1):
            if end[like] != first[like]:
                message = f"expected {_said(first, like)}, gives {_said(end, like)}"
                yield (*at, "branches", k), message
        if line.block == "sum":
            return first
        return first._replace(channels=sum(end.channels for end in ends))

    def residual(self, line: Residual, here: Map, at: Place) -> Through:
        """Layers that put out what the shortcut does."""
        inside = replace(self, stated=False, unstated=here.channels)
        out = yield from inside.through(line.layers, here, (*at, "layers"))
        aside = replace(self, stated=False)
        beside = yield from aside.through(line.shortcut, here, (*at, "shortcut"))
        if out != beside:
            whole = slice(None)
            message = f"expected {_said(beside, whole)} (the shortcut's), gives"
            yield (*at, "layers"), f"{message} {_said(out, whole)}"
        return out

    def used(self, line: Use, here: Map, at: Place) -> Through:
        """The file's own block, each of a stage's that differs."""
        before = here
        kinds = kinds_of_block(self.spec.blocks[line.block], self.spec.blocks)
        if line.repeats is None and kinds > 1:
            message = f"missing repeats, as block {line.block} has widths for {kinds}"
            yield Wrong(at, message, "EFF101")
        of_stage = self.stated and at[0] == "stages"
        shared: dict[str, tuple[object, ...]] | None = {} if of_stage else self.shared
        for index in range(1 if line.repeats is None else int(line.repeats)):
            if of_stage:
                shared = {}  # weights are of one block
            inside = replace(self, stated=False, shared=shared)
            steps = expanded(line, self.spec.blocks, index)
            last, found = here, inside.through(steps, here, ())
            here = yield from _within(line.block, found, at)
            if index >= kinds and here == last:
                break  # all further ones are like it
        if of_stage and shared and cells_follow(self.spec.stages, int(at[1])):
            message = "expected a block without shared weights before a cell, got"
            yield (*at, "block"), f"{message} {line.block!r}"
        if line.repeats is not None and here[1:] != before[1:]:
            message = "expected none, as the block does not keep the size, got"
            yield (*at, "repeats"), f"{message} {line.repeats}"
        return here


def _within(block: str, through: Through, at: Place) -> Through:
    """The findings of a used block, at the line that uses it."""
    while True:
        try:
            found = Wrong(*next(through))
        except StopIteration as end:
            return cast("Map", end.value)
        message = f"block {block}: {dotted(found.place)}: {found.message}"
        yield Wrong(at, message, found.code)


def _said(end: Map, same: slice) -> str:
    words = [f"{end.channels} channels", f"{end.height}×{end.width} px"]
    return " of ".join(words[same])
