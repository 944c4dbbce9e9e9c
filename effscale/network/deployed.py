"""A network as it is shipped: norms within convolutions, sums of convolutions as one.

What a batch norm does in inference, a convolution before it can do by its weights; and
convolutions of one map that are added are one convolution, if its kernel is that of one
of them (Ding et al. 2021, arXiv:2101.03697, section 3.3). `effscale.module.deployed`
makes its weights.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias, assert_never

from effscale.arrays import every
from effscale.network.combinators import (
    IDENTITY,
    Across,
    Collect,
    Gate,
    Graph,
    Layer,
    Maybe,
    Repeat,
    Residual,
    Sequential,
)
from effscale.network.operators.convolution import Conv
from effscale.network.operators.elementwise import Multiply
from effscale.network.operators.norm import BatchNorm
from effscale.network.operators.operator import Operator
from effscale.spec.line import SQUARE

if TYPE_CHECKING:
    from effscale.network.parts import Network

    Named: TypeAlias = tuple[tuple[str, Layer], ...]


def deployed(net: Network) -> Network:
    """The network with all that can be within convolutions within them.

    What several levels of a detector share stays, as each has norms of its own.
    """
    parts = (
        replace(part, layer=Sequential(_row(part.layer.layers))) for part in net.parts
    )
    return replace(net, parts=tuple(parts))


def folded(layer: Layer) -> Layer:
    """A layer that gives the same, of fewer operators."""
    match layer:
        case Operator() | Across():
            return layer
        case Sequential(layers):
            return Sequential(_row(layers))
        case Gate(layers):
            return Gate(_row(layers))
        case Collect(layers):
            return Collect(tuple((name, folded(each)) for name, each in layers))
        case Residual(layers, shortcut, scale):
            return Residual(_row(layers), _row(shortcut), scale)
        case Graph(inputs, nodes, outputs):
            each = tuple(replace(node, layer=folded(node.layer)) for node in nodes)
            graph = Graph(inputs, each, outputs)
            return _sum(graph) or graph
        case Repeat() | Maybe():
            return replace(layer, layer=folded(layer.layer))
        case _:
            assert_never(layer)


def _row(layers: Named) -> Named:
    """Layers one after the other, without the norms that convolutions can be."""
    found: list[tuple[str, Layer]] = []
    for name, layer in layers:
        before = found[-1][1] if found else None
        match layer, before:
            case BatchNorm(), Conv(shared=None):
                found[-1] = found[-1][0], replace(before, bias=True)
            case _:
                found.append((name, folded(layer)))
    return tuple(found)


def _sum(graph: Graph) -> Conv | None:
    """The one convolution that a sum of some is; None where it is none, or costs more.

    The last node adds, those before it are the branches.
    """
    *branches, last = graph.nodes
    ends = tuple(range(graph.inputs, graph.inputs + len(branches)))
    adds = last.merge == "sum" and last.reads == ends and last.layer == IDENTITY
    if not adds or any(node.reads != (0,) for node in branches):
        return None
    found = [_only(node.layer) for node in branches]
    convs = [each for each in found if isinstance(each, Conv)]
    if not convs or None in found:
        return None
    widest = max(convs, key=lambda conv: conv.kernel[0] * conv.kernel[1])
    keeps = widest.stride == SQUARE and every(widest.c_in == widest.c_out)
    beside = len(convs) < len(found)  # what comes in, or norms and multiples of it
    fits = (keeps or not beside) and all(_within(conv, widest) for conv in convs)
    return replace(widest, bias=True) if fits else None


def _only(layer: Layer) -> Operator | Sequential | None:
    """The convolution that a layer is alone, norms and multiples, or nothing."""
    match layer:
        case Conv() | BatchNorm() | Multiply() | Sequential(()):
            return layer
        case Sequential(((_, only),)):
            return _only(only)
        case Sequential(layers):
            found = [_only(each) for _, each in layers]
            alike = not any(each is None or isinstance(each, Conv) for each in found)
            return layer if alike else None
        case _:
            return None


def _within(conv: Conv, widest: Conv) -> bool:
    """Whether a convolution is the wider one of another kernel, about one middle."""
    inside = all(a <= b for a, b in zip(conv.kernel, widest.kernel, strict=True))
    centred = conv.padding == "same" or conv.kernel == SQUARE == conv.reach
    alike = conv.stride == widest.stride and conv.dilation == 1
    same = all(
        every(a == b)
        for a, b in (
            (conv.c_in, widest.c_in),
            (conv.c_out, widest.c_out),
            (conv.groups, widest.groups),
        )
    )
    return inside and centred and alike and same and conv.shared is None
