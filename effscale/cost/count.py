"""Counting: MACs, params and activations, by arithmetic on the layers.

Exact: plain Python ints for one network; int64 for arrays of candidates, where a count
that would not fit is an error, never a wrapped number.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple, assert_never

from effscale.arrays import ONE, Int, is_array
from effscale.cost.fold import converted, folded
from effscale.data import data, remade
from effscale.errors import CandidateError, CountError, LayerError
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
    copies,
    unrolled,
)
from effscale.network.network import network
from effscale.network.operators.operator import FREE, Cost, Operator, added
from effscale.network.shapes import (
    Flow,
    Shape,
    all_of,
    either,
    keeps,
    merged,
    newest,
    only,
    same_channels,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from effscale.network.parts import Network, Part
    from effscale.network.shapes import Merge
    from effscale.spec.models import Spec


#: `Cost` is the operators' own word; here is where it is asked for.
__all__ = [
    "Cost",
    "Counted",
    "LayerCost",
    "PartCost",
    "count",
    "layer_costs",
    "leaf_cost",
    "part_costs",
    "total",
    "whole",
]

INT64_MAX = 2**63 - 1


@data
class PartCost:
    """A part of a network, the shapes of its feature maps, and its cost."""

    part: Part
    input: Shape
    output: Shape
    cost: Cost
    #: Names of the parts that it reads; of none where it reads the one before it.
    reads: tuple[str, ...] = ()


@data
class LayerCost:
    """One leaf of a network, and its cost."""

    visit: Visit
    cost: Cost


def count(spec: Spec) -> Cost[int]:
    """What the network of `spec` costs; what many do that are one spec, see `counts`.

    Raises:
        CountError: if a candidate's count does not fit into 64 bits.
    """
    return counts(spec)


def counts(spec: Spec) -> Cost:
    """The same of a spec of arrays: an entry for each of many candidates.

    Raises:
        CountError: if a candidate's count does not fit into 64 bits.
    """
    few = folded(spec)
    if not few.places:
        return _guarded(spec)
    try:
        cost = _guarded(few.spec)
    except (CandidateError, CountError):  # of which candidate it is, all of them say
        return _guarded(spec)
    return Cost(*(few.laid_out(each) for each in vars(cost).values()))


def _guarded(spec: Spec) -> Cost:
    cost = total(network(spec))
    if any(is_array(each) for each in vars(cost).values()):
        _guard(spec)
    return cost


def total(net: Network) -> Cost:
    """What `net` costs, all parts together; arrays unguarded, unlike `count`."""
    counting = _Counting()
    for _ in _through_parts(net, counting):
        pass
    return counting.cost()


def whole(parts: Iterable[PartCost]) -> Cost:
    return added([each.cost for each in parts])


def part_costs(net: Network) -> list[PartCost]:
    found, counting = [], _Counting()
    for index, (part, before, after) in enumerate(_through_parts(net, counting)):
        cost, named = counting.cost(), net.named(index)
        found.append(PartCost(part, newest(before), newest(after), cost, named))
        counting.costs.clear()
    return found


@data
class Counted:
    """A network that is counted once: its parts, and what all of it costs."""

    spec: Spec
    network: Network
    parts: list[PartCost]
    cost: Cost

    @classmethod
    def of(cls, spec: Spec) -> Counted:
        """The network of `spec`.

        Raises:
            EffscaleError: if there is none.
        """
        net = network(spec)
        parts = part_costs(net)
        return cls(spec, net, parts, whole(parts))

    @property
    def visits(self) -> Iterator[PartVisits]:
        """Each operator, for what is told of them besides."""
        return visited(self.network)

    @property
    def is_of_record(self) -> bool:
        """Whether it is as it was published: it has figures, and costs just that."""
        expected = self.spec.expected
        if self.spec.published is None or expected is None:
            return False
        figures = int(self.cost.params), int(self.cost.macs)
        return figures == (expected.params, expected.macs)


def layer_costs(net: Network) -> list[LayerCost]:
    """The cost of every operator of a network of plain ints, each copy for itself."""
    return [
        LayerCost(visit, leaf_cost(visit))
        for _, _, visits, _ in visited(net, unroll=True)
        for visit in visits
    ]


def leaf_cost(step: Visit) -> Cost:
    """The cost of one of the operators that a visit stands for."""
    cost = step.leaf.cost_on(step.flow, step.output)
    return _beside(cost) if step.tied else cost


def _beside(cost: Cost) -> Cost:
    """The cost of an operator whose weights are counted already."""
    return remade(cost, params=0)


def _guard(spec: Spec) -> None:
    """Raise unless each candidate's exact count fits into an int64.

    Costs grow with every number, so the network of all maxima bounds them all. Only
    where that bound is too high is each candidate counted in Python ints. (Sums and
    products that wrapped on the way are right again once the result fits.)
    """
    try:
        bound = total(network(converted(spec, lambda array: int(array.max()))))
    except LayerError:  # the widest groups need not divide the most channels
        bound = Cost(INT64_MAX + 1)
    if max(int(each) for each in vars(bound).values()) <= INT64_MAX:
        return
    exact = total(network(converted(spec, lambda array: array.astype(object))))
    for name, counts in vars(exact).items():
        highest = counts.max() if is_array(counts) else counts
        if highest > INT64_MAX:
            raise CountError(f"{name}: expected at most 2^63 - 1, counted {highest}")


class Visit(NamedTuple):
    """An operator on the way, and how many equal ones the visit stands for."""

    path: str
    leaf: Operator
    times: Int
    flow: Flow
    output: Shape
    tied: bool = False  #: its weights are those of an earlier visit
    level: int | None = None  #: of a detector

    @property
    def input(self) -> Shape:
        """The first of the feature maps that come in."""
        return all_of(self.flow)[0]


@data
class Join:
    """Feature maps that a combinator sums, multiplies or puts in a row."""

    kind: Merge
    moved: Int  #: elements read and made, by all calls together
    calls: Int


class PartVisits(NamedTuple):
    """A part of a network: what it takes, its operators, what it puts out."""

    part: Part
    before: Flow
    visits: list[Visit]
    after: Flow


def visited(
    net: Network, *, unroll: bool = False, joins: list[Join] | None = None
) -> Iterator[PartVisits]:
    """Each part of the network in order, as `walk` finds it."""
    found = _Visiting(joins, unroll=unroll)
    for part, before, after in _through_parts(net, found):
        yield PartVisits(part, before, found.visits, after)
        found.visits = []


def _through_parts(net: Network, walk: _Walk) -> Iterator[tuple[Part, Flow, Flow]]:
    """Each part, what it takes and what it puts out, the walk having gone through."""
    flows: list[Flow] = []
    for index, part in enumerate(net.parts):
        before = net.given(index, flows)
        after = walk.part(part.layer, before, part.path)
        flows.append(after)
        yield part, before, after


def walk(
    part: Sequential,
    flow: Flow,
    path: str,
    *,
    unroll: bool = False,
    joins: list[Join] | None = None,
) -> tuple[list[Visit], Flow]:
    """Every operator of a part, block by block in order; and what the part puts out.

    What its combinators join is added to `joins`, which no count needs.

    Equal copies are one visit with their number in `times`, which may be an array and
    may be 0; with `unroll` (plain ints only) each is a visit with a path of its own.

    Raises:
        LayerError: if a layer cannot take the feature map that reaches it.
    """
    found = _Visiting(joins, unroll=unroll)
    after = found.part(part, flow, path)
    return found.visits, after


class _Walk(ABC):
    """Goes through layers, and is where it is; what it meets is for its kinds to note.

    With `unroll`, each of equal copies is met. What combinators join is added to
    `joins`.
    """

    def __init__(
        self, joins: list[Join] | None = None, *, unroll: bool = False
    ) -> None:
        self.joins, self.unroll = joins, unroll
        self.level: int | None = None  #: of a detector
        self.tied = False

    @abstractmethod
    def meet(
        self, leaf: Operator, flow: Flow, path: str, times: Int, shared: set[str]
    ) -> Shape:
        """Note an operator, which stands for so many equal ones; what it puts out."""

    def is_tied(self, leaf: Operator, shared: set[str]) -> bool:
        """Whether its weights are those of an operator that was met before."""
        if leaf.shared is None:
            return self.tied
        found = self.tied or leaf.shared in shared
        shared.add(leaf.shared)
        return found

    def part(self, part: Sequential, flow: Flow, path: str) -> Flow:
        """What a part puts out, block by block."""
        for name, block in unrolled(part.layers) if self.unroll else part.layers:
            flow = self.through(block, flow, f"{path}.{name}", ONE, set())
        return flow

    def through(
        self, layer: Layer, flow: Flow, path: str, times: Int, shared: set[str]
    ) -> Flow:
        """The output of `layer`, each of its operators visited.

        `shared` are the names of the block's weights that are counted already.
        """
        match layer:
            case Operator():
                return self.meet(layer, flow, path, times, shared)
            case Sequential(layers):
                return self._chain(layers, flow, path, times, shared)
            case Gate(layers):
                shape = only(flow, path)
                gate = only(self._chain(layers, flow, path, times, shared), path)
                same_channels(shape.channels, gate, path)
                self._join("product", (shape, gate, shape), times)
                return flow
            case Collect(layers):
                return self._collected(layers, only(flow, path), path, times, shared)
            case Residual(layers, shortcut):
                made = only(self._chain(layers, flow, path, times, shared), path)
                aside = f"{path}.shortcut"
                beside = self._chain(shortcut, flow, aside, times, shared)
                keeps(only(beside, aside), made, path)
                self._join("sum", (made, made, made), times)
                return made
            case Repeat(body, number):
                last = self.through(body, flow, path, times * number, set())
                for before, copy in zip(all_of(flow), all_of(last), strict=True):
                    keeps(before, copy, path, number)
                return flow
            case Maybe(body, there):
                if there is ONE:
                    return self.through(body, flow, path, times, shared)
                if isinstance(there, int) and not there:
                    return flow
                after = self.through(body, flow, path, times * there, shared)
                return either(flow, after, there)
            case Graph():
                return self._graph(layer, flow, path, times, shared)
            case Across():
                return self._across(layer, flow, path, times, shared)
            case _:
                assert_never(layer)

    def _join(
        self, kind: Merge, shapes: Sequence[Shape], times: Int, calls: int = 1
    ) -> None:
        if self.joins is not None:
            moved = sum((each.elements for each in shapes), start=0)
            self.joins.append(Join(kind, moved * times, calls * times))

    def _across(
        self, across: Across, flow: Flow, path: str, times: Int, shared: set[str]
    ) -> Flow:
        maps, outside = all_of(flow), (self.level, self.tied)
        if len(maps) != len(across.levels):
            expected = len(across.levels)
            message = f"expected {expected} feature maps, got {len(maps)}"
            raise LayerError(f"{path}: {message}")
        outputs: list[Shape] = []
        for self.level, shape in zip(across.levels, maps, strict=True):
            after = self.through(across.layer, shape, f"{path}.shared", times, shared)
            outputs.append(only(after, path))
            self.tied = True
        self.level, self.tied = outside
        return tuple(outputs)

    def _collected(
        self,
        layers: tuple[tuple[str, Layer], ...],
        shape: Shape,
        path: str,
        times: Int,
        shared: set[str],
    ) -> Shape:
        here, total = shape, shape.channels
        for name, layer in unrolled(layers) if self.unroll else layers:
            where = f"{path}.{name}"
            here = only(self.through(layer, here, where, times, shared), where)
            keeps(shape, here._replace(channels=shape.channels), where)
            total = total + here.channels * copies(layer)
        made = shape._replace(channels=total)
        self._join("concat", (made, made), times)
        return made

    def _chain(
        self,
        layers: tuple[tuple[str, Layer], ...],
        flow: Flow,
        path: str,
        times: Int,
        shared: set[str],
    ) -> Flow:
        for name, layer in unrolled(layers) if self.unroll else layers:
            flow = self.through(layer, flow, f"{path}.{name}", times, shared)
        return flow

    def _graph(
        self, graph: Graph, flow: Flow, path: str, times: Int, shared: set[str]
    ) -> Flow:
        maps = list(all_of(flow))
        if len(maps) != graph.inputs:
            found = f"expected {graph.inputs} feature maps, got {len(maps)}"
            raise LayerError(f"{path}: {found}")
        outside = self.level
        for node in graph.nodes:
            where = f"{path}.{node.name}"
            reads = [maps[k] for k in node.reads]
            apart = node.merge == "apart"
            read = tuple(reads) if apart else merged(reads, node.merge, where)
            if not apart and len(reads) > 1:
                shapes = (*reads, *all_of(read) * (len(reads) - 1))
                self._join(node.merge, shapes, times, len(reads) - 1)
            self.level = outside if node.level is None else node.level
            made = all_of(self.through(node.layer, read, where, times, shared))
            if len(made) != node.gives:
                found = f"expected {node.gives} feature maps, got {len(made)}"
                raise LayerError(f"{where}: {found}")
            maps += made
        self.level = outside
        outputs = tuple(maps[k] for k in graph.outputs)
        return outputs[0] if len(outputs) == 1 else outputs


class _Visiting(_Walk):
    """The visits so far."""

    def __init__(self, joins: list[Join] | None, *, unroll: bool) -> None:
        super().__init__(joins, unroll=unroll)
        self.visits: list[Visit] = []

    def meet(
        self, leaf: Operator, flow: Flow, path: str, times: Int, shared: set[str]
    ) -> Shape:
        out, tied = leaf.output(flow, path), self.is_tied(leaf, shared)
        self.visits.append(Visit(path, leaf, times, flow, out, tied, self.level))
        return out


class _Counting(_Walk):
    """The costs so far, by how many copies each is of.

    Copies are counted in arrays as large as all candidates together, costs of a single
    copy in arrays that know of no depth: the fewer products of the two, the better.
    """

    def __init__(self) -> None:
        super().__init__()
        self.costs: dict[int, tuple[Int, list[Cost]]] = {}

    def meet(
        self, leaf: Operator, flow: Flow, path: str, times: Int, shared: set[str]
    ) -> Shape:
        out = leaf.output(flow, path)
        cost = leaf.cost_on(flow, out)
        if cost is not FREE:
            if self.is_tied(leaf, shared):
                cost = _beside(cost)
            alike = self.costs.get(id(times))
            if alike is None:
                alike = self.costs[id(times)] = times, []
            alike[1].append(cost)
        return out

    def cost(self) -> Cost:
        """That of all; equal numbers of copies are multiplied by once."""
        return added([added(costs) * times for times, costs in self.costs.values()])
