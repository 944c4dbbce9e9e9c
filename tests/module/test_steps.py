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
    "leaky_relu(0.2)": lambda x: F.leaky_relu(x, 0.2),
    "leaky_relu(0.001)": lambda x: F.leaky_relu(x, 0.001),
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


@torch.no_grad()
@pytest.mark.parametrize(("kernel", "row"), [(3, (1, 2, 1)), (5, (1, 4, 6, 4, 1))])
def test_a_blur_is_of_binomials_over_mirrored_sides(
    kernel: int, row: tuple[int, ...]
) -> None:
    """Zhang 2019, section 3.3."""
    blur = built(f"{{block: blur_pool, kernel: {kernel}}}")
    assert not [*blur.state_dict()], "weights that are not learnt are in no file"
    assert not [*blur.parameters()]
    x = torch.randn(2, 8, 5, 6, dtype=torch.float64)
    weights = torch.tensor(row, dtype=torch.float64) / sum(row)
    padded = F.pad(x, [kernel // 2] * 4, "reflect").flatten(0, 1).unsqueeze(1)
    expected = F.conv2d(padded, (weights[:, None] * weights)[None, None], stride=2)
    torch.testing.assert_close(blur(x), expected.unflatten(0, (2, 8)).squeeze(2))
    assert blur(x[..., :1, :1]).shape == (2, 8, 1, 1), "too small to be mirrored"


def test_a_blur_is_nothing_where_nothing_is_left_out() -> None:
    assert not [*built("{block: blur_pool, stride: 1}").children()]


@torch.no_grad()
@pytest.mark.parametrize("kind", ["avg", "max"])
def test_one_channel_is_for_all_channels(kind: str) -> None:
    """Woo et al. 2018, equation 3."""
    pool = f"{{block: channel_pool, kind: {kind}}}"
    gate = built(f"{{block: product, branches: [[{pool}], []]}}")
    x = torch.randn(2, 8, 5, 6, dtype=torch.float64)
    seen = x.mean(1, keepdim=True) if kind == "avg" else x.amax(1, keepdim=True)
    torch.testing.assert_close(gate(x), x * seen)


@torch.no_grad()
def test_a_map_of_positions_and_one_of_channels_are_both_spread() -> None:
    """Park et al. 2018 (BAM), equation 2."""
    both = built(
        "{block: sum, branches: [[{block: channel_pool}], [{block: global_pool}]]}"
    )
    x = torch.randn(2, 8, 5, 6, dtype=torch.float64)
    expected = x.mean(1, keepdim=True) + x.mean((2, 3), keepdim=True)
    torch.testing.assert_close(both(x), expected)


@torch.no_grad()
def test_a_split_may_state_widths() -> None:
    ways = "[[], [{block: multiply, by: 2}], [{block: multiply, by: 3}]]"
    split = built(f"{{block: split, widths: [2, 1], branches: {ways}}}")
    x = torch.randn(2, 8, 5, 6, dtype=torch.float64)
    expected = torch.cat((x[:, :5], 2 * x[:, 5:7], 3 * x[:, 7:]), dim=1)
    torch.testing.assert_close(split(x), expected)


@pytest.mark.parametrize("branches", ["[[], [POOL]]", "[[POOL], [], [POOL]]"])
@pytest.mark.parametrize("kind", ["avg", "max"])
def test_pools_of_channels_take_the_memory_that_torch_shows(
    kind: str, branches: str
) -> None:
    pool = f"{{block: channel_pool, kind: {kind}}}"
    within = branches.replace("POOL", pool)
    line = f"{{block: product, branches: {within}}}"
    large = at_resolution(spec(line), (32, 32))
    assert memory(network(large)).peak == pytest.approx(peak(large, 1), rel=2e-3)


def test_a_blur_takes_the_memory_that_torch_shows() -> None:
    large = at_resolution(spec("{block: blur_pool}"), (64, 64))
    assert memory(network(large)).peak == pytest.approx(peak(large, 1), rel=2e-3)
