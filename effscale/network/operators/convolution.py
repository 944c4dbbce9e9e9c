"""Convolutions and linear layers: the operators that multiply and accumulate."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from effscale.arrays import ONE, Int, at_least, divided, divides, every, first
from effscale.errors import LayerError
from effscale.network.operators.operator import PRODUCT, Cost, Operator, check_channels
from effscale.network.operators.window import check_window, size, windows
from effscale.network.shapes import Flow, Shape, Window, only, same_channels

if TYPE_CHECKING:
    from effscale.network.operators.operator import Tally, Traffic
    from effscale.spec.types import Padding


@dataclass(frozen=True, slots=True)
class Conv(Operator):
    """A convolution; `same` padding makes ceil(side / stride) positions of a side."""

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

    def __post_init__(self) -> None:
        """Refuse what no convolution can be."""
        check_window(self.kernel, self.stride)
        rows, columns = self.kernel
        if self.padding == "same" and not (rows % 2 and columns % 2):
            found = f"{rows}×{columns}"
            raise LayerError(
                f"kernel: expected odd sides for same padding, got {found}"
            )
        check_channels(self, self.c_in, self.c_out)
        if self.groups is not ONE:
            self._check_groups()

    def _check_groups(self) -> None:
        if not at_least(1, self.groups):
            raise LayerError(f"groups: expected at least 1, got {self.groups}")
        for channels in (self.c_in, self.c_out):
            if not divides(self.groups, channels):
                wrong = (channels % self.groups) != 0
                several, groups = first(wrong, channels, self.groups)
                expected = f"expected a divisor of {several} channels"
                raise LayerError(f"groups: {expected}, got {groups}")

    @property
    def reach(self) -> Window:
        """Rows and columns that the kernel spans."""
        rows, columns = self.kernel
        return self.dilation * (rows - 1) + 1, self.dilation * (columns - 1) + 1

    @property
    def label(self) -> str:
        """Depthwise or not, and the kernel."""
        depthwise = every(self.groups == self.c_in) and every(self.c_out == self.c_in)
        name = "depthwise" if depthwise and every(self.c_in > 1) else "conv"
        return f"{name} {size(self.kernel)}"

    def output(self, flow: Flow, path: str) -> Shape:
        """As many positions as the stride visits."""
        shape = only(flow, path)
        same_channels(self.c_in, shape, path)
        return Shape(
            self.c_out, *windows(shape, self.reach, self.stride, self.padding, path)
        )

    def cost(self, out: Shape) -> Cost:
        """Each weight once for each position."""
        area = self.kernel[0] * self.kernel[1]
        weights = area * divided(self.c_in, self.groups) * self.c_out
        params = weights + self.c_out if self.bias else weights
        return Cost(weights * out.positions, params, out.elements)

    def tallies(self, before: Shape, after: Shape) -> dict[Tally, int]:
        """The additions of its bias."""
        del before
        return {"conv_bias": int(after.elements)} if self.bias else {}

    def traffic(self, before: Shape, after: Shape) -> Traffic:
        """The gradient of its weights needs the input."""
        del before, after
        return PRODUCT


@dataclass(frozen=True, slots=True)
class Linear(Operator):
    """A matrix and a bias."""

    c_in: Int
    c_out: Int

    def __post_init__(self) -> None:
        """Refuse what no matrix can be."""
        check_channels(self, self.c_in, self.c_out)

    label = "linear"

    def output(self, flow: Flow, path: str) -> Shape:
        """A vector."""
        same_channels(self.c_in, only(flow, path), path)
        return Shape(self.c_out, 1, 1)

    def cost(self, out: Shape) -> Cost:
        """Each element of the matrix once."""
        del out
        return Cost(self.c_in * self.c_out, (self.c_in + 1) * self.c_out, self.c_out)

    def tallies(self, before: Shape, after: Shape) -> dict[Tally, int]:
        """The additions of its bias."""
        del before
        return {"linear_bias": int(after.elements)}

    def traffic(self, before: Shape, after: Shape) -> Traffic:
        """The gradient of its weights needs the input."""
        del before, after
        return PRODUCT
