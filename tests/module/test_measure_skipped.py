"""Counters skip what they do not know: free for what is free, else an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from effscale.errors import MeasureError
from effscale.module.measure import Engine, measure

pytestmark = pytest.mark.torch

Function: TypeAlias = Callable[[torch.Tensor], torch.Tensor]


class Apply(nn.Module):
    """A function of a (1, 3, 8, 8) image after a convolution that keeps its shape."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.conv, self.function = nn.Conv2d(3, 3, 1), function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Whatever the function gives."""
        return self.function(self.conv(x))


class First(nn.Module):
    """The first of what a recurrent layer gives."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(1, 3, 8, 8), a sequence of three, to three vectors."""
        out: torch.Tensor = self.layer(x.flatten(2))[0]
        return out


def same_padding(x: torch.Tensor) -> torch.Tensor:
    return F.conv2d(x, x.new_zeros(1, 3, 3, 3), padding="same")


def bilinear(x: torch.Tensor) -> torch.Tensor:
    rows = x.flatten(0, 2)
    return F.bilinear(rows, rows, x.new_zeros(5, 8, 8))


MATRIX_VECTOR: Function = lambda x: x[0, 0] @ x[0, 0, 0]  # noqa: E731
VECTORS: Function = lambda x: x[0, 0, 0] @ x[0, 0, 1]  # noqa: E731
MULTIPLIES = [
    ("fvcore", bilinear, "aten::bilinear"),
    ("fvcore", lambda x: torch.baddbmm(x[0], x[0], x[0]), "aten::baddbmm"),
    ("fvcore", lambda x: torch.linalg.multi_dot([*x[0]]), "aten::linalg_multi_dot"),
    (
        "fvcore",
        lambda x: torch.linalg.matrix_power(x, 3),
        "aten::linalg_matrix_power",
    ),
    ("fvcore", First(nn.GRU(64, 5)), "aten::gru"),
    ("fvcore", First(nn.LSTM(64, 5)), "aten::lstm"),
    ("fvcore", First(nn.RNN(64, 5)), "aten::rnn_tanh"),
    ("fvcore", lambda x: torch.mv(x[0, 0], x[0, 0, 0]), "aten::mv"),
    ("fvcore", MATRIX_VECTOR, "aten::matmul"),
    ("torch", bilinear, "_trilinear"),
    ("torch", MATRIX_VECTOR, "mv"),
    ("torch", VECTORS, "dot"),
    ("torch", lambda x: torch.vdot(x[0, 0, 0], x[0, 0, 1]), "vdot"),
    ("torch", lambda x: MATRIX_VECTOR(x) * VECTORS(x), "mv, dot"),
]


@pytest.mark.parametrize(("engine", "function", "name"), MULTIPLIES)
def test_a_skipped_product_is_an_error(
    engine: Engine, function: Function, name: str
) -> None:
    message = f"^{engine} cannot count {name}: the MACs would be wrong$"
    with pytest.raises(MeasureError, match=message):
        measure(Apply(function), 8, engine=engine)


@pytest.mark.parametrize(
    ("engine", "function", "name", "calls"),
    [
        ("fvcore", lambda x: x.exp() + x.exp(), "aten::exp", 2),
        ("fvcore", lambda x: x.softmax(1), "aten::softmax", 1),
        ("fvcore", lambda x: F.max_pool2d(x, 2), "aten::max_pool2d", 1),
        ("torch", lambda x: x.exp() + x.exp(), "exp", 2),
        ("torch", lambda x: x.softmax(1), "_softmax", 1),
        ("torch", lambda x: F.interpolate(x, (4, 4)), "upsample_nearest2d", 1),
        (
            "torch",
            lambda x: F.interpolate(x, (4, 4), mode="bilinear"),
            "upsample_bilinear2d",
            1,
        ),
    ],
)
def test_what_multiplies_no_matrices_is_free(
    engine: Engine, function: Function, name: str, calls: int
) -> None:
    measured = measure(Apply(function), 8, engine=engine)
    assert measured.macs == 9 * 64
    assert measured.free[name] == calls


def test_torch_counts_what_fvcore_skips() -> None:
    layer = First(nn.GRU(64, 5))  # three steps of three gates
    measured = measure(Apply(layer), 8, engine="torch")
    assert measured.macs == 9 * 64 + 3 * 3 * (64 * 5 + 5 * 5)


@pytest.mark.parametrize("engine", ["fvcore", "torch"])
def test_fvcore_is_taught_what_it_leaves_out(engine: Engine) -> None:
    """Padding by word, attention, and the fast path of torch's own attention."""
    own = 9 * 64
    assert measure(Apply(same_padding), 8, engine=engine).macs == own + 27 * 64
    # Three heads of 8 queries and keys, 8 wide: scores, and a mixture.
    attention = Apply(lambda x: F.scaled_dot_product_attention(x, x, x))
    assert measure(attention, 8, engine=engine).macs == own + 2 * 3 * 8**3
    # Three tokens 64 wide: four projections, scores and mixture, 8 hidden units.
    layer = First(nn.TransformerEncoderLayer(64, 2, 8, batch_first=True))
    macs = 3 * 4 * 64**2 + 2 * 3 * 3 * 64 + 2 * 3 * 64 * 8
    assert measure(Apply(layer), 8, engine=engine).macs == own + macs


def test_what_was_taught_is_said() -> None:
    measured = measure(Apply(same_padding), 8)
    assert measured.taught == {"conv (padding by word)": 27 * 64}
    assert measured.calls == {"conv": 1, "conv (padding by word)": 1}
    assert measured.skipped == {}
