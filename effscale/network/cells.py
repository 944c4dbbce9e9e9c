"""Cells: small graphs that read the two outputs before them (Zoph et al. 2017).

The mechanics that NASNet-A, PNASNet and AmoebaNet share, as their released code has
them: tpu/models/official/amoeba_net/network_utils.py:121-511 and TensorFlow's
research/slim/nets/nasnet/nasnet_utils.py. State 0 is the newest output by a 1×1
convolution; state 1 the one before it, at the size and width of the cell. Operators of
nodes are activation, convolution, norm, in that order (network_utils.py:121-160,
208-273, 382-481); of an odd width the second path of a reduction has the greater half
(nasnet_utils.py:122-124).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from effscale.arrays import ZERO, between, where, whole_share
from effscale.data import data
from effscale.errors import LayerError
from effscale.network.blocks import conv_norm
from effscale.network.combinators import (
    IDENTITY,
    Graph,
    Layer,
    Maybe,
    Node,
    Sequential,
    seq,
)
from effscale.network.operators.convolution import Conv
from effscale.network.operators.elementwise import Shift
from effscale.network.operators.pooling import Pool
from effscale.spec.lines import QUARTER

if TYPE_CHECKING:
    from effscale.arrays import Int
    from effscale.network.blocks import Style
    from effscale.network.shapes import Window
    from effscale.spec.lines import Cell
    from effscale.spec.values import PoolKind

#: What each path of a reduction has of its channels.
HALF = 0.5


@data
class Ends:
    """What the next cell finds: channels of the newest output and of the one before.

    `larger` is 1 where the one before is twice the size; `older` is None before the
    first cell, which takes the newest for both.
    """

    newest: Int
    older: Int | None = None
    larger: Int = 0

    def or_after(self, found: Ends, there: Int) -> Ends:
        """These ends, or those found after a block where it is there."""
        newest = between(self.newest, found.newest, there)
        if self.older is None or found.older is None:
            return Ends(newest, found.older, found.larger)
        older = between(self.older, found.older, there)
        return Ends(newest, older, between(self.larger, found.larger, there))


class State(NamedTuple):
    """A feature map of a cell: its number in the graph, its channels, its size."""

    number: int
    channels: Int
    at_input_size: bool


def after(wiring: Cell, channels: Int, stride: int, ends: Ends) -> Ends:
    """What the next cell finds after one whose nodes have these channels."""
    return Ends(channels * len(wiring.concat), ends.newest, int(stride > 1))


def cell(wiring: Cell, channels: Int, stride: int, ends: Ends, style: Style) -> Graph:
    """One cell; hands on its output, and what was the newest before it.

    Operators stride only where they read state 0 or 1. States that are put out at the
    size of the input are reduced first.
    """
    inputs = 1 if ends.older is None else 2
    read = {state for node in wiring.nodes for _, state in node} | {*wiring.concat}
    newest = conv_norm_after_act(ends.newest, channels, style)
    nodes = [
        Node("state0", (0,), newest if 0 in read else IDENTITY),
        Node(
            "state1",
            (inputs - 1,),
            _older(wiring, ends, channels, style) if 1 in read else IDENTITY,
        ),
    ]
    # Before the first cell there is one output, which state 1 is as it is.
    raw = ends.older is None and wiring.fit == "needed"
    states = [
        State(inputs, channels, at_input_size=True),
        State(inputs + 1, ends.newest if raw else channels, at_input_size=True),
    ]

    def add(node: Node) -> int:
        nodes.append(node)
        return inputs + len(nodes) - 1

    for number, reads in enumerate(wiring.nodes, 2):
        ins = []
        for k, (name, index) in enumerate(reads):
            state = states[index]
            step = stride if state.at_input_size else 1
            layer = operator(name, state.channels, channels, step, style)
            ins.append(add(Node(f"state{number}_{k}", (state.number,), layer)))
        total = add(Node(f"state{number}", tuple(ins), IDENTITY))
        states.append(State(total, channels, at_input_size=False))
    put_out = []
    for index in wiring.concat:
        state = states[index]
        out = state.number
        if state.at_input_size and (stride > 1 or state.channels is not channels):
            layer = _put_out(state.channels, channels, stride, style)
            out = add(Node(f"out{index}", (state.number,), layer))
        put_out.append(out)
    output = add(Node("concat", tuple(put_out), IDENTITY, merge="concat"))
    return Graph(inputs, tuple(nodes), (output, 0))


def _older(wiring: Cell, ends: Ends, channels: Int, style: Style) -> Layer:
    """State 1: halved where it is larger, 1×1 where its width is another."""
    if ends.older is None:
        fit = conv_norm_after_act(ends.newest, channels, style)
        return fit if wiring.fit == "always" else IDENTITY
    layers: dict[str, Layer] = {}
    if ends.larger is not ZERO:
        halve = reduction(ends.older, channels, style, act=True)
        layers["halve"] = Maybe(halve, ends.larger)
    halved = between(ends.older, channels, ends.larger)
    fit = conv_norm_after_act(halved, channels, style)
    unlike = where(halved != channels, 1, 0)
    layers["fit"] = Maybe(fit, 1 - ends.larger if wiring.fit == "always" else unlike)
    return seq(**layers)


def _put_out(c_in: Int, c_out: Int, stride: int, style: Style) -> Layer:
    """What makes an input-sized state as large and wide as the others put out."""
    if stride > 1:
        return reduction(c_in, c_out, style, act=False)
    unlike = where(c_in != c_out, 1, 0)
    return seq(fit=Maybe(conv_norm_after_act(c_in, c_out, style), unlike))


# What the nodes of a cell do with a state.


def conv_norm_after_act(
    c_in: Int,
    c_out: Int,
    style: Style,
    kernel: Window = (1, 1),
    stride: Window = (1, 1),
) -> Sequential:
    """Activation, convolution, batch norm."""
    conv = Conv(c_in, c_out, kernel, stride)
    return seq(act=style.act(), conv=style.conv(conv), norm=style.norm(c_out))


def operator(name: str, c_in: Int, c_out: Int, stride: int, style: Style) -> Layer:
    """The operator of that name (`spec.lines.OPERATORS`) on a state of the cell."""
    words = name.split("_")
    kernels = [_kernel(word) for word in words if word[0].isdigit()]
    kind = "_".join(word for word in words if not word[0].isdigit())
    match kind, kernels:
        case "identity", _:
            return _identity(c_in, c_out, stride, style)
        case "sep", [kernel]:
            return _separable(kernel, c_in, c_out, stride, style)
        case "dil", [kernel]:
            return _dilated(kernel, c_in, c_out, stride, style)
        case "conv", [(1, 1)]:
            return conv_norm_after_act(c_in, c_out, style, stride=(stride, stride))
        case "conv", _:
            return _bottleneck(kernels, c_in, c_out, stride, style)
        case "max_pool" | "avg_pool", [kernel]:
            which: PoolKind = "max" if kind == "max_pool" else "avg"
            pool = style.padded(Pool(which, kernel, (stride, stride)))
            fit = conv_norm(Conv(c_in, c_out), style)
            return seq(pool=pool, fit=Maybe(fit, where(c_in != c_out, 1, 0)))
        case _:
            raise LayerError(f"expected an operator of a cell, got {name!r}")


def _kernel(word: str) -> Window:
    rows, columns = word.split("x")
    return int(rows), int(columns)


def _identity(c_in: Int, c_out: Int, stride: int, style: Style) -> Layer:
    """Nothing, or a 1×1 convolution where size or width change."""
    changes = 1 if stride > 1 else where(c_in != c_out, 1, 0)
    conv = conv_norm_after_act(c_in, c_out, style, stride=(stride, stride))
    return seq(fit=Maybe(conv, changes))


def _separable(
    kernel: Window, c_in: Int, c_out: Int, stride: int, style: Style
) -> Layer:
    """Depthwise and pointwise, twice; stride and change of width in the first."""
    layers: dict[str, Layer] = {}
    for index, (width, step) in enumerate([(c_in, stride), (c_out, 1)]):
        layers[f"act{index}"] = style.act()
        conv = Conv(width, width, kernel, (step, step), width)
        layers[f"depthwise{index}"] = style.padded(conv)
        layers[f"pointwise{index}"] = style.conv(Conv(width, c_out))
        layers[f"norm{index}"] = style.norm(c_out)
    return seq(**layers)


def _dilated(kernel: Window, c_in: Int, c_out: Int, stride: int, style: Style) -> Layer:
    """Depthwise, every second position left out, and pointwise (Liu et al. 2018)."""
    conv = Conv(c_in, c_in, kernel, (stride, stride), c_in, dilation=2)
    return seq(
        act=style.act(),
        depthwise=style.padded(conv),
        pointwise=style.conv(Conv(c_in, c_out)),
        norm=style.norm(c_out),
    )


def _bottleneck(
    kernels: list[Window], c_in: Int, c_out: Int, stride: int, style: Style
) -> Layer:
    """1×1 to a quarter of the width, the kernels, 1×1 to the width.

    A kernel strides only along the sides that it is wide in.
    """
    quarter = whole_share(c_out, QUARTER)
    layers: dict[str, Layer] = {"reduce": conv_norm_after_act(c_in, quarter, style)}
    for index, kernel in enumerate(kernels):
        rows, columns = (stride if side > 1 else 1 for side in kernel)
        layers[f"conv{index}"] = conv_norm_after_act(
            quarter, quarter, style, kernel, (rows, columns)
        )
    layers["expand"] = conv_norm_after_act(quarter, c_out, style)
    return seq(**layers)


def reduction(c_in: Int, c_out: Int, style: Style, *, act: bool) -> Layer:
    """Half the size: of every second position 1×1, and of those between, together."""
    first = whole_share(c_out, HALF)
    halves = [first, c_out - first]
    paths = (
        seq(conv=style.conv(Conv(c_in, halves[0], stride=(2, 2)))),
        seq(shift=Shift(), conv=style.conv(Conv(c_in, halves[1], stride=(2, 2)))),
    )
    nodes = [Node(f"path{k}", (0,), path) for k, path in enumerate(paths)]
    nodes.append(Node("concat", (1, 2), style.norm(c_out), merge="concat"))
    halved = Graph(1, tuple(nodes), (3,))
    return seq(act=style.act(), halves=halved) if act else halved
