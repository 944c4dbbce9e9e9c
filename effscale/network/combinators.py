"""The eight ways to combine layers, of which operators are the leaves.

A block is written once in these words (`network.blocks`, `steps`, `cells`) and read by
whoever needs it: `cost` counts it, `module` builds it. Numbers of type `Int` may be
arrays, one entry for each candidate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from effscale.arrays import ONE, Int, at_least, is_array
from effscale.data import data
from effscale.errors import LayerError
from effscale.network.operators.operator import Operator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from effscale.network.shapes import Merge


@data
class Sequential:
    """Named layers, one after the other."""

    layers: tuple[tuple[str, Layer], ...]


@data
class Gate:
    """x · f(x), f being the layers in order."""

    layers: tuple[tuple[str, Layer], ...]


@data
class Residual:
    """shortcut(x) + scale · f(x); no layers as shortcut are x itself.

    f, the layers in order, may be skipped in training.
    """

    layers: tuple[tuple[str, Layer], ...]
    shortcut: tuple[tuple[str, Layer], ...] = ()
    scale: float = 1.0


@data
class Collect:
    """What comes in, and what each of the layers makes in turn, channels in a row."""

    layers: tuple[tuple[str, Layer], ...]


@data
class Repeat:
    """`times` copies of a layer that keeps its shape, numbered on from its name."""

    layer: Layer
    times: Int

    def __post_init__(self) -> None:
        if not at_least(0, self.times):
            message = f"times: expected at least 0, got {self.times}"
            raise LayerError(message, self.times < 0)


@data
class Maybe:
    """A layer that is there (1) or not (0), so that candidates may differ in it."""

    layer: Layer
    there: Int


@data
class Across:
    """Each of several feature maps through one layer, whose weights they share."""

    layer: Layer
    levels: tuple[int, ...]  #: which map is of which level of a detector


@data
class Node:
    """What a graph makes of some of its feature maps: merged, then sent through."""

    name: str
    reads: tuple[int, ...]
    layer: Layer
    merge: Merge = "sum"
    level: int | None = None  #: of a detector
    gives: int = 1  #: feature maps that the layer puts out


@data
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
            if not node.reads or min(node.reads) < 0 or max(node.reads) >= known:
                found = list(node.reads)
                raise LayerError(
                    f"{node.name}: expected maps below {known}, got {found}"
                )
            known += node.gives


Layer: TypeAlias = (
    Operator | Sequential | Gate | Residual | Collect | Repeat | Maybe | Graph | Across
)

#: The layer that changes nothing.
IDENTITY = Sequential(())


def seq(**layers: Layer) -> Sequential:
    """The layers in order, named by their keywords."""
    return Sequential(tuple(layers.items()))


def copies(layer: Layer) -> Int:
    """How many of it follow each other: of a layer that may be missing, 0 or 1."""
    match layer:
        case Repeat(times=times):
            return times
        case Maybe(there=there):
            return there
        case _:
            return ONE


def unrolled(layers: tuple[tuple[str, Layer], ...]) -> Iterator[tuple[str, Layer]]:
    """The named layers that are there, each `Repeat` written out.

    Of one network, or of candidates that have the same layers.
    """
    for name, layer in layers:
        if isinstance(layer, Repeat):
            for k in range(_alike(layer.times)):
                yield str(int(name) + k), layer.layer
        elif isinstance(layer, Maybe):
            if _alike(layer.there):
                yield name, layer.layer
        else:
            yield name, layer


def _alike(number: Any) -> int:  # noqa: ANN401 - a number, or an array
    """The one number that all candidates have."""
    return int(number.flat[0]) if is_array(number) else int(number)
