"""Counting: MACs, params and activations, by arithmetic on the layers.

Exact: plain Python ints for one network; int64 for arrays of candidates, where a count
that would not fit is an error, never a wrapped number.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, assert_never

from effscale.arrays import Int, divided, is_array, plus
from effscale.cost.visits import Visit, walk
from effscale.errors import CountError, LayerError
from effscale.markup import figures
from effscale.network.layers import newest
from effscale.network.leaves import (
    Act,
    Attend,
    Conv,
    Dropout,
    Flatten,
    Fuse,
    GlobalPool,
    Linear,
    Norm,
    Pool,
    Resize,
    Shape,
    Shift,
)
from effscale.network.network import network
from effscale.spec.types import Model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from effscale.network.layers import Flow, Network, Part
    from effscale.spec.models import Spec

INT64_MAX = 2**63 - 1


@dataclass(frozen=True)
class Cost:
    """What one image costs: ints, or int64 arrays with one entry for each candidate."""

    #: Multiply-accumulates of convolutions and linear layers; no bias, no batch norm,
    #: no activation, no pooling. The "FLOPS" of the EfficientNet paper.
    macs: Int = 0
    #: Trainable parameters: batch norm's scale and shift, not its running statistics.
    params: Int = 0
    #: Output elements of convolutions and linear layers.
    activations: Int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            plus(self.macs, other.macs),
            plus(self.params, other.params),
            plus(self.activations, other.activations),
        )

    def __mul__(self, times: Int) -> Cost:
        return Cost(self.macs * times, self.params * times, self.activations * times)

    def _repr_html_(self) -> str:
        """A row of its figures, for notebooks."""
        names = ("macs", "params", "activations")
        return figures("Cost of one image", {n: getattr(self, n) for n in names})


@dataclass(frozen=True)
class PartCost:
    """A part of a network, the shapes of its feature maps, and its cost."""

    part: Part
    input: Shape
    output: Shape
    cost: Cost


@dataclass(frozen=True)
class LayerCost:
    """One leaf of a network, and its cost."""

    visit: Visit
    cost: Cost


def count(spec: Spec) -> Cost:
    """What the network of `spec` costs; arrays in the spec give arrays.

    Raises:
        CountError: if a candidate's count does not fit into 64 bits.
    """
    cost = total(network(spec))
    if any(is_array(each) for each in vars(cost).values()):
        _guard(spec)
    return cost


def total(net: Network) -> Cost:
    """What `net` costs, all parts together; arrays unguarded, unlike `count`."""
    return whole(part_costs(net))


def whole(parts: Iterable[PartCost]) -> Cost:
    """The cost of these parts together."""
    return sum((each.cost for each in parts), Cost())


def part_costs(net: Network) -> list[PartCost]:
    """The cost of each part, in order."""
    costs: list[PartCost] = []
    flows: list[Flow] = []
    for index, part in enumerate(net.parts):
        before = net.given(index, flows)
        visits, after = walk(part.layer, before, part.path)
        flows.append(after)
        cost = _together(visits)
        costs.append(PartCost(part, newest(before), newest(after), cost))
    return costs


def _together(steps: list[Visit]) -> Cost:
    """The cost of all visits; equal numbers of copies are multiplied by once.

    Copies are counted in arrays as large as all candidates together, costs of a single
    copy in arrays that know of no depth: the fewer products of the two, the better.
    """
    cost = Cost()
    for _, group in groupby(steps, key=lambda step: id(step.times)):
        copies = list(group)
        once = sum(map(leaf_cost, copies), Cost())
        cost += once * copies[0].times
    return cost


def layer_costs(net: Network) -> list[LayerCost]:
    """The cost of every leaf of a network of plain ints, each copy for itself."""
    costs: list[LayerCost] = []
    flows: list[Flow] = []
    for index, part in enumerate(net.parts):
        before = net.given(index, flows)
        visits, after = walk(part.layer, before, part.path, unroll=True)
        flows.append(after)
        costs += [LayerCost(visit, leaf_cost(visit)) for visit in visits]
    return costs


def leaf_cost(step: Visit) -> Cost:
    """The cost of one of the leaves that a visit stands for."""
    cost = _leaf_cost(step)
    return replace(cost, params=0) if step.tied else cost


def _leaf_cost(step: Visit) -> Cost:
    out = step.output
    match step.leaf:
        case Conv(c_in, c_out, kernel, _, groups, bias):
            area = kernel[0] * kernel[1]
            weights = area * divided(c_in, groups) * c_out
            params = weights + c_out if bias else weights
            return Cost(weights * out.positions, params, out.elements)
        case Norm(channels):
            return Cost(params=2 * channels)
        case Pool() | GlobalPool() | Shift() | Act() | Flatten() | Dropout():
            return Cost()
        case Linear(c_in, c_out):
            return Cost(c_in * c_out, (c_in + 1) * c_out, c_out)
        case Fuse():
            return Cost(params=step.leaf.weights)
        case Resize() | Attend():
            return Cost()
        case _:
            assert_never(step.leaf)


def _guard(spec: Spec) -> None:
    """Raise unless each candidate's exact count fits into an int64.

    Costs grow with every number, so the network of all maxima bounds them all. Only
    where that bound is too high is each candidate counted in Python ints. (Sums and
    products that wrapped on the way are right again once the result fits.)
    """
    try:
        bound = total(network(_converted(spec, lambda array: int(array.max()))))
    except LayerError:  # the widest groups need not divide the most channels
        bound = Cost(INT64_MAX + 1)
    if max(int(each) for each in vars(bound).values()) <= INT64_MAX:
        return
    exact = total(network(_converted(spec, lambda array: array.astype(object))))
    for name, counts in vars(exact).items():
        highest = counts.max() if is_array(counts) else counts
        if highest > INT64_MAX:
            raise CountError(f"{name}: expected at most 2^63 - 1, counted {highest}")


def _converted(value: Any, convert: Callable[[Any], Any]) -> Any:  # noqa: ANN401
    """`value`, a spec or what is in it, with each array converted."""
    if is_array(value):
        return convert(value)
    if isinstance(value, tuple):
        return tuple(_converted(each, convert) for each in value)
    if isinstance(value, dict):
        return {name: _converted(each, convert) for name, each in value.items()}
    if isinstance(value, Model):
        parts = {name: _converted(each, convert) for name, each in value}
        return value.model_copy(update=parts)
    return value
