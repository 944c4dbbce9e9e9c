"""What the nodes of a cell do with a state: activation, convolution, norm, in order.

Sources: tpu/models/official/amoeba_net/network_utils.py:121-160 (reduction), 208-273
(separable, pools), 382-481 (bottlenecks); TensorFlow's nasnet_utils.py:122-124 (of an
odd width the second path of a reduction has the greater half).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.arrays import floor, maximum, where
from effscale.errors import LayerError
from effscale.network.layers import Graph, Layer, Maybe, Node, Sequential, seq
from effscale.network.leaves import Conv, Pool, Shift
from effscale.network.style import conv_norm

if TYPE_CHECKING:
    from effscale.arrays import Int
    from effscale.network.leaves import Window
    from effscale.network.style import Style
    from effscale.spec.base import PoolKind

#: Exact in binary, so that whole numbers stay exact.
HALF, QUARTER = 0.5, 0.25


def conv_norm_after_act(
    c_in: Int,
    c_out: Int,
    style: Style,
    kernel: Window = (1, 1),
    stride: Window = (1, 1),
) -> Sequential:
    """Activation, convolution, batch norm."""
    conv = Conv(c_in, c_out, kernel, stride)
    return seq(act=style.act(), conv=conv, norm=style.norm(c_out))


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
            pool = Pool(which, kernel, (stride, stride))
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
        layers[f"depthwise{index}"] = Conv(width, width, kernel, (step, step), width)
        layers[f"pointwise{index}"] = Conv(width, c_out)
        layers[f"norm{index}"] = style.norm(c_out)
    return seq(**layers)


def _dilated(kernel: Window, c_in: Int, c_out: Int, stride: int, style: Style) -> Layer:
    """Depthwise, every second position left out, and pointwise (Liu et al. 2018)."""
    return seq(
        act=style.act(),
        depthwise=Conv(c_in, c_in, kernel, (stride, stride), c_in, dilation=2),
        pointwise=Conv(c_in, c_out),
        norm=style.norm(c_out),
    )


def _bottleneck(
    kernels: list[Window], c_in: Int, c_out: Int, stride: int, style: Style
) -> Layer:
    """1×1 to a quarter of the width, the kernels, 1×1 to the width.

    A kernel strides only along the sides that it is wide in.
    """
    quarter = maximum(1, floor(c_out * QUARTER))
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
    first = floor(c_out * HALF)
    halves = [first, c_out - first]
    paths = (
        seq(conv=Conv(c_in, halves[0], stride=(2, 2))),
        seq(shift=Shift(), conv=Conv(c_in, halves[1], stride=(2, 2))),
    )
    nodes = [Node(f"path{k}", (0,), path) for k, path in enumerate(paths)]
    nodes.append(Node("concat", (1, 2), style.norm(c_out), merge="concat"))
    halved = Graph(1, tuple(nodes), (3,))
    return seq(act=style.act(), halves=halved) if act else halved
