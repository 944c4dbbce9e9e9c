"""Tests of batch norm's statistics: those of the network that is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

import effscale as es
from effscale.train.recipe import Recipe, statistics_batches
from effscale.train.sources import digits, fitted
from effscale.train.trainer import Training, reestimate
from tests.train.small import shades, training
from tests.train.text import TEXT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.torch


def test_they_are_the_means_over_all_batches_and_forget_what_was() -> None:
    net = nn.Sequential(nn.BatchNorm2d(2, momentum=0.01), nn.Dropout(0.5)).eval()
    norm = net[0]
    assert isinstance(norm, nn.BatchNorm2d)
    norm.running_mean = torch.full((2,), 100.0)
    images = 3 + 2 * torch.randn(4, 16, 2, 5, 5)
    reestimate(net, images)
    by_channel = images.permute(0, 2, 1, 3, 4).flatten(2)  # batch, channel, values
    torch.testing.assert_close(norm.running_mean, by_channel.mean(2).mean(0))
    torch.testing.assert_close(norm.running_var, by_channel.var(2).mean(0))
    assert (norm.momentum, net.training, norm.training) == (0.01, False, False)


def test_dropout_stays_out_of_it() -> None:
    net = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm2d(1)).eval()
    reestimate(net, torch.ones(2, 8, 1, 4, 4))
    assert net.get_buffer("1.running_var").tolist() == [0]


def test_of_how_many_images() -> None:
    # a tenth, from 512 to 8192, in batches of at least 64
    asked = [(40, 8), (300, 64), (1442, 16), (50_000, 256), (10**6, 128), (70, 8)]
    found = [statistics_batches(*each) for each in asked]
    assert found == [(1, 40), (4, 64), (8, 64), (19, 256), (64, 128), (1, 64)]


def test_a_momentum_of_long_trainings_does_not_spoil_a_short_one() -> None:
    """Of statistics that still are where they began, the accuracy would be chance."""
    data = digits()
    spec = fitted(es.loads(TEXT.replace("momentum: 0.1", "momentum: 0.0001")), data, 10)
    trained = Training(spec, data, Recipe(epochs=4, batch=64, lr=0.1))
    list(trained.run())
    assert trained.history[-1].accuracy > 0.7
    assert trained.outcome()["statistics_images"] == 512


def test_they_are_in_the_checkpoint(tmp_path: Path) -> None:
    file = tmp_path / "a.checkpoint"
    trained = training(epochs=1, file=file)
    list(trained.run())
    state = torch.load(file, weights_only=True)
    counters = [n for name, n in state["average"].items() if "num_batches" in name]
    assert counters
    assert {int(each) for each in counters} == {1}  # one batch of all 40 images


def test_a_network_of_layer_norms_has_none() -> None:
    spec = es.loads(TEXT.replace("{eps: 0.001, momentum: 0.1}", "{kind: layer}"))
    trained = Training(spec, shades(), Recipe(epochs=1, batch=8, lr=0.05))
    list(trained.run())
    assert trained.outcome()["statistics_images"] == 0
