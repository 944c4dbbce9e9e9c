"""A walk through a network, leaf by leaf, with the shape of every feature map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from effscale.arrays import ONE, Int
from effscale.cost.shapes import (
    all_of,
    either,
    joined,
    keeps,
    merged,
    only,
    output,
    same_channels,
)
from effscale.errors import LayerError
from effscale.network.layers import (
    Across,
    Gate,
    Graph,
    Layer,
    Maybe,
    Repeat,
    Residual,
    Sequential,
    unrolled,
)
from effscale.network.leaves import Attend, Conv, Fuse, Leaf, Resize, Shape

if TYPE_CHECKING:
    from effscale.network.layers import Flow


@dataclass(frozen=True, slots=True)
class Visit:
    """A leaf on the way, and how many equal ones the visit stands for."""

    path: str
    leaf: Leaf
    times: Int
    input: Shape
    output: Shape
    tied: bool = False  #: its weights are those of an earlier visit
    level: int | None = None  #: of a detector


def walk(
    part: Sequential, flow: Flow, path: str, *, unroll: bool = False
) -> tuple[list[Visit], Flow]:
    """Every leaf of a part, block by block in order; and what the part puts out.

    Equal copies are one visit with their number in `times`, which may be an array and
    may be 0; with `unroll` (plain ints only) each is a visit with a path of its own.

    Raises:
        LayerError: if a layer cannot take the feature map that reaches it.
    """
    found = _Walk(unroll, [])
    for name, block in unrolled(part.layers) if unroll else part.layers:
        flow = found.through(block, flow, f"{path}.{name}", ONE, set())
    return found.visits, flow


@dataclass
class _Walk:
    """The visits so far, and where the walk is."""

    unroll: bool
    visits: list[Visit]
    level: int | None = None
    tied: bool = False

    def through(
        self, layer: Layer, flow: Flow, path: str, times: Int, shared: set[str]
    ) -> Flow:
        """The output of `layer`, each of its leaves visited.

        `shared` are the names of the block's weights that are counted already.
        """
        match layer:
            case Sequential(layers):
                return self._chain(layers, flow, path, times, shared)
            case Gate(layers):
                shape = only(flow, path)
                gate = only(self._chain(layers, flow, path, times, shared), path)
                same_channels(shape.channels, gate, path)
                return flow
            case Residual(layers, shortcut):
                made = only(self._chain(layers, flow, path, times, shared), path)
                aside = f"{path}.shortcut"
                beside = self._chain(shortcut, flow, aside, times, shared)
                keeps(only(beside, aside), made, path)
                return made
            case Repeat(body, copies):
                last = self.through(body, flow, path, times * copies, set())
                for before, copy in zip(all_of(flow), all_of(last), strict=True):
                    keeps(before, copy, path, copies)
                return flow
            case Maybe(body, there):
                if there is ONE:
                    return self.through(body, flow, path, times, shared)
                if isinstance(there, int) and not there:
                    return flow
                after = self.through(body, flow, path, times * there, shared)
                return either(flow, after, there)
            case Graph():
                return self._graph(layer, flow, path, times, shared)
            case Across():
                return self._across(layer, flow, path, times, shared)
            case Resize() | Attend() | Fuse():
                out = joined(layer, flow, path)
                self._visit(path, layer, times, all_of(flow)[0], out)
                return out
            case _:
                shape = only(flow, path)
                out = output(layer, shape, path)
                tied = isinstance(layer, Conv) and layer.shared in shared
                if isinstance(layer, Conv) and layer.shared is not None:
                    shared.add(layer.shared)
                self._visit(path, layer, times, shape, out, tied=tied)
                return out

    def _visit(  # noqa: PLR0913 - a visit has as many fields
        self,
        path: str,
        leaf: Leaf,
        times: Int,
        shape: Shape,
        out: Shape,
        *,
        tied: bool = False,
    ) -> None:
        tied = tied or self.tied
        self.visits.append(Visit(path, leaf, times, shape, out, tied, self.level))

    def _across(
        self, across: Across, flow: Flow, path: str, times: Int, shared: set[str]
    ) -> Flow:
        maps, outside = all_of(flow), (self.level, self.tied)
        if len(maps) != len(across.levels):
            expected = len(across.levels)
            message = f"expected {expected} feature maps, got {len(maps)}"
            raise LayerError(f"{path}: {message}")
        outputs: list[Shape] = []
        for self.level, shape in zip(across.levels, maps, strict=True):
            after = self.through(across.layer, shape, f"{path}.shared", times, shared)
            outputs.append(only(after, path))
            self.tied = True
        self.level, self.tied = outside
        return tuple(outputs)

    def _chain(
        self,
        layers: tuple[tuple[str, Layer], ...],
        flow: Flow,
        path: str,
        times: Int,
        shared: set[str],
    ) -> Flow:
        for name, layer in unrolled(layers) if self.unroll else layers:
            flow = self.through(layer, flow, f"{path}.{name}", times, shared)
        return flow

    def _graph(
        self, graph: Graph, flow: Flow, path: str, times: Int, shared: set[str]
    ) -> Flow:
        maps = list(all_of(flow))
        if len(maps) != graph.inputs:
            found = f"expected {graph.inputs} feature maps, got {len(maps)}"
            raise LayerError(f"{path}: {found}")
        outside = self.level
        for node in graph.nodes:
            where = f"{path}.{node.name}"
            reads = [maps[k] for k in node.reads]
            apart = node.merge == "apart"
            read = tuple(reads) if apart else merged(reads, node.merge, where)
            self.level = outside if node.level is None else node.level
            maps.append(
                only(self.through(node.layer, read, where, times, shared), where)
            )
        self.level = outside
        outputs = tuple(maps[k] for k in graph.outputs)
        return outputs[0] if len(outputs) == 1 else outputs
