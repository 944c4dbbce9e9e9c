"""Modules whose maps are read again further on, for `effscale import`."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from tests.importing.nets import net, unit


class Encoding(nn.Module):
    """A U-Net: each size meets again what it was made of."""

    def __init__(self) -> None:
        super().__init__()
        self.first = unit(3, 8, 3)
        self.downs = nn.ModuleList(
            nn.Sequential(nn.MaxPool2d(2), unit(8 * k, 16 * k, 3)) for k in (1, 2)
        )
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(16 * k, 8 * k, 2, 2) for k in (2, 1)
        )
        self.units = nn.ModuleList(unit(16 * k, 8 * k, 3) for k in (2, 1))
        self.last = nn.Conv2d(8, 5, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = [self.first(x)]
        for down in self.downs:
            maps.append(down(maps[-1]))
        y = maps.pop()
        for up, each in zip(self.ups, self.units, strict=True):
            y = each(torch.cat([maps.pop(), up(y)], 1))
        found: torch.Tensor = self.last(y)
        return found


class Mean(nn.Module):
    """What the whole map is like, at each of its positions."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.AdaptiveAvgPool2d(1), unit(c, 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.layers(x)
        y = functional.interpolate(y, x.shape[2:], mode="bilinear", align_corners=False)
        return torch.cat([x, y], 1)


class Pyramid(nn.Module):
    """A fine map and a coarse one tell classes apart, and their logits are added."""

    def __init__(self) -> None:
        super().__init__()
        self.low = nn.Sequential(unit(3, 8, 3, 2), unit(8, 16, 3, 2))
        self.high = nn.Sequential(unit(16, 24, 3, 2), Mean(24))
        self.logits = nn.ModuleList(nn.Conv2d(c, 5, 1) for c in (16, 32))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        low = self.low(x)
        high = self.high(low)
        high = functional.interpolate(high, low.shape[2:], mode="bilinear")
        both = self.logits[0](low) + self.logits[1](high)
        return functional.interpolate(both, x.shape[2:], mode="bilinear")


class Exchanging(nn.Module):
    """Two branches of two sizes, each of which takes in what the other makes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = unit(3, 8, 3, 2)
        self.fine, self.coarse = unit(8, 8, 3), unit(8, 16, 3, 2)
        self.up = nn.Sequential(unit(16, 8, act=False), nn.Upsample(scale_factor=2))
        self.down = unit(8, 16, 3, 2, act=False)
        self.end = nn.Sequential(unit(8, 16, 3, 2), nn.ReLU())
        self.head = nn.Linear(16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        fine, coarse = self.fine(x), self.coarse(x)
        fine, coarse = fine + self.up(coarse), self.down(fine) + coarse
        found: torch.Tensor = self.head((self.end(fine) + coarse).mean((2, 3)))
        return found


def rearranged() -> nn.Module:
    """Positions laid out as channels, and channels as positions."""
    return nn.Sequential(
        nn.PixelUnshuffle(2),
        unit(12, 32, 3),
        nn.PixelShuffle(4),
        unit(2, 16, 3, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 4),
    )


def encoding() -> nn.Module:
    return Encoding()


def pyramid() -> nn.Module:
    return Pyramid()


def exchanging() -> nn.Module:
    return Exchanging()


class Blurred(nn.Module):
    """Binomials that are not learnt, over mirrored sides (Zhang 2019)."""

    kernel: torch.Tensor

    def __init__(self, c: int) -> None:
        super().__init__()
        row = torch.tensor([1.0, 2.0, 1.0]) / 4
        self.register_buffer("kernel", (row[:, None] * row).expand(c, 1, 3, 3).clone())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.pad(x, (1, 1, 1, 1), "reflect")
        return functional.conv2d(x, self.kernel, None, 2, groups=x.shape[1])


class Where(nn.Module):
    """A gate of each position, made of its channels (Woo et al. 2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(2, 1, 3, 1, 1, bias=False), nn.BatchNorm2d(1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        largest, _ = x.max(1, keepdim=True)
        seen = torch.cat([x.mean(1, keepdim=True), largest], 1)
        found: torch.Tensor = x * torch.sigmoid(self.conv(seen))
        return found


def blurred() -> nn.Module:
    unit_ = nn.Sequential(unit(8, 16, 3), Blurred(16))
    return net(unit_, Where(), unit(16, 16, 3), Where(), channels=16)
