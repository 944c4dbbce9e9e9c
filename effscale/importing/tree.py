"""Nodes as a tree: what follows each other, and branches between a fork and a merge."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

from effscale.importing.nodes import Node, cannot
from effscale.network.operators.channels import PadChannels, Slice

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from effscale.errors import TranslationError
    from effscale.importing.nodes import Merge


@dataclass(frozen=True)
class Fork:
    """Branches on one map, summed, multiplied, or one after the other."""

    merge: Merge
    branches: tuple[Chain, ...]
    node: Node


Chain: TypeAlias = tuple[Node | Fork, ...]


def nodes_of(chain: Chain) -> Iterator[Node]:
    """Those of a chain and of the branches in it, in the order of their lines."""
    for each in chain:
        if isinstance(each, Fork):
            for branch in each.branches:
                yield from nodes_of(branch)
        else:
            yield each


def tree(nodes: Sequence[Node], output: int) -> Chain:
    """What leads from the image to the output, in order.

    Raises:
        TranslationError: if maps cross, so that no tree of branches says it.
    """
    return _Tree(_nested(_padded(_cascaded(nodes)))).chain(0, output)


def _cascaded(nodes: Sequence[Node]) -> list[Node]:
    """The nodes, where parts that take in what the one before puts out are parts alone.

    What merges them then says that they do.
    """
    found = list(nodes)
    for index, node in enumerate(nodes):
        if node.what == "concat" and (sums := _sums(nodes, node)):
            for each, part in sums.items():
                found[each] = nodes[part]
            found[index] = replace(node, what="cascade")
    return found


def _sums(nodes: Sequence[Node], concat: Node) -> dict[int, int]:
    """Sums of a part and the branch before it, each with the part; none if not all."""
    found: dict[int, int] = {}
    for before, end in pairwise(concat.reads):
        here = end
        while len(nodes[here].reads) == 1 and not isinstance(nodes[here].what, Slice):
            (here,) = nodes[here].reads
        parts = [k for k in nodes[here].reads if isinstance(nodes[k].what, Slice)]
        if nodes[here].what == "sum" and before in nodes[here].reads and parts:
            found[here] = parts[-1]
        elif here != end or not isinstance(nodes[end].what, Slice):
            return {}
    return found


def _padded(nodes: Sequence[Node]) -> list[Node]:
    """The nodes, where a sum with the first channels alone is one with zeros after."""
    found = list(nodes)
    for index, node in enumerate(nodes):
        if node.what != "concat" or len(node.reads) != 2:  # noqa: PLR2004 - a sum, the rest
            continue
        total, rest = (nodes[k] for k in node.reads)
        first = [k for k in total.reads if isinstance(nodes[k].what, Slice)]
        if total.what != "sum" or len(first) != 1 or not isinstance(rest.what, Slice):
            continue
        part = nodes[first[0]]
        beside = [k for k in total.reads if k not in first]
        if part.reads == rest.reads and part.what.start == 0:
            pad = PadChannels(part.channels, node.channels)
            found[node.reads[0]] = Node(
                pad, tuple(beside), node.channels, {}, total.call
            )
            found[index] = replace(node, what="sum", reads=(*part.reads, node.reads[0]))
    return found


def _nested(nodes: Sequence[Node]) -> list[Node]:
    """The nodes, where a concat begins with all that another one has put in a row.

    So a dense block, whose layers each read all before them, is a row of small ones.
    """
    found: list[Node] = []
    known: dict[tuple[int, ...], int] = {}
    for index, node in enumerate(nodes):
        if node.what == "concat":
            known[node.reads] = index
            found.append(replace(node, reads=_shortest(node.reads, known)))
        else:
            found.append(node)
    return found


def _shortest(
    reads: tuple[int, ...], known: dict[tuple[int, ...], int]
) -> tuple[int, ...]:
    for length in range(len(reads) - 1, 1, -1):
        if (before := known.get(reads[:length])) is not None:
            return (before, *reads[length:])
    return reads


class _Tree:
    """Finds, of each node, the one that all ways from the image to it go through."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = list(nodes)
        self.before = [0] * len(nodes)
        self.depth = [0] * len(nodes)
        for index, node in enumerate(nodes):
            if node.reads:
                self.before[index] = self.common(node.reads)
                self.depth[index] = self.depth[self.before[index]] + 1
        self.taken: set[int] = set()

    def common(self, indices: Sequence[int]) -> int:
        """The last node that all ways to each of these go through."""
        first, *others = indices
        for each in others:
            second = each
            while first != second:
                if self.depth[first] < self.depth[second]:
                    first, second = second, first
                first = self.before[first]
        return first

    def chain(self, start: int, end: int) -> Chain:
        """What makes the node `end` of the node `start`."""
        found: list[Node | Fork] = []
        while end != start:
            node, fork = self.nodes[end], self.before[end]
            if end in self.taken or self.depth[end] <= self.depth[start]:
                raise _crossing(node)
            self.taken.add(end)
            if len(node.reads) == 1:
                found.append(node)
            else:
                found.append(self.fork(node, fork))
            end = fork if len(node.reads) > 1 else node.reads[0]
        return tuple(reversed(found))

    def fork(self, node: Node, start: int) -> Fork:
        """A merge, and its branches, of which some may part later than others."""
        branches: list[Chain] = []
        for group in self._groups(node.reads, start):
            if len(group) == 1:
                branches.append(self.chain(start, group[0]))
                continue
            inner = self.common(group)
            channels = sum(self.nodes[each].channels for each in group)
            channels = channels if node.what in {"concat", "cascade"} else node.channels
            part = replace(node, reads=tuple(group), channels=channels)
            branches.append((*self.chain(start, inner), self.fork(part, inner)))
        return Fork(node.what, tuple(branches), node)

    def _groups(self, reads: Sequence[int], start: int) -> list[list[int]]:
        """Neighbours that part later than `start`, together."""
        groups = [[reads[0]]]
        for each in reads[1:]:
            if self.common((groups[-1][0], each)) != start:
                groups[-1].append(each)
            else:
                groups.append([each])
        return groups


def _crossing(node: Node) -> TranslationError:
    what = "a map that is read across branches"
    return cannot(node.call, what, "a fork whose branches meet again is known")
