"""Convolutions and linear layers: the operators that multiply and accumulate."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Protocol

from effscale.arrays import (
    ONE,
    Int,
    at_least,
    divided,
    divides,
    every,
    first,
    maximum,
    strided,
)
from effscale.data import data
from effscale.errors import LayerError
from effscale.network.operators.operator import PRODUCT, Cost, Operator, check_channels
from effscale.network.shapes import Flow, Shape, Window, only, same_channels
from effscale.spec.line import SQUARE
from effscale.spec.padding import around, positions

if TYPE_CHECKING:
    from effscale.network.operators.operator import Map, Maps, Tally, Tape, Traffic
    from effscale.spec.values import Init, Padding


def size(kernel: Window) -> str:
    return f"{kernel[0]}×{kernel[1]}"


def check_window(kernel: Window, stride: Window) -> None:
    """Refuse kernels and strides below 1."""
    if kernel[0] < 1 or kernel[1] < 1:
        raise LayerError(f"kernel: expected at least 1, got {kernel}")
    if stride[0] < 1 or stride[1] < 1:
        raise LayerError(f"stride: expected at least 1, got {stride}")


class Windowed(Protocol):
    """What has windows on a feature map: so large, so far apart, so padded."""

    @property
    def reach(self) -> Window: ...
    @property
    def stride(self) -> Window: ...
    @property
    def padding(self) -> Padding: ...


def windows(shape: Shape, layer: Windowed, path: str) -> tuple[Int, Int]:
    """Numbers of windows along height and width.

    Raises:
        LayerError: if no window lies within a feature map of this shape.
    """
    stride = layer.stride
    if layer.padding in {"same", "tensorflow"}:
        if stride == SQUARE:
            return shape.height, shape.width
        return strided(shape.height, stride[0]), strided(shape.width, stride[1])
    reach = layer.reach
    height, width = (
        positions(*side, around(layer.padding, axis))
        for axis, side in enumerate(zip(shape[1:], reach, stride, strict=True))
    )
    if not (at_least(1, height) and at_least(1, width)):
        wrong = (height < 1) | (width < 1)
        found = Shape(*first(wrong, *shape))
        message = f"{path}: expected at least {size(reach)} px, got {found}"
        raise LayerError(message, wrong)
    return height, width


def margins(side: Int, reach: int, stride: int) -> tuple[Int, Int]:
    """Pixels that TensorFlow's `same` padding puts before and after a side.

    As few as ceil(side / stride) windows need, the odd one after it.

    Source: tensorflow/core/framework/kernel_shape_util.cc
    (`GetWindowedOutputSizeVerbose`).
    """
    total = maximum(0, (strided(side, stride) - 1) * stride + reach - side)
    return total // 2, total - total // 2


@data
class Conv(Operator):
    """A convolution; padded, it makes ceil(side / stride) positions of a side."""

    c_in: Int
    c_out: Int
    kernel: Window = (1, 1)
    stride: Window = (1, 1)
    groups: Int = 1
    bias: bool = False
    padding: Padding = "same"
    shared: str | None = None
    dilation: int = 1  #: positions from one element of the kernel to the next
    #: What each bias begins with.
    bias_init: float = field(default=0.0, repr=False)
    #: How its weights are drawn.
    init: Init = field(default="he", repr=False)

    def __post_init__(self) -> None:
        check_window(self.kernel, self.stride)
        rows, columns = self.kernel
        if self.padding == "same" and not (rows % 2 and columns % 2):
            found = f"{rows}×{columns}"
            raise LayerError(
                f"kernel: expected odd sides for same padding, got {found}"
            )
        check_channels(self, self.c_in, self.c_out)
        check_groups(self.groups, self.c_in, self.c_out)

    @property
    def reach(self) -> Window:
        rows, columns = self.kernel
        return self.dilation * (rows - 1) + 1, self.dilation * (columns - 1) + 1

    @property
    def label(self) -> str:
        depthwise = every(self.groups == self.c_in) and every(self.c_out == self.c_in)
        name = "depthwise" if depthwise and every(self.c_in > 1) else "conv"
        return f"{name} {size(self.kernel)}"

    def output(self, flow: Flow, path: str) -> Shape:
        shape = only(flow, path)
        same_channels(self.c_in, shape, path)
        height, width = windows(shape, self, path)
        return Shape(self.c_out, height, width)

    def cost(self, out: Shape) -> Cost:
        rows, columns = self.kernel
        weights = rows * columns * divided(self.c_in, self.groups) * self.c_out
        params = weights + self.c_out if self.bias else weights
        positions = out.positions
        return Cost(weights * positions, params, self.c_out * positions)

    def tallies(self, before: Shape, after: Shape) -> dict[Tally, int]:
        return {"conv_bias": int(after.elements)} if self.bias else {}

    def traffic(self, before: Shape, after: Shape) -> Traffic:
        """The gradient of its weights needs the input."""
        return PRODUCT

    def run(self, tape: Tape, maps: Maps, after: Shape, held: Maps) -> Map:
        """Behind TensorFlow's padding, which torch makes a feature map of its own."""
        if self.padding == "tensorflow":
            held = (*held, *maps)
            maps = (tape.op(maps, self._padded(maps[0].shape), held),)
        return super().run(tape, maps, after, held)

    def _padded(self, shape: Shape) -> Shape:
        windows = zip(shape[1:], self.reach, self.stride, strict=True)
        more = (sum(margins(side, *window)) for side, *window in windows)
        return Shape(
            shape.channels, shape.height + next(more), shape.width + next(more)
        )


@data
class TransposedConv(Operator):
    """A transposed convolution, which makes `stride` positions of one along a side."""

    c_in: Int
    c_out: Int
    kernel: Window
    stride: Window
    groups: Int = 1
    bias: bool = False

    def __post_init__(self) -> None:
        check_window(self.kernel, self.stride)
        if any(k < s for k, s in zip(self.kernel, self.stride, strict=True)):
            expected = f"expected at least the stride, {size(self.stride)}"
            raise LayerError(f"kernel: {expected}, got {size(self.kernel)}")
        rows, columns = (
            side % 2 or step > 1
            for side, step in zip(self.kernel, self.stride, strict=True)
        )
        if not (rows and columns):
            expected = "expected odd sides where the stride is 1"
            raise LayerError(f"kernel: {expected}, got {size(self.kernel)}")
        check_channels(self, self.c_in, self.c_out)
        check_groups(self.groups, self.c_in, self.c_out)

    @property
    def label(self) -> str:
        return f"transposed conv {size(self.kernel)}"

    def output(self, flow: Flow, path: str) -> Shape:
        shape = only(flow, path)
        same_channels(self.c_in, shape, path)
        rows, columns = self.stride
        return Shape(self.c_out, shape.height * rows, shape.width * columns)

    def cost(self, out: Shape) -> Cost:
        """A product of each weight with each position that comes in."""
        area, (rows, columns) = self.kernel[0] * self.kernel[1], self.stride
        weights = area * divided(self.c_in, self.groups) * self.c_out
        params = weights + self.c_out if self.bias else weights
        before = divided(out.height, rows) * divided(out.width, columns)
        return Cost(weights * before, params, out.elements)

    def tallies(self, before: Shape, after: Shape) -> dict[Tally, int]:
        """A product at each position that comes out, in the eyes of some."""
        bias: dict[Tally, int] = {"conv_bias": int(after.elements)} if self.bias else {}
        macs = int(self.cost(after).macs)
        more = macs * (self.stride[0] * self.stride[1] - 1)
        return {**bias, "transposed": more}

    def traffic(self, before: Shape, after: Shape) -> Traffic:
        """The gradient of its weights needs the input."""
        return PRODUCT


def check_groups(groups: Int, *several: Int) -> None:
    """Refuse groups that do not divide channels."""
    if groups is ONE:
        return
    if not at_least(1, groups):
        message = f"groups: expected at least 1, got {groups}"
        raise LayerError(message, groups < 1)
    for channels in several:
        if not divides(groups, channels):
            wrong = (channels % groups) != 0
            of, found = first(wrong, channels, groups)
            expected = f"expected a divisor of {of} channels"
            raise LayerError(f"groups: {expected}, got {found}", wrong)


@data
class ChannelConv(Operator):
    """A 1-D convolution along the channels of one position, which keeps their number.

    Its `size` may be an array, one entry for each candidate.
    """

    channels: Int
    size: Int

    label = "convolution of channels"

    def __post_init__(self) -> None:
        check_channels(self, self.channels, self.size)

    def output(self, flow: Flow, path: str) -> Shape:
        shape = only(flow, path)
        same_channels(self.channels, shape, path)
        return shape

    def cost(self, out: Shape) -> Cost:
        return Cost(self.size * self.channels, self.size, self.channels)

    def traffic(self, before: Shape, after: Shape) -> Traffic:
        """The gradient of its weights needs the input."""
        return PRODUCT


@data
class Linear(Operator):
    """A matrix and a bias."""

    c_in: Int
    c_out: Int
    bias: bool = True

    def __post_init__(self) -> None:
        check_channels(self, self.c_in, self.c_out)

    label = "linear"

    def output(self, flow: Flow, path: str) -> Shape:
        same_channels(self.c_in, only(flow, path), path)
        return Shape(self.c_out, 1, 1)

    def cost(self, out: Shape) -> Cost:
        macs = self.c_in * self.c_out
        return Cost(macs, macs + self.c_out * self.bias, self.c_out)

    def tallies(self, before: Shape, after: Shape) -> dict[Tally, int]:
        return {"linear_bias": int(after.elements)} if self.bias else {}

    def traffic(self, before: Shape, after: Shape) -> Traffic:
        """The gradient of its weights needs the input."""
        return PRODUCT
