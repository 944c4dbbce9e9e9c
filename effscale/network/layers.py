"""The vocabulary: what networks are made of, as data.

Seven leaves and four ways to combine them. A block is written once in these words
(`network.blocks`) and read by whoever needs it: `cost` counts it, `module` builds it.
Numbers of type `Int` may be arrays, one entry for each candidate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from effscale.arrays import Int, at_least, divides
from effscale.errors import LayerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from effscale.spec.models import Activation


class Shape(NamedTuple):
    """A feature map of one image; height and width are 1 once it is a vector."""

    channels: Int
    height: Int
    width: Int

    @property
    def positions(self) -> Int:
        """Height × width."""
        return self.height * self.width

    @property
    def elements(self) -> Int:
        """Channels × height × width."""
        return self.channels * self.positions


@dataclass(frozen=True, slots=True)
class Conv:
    """Square odd kernel, padded so that stride 1 keeps the size of the feature map."""

    c_in: Int
    c_out: Int
    kernel: int = 1
    stride: int = 1
    groups: Int = 1
    bias: bool = False

    def __post_init__(self) -> None:
        """Refuse what no convolution can be."""
        if self.kernel < 1 or self.kernel % 2 == 0:
            raise LayerError(f"kernel: expected an odd number, got {self.kernel}")
        if self.stride < 1:
            raise LayerError(f"stride: expected at least 1, got {self.stride}")
        if not (at_least(1, self.c_in) and at_least(1, self.c_out)):
            raise LayerError(f"channels: expected at least 1, got {self}")
        if not at_least(1, self.groups):
            raise LayerError(f"groups: expected a divisor of the channels, got {self}")
        if not (divides(self.groups, self.c_in) and divides(self.groups, self.c_out)):
            raise LayerError(f"groups: expected a divisor of the channels, got {self}")


@dataclass(frozen=True, slots=True)
class Norm:
    """Batch normalisation with scale and shift."""

    channels: Int
    eps: float
    momentum: float

    def __post_init__(self) -> None:
        """Refuse what no batch norm can be."""
        if not at_least(1, self.channels):
            raise LayerError(f"channels: expected at least 1, got {self}")


@dataclass(frozen=True, slots=True)
class Act:
    """An activation function, elementwise."""

    kind: Activation | str


@dataclass(frozen=True, slots=True)
class Pool:
    """Global average pooling: one position is left."""


@dataclass(frozen=True, slots=True)
class Flatten:
    """A feature map of one position as a vector."""


@dataclass(frozen=True, slots=True)
class Dropout:
    """Elements dropped in training, at this rate."""

    rate: float


@dataclass(frozen=True, slots=True)
class Linear:
    """A matrix and a bias."""

    c_in: Int
    c_out: Int

    def __post_init__(self) -> None:
        """Refuse what no matrix can be."""
        if not (at_least(1, self.c_in) and at_least(1, self.c_out)):
            raise LayerError(f"channels: expected at least 1, got {self}")


Leaf: TypeAlias = Conv | Norm | Act | Pool | Flatten | Dropout | Linear


@dataclass(frozen=True, slots=True)
class Sequential:
    """Named layers, one after the other."""

    layers: tuple[tuple[str, Layer], ...]


@dataclass(frozen=True, slots=True)
class Gate:
    """x · f(x), f being the layers in order."""

    layers: tuple[tuple[str, Layer], ...]


@dataclass(frozen=True, slots=True)
class Residual:
    """x + f(x), f being the layers in order; f may be skipped in training."""

    layers: tuple[tuple[str, Layer], ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """`times` copies of a layer that keeps its shape, numbered on from its name."""

    layer: Layer
    times: Int

    def __post_init__(self) -> None:
        """Refuse fewer than no copies."""
        if not at_least(0, self.times):
            raise LayerError(f"times: expected at least 0, got {self.times}")


Layer: TypeAlias = Leaf | Sequential | Gate | Residual | Repeat


def seq(**layers: Layer) -> Sequential:
    """The layers in order, named by their keywords."""
    return Sequential(tuple(layers.items()))


def unrolled(layers: tuple[tuple[str, Layer], ...]) -> Iterator[tuple[str, Layer]]:
    """The named layers, each `Repeat` written out: `1`, `2`, … (plain ints only)."""
    for name, layer in layers:
        if isinstance(layer, Repeat):
            for k in range(int(layer.times)):
                yield str(int(name) + k), layer.layer
        else:
            yield name, layer


@dataclass(frozen=True)
class Part:
    """A row of a report, the stem, a stage or the head: a layer, and how to call it."""

    name: str  #: for people: `stage 3`
    path: str  #: where it is in the built module: `stages.2`
    operator: str  #: in the papers' notation: `MBConv6 5×5`
    kernel: int
    stride: int
    channels: Int  #: output channels
    repeats: Int
    layer: Sequential


@dataclass(frozen=True)
class Network:
    """Parts in order, and the image they are for."""

    name: str
    image: Shape
    parts: tuple[Part, ...]
    stochastic_depth: float = 0.0

    def __post_init__(self) -> None:
        """Refuse an image without pixels."""
        if not all(at_least(1, each) for each in self.image):
            raise LayerError(f"image: expected at least one pixel, got {self.image}")
