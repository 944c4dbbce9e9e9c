"""Memory that a network takes, and bytes that it moves, by arithmetic.

Of the built network as torch runs it eagerly, each operator reading its inputs from
memory and writing its output there: the layers that are counted and built are read once
more, for what the built modules hold on to while one runs, and what autograd keeps for
the way back. Scratch space of kernels is no feature map and not counted.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, assert_never

from effscale.arrays import Int, larger
from effscale.choices import STORED_BYTES
from effscale.cost.count import leaf_cost, visited
from effscale.cost.fold import converted, shape_of
from effscale.network.combinators import (
    Across,
    Collect,
    Gate,
    Graph,
    Layer,
    Maybe,
    Repeat,
    Residual,
    Sequential,
    unrolled,
)
from effscale.network.network import network
from effscale.network.operators.operator import (
    PLAIN,
    PRODUCT,
    Map,
    Maps,
    Operator,
    Traffic,
)
from effscale.network.shapes import Shape, merged

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from effscale.cost.count import Visit
    from effscale.network.parts import Network
    from effscale.spec.models import Spec

#: Bytes of an index, or of two numbers in single precision.
WORD_BYTES = 8


@dataclass(frozen=True)
class PartMemory:
    """Bytes of one part."""

    name: str
    weights: int
    #: Outputs of all operators together.
    activations: int
    #: Most that feature maps take at once while the part runs, held ones included.
    peak: int
    #: Read and written: inputs, outputs and weights of all operators.
    moved: int
    macs: int

    @property
    def macs_per_byte(self) -> float:
        return self.macs / max(self.moved, 1)


@dataclass(frozen=True)
class Memory:
    """Bytes of a network for one batch size and type of element."""

    batch: int
    dtype: str
    #: Parameters, and the running statistics of batch norm.
    weights: int
    #: Outputs of all operators together.
    activations: int
    #: Most that feature maps take at once in inference, the images included.
    peak: int
    #: Most that feature maps and gradients, of weights too, take at once in training;
    #: the weights themselves and an optimizer's state come to that.
    training_peak: int
    moved: int
    macs: int
    parts: tuple[PartMemory, ...]

    @property
    def macs_per_byte(self) -> float:
        return self.macs / max(self.moved, 1)


def memory(net: Network, batch: int = 1, dtype: str = "float32") -> Memory:
    """What `net`, of plain ints, takes for `batch` images at once.

    `dtype` is that of weights and feature maps alike: a key of `STORED_BYTES`.
    """
    size = STORED_BYTES[dtype]
    ops = tape(net)
    parts = []
    for index, (part, _, steps, _) in enumerate(visited(net)):
        own = [op for op in ops if op.part == index]
        macs = sum(int(step.times) * int(leaf_cost(step).macs) for step in steps)
        parts.append(
            PartMemory(
                name=part.name,
                weights=int(size * _stored(steps)),
                activations=int(size * batch * sum(op.makes.elements for op in own)),
                peak=int(max((_live(op, batch, size) for op in own), default=0)),
                moved=int(sum(_moved(op, batch, size) for op in own)),
                macs=batch * macs,
            )
        )
    return Memory(
        batch=batch,
        dtype=dtype,
        weights=sum(each.weights for each in parts),
        activations=sum(each.activations for each in parts),
        peak=max(each.peak for each in parts),
        training_peak=int(training_peak(tape(net, training=True), batch, size)),
        moved=sum(each.moved for each in parts),
        macs=sum(each.macs for each in parts),
        parts=tuple(parts),
    )


def _stored(steps: Iterable[Visit]) -> Int:
    """Elements of the parameters and the running statistics of some operators."""
    stored: Int = 0
    for step in steps:
        statistics = 0 if step.tied else step.leaf.buffers
        stored = stored + step.times * (leaf_cost(step).params + statistics)
    return stored


def at_once(spec: Spec, batch: int, dtype: str, *, training: bool = False) -> Int:
    """Bytes that running `spec` takes: its weights, and the most beside them at once.

    Arrays in the spec give arrays. In training gradients are among it; the state of an
    optimizer comes to that.
    """
    size = STORED_BYTES[dtype]
    net = network(spec)
    weights = sum((_stored(each.visits) for each in visited(net)), start=0)
    return size * weights + _peaks(spec, batch, size, training=training)


def _peaks(spec: Spec, batch: int, size: int, *, training: bool) -> Int:
    """The most bytes beside weights, of each candidate.

    Operators are written out, copy by copy: candidates of one structure at a time.
    """
    if not (whole := shape_of(spec)):
        return _peak(spec, batch, size, training=training)
    import numpy as np

    structure = [np.broadcast_to(each, whole).ravel() for each in _structure(spec)]
    rows, which = np.unique(np.array(structure), axis=1, return_inverse=True)
    found = np.zeros(math.prod(whole), dtype=np.int64)
    for index in range(rows.shape[1]):
        here = which.ravel() == index

        def picked(array: Any, here: Any = here) -> Any:  # noqa: ANN401 - numbers
            some = np.broadcast_to(array, whole).ravel()[here]
            return int(some[0]) if (some == some[0]).all() else some

        same = converted(spec, picked)
        found[here] = _peak(same, batch, size, training=training)
    return found.reshape(whole)


def _structure(spec: Spec) -> list[Int]:
    """What is equal of candidates that have the same operators in the same places.

    Copies of layers, layers that some have and others not, what some maps need and
    others not, and skips, which blocks have where as many channels come in as go out.
    """
    found: list[Int] = [1]
    net = network(spec)
    for part in net.parts:
        _note_structure(part.layer, found)
    found += [
        (step.input.positions == step.output.positions) * 1
        for part in visited(net)
        for step in part.visits
        if step.leaf.idle_if_same
    ]
    widths = [getattr(line, "channels", None) for line in (*spec.stem, *spec.stages)]
    for before, after in pairwise(widths):
        if before is not None and after is not None:
            found.append((before == after) * 1)
    return found


def _note_structure(layer: Layer, found: list[Int]) -> None:
    match layer:
        case Repeat(body, number) | Maybe(body, number):
            found.append(number)
            _note_structure(body, found)
        case Across(body):
            _note_structure(body, found)
        case Sequential(layers) | Gate(layers) | Collect(layers):
            for _, each in layers:
                _note_structure(each, found)
        case Residual(layers, shortcut):
            for _, each in (*layers, *shortcut):
                _note_structure(each, found)
        case Graph(nodes=nodes):
            for node in nodes:
                _note_structure(node.layer, found)
        case Operator():
            pass
        case _:
            assert_never(layer)


def _peak(spec: Spec, batch: int, size: int, *, training: bool) -> Int:
    """The most bytes beside weights; numbers other than repeats may be arrays."""
    ops = tape(network(spec), training=training)
    if training:
        return training_peak(ops, batch, size)
    most: Int = 0
    for op in ops:
        most = larger(most, _live(op, batch, size))
    return most


def _bytes(maps: Iterable[Map], batch: int, size: int) -> Int:
    return size * batch * sum({each.number: each.elements for each in maps}.values())


def _live(op: Op, batch: int, size: int) -> Int:
    """What there is while an operator runs in inference."""
    maps = _bytes((*op.held, *op.reads, op.makes), batch, size)
    return maps + WORD_BYTES * batch * op.words


def _moved(op: Op, batch: int, size: int) -> Int:
    maps = size * batch * sum(each.elements for each in (*op.reads, op.makes))
    return maps + size * op.params + WORD_BYTES * batch * op.words


def training_peak(ops: Sequence[Op], batch: int, size: int) -> Int:
    """The most bytes that feature maps and gradients take on the way there and back.

    On the way there, whatever the way back needs is kept. On the way back, an operator
    has the gradient of its output, and makes those of what it read and of its weights;
    what it alone kept is dropped behind it.
    """
    kept = _Kept(batch, size)
    there: Int = 0
    for op in ops:
        kept.add(op)
        more = {each.number: each.elements for each in (*op.held, *op.reads, op.makes)}
        loose = sum(n for number, n in more.items() if number not in kept.times)
        there = larger(there, kept.bytes + size * batch * loose)
    read = {each.number for op in ops for each in op.reads}
    outputs = [op.makes for op in ops if op.makes.number not in read]
    back: Int = 0
    weights: Int = 0
    gradients = {each.number: each.elements for each in outputs}
    image = next(op.reads[0] for op in ops if op.reads)
    for op in reversed(ops):
        own = gradients.pop(op.makes.number, op.makes.elements)
        weights = weights + op.trains
        around: Int = own + sum(gradients.values()) + sum(_gradients(op))
        # Whoever trains holds what goes in and what comes out.
        ends = (image, *outputs)
        around += sum(m.elements for m in ends if m.number not in kept.times)
        back = larger(back, kept.bytes + size * (batch * around + weights))
        gradients.update({each.number: each.elements for each in op.reads})
        kept.drop(op)
    most: Int = larger(there, back)
    return most


def _gradients(op: Op) -> list[Int]:
    """Elements of the gradients that an operator makes of its output's."""
    if len(op.reads) == 1:
        return [op.reads[0].elements]
    # A product makes both at the size of its output, and sums up what was broadcast. A
    # sum hands its gradient on, a concatenation parts of it.
    return [op.makes.elements for _ in op.reads] if op.kept else []


class _Kept:
    """What the way back needs, each feature map once however many need it."""

    def __init__(self, batch: int, size: int) -> None:
        self.times: Counter[int] = Counter()
        self.bytes: Int = 0
        self._batch, self._size = batch, size

    def add(self, op: Op) -> None:
        """Keep what the operator keeps."""
        self.bytes = self.bytes + self._words(op)
        for each in {each.number: each for each in op.kept}.values():
            if not self.times[each.number]:
                self.bytes = self.bytes + self._size * self._batch * each.elements
            self.times[each.number] += 1

    def drop(self, op: Op) -> None:
        """Drop what no other operator keeps."""
        self.bytes = self.bytes - self._words(op)
        for each in {each.number: each for each in op.kept}.values():
            self.times[each.number] -= 1
            if not self.times[each.number]:
                del self.times[each.number]
                self.bytes = self.bytes - self._size * self._batch * each.elements

    def _words(self, op: Op) -> Int:
        return WORD_BYTES * self._batch * op.words


@dataclass(frozen=True, slots=True)
class Op:
    """An operator: what it reads and makes, what is held meanwhile, what is kept."""

    part: int  #: index of the network's part
    reads: Maps
    makes: Map
    held: Maps  #: by the modules around it
    kept: Maps = ()  #: for the way back
    words: Int = 0  #: beside the output; kept for the way back, too
    params: Int = 0  #: weights that it reads
    trains: Int = 0  #: those of them that have a gradient


def tape(net: Network, *, training: bool = False) -> list[Op]:
    """What running the built network does, image to output.

    In training, dropout and stochastic depth run too.
    """
    run = _Run(training, net.stochastic_depth > 0)
    image: Maps = (Map(0, net.image, net.image.elements),)
    done: list[Maps] = []
    released: set[int] = set()
    group, before = "", image
    for index, part in enumerate(net.parts):
        run.part, run.depth = index, part.path.count(".") + 2
        read = net.read(index, done, image)
        maps = read[0] if len(read) == 1 else tuple(each[0] for each in read)
        if not net.is_chain:  # what a part put out is held until nothing reads it
            held = (other for k, other in enumerate(done) if k not in released)
            around = (*image, *(each for other in held for each in other))
        else:
            outer = part.path.rpartition(".")[0]
            if outer != group:  # a container of parts holds what came into it
                group, before = outer, (*image, *maps) if outer else image
            around = before if outer else image
        done.append(run.chain(part.layer.layers, maps, around, part.path))
        released.update(net.done[index])
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

    def op(  # noqa: PLR0913, PLR0917 - what an operator does
        self,
        reads: Maps,
        shape: Shape,
        held: Maps,
        traffic: Traffic = PLAIN,
        weights: Int = 0,
        trains: Int = 0,
    ) -> Map:
        """An operator's output, the operator noted."""
        size = shape.elements if traffic.elements is None else traffic.elements
        made = Map(self.made, shape, size)
        self.made += 1
        kept = reads if traffic.keeps_inputs else ()
        kept = (made,) if traffic.keeps_output else kept
        trains = 0 if self.tied else trains
        numbers = traffic.words, weights, trains
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
            case Collect(layers):
                return (self.collected(layers, maps[0], held, path),)
            case Residual():
                return (self.residual(layer, maps[0], held, path),)
            case Repeat() | Maybe():
                return self.chain((("0", layer),), maps, held, path)
            case Graph():
                return self.graph(layer, maps, held, path)
            case Across(body):
                return self.across(body, maps, held, path)
            case Operator():
                return (self.operator(layer, maps, held, path),)
            case _:
                assert_never(layer)

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

    def collected(
        self, layers: tuple[tuple[str, Layer], ...], x: Map, held: Maps, path: str
    ) -> Map:
        """All that is made is held until it is put in a row."""
        made: Maps = (x,)
        for name, each in unrolled(layers):
            around = (*held, *made)
            made += self.through(each, made[-1:], around, f"{path}.{name}")
        shape = merged([each.shape for each in made], "concat", path)
        return self.op(made, shape, (*held, *made))

    def graph(self, graph: Graph, maps: Maps, held: Maps, path: str) -> Maps:
        """Every node's output is held until the last one is done."""
        known = list(maps)
        for node in graph.nodes:
            around = (*held, *known)
            where = f"{path}.{node.name}"
            read = tuple(known[k] for k in node.reads)
            one = read[0]
            if node.merge == "apart":
                known += self.through(node.layer, read, (*around, *read), where)
                continue
            if len(read) > 1 and node.merge == "concat":
                shape = merged([each.shape for each in read], "concat", where)
                one = self.op(read, shape, around)
            elif len(read) > 1:
                traffic = PRODUCT if node.merge == "product" else PLAIN
                for other in read[1:]:
                    shape = merged((one.shape, other.shape), node.merge, where)
                    one = self.op((one, other), shape, around, traffic)
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

    def operator(self, leaf: Operator, maps: Maps, held: Maps, path: str) -> Map:
        """What an operator makes; the same map where it is a view, or does nothing."""
        shapes = tuple(each.shape for each in maps)
        after = leaf.output(shapes if len(shapes) > 1 else shapes[0], path)
        outside = self.tied
        self.tied = outside or self.again(leaf, path)
        made = leaf.run(self, maps, after, held)
        self.tied = outside
        return made

    def again(self, leaf: Operator, path: str) -> bool:
        """Whether its weights are those of an operator before it in its block."""
        if leaf.shared is None:
            return False
        block = path.split(".")[: self.depth]
        before = len(self.shared)
        self.shared.add((*block, leaf.shared))
        return len(self.shared) == before
