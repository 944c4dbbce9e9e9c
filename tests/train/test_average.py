"""Tests of `effscale.train.trainer`."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from effscale.train.trainer import Average

pytestmark = pytest.mark.torch


def test_weights_and_statistics_are_averaged_and_counters_copied() -> None:
    net = nn.BatchNorm2d(2)
    average = Average(net)
    kept = average.module
    assert isinstance(kept, nn.BatchNorm2d)
    assert kept.running_mean is not None
    assert kept.num_batches_tracked is not None
    expected = 0.0
    for step, decay in enumerate((0.1, 0.5, 0.9), start=1):
        with torch.no_grad():
            net.weight.fill_(1 + step)
        assert net.running_mean is not None
        assert net.num_batches_tracked is not None
        net.running_mean.fill_(step)
        net.num_batches_tracked.fill_(step)
        average.update(decay)
        expected = decay * expected + (1 - decay) * step
        assert kept.running_mean.tolist() == pytest.approx([expected] * 2)
        assert kept.weight.tolist() == pytest.approx([1 + expected] * 2)
        assert kept.num_batches_tracked.item() == step
    # (0.9·(0.5·0.9·1 + 0.5·2) + 0.1·3), by hand
    assert expected == pytest.approx(1.605)


def test_it_is_a_network_of_its_own_that_is_asked_and_not_taught() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    average = Average(net).module
    with torch.no_grad():
        next(net.parameters()).zero_()
    assert not average.training
    assert not any(each.requires_grad for each in average.parameters())
    assert average.state_dict()["0.weight"].any()
