"""Counting: MACs, params and activations, by arithmetic on the layers.

Exact: plain Python ints for one network; int64 for arrays of candidates, where a count
that would not fit is an error, never a wrapped number.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from effscale.arrays import is_array
from effscale.cost.visits import Visit, visited
from effscale.errors import CountError, LayerError
from effscale.network.network import network
from effscale.network.operators.operator import Cost
from effscale.network.shapes import Shape, newest
from effscale.spec.values import Model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from effscale.network.parts import Network, Part
    from effscale.spec.models import Spec

#: `Cost` is the operators' own word; here is where it is asked for.
__all__ = [
    "Cost",
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
    return [
        PartCost(part, newest(before), newest(after), _together(visits))
        for part, before, visits, after in visited(net)
    ]


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
    """The cost of every operator of a network of plain ints, each copy for itself."""
    return [
        LayerCost(visit, leaf_cost(visit))
        for _, _, visits, _ in visited(net, unroll=True)
        for visit in visits
    ]


def leaf_cost(step: Visit) -> Cost:
    """The cost of one of the operators that a visit stands for."""
    cost = step.leaf.cost(step.output)
    return replace(cost, params=0) if step.tied else cost


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
