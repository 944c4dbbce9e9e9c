"""A walk through a network, leaf by leaf, with the shape of every feature map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from effscale.arrays import ONE, Int
from effscale.cost.shapes import (
    all_of,
    either,
    keeps,
    merged,
    only,
    output,
    same_channels,
)
from effscale.errors import LayerError
from effscale.network.layers import (
    Gate,
    Graph,
    Layer,
    Maybe,
    Repeat,
    Residual,
    Sequential,
    unrolled,
)
from effscale.network.leaves import Conv, Leaf, Shape

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
    """The visits so far."""

    unroll: bool
    visits: list[Visit]

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
            case _:
                shape = only(flow, path)
                out = output(layer, shape, path)
                tied = isinstance(layer, Conv) and layer.shared in shared
                if isinstance(layer, Conv) and layer.shared is not None:
                    shared.add(layer.shared)
                self.visits.append(Visit(path, layer, times, shape, out, tied))
                return out

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
        for node in graph.nodes:
            where = f"{path}.{node.name}"
            read = merged([maps[k] for k in node.reads], node.merge, where)
            maps.append(
                only(self.through(node.layer, read, where, times, shared), where)
            )
        outputs = tuple(maps[k] for k in graph.outputs)
        return outputs[0] if len(outputs) == 1 else outputs
