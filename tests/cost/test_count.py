"""Tests of `effscale.cost.count`: exact figures, of one network and of many."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import assume, given, reject
from hypothesis import strategies as st

import effscale as es
from effscale.cost.count import (
    INT64_MAX,
    Cost,
    Visit,
    layer_costs,
    leaf_cost,
    part_costs,
    total,
)
from effscale.errors import CountError, ScaleError
from effscale.growth.scale import numbers
from effscale.network.combinators import seq
from effscale.network.network import network
from effscale.network.operators.convolution import Conv
from effscale.network.parts import Network, Part
from effscale.network.shapes import Shape
from tests.examples import examples
from tests.strategies import detectors, graphs, specs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from effscale.arrays import Int

NAMES = ("macs", "params", "activations")
#: 1, where a number stays what it was, or enough that no side falls below its stride.
MULTIPLIERS = st.one_of(st.just(1.0), st.floats(1.5, 3.0))
CANDIDATES = st.lists(st.tuples(*[MULTIPLIERS] * 3), min_size=2, max_size=3)

# pytorch-image-models, efficientnet_b0: its layers' MACs and params summed by stage
B0_PARTS = [
    ("stem", 10838016, 928),
    ("stage 1", 10035712, 1448),
    ("stage 2", 54945216, 16714),
    ("stage 3", 37939584, 46640),
    ("stage 4", 43555200, 242930),
    ("stage 5", 86102400, 543148),
    ("stage 6", 91528224, 2026348),
    ("stage 7", 29520000, 717232),
    ("head", 21350400, 1693160),
]


def test_costs_add_and_multiply() -> None:
    cost = Cost(macs=1, params=2, activations=3, products=4, product_outputs=5)
    assert cost + Cost(10, 20, 30, 40, 50) == Cost(11, 22, 33, 44, 55)
    assert cost * 4 == Cost(4, 8, 12, 16, 20)
    assert Cost() + cost == cost


def test_a_tiny_network_costs_what_one_counts_by_hand(tiny: es.Spec) -> None:
    # 6 positions throughout; batch norm has 2 params a channel; a bias 1
    by_hand = {
        "stem": Cost(9 * 2 * 4 * 6, 9 * 2 * 4 + 8, 4 * 6),
        "stage 1": Cost(9 * 4 * 6, 9 * 4 + 8, 4 * 6)  # depthwise
        + Cost(4 * 1 + 1 * 4, 4 * 1 + 1 + 1 * 4 + 4, 1 + 4)  # squeeze and excite
        + Cost(4 * 4 * 6, 4 * 4 + 8, 4 * 6),  # project
        "head": Cost(4 * 8 * 6, 4 * 8 + 16, 8 * 6) + Cost(8 * 3, 8 * 3 + 3, 3),
    }
    parts = part_costs(network(tiny))
    assert {each.part.name: each.cost for each in parts} == by_hand
    assert es.count(tiny) == Cost(macs=968, params=236, activations=128)


def test_a_shared_convolution_multiplies_each_time_and_has_its_weights_once() -> None:
    conv, out = Conv(4, 6, bias=True, shared="w"), Shape(6, 5, 3)
    tied = Visit("conv", conv, 1, Shape(4, 5, 3), out, tied=True)
    assert leaf_cost(tied) == Cost(24 * 15, 0, 90)


def test_b0_costs_part_by_part_what_another_library_s_does(b0: es.Spec) -> None:
    parts = part_costs(network(b0))
    found = [(each.part.name, each.cost.macs, each.cost.params) for each in parts]
    assert found == B0_PARTS


def test_parts_hand_their_feature_maps_on(b0: es.Spec) -> None:
    parts = part_costs(network(b0))
    assert parts[0].input == Shape(3, 224, 224)
    assert [each.output for each in parts[:-1]] == [each.input for each in parts[1:]]
    assert parts[-1].output == Shape(1000, 1, 1)


@examples(15)
@given(spec=specs() | detectors() | graphs())
def test_parts_and_layers_add_up_to_the_total(spec: es.Spec) -> None:
    net, cost = network(spec), es.count(spec)
    assert total(net) == cost
    assert sum((each.cost for each in part_costs(net)), Cost()) == cost
    assert sum((each.cost for each in layer_costs(net)), Cost()) == cost
    assert {type(getattr(cost, name)) for name in NAMES} == {int}


def test_layers_are_counted_one_copy_each(b0: es.Spec) -> None:
    costs = layer_costs(network(b0))
    convs = [each for each in costs if each.visit.path.endswith("depthwise.conv")]
    assert len(convs) == 16  # Tan & Le 2019, table 1: 1 + 2 + 2 + 3 + 3 + 4 + 1 blocks
    assert len({each.visit.path for each in costs}) == len(costs)


@pytest.mark.parametrize(
    ("conv", "cost"),
    [
        (Conv(4, 6), Cost(24 * 15, 24, 90)),
        (Conv(4, 6, bias=True), Cost(24 * 15, 30, 90)),
        (Conv(4, 6, (3, 3)), Cost(216 * 15, 216, 90)),
        (Conv(4, 6, (3, 3), groups=2), Cost(108 * 15, 108, 90)),
        (Conv(4, 4, (5, 5), groups=4), Cost(100 * 15, 100, 60)),
        (Conv(4, 6, (1, 7)), Cost(168 * 15, 168, 90)),
    ],
)
def test_a_convolution_costs_its_weights_at_each_position(
    conv: Conv, cost: Cost
) -> None:
    out = Shape(conv.c_out, 5, 3)
    assert leaf_cost(Visit("conv", conv, 1, Shape(4, 5, 3), out)) == cost
    # of one of the copies that a visit stands for
    assert leaf_cost(Visit("conv", conv, 7, Shape(4, 5, 3), out)) == cost


@examples(15)
@given(spec=specs(), candidates=CANDIDATES)
def test_each_candidate_counts_as_one_alone(
    spec: es.Spec, candidates: list[tuple[float, float, float]]
) -> None:
    assume(numbers(spec, "repeats"))  # else nothing follows the depth
    try:
        alone = [es.count(es.scale(spec, es.Multipliers(*each))) for each in candidates]
    except ScaleError:  # a size that kernels leave nothing of, odd groups
        reject()
    columns = (np.array(column) for column in zip(*candidates, strict=True))
    together = es.counts(es.scale(spec, es.Multipliers(*columns)))
    for name in NAMES:
        expected = [getattr(each, name) for each in alone]
        assert {type(each) for each in expected} == {int}
        found = np.broadcast_to(getattr(together, name), len(candidates))
        assert found.tolist() == expected


FACTORS = st.floats(0.4, 2.5)


@examples(15)
@given(
    spec=detectors(),
    candidates=st.lists(st.tuples(*[FACTORS] * 5), min_size=1, max_size=4),
)
def test_each_candidate_of_a_detector_counts_as_one_alone(
    spec: es.Spec, candidates: list[tuple[float, ...]]
) -> None:
    names = ("width", "resolution", "neck_width", "neck_depth", "head_depth")

    def multipliers(values: Iterable[Any]) -> es.Multipliers:
        return es.Multipliers(**dict(zip(names, values, strict=True)))

    try:
        alone = [es.count(es.scale(spec, multipliers(each))) for each in candidates]
    except ScaleError:  # too small an image, groups that divide no longer
        reject()
    columns = (np.array(column) for column in zip(*candidates, strict=True))
    together = es.counts(es.scale(spec, multipliers(columns)))
    for name in NAMES:
        found = np.broadcast_to(getattr(together, name), len(candidates))
        assert found.tolist() == [getattr(each, name) for each in alone]


def test_axes_of_multipliers_give_the_whole_grid(b0: es.Spec) -> None:
    depths, widths, sides = [1.0, 1.2], [1.0, 1.1, 1.7], [1.0, 1.15, 1.3]
    grid = es.Multipliers(
        np.array(depths)[None, :, None],
        np.array(widths)[:, None, None],
        np.array(sides)[None, None, :],
    )
    together = es.counts(es.scale(b0, grid))
    shape = len(widths), len(depths), len(sides)
    assert np.shape(together.macs) == shape
    for (i, w), (j, d), (k, r) in product(*map(enumerate, (widths, depths, sides))):
        alone = es.count(es.scale(b0, es.Multipliers(d, w, r)))
        for name in NAMES:
            whole = np.broadcast_to(getattr(together, name), shape)
            assert whole[i, j, k] == getattr(alone, name)


@examples(15)
@given(phi=st.floats(-5, 8), more=st.floats(0, 2))
def test_cost_grows_with_phi(b0: es.Spec, phi: float, more: float) -> None:
    less = es.count(es.scale(b0, es.compound(phi)))
    greater = es.count(es.scale(b0, es.compound(phi + more)))
    for name in NAMES:
        assert getattr(less, name) <= getattr(greater, name)
    assert es.count(es.scale(b0, es.compound(phi + 1))).macs > less.macs


def test_a_count_of_any_size_is_exact_for_one_network() -> None:
    conv, image = Conv(2**20, 2**20, (31, 31)), Shape(2**20, 2**16, 2**16)
    layer = seq(conv=conv)
    part = Part("stem", "stem", "Conv", (31, 31), (1, 1), 2**20, 1, layer)
    assert total(Network("wide", image, (part,))) == Cost(
        macs=31**2 * 2**72, params=31**2 * 2**40, activations=2**52
    )


def test_a_count_too_large_for_an_array_is_refused(b0: es.Spec) -> None:
    figures = [(1.0, 1.0, 1.0), (2000.0, 300.0, 100.0)]
    columns = (np.array(column) for column in zip(*figures, strict=True))
    exact = es.count(es.scale(b0, es.Multipliers(*figures[1])))
    assert exact.macs > INT64_MAX
    with pytest.raises(CountError) as caught:
        es.count(es.scale(b0, es.Multipliers(*columns)))
    message = f"macs: expected at most 2^63 - 1, counted {exact.macs}"
    assert str(caught.value) == message


def test_the_largest_count_that_fits_is_exact(b0: es.Spec) -> None:
    def cost(repeats: Int) -> Cost:
        update = {"channels": 2**20, "repeats": repeats}
        stages = *b0.stages[:-1], b0.stages[-1].model_copy(update=update)
        shape = {"stages": stages, "resolution": (448, 448)}
        return es.count(b0.model_copy(update=shape))

    one, two = int(cost(1).macs), int(cost(2).macs)
    most = 1 + (INT64_MAX - one) // (two - one)
    largest = one + (most - 1) * (two - one)
    assert cost(most).macs == largest
    assert np.asarray(cost(np.array([1, most])).macs).tolist() == [one, largest]
    with pytest.raises(CountError) as caught:
        cost(np.array([1, most + 1]))
    beyond = largest + two - one
    assert str(caught.value) == f"macs: expected at most 2^63 - 1, counted {beyond}"


def test_candidates_are_judged_one_by_one(b0: es.Spec) -> None:
    figures = [(2000.0, 1.0, 100.0), (1.0, 300.0, 1.0)]
    alone = [es.count(es.scale(b0, es.Multipliers(*each))).macs for each in figures]
    worst = es.count(es.scale(b0, es.Multipliers(2000.0, 300.0, 100.0))).macs
    assert max(map(int, alone)) <= INT64_MAX < worst
    columns = (np.array(column) for column in zip(*figures, strict=True))
    together = es.counts(es.scale(b0, es.Multipliers(*columns)))
    assert np.asarray(together.macs).tolist() == alone
