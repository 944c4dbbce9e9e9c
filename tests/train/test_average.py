"""Tests of the averaged weights of `effscale.train.trainer`, by torch's own average."""

from __future__ import annotations

from itertools import islice

import pytest
import torch

from effscale.train.recipe import average_decay
from tests.train.small import training, weights

pytestmark = pytest.mark.torch


def test_weights_and_statistics_are_averaged_and_counters_copied() -> None:
    part = training()
    expected: dict[str, torch.Tensor] = {}
    for step, _ in enumerate(islice(part.run(), 4)):
        decay = average_decay(step, 0.9999) if step else 0.0
        for name, each in part.net.state_dict().items():
            if each.is_floating_point():
                before = expected.get(name, torch.zeros_like(each))
                expected[name] = decay * before + (1 - decay) * each
            else:
                expected[name] = each.clone()
    found = part.average.module.state_dict()
    assert {each.dtype for each in found.values()} == {torch.float32, torch.int64}
    for name, each in expected.items():
        torch.testing.assert_close(found[name], each)


def test_it_is_a_network_of_its_own_that_is_asked_and_not_taught() -> None:
    part = training()
    next(part.run())
    kept = {name: each.clone() for name, each in weights(part).items()}
    with torch.no_grad():
        for each in part.net.parameters():
            each.zero_()
    assert not part.average.training
    for name, each in part.average.module.state_dict().items():
        assert torch.equal(each, kept[f"average.{name}"])
