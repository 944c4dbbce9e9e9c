"""Nodes of a graph that ONNX Runtime runs: their time, and the operators they were.

ONNX Runtime merges operators and pads channels to whole vectors of the processor, and
its nodes keep no names of ours. A node is that of the next operator whose windows,
sides and channels it may have.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from effscale.module import onnx
from effscale.network.operators.convolution import Conv, Linear
from effscale.network.operators.elementwise import Act, Dropout, Flatten
from effscale.network.operators.norm import BatchNorm, LayerNorm
from effscale.network.operators.pooling import GlobalPool, Pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import nn

    from effscale.cost.count import Visit
    from effscale.module.latency import Setting
    from effscale.network.operators.operator import Operator

#: Channels in a vector of the widest processors: what is padded is padded to these.
VECTOR = 16
#: Microseconds of a node for which the clock, which counts whole ones, shows none.
SHORTEST = 0.5
#: What operators become.
NODES: dict[type[Operator], frozenset[str]] = {
    Conv: frozenset({"Conv", "FusedConv", "MatMul"}),
    Linear: frozenset({"Gemm", "FusedGemm"}),
    BatchNorm: frozenset({"BatchNormalization"}),
    LayerNorm: frozenset({"LayerNormalization"}),
    Act: frozenset(
        {
            *("Relu", "LeakyRelu", "Clip", "Elu", "Selu", "Celu", "Softplus", "Mish"),
            *("Sigmoid", "HardSigmoid", "HardSwish", "QuickGelu", "Gelu", "FastGelu"),
            *("BiasGelu", "Tanh", "Erf", "PRelu", "ThresholdedRelu"),
        }
    ),
    Pool: frozenset({"MaxPool", "AveragePool"}),
    GlobalPool: frozenset(
        {"GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceMax"}
    ),
    Dropout: frozenset(),
    Flatten: frozenset({"Flatten"}),
}
#: These have nodes of their own; the others may be merged into the one before, and take
#: nothing by themselves.
ALONE = (Conv, Linear)


class Node(NamedTuple):
    """A node of a graph that has run."""

    operator: str  #: of ONNX
    made: tuple[int, ...]  #: the shape of what it puts out
    weights: tuple[int, ...]  #: the shape of what it reads besides; empty of none
    seconds: float


class Profile:
    """Two sessions of one network: one runs as ever, one notes what nodes take."""

    def __init__(
        self,
        run: Callable[[], None],
        session: Any,  # noqa: ANN401 - ONNX Runtime's
        noted: Callable[[], None],
    ) -> None:
        self.run, self.noted, self._session = run, noted, session

    def rounds(self) -> list[list[Node]]:
        """The nodes of each noted run, in their order; nothing is noted any more."""
        events = json.loads(Path(self._session.end_profiling()).read_text("utf-8"))
        found: list[list[Node]] = []
        for event in sorted(events, key=lambda event: event["ts"]):
            if event["name"] == "model_run":
                found.append([])
            elif event["cat"] == "Node" and event["name"].endswith("_kernel_time"):
                found[-1].append(_node(event))
        return found[1:]  # the first has bound inputs and outputs


def _node(event: dict[str, Any]) -> Node:
    said = event["args"]
    made, read = (
        [tuple(next(iter(each.values()))) for each in said[f"{name}_type_shape"]]
        for name in ("output", "input")
    )
    weights = read[1] if len(read) > 1 else ()
    seconds = max(event["dur"], SHORTEST) / 1e6
    return Node(said["op_name"], made[0] if made else (), weights, seconds)


@contextmanager
def profiled(
    module: nn.Module, inputs: tuple[Any, ...], setting: Setting
) -> Iterator[Profile]:
    """The module as ONNX Runtime runs it, exported once.

    Raises:
        OutputError: if the libraries are not installed.
        MeasureError: if it cannot be exported, or ONNX Runtime does not run it so.
    """
    with (
        TemporaryDirectory() as folder,
        onnx.exported(module, inputs, setting) as bound,
    ):
        _, run = bound("")
        session, noted = bound(f"{folder}/nodes")
        yield Profile(run, session, noted)


def in_order(
    steps: Sequence[Visit | None], nodes: Sequence[Node], batch: int
) -> list[float | None]:
    """The seconds of each operator by the node that it was; None where none is found.

    An operator that is merged into another takes none. Where branches are run in
    another order than ours, equal operators may be taken for each other, which take as
    long.
    """
    left = [*nodes]
    found: list[float | None] = []
    for step in steps:
        if step is None or type(step.leaf) not in NODES:
            found.append(None)
            continue
        node = next((each for each in left if _is_of(each, step, batch)), None)
        if node is not None:
            left.remove(node)
            found.append(node.seconds)
        else:
            found.append(None if isinstance(step.leaf, ALONE) else 0.0)
    return found


def _is_of(node: Node, step: Visit, batch: int) -> bool:
    """Whether a node may be that operator, its channels padded or not."""
    leaf, out = step.leaf, step.output
    if node.operator not in NODES[type(leaf)]:
        return False
    channels, rest = divmod(prod(node.made), batch * int(out.height * out.width))
    if rest or not 0 <= channels - int(out.channels) < VECTOR:
        return False
    if not isinstance(leaf, Conv):
        return True
    if node.operator == "MatMul":
        return (*leaf.kernel, *node.weights) == (1, 1, leaf.c_in, leaf.c_out)
    spare = node.weights[1] - int(leaf.c_in // leaf.groups)
    return node.weights[2:] == leaf.kernel and 0 <= spare < VECTOR
