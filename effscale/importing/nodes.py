"""Nodes that a module's calls become, and the words in which a call is refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from effscale.errors import TranslationError
from effscale.importing.trace import Weight
from effscale.network.operators.operator import Operator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from effscale.importing.operators import Reading
    from effscale.importing.trace import Call, Places
    from effscale.spec.values import Interpolation

    #: How the elements of a map lie: channels first or last; those of one position as a
    #: vector, as one of two dimensions, or all of them, flat.
    Layout: TypeAlias = Literal["first", "last", "vector", "row", "column", "flat"]
    Merge: TypeAlias = Literal["sum", "product", "concat", "cascade"]
    Read: TypeAlias = Callable[[Reading, Call], tuple[int, Layout]]


@dataclass(frozen=True)
class Times(Operator):
    """A map times a number: what a residual is scaled by."""

    number: float

    label = "a product with a number"


@dataclass(frozen=True)
class Enlarge(Operator):
    """A map made larger by a factor, as `upsample` says."""

    factor: int
    mode: Interpolation

    label = "upsample"


@dataclass(frozen=True)
class Node:
    """An operator of ours, or several maps merged, and what it reads."""

    what: Any  #: an `Operator`, a `Merge`; None is the image
    reads: tuple[int, ...]
    channels: int
    #: The module's own tensors, by the names that ours have in a built network.
    weights: Mapping[str, str] = field(default_factory=dict)
    call: Call | None = None

    @property
    def places(self) -> Places:
        return () if self.call is None else self.call.places


def cannot(call: Call | None, what: str, why: str = "") -> TranslationError:
    """What no spec says, with its place and what comes nearest."""
    reason = f": {why}" if why else ""
    where = "the forward pass" if call is None else call.where
    return TranslationError(f"{where}: cannot be said in a spec: {what}{reason}")


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
