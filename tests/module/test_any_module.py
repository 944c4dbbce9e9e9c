"""Tests of `any_module`: both engines agree, or what they part in is named."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from effscale.errors import MeasureError
from effscale.module.any_module import Foreign, count, shown
from effscale.module.measure import Engine, Input, run
from tests.module.shapes import CASES, IMAGE, Case, Functional

pytestmark = pytest.mark.torch

BOTH: tuple[Engine, ...] = ("fvcore", "torch")


@pytest.mark.parametrize("case", CASES, ids=lambda case: type(case.make()).__name__)
def test_both_counters_agree_or_say_where_they_part(case: Case) -> None:
    found = count(Foreign("net", case.make()), case.inputs, BOTH)
    assert found.best.macs == case.macs
    assert found.faults() == list(case.faults)
    if not case.faults:
        fvcore, by_torch = found.sides
        assert fvcore.whole
        assert by_torch.whole
        assert fvcore.kinds() == by_torch.kinds()


class Random(nn.Module):
    """Writes to a buffer, counts in another, draws, and changes its own mode."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("seen", torch.zeros(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) to (N, 4, H, W)."""
        assert isinstance(self.calls, torch.Tensor)
        self.calls += 1
        self.seen = x.mean((0, 2, 3)) + 1
        y: torch.Tensor = self.conv(x + torch.rand_like(x))
        return y


def test_a_module_is_left_as_it_was() -> None:
    net = Random().train()
    seen, before = net.seen, {k: v.clone() for k, v in net.state_dict().items()}
    torch.manual_seed(3)
    state = torch.random.get_rng_state()
    found = count(Foreign("net", net), (IMAGE,), BOTH)
    assert found.faults() == []
    assert torch.equal(torch.random.get_rng_state(), state)
    assert net.seen is seen
    assert net.training
    after = net.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert torch.backends.mha.get_fastpath_enabled()


class Empty(nn.Module):
    """Nothing that multiplies, and a number that only a real run has."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) to as many of its images as their sum says."""
        return x[: int(x.sum().item()) + 1]


def test_what_has_no_answer_on_meta_is_run() -> None:
    with pytest.raises(RuntimeError):
        run(Empty(), [IMAGE], "torch")
    found = count(Foreign("net", Empty()), (IMAGE,), BOTH)
    assert (found.best.macs, found.faults()) == (0, [])


def test_what_nothing_runs_is_an_error() -> None:
    message = "^net: with 1x4x8x8:int64: running it raised RuntimeError: "
    with pytest.raises(MeasureError, match=message):
        count(Foreign("net", Functional()), (Input((1, 4, 8, 8), torch.int64),), BOTH)


def test_what_fails_on_one_side_is_named() -> None:
    """A product with a vector, which fvcore's own formula fails on."""

    class Vector(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[0, 0] @ x[0, 0, 0]

    found = count(Foreign("net", Vector()), (IMAGE,), BOTH)
    assert found.faults() == [
        (
            "fvcore counted nothing: fvcore cannot count aten::matmul: "
            "the MACs would be wrong"
        ),
        "torch cannot count mv ×1: its MACs would be wrong",
    ]


def test_inputs_are_shown_as_they_are_asked_for() -> None:
    assert shown(IMAGE) == "1x3x8x8"
    assert shown(Input((1, 77), torch.int64)) == "1x77:int64"


class Listed(nn.Module):
    """Layers in a list, which itself is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) to the same shape."""
        for each in self.layers:
            x = each(x)
        return x


def test_a_list_costs_what_it_holds() -> None:
    found = count(Foreign("net", Listed()), (IMAGE,), BOTH)
    for side in found.sides:
        assert side.measured is not None
        modules = side.measured.modules
        assert modules["layers"] == modules[""] == 2 * modules["layers.1"] == 2 * 9 * 64
