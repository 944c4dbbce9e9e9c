"""Normalisation of feature maps, with a learnt scale and shift."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from effscale.network.operators.operator import PRODUCT, Cost, Operator, check_channels
from effscale.network.shapes import Flow, Shape, only, same_channels

if TYPE_CHECKING:
    from effscale.arrays import Int
    from effscale.network.operators.operator import Tally, Traffic
    from effscale.spec.models import Norm


def norm_of(given: Norm, channels: Int) -> Operator:
    """The norm that a spec asks for, of so many channels."""
    if given.kind == "layer":
        return LayerNorm(channels, given.eps)
    return BatchNorm(channels, given.eps, given.momentum)


@dataclass(frozen=True, slots=True)
class BatchNorm(Operator):
    """Batch normalisation with scale and shift."""

    channels: Int
    eps: float
    momentum: float

    label = "batch norm"
    by_level = True

    def __post_init__(self) -> None:
        check_channels(self, self.channels)

    @property
    def buffers(self) -> Int:
        """Running mean and variance, which are not trained."""
        return 2 * self.channels

    def output(self, flow: Flow, path: str) -> Shape:
        shape = only(flow, path)
        same_channels(self.channels, shape, path)
        return shape

    def cost(self, out: Shape) -> Cost:
        return Cost(params=2 * self.channels)

    def tallies(self, before: Shape, after: Shape) -> dict[Tally, int]:
        return {"norm": int(after.elements), "norm_channels": int(self.channels)}

    def traffic(self, before: Shape, after: Shape) -> Traffic:
        """The gradient of its scale needs the input."""
        return PRODUCT


@dataclass(frozen=True, slots=True)
class LayerNorm(Operator):
    """Normalisation of each position's channels, with scale and shift."""

    channels: Int
    eps: float

    label = "layer norm"

    def __post_init__(self) -> None:
        check_channels(self, self.channels)

    def output(self, flow: Flow, path: str) -> Shape:
        shape = only(flow, path)
        same_channels(self.channels, shape, path)
        return shape

    def cost(self, out: Shape) -> Cost:
        return Cost(params=2 * self.channels)

    def tallies(self, before: Shape, after: Shape) -> dict[Tally, int]:
        return {
            "layer_norm": int(after.elements),
            "layer_norm_channels": int(self.channels),
        }

    def traffic(self, before: Shape, after: Shape) -> Traffic:
        """Mean and deviation of each position, in single precision, are kept too."""
        return PRODUCT._replace(words=after.positions)
