"""A line of a stage as its blocks, one after the other."""

from __future__ import annotations

from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from effscale.arrays import ONE, Int, clipped, every, is_array, maximum
from effscale.network import blocks
from effscale.network.cells import Ends, after, cell
from effscale.network.combinators import Layer, Maybe, Repeat, Sequential
from effscale.network.steps import chain, step
from effscale.spec import lines
from effscale.spec.geometry import expanded, kinds_of_block
from effscale.spec.steps import Line, Use

if TYPE_CHECKING:
    from collections.abc import Callable

    from effscale.network.style import Style
    from effscale.spec.models import Spec

    #: A layer, and what the one after it finds.
    Made: TypeAlias = tuple[Layer, Ends]


class Make(Protocol):
    """Block number `index` of a stage, with this stride."""

    def __call__(self, ends: Ends, stride: int, index: int, /) -> Made:
        """The block on what it finds, and what the one after it finds."""
        ...


def stage(line: Line, ends: Ends, spec: Spec, style: Style) -> tuple[Sequential, Ends]:
    """All blocks of a line, and what the next stage finds."""
    repeats, stride = line.times, line.window[1][0]
    make, kinds = _makes(line, spec, style)
    if repeats is None:
        layer, ends = make(ends, stride, 0)
        return Sequential((("0", layer),)), ends
    return repeated(make, kinds, stride, repeats, ends)


def repeated(
    make: Make, kinds: int, stride: int, repeats: Int, ends: Ends
) -> tuple[Sequential, Ends]:
    """The first block, with the stride; as many as differ; one repeated after them.

    The first `kinds` blocks differ, and any that does not put out what it takes in.
    Candidates that have fewer blocks do without the later ones.
    """
    layer, ends = make(ends, stride, 0)
    layers: list[tuple[str, Layer]] = [("0", layer)]
    for index in range(1, _deepest(repeats)):
        layer, found = make(ends, 1, index)
        alike = (found.newest == ends.newest) | (repeats <= index)
        if index >= kinds and every(alike):
            layers.append((str(index), Repeat(layer, maximum(0, repeats - index))))
            break
        there = clipped(repeats - index)
        layers.append((str(index), layer if there is ONE else Maybe(layer, there)))
        ends = ends.or_after(found, there)
    return Sequential(tuple(layers)), ends


def _deepest(repeats: Any) -> int:  # noqa: ANN401 - a number, or an array
    return int(repeats.max()) if is_array(repeats) else ceil(repeats)


def _makes(line: Line, spec: Spec, style: Style) -> tuple[Make, int]:
    """How a block of a line is made, and how many of its blocks differ."""
    match line:
        case lines.MBConv(c_mid=widths):
            kinds = len(widths) if isinstance(widths, tuple) else 1
            return _alike(partial(blocks.mbconv, line, style), line), kinds
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
        case Use():
            return _used(line, spec, style), kinds_of_block(
                spec.blocks[line.block], spec.blocks
            )
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


def _used(line: Use, spec: Spec, style: Style) -> Make:
    def make(ends: Ends, _: int, index: int) -> Made:
        steps = expanded(line, spec.blocks, index)
        layer, c_out = chain(steps, ends.newest, style)
        return layer, Ends(c_out)

    return make


def _step(line: Line, style: Style) -> Make:
    def make(ends: Ends, _: int, __: int) -> Made:
        layer, c_out = step(line, ends.newest, style)
        return layer, Ends(c_out)

    return make
