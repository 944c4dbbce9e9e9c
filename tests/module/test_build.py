"""Layers to torch modules, by name, by behaviour, and ready to train."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - its usual name

import effscale as es
from effscale.errors import LayerError
from effscale.module.build import ACTIVATIONS, build, module_of
from effscale.network import layers, leaves
from effscale.network.layers import seq
from effscale.spec.types import Activation, Gate
from tests.module.reference import FUNCTIONS
from tests.parts import head_of

if TYPE_CHECKING:
    from effscale.network.layers import Layer
    from tests.module.reference import Function

pytestmark = pytest.mark.torch

GATES: dict[str, Function] = {"sigmoid": torch.sigmoid, "hard_sigmoid": F.hardsigmoid}


@pytest.mark.parametrize("kind", [*get_args(Activation), *get_args(Gate)])
def test_every_activation_of_a_spec_is_built(kind: str) -> None:
    functions: dict[str, Function] = {**FUNCTIONS, **GATES, "none": torch.clone}
    function = functions[kind]
    x = torch.linspace(-8, 8, 99)
    assert torch.equal(ACTIVATIONS[kind]()(x), function(x))


@pytest.mark.parametrize("name", ["b0", "b1"])
def test_images_become_logits(name: str) -> None:
    spec = es.load(name)
    images = torch.zeros(2, 3, *map(int, spec.resolution), device="meta")
    assert build(spec, device="meta")(images).shape == (2, 1000)


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
            leaves.Conv(4, 6, (5, 5), (2, 2), groups=2, bias=True),
            "Conv2d(4, 6, kernel_size=(5, 5), stride=(2, 2), padding=(2, 2), groups=2)",
        ),
        (
            leaves.Conv(4, 6),
            "Conv2d(4, 6, kernel_size=(1, 1), stride=(1, 1), bias=False)",
        ),
        (leaves.Act("relu6"), "ReLU6()"),
        (leaves.GlobalPool(), "AdaptiveAvgPool2d(output_size=1)"),
        (leaves.Flatten(), "Flatten(start_dim=1, end_dim=-1)"),
        (leaves.Dropout(0.5), "Dropout(p=0.5, inplace=False)"),
        (leaves.Linear(4, 6), "Linear(in_features=4, out_features=6, bias=True)"),
    ],
)
def test_a_leaf_is_what_torch_calls_it(layer: Layer, printed: str) -> None:
    assert repr(module_of(layer, {})) == printed


@pytest.mark.parametrize(
    ("layer", "names"),
    [
        (seq(a=leaves.Flatten(), b=leaves.GlobalPool()), ["a", "b"]),
        (layers.Gate((("f", leaves.Flatten()),)), ["f"]),
        (layers.Repeat(leaves.GlobalPool(), 3), ["0", "1", "2"]),
        (layers.Repeat(leaves.GlobalPool(), 0), []),
        (
            layers.Sequential(
                (
                    ("0", leaves.GlobalPool()),
                    ("1", layers.Repeat(leaves.GlobalPool(), 2)),
                )
            ),
            ["0", "1", "2"],
        ),
    ],
)
def test_a_combination_has_its_layers_by_name(layer: Layer, names: list[str]) -> None:
    assert [name for name, _ in module_of(layer, {}).named_children()] == names
