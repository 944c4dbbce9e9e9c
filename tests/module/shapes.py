"""Modules of the shapes that libraries of networks have, small, each with its MACs.

What is unlike effscale's own networks: functions instead of layers, layers that are
used twice, padding by word, transposed convolutions, attention, several inputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from effscale.module.inputs import Input

if TYPE_CHECKING:
    from collections.abc import Callable

Outputs: TypeAlias = torch.Tensor | tuple[torch.Tensor, ...] | dict[str, torch.Tensor]
IMAGE = Input((1, 3, 8, 8))


class Functional(nn.Module):
    """Convolutions as functions of parameters, as weights that are standardised."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.ones(4, 3, 3, 3))
        self.depthwise = nn.Parameter(torch.ones(4, 1, 3, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) to (N, 4, H, W)."""
        kernel = self.kernel - self.kernel.mean((1, 2, 3), keepdim=True)
        y = F.relu(F.conv2d(x, kernel, padding=1))
        return F.conv2d(y, self.depthwise, padding=1, groups=4)


class Siamese(nn.Module):
    """Two images through one network, and their likeness."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Two of (N, 3, H, W) to (N,)."""
        one, other = self.body(x).mean((2, 3)), self.body(y).mean((2, 3))
        likeness: torch.Tensor = (one * other).sum(1)
        return likeness


class ByWord(nn.Module):
    """Padding by word, with a stride of its own after it, and dilation."""

    def __init__(self) -> None:
        super().__init__()
        self.same = nn.Conv2d(3, 4, 3, padding="same", dilation=2)
        self.valid = nn.Conv2d(4, 4, 3, padding="valid", stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, 8, 8) to (N, 4, 3, 3)."""
        y: torch.Tensor = self.valid(self.same(x))
        return y


class UNet(nn.Module):
    """Down, up by a transposed convolution, and the two beside each other."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.down = nn.Conv2d(3, 4, 3, 1, 1), nn.Conv2d(4, 8, 3, 2, 1)
        self.up = nn.ConvTranspose2d(8, 4, 2, 2)
        self.grouped = nn.ConvTranspose2d(8, 8, 3, padding=1, groups=4)
        self.last = nn.Conv2d(8, 2, 1)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """(N, 3, 8, 8) to maps of the same size."""
        x = self.first(x)
        y = torch.cat([x, self.up(F.relu(self.down(x)))], 1)
        return {"out": self.last(self.grouped(y)), "features": y}


class Attention(nn.Module):
    """Tokens of patches, attention of torch's own, a class token."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.token = nn.Parameter(torch.zeros(1, 1, 8))
        self.norm = nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, 8, 8) to (N, 8)."""
        tokens = self.patches(x).flatten(2).mT
        tokens = torch.cat([self.token.expand(len(x), -1, -1), tokens], 1)
        y = self.norm(tokens)
        tokens = tokens + self.attention(y, y, y, need_weights=False)[0]
        out: torch.Tensor = tokens + self.mlp(tokens)
        return out[:, 0]


class Products(nn.Module):
    """Attention by hand: an einsum, a product of matrices, one with a vector's row."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, 8, 8) to (N, 3, 8)."""
        scores = torch.einsum("nchw,ndhw->ncd", x, x).softmax(-1)
        return scores @ x.mean(3)


class Fused(nn.Module):
    """Attention in one call."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, 8, 8) as three heads of eight queries, to the same shape."""
        return F.scaled_dot_product_attention(x, x, x)


class Captions(nn.Module):
    """An image and words, of whole numbers: embedding, gate, two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.conv = nn.Embedding(50, 4), nn.Conv2d(3, 4, 1)
        self.gate = nn.Linear(4, 4, bias=False)

    def forward(
        self, x: torch.Tensor, words: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(N, 3, H, W) and (N, L) to a map and a vector."""
        gate = self.gate(self.words(words).mean(1)).sigmoid()
        return self.conv(x) * gate[:, :, None, None], gate


class Heads(nn.Module):
    """One head for the maps of two levels, as detectors have them."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.head = nn.Conv2d(3, 3, 3, 2, 1), nn.Conv2d(3, 6, 3, padding=1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(N, 3, 8, 8) to maps of 8×8 and 4×4."""
        return self.head(x), self.head(self.down(x))


class Recurrent(nn.Module):
    """Rows of an image as a sequence; fvcore knows no recurrent layers."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.linear = nn.LSTM(24, 8, batch_first=True), nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, 8, 8) to (N, 2)."""
        out: torch.Tensor = self.linear(self.lstm(x.mT.flatten(1, 2).view(1, 8, 24))[0])
        return out


class Next(nn.Module):
    """A ConvNeXt block: depthwise 7×7, then linear layers on channels that are last."""

    def __init__(self) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(3, 3, 7, padding=3, groups=3)
        self.norm, self.act = nn.LayerNorm(3), nn.GELU()
        self.widen, self.narrow = nn.Linear(3, 12), nn.Linear(12, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) to the same shape."""
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.narrow(self.act(self.widen(y))).permute(0, 3, 1, 2)
        out: torch.Tensor = x + y
        return out


class Shuffled(nn.Module):
    """Grouped 1×1 convolutions whose channels are shuffled between."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(3, 12, 1, groups=3, bias=False)
        self.other = nn.Conv2d(12, 12, 1, groups=4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) to (N, 12, H, W)."""
        y = self.one(x)
        n, _, h, w = y.shape
        out: torch.Tensor = self.other(
            y.view(n, 3, 4, h, w).transpose(1, 2).flatten(1, 2)
        )
        return out


@dataclass(frozen=True)
class Case:
    """A module, what goes in, its MACs by hand, and what one counter cannot say."""

    make: Callable[[], nn.Module]
    macs: int
    inputs: tuple[Input, ...] = (IMAGE,)
    alone: tuple[str, ...] = ()


# 64 positions of 8×8, 16 of 4×4, 9 of 3×3; five tokens 8 wide.
CASES = (
    Case(Functional, (27 * 4 + 9 * 4) * 64),
    Case(Siamese, 2 * 27 * 4 * 64, inputs=(IMAGE, IMAGE)),
    Case(ByWord, 27 * 4 * 64 + 36 * 4 * 9),
    Case(UNet, 27 * 4 * 64 + 36 * 8 * 16 + 8 * 4 * 4 * 16 + 8 * 2 * 9 * 64 + 16 * 64),
    Case(Attention, 48 * 8 * 4 + 5 * 4 * 64 + 2 * 5 * 5 * 8 + 2 * 5 * 8 * 16),
    Case(Products, 3 * 3 * 64 + 3 * 3 * 8),
    Case(Fused, 2 * 3 * 8**3),
    Case(Captions, 16 + 12 * 64, inputs=(IMAGE, Input((1, 5), torch.int64))),
    Case(Heads, 27 * 6 * 64 + 27 * 3 * 16 + 27 * 6 * 16),
    Case(Next, 49 * 3 * 64 + 2 * 36 * 64),
    Case(Shuffled, 12 * 64 + 36 * 64),
    Case(lambda: nn.Conv1d(3, 4, 3, groups=1), 9 * 4 * 6, inputs=(Input((1, 3, 8)),)),
    Case(
        lambda: nn.Conv3d(2, 4, 3, padding=1),
        54 * 4 * 60,
        inputs=(Input((1, 2, 3, 4, 5)),),
    ),
    Case(
        Recurrent,
        8 * 4 * 8 * (24 + 8) + 8 * 8 * 2,
        alone=(
            (
                "fvcore does not know lstm ×1 in lstm; the answer is torch's, which "
                "knows it all"
            ),
        ),
    ),
)
