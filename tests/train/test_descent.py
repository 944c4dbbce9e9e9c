"""Tests of `effscale.train.trainer`."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import nn

from effscale.module.operators import LayerNorm2d
from effscale.train.trainer import Descent
from tests.train.small import RECIPE

pytestmark = pytest.mark.torch


@pytest.mark.parametrize(
    "norm", [nn.BatchNorm2d(4), LayerNorm2d(4)], ids=["batch", "layer"]
)
def test_moves_as_torch_s_own_optimizer_does(norm: nn.Module) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), deepcopy(norm), nn.Flatten())
    twin = deepcopy(net)
    descent = Descent(net, RECIPE)
    others = [*twin[0].parameters()]
    optimizer = torch.optim.SGD(
        [
            {"params": others, "weight_decay": RECIPE.weight_decay},
            {"params": [*twin[1].parameters()], "weight_decay": 0.0},
        ],
        lr=1.0,
        momentum=RECIPE.momentum,
        nesterov=True,
    )
    for step in range(5):
        images = torch.randn(8, 1, 5, 5)
        rate = 0.1 / (step + 1)
        for each in (net, twin):
            each(images).square().mean().backward()
        descent.step(rate)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        optimizer.zero_grad()
    for ours, theirs in zip(net.parameters(), twin.parameters(), strict=True):
        assert torch.equal(ours, theirs)
        assert ours.grad is None


def test_takes_up_the_momenta_of_another() -> None:
    net = nn.Linear(2, 2)
    first, second = Descent(net, RECIPE), Descent(net, RECIPE)
    net(torch.ones(1, 2)).sum().backward()
    first.step(0.1)
    second.load(first.momenta)
    assert [each.tolist() for each in second.momenta[0]] == [
        each.tolist() for each in first.momenta[0]
    ]
    assert second.momenta[0][0].any()
