"""The elements of a map within a tensor, whatever shape it has been put into.

Each dimension of the tensor runs along some axes of the map, the outermost first. To
reshape cuts axes into shorter ones or puts them side by side, to permute moves them; so
tokens, windows of them, heads and groups of channels are all the same map.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

Dim: TypeAlias = "tuple[Axis, ...]"
#: The axes of a map, and of positions in it.
MAP = "image", "channel", "row", "column"
POSITIONS = "row", "column"


@dataclass(frozen=True)
class Axis:
    """So many channels, rows or columns, every so many; of a parameter, dimensions."""

    of: str
    size: int
    step: int = 1


@dataclass(frozen=True)
class View:
    """A tensor that holds what a node puts out, or a part of it."""

    node: int
    dims: tuple[Dim, ...]
    #: The first image, channel, row and column that are there.
    starts: tuple[int, ...] = (0, 0, 0, 0)
    #: What all of it is multiplied by.
    times: float = 1.0
    #: By how much rows and columns are moved around the end.
    rolled: tuple[int, int] = (0, 0)
    #: Along which channels or positions all vectors are of length 1, if they are.
    normal: tuple[Axis, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the tensor."""
        return tuple(length(each) for each in self.dims)

    @property
    def axes(self) -> tuple[Axis, ...]:
        return tuple(axis for each in self.dims for axis in each)

    def along(self, *of: str) -> tuple[Axis, ...]:
        """Its axes along these, in the order that they have."""
        return tuple(axis for axis in self.axes if axis.of in of)

    def size(self, of: str) -> int:
        """How many channels, rows or columns it holds."""
        return prod(axis.size for axis in self.along(of))

    @property
    def tokens(self) -> bool:
        """Whether channels come last, and positions before them."""
        return self.dims[-1] == self.along("channel") != ()

    @property
    def standard(self) -> bool:
        """Whether its dimensions are image, channels, rows and columns."""
        return len(self.dims) == len(MAP) and all(
            {axis.of for axis in dim} <= {of}
            for of, dim in zip(MAP, self.dims, strict=True)
        )

    def reshaped(self, shape: Sequence[int]) -> View | None:
        """In another shape; None where no axes say it."""
        left, found = [*self.axes], list[Dim]()
        for each in shape:
            taken = _taken(left, each)
            if taken is None:
                return None
            found.append(joined(taken))
        return replace(self, dims=tuple(found))

    def permuted(self, order: Sequence[int]) -> View:
        return replace(self, dims=tuple(self.dims[k] for k in order))

    def narrowed(self, dim: int, start: int, count: int, step: int = 1) -> View | None:
        """Some of a dimension, every `step`-th of it; None where no axes say it."""
        inner = _narrowed(self.dims[dim], start, count, step)
        if inner is None:
            return None
        axes, first = inner
        starts = list(self.starts)
        for of, moved in first:
            if of in MAP:
                starts[MAP.index(of)] += moved
        return replace(
            self,
            dims=(*self.dims[:dim], axes, *self.dims[dim + 1 :]),
            starts=tuple(starts),
        )

    def without(self, dim: int) -> View:
        """Less a dimension of one."""
        return replace(self, dims=(*self.dims[:dim], *self.dims[dim + 1 :]))

    def of_node(self, node: int) -> View:
        """What another node puts out that lies alike."""
        return View(node, self.dims, rolled=self.rolled)

    def widened(self, node: int, channels: int) -> View:
        """What a node makes of the channels, which are the last dimension."""
        dims = (*self.dims[:-1], joined([Axis("channel", channels)]))
        return View(node, dims, rolled=self.rolled)


def whole(node: int, shape: Sequence[int]) -> View:
    """A map as it is, image by image."""
    dims = tuple(
        (Axis(of, size),) if size > 1 else ()
        for of, size in zip(MAP, shape, strict=False)
    )
    return View(node, dims)


def length(dim: Dim) -> int:
    return prod(axis.size for axis in dim)


def joined(axes: Sequence[Axis]) -> Dim:
    """The axes, those that go on where the one before them ends as one."""
    found: list[Axis] = []
    for axis in axes:
        last = found[-1] if found else None
        if last and last.of == axis.of and last.step == axis.step * axis.size:
            found[-1] = Axis(axis.of, last.size * axis.size, axis.step)
        elif axis.size > 1:
            found.append(axis)
    return tuple(found)


def ordered(axes: Sequence[Axis]) -> tuple[Axis, ...]:
    """Axes as a map has them: channels, rows, columns, each from the longest step."""
    return tuple(sorted(axes, key=lambda axis: (MAP.index(axis.of), -axis.step)))


def covers(axes: Sequence[Axis], size: int) -> bool:
    """Whether axes along one thing are each of so many, once."""
    every = sorted(axes, key=lambda axis: axis.step)
    steps = [1, *(axis.size * axis.step for axis in every)]
    return steps == [*(axis.step for axis in every), size]


def _taken(left: list[Axis], size: int) -> list[Axis] | None:
    """Take axes of so many elements from those that are left, the last one cut."""
    taken: list[Axis] = []
    while size > 1:
        if not left:
            return None
        axis = left.pop(0)
        if size % axis.size == 0:
            taken.append(axis)
            size //= axis.size
        elif axis.size % size == 0:
            rest = axis.size // size
            taken.append(Axis(axis.of, size, axis.step * rest))
            left.insert(0, Axis(axis.of, rest, axis.step))
            size = 1
        else:
            return None
    return taken


def _narrowed(
    dim: Dim, start: int, count: int, step: int
) -> tuple[Dim, list[tuple[str, int]]] | None:
    """The axes of a part of a dimension, and how far along each it begins."""
    if not dim:
        return (dim, []) if (start, count) == (0, 1) else None
    first, inner = dim[0], length(dim[1:])
    if start % inner == 0 and count % inner == 0 and (step == 1 or inner == 1):
        axis = Axis(first.of, count // inner, first.step * step)
        return joined((axis, *dim[1:])), [(first.of, start // inner * first.step)]
    here, begins = divmod(start, inner)
    if begins + step * (count - 1) < inner:
        found = _narrowed(dim[1:], begins, count, step)
        if found is not None:
            return found[0], [(first.of, here * first.step), *found[1]]
    return None


def alike(one: View, other: View) -> bool:
    """Whether two tensors lie alike, but for what is of one position in one of them."""
    if len(one.dims) != len(other.dims) or one.rolled != other.rolled:
        return False
    pairs = zip(one.dims, other.dims, strict=True)
    return all(a == b or not a or not b for a, b in pairs)
