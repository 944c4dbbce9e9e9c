"""The leaves of a network: what makes one feature map of one, or of several.

Numbers of type `Int` may be arrays, one entry for each candidate.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from effscale.arrays import ONE, Int, at_least, divides, first
from effscale.errors import LayerError

if TYPE_CHECKING:
    from effscale.spec.neck import Fusion
    from effscale.spec.types import Padding, PoolKind


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


#: Rows and columns: of a kernel, of a stride.
Window: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Conv:
    """A convolution; `same` padding makes ceil(side / stride) of an odd kernel's side.

    Convolutions of one block that are `shared` by one name have the same weights.
    """

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
        _check_window(self.kernel, self.stride)
        rows, columns = self.kernel
        if self.padding == "same" and not (rows % 2 and columns % 2):
            found = f"{rows}×{columns}"
            raise LayerError(
                f"kernel: expected odd sides for same padding, got {found}"
            )
        if not (at_least(1, self.c_in) and at_least(1, self.c_out)):
            raise LayerError(f"channels: expected at least 1, got {self}")
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


def _check_window(kernel: Window, stride: Window) -> None:
    if min(*kernel, *stride) < 1:
        name, window = ("kernel", kernel) if min(kernel) < 1 else ("stride", stride)
        raise LayerError(f"{name}: expected at least 1, got {window}")


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

    kind: str


@dataclass(frozen=True, slots=True)
class Pool:
    """The maximum or the mean of each window; the mean leaves out the padding."""

    kind: PoolKind
    kernel: Window
    stride: Window
    padding: Padding = "same"

    @property
    def reach(self) -> Window:
        """Rows and columns of the window."""
        return self.kernel

    def __post_init__(self) -> None:
        """Refuse windows that no padding centres."""
        _check_window(self.kernel, self.stride)
        even = any(side % 2 == 0 for side in self.kernel)
        if self.padding == "same" and even and self.kernel != self.stride:
            raise LayerError(
                "kernel: expected odd sides for same padding, or the stride's own, "
                f"got {self.kernel[0]}×{self.kernel[1]}"
            )


@dataclass(frozen=True, slots=True)
class GlobalPool:
    """The mean of all positions: one is left."""


@dataclass(frozen=True, slots=True)
class Shift:
    """The feature map moved up and left by a position, zeros moved in."""


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


@dataclass(frozen=True, slots=True)
class Resize:
    """The first of two feature maps, nearest neighbours, at the size of the second."""


@dataclass(frozen=True, slots=True)
class Attend:
    """a + b · sigmoid(max(a)) of two feature maps, the maximum being over positions."""


@dataclass(frozen=True, slots=True)
class Fuse:
    """Σ wᵢ·xᵢ of so many feature maps of one shape; the weights are learnt.

    `fast`: relu(wᵢ) / (Σ relu(wⱼ) + 1e-4); `softmax`: of the w; `unbounded`: as they
    are (Tan, Pang & Le 2020, section 3.3). With `channels` each has weights of its own.
    """

    inputs: int
    kind: Fusion
    channels: Int | None = None

    @property
    def weights(self) -> Int:
        """How many it learns."""
        channels = ONE if self.channels is None else self.channels
        return 0 if self.kind == "sum" else self.inputs * channels


#: Leaves that take several feature maps.
Joint: TypeAlias = Resize | Attend | Fuse
Leaf: TypeAlias = (
    Conv | Norm | Act | Pool | GlobalPool | Shift | Flatten | Dropout | Linear | Joint
)
