"""Specs of arrays: their shapes, their entries, and those that are the same network.

Multipliers are rounded, so that of thousands of candidates many have the same numbers.
They are counted once, and the cost is laid out over all of them.
"""

from __future__ import annotations

import math
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
#: Numbers up to here are ranked by a table of all of them, others by sorting.
IN_A_TABLE = 2**18


class Folded(NamedTuple):
    """A spec without the candidates that are others again."""

    spec: Spec
    #: Where the entries of an axis, counted from the last as −1, are among those left.
    places: dict[int, IntArray]
    #: The sides of the grid that candidates in a row have become, each one point of it.
    grid: tuple[int, ...] = ()

    def laid_out(self, figure: Any) -> Any:  # noqa: ANN401 - an int or an array
        """A figure of the spec as one of all candidates."""
        if self.grid and is_array(figure):
            import numpy as np

            return np.broadcast_to(figure, self.grid)[tuple(self.places.values())]
        for axis, place in self.places.items():
            if is_array(figure) and figure.ndim >= -axis and figure.shape[axis] > 1:
                figure = figure.take(place, axis=axis)
        return figure


def folded(spec: Spec) -> Folded:
    """The spec with one entry for those along each axis that have all numbers alike."""
    arrays = arrays_of(spec) if _is_of_many(spec) else []
    deep = max((each.ndim for each in arrays), default=0)
    if deep == 1 and (few := _as_grid(spec, arrays)):
        return few
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


def _as_grid(spec: Spec, arrays: list[IntArray]) -> Folded | None:
    """Candidates in a row as points of a grid of repeats, other numbers and images.

    Rounding leaves few of each, and few points beside those that are asked for.
    """
    several = arrays[0].size
    whole = all(each.size == several and each.dtype.kind in "iu" for each in arrays)
    if not whole or several < FEW:
        return None
    repeats = {id(line.said.get("repeats")) for line in spec.stages}
    sides = {id(side) for side in spec.resolution}
    axis_of = {
        id(each): -1 if id(each) in sides else -3 if id(each) in repeats else -2
        for each in arrays
    }
    # A number that is the same for all keeps the axis on which none lies.
    kinds: dict[int, list[IntArray]] = {axis: [arrays[0] * 0] for axis in (-3, -2, -1)}
    for each in {id(each): each for each in arrays}.values():
        kinds[axis_of[id(each)]].append(each)
    found = {axis: distinct(alike) for axis, alike in kinds.items()}
    grid = tuple(len(first) for first, _ in found.values())
    if 2 * math.prod(grid) > several:
        return None

    def left(array: Any) -> Any:  # noqa: ANN401
        axis = axis_of[id(array)]
        return array[found[axis][0]].reshape(-1, *(1,) * (-axis - 1))

    places = {axis: place for axis, (_, place) in found.items()}
    return Folded(converted(spec, left), places, grid)


def _is_of_many(spec: Spec) -> bool:
    """Whether the image or a stage is one of many: of one network no more is looked at.

    What scales neither, a detector's neck alone, is not folded.
    """
    numbers = (line.said.get(key) for line in spec.stages for key in SCALED)
    return any(map(is_array, (*spec.resolution, *numbers)))


def distinct(columns: Iterable[IntArray]) -> tuple[IntArray, IntArray]:
    """The first of each kind of row, rows in order, and of which kind each row is."""
    import numpy as np

    place, several = _ranked(*_keys(columns))
    first = np.empty(several, dtype=np.int64)
    first[place[::-1]] = np.arange(len(place))[::-1]  # the last that is put stays
    return first, place


def keys(columns: Iterable[IntArray]) -> IntArray:
    """A number for each row of columns: the same for the same, in the rows' order."""
    return _keys(columns)[0]


def _keys(columns: Iterable[IntArray]) -> tuple[IntArray, int]:
    """The same, and the number that all of them are below."""
    import numpy as np

    key, span = np.zeros(1, dtype=np.int64), 1
    for column in columns:
        low, high = int(column.min()), int(column.max())
        ranks, values = column - low, high - low + 1
        if span * values >= IN_A_TABLE:
            (key, span), (ranks, values) = _ranked(key, span), _ranked(ranks, values)
        key, span = key * values + ranks, span * values
    return key, span


def _ranked(numbers: IntArray, span: int) -> tuple[IntArray, int]:
    """For each number below `span` how many are smaller, and how many there are."""
    import numpy as np

    if span > IN_A_TABLE:
        known, ranks = np.unique(numbers, return_inverse=True)
        return ranks, len(known)
    there = np.zeros(span, dtype=bool)
    there[numbers] = True
    ranks = there.cumsum() - 1
    return ranks[numbers], int(ranks[-1]) + 1


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
