"""Nodes as strands of what follows each other, and of branches that meet again.

A network is one strand, unless maps are read across branches, or come back to a size
that they had: then strands read the ends of others, as lines of `stages` do.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

from effscale.errors import TranslationError
from effscale.importing.nodes import Enlarge, Node
from effscale.network.operators.attention import FirstToken
from effscale.network.operators.channels import PadChannels, Slice
from effscale.network.operators.convolution import Conv, TransposedConv
from effscale.network.operators.elementwise import Dropout
from effscale.network.operators.pooling import GlobalPool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from effscale.importing.nodes import Merge
    from effscale.spec.values import Interpolation


@dataclass(frozen=True)
class Fork:
    """Branches on one map, summed, multiplied, or one after the other.

    Or one, whose map is brought to the size of what it began with.
    """

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


#: Dimensions of what a classifier puts out: images, classes.
_VECTOR = 2
#: What a strand reads that begins with the image.
IMAGE = -1


@dataclass(frozen=True)
class Strand:
    """What follows each other, on the image or on the ends of strands before it."""

    #: Numbers of strands, or `IMAGE`.
    reads: tuple[int, ...]
    #: What several that it reads become; none of one.
    merge: Merge | None
    chain: Chain
    #: The node that it puts out.
    end: Node


def is_of(each: Node | Fork | None, *kinds: type[object]) -> bool:
    """Whether it is an operator of these kinds."""
    return isinstance(each, Node) and isinstance(each.what, kinds)


def strands(nodes: Sequence[Node], output: int) -> list[Strand]:
    """What leads from the image to the output, in order, the last putting it out.

    One strand, where all that branches meets again.
    """
    return _Strands(_nested(_padded(_cascaded(nodes))), output).found()


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


class _CrossingError(Exception):
    """A map is read across branches, so that no tree says them."""


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

    def chain(self, start: int, end: int, *, gate: bool = False) -> Chain:
        """What makes the node `end` of the node `start`."""
        found: list[Node | Fork] = []
        while end != start:
            node, fork = self.nodes[end], self.before[end]
            if end in self.taken or self.depth[end] <= self.depth[start]:
                raise _CrossingError
            self.taken.add(end)
            if len(node.reads) == 1:
                found.append(node)
            else:
                found.append(self.fork(node, fork))
            end = fork if len(node.reads) > 1 else node.reads[0]
        return _resized(tuple(reversed(found)), self.nodes[start], gate=gate)

    def fork(self, node: Node, start: int) -> Fork:
        """A merge, and its branches, of which some may part later than others."""
        branches: list[Chain] = []
        gate = node.what == "product"
        for group in self._groups(node.reads, start):
            if len(group) == 1:
                branches.append(self.chain(start, group[0], gate=gate))
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


def _resized(chain: Chain, start: Node, *, gate: bool) -> Chain:
    """The chain, where a gate or a mean of all is brought to the size of its start."""
    for index in reversed(range(len(chain))):
        each = chain[index]
        if not isinstance(each, Node) or not isinstance(each.what, Enlarge):
            continue
        before = chain[:index]
        first = before[0] if before else None
        means = isinstance(first, Node) and isinstance(first.what, GlobalPool)
        if (
            before
            and each.what.by_size
            and each.what.to == start.sides
            and (gate or means)
        ):
            return Fork("resized", (before,), each), *chain[index + 1 :]
    return chain


class _Strands(_Tree):
    """Forks that stand by themselves, and what reads what, where they do not."""

    def __init__(self, nodes: Sequence[Node], output: int) -> None:
        super().__init__(nodes)
        self.output = output
        self.readers: dict[int, set[int]] = defaultdict(set)
        for index in self._reached(lambda each: self.nodes[each].reads):
            for each in self.nodes[index].reads:
                self.readers[each].add(index)
        #: Forks, by the nodes that merge them.
        self.forks: dict[int, Fork] = {}

    def _reached(self, reads: Callable[[int], Sequence[int]]) -> list[int]:
        """The nodes on all ways to the output, in order."""
        found, left = set[int](), [self.output]
        while left:
            index = left.pop()
            if index and index not in found:
                found.add(index)
                left += reads(index)
        return sorted(found)

    def found(self) -> list[Strand]:
        live = self._reached(lambda each: self.nodes[each].reads)
        for index in live:
            if len(self.nodes[index].reads) > 1:
                self._fold(index)
        kept = self._reached(self._sources)
        users = Counter(each for index in kept for each in self._sources(index))
        made: list[Strand] = []
        ends = {0: IMAGE}  # by node, the strand that it is the last of
        for index in kept:
            sources = self._sources(index)
            node, merges = self.nodes[index], len(sources) > 1
            each = () if merges else (self.forks.get(index, node),)
            before = ends.get(sources[0], IMAGE)
            if (
                merges
                or before == IMAGE
                or users[sources[0]] > 1
                or _likened(node, self.nodes[sources[0]])
            ):
                reads = tuple(ends[k] for k in sources)
                made.append(Strand(reads, node.what if merges else None, each, node))
                ends[index] = len(made) - 1
            else:
                made[before] = replace(
                    made[before], chain=(*made[before].chain, *each), end=node
                )
                ends[index] = before
        return _flat(made)

    def _sources(self, index: int) -> tuple[int, ...]:
        """What a node reads, or the fork that it merges."""
        return (self.before[index],) if index in self.forks else self.nodes[index].reads

    def _fold(self, index: int) -> None:
        """Keep the fork that a node merges, if nothing else reads its branches."""
        self.taken = set()
        try:
            fork = self.fork(self.nodes[index], self.before[index])
        except _CrossingError:
            return
        inside = self.taken | {index}
        if all(self.readers[k] <= inside for k in self.taken) and not _comes_back(fork):
            self.forks[index] = fork


def _likened(*nodes: Node) -> bool:
    """Whether one of them may take the size of another line's map."""
    return any(isinstance(e.what, Enlarge) and e.what.by_size for e in nodes)


def _comes_back(fork: Fork) -> bool:
    """Whether a branch, but one that gates, makes its map larger again."""
    if fork.merge in {"product", "resized"}:
        return False
    return any(
        _comes_back(each)
        if isinstance(each, Fork)
        else isinstance(each.what, Enlarge | TransposedConv)
        for branch in fork.branches
        for each in branch
    )


def _flat(strands: Sequence[Strand]) -> list[Strand]:
    """The strands, a sum of sums as one of all maps, and so of maps in a row."""
    users = Counter(each for strand in strands for each in strand.reads)
    reader = {each: strand for strand in strands for each in strand.reads}
    now: dict[int, tuple[int, ...]] = {IMAGE: (IMAGE,)}
    found: list[Strand] = []
    for index, strand in enumerate(strands):
        reads = tuple(k for each in strand.reads for k in now[each])
        merged = strand.merge in {"sum", "concat"} and not strand.chain
        if merged and users[index] == 1 and reader[index].merge == strand.merge:
            now[index] = reads
        else:
            now[index] = (len(found),)
            found.append(replace(strand, reads=reads))
    return found


# What a network puts out.


@dataclass(frozen=True)
class End:
    """The strands before what a network puts out; a classifier, or logits by pixel."""

    strands: Sequence[Strand]
    #: What a head is made of.
    tail: Chain = ()
    #: Convolutions that make logits, and the strands that they read.
    nodes: tuple[Node, ...] = ()
    reads: tuple[int, ...] = ()
    rate: float = 0.0
    mode: Interpolation = "bilinear"


def ended(strands: Sequence[Strand], sides: tuple[int, int]) -> End:
    """The end of a network whose image has these sides.

    Raises:
        TranslationError: if it is neither of those.
    """
    if strands and (index := _pooled(strands[-1].chain)) is not None:
        *others, last = strands
        body = replace(last, chain=last.chain[:index])
        return End([*others, body], tail=last.chain[index:])
    found = _mask(strands, sides) if strands else None
    if found is None:
        raise TranslationError(
            "expected a classifier (a mean of all positions, linear layers), or 1×1 "
            "convolutions with biases at the image's size, found neither; another end "
            "cannot be said in a spec"
        )
    return found


def _mask(strands: Sequence[Strand], sides: tuple[int, int]) -> End | None:
    """Logits of each pixel: of one 1×1 convolution, or the sum of several."""
    *others, last = strands
    mode: Interpolation = "bilinear"
    if last.end.sides != sides:
        return None
    if last.chain and is_of(enlarged := last.chain[-1], Enlarge):
        mode = enlarged.what.mode  # type: ignore[union-attr]
        last = replace(last, chain=last.chain[:-1])
    left = _without_empty([*others, last], [len(others)])
    kept, (end,) = left
    tops = (
        kept[end].reads if not kept[end].chain and kept[end].merge == "sum" else (end,)
    )
    cut: list[Strand] = list(kept)
    nodes: list[Node] = []
    rates = [0.0]
    for each in tops:
        chain = kept[each].chain if each != IMAGE else ()
        logits = chain[-1] if chain else None
        if not isinstance(logits, Node) or not _makes_logits(logits.what):
            return None
        chain = chain[:-1]
        if chain and is_of(before := chain[-1], Dropout):
            rates.append(before.what.rate)  # type: ignore[union-attr]
            chain = chain[:-1]
        nodes.append(logits)
        cut[each] = replace(kept[each], chain=chain)
    if tops != (end,):
        cut = cut[:end]
    found, reads = _without_empty(cut, tops)
    return End(found, (), tuple(nodes), tuple(reads), max(rates), mode)


def _makes_logits(what: object) -> bool:
    return (
        isinstance(what, Conv)
        and what.bias
        and (what.kernel, what.stride, what.groups) == ((1, 1), (1, 1), 1)
    )


def _without_empty(
    strands: Sequence[Strand], numbers: Sequence[int]
) -> tuple[list[Strand], list[int]]:
    """The strands but those that change nothing, and what `numbers` are among them."""
    now = {IMAGE: IMAGE}
    found: list[Strand] = []
    for index, each in enumerate(strands):
        reads = tuple(now[k] for k in each.reads)
        if not each.chain and each.merge is None and reads != (IMAGE,):
            now[index] = reads[0]
            continue
        now[index] = len(found)
        found.append(replace(each, reads=reads))
    return found, [now[k] for k in numbers]


def _pooled(chain: Chain) -> int | None:
    """Where the map is pooled as a whole, and the head begins, if it has one."""
    for index, each in enumerate(chain):
        if is_of(each, GlobalPool, FirstToken):
            return index
    for index, each in enumerate(chain):
        if (
            isinstance(each, Node)
            and each.call is not None
            and each.call.op == "linear"
            and len(each.call.shape) == _VECTOR
        ):
            return index
    return None
