"""Feature networks: levels of the backbone in, as many maps of one width out.

Each node brings what it reads to its level and width, fuses it, and sends it through
layers (Tan, Pang & Le 2020; automl/efficientdet/efficientdet_arch.py:55-533). The
first layer of a neck fits the backbone's widths; those after it repeat.
"""

from __future__ import annotations

from dataclasses import replace
from math import log2
from typing import TYPE_CHECKING, NamedTuple

from effscale.arrays import where
from effscale.errors import LayerError, placed
from effscale.network.combinators import Graph, Layer, Maybe, Node, Repeat, Sequential
from effscale.network.names import neck_words
from effscale.network.operators.fusion import Attend, Fuse, Resize
from effscale.network.operators.pooling import Pool
from effscale.network.parts import Part
from effscale.network.steps import chain
from effscale.spec.geometry import as_wide
from effscale.spec.neck import entered, nodes, outputs
from effscale.spec.values import pair

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from effscale.arrays import Int
    from effscale.network.blocks import Style
    from effscale.network.cells import Ends
    from effscale.network.shapes import Merge
    from effscale.spec.neck import Neck, NeckNode


def neck_part(given: Neck, taps: Sequence[tuple[int, Ends]], style: Style) -> Part:
    """The neck on the parts that are tapped.

    `taps` are the numbers of these parts, lowest level first, and what they put out.

    Raises:
        LayerError: if no part has the lowest level, or a node cannot be.
    """
    low, _ = given.levels
    if not taps:
        raise LayerError(
            f"neck: expected a stage of stride {2**low} (P{low}), got none"
        )
    with placed("neck"):
        layer = neck(given, [ends.newest for _, ends in taps], style)
    if len(taps) == 1 and taps[0][1].older is not None:  # a cell hands on two
        layer = Sequential((("newest", Graph(2, (), (0,))), *layer.layers))
    return Part(
        name="neck",
        path="neck",
        operator=neck_words(given),
        kernel=None,
        stride=(1, 1),
        channels=given.channels,
        repeats=given.repeats,
        layer=layer,
        reads=tuple(number for number, _ in taps),
    )


def neck(given: Neck, taps: Sequence[Int], style: Style) -> Sequential:
    """The layers of a neck on the backbone's levels, whose channels are `taps`."""
    style = replace(style, init=given.init)
    low, high = given.levels
    widths = dict(enumerate(taps, low))
    blocks: list[tuple[str, Layer]] = []
    if entered(given) >= low + len(taps):
        blocks.append(("levels", _more(given, widths, style)))
    first = _Layer(given, style, widths).graph()
    alike = _Layer(given, style, dict.fromkeys(range(low, high + 1), given.channels))
    again = Repeat(alike.graph(), given.repeats - 1)
    return Sequential((*blocks, ("0", first), ("1", again)))


def _more(given: Neck, widths: dict[int, Int], style: Style) -> Graph:
    """The levels above the backbone's: a 1×1, then pool after pool."""
    taps, highest = len(widths), max(widths)
    found: list[Node] = []
    for level in range(highest + 1, entered(given) + 1):
        fit = _lateral(given, widths[level - 1], style)
        layers = (*fit, ("pool", _pool(given, 2, style)))
        reads = (taps + len(found) - 1,)
        found.append(Node(f"p{level}", reads, Sequential(layers), level=level))
        widths[level] = given.channels
    return Graph(taps, tuple(found), tuple(range(taps + len(found))))


def _lateral(given: Neck, channels: Int, style: Style) -> tuple[tuple[str, Layer], ...]:
    """What fits a map of `channels` to the neck; nothing where it fits already."""
    if channels is given.channels:
        return ()
    lines = as_wide(given.lateral, given.channels)
    layer, _ = chain(lines, channels, style)
    return (("lateral", Maybe(layer, where(channels != given.channels, 1, 0))),)


def _pool(given: Neck, stride: int, style: Style) -> Pool:
    kernel = stride if given.pools == "apart" else stride + 1
    return style.padded(Pool("max", pair(kernel), pair(stride)))


class _Map(NamedTuple):
    """A feature map of a layer: its number in the graph, its level, its channels."""

    number: int
    level: int
    channels: Int


class _Layer:
    """One layer of a neck, as a graph that is put together node by node."""

    def __init__(self, given: Neck, style: Style, widths: Mapping[int, Int]) -> None:
        self.neck, self.style = given, style
        self.inputs, self.found = len(widths), list[Node]()
        levels = enumerate(widths.items())
        self.maps = {f"p{each}": _Map(k, each, width) for k, (each, width) in levels}

    def graph(self) -> Graph:
        """Inputs by level in; by level, what the last node of each has made, out."""
        if self.neck.laterals == "once":
            for name in tuple(self.maps):
                self.maps[name] = self._fitted(name, name)
        for name, node in nodes(self.neck).items():
            self._add_node(name, node)
        names = outputs(self.neck).values()
        ends = tuple(self._fitted(name, name).number for name in names)
        return Graph(self.inputs, tuple(self.found), ends)

    def _add(
        self, name: str, reads: Sequence[int], layer: Layer, level: int, merge: Merge
    ) -> int:
        self.found.append(Node(name, tuple(reads), layer, merge, level))
        return self.inputs + len(self.found) - 1

    def _add_node(self, name: str, node: NeckNode) -> None:
        lines = self.neck.layers if node.layers is None else node.layers
        down = 1
        for line in lines:
            down *= line.window[1][0]
        level = node.level - int(log2(down))
        layer, _ = chain(lines, self.neck.channels, self.style)
        reads = list(node.reads)
        if node.merge == "attention":  # the coarser map is what is attended by
            reads.sort(key=lambda each: -self.maps[each].level)
        numbers = [self._brought(each, level, name) for each in reads]
        adds = [self._brought(each, level, name) for each in node.adds]
        fuse = self._fuse(node)
        if fuse is None:
            numbers, adds = [*numbers, *adds], []
        elif adds:
            merged = self._add(f"{name}_fuse", numbers, fuse, level, "apart")
            numbers, fuse = [merged, *adds], None
        if fuse is not None:
            layer = Sequential((("fuse", fuse), *layer.layers))
        merge: Merge = "sum" if fuse is None else "apart"
        number = self._add(name, numbers, layer, node.level, merge)
        self.maps[name] = _Map(number, node.level, self.neck.channels)

    def _fuse(self, node: NeckNode) -> Attend | Fuse | None:
        """What merges the maps that a node reads; None for a plain sum, or one map."""
        if node.merge == "attention":
            return Attend()
        kind = node.merge or self.neck.fusion
        if kind == "sum" or len(node.reads) == 1:
            return None
        channels = self.neck.channels if self.neck.per_channel else None
        return Fuse(len(node.reads), kind, channels)

    def _fitted(self, read: str, name: str) -> _Map:
        """A map at the neck's width, for node `name`."""
        found = self.maps[read]
        fit = _lateral(self.neck, found.channels, self.style)
        if not fit:
            return found
        words = "lateral" if name == read else f"{name}_lateral"
        level, reads = found.level, (found.number,)
        number = self._add(f"{words}_{read}", reads, Sequential(fit), level, "sum")
        return _Map(number, level, self.neck.channels)

    def _brought(self, read: str, level: int, name: str) -> int:
        """The number of a map at the neck's width and at `level`, for node `name`."""
        found = self._fitted(read, name)
        if found.level == level:
            return found.number
        words = f"{name}_from_{read}"
        if found.level > level:
            like = self.maps[f"p{level}"].number
            return self._add(words, (found.number, like), Resize(), level, "apart")
        stride = 2 ** (level - found.level)
        pool = _pool(self.neck, stride, self.style)
        return self._add(words, (found.number,), pool, level, "sum")
