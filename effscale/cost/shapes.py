"""What layers make of feature maps: channels, height and width, or why they cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from effscale.arrays import (
    ONE,
    Int,
    at_least,
    between,
    every,
    first,
    strided,
    valid,
)
from effscale.errors import LayerError
from effscale.network.leaves import (
    Act,
    Attend,
    Conv,
    Dropout,
    Flatten,
    Fuse,
    GlobalPool,
    Joint,
    Leaf,
    Linear,
    Norm,
    Pool,
    Resize,
    Shape,
    Shift,
)

if TYPE_CHECKING:
    from effscale.network.layers import Flow, Merge


def all_of(flow: Flow) -> tuple[Shape, ...]:
    """The feature maps of a flow, of one as well."""
    return (flow,) if isinstance(flow, Shape) else flow


def only(flow: Flow, path: str) -> Shape:
    """The one feature map of a flow.

    Raises:
        LayerError: if there are several.
    """
    if isinstance(flow, Shape):
        return flow
    raise LayerError(f"{path}: expected one feature map, got {len(flow)}")


def either(before: Flow, after: Flow, there: Int) -> Flow:
    """The shapes `after` a layer for candidates that have it, else those before."""
    mixed = tuple(
        Shape(
            *(between(ours, theirs, there) for ours, theirs in zip(b, a, strict=True))
        )
        for b, a in zip(all_of(before), all_of(after), strict=True)
    )
    return mixed[0] if isinstance(after, Shape) else mixed


def merged(maps: list[Shape], merge: Merge, path: str) -> Shape:
    """One feature map of several: summed, or their channels one after the other."""
    first = maps[0]
    for each in maps[1:]:
        summed = merge == "sum"
        keeps(first, each if summed else each._replace(channels=first.channels), path)
    if merge == "sum" or len(maps) == 1:
        return first
    return first._replace(channels=sum(each.channels for each in maps))


def joined(leaf: Joint, flow: Flow, path: str) -> Shape:
    """What `leaf` makes of several feature maps.

    Raises:
        LayerError: if there are more or fewer than it takes, or they do not fit.
    """
    maps = all_of(flow)
    takes = leaf.inputs if isinstance(leaf, Fuse) else 2
    if len(maps) != takes:
        raise LayerError(f"{path}: expected {takes} feature maps, got {len(maps)}")
    match leaf:
        case Resize():
            return maps[1]._replace(channels=maps[0].channels)
        case Attend() | Fuse():
            if isinstance(leaf, Fuse) and leaf.channels is not None:
                same_channels(leaf.channels, maps[0], path)
            return merged([*maps], "sum", path)
        case _:
            assert_never(leaf)


def output(leaf: Leaf, shape: Shape, path: str) -> Shape:
    """What `leaf` makes of a feature map of this shape.

    Raises:
        LayerError: if the feature map has other channels than the leaf takes, or is
            smaller than its kernel.
    """
    match leaf:
        case Conv(c_in, c_out):
            same_channels(c_in, shape, path)
            return Shape(c_out, *_windows(leaf, shape, path))
        case Norm(channels):
            same_channels(channels, shape, path)
            return shape
        case Pool():
            return Shape(shape.channels, *_windows(leaf, shape, path))
        case Act() | Flatten() | Dropout() | Shift():
            return shape
        case GlobalPool():
            return Shape(shape.channels, 1, 1)
        case Linear(c_in, c_out):
            same_channels(c_in, shape, path)
            return Shape(c_out, 1, 1)
        case Resize() | Attend() | Fuse():
            return joined(leaf, shape, path)
        case _:
            assert_never(leaf)


def _windows(leaf: Conv | Pool, shape: Shape, path: str) -> tuple[Int, Int]:
    """How many windows there are along each side."""
    rows, columns = leaf.stride
    if leaf.padding == "same":
        return strided(shape.height, rows), strided(shape.width, columns)
    sides = zip(shape[1:], leaf.reach, leaf.stride, strict=True)
    height, width = (valid(side, kernel, stride) for side, kernel, stride in sides)
    if not (at_least(1, height) and at_least(1, width)):
        kernel = f"{leaf.reach[0]}×{leaf.reach[1]}"
        raise LayerError(f"{path}: expected at least {kernel} px, got {_said(shape)}")
    return height, width


def keeps(before: Shape, after: Shape, path: str, copies: Int = ONE) -> None:
    """Refuse a change of shape, but of candidates that have no copies of the layer."""
    same_channels(before.channels, after, path, copies)
    for ours, theirs in zip(before[1:], after[1:], strict=True):
        if ours is theirs or every(ours == theirs):
            continue
        if not every((ours == theirs) | (copies == 0)):
            wrong = (ours != theirs) & (copies != 0)
            expected, got = (Shape(*first(wrong, *each)) for each in (before, after))
            raise LayerError(f"{path}: expected {_said(expected)}, got {_said(got)}")


def same_channels(channels: Int, shape: Shape, path: str, copies: Int = ONE) -> None:
    """Refuse a feature map of other channels, but of candidates without copies.

    Of many candidates the first is named.
    """
    found = shape.channels
    if channels is found or every(channels == found):
        return
    if every((channels == found) | (copies == 0)):
        return
    ours, theirs = first((channels != found) & (copies != 0), channels, found)
    raise LayerError(f"{path}: expected {ours} channels, got {theirs}")


def _said(shape: Shape) -> str:
    return f"{shape.channels} channels of {shape.height}×{shape.width} px"
