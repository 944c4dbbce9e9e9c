"""Specs of arrays: their shapes, their entries, and those that are the same network.

Multipliers are rounded, so that of thousands of candidates many have the same numbers.
They are counted once, and the cost is laid out over all of them.
"""

from __future__ import annotations

from types import NoneType
from typing import TYPE_CHECKING, Any, NamedTuple

from effscale.arrays import is_array
from effscale.spec.parameters import SCALED
from effscale.spec.values import Model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from effscale.arrays import IntArray
    from effscale.spec.models import Spec

#: Entries along an axis of which it takes longer to find equals than to count all.
FEW = 64
#: What the keys of rows stay below: 2^62, so that one more column cannot wrap them.
LARGEST = 2**62


class Folded(NamedTuple):
    """A spec without the candidates that are others again."""

    spec: Spec
    #: Where the entries of an axis, counted from the last as −1, are among those left.
    places: dict[int, IntArray]

    def laid_out(self, figure: Any) -> Any:  # noqa: ANN401 - an int or an array
        """A figure of the spec as one of all candidates."""
        for axis, place in self.places.items():
            if is_array(figure) and figure.ndim >= -axis and figure.shape[axis] > 1:
                figure = figure.take(place, axis=axis)
        return figure


def folded(spec: Spec) -> Folded:
    """The spec with one entry for those along each axis that have all numbers alike."""
    arrays = arrays_of(spec) if _is_of_many(spec) else []
    deep = max((each.ndim for each in arrays), default=0)
    firsts: dict[int, IntArray] = {}
    places: dict[int, IntArray] = {}
    for axis in range(-deep, 0):
        along = [each for each in arrays if each.ndim >= -axis and each.shape[axis] > 1]
        apart = all(each.size == each.shape[axis] for each in along)
        if not along or not apart or along[0].size < FEW:
            continue
        columns = [each.ravel() for each in along]
        if any(each.dtype.kind not in "iu" for each in columns):
            continue
        first, place = distinct(columns)
        if 2 * len(first) <= len(place) and len(first) > 1:
            firsts[axis], places[axis] = first, place

    def left(array: Any) -> Any:  # noqa: ANN401
        for axis, first in firsts.items():
            if array.ndim >= -axis and array.shape[axis] > 1:
                array = array.take(first, axis=axis)
        return array

    return Folded(converted(spec, left) if firsts else spec, places)


def _is_of_many(spec: Spec) -> bool:
    """Whether the image or a stage is one of many: of one network no more is looked at.

    What scales neither, a detector's neck alone, is not folded.
    """
    numbers = (line.said.get(key) for line in spec.stages for key in SCALED)
    return any(map(is_array, (*spec.resolution, *numbers)))


def distinct(columns: Iterable[IntArray]) -> tuple[IntArray, IntArray]:
    """The first of each kind of row, rows in order, and of which kind each row is."""
    import numpy as np

    _, first, place = np.unique(keys(columns), return_index=True, return_inverse=True)
    return first, place


def keys(columns: Iterable[IntArray]) -> IntArray:
    """A number for each row of columns: the same for the same, in the rows' order."""
    import numpy as np

    key, span = np.zeros(1, dtype=np.int64), 1
    for column in columns:
        low, high = int(column.min()), int(column.max())
        ranks, values = column - low, high - low + 1
        if span * values >= LARGEST:
            (key, span), (ranks, values) = _ranked(key), _ranked(ranks)
        key, span = key * values + ranks, span * values
    return key


def _ranked(numbers: IntArray) -> tuple[IntArray, int]:
    """For each number how many are smaller, and how many there are in all."""
    import numpy as np

    known, ranks = np.unique(numbers, return_inverse=True)
    return ranks, len(known)


def arrays_of(value: Any) -> list[Any]:  # noqa: ANN401 - a spec, or what is in it
    """Every array in a spec."""
    if is_array(value):
        return [value]
    inner: Iterable[Any] = ()
    if isinstance(value, tuple):
        inner = value
    elif isinstance(value, dict | Model):
        inner = (value if isinstance(value, dict) else vars(value)).values()
    return [
        found for each in inner if type(each) not in PLAIN for found in arrays_of(each)
    ]


#: What most values in a spec are.
PLAIN = {int, float, str, bool, NoneType}


def shape_of(spec: Spec) -> tuple[int, ...]:
    """The shape that all arrays of a spec broadcast to; none of one network."""
    arrays = arrays_of(spec)
    if not arrays:
        return ()
    import numpy as np

    return np.broadcast_shapes(*(each.shape for each in arrays))


def converted(value: Any, convert: Callable[[Any], Any]) -> Any:  # noqa: ANN401
    """`value`, a spec or what is in it, with each array converted."""
    if is_array(value):
        return convert(value)
    if isinstance(value, tuple):
        return tuple(converted(each, convert) for each in value)
    if isinstance(value, dict):
        return {name: converted(each, convert) for name, each in value.items()}
    if isinstance(value, Model):
        parts = {name: converted(each, convert) for name, each in value}
        return value.model_copy(update=parts)
    return value
