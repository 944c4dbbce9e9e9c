"""A built network is ready to train, where it was asked to be."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import effscale as es

pytestmark = pytest.mark.torch

SMALL = """
name: small
resolution: 16
image_channels: 1
stochastic_depth: 0.2
stem: {kernel: 3, stride: 2, channels: 8}
stages:
  - {block: mbconv, kernel: 3, stride: 1, expand_ratio: 1, channels: 8, repeats: 2,
     se_ratio: 0.25}
  - {block: mbconv, kernel: 5, stride: 2, expand_ratio: 2, channels: 16, repeats: 1}
head: {channels: 32, classes: 3, dropout: 0.1}
"""


@pytest.fixture
def small() -> es.Spec:
    """A network that learns in a moment."""
    return es.loads(SMALL)


@pytest.mark.parametrize("init", [True, False])
def test_all_of_it_is_in_training_mode_and_trainable(
    small: es.Spec, *, init: bool
) -> None:
    net = es.build(small, init=init)
    assert all(each.training for each in net.modules())
    parameters = list(net.parameters())
    assert all(each.requires_grad and each.is_leaf for each in parameters)
    assert sum(each.numel() for each in parameters) == es.count(small).params


def test_a_batch_is_learnt_by_heart(small: es.Spec) -> None:
    torch.manual_seed(0)
    net = es.build(small)
    images, classes = torch.randn(12, 1, 16, 16), torch.arange(12) % 3
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(images), classes)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    # ln 3 = 1.10 is what a guess costs.
    assert losses[0] == pytest.approx(1.1, abs=0.4)
    assert losses[-1] < 0.3


def test_every_parameter_gets_a_gradient(small: es.Spec) -> None:
    torch.manual_seed(0)
    net = es.build(small)
    net(torch.randn(4, 1, 16, 16)).square().sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_it_is_built_run_and_measured(small: es.Spec) -> None:
    net = es.build(small, device="cuda")
    assert {each.device.type for each in net.state_dict().values()} == {"cuda"}
    logits = net(torch.randn(2, 1, 16, 16, device="cuda"))
    assert logits.shape == (2, 3)
    assert logits.isfinite().all()
    counted = es.count(small)
    for engine in ("fvcore", "torch"):
        measured = es.measure(net, 16, engine=engine, image_channels=1)
        assert measured.macs == counted.macs
        assert measured.activations == counted.activations
    assert {each.device.type for each in net.state_dict().values()} == {"cuda"}
