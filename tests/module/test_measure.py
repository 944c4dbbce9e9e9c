"""What a counter sees, in our convention, by both engines."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import nn

import effscale as es
from effscale.cost.conventions import conventions
from effscale.cost.count import layer_costs
from effscale.errors import MeasureError
from effscale.module.measure import Engine, measure
from effscale.network.network import network

pytestmark = pytest.mark.torch

ENGINES = get_args(Engine)
engines = pytest.mark.parametrize("engine", ENGINES)


class Apply(nn.Module):
    """A convolution of 4 channels, and what comes after it."""

    def __init__(self, after: nn.Module) -> None:
        super().__init__()
        self.conv, self.after = nn.Conv2d(3, 4, 1, bias=False), after

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) to whatever comes after."""
        out: torch.Tensor = self.after(self.conv(x))
        return out


class Products(nn.Module):
    """Scores of each channel for each other, and their mixture."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to (N, C, W·H)."""
        scores = torch.einsum("nchw,ndhw->ncd", x, x)
        return scores.softmax(2) @ x.flatten(2)


@engines
@pytest.mark.parametrize(
    ("after", "macs", "params", "activations"),
    [
        # On a 4×6×8 map. Convolutions: weights times positions.
        (nn.Conv2d(4, 8, 3, padding=1), 288 * 48, 288 + 8, 8 * 48),
        (nn.Conv2d(4, 8, 3, 2, 1, groups=2), 144 * 12, 144 + 8, 8 * 12),
        (nn.Conv2d(4, 8, (1, 3), dilation=(1, 3)), 96 * 12, 96 + 8, 8 * 12),
        (nn.ConvTranspose2d(4, 2, 2, 2, bias=False), 32 * 48, 32, 2 * 192),
        (nn.Linear(8, 5), 40 * 24, 40 + 5, 5 * 24),
        (nn.Linear(8, 5, bias=False), 40 * 24, 40, 5 * 24),
        (Products(), 4 * 4 * 48 + 4 * 4 * 48, 0, 4 * 4 + 4 * 48),
        # Whatever else there is costs nothing.
        (nn.BatchNorm2d(4), 0, 8, 0),
        (nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Sigmoid(), nn.Flatten()), 0, 0, 0),
        (nn.LayerNorm(8), 0, 16, 0),
        (nn.Upsample(scale_factor=2, mode="bilinear"), 0, 0, 0),
        (nn.Upsample(scale_factor=2, mode="nearest"), 0, 0, 0),
    ],
    ids=str,
)
def test_multiply_accumulates_params_and_outputs_are_counted(
    after: nn.Module, macs: int, params: int, activations: int, engine: Engine
) -> None:
    measured = measure(Apply(after), (6, 8), engine=engine)
    assert measured.macs == 12 * 48 + macs
    assert measured.params == 12 + params
    assert measured.activations == 4 * 48 + activations
    assert measured.engine == engine


@engines
def test_frozen_parameters_are_not_trainable_ones(engine: Engine) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 5, 1))
    net[0].requires_grad_(requires_grad=False)
    assert measure(net, 2, engine=engine).params == 20 + 5


@engines
def test_parameters_may_be_whole_numbers(engine: Engine) -> None:
    coded = nn.Identity()
    coded.codes = nn.Parameter(torch.arange(5), requires_grad=False)
    net = nn.Sequential(nn.Conv2d(3, 4, 1), coded)
    assert measure(net, 2, engine=engine).params == 16


@engines
def test_one_number_is_a_square_and_channels_are_free(engine: Engine) -> None:
    net = nn.Conv2d(5, 2, 1)
    square = measure(net, 6, engine=engine, image_channels=5)
    assert square == measure(net, (6, 6), engine=engine, image_channels=5)
    assert square.macs == 10 * 36


@engines
def test_the_image_has_the_type_of_the_weights(engine: Engine) -> None:
    assert measure(nn.Conv2d(3, 1, 1).double(), 2, engine=engine).macs == 12


@engines
def test_each_layer_measures_what_we_count(b0: es.Spec, engine: Engine) -> None:
    spec = b0.model_copy(update={"resolution": (63, 49)})
    measured = measure(es.build(spec), (63, 49), engine=engine)
    leaves = layer_costs(network(spec))
    counted = {each.visit.path: each.cost.macs for each in leaves if each.cost.macs}
    assert {path: measured.modules[path] for path in counted} == counted
    assert len(counted) == 16 * 5 - 1 + 3
    assert measured.modules[""] == measured.macs == sum(counted.values())


@engines
def test_a_layer_used_twice_costs_twice_and_has_its_params_once(engine: Engine) -> None:
    shared = nn.Conv2d(3, 3, 1)
    measured = measure(nn.Sequential(shared, shared), 4, engine=engine)
    assert measured.macs == measured.modules[""] == 2 * 9 * 16
    assert measured.params == 12


def test_operators_are_in_the_counters_own_unit(b0: es.Spec) -> None:
    net = es.build(b0, init=False)
    macs, numbers = es.count(b0).macs, conventions(network(b0))
    torchs = measure(net, 224, engine="torch").operators
    assert set(torchs) == {"convolution", "addmm"}
    assert sum(torchs.values()) == numbers["torch"] == 2 * macs == 771_629_504
    fvcores = measure(net, 224).operators
    assert set(fvcores) == {"conv", "linear", "batch_norm", "adaptive_avg_pool2d"}
    # What FlopCountAnalysis(net, image).total() of fvcore 0.1.5 prints for B0.
    assert sum(fvcores.values()) == numbers["fvcore"] == 401_659_392


def test_calls_without_a_cost_are_listed(b0: es.Spec) -> None:
    net = es.build(b0, init=False)
    # A norm each but for project, and one in each squeeze; 16 gates; 9 skips.
    free = {"silu": 33 + 16, "sigmoid": 16, "mul": 16, "add": 9}
    by_fvcore = measure(net, 32).free
    assert by_fvcore == {f"aten::{name}": calls for name, calls in free.items()}
    by_torch = measure(net, 32, engine="torch").free
    assert {name: by_torch[name] for name in free} == free
    assert by_torch["native_batch_norm"] == 49


def test_on_meta_torch_measures_the_same(b0: es.Spec) -> None:
    stored = measure(es.build(b0, init=False), 64, engine="torch")
    assert measure(es.build(b0, device="meta"), 64, engine="torch") == stored


def test_by_torch_nothing_is_stored() -> None:
    side = 2**24  # an image of 3 PiB, more than can be addressed
    assert measure(nn.Conv2d(3, 1, 1), side, engine="torch").macs == 3 * side**2


def test_fvcore_cannot_measure_on_meta(b0: es.Spec) -> None:
    message = "^fvcore runs the network and cannot on meta; try torch$"
    with pytest.raises(MeasureError, match=message):
        measure(es.build(b0, device="meta"), 224)
