"""Small networks of plain torch, of the kinds that papers have."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable


def conv(c_in: int, c_out: int, k: int = 1, s: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(c_in, c_out, k, s, k // 2, groups=groups, bias=False)


def unit(  # noqa: PLR0913 - those of a convolution
    c_in: int,
    c_out: int,
    k: int = 1,
    s: int = 1,
    groups: int = 1,
    *,
    act: bool = True,
) -> nn.Sequential:
    layers = [conv(c_in, c_out, k, s, groups), nn.BatchNorm2d(c_out)]
    return nn.Sequential(*layers, *([nn.ReLU(inplace=True)] if act else []))


class Squeeze(nn.Module):
    """Squeeze-and-excitation to a share of its own channels."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.reduce = nn.Conv2d(channels, squeezed, 1)
        self.expand = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        gate = self.expand(torch.relu(self.reduce(self.pool(x))))
        return torch.sigmoid(gate) * x


class Residual(nn.Module):
    """layers(x) + shortcut(x), an activation after both or not."""

    def __init__(
        self, layers: nn.Module, shortcut: nn.Module | None = None, *, act: bool = True
    ) -> None:
        super().__init__()
        self.layers, self.shortcut, self.act = layers, shortcut, act

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        beside = x if self.shortcut is None else self.shortcut(x)
        out = self.layers(x)
        out += beside
        return torch.relu_(out) if self.act else out


class Dense(nn.Module):
    """Layers that each read all maps before them."""

    def __init__(self, c_in: int, growth: int, repeats: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(c_in + k * growth),
                nn.ReLU(),
                conv(c_in + k * growth, 4 * growth),
                nn.BatchNorm2d(4 * growth),
                nn.ReLU(),
                conv(4 * growth, growth, 3),
            )
            for k in range(repeats)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = [x]
        for layer in self.layers:
            maps.append(layer(torch.cat(maps, 1)))
        return torch.cat(maps, 1)


class Mixed(nn.Module):
    """Branches of several kernels, one after the other."""

    def __init__(self, c_in: int, width: int) -> None:
        super().__init__()
        self.one = unit(c_in, width)
        self.three = nn.Sequential(unit(c_in, width), unit(width, 2 * width, 3))
        self.pooled = nn.Sequential(nn.MaxPool2d(3, 1, 1), unit(c_in, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.one(x), self.three(x), self.pooled(x)], 1)


def net(*layers: nn.Module, channels: int, classes: int = 5) -> nn.Sequential:
    """A stem of 8 channels, these layers, and a classifier."""
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.3)]
    return nn.Sequential(unit(3, 8, 3, 2), *layers, *head, nn.Linear(channels, classes))


def plain() -> nn.Module:
    return net(unit(8, 16, 3, 2), unit(16, 16, 3), unit(16, 24, (3)), channels=24)


def basic() -> nn.Module:
    def block(c_in: int, c: int, s: int) -> nn.Module:
        layers = nn.Sequential(unit(c_in, c, 3, s), unit(c, c, 3, act=False))
        same = s == 1 and c_in == c
        return Residual(layers, None if same else unit(c_in, c, 1, s, act=False))

    return net(
        block(8, 8, 1), block(8, 8, 1), block(8, 16, 2), block(16, 16, 1), channels=16
    )


def bottleneck() -> nn.Module:
    def block(c_in: int, c: int, s: int) -> nn.Module:
        layers = nn.Sequential(
            unit(c_in, c // 2),
            unit(c // 2, c // 2, 3, s, groups=c // 8),
            Squeeze(c // 2, c_in // 4),
            unit(c // 2, c, act=False),
        )
        same = s == 1 and c_in == c
        return Residual(layers, None if same else unit(c_in, c, 1, s, act=False))

    return net(block(8, 16, 2), block(16, 16, 1), block(16, 32, 2), channels=32)


def inverted() -> nn.Module:
    def block(c_in: int, c: int, s: int, expand: int) -> nn.Module:
        mid = c_in * expand
        layers = nn.Sequential(
            *([unit(c_in, mid)] if expand > 1 else []),
            unit(mid, mid, 5, s, groups=mid),
            Squeeze(mid, mid // 4),
            unit(mid, c, act=False),
        )
        return Residual(layers, act=False) if s == 1 and c == c_in else layers

    return net(
        block(8, 8, 1, 1),
        block(8, 16, 2, 4),
        block(16, 16, 1, 4),
        block(16, 24, 1, 6),
        unit(24, 40),
        channels=40,
    )


def fused() -> nn.Module:
    def block(c_in: int, c: int, s: int, expand: int) -> nn.Module:
        mid = c_in * expand
        layers = nn.Sequential(unit(c_in, mid, 3, s), unit(mid, c, act=False))
        return Residual(layers, act=False) if s == 1 and c == c_in else layers

    alone = Residual(unit(8, 8, 3), act=False)
    return net(alone, block(8, 16, 2, 4), block(16, 16, 1, 4), channels=16)


def separable() -> nn.Module:
    def block(c_in: int, c: int, s: int) -> nn.Module:
        return nn.Sequential(unit(c_in, c_in, 3, s, groups=c_in), unit(c_in, c))

    return net(block(8, 16, 1), block(16, 32, 2), block(32, 32, 1), channels=32)


def dense() -> nn.Module:
    between = nn.Sequential(
        nn.BatchNorm2d(32), nn.ReLU(), conv(32, 16), nn.AvgPool2d(2, 2)
    )
    return net(
        Dense(8, 8, 3),
        between,
        Dense(16, 8, 2),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        channels=32,
    )


def mixed() -> nn.Module:
    return net(
        Mixed(8, 4), Mixed(16, 4), nn.MaxPool2d(3, 2, 1), Mixed(16, 8), channels=32
    )


class Deep(Residual):
    """Four convolutions and a shortcut, which no paper's block is."""

    def __init__(self, c_in: int, c: int, s: int) -> None:
        layers = nn.Sequential(
            unit(c_in, c // 2),
            unit(c // 2, c // 2, 3, s),
            unit(c // 2, c // 2, 3),
            unit(c // 2, c, act=False),
        )
        same = s == 1 and c_in == c
        super().__init__(layers, None if same else unit(c_in, c, 1, s, act=False))


def own() -> nn.Module:
    return net(
        *(Deep(8, 16, 1), Deep(16, 16, 1)),
        *(Deep(16, 32, 2), Deep(32, 32, 1), Deep(32, 32, 1)),
        channels=32,
    )


def recurring() -> nn.Module:
    """Lines that come again without a module of their own."""
    layers = []
    for _ in range(3):
        depthwise = unit(8, 8, 3, groups=8)
        layers += [Residual(depthwise, act=False), unit(8, 8)]
    return net(*layers, channels=8)


class Gated(nn.Module):
    """An inverted residual whose projection is followed by another convolution.

    Its squeeze is of the block's input, as that of the blocks before it.
    """

    def __init__(self, c: int) -> None:
        super().__init__()
        layers = [
            unit(c, 3 * c),
            unit(3 * c, 3 * c, 3, groups=3 * c),
            Squeeze(3 * c, c // 4),
        ]
        self.layers = nn.Sequential(*layers, unit(3 * c, c), unit(c, c, act=False))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = x + self.layers(x)
        return found


def gated() -> nn.Module:
    mbconv = nn.Sequential(
        *(unit(8, 48), unit(48, 48, 3, 2, groups=48), Squeeze(48, 2)),
        unit(48, 16, act=False),
    )
    return net(mbconv, Gated(16), Gated(16), channels=16)


def scaled() -> nn.Module:
    """Layer norms, scales of channels, and a flat head."""
    layers = nn.Sequential(nn.GroupNorm(4, 8), nn.GELU(), nn.Conv2d(8, 8, 3, 1, 1))
    head = [nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 6), nn.GELU()]
    stem = nn.Conv2d(3, 8, 3, 2, 1), nn.GroupNorm(4, 8), nn.GELU()
    block = Residual(nn.Sequential(layers, Scale(8)), act=False)
    return nn.Sequential(*stem, block, nn.AvgPool2d(3, 2, 1), *head, nn.Linear(6, 5))


class Scale(nn.Module):
    """A learnt number for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gamma.reshape(1, -1, 1, 1)


class Grouped(nn.Module):
    """An expansion, a convolution in many narrow groups, and a projection."""

    def __init__(self, c_in: int, c: int, s: int) -> None:
        super().__init__()
        mid, self.adds = 3 * c, s == 1 and c_in == c
        self.layers = nn.Sequential(
            unit(c_in, mid), unit(mid, mid, 3, s, mid // 4), unit(mid, c, act=False)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.layers(x)
        return x + found if self.adds else found


def grouped() -> nn.Module:
    """Groups of 4 channels, however many there are of these."""
    blocks = Grouped(8, 16, 2), Grouped(16, 16, 1), Grouped(16, 24, 2)
    return net(*blocks, Grouped(24, 24, 1), channels=24)


def sloped() -> nn.Module:
    """Slopes that are learnt, and maxima before the classifier."""
    layers = nn.Sequential(unit(8, 8, 3, act=False), nn.PReLU(), unit(8, 8, 3))
    stem = nn.Sequential(conv(3, 8, 3, 2), nn.BatchNorm2d(8), nn.PReLU())
    block = nn.Sequential(Residual(layers, act=False), nn.PReLU(), unit(8, 8))
    head = nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(8, 5)
    return nn.Sequential(stem, block, *head)


def cornered() -> nn.Module:
    """Zeros of a stride on both sides, and then as TensorFlow has them."""
    behind = nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(8, 8, 3, 2), nn.ReLU()
    return net(nn.Sequential(*behind), unit(8, 8), channels=8)


class Swapped(nn.Module):
    """Two equal convolutions that run the other way round than they are listed."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.second, self.first = (unit(channels, channels, 3) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.second(self.first(x))
        return found


def swapped() -> nn.Module:
    torch.manual_seed(0)
    return net(Swapped(8), channels=8)


#: Each, and the blocks that its stages are.
NETS: dict[Callable[[], nn.Module], list[str]] = {
    plain: ["conv", "conv", "conv"],
    basic: ["basic", "basic"],
    bottleneck: ["bottleneck", "bottleneck"],
    inverted: ["mbconv", "mbconv", "mbconv"],
    fused: ["fused_mbconv", "fused_mbconv"],
    separable: ["separable", "separable"],
    dense: ["dense", "transition", "dense"],
    own: ["deep", "deep"],
    recurring: ["unit"],
    gated: ["mbconv", "gated"],
    scaled: ["residual", "avg_pool"],
    grouped: ["grouped", "grouped_2", "grouped_3", "grouped_2"],
    mixed: ["mixed", "max_pool", "mixed"],
    sloped: ["residual_2", "conv"],
    cornered: ["conv"],
}


def sized(*, d: float = 1.0, w: float = 1.0, side: int = 32) -> nn.Module:
    """3×3 convolutions, as many and as wide as it is told."""
    assert side % 8 == 0
    width = int(8 * w)
    layers = [nn.Conv2d(width, width, 3, 1, 1, bias=False) for _ in range(ceil(2 * d))]
    first = nn.Conv2d(3, width, 3, 2, 1, bias=False)
    pool = nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return nn.Sequential(first, *layers, *pool, nn.Linear(width, 5))
