"""Weights as the reference draws them, or zeros."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import effscale as es
from effscale.errors import LayerError
from effscale.module.build import materialise
from effscale.module.drawing import initialise
from effscale.module.operators import module_of
from effscale.network.operators.norm import LayerNorm
from effscale.spec.norm import Norm

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def net() -> nn.Module:
    """B0 with weights."""
    torch.manual_seed(0)
    return es.build(es.load("b0"))


def test_a_module_on_meta_becomes_zeros_of_the_same_kind() -> None:
    with torch.device("meta"):
        module = nn.Sequential(nn.Conv2d(2, 3, 1).double(), nn.BatchNorm2d(3))
    before = {name: (t.shape, t.dtype) for name, t in module.state_dict().items()}
    trainable = [name for name, _ in module.named_parameters()]
    materialise(module, "cpu")
    after = module.state_dict()
    assert {name: (t.shape, t.dtype) for name, t in after.items()} == before
    assert all(each.device.type == "cpu" for each in after.values())
    assert not any(each.any() for each in after.values())
    assert [name for name, _ in module.named_parameters()] == trainable


def test_without_weights_all_is_zero(b0: es.Spec) -> None:
    net = es.build(b0, init=False)
    assert not any(each.any() for each in net.state_dict().values())


def test_convolutions_are_normal_with_variance_2_over_fan_out(
    net: nn.Sequential,
) -> None:
    # conv_kernel_initializer of tpu/models/official/efficientnet/efficientnet_model.py:
    # k²·c_out, where a depthwise kernel's c_out is 1.
    convs = {n: m for n, m in net.named_modules() if isinstance(m, nn.Conv2d)}
    assert len(convs) == 81
    for name, conv in convs.items():
        k, c_out, groups = conv.kernel_size[0], conv.out_channels, conv.groups
        weight = conv.weight.detach().double() / math.sqrt(2 / (k * k * c_out / groups))
        n = weight.numel()
        # A mean has the standard error 1/√n, a variance √(2/n), a kurtosis √(24/n).
        assert weight.mean().abs() < 5 / math.sqrt(n), name
        assert abs(weight.var() - 1) < 5 * math.sqrt(2 / n), name
        if n > 2000:
            assert abs((weight**4).mean() / weight.var() ** 2 - 3) < 0.5, name


def test_linear_layers_are_uniform_up_to_1_over_root_c_out(net: nn.Sequential) -> None:
    # dense_kernel_initializer of the same file.
    weight = net.get_submodule("head.classifier").weight
    assert isinstance(weight, nn.Parameter)
    bound = 1 / math.sqrt(1000)
    assert 0.9999 * bound < weight.max().item() <= bound
    assert -0.9999 * bound > weight.min().item() >= -bound
    assert weight.var().item() == pytest.approx(bound**2 / 3, rel=0.01)


def test_biases_are_zero(net: nn.Sequential) -> None:
    biased = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    biases = [m.bias for m in biased if m.bias is not None]
    assert len(biases) == 16 * 2 + 1  # two in each squeeze-and-excitation, the logits
    assert not any(bias.any() for bias in biases)


def test_batch_norms_are_the_identity(net: nn.Sequential) -> None:
    norms = {n: m for n, m in net.named_modules() if isinstance(m, nn.BatchNorm2d)}
    assert len(norms) == 49
    for name, norm in norms.items():
        fresh = nn.BatchNorm2d(norm.num_features).state_dict()
        for key, tensor in norm.state_dict().items():
            assert torch.equal(tensor, fresh[key]), f"{name}.{key}"


def test_layer_norms_are_one_and_zero(b0: es.Spec) -> None:
    net = es.build(b0.model_copy(update={"norm": Norm(kind="layer")}))
    norms = [each for each in net.modules() if isinstance(each, nn.LayerNorm)]
    assert len(norms) == 49  # as many as the reference has batch norms
    for norm in norms:
        assert torch.equal(norm.weight, torch.ones(norm.normalized_shape))
        assert torch.equal(norm.bias, torch.zeros(norm.normalized_shape))


def test_a_layer_norm_has_mean_0_and_variance_1_at_each_position() -> None:
    norm = module_of(LayerNorm(6, 1e-6))
    assert isinstance(norm, nn.LayerNorm)
    x = 3 + 2 * torch.randn(2, 6, 4, 5, generator=torch.Generator().manual_seed(0))
    mean = x.mean(1, keepdim=True)
    variance = (x - mean).square().mean(1, keepdim=True)
    expected = (x - mean) / (variance + 1e-6).sqrt()
    torch.testing.assert_close(norm(x), expected)
    with torch.no_grad():
        norm.weight.copy_(torch.arange(6))
        norm.bias.copy_(-torch.arange(6))
    scale = torch.arange(6).reshape(6, 1, 1)
    torch.testing.assert_close(norm(x), expected * scale - scale)


def test_a_seed_gives_the_same_weights_again(b0: es.Spec, net: nn.Sequential) -> None:
    torch.manual_seed(0)
    again = es.build(b0).state_dict()
    assert all(
        torch.equal(each, again[name]) for name, each in net.state_dict().items()
    )
    torch.manual_seed(1)
    other = es.build(b0).state_dict()["stem.conv.weight"]
    assert not torch.equal(other, again["stem.conv.weight"])


def test_what_was_there_before_does_not_matter() -> None:
    module = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1), nn.Linear(2, 1))
    for parameter in module.parameters():
        nn.init.constant_(parameter, 7)
    initialise(module)
    assert not any((parameter == 7).any() for parameter in module.parameters())
    assert all(parameter.requires_grad for parameter in module.parameters())


def test_weights_that_no_rule_draws_are_an_error() -> None:
    with pytest.raises(LayerError) as caught:
        initialise(nn.Sequential(nn.Conv2d(3, 8, 1), nn.Embedding(3, 8)))
    assert str(caught.value) == "build: no rule draws the weights of Embedding"
