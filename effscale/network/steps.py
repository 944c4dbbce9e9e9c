"""Steps as layers, and the channels that come out of them."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from effscale.arrays import ONE, clipped, every, is_array, maximum, where
from effscale.errors import LayerError
from effscale.network.blocks import squeeze_excite
from effscale.network.cells import Ends
from effscale.network.combinators import (
    IDENTITY,
    Graph,
    Layer,
    Maybe,
    Node,
    Repeat,
    Residual,
    Sequential,
)
from effscale.network.operators.convolution import Conv, TransposedConv
from effscale.network.operators.norm import LayerScale, ResponseNorm
from effscale.network.operators.pooling import GlobalPool, Pool
from effscale.network.operators.resampling import (
    PixelShuffle,
    PixelUnshuffle,
    Upsample,
)
from effscale.spec import steps
from effscale.spec.geometry import expanded, keeps_size, kinds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.arrays import Int
    from effscale.network.blocks import Style
    from effscale.spec.values import PoolKind

    #: A layer, and the channels that come out of it.
    Step: TypeAlias = tuple[Layer, Int]
    #: A layer, and what the one after it finds.
    Made: TypeAlias = tuple[Layer, Ends]


def chain(
    lines: Sequence[steps.Line], c_in: Int, style: Style, unstated: Int | None = None
) -> tuple[Sequential, Int]:
    """The steps one after the other, named by their number unless it is only one.

    `unstated` are the channels of convolutions that state none: those that come into
    the residual around them, or else into themselves.
    """
    layers: list[tuple[str, Layer]] = []
    for index, line in enumerate(lines):
        layer, c_in = step(line, c_in, style, unstated)
        layers.append((str(index), layer))
    if len(layers) == 1 and isinstance(layers[0][1], Sequential):
        return layers[0][1], c_in
    return Sequential(tuple(layers)), c_in


def step(
    line: steps.Line, c_in: Int, style: Style, unstated: Int | None = None
) -> Step:
    """One step, and the channels that come out of it."""
    match line:
        case steps.Conv():
            return _conv(line, c_in, style, unstated)
        case steps.Depthwise():
            conv = Conv(
                c_in,
                c_in,
                line.kernel,
                line.stride,
                c_in,
                bias=line.bias,
                padding=line.padding,
                dilation=line.dilation,
                init=style.init,
            )
            return _finished(conv, line, style), c_in
        case steps.TransposedConv():
            return _transposed(line, c_in, style, unstated)
        case steps.Upsample(factor=int() as factor):
            return Upsample((factor, factor), line.mode), c_in
        case steps.PixelShuffle():
            return PixelShuffle(line.factor), line.c_out(c_in)
        case steps.PixelUnshuffle():
            return PixelUnshuffle(line.factor), line.c_out(c_in)
        case steps.Join():
            return IDENTITY, c_in
        case steps.Pool():
            kind: PoolKind = "max" if line.block == "max_pool" else "avg"
            pool = Pool(kind, *line.window, include_padding=line.include_padding)
            return pool, c_in
        case steps.GlobalPool():
            return GlobalPool(line.kind, line.to), c_in
        case steps.Normalise():
            return style.norm(c_in, line.norm), c_in
        case steps.LayerScale():
            return LayerScale(c_in, line.initial), c_in
        case steps.ResponseNorm():
            return ResponseNorm(c_in), c_in
        case steps.Activate():
            return style.act(line.activation), c_in
        case steps.SqueezeExcite():
            return squeeze_excite(c_in, c_in, line.se_ratio, style, None), c_in
        case steps.Branches():
            return _branches(line, c_in, style, unstated)
        case steps.Residual():
            return _residual(line, c_in, style, unstated)
        case steps.Use():
            if line.repeats is None:
                return chain(expanded(line, style.blocks), c_in, style, unstated)
            make, differ = used(line, style), kinds(line, style.blocks)
            layer, ends = repeated(make, differ, 1, line.repeats, Ends(c_in))
            return layer, ends.newest
        case _:
            raise LayerError(f"expected a step, got {line.block}")


def _conv(line: steps.Conv, c_in: Int, style: Style, unstated: Int | None) -> Step:
    c_out = line.of(c_in, unstated)
    conv = Conv(
        c_in,
        c_out,
        line.kernel,
        line.stride,
        line.groups,
        bias=line.bias,
        padding=line.padding,
        shared=line.shared,
        dilation=line.dilation,
        init=style.init,
    )
    return _finished(conv, line, style), c_out


def _transposed(
    line: steps.TransposedConv, c_in: Int, style: Style, unstated: Int | None
) -> Step:
    c_out = line.of(c_in if unstated is None else unstated)
    conv = TransposedConv(c_in, c_out, line.kernel, line.stride, line.groups, line.bias)
    return _finished(conv, line, style), c_out


def _finished(
    conv: Conv | TransposedConv,
    line: steps.Conv | steps.Depthwise | steps.TransposedConv,
    style: Style,
) -> Sequential:
    """A convolution with what its line asks for after it."""
    wanted = style.conv(conv) if line.norm is True else conv
    layers: list[tuple[str, Layer]] = [("conv", wanted)]
    if line.norm:
        given = None if line.norm is True else line.norm
        layers.append(("norm", style.norm(conv.c_out, given)))
    if (line.activation or style.activation) != "none":
        layers.append(("act", style.act(line.activation)))
    return Sequential(tuple(layers))


def _residual(
    line: steps.Residual, c_in: Int, style: Style, unstated: Int | None
) -> Step:
    body, c_out = chain(line.layers, c_in, style, unstated=c_in)
    if line.projection is None:
        beside, _ = chain(line.shortcut, c_in, style, unstated)
        return Residual(body.layers, beside.layers, line.scale), c_out
    keeps = keeps_size(line.layers, style.blocks)
    if not line.projection:  # a skip is free, whichever candidates have one
        skips = keeps and every(c_in == c_out)
        return Residual(body.layers, (), line.scale) if skips else body, c_out
    projection, _ = chain(line.projection, c_in, style, unstated)
    changes = where(c_in != c_out, 1, 0) if keeps else 1
    same = keeps and c_in is c_out
    aside = () if same else (("projection", Maybe(projection, changes)),)
    return Residual(body.layers, aside, line.scale), c_out


def _branches(
    line: steps.Branches, c_in: Int, style: Style, unstated: Int | None
) -> Step:
    """Branches of one feature map, summed or put one after the other."""
    nodes, widths = [], []
    for index, branch in enumerate(line.branches):
        layer, c_out = chain(branch, c_in, style, unstated)
        nodes.append(Node(f"branch{index}", (0,), layer))
        widths.append(c_out)
    ends = tuple(range(1, len(nodes) + 1))
    if line.block == "sum":
        nodes.append(Node("sum", ends, IDENTITY))
        return Graph(1, tuple(nodes), (len(nodes),)), widths[0]
    nodes.append(Node("concat", ends, IDENTITY, merge="concat"))
    return Graph(1, tuple(nodes), (len(nodes),)), sum(widths)


class Make(Protocol):
    """Block number `index` of a stage, with this stride."""

    def __call__(self, ends: Ends, stride: int, index: int, /) -> Made:
        """The block on what it finds, and what the one after it finds."""
        ...


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


def used(line: steps.Use, style: Style) -> Make:
    """Blocks of the file's own, each as it is at its number in a line."""

    def make(ends: Ends, _: int, index: int) -> Made:
        layer, c_out = chain(expanded(line, style.blocks, index), ends.newest, style)
        return layer, Ends(c_out)

    return make
