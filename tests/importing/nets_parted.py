"""Small networks of plain torch whose blocks part channels, gate and take away."""

from __future__ import annotations

import torch
from torch import nn

from tests.importing.nets import Residual, net, unit


class Shuffled(nn.Module):
    """A ShuffleNet V2 unit: half of the channels goes by, and all are shuffled."""

    def __init__(self, c_in: int, c: int, s: int) -> None:
        super().__init__()
        half = c // 2
        start = c_in if s > 1 else half
        self.layers = nn.Sequential(
            unit(start, half),
            unit(half, half, 3, s, groups=half, act=False),
            unit(half, half),
        )
        beside = unit(c_in, c_in, 3, s, groups=c_in, act=False), unit(c_in, half)
        self.beside = nn.Sequential(*beside) if s > 1 else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.beside is None:
            kept, rest = x.chunk(2, 1)
        else:
            kept, rest = self.beside(x), x
        found = torch.cat([kept, self.layers(rest)], 1)
        number, channels, *sides = found.shape
        return (
            found.view(number, 2, channels // 2, *sides).transpose(1, 2).flatten(1, 2)
        )


def shuffled() -> nn.Module:
    units = Shuffled(8, 16, 2), Shuffled(16, 16, 1), Shuffled(16, 16, 1)
    return net(*units, Shuffled(16, 32, 2), channels=32)


class Cascading(nn.Module):
    """A Res2Net unit: each part takes in what the one before it puts out."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.first, self.last = unit(c, c), unit(c, c, act=False)
        self.convs = nn.ModuleList(unit(c // 4, c // 4, 3) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        *parts, rest = torch.split(self.first(x), x.shape[1] // 4, 1)
        found: list[torch.Tensor] = []
        for part, conv in zip(parts, self.convs, strict=True):
            found.append(conv(part + found[-1] if found else part))
        return torch.relu(x + self.last(torch.cat([*found, rest], 1)))


class Widening(nn.Module):
    """A ReXNet unit: what comes in is added to the first channels alone."""

    def __init__(self, c_in: int, c: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(unit(c_in, 2 * c), unit(2 * c, c, act=False))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found, c = self.layers(x), x.shape[1]
        return torch.cat([found[:, :c] + x, found[:, c:]], 1)


class Kernels(nn.Module):
    """A depthwise convolution that has a kernel of its own for each part."""

    def __init__(self, c: int) -> None:
        super().__init__()
        half = c // 2
        self.three = nn.Conv2d(half, half, 3, 1, 1, groups=half, bias=False)
        self.five = nn.Conv2d(half, half, 5, 1, 2, groups=half, bias=False)
        self.norm = nn.BatchNorm2d(c)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a, b = x.chunk(2, 1)
        return torch.relu(self.norm(torch.cat([self.three(a), self.five(b)], 1)))


def parted() -> nn.Module:
    blocks = Cascading(8), Cascading(8), Widening(8, 12), Kernels(12)
    return net(*blocks, channels=12)


class Effective(nn.Module):
    """A gate of one convolution of the mean (Lee & Park 2020)."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.fc = nn.Conv2d(c, c, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        gate: torch.Tensor = self.fc(x.mean((2, 3), keepdim=True))
        return x * nn.functional.hardsigmoid(gate)


class Across(nn.Module):
    """A gate of a 1-D convolution of the channels' means (Wang et al. 2019)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, size, padding=size // 2, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        means: torch.Tensor = self.conv(x.mean((2, 3)).view(x.shape[0], 1, -1))
        return x * means.sigmoid().view(x.shape[0], -1, 1, 1).expand_as(x)


class Star(nn.Module):
    """Two convolutions of one map, multiplied (Ma et al. 2024)."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.f1, self.f2 = nn.Conv2d(c, 2 * c, 1), nn.Conv2d(c, 2 * c, 1)
        self.g = unit(2 * c, c, act=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.g(torch.relu(self.f1(x)) * self.f2(x))
        return x + found


class Affine(nn.Module):
    """One learnt scale and one learnt shift for a whole map."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.bias = (
            nn.Parameter(torch.ones(1)),
            nn.Parameter(torch.zeros(1)),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scale * x + self.bias


class Means(nn.Module):
    """Means of neighbours, from which the map itself is taken away (Yu et al. 2021)."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(3, 1, 1, count_include_pad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.pool(x) - x
        return found


def weighed() -> nn.Module:
    within = nn.Sequential(unit(8, 8, 3), Effective(8))
    return net(
        *(Residual(within), Residual(nn.Sequential(unit(8, 8, 3), Across(5)))),
        *(Star(8), Star(8)),
        *(unit(8, 12, 3, 2), Affine(), Residual(Means(), act=False)),
        channels=12,
    )


class Thrice(Residual):
    """Three residuals in a row, without a class of their own, beside what came in."""

    def __init__(self, kernel: int) -> None:
        within = [
            Residual(nn.Sequential(unit(8, 16, kernel), nn.Conv2d(16, 8, 1)), act=False)
            for _ in range(3)
        ]
        super().__init__(nn.Sequential(*within, unit(8, 8, kernel)))


def turning() -> nn.Module:
    """Two blocks in turn, twice."""
    blocks = [Thrice(kernel) for kernel in (3, 5, 3, 5)]
    return net(*blocks, channels=8)


class Halves(nn.Module):
    """A convolution's map, and what each channel makes of itself, as a ghost."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.first = unit(c, c // 2)
        self.cheap = unit(c // 2, c // 2, 3, groups=c // 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.first(x)
        return torch.cat([y, self.cheap(y)], 1)


class Down(nn.Module):
    """A residual as wide as what comes in, wider inside, and then a stride."""

    def __init__(self, c_in: int, c: int) -> None:
        super().__init__()
        self.inside = nn.Sequential(
            unit(c_in, 2 * c_in), unit(2 * c_in, c_in, act=False)
        )
        self.pooled = nn.Sequential(nn.AvgPool2d(2, 2), unit(c_in, c, act=False))
        self.down = unit(c_in, c, 3, 2, act=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x + self.inside(x)
        found: torch.Tensor = self.down(y) + self.pooled(y)
        return found


def meeting() -> nn.Module:
    """Maps that meet at other widths than those of the block around them."""
    doubled = unit(32, 64, 3, groups=32)
    downs = Down(8, 16), Down(16, 24), Down(24, 32)
    return net(Residual(Halves(8), act=False), *downs, doubled, channels=64)
