"""A spec as a network: stem, stages, and a head, or a neck and the heads behind it."""

from __future__ import annotations

from functools import partial
from math import ceil
from typing import TYPE_CHECKING

from effscale.data import remade
from effscale.errors import LayerError, placed
from effscale.network import blocks
from effscale.network.blocks import Style
from effscale.network.cells import Ends, after, cell
from effscale.network.combinators import (
    IDENTITY,
    Graph,
    Layer,
    Node,
    Sequential,
)
from effscale.network.deployed import deployed
from effscale.network.heads import classifier_part, detection_parts
from effscale.network.names import operators
from effscale.network.necks import neck_part
from effscale.network.operators.fusion import Resize
from effscale.network.outputs import Level, output_part
from effscale.network.parts import Network, Part
from effscale.network.shapes import Shape
from effscale.network.steps import apart, chain, repeated, step, used
from effscale.spec import lines
from effscale.spec.geometry import kinds, strides, tapped, totals
from effscale.spec.lines import CellStage, cells_follow
from effscale.spec.resampling import Upsample
from effscale.spec.steps import Use
from effscale.spec.wiring import ends, followed, sources

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from effscale.arrays import Int
    from effscale.network.steps import Made, Make
    from effscale.spec.line import Line
    from effscale.spec.models import Spec


def network(spec: Spec) -> Network:
    """The network that `spec` states, for its own resolution.

    Built module paths follow the parts: `stem.conv`, `stages.2.0.expand.conv` (third
    stage, first block), `head.classifier`; of a detector, which has no stages beyond
    those that are tapped, `neck.0.p6_td`, `class_head.0`, `box_head.predict`.
    """
    style, taps = Style.of(spec), tapped(spec)
    with placed("stem"):
        layer, c_out = chain(spec.stem, spec.image_channels, style)
    parts = [_part(spec, "stem", "stem", spec.stem, layer, c_out)]
    reads, image = sources(spec), Ends(spec.image_channels)

    def through(index: int, line: Line, read: list[Ends]) -> Ends:
        with placed(f"stages[{index}]"):
            layer, after = _reading(index, line, read, spec, style)
        name, path = line.name or f"stage {index + 1}", f"stages.{index}"
        part = _part(spec, name, path, (line,), layer, after.newest)
        chained = reads[index] == (index,)
        parts.append(part if chained else remade(part, reads=reads[index]))
        return after

    found = followed(spec, image, Ends(c_out), through, taps[-1] + 1 if taps else None)
    behind = _behind(spec, found, [(k + 1, found[k + 1]) for k in taps], style)
    parts += behind
    shape = Shape(spec.image_channels, *spec.resolution)
    made = Network(spec.name, shape, tuple(parts), spec.stochastic_depth)
    return deployed(made) if spec.deployed else made


def _reading(
    index: int, line: Line, read: Sequence[Ends], spec: Spec, style: Style
) -> tuple[Sequential, Ends]:
    """A stage on what it reads, merged or each for a branch of its own."""
    if line.merge == "apart":
        layer, c_out = apart(line, [each.newest for each in read], style)
        return layer, Ends(c_out)
    before = _taken(line, read)
    layer, after = _stage(index, line, before, spec, style)
    return _merged(line, read, before, layer), after


def _taken(line: Line, read: Sequence[Ends]) -> Ends:
    """What a line finds, of what those that it reads put out."""
    maps = read[:-1] if line.likened else read
    if isinstance(line, CellStage) or len(maps) == 1:
        return maps[0] if isinstance(line, CellStage) else Ends(maps[0].newest)
    widths = [each.newest for each in maps]
    return Ends(sum(widths) if line.merge == "concat" else widths[0])


def _stage(
    index: int, line: Line, before: Ends, spec: Spec, style: Style
) -> tuple[Sequential, Ends]:
    """The blocks of a stage, which hand on what they took in if a cell follows."""
    layer, after = stage(line, before, spec, style)
    if spec.cells and after.older is None and cells_follow(spec.stages, index):
        halves = strides(spec, (line,)) != (1, 1)
        return _with_input(layer), Ends(after.newest, before.newest, int(halves))
    return layer, after


def _merged(
    line: Line, read: Sequence[Ends], before: Ends, layer: Sequential
) -> Sequential:
    """`layer` on the one map of several that its line reads, or on the newest of two.

    Another line's map whose size is taken is the last of them, and is not merged.
    """
    maps = len(read) - bool(line.likened)
    if maps == 1:
        return layer if line.likened else _newest(read[0], before, layer)
    node = Node("merge", tuple(range(maps)), IDENTITY, merge=line.merge)
    alike = (maps,) if line.likened else ()
    merge = Graph(len(read), (node,), (len(read), *alike))
    return Sequential((("merge", merge), *layer.layers))


def _outputs(spec: Spec, found: Sequence[Ends], style: Style) -> list[Part]:
    """A part for each output, on the lines that it reads."""
    strided = [strides(spec, spec.stem), *totals(spec)]
    parts = []
    for end, (name, given) in zip(ends(spec), spec.outputs.items(), strict=True):
        read = [Level(k, found[k].newest, strided[k]) for k in end.numbers]
        with placed(f"outputs.{name}"):
            part = output_part(name, given, read, style)
        if end.numbers == part.reads and len(read) == 1:
            own = found[end.numbers[0]]
            layer = _newest(own, Ends(own.newest), part.layer)
            part = remade(part, layer=layer)
        parts.append(part)
    return parts


def _behind(
    spec: Spec, found: Sequence[Ends], taps: Sequence[tuple[int, Ends]], style: Style
) -> list[Part]:
    """What reads the stages: a head the last, a neck those that are tapped.

    `taps` are the numbers of these parts, lowest level first, and what they put out.
    """
    if spec.head is not None:
        last = found[-1]
        with placed("head"):
            part = classifier_part(spec.head, last.newest, style)
        if last.older is None:
            return [part]
        return [remade(part, layer=_newest(last, Ends(last.newest), part.layer))]
    if spec.outputs:
        return _outputs(spec, found, style)
    if spec.detector is None:
        raise LayerError("head: expected a head, or a neck with heads, got none")
    neck, heads = spec.detector
    part = neck_part(neck, taps, style)
    with placed("heads"):
        return [part, *detection_parts(heads, neck, (taps[-1][0] + 1,), style)]


def _part(  # noqa: PLR0913, PLR0917 - a part has as many fields
    spec: Spec,
    name: str,
    path: str,
    lines: tuple[Line, ...],
    layer: Sequential,
    c_out: Int,
) -> Part:
    """A row of a report; its kernel is that of its first line, if that has one."""
    first, (down, across) = lines[0], strides(spec, lines)
    return Part(
        name=name,
        path=path,
        operator=operators(lines),
        kernel=first.sides,
        stride=(ceil(down), ceil(across)),
        channels=c_out,
        repeats=1 if first.times is None else first.times,
        layer=layer,
    )


def _with_input(layer: Sequential) -> Sequential:
    """`layer`, which hands on what it took in as well: a cell reads both."""
    both = Graph(1, (Node("blocks", (0,), layer),), (1, 0))
    return Sequential((("both", both),))


def _newest(before: Ends, wanted: Ends, layer: Sequential) -> Sequential:
    """`layer` on the newest output alone, where cells have handed on two."""
    if before.older is None or wanted.older is not None:
        return layer
    newest = Graph(2, (), (0,))
    return Sequential((("newest", newest), *layer.layers))


def stage(line: Line, ends: Ends, spec: Spec, style: Style) -> tuple[Sequential, Ends]:
    """All blocks of a line, and what the next stage finds."""
    repeats, stride = line.times, line.window[1][0]
    make, kinds = _makes(line, spec, style)
    if repeats is None:
        layer, ends = make(ends, stride, 0)
        return Sequential((("0", layer),)), ends
    return repeated(make, kinds, stride, repeats, ends)


def _makes(line: Line, spec: Spec, style: Style) -> tuple[Make, int]:
    """How a block of a line is made, and how many of its blocks differ."""
    match line:
        case lines.MBConv(c_mid=widths):
            differ = len(widths) if isinstance(widths, tuple) else 1
            return _alike(partial(blocks.mbconv, line, style), line), differ
        case lines.Separable():
            return _alike(partial(blocks.separable, line, style), line), 1
        case lines.Basic():
            return _alike(partial(blocks.basic, line, style), line), 1
        case lines.Bottleneck():
            return _alike(partial(blocks.bottleneck, line, style), line), 1
        case lines.Dense():
            return _growing(line, style), 1
        case lines.Transition():
            return _transition(line, style), 1
        case lines.CellStage():
            return _cells(line, spec, style), 2
        case Upsample(like=str()):
            return _likened(line), 1
        case Use():
            return used(line, style), kinds(line, spec.blocks)
        case _:
            return _step(line, style), 1


def _alike(block: Callable[[Int, int, int], Layer], line: lines.Block) -> Make:
    return lambda ends, stride, index: (
        block(ends.newest, stride, index),
        Ends(line.channels),
    )


def _growing(line: lines.Dense, style: Style) -> Make:
    return lambda ends, _, __: (
        blocks.dense(line, style, ends.newest),
        Ends(ends.newest + line.growth),
    )


def _transition(line: lines.Transition, style: Style) -> Make:
    return lambda ends, _, __: (
        blocks.transition(line, style, ends.newest),
        Ends(line.c_out(ends.newest)),
    )


def _cells(line: lines.CellStage, spec: Spec, style: Style) -> Make:
    wiring = spec.cells[line.cell]
    return lambda ends, stride, _: (
        cell(wiring, line.channels, stride, ends, style),
        after(wiring, line.channels, stride, ends),
    )


def _likened(line: Upsample) -> Make:
    return lambda ends, _, __: (Resize(line.mode), Ends(ends.newest))


def _step(line: Line, style: Style) -> Make:
    def make(ends: Ends, _: int, __: int) -> Made:
        layer, c_out = step(line, ends.newest, style)
        return layer, Ends(c_out)

    return make
