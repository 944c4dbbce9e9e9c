"""Steps that are neither convolutions nor norms, beside torch's own functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch.nn import functional as F  # noqa: N812 - its usual name

import effscale as es
from effscale.cost.memory import memory
from effscale.growth.scale import at_resolution
from effscale.network.network import network
from tests.module.live import peak
from tests.spec.small import lines

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.torch


def spec(line: str, head: str = "{}") -> es.Spec:
    return lines(line, stem="{kernel: 1, channels: 8}", head=head, resolution="7")


def built(line: str) -> torch.nn.Module:
    torch.manual_seed(0)
    return es.build(spec(line)).get_submodule("stages.0.0").double().eval()


GATE = "{block: product, branches: [[], [{block: global_pool}, %s]]}"
FUNCTIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "leaky_relu": lambda x: F.leaky_relu(x, 0.01),
    "prelu": lambda x: torch.where(x > 0, x, x / 4),
    "elu": F.elu,
    "mish": lambda x: x * F.softplus(x).tanh(),
    "hard_mish": lambda x: x / 2 * F.relu6(x + 2).clamp(max=2),
    "softplus": lambda x: (1 + x.exp()).log(),
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "hard_sigmoid": lambda x: F.relu6(x + 3) / 6,
}


@torch.no_grad()
@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_activation_is_what_its_name_says(name: str) -> None:
    x = torch.randn(2, 8, 5, 6, dtype=torch.float64)
    made = built(f"{{block: activation, activation: {name}}}")(x)
    torch.testing.assert_close(made, FUNCTIONS[name](x), rtol=1e-9, atol=1e-12)


@torch.no_grad()
def test_a_product_is_of_what_is_broadcast_too() -> None:
    x = torch.randn(2, 8, 5, 6, dtype=torch.float64)
    gate = built(GATE % "{block: activation, activation: sigmoid}")
    expected = x * x.mean((2, 3), keepdim=True).sigmoid()
    torch.testing.assert_close(gate(x), expected)
    less = built("{block: sum, branches: [[], [{block: multiply, by: -0.5}]]}")
    torch.testing.assert_close(less(x), x / 2)


@torch.no_grad()
@pytest.mark.parametrize(("size", "expected"), [(", size: 5", 5), ("", 3)])
def test_channel_attention_is_eca(size: str, expected: int) -> None:
    """Wang et al. 2019, equation 9; C = 8 channels see 3."""
    attention = built(f"{{block: channel_attention{size}}}")
    weight = attention.get_parameter("conv.weight")
    assert weight.shape == (1, 1, expected)
    x = torch.randn(2, 8, 5, 6, dtype=torch.float64)
    means = F.pad(x.mean((2, 3)), (expected // 2, expected // 2))
    seen = (means.unfold(1, expected, 1) * weight.flatten()).sum(-1)
    torch.testing.assert_close(attention(x), x * seen.sigmoid()[..., None, None])


@torch.no_grad()
@pytest.mark.parametrize(("kind", "to"), [("avg", 1), ("max", 1), ("avg", 3)])
def test_a_global_pool_leaves_as_many_as_it_says(kind: str, to: int) -> None:
    pool = built(f"{{block: global_pool, kind: {kind}, to: {to}}}")
    x = torch.randn(2, 8, 5, 6, dtype=torch.float64)
    expected = F.adaptive_avg_pool2d if kind == "avg" else F.adaptive_max_pool2d
    torch.testing.assert_close(pool(x), expected(x, to))


@torch.no_grad()
def test_a_convolution_may_classify_before_the_pool() -> None:
    line, head = "{block: activation}", "{classes: 3, classifier: conv, dropout: 0.5}"
    net = es.build(spec(line, head), init=True).double().eval()
    x = torch.randn(2, 8, 5, 6, dtype=torch.float64)
    head_of = net.get_submodule("head")
    weight = head_of.get_parameter("classifier.weight")
    expected = F.silu(F.conv2d(x, weight)).mean((2, 3))
    torch.testing.assert_close(head_of(x), expected)


@pytest.mark.parametrize(
    "line",
    [
        GATE % "{block: activation, activation: tanh}",
        "{block: activation, activation: hard_mish}",
        "{block: channel_attention}",
        "{block: multiply, by: 2}",
    ],
)
def test_a_step_takes_the_memory_that_torch_shows(line: str) -> None:
    large = at_resolution(spec(line), (32, 32))
    assert memory(network(large)).peak == pytest.approx(peak(large, 1), rel=2e-3)
