"""A run of a network, operator by operator: which feature maps each reads and makes.

The same layers that are counted and built, read once more: what the built modules hold
on to while a layer runs, and what autograd keeps of it for the way back.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
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
    if any(part.reads for part in net.parts):
        return _detecting(net, run, image)
    maps = held = image
    group, before = "", held
    for index, part in enumerate(net.parts):
        run.part, run.depth = index, part.path.count(".") + 2
        outer = part.path.rpartition(".")[0]
        if outer != group:  # a container of parts holds what came into it
            group, before = outer, held if not outer else (*held, *maps)
        around = before if outer else held
        maps = run.chain(part.layer.layers, maps, around, part.path)
    return run.ops


def _detecting(net: Network, run: _Run, image: Maps) -> list[Op]:
    """A detector's run, which holds what every part has made until it ends."""
    done: list[Maps] = []
    for index, part in enumerate(net.parts):
        run.part, run.depth = index, part.path.count(".") + 2
        if not part.reads:
            maps = done[index - 1] if index else image
        elif len(part.reads) == 1:
            maps = done[part.reads[0]]
        else:
            maps = tuple(done[number][0] for number in part.reads)
        held = (*image, *(each for made in done for each in made))
        done.append(run.chain(part.layer.layers, maps, held, part.path))
    return run.ops


def _shapes(maps: Maps) -> tuple[Shape, ...]:
    return tuple(each.shape for each in maps)


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
            case Across(body):
                return self.across(body, maps, held, path)
            case Resize() | Attend() | Fuse():
                return (self.joint(layer, maps, held),)
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
                around = (*around, *read)
                known.append(self.through(node.layer, read, around, where)[0])
                continue
            if len(read) > 1 and node.merge == "concat":
                shape = merged([each.shape for each in read], "concat", where)
                one = self.op(read, shape, around)
            elif len(read) > 1:
                for other in read[1:]:
                    one = self.op((one, other), one.shape, around)
            known.append(self.through(node.layer, (one,), (*around, one), where)[0])
        return tuple(known[k] for k in graph.outputs)

    def across(self, layer: Layer, maps: Maps, held: Maps, path: str) -> Maps:
        """Each map through the same modules, what is made so far being held."""
        made: Maps = ()
        for k, each in enumerate(maps):
            first = len(self.ops)
            around = (*held, *maps, *made)
            made += self.through(layer, (each,), around, f"{path}.shared")
            if k:  # weights of which the gradient is counted once
                rest = [replace(op, trains=0) for op in self.ops[first:]]
                self.ops[first:] = rest
        return made

    def joint(self, leaf: Joint, maps: Maps, held: Maps) -> Map:
        """What a leaf makes of several feature maps, operator by operator."""
        x, *others = maps
        match leaf:
            case Resize():
                return self.op((x,), joined(leaf, _shapes(maps), ""), held)
            case Attend():
                (other,) = others
                top = self.op((x,), Shape(x.shape.channels, 1, 1), held)
                gate = self.op((top,), top.shape, held, Does(keeps_output=True))
                held = (*held, gate)
                gated = self.op((other, gate), other.shape, held, PRODUCT)
                return self.op((x, gated), x.shape, held)
            case Fuse():
                total = self.op((x,), x.shape, held, PRODUCT)
                for each in others:
                    weighed = self.op((each,), each.shape, (*held, total), PRODUCT)
                    total = self.op((total, weighed), total.shape, held)
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
