"""Lines of a spec whose kind a test knows; and networks that no spec states yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from effscale.network.combinators import IDENTITY, Graph, Layer, Node, Sequential, seq
from effscale.network.operators.convolution import Conv, Linear
from effscale.network.operators.elementwise import Flatten
from effscale.network.operators.fusion import Resize
from effscale.network.operators.pooling import GlobalPool
from effscale.network.parts import IMAGE, Network, Part
from effscale.network.shapes import Shape

if TYPE_CHECKING:
    from effscale.spec.models import Spec
    from effscale.spec.neck import Heads, Neck
    from effscale.spec.outputs import Head


def stem(spec: Spec) -> Any:  # noqa: ANN401 - a line of any kind
    """The only line of the stem."""
    (line,) = spec.stem
    return line


def stages(spec: Spec) -> Any:  # noqa: ANN401 - lines of any kind
    """The lines of the stages."""
    return spec.stages


def head_of(spec: Spec) -> Head:
    """The head of a classifier's spec."""
    assert spec.head is not None
    return spec.head


def detecting(spec: Spec) -> tuple[Neck, Heads]:
    """The neck and the heads of a detector's spec."""
    assert spec.neck is not None
    assert spec.heads is not None
    return spec.neck, spec.heads


def part(name: str, layer: Layer, reads: tuple[int, ...] | None = None) -> Part:
    """A part of one layer."""
    block = Sequential((("0", layer),))
    path = name.replace(" ", "_")
    return Part(name, path, "conv", (1, 1), (1, 1), 1, 1, block, reads)


def branching() -> Network:
    """A stage is read again, a part reads the image, and two heads differ in kind."""
    up = Node("up", (0, 1), Resize(), "apart")
    met = Graph(2, (up, Node("sum", (2, 1), Conv(4, 6))), (3,))
    beside = Graph(2, (Node("all", (0, 1), IDENTITY, "concat"),), (2,))
    classify = seq(pool=GlobalPool(), flatten=Flatten(), classifier=Linear(4, 10))
    parts = (
        part("stem", Conv(3, 4, (3, 3), (2, 2))),
        part("stages.0", Conv(4, 4, (3, 3), (2, 2))),
        part("up", met, (1, 0)),
        part("aside", Conv(3, 6, (3, 3), (2, 2)), (IMAGE,)),
        part("segment", seq(beside=beside, conv=Conv(12, 5, bias=True)), (2, 3)),
        part("classify", classify, (1,)),
    )
    return Network("branching", Shape(3, 33, 40), parts)
