"""Operators that make one feature map of several, as the necks of detectors do."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from effscale.arrays import ONE, Int, divided
from effscale.data import data
from effscale.errors import LayerError
from effscale.network.operators.operator import PRODUCT, Cost, Operator, Traffic
from effscale.network.operators.resampling import resized
from effscale.network.shapes import Flow, Shape, all_of, merged, same_channels

if TYPE_CHECKING:
    from effscale.network.operators.operator import Map, Maps, Tally, Tape
    from effscale.spec.neck import Fusion
    from effscale.spec.values import Interpolation


class Joint(Operator):
    """An operator that takes several feature maps."""

    __slots__ = ()

    @property
    def takes(self) -> int:
        return 2

    def output(self, flow: Flow, path: str) -> Shape:
        maps = all_of(flow)
        if len(maps) != self.takes:
            expected = f"expected {self.takes} feature maps, got {len(maps)}"
            raise LayerError(f"{path}: {expected}")
        return self.joined(maps, path)

    @abstractmethod
    def joined(self, maps: tuple[Shape, ...], path: str) -> Shape:
        """The shape of what it makes of as many as it takes."""


@data
class Resize(Joint):
    """The first of two feature maps at the size of the second."""

    mode: Interpolation = "nearest"

    @property
    def label(self) -> str:
        return "resize" if self.mode == "nearest" else f"resize, {self.mode}"

    def joined(self, maps: tuple[Shape, ...], path: str) -> Shape:
        return maps[1]._replace(channels=maps[0].channels)

    def tallies(self, before: Shape, after: Shape) -> dict[Tally, int]:
        return resized(self.mode, after)

    def run(self, tape: Tape, maps: Maps, after: Shape, held: Maps) -> Map:
        """Of the second only the size is read."""
        return tape.op(maps[:1], after, (*held, *maps))


@data
class Select(Joint):
    """Σ wₖ·xₖ of so many parts of the channels, w being softmax over them of logits.

    The second feature map has the logits, one for each channel of the first.
    """

    parts: int

    label = "selection"

    def joined(self, maps: tuple[Shape, ...], path: str) -> Shape:
        of, logits = maps
        merged((of, logits), "product", path)
        return of._replace(channels=divided(of.channels, self.parts))

    def run(self, tape: Tape, maps: Maps, after: Shape, held: Maps) -> Map:
        """A softmax, a product, a sum."""
        held = (*held, *maps)
        of, logits = maps
        weights = tape.op((logits,), logits.shape, held, Traffic(keeps_output=True))
        weighed = tape.op((of, weights), of.shape, held, PRODUCT)
        return tape.op((weighed,), after, held)


@data
class Attend(Joint):
    """a + b · sigmoid(max(a)) of two feature maps, the maximum being over positions."""

    label = "attention"

    def joined(self, maps: tuple[Shape, ...], path: str) -> Shape:
        return merged(maps, "sum", path)

    def run(self, tape: Tape, maps: Maps, after: Shape, held: Maps) -> Map:
        """A maximum, a product, a sum."""
        held = (*held, *maps)
        a, b = maps
        peak = tape.op((a,), Shape(after.channels, 1, 1), held, PRODUCT)
        gated = tape.op((b, peak), after, held, PRODUCT)
        return tape.op((a, gated), after, held)


@data
class Fuse(Joint):
    """Σ wᵢ·xᵢ of so many feature maps of one shape; the weights are learnt.

    `fast`: relu(wᵢ) / (Σ relu(wⱼ) + 1e-4); `softmax`: of the w; `unbounded`: as they
    are (Tan, Pang & Le 2020, section 3.3). With `channels` each has weights of its own.
    """

    inputs: int
    kind: Fusion
    channels: Int | None = None

    @property
    def takes(self) -> int:
        return self.inputs

    @property
    def label(self) -> str:
        return f"{self.kind} fusion"

    @property
    def weights(self) -> Int:
        """How many it learns."""
        channels = ONE if self.channels is None else self.channels
        return 0 if self.kind == "sum" else self.inputs * channels

    def joined(self, maps: tuple[Shape, ...], path: str) -> Shape:
        if self.channels is not None:
            same_channels(self.channels, maps[0], path)
        return merged(maps, "sum", path)

    def cost(self, out: Shape) -> Cost:
        return Cost(params=self.weights)

    def tallies(self, before: Shape, after: Shape) -> dict[Tally, int]:
        return {"fused": int(after.channels) * int(self.weights)}

    def run(self, tape: Tape, maps: Maps, after: Shape, held: Maps) -> Map:
        """A product for each, and sums of them."""
        held = (*held, *maps)
        total = tape.op(maps[:1], after, held, PRODUCT, weights=self.weights)
        for each in maps[1:]:
            more = tape.op((each,), after, (*held, total), PRODUCT)
            total = tape.op((total, more), after, held)
        return total
