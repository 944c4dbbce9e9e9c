"""Shapes of feature maps, and the refusal of those that do not fit together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from effscale.arrays import ONE, Int, between, every, first
from effscale.errors import LayerError

if TYPE_CHECKING:
    from collections.abc import Sequence


class Shape(NamedTuple):
    """A feature map of one image; height and width are 1 once it is a vector."""

    channels: Int
    height: Int
    width: Int

    @property
    def positions(self) -> Int:
        return self.height * self.width

    @property
    def elements(self) -> Int:
        return self.channels * self.positions

    def __str__(self) -> str:
        return f"{self.channels} channels of {self.height}×{self.width} px"


#: Rows and columns: of a kernel, of a stride.
Window: TypeAlias = tuple[int, int]
#: What layers hand on: one feature map, or the several that a graph reads.
Flow: TypeAlias = Shape | tuple[Shape, ...]
#: `apart`: a layer takes the several as they are.
Merge: TypeAlias = Literal["sum", "product", "concat", "apart"]


def all_of(flow: Flow) -> tuple[Shape, ...]:
    """The feature maps of a flow, of one as well."""
    return (flow,) if isinstance(flow, Shape) else flow


def newest(flow: Flow) -> Shape:
    """The feature map that a part puts out; cells hand on that before it as well."""
    return flow if isinstance(flow, Shape) else flow[0]


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


def merged(maps: Sequence[Shape], merge: Merge, path: str) -> Shape:
    """One feature map of several, by element, or their channels one after the other.

    In sums and products what has one position is for all positions of the first, and
    what has one channel is for all channels.
    """
    first, by_element = maps[0], merge != "concat"
    if by_element:
        wide = (each for each in maps if not every(each.channels == 1))
        first = first._replace(channels=next(wide, first).channels)
    for each in maps[1:]:
        if by_element and every(each.channels == 1):
            each = each._replace(channels=first.channels)  # noqa: PLW2901
        if by_element and every(each.height == 1) and every(each.width == 1):
            each = each._replace(height=first.height, width=first.width)  # noqa: PLW2901
        alike = each if by_element else each._replace(channels=first.channels)
        keeps(first, alike, path)
    if by_element or len(maps) == 1:
        return first
    return first._replace(channels=sum(each.channels for each in maps))


def keeps(before: Shape, after: Shape, path: str, copies: Int = ONE) -> None:
    """Refuse a change of shape, but of candidates that have no copies of the layer."""
    same_channels(before.channels, after, path, copies)
    for ours, theirs in zip(before[1:], after[1:], strict=True):
        if ours is theirs or every(ours == theirs):
            continue
        if not every((ours == theirs) | (copies == 0)):
            wrong = (ours != theirs) & (copies != 0)
            expected, got = (Shape(*first(wrong, *each)) for each in (before, after))
            raise LayerError(f"{path}: expected {expected}, got {got}", wrong)


def same_channels(channels: Int, shape: Shape, path: str, copies: Int = ONE) -> None:
    """Refuse a feature map of other channels, but of candidates without copies.

    Of many candidates the first is named.
    """
    found = shape.channels
    if channels is found or every(channels == found):
        return
    if every((channels == found) | (copies == 0)):
        return
    wrong = (channels != found) & (copies != 0)
    ours, theirs = first(wrong, channels, found)
    raise LayerError(f"{path}: expected {ours} channels, got {theirs}", wrong)
