"""Steps as layers, and the channels that come out of them."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from effscale.arrays import ONE, Int, between, clipped, every, is_array, maximum, where
from effscale.errors import LayerError
from effscale.network.blocks import channel_attention, squeeze_excite
from effscale.network.cells import Ends
from effscale.network.combinators import (
    IDENTITY,
    Collect,
    Graph,
    Layer,
    Maybe,
    Node,
    Repeat,
    Residual,
    Sequential,
    seq,
)
from effscale.network.operators.attention import (
    Attention,
    ClassToken,
    Crop,
    DropTokens,
    Fill,
    FirstToken,
    Fourier,
    IntoFirst,
    Positions,
    QueryValueBias,
    ValuesOf,
)
from effscale.network.operators.channels import (
    PadChannels,
    Shuffle,
    Slice,
    SumParts,
)
from effscale.network.operators.convolution import Conv, TransposedConv
from effscale.network.operators.elementwise import Dropout, Multiply
from effscale.network.operators.fusion import Resize, Select
from effscale.network.operators.norm import LayerScale, ResponseNorm
from effscale.network.operators.pooling import Blur, ChannelPool, GlobalPool, Pool
from effscale.network.operators.resampling import (
    PixelShuffle,
    PixelUnshuffle,
    Upsample,
)
from effscale.spec import elements, resampling, steps, tokens
from effscale.spec.geometry import alike_from, expanded, forked, keeps_size, kinds
from effscale.spec.line import SQUARE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.network.blocks import Style
    from effscale.spec.line import Line
    from effscale.spec.values import PoolKind

    #: A layer, and the channels that come out of it.
    Step: TypeAlias = tuple[Layer, Int]
    #: A layer, and what the one after it finds.
    Made: TypeAlias = tuple[Layer, Ends]


def chain(
    lines: Sequence[Line], c_in: Int, style: Style, unstated: Int | None = None
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


def step(line: Line, c_in: Int, style: Style, unstated: Int | None = None) -> Step:
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
        case steps.MixedDepthwise():
            return _mixed(line, c_in, style), c_in
        case steps.TransposedConv():
            return _transposed(line, c_in, style, unstated)
        case resampling.Upsample(factor=int() as factor):
            return Upsample((factor, factor), line.mode), c_in
        case resampling.PixelShuffle():
            return PixelShuffle(line.factor), line.c_out(c_in)
        case resampling.PixelUnshuffle():
            return PixelUnshuffle(line.factor), line.c_out(c_in)
        case steps.Join():
            return IDENTITY, c_in
        case resampling.Pool():
            kind: PoolKind = "max" if line.block == "max_pool" else "avg"
            pool = Pool(kind, *line.window, include_padding=line.include_padding)
            return style.padded(pool), c_in
        case resampling.BlurPool():
            return _blur(line), c_in
        case resampling.ChannelPool():
            return ChannelPool(line.kind), 1
        case resampling.GlobalPool():
            return GlobalPool(line.kind, line.to), c_in
        case steps.Normalise():
            return style.norm(c_in, line.norm), c_in
        case elements.LayerScale():
            how = {"single": line.single, "shift": line.shift}
            return LayerScale(c_in, line.initial, **how), c_in
        case elements.PadChannels():
            c_out = line.of(c_in if unstated is None else unstated)
            return PadChannels(c_in, c_out), c_out
        case elements.ResponseNorm():
            return ResponseNorm(c_in), c_in
        case steps.Activate():
            return style.act(line.activation), c_in
        case steps.SqueezeExcite():
            before = c_in if unstated is None else unstated
            made = squeeze_excite(c_in, before, line.se_ratio, style, line.activation)
            return made, c_in
        case elements.Multiply():
            return Multiply(line.by), c_in
        case elements.Dropout():
            return Dropout(line.rate), c_in
        case elements.ChannelAttention():
            return channel_attention(c_in, line.size), c_in
        case steps.Branches():
            return _branches(line, [c_in] * len(line.branches), style, unstated)
        case steps.Split():
            return _split(line, c_in, style)
        case steps.Shuffle():
            return Shuffle(line.groups), c_in
        case steps.Aggregate():
            return _aggregate(line, c_in, style, unstated)
        case steps.Residual():
            return _residual(line, c_in, style, unstated)
        case steps.Resized():
            return _resized(line, c_in, style, unstated)
        case steps.Select():
            return _selected(line, c_in, style, unstated)
        case steps.Attention():
            return _attention(line, c_in, style, unstated)
        case tokens.ClassToken():
            return ClassToken(c_in, line.tokens), c_in
        case tokens.Positions():
            return _placed(line, c_in, style), c_in
        case tokens.FirstToken():
            return FirstToken(), c_in
        case tokens.DropTokens():
            return DropTokens(line.tokens), c_in
        case steps.IntoFirst():
            return _into_first(line, c_in, style, unstated), c_in
        case steps.Use():
            if line.repeats is None:
                return chain(expanded(line, style.blocks), c_in, style, unstated)
            make, differ = used(line, style, unstated), kinds(line, style.blocks)
            layer, ends = repeated(make, differ, 1, line.repeats, Ends(c_in))
            return layer, ends.newest
        case _:
            raise LayerError(f"expected a step, got {line.block}")


def _blur(line: resampling.BlurPool) -> Layer:
    """A blur; where no position is left out, there is nothing to blur for."""
    return IDENTITY if line.stride == SQUARE else Blur(line.kernel, line.stride)


def _conv(line: steps.Conv, c_in: Int, style: Style, unstated: Int | None) -> Step:
    c_out = line.of(c_in, unstated)
    conv = Conv(
        c_in,
        c_out,
        line.kernel,
        line.stride,
        line.groups_of(c_in),
        bias=line.bias,
        padding=line.padding,
        shared=line.shared,
        dilation=line.dilation,
        init=style.init,
    )
    return _finished(conv, line, style), c_out


def _mixed(line: steps.MixedDepthwise, c_in: Int, style: Style) -> Sequential:
    """Parts of the channels, each with its kernel (Tan & Le 2019, MixConv)."""
    nodes: list[Node] = []
    start: Int = 0
    parts = steps.in_parts(c_in, len(line.kernels))
    for index, (side, part) in enumerate(zip(line.kernels, parts, strict=True)):
        conv = Conv(part, part, (side, side), line.stride, part, init=style.init)
        layer = seq(slice=Slice(c_in, start, part), conv=style.padded(conv))
        nodes.append(Node(f"part{index}", (0,), layer))
        start = start + part
    ends = tuple(range(1, len(nodes) + 1))
    nodes.append(Node("concat", ends, IDENTITY, merge="concat"))
    mixed = Graph(1, tuple(nodes), (len(nodes),))
    after = _finished(Conv(c_in, c_in, groups=c_in), line, style).layers[1:]
    return Sequential((("conv", mixed), *after))


def _transposed(
    line: steps.TransposedConv, c_in: Int, style: Style, unstated: Int | None
) -> Step:
    c_out = line.of(c_in if unstated is None else unstated)
    groups = line.groups_of(c_in)
    conv = TransposedConv(c_in, c_out, line.kernel, line.stride, groups, line.bias)
    return _finished(conv, line, style), c_out


def _finished(
    conv: Conv | TransposedConv,
    line: steps.Conv | steps.Depthwise | steps.MixedDepthwise | steps.TransposedConv,
    style: Style,
) -> Sequential:
    """A convolution with what its line asks for after it."""
    wanted = style.conv(conv) if line.norm is True else style.padded(conv)
    layers: list[tuple[str, Layer]] = [("conv", wanted)]
    if line.norm:
        given = None if line.norm is True else line.norm
        layers.append(("norm", style.norm(conv.c_out, given)))
    if (line.activation or style.activation) != "none":
        layers.append(("act", style.act(line.activation)))
    return Sequential(tuple(layers))


def _split(line: steps.Split, c_in: Int, style: Style) -> Step:
    """Branches of parts of the channels, put one after the other."""
    nodes: list[Node] = []
    ends, widths = list[int](), list[Int]()
    start: Int = 0
    for index, (branch, channels) in enumerate(
        zip(line.branches, line.parts(c_in), strict=True)
    ):
        nodes.append(Node(f"part{index}", (0,), Slice(c_in, start, channels)))
        before = ends[-1:] if line.cascade and branch else []
        reads = len(nodes), *before
        layer, c_out = chain(branch, channels, style, unstated=channels)
        nodes.append(Node(f"branch{index}", reads, layer))
        ends.append(len(nodes))
        widths.append(c_out)
        start = start + channels
    nodes.append(Node("concat", tuple(ends), IDENTITY, merge="concat"))
    return Graph(1, tuple(nodes), (len(nodes),)), sum(widths)


def _aggregate(
    line: steps.Aggregate, c_in: Int, style: Style, unstated: Int | None
) -> Step:
    """The layers as often as they repeat; from where they keep their width, alike."""
    layers: list[tuple[str, Layer]] = []
    total, here = c_in, c_in
    for index in range(_deepest(line.repeats)):
        layer, found = chain(line.layers, here, style, unstated)
        if every(found == here):
            times = maximum(0, line.repeats - index)
            layers.append((str(index), Repeat(layer, times)))
            return Collect(tuple(layers)), total + here * times
        there = ONE if index == 0 else clipped(line.repeats - index)
        layers.append((str(index), layer if there is ONE else Maybe(layer, there)))
        total = total + found * there
        here = between(here, found, there)
    return Collect(tuple(layers)), total


def _residual(
    line: steps.Residual, c_in: Int, style: Style, unstated: Int | None
) -> Step:
    body, c_out = chain(line.layers, c_in, style, unstated=c_in)
    if line.projection is None:
        beside, _ = chain(line.shortcut, c_in, style, unstated)
        return Residual(body.layers, beside.layers, line.scale), c_out
    keeps = keeps_size(line.layers, style.blocks)
    if keeps and every(c_in == c_out):
        return Residual(body.layers, (), line.scale), c_out
    if not line.projection:  # a skip is free, whichever candidates have one
        return body, c_out
    projection, _ = chain(line.projection, c_in, style, unstated)
    changes = where(c_in != c_out, 1, 0) if keeps else 1
    aside = (("projection", Maybe(projection, changes)),)
    return Residual(body.layers, aside, line.scale), c_out


def _resized(
    line: steps.Resized, c_in: Int, style: Style, unstated: Int | None
) -> Step:
    """Layers on any size, whose map is brought back to that of what came in."""
    layers, c_out = chain(line.layers, c_in, style, unstated)
    resize = Node("resize", (1, 0), Resize(line.mode), merge="apart")
    return Graph(1, (Node("layers", (0,), layers), resize), (2,)), c_out


def _into_first(
    line: steps.IntoFirst, c_in: Int, style: Style, unstated: Int | None
) -> Layer:
    """What layers make of a map, in place of its first position."""
    layers, _ = chain(line.layers, c_in, style, unstated)
    into = Node("into", (1, 0), IntoFirst(), merge="apart")
    return Graph(1, (Node("layers", (0,), layers), into), (2,))


def _selected(
    line: steps.Select, c_in: Int, style: Style, unstated: Int | None
) -> Step:
    """Parts, their sum, what layers make of that, and the parts by it."""
    c_out = line.c_out(c_in)
    layers, _ = chain(line.layers, c_out, style, unstated)
    nodes = (
        Node("sum", (0,), SumParts(line.parts)),
        Node("layers", (1,), layers),
        Node("select", (0, 2), Select(line.parts), merge="apart"),
    )
    return Graph(1, nodes, (3,)), c_out


def _branches(
    line: steps.Branches,
    c_in: Sequence[Int],
    style: Style,
    unstated: Int | None,
    inputs: int = 1,
) -> Step:
    """Branches of one feature map, or each of its own, merged."""
    nodes, widths = [], []
    for index, (branch, channels) in enumerate(zip(line.branches, c_in, strict=True)):
        layer, c_out = chain(branch, channels, style, unstated)
        nodes.append(Node(f"branch{index}", (index if inputs > 1 else 0,), layer))
        widths.append(c_out)
    ends = tuple(range(inputs, inputs + len(nodes)))
    nodes.append(Node(line.block, ends, IDENTITY, merge=line.block))
    if line.block == "concat":
        c_out = sum(widths)
    else:
        c_out = next((each for each in widths if not every(each == 1)), widths[0])
    return Graph(inputs, tuple(nodes), (ends[-1] + 1,)), c_out


def apart(line: Line, c_in: Sequence[Int], style: Style) -> tuple[Sequential, Int]:
    """A line whose first step has a branch for each map that it reads."""
    found = forked(line, style.blocks)
    if found is None or len(found[0].branches) != len(c_in):
        raise LayerError(f"expected {len(c_in)} branches, got {line.block}")
    layer, c_out = _branches(found[0], c_in, style, None, len(c_in))
    after, c_out = chain(found[1], c_out, style)
    return seq(fork=layer, **dict(after.layers)), c_out


def _placed(line: tokens.Positions, c_in: Int, style: Style) -> Layer:
    """A learnt map of positions, or a convolution of waves along both sides."""
    if line.kind == "learnt":
        return Positions()
    waves = Fourier()
    project = Conv(waves.channels, c_in, bias=True, init=style.init)
    nodes = (
        Node("positions", (0,), seq(waves=waves, project=style.padded(project))),
        Node("sum", (0, 1), IDENTITY),
    )
    return Graph(1, nodes, (2,))


def _attention(
    line: steps.Attention, c_in: Int, style: Style, unstated: Int | None
) -> Step:
    """Queries, keys and values, what becomes of them, and a projection of that."""
    heads, key, value = line.heads_of(c_in)
    attend = Attention(
        heads,
        key,
        value,
        line.kind,
        line.multi_query,
        apart=not line.alike,
        over=line.over,
        size=line.size or SQUARE,
        areas=line.areas,
        shift=line.shift,
        position=line.position,
    )
    seen = _beside_values(line, attend, style)
    if not line.project:
        return seen, heads * value
    c_out = c_in if unstated is None else unstated
    widths = attend.widths()
    project = Conv(heads * value, c_out, bias=line.bias is not False, init=style.init)
    if line.alike:
        qkv = Conv(c_in, widths[0], bias=line.bias is True, init=style.init)
        biased = {"bias": _biases(attend)} if line.bias == "not_keys" else {}
        layers = seq(qkv=qkv, **biased, attend=seen, project=project)
        return _filled(layers, attend), c_out
    nodes: list[Node] = []
    read, c_read = 0, c_in
    first, *others = line.chains.values()
    own = [first, *(() if line.context else others)]
    for index, (name, width) in enumerate(zip(NAMES, widths, strict=True)):
        if line.context and index == 1:
            context, c_read = chain(line.context, c_in, style)
            nodes.append(Node("context", (0,), context))
            read = len(nodes)
        lines = own[index] if index < len(own) else ()
        before, c_mid = chain(lines, c_read, style)
        bias = line.bias is True or (line.bias == "not_keys" and name != "key")
        conv = Conv(c_mid, width, bias=bias, init=style.init)
        made = seq(before=before, project=conv) if lines else seq(project=conv)
        nodes.append(Node(name, (read,), made))
    last = len(nodes)
    ends = 1, last - 1, last
    nodes.append(Node("attend", ends, attend, merge="apart"))
    nodes.append(Node("project", (last + 1,), project))
    return Graph(1, tuple(nodes), (last + 2,)), c_out


#: What attention is of.
NAMES = ("query", "key", "value")


def _biases(attend: Attention) -> QueryValueBias:
    return QueryValueBias(
        attend.heads, attend.query_width, attend.key_width, attend.value_width
    )


def _beside_values(line: steps.Attention, attend: Attention, style: Style) -> Layer:
    """Attention, and where its line asks for it a depthwise convolution of values."""
    if line.local is None:
        return attend
    values = ValuesOf(attend.heads, attend.key_width, attend.value_width)
    width, kernel = values.channels, (line.local, line.local)
    conv = Conv(width, width, kernel, groups=width, init=style.init)
    nodes = (
        Node("attend", (0,), attend),
        Node("values", (0,), values),
        Node("local", (2,), seq(conv=conv, norm=style.norm(width))),
        Node("sum", (1, 3), IDENTITY),
    )
    return Graph(1, nodes, (4,))


def _filled(layers: Sequential, attend: Attention) -> Layer:
    """The layers on a map that windows fill, and that is cropped after them."""
    if attend.over is None:
        return layers
    within = Sequential((("fill", Fill(attend.size)), *layers.layers))
    nodes = (
        Node("within", (0,), within),
        Node("crop", (1, 0), Crop(), merge="apart"),
    )
    return Graph(1, nodes, (2,))


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


def used(line: steps.Use, style: Style, unstated: Int | None = None) -> Make:
    """Blocks of the file's own, each as it is at its number in a line."""
    alike = alike_from(line, style.blocks)
    found: list[tuple[Int, Made]] = []

    def make(ends: Ends, _: int, index: int) -> Made:
        c_in = ends.newest
        if index > alike and found and every(found[-1][0] == c_in):
            return found[-1][1]  # it is like the one before
        written = expanded(line, style.blocks, index)
        layer, c_out = chain(written, c_in, style, unstated)
        found.append((c_in, (layer, Ends(c_out))))
        return found[-1][1]

    return make
