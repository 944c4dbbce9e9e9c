"""Feature networks as nodes: those well known, for any levels, and a file's own.

Inputs are `p3`, `p4` …; a node's name says its level and which way it passes.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

from effscale.errors import Fault, closest
from effscale.spec.neck import NeckNode, Steps
from effscale.spec.steps import Activate, Conv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from effscale.errors import Place
    from effscale.spec.neck import Neck, Wiring

    Nodes: TypeAlias = dict[str, NeckNode]

#: The rules of levels, and of the neck's graph.
LEVELS, GRAPH = "EFF403", "EFF404"
#: An attention is of one map by another.
ATTENDS = 2
#: NAS-FPN is a found cell, of these levels above its lowest.
NAS_FPN_LEVELS = 5
#: RetinaNet's pyramid has two levels that no merging reaches.
RETINANET_LEAST = 3


def nodes(neck: Neck) -> Mapping[str, NeckNode]:
    """The nodes of a layer of this neck, in order, by name."""
    if neck.wiring is None:
        return neck.nodes
    low, high = neck.levels
    return WIRINGS[neck.wiring](low, high)


def outputs(neck: Neck) -> dict[int, str]:
    """What a layer of the neck puts out: by level, its last node, or else its input."""
    low, high = neck.levels
    found = {level: f"p{level}" for level in range(low, high + 1)}
    return found | {node.level: name for name, node in nodes(neck).items()}


def made(neck: Neck) -> set[str]:
    """Names of the maps that are made on the way to what the nodes read."""
    inputs = {f"p{level}" for level in range(neck.levels[0], neck.levels[1] + 1)}
    found = {f"lateral_{each}" for each in inputs}
    for name, node in nodes(neck).items():
        found.add(f"{name}_fuse")
        for read in (*node.reads, *node.adds):
            found |= {f"{name}_from_{read}", f"{name}_lateral_{read}"}
    return found


def _node(level: int, *reads: str) -> NeckNode:
    return NeckNode(level=level, reads=reads)


def bifpn(low: int, high: int) -> Nodes:
    """Top down, then bottom up with the input once more: 2·L − 2 nodes.

    Source: Tan, Pang & Le 2020, figure 3; automl/efficientdet/tf2/fpn_configs.py:24-72.
    """
    found = _down(low, high)
    for below, level in pairwise(range(low, high + 1)):
        both = [f"p{level}"] if level == high else [f"p{level}", f"p{level}_td"]
        found[f"p{level}_out"] = _node(level, *both, f"p{below}_out")
    return found


def _down(low: int, high: int) -> Nodes:
    """The path down, of each level but the highest; the lowest is put out."""
    found: Nodes = {}
    above = f"p{high}"
    for level in range(high - 1, low - 1, -1):
        name = f"p{level}_out" if level == low else f"p{level}_td"
        found[name] = _node(level, f"p{level}", above)
        above = name
    return found


def simplified_panet(low: int, high: int) -> Nodes:
    """PANet without its nodes of one input: 2·L − 2 nodes.

    Source: Tan, Pang & Le 2020, section 3.2 (figure 2e of its first version).
    """
    found = _down(low, high)
    for below, level in pairwise(range(low, high + 1)):
        own = f"p{level}" if level == high else f"p{level}_td"
        found[f"p{level}_out"] = _node(level, own, f"p{below}_out")
    return found


def fpn(low: int, high: int) -> Nodes:
    """Top down, a node for each level, of which the highest has one input: L nodes.

    Source: Lin et al. 2017, arXiv:1612.03144; Tan, Pang & Le 2020, figure 2a.
    """
    found = {f"p{high}_out": _node(high, f"p{high}")}
    for level in range(high - 1, low - 1, -1):
        found[f"p{level}_out"] = _node(level, f"p{level}", f"p{level + 1}_out")
    return found


def panet(low: int, high: int) -> Nodes:
    """FPN, and from its lowest level bottom up: 2·L nodes, two of them of one input.

    Source: Liu et al. 2018, arXiv:1803.01534; `panfpn_config` of
    rwightman/efficientdet-pytorch, effdet/config/fpn_config.py:41-78.
    """
    found = {
        name.replace("_out", "_td"): NeckNode(
            level=node.level,
            reads=tuple(each.replace("_out", "_td") for each in node.reads),
        )
        for name, node in fpn(low, high).items()
    }
    found[f"p{low}_out"] = _node(low, f"p{low}_td")
    for below, level in pairwise(range(low, high + 1)):
        found[f"p{level}_out"] = _node(level, f"p{level}_td", f"p{below}_out")
    return found


def nas_fpn(low: int, _: int) -> Nodes:
    """Seven merging cells found by search (Ghiasi, Lin & Le 2019, arXiv:1904.07392).

    Inputs that no node reads are added to what is put out at their level.

    Source: tpu/models/official/detection/modeling/architecture/nasfpn.py:39-50, 324.
    """
    p3, p4, p5, p6, p7 = (f"p{low + k}" for k in range(NAS_FPN_LEVELS))
    found: tuple[tuple[str, int, str | None, tuple[str, str], tuple[str, ...]], ...] = (
        (f"{p4}_a", 1, "attention", (p4, p6), ()),
        (f"{p4}_b", 1, "sum", (p4, f"{p4}_a"), ()),
        (f"{p3}_out", 0, "sum", (p3, f"{p4}_b"), ()),
        (f"{p4}_out", 1, "sum", (f"{p4}_b", f"{p3}_out"), ()),
        (f"{p5}_out", 2, "attention", (f"{p3}_out", f"{p4}_out"), (p5,)),
        (f"{p7}_out", 4, "attention", (f"{p4}_b", f"{p5}_out"), (p7,)),
        (f"{p6}_out", 3, "attention", (f"{p5}_out", f"{p7}_out"), ()),
    )
    return {
        name: NeckNode.model_validate(
            {"level": low + level, "reads": reads, "merge": merge, "adds": adds}
        )
        for name, level, merge, reads, adds in found
    }


def fully_connected(low: int, high: int) -> Nodes:
    """A node for each level that reads the inputs of all: L nodes.

    An assumption: Tan, Pang & Le 2020, table 5, name the network and not its wiring.
    """
    inputs = [f"p{level}" for level in range(low, high + 1)]
    return {
        f"p{level}_out": _node(level, *inputs) for level in range(high, low - 1, -1)
    }


def retinanet(low: int, high: int) -> Nodes:
    """FPN of three levels, a 3×3 behind each, and levels above by strided 3×3.

    Source: Lin et al. 2017, arXiv:1708.02002, section 4; torchvision's
    feature_pyramid_network.py (`LastLevelP6P7` on P5).
    """
    top = low + RETINANET_LEAST - 1
    plain = {"kernel": 3, "bias": True, "norm": False, "activation": "none"}
    smooth = Conv.model_validate(plain)
    halve = Conv.model_validate({**plain, "stride": 2})
    found: Nodes = {}
    for level in range(top, low - 1, -1):
        above = [] if level == top else [f"p{level + 1}_td"]
        found[f"p{level}_td"] = _without_weights(level, (), f"p{level}", *above)
    for level in range(low, top + 1):
        found[f"p{level}_out"] = _without_weights(level, (smooth,), f"p{level}_td")
    for level in range(top + 1, high + 1):
        before = () if level == top + 1 else (Activate(block="activation"),)
        layers = (*before, halve)
        found[f"p{level}_out"] = _without_weights(level, layers, f"p{level - 1}_out")
    return found


def _without_weights(level: int, layers: Steps, *reads: str) -> NeckNode:
    return NeckNode(level=level, reads=reads, merge="sum", layers=layers)


WIRINGS: Mapping[Wiring, Callable[[int, int], Nodes]] = {
    "bifpn": bifpn,
    "fpn": fpn,
    "panet": panet,
    "simplified_panet": simplified_panet,
    "nas_fpn": nas_fpn,
    "fully_connected": fully_connected,
    "retinanet": retinanet,
}


def wiring_faults(neck: Neck) -> Iterator[Fault]:
    """Nodes of a wiring for so many levels, or of the file's own that can be made."""
    if (neck.wiring is None) == (not neck.nodes):
        if neck.wiring is None:
            yield Fault(("neck",), "missing wiring, or nodes", "EFF101")
        else:
            yield Fault(("neck",), "expected a wiring or nodes, got both", GRAPH)
        return
    yield from level_faults(neck)
    low, high = neck.levels
    known = {f"p{level}": level for level in range(low, high + 1)}
    taken = made(neck)
    for name, node in neck.nodes.items():
        at = ("neck", "nodes", name)
        if name in known or name in taken:
            message = f"expected a name that no other map has, got {name!r}"
            yield Fault(at, message, GRAPH)
        if not re.fullmatch(r"\w+", name):
            message = f"expected a name of letters, digits and _, got {name!r}"
            yield Fault(at, message, GRAPH)
        if not low <= node.level <= high:
            message = f"expected a level from {low} to {high}, got {node.level}"
            yield Fault((*at, "level"), message, LEVELS)
        yield from _read(node, known, at, neck)
        known[name] = node.level
    yield from _dead(neck)


def level_faults(neck: Neck) -> Iterator[Fault]:
    """A wiring that these levels are too few or too many for."""
    levels = neck.levels[1] - neck.levels[0] + 1
    needs = {"nas_fpn": NAS_FPN_LEVELS, "retinanet": RETINANET_LEAST}
    least = needs.get(neck.wiring or "", 2)
    if levels < least or (neck.wiring == "nas_fpn" and levels > least):
        several = str(least) if neck.wiring == "nas_fpn" else f"at least {least}"
        message = f"expected {several} levels for {neck.wiring}, got {levels}"
        yield Fault(("neck", "levels"), message, LEVELS)


def _read(
    node: NeckNode, known: dict[str, int], at: Place, neck: Neck
) -> Iterator[Fault]:
    """Maps that are there already, each once, as many as the merge takes."""
    seen: set[str] = set()
    for key in ("reads", "adds"):
        for k, each in enumerate(getattr(node, key)):
            if each in seen:
                message = f"expected each map once, got {each!r} again"
                yield Fault((*at, key, k), message, GRAPH)
            elif each in neck.nodes and each not in known:
                message = f"expected a map that is there already, got {each!r}"
                yield Fault((*at, key, k), message, GRAPH)
            elif each not in known:
                listed = ", ".join(known)
                message = f"expected one of {listed}, got {each!r}"
                close = closest(each, list(known))
                yield Fault((*at, key, k), message, GRAPH, close)
            elif key == "adds" and known[each] != node.level:
                message = f"expected a map of level {node.level}, got {each!r} of"
                yield Fault((*at, key, k), f"{message} {known[each]}", LEVELS)
            seen.add(each)
    if node.merge == "attention" and len(node.reads) != ATTENDS:
        message = f"expected {ATTENDS} for an attention, got {len(node.reads)}"
        yield Fault((*at, "reads"), message, GRAPH)


def _dead(neck: Neck) -> Iterator[Fault]:
    """Nodes that are neither read nor the last of their level."""
    read = {each for node in neck.nodes.values() for each in (*node.reads, *node.adds)}
    last = {node.level: name for name, node in neck.nodes.items()}
    for name in neck.nodes:
        if name not in read and name not in last.values():
            message = f"expected node {name} to be read, or the last of its level"
            yield Fault(("neck", "nodes", name), message, GRAPH)
