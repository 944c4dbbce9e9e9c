"""Tests of the optimizers of `effscale.train.trainer`: torch's, by name."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, get_args

import pytest
import torch
from torch import nn

from effscale.module.operators import LayerNorm2d
from effscale.train.recipe import Optimizer, decay_of, peak_rate
from effscale.train.trainer import optimizer
from tests.train.small import RECIPE, training, weights

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.torch

NAMES: tuple[Optimizer, ...] = get_args(Optimizer)


def test_each_name_is_torch_s_optimizer_of_that_name() -> None:
    net = nn.Linear(2, 2)
    made = [optimizer(net, replace(RECIPE, optimizer=name)) for name in NAMES]
    types = [torch.optim.SGD, torch.optim.AdamW, torch.optim.RMSprop]
    assert [type(each) for each in made] == types
    sgd, _, rms = (each.param_groups[0] for each in made)
    assert (sgd["momentum"], sgd["nesterov"]) == (0.9, True)
    assert (rms["momentum"], rms["alpha"], rms["eps"]) == (0.9, 0.9, 0.0316)


@pytest.mark.parametrize("norm", [nn.BatchNorm2d(4), LayerNorm2d(4)])
def test_weights_of_norms_do_not_decay(norm: nn.Module) -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3), norm)
    decaying, free = optimizer(net, replace(RECIPE, weight_decay=0.5)).param_groups
    assert (decaying["weight_decay"], free["weight_decay"]) == (0.5, 0)
    assert decaying["params"] == [*net[0].parameters()]
    assert free["params"] == [*norm.parameters()]


def test_rates_and_decays_that_go_with_them() -> None:
    assert [peak_rate(name, 512) for name in NAMES] == [0.8, 0.001, 0.032]
    assert [decay_of(name) for name in NAMES] == [1e-5, 0.05, 1e-5]


@pytest.mark.parametrize("name", NAMES)
def test_resumed_is_uninterrupted_bit_for_bit(tmp_path: Path, name: Optimizer) -> None:
    asked: dict[str, Any] = {"optimizer": name, "epochs": 2, "lr": 0.001}
    whole = training(**asked)
    list(whole.run())
    part = training(file=tmp_path / "a", **asked)
    list(islice(part.run(), 3))
    part.save()
    rest = training(file=tmp_path / "a", **asked)
    list(rest.run())
    assert rest.history == whole.history
    mine, theirs = weights(rest), weights(whole)
    assert all(torch.equal(each, theirs[key]) for key, each in mine.items())
