"""Modules of tokens and attention, as libraries write them, for `effscale import`."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from tests.importing.nets import net, unit

#: Channels, heads, sides of the map and of windows.
C, HEADS, SIDE, WINDOW = 16, 2, 8, 4


def tokens(x: torch.Tensor) -> torch.Tensor:
    return x.flatten(2).transpose(1, 2)


class Attention(nn.Module):
    """Queries of all heads first, in one call or step by step."""

    def __init__(self, *, at_once: bool = True) -> None:
        super().__init__()
        self.qkv, self.proj = nn.Linear(C, 3 * C), nn.Linear(C, C)
        self.at_once = at_once

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, positions, c = x.shape
        qkv = self.qkv(x).reshape(n, positions, 3, HEADS, c // HEADS)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        if self.at_once:
            made = functional.scaled_dot_product_attention(q, k, v)
        else:
            made = self.shares(q * (c // HEADS) ** -0.5 @ k.transpose(-2, -1)) @ v
        found: torch.Tensor = self.proj(made.transpose(1, 2).reshape(x.shape))
        return found

    def shares(self, scores: torch.Tensor) -> torch.Tensor:
        return scores.softmax(dim=-1)


class Apart(nn.Module):
    """Queries, keys and values of a linear layer each."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(C, C) for _ in range(3))
        self.proj = nn.Linear(C, C)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = (
            each(x).unflatten(-1, (HEADS, -1)).transpose(1, 2)
            for each in (self.q, self.k, self.v)
        )
        made = functional.scaled_dot_product_attention(q, k, v)
        found: torch.Tensor = self.proj(made.transpose(1, 2).flatten(2))
        return found


class Own(nn.Module):
    """torch's own attention."""

    def __init__(self) -> None:
        super().__init__()
        self.attend = nn.MultiheadAttention(C, HEADS, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.attend(x, x, x, need_weights=False)[0]
        return found


class Encoder(nn.Module):
    """Attention and a perceptron, each beside what comes in."""

    def __init__(self, attention: nn.Module) -> None:
        super().__init__()
        self.before, self.attention = nn.LayerNorm(C), attention
        self.between = nn.LayerNorm(C)
        self.mlp = nn.Sequential(nn.Linear(C, 4 * C), nn.GELU(), nn.Linear(4 * C, C))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(self.before(x))
        found: torch.Tensor = x + self.mlp(self.between(x))
        return found


class Transformer(nn.Module):
    """Patches, a class token and others, places, encoders; the token is classified."""

    def __init__(self, *attentions: nn.Module, registers: int = 0) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, C, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, C))
        more = (nn.Parameter(torch.randn(1, registers, C)),) if registers else ()
        self.more = nn.ParameterList(more)
        self.places = nn.Parameter(torch.randn(1, SIDE * SIDE + 1 + registers, C))
        self.blocks = nn.Sequential(*map(Encoder, attentions))
        self.norm, self.head = nn.LayerNorm(C), nn.Linear(C, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = tokens(self.patches(x))
        learnt = (each.expand(len(x), -1, -1) for each in (self.token, *self.more))
        x = torch.cat((*learnt, x), dim=1) + self.places
        found: torch.Tensor = self.head(self.norm(self.blocks(x))[:, 0])
        return found


def transformer() -> nn.Module:
    return Transformer(Attention(), Attention(at_once=False))


def separate() -> nn.Module:
    return Transformer(Apart(), Own(), registers=3)


class Windows(nn.Module):
    """Attention within windows, by a table of offsets; moved by half, or not."""

    def __init__(self, moved: int) -> None:
        super().__init__()
        self.attention = _Lying()
        self.norm, self.moved = nn.LayerNorm(C), moved

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        short, moved = x, self.moved
        x = self.norm(x)
        if moved:
            x = torch.roll(x, (-moved, -moved), (1, 2))
        many = SIDE // WINDOW
        x = x.view(-1, many, WINDOW, many, WINDOW, C).permute(0, 1, 3, 2, 4, 5)
        x = self.attention(x.reshape(-1, WINDOW**2, C), bool(moved))
        x = x.view(-1, many, many, WINDOW, WINDOW, C).permute(0, 1, 3, 2, 4, 5)
        x = x.reshape(-1, SIDE, SIDE, C)
        return short + (torch.roll(x, (moved, moved), (1, 2)) if moved else x)


class _Lying(Attention):
    index: torch.Tensor
    mask: torch.Tensor

    def __init__(self) -> None:
        super().__init__(at_once=False)
        self.table = nn.Parameter(torch.randn((2 * WINDOW - 1) ** 2, HEADS))
        self.register_buffer("index", offsets(WINDOW))
        self.register_buffer("mask", strangers())
        self.masked = False

    def forward(self, x: torch.Tensor, masked: bool = False) -> torch.Tensor:  # noqa: FBT001, FBT002
        self.masked = masked
        return super().forward(x)

    def shares(self, scores: torch.Tensor) -> torch.Tensor:
        table = self.table[self.index.view(-1)].view(WINDOW**2, WINDOW**2, -1)
        scores = scores + table.permute(2, 0, 1).unsqueeze(0)
        if self.masked:
            shape = scores.shape
            scores = (
                scores.view(-1, len(self.mask), *shape[1:]) + self.mask[:, None][None]
            )
            scores = scores.view(shape)
        return scores.softmax(dim=-1)


def offsets(side: int) -> torch.Tensor:
    """(positions, positions): which offset each pair has."""
    y, x = torch.arange(side * side) // side, torch.arange(side * side) % side
    down, across = y[:, None] - y + side - 1, x[:, None] - x + side - 1
    return down * (2 * side - 1) + across


def strangers() -> torch.Tensor:
    """(windows, positions, positions): -100 where two were no neighbours."""
    at = torch.arange(SIDE)
    marks = (at >= SIDE - WINDOW).long() + (at >= SIDE - WINDOW // 2).long()
    marks = 3 * marks[:, None] + marks
    many = SIDE // WINDOW
    of = marks.view(many, WINDOW, many, WINDOW).transpose(1, 2).flatten(2).flatten(0, 1)
    return (of[:, None] != of[:, :, None]).float() * -100


class Merging(nn.Module):
    """Neighbours one after the other, cut out or folded, and half of the channels."""

    def __init__(self, c: int, *, cut: bool) -> None:
        super().__init__()
        self.norm, self.cut = nn.LayerNorm(4 * c), cut
        self.reduce = nn.Linear(4 * c, 2 * c, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.cut:
            of = ((0, 0), (1, 0), (0, 1), (1, 1))
            x = torch.cat([x[:, i::2, j::2] for i, j in of], dim=-1)
        else:
            n, h, w, c = x.shape
            x = (
                x.reshape(n, h // 2, 2, w // 2, 2, c)
                .permute(0, 1, 3, 2, 4, 5)
                .flatten(3)
            )
        found: torch.Tensor = self.reduce(self.norm(x))
        return found


class Last(nn.Module):
    """Layers of maps that have channels last, and the mean of them."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.patches, self.layers = nn.Conv2d(3, C, 4, 4), nn.Sequential(*layers)
        self.head = nn.Linear(4 * C, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.layers(self.patches(x).permute(0, 2, 3, 1))
        found: torch.Tensor = self.head(x.mean(dim=(1, 2)))
        return found


def windowed() -> nn.Module:
    return Last(
        *(Windows(moved) for moved in (0, 2, 0, 2)),
        Merging(C, cut=True),
        Merging(2 * C, cut=False),
    )


class Distances(nn.Module):
    """Head by head from a convolution with its norm, by how far two positions are."""

    index: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.proj = unit(C, HEADS * 16, act=False), unit(C, C, act=False)
        self.table = nn.Parameter(torch.randn(HEADS, SIDE * SIDE))
        y, x = torch.arange(SIDE**2) // SIDE, torch.arange(SIDE**2) % SIDE
        far = (y[:, None] - y).abs() * SIDE + (x[:, None] - x).abs()
        self.register_buffer("index", far)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        qkv = self.qkv(x).view(len(x), HEADS, -1, SIDE * SIDE)
        q, k, v = qkv.split([4, 4, 8], dim=2)
        scores = q.transpose(-2, -1) @ k * 4**-0.5 + self.table[:, self.index]
        made = v @ scores.softmax(dim=-1).transpose(-2, -1)
        found: torch.Tensor = x + self.proj(functional.relu(made.reshape(x.shape)))
        return found


class Sparse(nn.Module):
    """Attention of those at the same place of each cell of a grid."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = Attention()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        cells = SIDE // 2
        y = x.view(-1, C, cells, 2, cells, 2).permute(0, 3, 5, 2, 4, 1)
        y = self.attention(y.reshape(-1, cells**2, C)).view(-1, 2, 2, cells, cells, C)
        found: torch.Tensor = x + y.permute(0, 5, 3, 1, 4, 2).reshape(x.shape)
        return found


def lying() -> nn.Module:
    down = nn.Conv2d(8, C, 2, 2)
    return net(
        nn.Sequential(down, nn.ReLU()), Distances(), Distances(), Sparse(), channels=C
    )
