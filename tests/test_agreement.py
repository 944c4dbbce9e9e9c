"""Three ways to know a cost, and one figure: the reason to trust any of them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import get_args

import pytest
import torch
from hypothesis import assume, given
from torch import nn

import effscale as es
from effscale.cost.conventions import conventions
from effscale.cost.count import layer_costs, part_costs
from effscale.module.measure import Engine, difference, measure_spec
from effscale.network.network import network
from effscale.spec.norm import Norm
from tests.examples import examples
from tests.module import reference
from tests.strategies import attending, detectors, graphs, mobiles, specs

pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("undrawn")]

FIGURES = ("macs", "params", "activations", "products", "product_outputs")


def figures(cost: es.Cost) -> list[int]:
    found = [getattr(cost, name) for name in FIGURES]
    assert [type(each) for each in found] == [int] * len(FIGURES)
    return found


@pytest.mark.parametrize(
    ("name", "engine"),
    [
        *(("b0", engine) for engine in get_args(Engine)),
        *(("d0", engine) for engine in get_args(Engine)),
        ("b4", "torch"),
    ],
)
def test_published_networks_measure_what_we_count(name: str, engine: Engine) -> None:
    spec = es.load(name)
    measured = measure_spec(spec, engine)
    assert figures(measured) == figures(es.count(spec))
    assert difference(spec, measured) is None
    for part in part_costs(network(spec)):
        assert measured.modules[part.part.path] == part.cost.macs


@pytest.mark.parametrize("engine", get_args(Engine))
@pytest.mark.parametrize("name", ["b1", "d0", "swin-t"])
def test_of_equal_blocks_one_stands_for_all(name: str, engine: Engine) -> None:
    spec = es.scale(es.load(name), es.Multipliers(1, 0.25, 0.5))
    whole, once = (measure_spec(spec, engine, once=each) for each in (False, True))
    assert (whole.once, once.once) == (False, True)
    paths = [part.part.path for part in part_costs(network(spec))]
    parts = [{path: each.modules[path] for path in paths} for each in (whole, once)]
    assert parts[0] == parts[1]
    assert replace(once, once=False, modules={}) == replace(whole, modules={})


@pytest.mark.parametrize("name", ["b7", "l2"])
def test_those_too_large_to_run_are_measured_on_meta(name: str) -> None:
    spec = es.load(name)
    assert figures(measure_spec(spec, "torch")) == figures(es.count(spec))


@pytest.mark.parametrize("phi", [-1, 3.7])
def test_scaled_networks_measure_what_we_count(b0: es.Spec, phi: float) -> None:
    spec = es.scale(b0, es.compound(phi))
    assert figures(measure_spec(spec, "torch")) == figures(es.count(spec))


@pytest.mark.parametrize("name", ["resnet18", "d0"])
def test_with_layer_norms_the_same_is_done_with_fewer_params(name: str) -> None:
    spec = es.load(name)
    layered = spec.model_copy(update={"norm": Norm(kind="layer")})
    cost, by_batch = es.count(layered), es.count(spec)
    assert figures(measure_spec(layered, "torch", once=True)) == figures(cost)
    assert (cost.macs, cost.activations) == (by_batch.macs, by_batch.activations)
    # Heads have a batch norm for each level, of which layer norms are one.
    assert (cost.params < by_batch.params) == (name == "d0")
    assert cost.params <= by_batch.params


@examples(20)
@given(spec=specs())
def test_any_small_network_measures_what_we_count(spec: es.Spec) -> None:
    agree(spec)


@examples(20)
@given(spec=attending())
def test_any_small_network_with_attention_measures_what_we_count(spec: es.Spec) -> None:
    agree(spec)


@examples(12)
@given(spec=detectors())
def test_any_small_detector_measures_what_we_count(spec: es.Spec) -> None:
    agree(spec)


@examples(20)
@given(spec=graphs())
def test_any_small_graph_measures_what_we_count(spec: es.Spec) -> None:
    agree(spec)


def agree(spec: es.Spec) -> None:
    """Hold both engines to our count: in all, by part, and by their own totals.

    And torch to itself, where of equal blocks one is run.
    """
    by_fvcore, by_torch = measure_spec(spec, "fvcore"), measure_spec(spec, "torch")
    once = measure_spec(spec, "torch", once=True)
    numbers = conventions(network(spec))
    for measured in (by_fvcore, by_torch, once):
        assert figures(measured) == figures(es.count(spec))
        for part in part_costs(network(spec)):
            assert measured.modules.get(part.part.path, 0) == part.cost.macs
        assert sum(measured.operators.values()) == numbers[measured.engine]
    assert (once.calls, once.free) == (by_torch.calls, by_torch.free)


@examples(25)
@given(spec=specs() | detectors() | graphs())
def test_feature_maps_have_the_shapes_that_we_count(spec: es.Spec) -> None:
    net, seen = es.build(spec, device="meta").eval(), defaultdict(list)

    def note(module: nn.Module, _: object, out: object) -> None:
        if isinstance(out, torch.Tensor):
            seen[module].append(tuple(out.shape[1:]))

    for module in net.modules():
        module.register_forward_hook(note)
    shape = 1, int(spec.image_channels), *map(int, spec.resolution)
    net(torch.zeros(shape, device="meta"))
    for each in layer_costs(network(spec)):
        found = seen[net.get_submodule(each.visit.path)].pop(0)
        expected = tuple(map(int, each.visit.output))
        assert (*found, 1, 1)[:3] == expected, each.visit.path


@examples(20)
@given(spec=mobiles())
def test_the_reference_measures_what_we_count(spec: es.Spec) -> None:
    assume(spec.activation in reference.FUNCTIONS)  # none has weights there
    height, width = map(int, spec.resolution)
    measured = es.measure(
        reference.of(spec),
        (height, width),
        engine="torch",
        image_channels=int(spec.image_channels),
    )
    assert figures(measured) == figures(es.count(spec))
