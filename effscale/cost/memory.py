"""What a network takes of memory, and moves through it: bytes, by arithmetic.

Of the built network as torch runs it eagerly, each operator reading its inputs from
memory and writing its output there. Scratch space of kernels is no feature map and not
counted; `effscale.cost.tape` says what is held when.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from effscale.cost.conventions import visits
from effscale.cost.count import leaf_cost
from effscale.cost.operation import INDEX_BYTES
from effscale.cost.tape import tape
from effscale.network.leaves import Norm

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from effscale.cost.operation import Map, Op
    from effscale.network.layers import Network

#: Bytes of an element of each type.
ELEMENT_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
#: MACs that a machine does while it moves a byte. An NVIDIA V100 does 7.8 T MACs/s in
#: float32 and moves 0.9 TB/s: 8.7. CPUs of many cores are near it.
BALANCE = 10.0


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
        """MACs for each byte that is moved."""
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
        """MACs for each byte that is moved."""
        return self.macs / max(self.moved, 1)


def memory(net: Network, batch: int = 1, dtype: str = "float32") -> Memory:
    """What `net`, of plain ints, takes for `batch` images at once.

    `dtype` is that of weights and feature maps alike: a key of `ELEMENT_BYTES`.
    """
    size = ELEMENT_BYTES[dtype]
    ops = tape(net)
    parts = []
    for index, (part, steps) in enumerate(visits(net)):
        own = [op for op in ops if op.part == index]
        params = sum(int(step.times) * int(leaf_cost(step).params) for step in steps)
        statistics = sum(
            2 * int(step.times) * int(step.leaf.channels)
            for step in steps
            if isinstance(step.leaf, Norm) and not step.tied
        )
        macs = sum(int(step.times) * int(leaf_cost(step).macs) for step in steps)
        parts.append(
            PartMemory(
                name=part.name,
                weights=size * (params + statistics),
                activations=size * batch * sum(op.makes.elements for op in own),
                peak=max((_live(op, batch, size) for op in own), default=0),
                moved=sum(_moved(op, batch, size) for op in own),
                macs=batch * macs,
            )
        )
    return Memory(
        batch=batch,
        dtype=dtype,
        weights=sum(each.weights for each in parts),
        activations=sum(each.activations for each in parts),
        peak=max(each.peak for each in parts),
        training_peak=training_peak(tape(net, training=True), batch, size),
        moved=sum(each.moved for each in parts),
        macs=sum(each.macs for each in parts),
        parts=tuple(parts),
    )


def _bytes(maps: Iterable[Map], batch: int, size: int) -> int:
    """Bytes of feature maps, each once."""
    return size * batch * sum({each.number: each.elements for each in maps}.values())


def _live(op: Op, batch: int, size: int) -> int:
    """What there is while an operator runs in inference."""
    maps = _bytes((*op.held, *op.reads, op.makes), batch, size)
    return maps + INDEX_BYTES * batch * op.indices


def _moved(op: Op, batch: int, size: int) -> int:
    """What an operator reads and writes."""
    maps = size * batch * sum(each.elements for each in (*op.reads, op.makes))
    return maps + size * op.params + INDEX_BYTES * batch * op.indices


def training_peak(ops: Sequence[Op], batch: int, size: int) -> int:
    """The most bytes that feature maps and gradients take on the way there and back.

    On the way there, whatever the way back needs is kept. On the way back, an operator
    has the gradient of its output, and makes those of what it read and of its weights;
    what it alone kept is dropped behind it.
    """
    kept = _Kept(batch, size)
    there = 0
    for op in ops:
        kept.add(op)
        more = {each.number: each.elements for each in (*op.held, *op.reads, op.makes)}
        loose = sum(n for number, n in more.items() if number not in kept.times)
        there = max(there, kept.bytes + size * batch * loose)
    read = {each.number for op in ops for each in op.reads}
    outputs = [op.makes for op in ops if op.makes.number not in read]
    back = weights = 0
    gradients = {each.number: each.elements for each in outputs}
    for op in reversed(ops):
        own = gradients.pop(op.makes.number, op.makes.elements)
        weights += op.trains
        loose = own + sum(gradients.values()) + sum(_gradients(op))
        # Whoever trains holds what goes in and what comes out.
        ends = (ops[0].reads[0], *outputs)
        loose += sum(m.elements for m in ends if m.number not in kept.times)
        back = max(back, kept.bytes + size * (batch * loose + weights))
        gradients.update({each.number: each.elements for each in op.reads})
        kept.drop(op)
    return max(there, back)


def _gradients(op: Op) -> list[int]:
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
        self.bytes = 0
        self._batch, self._size = batch, size

    def add(self, op: Op) -> None:
        """Keep what the operator keeps."""
        self.bytes += self._indices(op)
        for each in {each.number: each for each in op.kept}.values():
            if not self.times[each.number]:
                self.bytes += self._size * self._batch * each.elements
            self.times[each.number] += 1

    def drop(self, op: Op) -> None:
        """Drop what no other operator keeps."""
        self.bytes -= self._indices(op)
        for each in {each.number: each for each in op.kept}.values():
            self.times[each.number] -= 1
            if not self.times[each.number]:
                del self.times[each.number]
                self.bytes -= self._size * self._batch * each.elements

    def _indices(self, op: Op) -> int:
        return INDEX_BYTES * self._batch * op.indices
