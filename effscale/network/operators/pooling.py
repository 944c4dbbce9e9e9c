"""Pools: the maximum or the mean of windows, or of all positions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.data import data
from effscale.errors import LayerError
from effscale.network.operators.convolution import (
    check_window,
    margins,
    size,
    windows,
)
from effscale.network.operators.operator import (
    PLAIN,
    PRODUCT,
    Cost,
    Operator,
    Traffic,
)
from effscale.network.shapes import Flow, Shape, Window, only
from effscale.spec.padding import pixels

if TYPE_CHECKING:
    from effscale.arrays import Int
    from effscale.network.operators.operator import Map, Maps, Tally, Tape
    from effscale.spec.values import Padding, PoolKind


@data
class Pool(Operator):
    """The maximum or the mean of each window."""

    kind: PoolKind
    kernel: Window
    stride: Window
    padding: Padding = "same"
    #: Whether padding is taken for zeros, or left out.
    include_padding: bool = False

    def __post_init__(self) -> None:
        """Refuse windows that no padding centres."""
        check_window(self.kernel, self.stride)
        even = any(side % 2 == 0 for side in self.kernel)
        if self.padding == "same" and even and self.kernel != self.stride:
            raise LayerError(
                "kernel: expected odd sides for same padding, or the stride's own, "
                f"got {size(self.kernel)}"
            )

    @property
    def reach(self) -> Window:
        return self.kernel

    @property
    def of_zeros(self) -> bool:
        """Whether what it pools is padded first, by torch's own operator for that."""
        return self.kind == "max" and self.include_padding

    def margins(self, shape: Shape) -> list[tuple[Int, Int]]:
        """Pixels before and after each side."""
        around = pixels(self.padding, self.kernel)
        found: list[tuple[Int, Int]] = [(each, each) for each in around]
        for axis, window in enumerate(zip(self.kernel, self.stride, strict=True)):
            before, after = margins(shape[1 + axis], *window)
            if self.padding == "tensorflow":
                found[axis] = before, after
            elif self.padding == "same" and self.kernel == self.stride:
                found[axis] = 0, before + after
        return found

    @property
    def label(self) -> str:
        return f"{self.kind} pool {size(self.kernel)}"

    def output(self, flow: Flow, path: str) -> Shape:
        shape = only(flow, path)
        return Shape(shape.channels, *windows(shape, self, path))

    def tallies(self, before: Shape, after: Shape) -> dict[Tally, int]:
        into, out = int(before.elements), int(after.elements)
        if self.kind == "max":
            return {"max_in": into, "max_out": out}
        return {"avg_in": into, "avg_out": out}

    def traffic(self, before: Shape, after: Shape) -> Traffic:
        """Of a maximum, the place as well."""
        del before
        made = after
        if self.padding == "tensorflow" and not self.of_zeros:  # one more, and left out
            rows, columns = (
                step == 1 and side % 2 == 0
                for side, step in zip(self.kernel, self.stride, strict=True)
            )
            more = after.height + rows, after.width + columns
            made = Shape(after.channels, *more)
        indices = made.elements if self.kind == "max" else 0
        return PRODUCT._replace(words=indices, elements=made.elements)

    def run(self, tape: Tape, maps: Maps, after: Shape, held: Maps) -> Map:
        """Behind zeros, which torch's maximum does not take padding for."""
        if self.of_zeros:
            held = (*held, *maps)
            channels, height, width = maps[0].shape
            rows, columns = map(sum, self.margins(maps[0].shape))
            padded = Shape(channels, height + rows, width + columns)
            maps = (tape.op(maps, padded, held),)
        return super().run(tape, maps, after, held)


@data
class Blur(Operator):
    """Windows weighed by binomials (Zhang 2019); sides mirrored at their ends.

    torch convolves, so that its products are MACs; none of its weights is learnt.
    """

    side: int
    stride: Window
    padding: Padding = "same"

    def __post_init__(self) -> None:
        check_window(self.kernel, self.stride)

    @property
    def kernel(self) -> Window:
        return self.side, self.side

    reach = kernel

    @property
    def label(self) -> str:
        return f"blur {size(self.kernel)}"

    def output(self, flow: Flow, path: str) -> Shape:
        shape = only(flow, path)
        return Shape(shape.channels, *windows(shape, self, path))

    @property
    def buffers(self) -> Int:
        return self.side**2

    def cost(self, out: Shape) -> Cost:
        return Cost(self.side**2 * out.elements, 0, out.elements)

    def tallies(self, before: Shape, after: Shape) -> dict[Tally, int]:
        """No layer's MACs, in the eyes of tools that go by modules."""
        macs = int(self.cost(after).macs)
        return {"macs": -macs, "fixed": macs}

    def run(self, tape: Tape, maps: Maps, after: Shape, held: Maps) -> Map:
        """Behind its padding, a feature map of its own."""
        around, (channels, height, width) = self.side - 1, maps[0].shape
        padded = Shape(channels, height + around, width + around)
        held = (*held, *maps)
        made = tape.op(maps, padded, held, PRODUCT)
        return tape.op((made,), after, (*held, made), PRODUCT, self.buffers)


@data
class ChannelPool(Operator):
    """The mean, or the maximum, of the channels of each position."""

    kind: PoolKind = "avg"

    @property
    def label(self) -> str:
        return "mean of channels" if self.kind == "avg" else "maximum of channels"

    def output(self, flow: Flow, path: str) -> Shape:
        return only(flow, path)._replace(channels=1)

    def traffic(self, before: Shape, after: Shape) -> Traffic:
        """The derivative of a maximum is of both."""
        return PLAIN if self.kind == "avg" else Traffic(True, True)  # noqa: FBT003


@data
class GlobalPool(Operator):
    """The mean, or the maximum, of all positions; or of as many parts as are left."""

    kind: PoolKind = "avg"
    to: Window = (1, 1)

    def __post_init__(self) -> None:
        """Refuse to leave none."""
        check_window(self.to, (1, 1))

    @property
    def label(self) -> str:
        kind = "" if self.kind == "avg" else "max "
        return (
            f"global {kind}pool"
            if self.to == (1, 1)
            else f"{kind}pool to {size(self.to)}"
        )

    def output(self, flow: Flow, path: str) -> Shape:
        return Shape(only(flow, path).channels, *self.to)

    def tallies(self, before: Shape, after: Shape) -> dict[Tally, int]:
        into, out = int(before.elements), int(after.elements)
        if self.kind == "max":
            return {"global_max_in": into}
        return {"global_in": into, "global_out": out}

    def traffic(self, before: Shape, after: Shape) -> Traffic:
        if self.kind == "max":
            return PRODUCT._replace(words=after.elements)
        return PLAIN if self.to == (1, 1) else PRODUCT
