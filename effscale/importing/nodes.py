"""Nodes that a module's calls become, and the words in which a call is refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from effscale.errors import TranslationError
from effscale.importing.trace import Weight
from effscale.importing.views import Axis, View, ordered
from effscale.module.weights import Woven
from effscale.network.operators.operator import Operator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from effscale.importing.operators import Reading
    from effscale.importing.trace import Call, Places
    from effscale.spec.values import Interpolation

    Merge: TypeAlias = Literal["sum", "product", "concat", "cascade", "resized"]
    #: Parameters, by the names that ours have in a built network.
    Given: TypeAlias = "Mapping[str, Weight | Learnt | Woven | None]"
    #: What a call puts out.
    Value: TypeAlias = Any
    Read: TypeAlias = Callable[[Reading, Call], Value]


@dataclass(frozen=True)
class Times(Operator):
    """A map times a number: what a residual is scaled by."""

    number: float

    label = "a product with a number"


@dataclass(frozen=True)
class Enlarge(Operator):
    """A map made larger, as `upsample` says: by a factor, or to the size of another."""

    mode: Interpolation
    to: tuple[int, int]
    #: By how much, where it is a whole number.
    factor: int | None
    #: Whether the code asks for so many positions, and not for a factor.
    by_size: bool

    label = "upsample"


@dataclass(frozen=True)
class Node:
    """An operator of ours, or several maps merged, and what it reads."""

    what: Any  #: an `Operator`, a `Merge`; None is the image
    reads: tuple[int, ...]
    channels: int
    #: The module's own tensors, by the names that ours have in a built network.
    weights: Mapping[str, str | Woven] = field(default_factory=dict)
    call: Call | None = None
    #: Rows and columns of what it puts out.
    sides: tuple[int, int] = (1, 1)

    @property
    def places(self) -> Places:
        return () if self.call is None else self.call.places


#: How a map lies that most calls are given.
IMAGES = "maps of images, channels, rows and columns are known"
#: What depends on nothing that goes in, and on nothing learnt.
CONSTANT: Final = object()


@dataclass(frozen=True)
class Learnt:
    """A parameter, and how it lies in a tensor."""

    weight: Weight
    view: View
    #: Whether some of its rows were picked, by numbers that are no weights.
    picked: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the tensor."""
        return self.view.shape

    @property
    def plain(self) -> Weight | None:
        """The parameter in this shape; none where it lies in another order."""
        axes = self.view.axes
        if (
            self.picked
            or axes != _in_row(axes)
            or prod(self.shape) != prod(self.weight.shape)
        ):
            return None
        return Weight(self.weight.name, self.shape)


def learnt(weight: Weight) -> Learnt:
    """A parameter as it is."""
    dims = tuple(
        (Axis(str(k), size),) if size > 1 else () for k, size in enumerate(weight.shape)
    )
    return Learnt(weight, View(-1, dims))


def _in_row(axes: Sequence[Axis]) -> tuple[Axis, ...]:
    return tuple(sorted(axes, key=lambda axis: (int(axis.of), -axis.step)))


@dataclass(frozen=True)
class Scores:
    """How like queries are to keys, before or after a softmax of them."""

    queries: View
    keys: View
    #: How they lie; the axes of keys are told apart by their names.
    view: View
    times: float
    #: What is learnt of how two positions lie.
    table: Learnt | None = None
    #: Whether those of other windows were told apart.
    masked: bool = False
    #: What each head's scores are multiplied by.
    scale: Weight | None = None
    shares: bool = False


def laid(given: Learnt, dims: Sequence[tuple[Axis, ...]]) -> Woven:
    """A parameter that lies as a map does, in the order that our maps have."""
    axes = [axis for dim in dims for axis in dim]
    cut = given.view.reshaped([axis.size for axis in axes])
    if cut is None:
        raise TranslationError(f"{given.weight.name}: cannot be laid as a map")
    raw = _in_row(cut.axes)
    order = [
        raw.index(each) for axis in ordered(axes) for each in cut.dims[axes.index(axis)]
    ]
    shape = tuple(axis.size for axis in raw)
    return Woven((given.weight.name,), shape, tuple(order))


def woven(
    weight: Weight, lead: Sequence[int], axes: Sequence[Axis], tail: Sequence[int]
) -> Woven:
    """A parameter whose numbers for channels lie along these axes, in our order."""
    begun = len(lead)
    own = [begun + [*axes].index(axis) for axis in ordered(axes)]
    shape = (*lead, *(axis.size for axis in axes), *tail)
    order = (*range(begun), *own, *range(begun + len(axes), len(shape)))
    return Woven((weight.name,), shape, order)


def in_order(weight: Weight, value: View) -> Weight | Woven:
    """A number for each channel, as our map has them."""
    axes = value.along("channel")
    return weight if ordered(axes) == axes else woven(weight, (), axes, ())


def cannot(call: Call | None, what: str, why: str = "") -> TranslationError:
    """What no spec says, with its place and what comes nearest."""
    reason = f": {why}" if why else ""
    where = "the forward pass" if call is None else call.where
    return TranslationError(f"{where}: cannot be said in a spec: {what}{reason}")


def lying(view: View) -> str:
    """What a map lies as, in words."""
    return "×".join(map(str, view.shape)) + " elements"


def first_of(call: Call) -> Any:  # noqa: ANN401
    """The first argument, whatever its name is."""
    return next(iter(call.args.values()))


def pair(value: Any) -> tuple[int, int]:  # noqa: ANN401
    if isinstance(value, int):
        return value, value
    return (value[0], value[0]) if len(value) == 1 else (value[0], value[1])


def weight_of(call: Call, value: Any) -> Weight:  # noqa: ANN401
    if not isinstance(value, Weight):
        raise cannot(
            call, f"{call.op} by weights that are computed", "they are no parameters"
        )
    return value
