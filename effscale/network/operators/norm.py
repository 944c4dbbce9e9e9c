"""Normalisation of feature maps, and learnt scales of their channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.arrays import at_least, divided, divides, first
from effscale.data import data
from effscale.errors import LayerError
from effscale.network.operators.operator import (
    PRODUCT,
    Cost,
    Operator,
    Traffic,
    check_channels,
)
from effscale.network.shapes import Flow, Shape, only, same_channels

if TYPE_CHECKING:
    from effscale.arrays import Int
    from effscale.network.operators.operator import Map, Maps, Tally, Tape
    from effscale.spec.norm import Norm


def norm_of(given: Norm, channels: Int) -> Operator:
    """The norm that a spec asks for, of so many channels.

    Raises:
        LayerError: if it asks for none, or for groups that do not divide the channels.
    """
    match given.kind:
        case "batch":
            return BatchNorm(channels, given.eps, given.momentum)
        case "layer":
            return LayerNorm(channels, given.eps, given.shift)
        case "rms":
            return RMSNorm(channels, given.eps)
        case "instance":
            return InstanceNorm(channels, given.eps)
        case "group":
            groups = _groups(given, channels)
            return GroupNorm(channels, groups, given.eps, given.shift)
        case _:
            raise LayerError(f"norm: expected one, got {given.kind}")


def _groups(given: Norm, channels: Int) -> Int:
    if given.group_width is None:
        return given.groups or 1
    if not divides(given.group_width, channels):
        raise _not_in_groups(channels, given.group_width, "of a group")
    found: Int = divided(channels, given.group_width)
    return found


def _not_in_groups(channels: Int, number: Int, what: str) -> LayerError:
    wrong = (channels % number) != 0
    several, found = first(wrong, channels, number)
    message = f"norm: expected a divisor of {several} channels, got {found} {what}"
    return LayerError(message, wrong)


def _several(positions: Int, shape: Shape, path: str) -> None:
    """Refuse to normalise a single number."""
    if not at_least(2, positions):
        one = positions < 2  # noqa: PLR2004
        found = Shape(*first(one, *shape))
        message = f"{path}: expected several numbers to normalise, got {found}"
        raise LayerError(message, one)


class OfChannels(Operator):
    """An operator on so many channels, each with numbers of its own."""

    __slots__ = ()

    channels: Int
    #: Whether it has a shift beside its scale.
    shift: bool = True

    def __post_init__(self) -> None:
        check_channels(self, self.channels)

    @property
    def learns(self) -> int:
        """Learnt numbers of a channel: a scale, and a shift."""
        return 1 + self.shift

    def output(self, flow: Flow, path: str) -> Shape:
        shape = only(flow, path)
        same_channels(self.channels, shape, path)
        return shape

    def cost(self, out: Shape) -> Cost:
        return Cost(params=self.learns * self.channels)

    def tallies(self, before: Shape, after: Shape) -> dict[Tally, int]:
        return {"scales": self.learns * int(self.channels)}

    def traffic(self, before: Shape, after: Shape) -> Traffic:
        """The gradient of its scale needs the input."""
        return PRODUCT


@data
class BatchNorm(OfChannels):
    """Batch normalisation with scale and shift."""

    channels: Int
    eps: float
    momentum: float

    label = "batch norm"
    by_level = True

    @property
    def buffers(self) -> Int:
        """Running mean and variance, which are not trained."""
        return 2 * self.channels

    def tallies(self, before: Shape, after: Shape) -> dict[Tally, int]:
        return {"norm": int(after.elements), "norm_channels": int(self.channels)}


@data
class LayerNorm(OfChannels):
    """Normalisation of each position's channels, with scale and shift."""

    channels: Int
    eps: float
    shift: bool = True

    label = "layer norm"

    def tallies(self, before: Shape, after: Shape) -> dict[Tally, int]:
        learnt: Tally = "layer_norm_channels" if self.shift else "scales"
        return {"layer_norm": int(after.elements), learnt: int(self.channels)}

    def traffic(self, before: Shape, after: Shape) -> Traffic:
        """Mean and deviation of each position, in single precision, are kept too."""
        return PRODUCT._replace(words=after.positions)


@data
class RMSNorm(OfChannels):
    """Each position's channels over their root mean square, with a scale."""

    channels: Int
    eps: float

    label = "RMS norm"
    shift = False

    def run(self, tape: Tape, maps: Maps, after: Shape, held: Maps) -> Map:
        """Squares, their mean, its inverse root, and a product with either."""
        held, one = (*held, *maps), after._replace(channels=1)
        squares = tape.op((*maps, *maps), after, held, PRODUCT)
        mean = tape.op((squares,), one, (*held, squares))
        mean = tape.op((mean,), one, held)
        inverse = tape.op((mean,), one, held, Traffic(keeps_output=True))
        unit = tape.op((*maps, inverse), after, held, PRODUCT)
        weights = self.channels
        return tape.op((unit,), after, held, PRODUCT, weights, weights)


@data
class GroupNorm(OfChannels):
    """Normalisation of each image's groups of channels, with scale and shift."""

    channels: Int
    groups: Int
    eps: float
    shift: bool = True

    label = "group norm"

    def __post_init__(self) -> None:
        check_channels(self, self.channels)
        if not divides(self.groups, self.channels):
            raise _not_in_groups(self.channels, self.groups, "groups")

    def output(self, flow: Flow, path: str) -> Shape:
        shape = super().output(flow, path)
        _several(shape.positions * divided(self.channels, self.groups), shape, path)
        return shape

    def tallies(self, before: Shape, after: Shape) -> dict[Tally, int]:
        return {
            "group_norm": int(after.elements),
            "scales": self.learns * int(self.channels),
        }

    def traffic(self, before: Shape, after: Shape) -> Traffic:
        """Mean and deviation of each group are kept too."""
        return PRODUCT._replace(words=self.groups)


@data
class InstanceNorm(OfChannels):
    """Normalisation of each image's channels, with scale and shift."""

    channels: Int
    eps: float

    label = "instance norm"

    def output(self, flow: Flow, path: str) -> Shape:
        shape = super().output(flow, path)
        _several(shape.positions, shape, path)
        return shape

    def tallies(self, before: Shape, after: Shape) -> dict[Tally, int]:
        return {
            "instance_norm": int(after.elements),
            "scales": self.learns * int(self.channels),
        }

    def traffic(self, before: Shape, after: Shape) -> Traffic:
        """Mean and deviation of each channel are kept too."""
        return PRODUCT._replace(words=self.channels)


@data
class LayerScale(OfChannels):
    """x · γ, one learnt γ for each channel (Touvron et al. 2021, equation 2).

    Or `single`, one for all of them; with a learnt `shift` that is added.
    """

    channels: Int
    initial: float
    single: bool = False
    shift: bool = False

    label = "layer scale"

    @property
    def numbers(self) -> Int:
        """How many are learnt."""
        return (1 + self.shift) * (1 if self.single else self.channels)

    def cost(self, out: Shape) -> Cost:
        return Cost(params=self.numbers)

    def tallies(self, before: Shape, after: Shape) -> dict[Tally, int]:
        return {"scales": int(self.numbers)}


@data
class ResponseNorm(OfChannels):
    """x + γ·x·n(x) + β, n being each channel's norm over all positions over their mean.

    Source: Woo et al. 2023, arXiv:2301.00808, algorithm 1.
    """

    channels: Int

    label = "global response norm"

    def run(self, tape: Tape, maps: Maps, after: Shape, held: Maps) -> Map:
        """Norms, their mean, their share of it, its scale, one product and sum."""
        held = (*held, *maps)
        one, each = Shape(1, 1, 1), Shape(after.channels, 1, 1)
        learnt = self.channels
        norms = tape.op(maps, each, held, PRODUCT)
        mean = tape.op((norms,), one, (*held, norms))
        mean = tape.op((mean,), one, (*held, norms))
        share = tape.op((norms, mean), each, held, PRODUCT)
        scale = tape.op((share,), each, (*held, norms), PRODUCT, learnt, learnt)
        scale = tape.op((scale,), each, held)
        return tape.op((*maps, scale), after, held, PRODUCT, learnt, learnt)
