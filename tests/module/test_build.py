"""Layers to torch modules, by name, by behaviour, and ready to train."""

from __future__ import annotations

import pkgutil
from dataclasses import is_dataclass
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, get_args

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - its usual name

import effscale as es
from effscale.cost.count import part_costs, total
from effscale.cost.memory import memory
from effscale.errors import LayerError
from effscale.module.build import Making, build, built, layer_module
from effscale.module.measure import Engine, measure
from effscale.module.operators import ACTIVATIONS, MODULES
from effscale.network import combinators, operators
from effscale.network.combinators import seq
from effscale.network.operators.convolution import Conv, Linear
from effscale.network.operators.elementwise import Act, Dropout, Flatten
from effscale.network.operators.operator import Operator
from effscale.network.operators.pooling import GlobalPool
from effscale.spec.values import Activation, Gate
from tests.module.live import Live
from tests.module.reference import FUNCTIONS
from tests.parts import branching, head_of

if TYPE_CHECKING:
    from effscale.network.combinators import Layer
    from tests.module.reference import Function

pytestmark = pytest.mark.torch

GATES: dict[str, Function] = {"sigmoid": torch.sigmoid, "hard_sigmoid": F.hardsigmoid}


@pytest.mark.parametrize("kind", [*get_args(Activation), *get_args(Gate)])
def test_every_activation_of_a_spec_is_built(kind: str) -> None:
    functions: dict[str, Function] = {**FUNCTIONS, **GATES, "none": torch.clone}
    functions["prelu"] = partial(F.prelu, weight=torch.tensor([0.25]))
    function = functions[kind]
    x = torch.linspace(-8, 8, 99)
    assert torch.equal(ACTIVATIONS[kind]()(x), function(x))


@pytest.mark.parametrize("name", ["b0", "b1"])
def test_images_become_logits(name: str) -> None:
    spec = es.load(name)
    images = torch.zeros(2, 3, *map(int, spec.resolution), device="meta")
    assert build(spec, device="meta")(images).shape == (2, 1000)


@pytest.mark.parametrize("name", ["resnet50", "b0", "mobilenetv3-large"])
def test_a_run_looks_for_no_child_as_an_attribute(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # That is Python's own time, which one image on a GPU waits for.
    net = build(es.load(name), device="meta").eval()
    look, found = nn.Module.__getattr__, list[str]()

    def noting(module: nn.Module, name: str) -> torch.Tensor | nn.Module:
        value = look(module, name)
        if isinstance(value, nn.Module):
            found.append(name)
        return value

    monkeypatch.setattr(nn.Module, "__getattr__", noting)
    net(torch.zeros(1, 3, 64, 64, device="meta"))
    assert found == []


def test_classes_and_image_channels_are_free(b0: es.Spec) -> None:
    head = head_of(b0).model_copy(update={"classes": 7})
    spec = b0.model_copy(update={"head": head, "image_channels": 5})
    logits = build(spec)(torch.zeros(2, 5, 32, 48))
    assert logits.shape == (2, 7)
    assert logits.device.type == "cpu"


@pytest.mark.parametrize(("name", "rate"), [("b0", 0.2), ("b2", 0.3), ("b4", 0.4)])
def test_dropout_is_the_variants(name: str, rate: float) -> None:
    # tpu/models/official/efficientnet/efficientnet_builder.py:37-49
    dropout = build(es.load(name), device="meta").get_submodule("head.dropout")
    assert isinstance(dropout, nn.Dropout)
    assert dropout.p == rate


@pytest.mark.parametrize("device", ["meta", torch.device("meta")])
def test_on_meta_nothing_is_stored(b0: es.Spec, device: str | torch.device) -> None:
    tensors = build(b0, device=device).state_dict().values()
    assert all(each.is_meta for each in tensors)


@pytest.mark.parametrize("dimension", ["depth", "width", "resolution"])
def test_candidates_in_arrays_are_no_network(b0: es.Spec, dimension: str) -> None:
    multipliers = es.Multipliers(**{dimension: np.array([1.0, 1.5])})
    message = "build: expected one network, got arrays of candidates"
    with pytest.raises(LayerError, match=f"^{message}$"):
        build(es.scale(b0, multipliers), device="meta")


@pytest.mark.parametrize(
    ("layer", "printed"),
    [
        (
            Conv(4, 6, (5, 5), (2, 2), groups=2, bias=True),
            "Conv2d(4, 6, kernel_size=(5, 5), stride=(2, 2), padding=(2, 2), groups=2)",
        ),
        (
            Conv(4, 6),
            "Conv2d(4, 6, kernel_size=(1, 1), stride=(1, 1), bias=False)",
        ),
        (Act("relu6"), "ReLU6()"),
        (GlobalPool(), "AdaptiveAvgPool2d(output_size=1)"),
        (Flatten(), "Flatten(start_dim=1, end_dim=-1)"),
        (Dropout(0.5), "Dropout(p=0.5, inplace=False)"),
        (Linear(4, 6), "Linear(in_features=4, out_features=6, bias=True)"),
    ],
)
def test_a_leaf_is_what_torch_calls_it(layer: Layer, printed: str) -> None:
    assert repr(layer_module(layer, Making({}))) == printed


@pytest.mark.parametrize(
    ("layer", "names"),
    [
        (seq(a=Flatten(), b=GlobalPool()), ["a", "b"]),
        (combinators.Gate((("f", Flatten()),)), ["f"]),
        (combinators.Repeat(GlobalPool(), 3), ["0", "1", "2"]),
        (combinators.Repeat(GlobalPool(), 0), []),
        (
            combinators.Sequential(
                (
                    ("0", GlobalPool()),
                    ("1", combinators.Repeat(GlobalPool(), 2)),
                )
            ),
            ["0", "1", "2"],
        ),
    ],
)
def test_a_combination_has_its_layers_by_name(layer: Layer, names: list[str]) -> None:
    assert [
        name for name, _ in layer_module(layer, Making({})).named_children()
    ] == names


@pytest.mark.parametrize("engine", get_args(Engine))
def test_any_graph_of_parts_is_counted_built_and_measured(engine: Engine) -> None:
    net = branching()
    module = built(net)
    segments, logits = module(torch.zeros(2, 3, 33, 40))
    found = {each.part.name: each for each in part_costs(net)}
    assert segments.shape == (2, *found["segment"].output)
    assert logits.shape == (2, found["classify"].output.channels)
    measured, counted = measure(module, (33, 40), engine=engine), total(net)
    assert (measured.macs, measured.params) == (counted.macs, counted.params)
    assert measured.activations == counted.activations
    assert measured.macs == sum(
        each.cost.macs for each in found.values() if each.cost.macs
    )


def test_a_graph_of_parts_holds_every_map_while_it_runs() -> None:
    net = branching()
    module = built(net, device="meta", init=False).eval()
    live = Live([*module.parameters(), *module.buffers()])
    image = torch.zeros(1, 3, 33, 40, device="meta")
    live.add(image)
    with live, torch.no_grad():
        module(image)
    assert memory(net).peak == live.peak


def test_an_operator_that_nobody_builds_is_an_error() -> None:
    class Unknown(Operator):
        label = "unknown"

    with pytest.raises(LayerError) as caught:
        layer_module(Unknown(), Making({}))
    assert str(caught.value) == "build: no module is known for Unknown"


def test_every_operator_is_built() -> None:
    found = {
        kind
        for name in [each.name for each in pkgutil.iter_modules(operators.__path__)]
        for kind in vars(import_module(f"{operators.__name__}.{name}")).values()
        if isinstance(kind, type) and issubclass(kind, Operator)
    }
    assert {kind for kind in found if is_dataclass(kind)} == set(MODULES)


def test_a_layer_may_have_any_name() -> None:
    """`scale` and `half` are names that modules have already."""
    names = ("scale", "half", "shortcut", "forward")
    layers = tuple((name, Conv(2, 2)) for name in names)
    skip = layer_module(combinators.Residual(layers, (("0", Conv(2, 2)),)), Making({}))
    assert skip(torch.ones(1, 2, 3, 3)).shape == (1, 2, 3, 3)
    assert len(list(skip.parameters())) == 5


def test_classes_may_be_others(b0: es.Spec) -> None:
    net = es.build(b0, classes=10, init=False, device="meta")
    assert net.get_parameter("head.classifier.weight").shape == (10, 1280)
