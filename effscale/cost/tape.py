"""A run of a network, operator by operator: which feature maps each reads and makes.

The same layers that are counted and built, read once more: what the built modules hold
on to while a layer runs, and what autograd keeps of it for the way back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

from effscale.cost.kept import Does, does
from effscale.cost.operation import Map, Maps, Op
from effscale.cost.shapes import joined, merged, output
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
from effscale.network.leaves import (
    Attend,
    Conv,
    Dropout,
    Fuse,
    Joint,
    Leaf,
    Resize,
    Shape,
)

if TYPE_CHECKING:
    from effscale.network.layers import Network

PLAIN, PRODUCT = Does(), Does(keeps_inputs=True)


def tape(net: Network, *, training: bool = False) -> list[Op]:
    """What running the built network does, image to output.

    In training, dropout and stochastic depth run too.
    """
    run = _Run(training, net.stochastic_depth > 0)
    image: Maps = (Map(0, net.image, int(net.image.elements)),)
    detects = bool(net.parts[-1].reads)
    done: list[Maps] = []
    group, before = "", image
    for index, part in enumerate(net.parts):
        run.part, run.depth = index, part.path.count(".") + 2
        read = [done[number] for number in net.sources(index)] or [image]
        maps = read[0] if len(read) == 1 else tuple(each[0] for each in read)
        if detects:  # what every part put out is held
            around = (*image, *(each for other in done for each in other))
        else:
            outer = part.path.rpartition(".")[0]
            if outer != group:  # a container of parts holds what came into it
                group, before = outer, (*image, *maps) if outer else image
            around = before if outer else image
        done.append(run.chain(part.layer.layers, maps, around, part.path))
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
    tied: bool = False

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
            case Across(body):
                return self.across(body, maps, held, path)
            case Resize() | Attend() | Fuse():
                return (self.joint(layer, maps, held, path),)
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
            if node.merge == "apart":
                made = self.through(node.layer, read, (*around, *read), where)
                known.append(made[0])
                continue
            if len(read) > 1 and node.merge == "concat":
                shape = merged([each.shape for each in read], "concat", where)
                one = self.op(read, shape, around)
            elif len(read) > 1:
                for other in read[1:]:
                    one = self.op((one, other), one.shape, around)
            known.append(self.through(node.layer, (one,), (*around, one), where)[0])
        return tuple(known[k] for k in graph.outputs)

    def across(self, body: Layer, maps: Maps, held: Maps, path: str) -> Maps:
        """One layer on each of several feature maps; its weights are learnt once."""
        made: list[Map] = []
        outside = self.tied
        for each in maps:
            around = (*held, *maps, *made)
            made += self.through(body, (each,), around, f"{path}.shared")
            self.tied = True
        self.tied = outside
        return tuple(made)

    def joint(self, leaf: Joint, maps: Maps, held: Maps, path: str) -> Map:
        """What a leaf makes of several feature maps, operator by operator."""
        shape = joined(leaf, tuple(each.shape for each in maps), path)
        held = (*held, *maps)
        match leaf:
            case Resize():
                return self.op(maps[:1], shape, held)
            case Attend():
                a, b = maps
                peak = self.op((a,), Shape(shape.channels, 1, 1), held, PRODUCT)
                gated = self.op((b, peak), shape, held, PRODUCT)
                return self.op((a, gated), shape, held)
            case Fuse():
                weighted = PRODUCT._replace(params=int(leaf.weights))
                total = self.op(maps[:1], shape, held, weighted)
                for each in maps[1:]:
                    more = self.op((each,), shape, (*held, total), PRODUCT)
                    total = self.op((total, more), shape, held)
                return total
            case _:
                assert_never(leaf)

    def leaf(self, leaf: Leaf, x: Map, held: Maps, path: str) -> Map:
        """What a leaf makes; the same memory where it is a view, or does nothing."""
        shape = output(leaf, x.shape, path)
        if isinstance(leaf, Dropout) and leaf.rate and self.training:
            noise = self.op((x,), shape, held)
            return self.op((x, noise), shape, (*held, noise), PRODUCT)
        what = does(leaf, x.shape, shape)
        if what is None:
            return Map(x.number, shape, x.elements)
        if self.tied or (isinstance(leaf, Conv) and self.again(leaf, path)):
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
