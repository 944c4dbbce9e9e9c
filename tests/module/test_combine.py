"""Modules that combine others: gates, residuals, graphs."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from effscale.module.build import Gated, Skipping, Wired
from effscale.module.operators import Shifted
from effscale.network.combinators import IDENTITY, Graph, Node
from effscale.network.operators.elementwise import Act

pytestmark = pytest.mark.torch


def skipping(
    *layers: nn.Module, shortcut: nn.Module | None = None, scale: float = 1.0
) -> Skipping:
    return Skipping({str(k): each for k, each in enumerate(layers)}, shortcut, scale)


def test_a_gate_multiplies_and_a_skip_adds() -> None:
    x = torch.tensor([1.0, -2.0])
    assert torch.equal(Gated(nn.ReLU(), nn.Sigmoid())(x), x * F.relu(x).sigmoid())
    assert torch.equal(skipping(nn.ReLU(), nn.Sigmoid())(x), x + F.relu(x).sigmoid())


def test_a_dropped_image_keeps_its_skip_and_the_mean_stays() -> None:
    torch.manual_seed(0)
    block = skipping(nn.Identity())
    block.rate = 0.25
    out = block(torch.ones(4000, 2, 3, 3))
    # Alike in all of an image: 1 where f is dropped, else 1 + 1/(1 − 0.25).
    assert torch.equal(out, out[:, :1, :1, :1].expand_as(out))
    assert sorted(out.unique().tolist()) == [1, pytest.approx(1 + 4 / 3)]
    # The share dropped has a standard error of √(0.25·0.75/4000) < 0.007.
    dropped = (out[:, 0, 0, 0] == 1).double().mean().item()
    assert dropped == pytest.approx(0.25, abs=0.03)
    assert out.mean().item() == pytest.approx(2, abs=0.05)


def test_nothing_is_dropped_in_eval_mode_or_at_rate_0() -> None:
    x = torch.ones(100, 1, 1, 1)
    block = skipping(nn.Identity())
    assert torch.equal(block(x), x + x)
    block.rate = 0.9
    assert torch.equal(block.eval()(x), x + x)


def test_a_skip_is_scaled_and_may_go_through_a_shortcut() -> None:
    x = torch.tensor([1.0, -2.0, 3.0])
    block = skipping(nn.ReLU(), shortcut=nn.Sigmoid(), scale=0.25)
    assert torch.equal(block(x), x.sigmoid() + 0.25 * F.relu(x))
    assert block.extra_repr() == "rate=0.000, scale=0.25"
    assert list(dict(block.named_children())) == ["0", "shortcut"]


def test_a_graph_sums_or_concatenates_what_its_nodes_read() -> None:
    nodes = (
        Node("a", (0,), Act("relu")),
        Node("b", (0, 1, 2), IDENTITY),
        Node("c", (3, 1), Act("relu"), merge="concat"),
    )
    wired = Wired(Graph(2, nodes, (4, 0)), {"a": nn.ReLU(), "c": nn.ReLU()})
    x, y = torch.randn(2, 3, 4, 5), torch.randn(2, 3, 4, 5)
    newest, before = wired((x, y))
    both = torch.cat([x + y + F.relu(x), y], dim=1)
    assert torch.equal(newest, F.relu(both))
    assert before is x


def test_a_graph_of_one_output_gives_it_alone() -> None:
    wired = Wired(Graph(1, (), (0,)), {})
    x = torch.randn(1, 2, 3, 3)
    assert wired(x) is x


def test_a_shift_moves_up_and_left_and_moves_zeros_in() -> None:
    x = torch.arange(1.0, 7.0).reshape(1, 1, 2, 3)
    assert Shifted()(x).tolist() == [[[[5, 6, 0], [0, 0, 0]]]]
