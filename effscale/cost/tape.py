"""A run of a network, operator by operator: which feature maps each reads and makes.

The same layers that are counted and built, read once more: what the built modules hold
on to while a layer runs, and what autograd keeps of it for the way back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from effscale.cost.kept import Does, does
from effscale.cost.shapes import merged, output
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
from effscale.network.leaves import Conv, Dropout, Leaf, Shape

if TYPE_CHECKING:
    from effscale.network.layers import Network

#: Bytes of the index that a maximum is found at.
INDEX_BYTES = 8
PLAIN, PRODUCT = Does(), Does(keeps_inputs=True)


@dataclass(frozen=True, slots=True)
class Map:
    """A feature map in memory; `number` tells it from others of its shape."""

    number: int
    shape: Shape
    elements: int


#: What layers hand on: one feature map, or several.
Maps: TypeAlias = tuple[Map, ...]


@dataclass(frozen=True, slots=True)
class Op:
    """An operator: what it reads and makes, what is held meanwhile, what is kept."""

    part: int  #: index of the network's part
    reads: Maps
    makes: Map
    held: Maps  #: by the modules around it
    kept: Maps = ()  #: for the way back
    indices: int = 0  #: of maxima, beside the output; kept for the way back, too
    params: int = 0  #: weights that it reads
    trains: int = 0  #: those of them that have a gradient


def tape(net: Network, *, training: bool = False) -> list[Op]:
    """What running the built network does, image to output.

    In training, dropout and stochastic depth run too.
    """
    run = _Run(training, net.stochastic_depth > 0)
    maps: Maps = (Map(0, net.image, int(net.image.elements)),)
    held: Maps = maps
    group, before = "", held
    for index, part in enumerate(net.parts):
        run.part, run.depth = index, part.path.count(".") + 2
        outer = part.path.rpartition(".")[0]
        if outer != group:  # a container of parts holds what came into it
            group, before = outer, held if not outer else (*held, *maps)
        around = before if outer else held
        maps = run.chain(part.layer.layers, maps, around, part.path)
    return run.ops


@dataclass
class _Run:
    """A run so far."""

    training: bool
    drops_paths: bool
    ops: list[Op] = field(default_factory=list)
    made: int = 1  #: feature maps so far, the image being the first
    part: int = 0
    depth: int = 0  #: words in the path of a block
    shared: set[tuple[str, ...]] = field(default_factory=set)

    def op(self, reads: Maps, shape: Shape, held: Maps, what: Does = PLAIN) -> Map:
        """An operator's output, the operator noted."""
        size = int(shape.elements) if what.elements is None else what.elements
        made = Map(self.made, shape, size)
        self.made += 1
        kept = reads if what.keeps_inputs else ()
        kept = (made,) if what.keeps_output else kept
        numbers = what.indices, what.params, what.trains
        self.ops.append(Op(self.part, reads, made, held, kept, *numbers))
        return made

    def chain(
        self, layers: tuple[tuple[str, Layer], ...], maps: Maps, held: Maps, path: str
    ) -> Maps:
        """What a container's children make; it holds on to what came in meanwhile."""
        held = (*held, *maps)
        for name, layer in unrolled(layers):
            maps = self.through(layer, maps, (*held, *maps), f"{path}.{name}")
        return maps

    def through(self, layer: Layer, maps: Maps, held: Maps, path: str) -> Maps:
        """What a layer makes of feature maps."""
        match layer:
            case Sequential(layers):
                return self.chain(layers, maps, held, path)
            case Gate(layers):
                (x,) = maps
                (gate,) = self.chain(layers, maps, held, path)
                return (self.op((x, gate), x.shape, held, PRODUCT),)
            case Residual():
                return (self.residual(layer, maps[0], held, path),)
            case Repeat() | Maybe():
                return self.chain((("0", layer),), maps, held, path)
            case Graph():
                return self.graph(layer, maps, held, path)
            case _:
                return (self.leaf(layer, maps[0], held, path),)

    def residual(self, layer: Residual, x: Map, held: Maps, path: str) -> Map:
        """The sum of both branches; the first is held while the second runs."""
        held = (*held, x)
        y = x
        for name, each in unrolled(layer.layers):
            (y,) = self.through(each, (y,), (*held, y), f"{path}.{name}")
        if layer.scale != 1:
            y = self.op((y,), y.shape, held)
        if self.training and self.drops_paths:
            y = self.op((y,), y.shape, held)
        beside = x
        if layer.shortcut:
            (beside,) = self.chain(layer.shortcut, (x,), (*held, y), path)
        return self.op((beside, y), y.shape, held)

    def graph(self, graph: Graph, maps: Maps, held: Maps, path: str) -> Maps:
        """Every node's output is held until the last one is done."""
        known = list(maps)
        for node in graph.nodes:
            around = (*held, *known)
            where = f"{path}.{node.name}"
            read = tuple(known[k] for k in node.reads)
            one = read[0]
            if len(read) > 1 and node.merge == "concat":
                shape = merged([each.shape for each in read], "concat", where)
                one = self.op(read, shape, around)
            elif len(read) > 1:
                for other in read[1:]:
                    one = self.op((one, other), one.shape, around)
            known.append(self.through(node.layer, (one,), (*around, one), where)[0])
        return tuple(known[k] for k in graph.outputs)

    def leaf(self, leaf: Leaf, x: Map, held: Maps, path: str) -> Map:
        """What a leaf makes; the same memory where it is a view, or does nothing."""
        shape = output(leaf, x.shape, path)
        if isinstance(leaf, Dropout) and leaf.rate and self.training:
            noise = self.op((x,), shape, held)
            return self.op((x, noise), shape, (*held, noise), PRODUCT)
        what = does(leaf, x.shape, shape)
        if what is None:
            return Map(x.number, shape, x.elements)
        if isinstance(leaf, Conv) and self.again(leaf, path):
            what = what._replace(trains=0)
        return self.op((x,), shape, held, what)

    def again(self, conv: Conv, path: str) -> bool:
        """Whether its weights are those of a convolution before it in its block."""
        if conv.shared is None:
            return False
        block = path.split(".")[: self.depth]
        before = len(self.shared)
        self.shared.add((*block, conv.shared))
        return len(self.shared) == before
