"""Operators that make a map larger: interpolation, and channels laid out in space."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.arrays import divided, divides, first
from effscale.data import data
from effscale.errors import LayerError
from effscale.network.operators.operator import PLAIN, Operator
from effscale.network.shapes import Flow, Shape, Window, only

if TYPE_CHECKING:
    from effscale.network.operators.operator import Tally, Traffic
    from effscale.spec.values import Interpolation


def resized(mode: Interpolation, after: Shape) -> dict[Tally, int]:
    """What tools count of a map that is brought to another size."""
    found: dict[Tally, int] = {
        "resized": int(after.elements),
        "resized_positions": int(after.positions),
    }
    return found | ({"bilinear": int(after.elements)} if mode == "bilinear" else {})


@data
class Upsample(Operator):
    """A map so many times as high and as wide."""

    factor: Window
    mode: Interpolation = "nearest"

    @property
    def label(self) -> str:
        return f"upsample, {self.mode}"

    def output(self, flow: Flow, path: str) -> Shape:
        shape = only(flow, path)
        rows, columns = self.factor
        return Shape(shape.channels, shape.height * rows, shape.width * columns)

    def tallies(self, before: Shape, after: Shape) -> dict[Tally, int]:
        return resized(self.mode, after)

    def traffic(self, before: Shape, after: Shape) -> Traffic:
        return PLAIN


@data
class PixelShuffle(Operator):
    """factor² channels laid out as as many positions (Shi et al. 2016)."""

    factor: int

    label = "pixel shuffle"

    def output(self, flow: Flow, path: str) -> Shape:
        shape, area = only(flow, path), self.factor**2
        if not divides(area, shape.channels):
            wrong = shape.channels % area != 0
            (got,) = first(wrong, shape.channels)
            message = f"{path}: expected a multiple of {area} channels, got {got}"
            raise LayerError(message, wrong)
        rows, columns = shape.height * self.factor, shape.width * self.factor
        return Shape(divided(shape.channels, area), rows, columns)

    def traffic(self, before: Shape, after: Shape) -> Traffic:
        return PLAIN


@data
class PixelUnshuffle(Operator):
    """factor² positions laid out as as many channels."""

    factor: int

    label = "pixel unshuffle"

    def output(self, flow: Flow, path: str) -> Shape:
        shape, factor = only(flow, path), self.factor
        for side in shape[1:]:
            if not divides(factor, side):
                wrong = side % factor != 0
                (got,) = first(wrong, side)
                message = f"{path}: expected a multiple of {factor} px, got {got}"
                raise LayerError(message, wrong)
        height, width = (divided(side, factor) for side in shape[1:])
        return Shape(shape.channels * factor**2, height, width)

    def traffic(self, before: Shape, after: Shape) -> Traffic:
        return PLAIN
