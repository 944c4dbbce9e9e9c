"""Tests of `effscale.report.any_module`: what it says that the counters print."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from effscale.module.any_module import Foreign, count
from effscale.module.inputs import Input
from effscale.report.any_module import report

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.torch


class Merged(nn.Module):
    """A layer whose weight is the sum of one and of a product of two others."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(16, 32)
        self.a, self.b = (nn.Parameter(torch.randn(s)) for s in ((2, 16), (32, 2)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The layer with the weight that is made."""
        weight = self.linear.weight + self.b @ self.a
        return functional.linear(x, weight, self.linear.bias)


class Vector(nn.Module):
    """A matrix times its first row, which neither counter knows."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """A number for each row."""
        return torch.mv(x, x[0])


def spectral() -> nn.Module:
    """A convolution whose weight is divided by its largest singular value."""
    return nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 4, 3))


@pytest.mark.parametrize(
    ("make", "shape"),
    [(Merged, (4, 16)), (spectral, (1, 3, 8, 8)), (Vector, (5, 7))],
)
def test_what_the_counters_print_themselves_is_said(
    make: Callable[[], nn.Module], shape: tuple[int, ...]
) -> None:
    net = make().eval()
    found = count(Foreign("net", net), (Input(shape),), ("fvcore", "torch"))
    with torch.no_grad(), warnings.catch_warnings(action="ignore"):
        from fvcore.nn import FlopCountAnalysis  # which warns of torch.jit

        analysis = FlopCountAnalysis(net, torch.zeros(shape))
        analysis.unsupported_ops_warnings(enabled=False)
        with FlopCounterMode(display=False) as mode:
            net(torch.zeros(shape))
    numbers = report(found).data["conventions"]
    assert numbers["fvcore"] == analysis.total()
    assert numbers["torch"] == mode.get_total_flops()
    for tool in ("fvcore", "torch"):
        said = dict(report(found, tool=tool).heading)["other tools"]
        assert f"{tool}'s" in said
        assert "-" not in said
