"""Operators that pick out or reorder channels, and compute nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.arrays import divided, divides, every, first
from effscale.data import data
from effscale.errors import LayerError
from effscale.network.operators.operator import PLAIN, Operator, check_channels
from effscale.network.shapes import Flow, Shape, only, same_channels

if TYPE_CHECKING:
    from effscale.arrays import Int
    from effscale.network.operators.operator import Traffic


@data
class Slice(Operator):
    """So many channels of a feature map, from one on."""

    c_in: Int
    start: Int
    channels: Int

    label = "slice"

    def __post_init__(self) -> None:
        check_channels(self, self.channels)
        if not every(self.start + self.channels <= self.c_in):
            wrong = self.start + self.channels > self.c_in
            message = f"channels: expected at most {self.c_in}, got {self}"
            raise LayerError(message, wrong)

    def output(self, flow: Flow, path: str) -> Shape:
        shape = only(flow, path)
        same_channels(self.c_in, shape, path)
        return shape._replace(channels=self.channels)


@data
class PadChannels(Operator):
    """Channels of zeros after those that come in (He et al. 2015, option A)."""

    c_in: Int
    channels: Int

    label = "channels of zeros"

    def __post_init__(self) -> None:
        if not every(self.channels >= self.c_in):
            wrong = self.channels < self.c_in
            least, found = first(wrong, self.c_in, self.channels)
            message = f"channels: expected at least {least}, got {found}"
            raise LayerError(message, wrong)

    def output(self, flow: Flow, path: str) -> Shape:
        shape = only(flow, path)
        same_channels(self.c_in, shape, path)
        return shape._replace(channels=self.channels)

    def traffic(self, before: Shape, after: Shape) -> Traffic:
        return PLAIN


@data
class SumParts(Operator):
    """The sum of so many parts of the channels, all alike."""

    parts: int

    label = "sum of parts"

    def output(self, flow: Flow, path: str) -> Shape:
        shape = only(flow, path)
        if not divides(self.parts, shape.channels):
            wrong = (shape.channels % self.parts) != 0
            (found,) = first(wrong, shape.channels)
            message = f"expected a multiple of {self.parts} channels, got {found}"
            raise LayerError(f"{path}: {message}", wrong)
        return shape._replace(channels=divided(shape.channels, self.parts))

    def traffic(self, before: Shape, after: Shape) -> Traffic:
        return PLAIN


@data
class Shuffle(Operator):
    """Channels in groups, one of each group in turn (Zhang et al. 2017, figure 1)."""

    groups: Int

    label = "channel shuffle"

    def output(self, flow: Flow, path: str) -> Shape:
        shape = only(flow, path)
        if not divides(self.groups, shape.channels):
            wrong = (shape.channels % self.groups) != 0
            channels, groups = first(wrong, shape.channels, self.groups)
            message = f"expected a divisor of {channels} channels, got {groups}"
            raise LayerError(f"{path}: {message}", wrong)
        return shape

    def traffic(self, before: Shape, after: Shape) -> Traffic:
        return PLAIN
