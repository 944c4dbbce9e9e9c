"""Layers: the leaves, and the seven ways to combine them.

A block is written once in these words (`network.blocks`, `steps`, `cells`) and read by
whoever needs it: `cost` counts it, `module` builds it. Numbers of type `Int` may be
arrays, one entry for each candidate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from effscale.arrays import Int, at_least
from effscale.errors import LayerError
from effscale.network.leaves import Leaf, Shape

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from effscale.network.leaves import Window

#: `apart`: a layer takes the several as they are.
Merge: TypeAlias = Literal["sum", "concat", "apart"]

#: What layers hand on: one feature map, or the several that a graph reads.
Flow: TypeAlias = Shape | tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class Sequential:
    """Named layers, one after the other."""

    layers: tuple[tuple[str, Layer], ...]


@dataclass(frozen=True, slots=True)
class Gate:
    """x · f(x), f being the layers in order."""

    layers: tuple[tuple[str, Layer], ...]


@dataclass(frozen=True, slots=True)
class Residual:
    """shortcut(x) + scale · f(x); no layers as shortcut are x itself.

    f, the layers in order, may be skipped in training.
    """

    layers: tuple[tuple[str, Layer], ...]
    shortcut: tuple[tuple[str, Layer], ...] = ()
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Repeat:
    """`times` copies of a layer that keeps its shape, numbered on from its name."""

    layer: Layer
    times: Int

    def __post_init__(self) -> None:
        """Refuse fewer than no copies."""
        if not at_least(0, self.times):
            raise LayerError(f"times: expected at least 0, got {self.times}")


@dataclass(frozen=True, slots=True)
class Maybe:
    """A layer that is there (1) or not (0), so that candidates may differ in it."""

    layer: Layer
    there: Int


@dataclass(frozen=True, slots=True)
class Across:
    """Each of several feature maps through one layer, whose weights they share."""

    layer: Layer
    levels: tuple[int, ...]  #: which map is of which level of a detector


@dataclass(frozen=True, slots=True)
class Node:
    """What a graph makes of some of its feature maps: merged, then sent through."""

    name: str
    reads: tuple[int, ...]
    layer: Layer
    merge: Merge = "sum"
    level: int | None = None  #: of a detector


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes in order, each reading feature maps by number: inputs first, then nodes.

    Takes and gives one feature map, or several.
    """

    inputs: int
    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]

    def __post_init__(self) -> None:
        """Refuse to read what is not there yet."""
        known = self.inputs
        for node in (*self.nodes, Node("outputs", self.outputs, IDENTITY)):
            if not node.reads or not all(0 <= each < known for each in node.reads):
                found = list(node.reads)
                raise LayerError(
                    f"{node.name}: expected maps below {known}, got {found}"
                )
            known += 1


Layer: TypeAlias = Leaf | Sequential | Gate | Residual | Repeat | Maybe | Graph | Across

#: The layer that changes nothing.
IDENTITY = Sequential(())


def newest(flow: Flow) -> Shape:
    """The feature map that a part puts out; cells hand on that before it as well."""
    return flow if isinstance(flow, Shape) else flow[0]


def seq(**layers: Layer) -> Sequential:
    """The layers in order, named by their keywords."""
    return Sequential(tuple(layers.items()))


def unrolled(layers: tuple[tuple[str, Layer], ...]) -> Iterator[tuple[str, Layer]]:
    """The named layers that are there, each `Repeat` written out (plain ints only)."""
    for name, layer in layers:
        if isinstance(layer, Repeat):
            for k in range(int(layer.times)):
                yield str(int(name) + k), layer.layer
        elif isinstance(layer, Maybe):
            if layer.there:
                yield name, layer.layer
        else:
            yield name, layer


@dataclass(frozen=True)
class Part:
    """A row of a report, the stem, a stage, a head: a layer, and how to call it."""

    name: str  #: for people: `stage 3`
    path: str  #: where it is in the built module: `stages.2`
    operator: str  #: in the papers' notation: `MBConv6 5×5`
    kernel: Window | None  #: None of a block that is made of several
    stride: Window
    channels: Int  #: output channels
    repeats: Int
    layer: Sequential
    #: Numbers of the parts whose output it takes; none are that before it.
    reads: tuple[int, ...] = ()


@dataclass(frozen=True)
class Network:
    """Parts in order, and the image they are for.

    What no part reads is what the network puts out.
    """

    name: str
    image: Shape
    parts: tuple[Part, ...]
    stochastic_depth: float = 0.0

    def __post_init__(self) -> None:
        """Refuse an image without pixels."""
        if not all(at_least(1, each) for each in self.image):
            raise LayerError(f"image: expected at least one pixel, got {self.image}")

    def given(self, index: int, flows: Sequence[Flow]) -> Flow:
        """What part number `index` takes in, of what those before it put out."""
        flows = [flows[each] for each in self.sources(index)] or [self.image]
        several = tuple(newest(each) for each in flows)
        return several if len(several) > 1 else flows[0]

    def sources(self, index: int) -> tuple[int, ...]:
        """Numbers of the parts that part `index` reads; none where it is the image."""
        return self.parts[index].reads or ((index - 1,) if index else ())
