"""Attention as torch runs it: positions in groups, products, what is between them.

Feature maps stay (N, C, H, W); within, heads have channels first and positions last.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import nn
from torch.nn import functional

from effscale.network.operators.attention import COORDINATES, HIDDEN

if TYPE_CHECKING:
    from effscale.network.operators.attention import (
        Attention,
        ClassToken,
        DropTokens,
        Fill,
        Fourier,
        Positions,
        QueryValueBias,
        ValuesOf,
    )
    from effscale.network.shapes import Shape

Maps: TypeAlias = tuple[torch.Tensor, ...]
#: The deviation that tables begin with (Dosovitskiy et al. 2020, and its successors).
DEVIATION = 0.02
#: What a score loses where two positions of a shifted window were no neighbours.
#: Source: microsoft/Swin-Transformer, models/swin_transformer.py (`attn_mask`).
FAR = -100.0
#: Highest factor of a cosine, and what a perceptron's bias is at most (Liu et al. 2021,
#: arXiv:2111.09883, section 3.3).
HIGHEST, STEEPEST = 100.0, 16.0
#: Keeps linear attention from a division by zero.
#: Source: mit-han-lab/efficientvit, efficientvit/models/nn/ops.py (`LiteMLA`).
EPSILON = 1e-5
#: The ratio of the longest wave of positions to the shortest, and what keeps a side
#: whole. Source: facebookresearch/xcit, xcit.py (`PositionalEncodingFourier`).
LONGEST, WHOLE = 10000.0, 1e-6


class Tokened(nn.Module):
    """Learnt tokens, and the positions after them, in one column."""

    def __init__(self, token: ClassToken) -> None:
        super().__init__()
        self.tokens = nn.Parameter(torch.zeros(1, int(token.channels), token.tokens, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to (N, C, tokens + H·W, 1)."""
        column = x.flatten(2).unsqueeze(3)
        return torch.cat((self.tokens.expand(x.shape[0], -1, -1, -1), column), dim=2)

    def reset_parameters(self) -> None:
        """Normal, cut at two deviations."""
        nn.init.trunc_normal_(self.tokens, std=DEVIATION)


class Placed(nn.Module):
    """A map plus a learnt one of its size."""

    def __init__(self, _: Positions) -> None:
        super().__init__()
        self.places = nn.Parameter(torch.zeros(1, 1, 1, 1))

    def fit(self, shape: Shape) -> None:
        """Learn a map of this size."""
        sides = tuple(map(int, shape))
        self.places = nn.Parameter(self.places.new_zeros(1, *sides))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to the same shape."""
        return x + self.places

    def reset_parameters(self) -> None:
        """Normal, cut at two deviations."""
        nn.init.trunc_normal_(self.places, std=DEVIATION)


class First(nn.Module):
    """The first position alone."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to (N, C, 1, 1)."""
        return x[:, :, :1, :1]


class Behind(nn.Module):
    """The positions behind the first, in one column."""

    def __init__(self, drop: DropTokens) -> None:
        super().__init__()
        self.tokens = drop.tokens

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to (N, C, H·W - tokens, 1)."""
        return x.flatten(2)[:, :, self.tokens :].unsqueeze(3)

    def extra_repr(self) -> str:
        """How many are left out."""
        return str(self.tokens)


class Begun(nn.Module):
    """The second of two maps, its first position replaced by the first map."""

    def forward(self, maps: Maps) -> torch.Tensor:
        """(N, C, 1, 1) and (N, C, H, W) to (N, C, H, W)."""
        token, others = maps
        rest = others.flatten(2)[:, :, 1:]
        return torch.cat((token.flatten(2), rest), dim=2).reshape(others.shape)


class Waves(nn.Module):
    """Sines and cosines of rows and columns, of rising lengths."""

    def __init__(self, waves: Fourier) -> None:
        super().__init__()
        self.waves = waves.waves

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to (1, 2 · waves, H, W)."""
        height, width = x.shape[2:]
        down, across = self._along(height, x), self._along(width, x)
        rows = down[:, :, None].expand(-1, -1, width)
        columns = across[:, None, :].expand(-1, height, -1)
        return torch.cat((rows, columns)).unsqueeze(0).to(x.dtype)

    def _along(self, side: int, like: torch.Tensor) -> torch.Tensor:
        """(waves, side): a sine and a cosine in turn, of one length each."""
        at = torch.arange(1, side + 1, device=like.device, dtype=torch.float32)
        at = at / (side + WHOLE) * (2 * math.pi)
        pairs = torch.arange(self.waves, device=like.device) // 2
        lengths = LONGEST ** (2 * pairs.to(torch.float32) / self.waves)
        angles = at / lengths[:, None]
        both = torch.stack((angles[0::2].sin(), angles[1::2].cos()), dim=1)
        return both.flatten(0, 1)


class Filled(nn.Module):
    """Zeros below and at the right, up to multiples."""

    def __init__(self, fill: Fill) -> None:
        super().__init__()
        self.unit = fill.unit

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to sides that are multiples."""
        below, right = (
            -n % unit for n, unit in zip(x.shape[2:], self.unit, strict=True)
        )
        return functional.pad(x, (0, right, 0, below)) if below or right else x

    def extra_repr(self) -> str:
        """The multiples."""
        return str(self.unit)


class Cropped(nn.Module):
    """The first of two maps, cut to the size of the second."""

    def forward(self, maps: Maps) -> torch.Tensor:
        """(N, C, h, w) and (N, _, H, W) to (N, C, H, W)."""
        x, like = maps
        return x[:, :, : like.shape[2], : like.shape[3]]


class Attending(nn.Module):
    """What each position makes of the others' values; `Attention` says how."""

    def __init__(self, attend: Attention) -> None:
        super().__init__()
        self.attend = attend
        heads = int(attend.heads)
        if attend.kind in {"cosine", "covariance"}:
            self.scale = nn.Parameter(torch.zeros(heads, 1, 1))
        if attend.perceptron:
            bounded = attend.position == "continuous"
            self.hidden = nn.Linear(COORDINATES, HIDDEN)
            self.bias = nn.Linear(HIDDEN, heads, bias=not bounded)
        elif attend.position != "none":
            self.table = nn.Parameter(torch.zeros(heads, 1))

    def fit(self, shape: Shape) -> None:
        """Learn what this map's groups of positions ask for."""
        if self.attend.position in {"relative", "offset"}:
            _, height, width = map(int, self.attend.groups(shape))
            lying = height * width
            if self.attend.position == "relative":
                lying = (2 * height - 1) * (2 * width - 1)
            self.table = nn.Parameter(self.table.new_zeros(len(self.table), lying))

    def reset_parameters(self) -> None:
        """Tables normal, cut at two deviations; cosines ten times, covariances once."""
        for name, parameter in self.named_parameters(recurse=False):
            if name == "table":
                nn.init.trunc_normal_(parameter, std=DEVIATION)
            else:
                cosine = self.attend.kind == "cosine"
                parameter.fill_(math.log(10) if cosine else 1)

    def forward(self, maps: torch.Tensor | Maps) -> torch.Tensor:
        """(N, C, H, W), or three of them, to (N, heads · value_width, H, W)."""
        attend = self.attend
        several = (maps,) if isinstance(maps, torch.Tensor) else maps
        heads, key, value = map(
            int, (attend.heads, attend.key_width, attend.value_width)
        )
        sides = several[0].shape[2:]
        if attend.apart:
            q, k, v = (
                each.flatten(2).unflatten(1, (-1, width))
                for each, width in zip(several, (key, key, value), strict=True)
            )
        else:
            rows = self._grouped(several[0])
            of = rows.unflatten(1, (heads, -1)).flatten(3)
            q, k, v = of.split((int(attend.query_width), key, value), dim=2)
        if attend.kind == "separable":
            made = v.relu() * (k * q.softmax(dim=-1)).sum(dim=-1, keepdim=True)
        elif attend.kind == "linear":
            made = _linear(q, k, v)
        elif attend.kind == "covariance":
            made = self._of_channels(q, k, v)
        else:
            made = self._of_positions(q, k, v, sides)
        return self._whole(made.flatten(1, 2), sides)

    def _factors(self, sides: torch.Size) -> tuple[int, int, int, int]:
        """Rows and columns of the map as two factors each."""
        height, width = sides
        rows, columns = self.attend.size
        if self.attend.over == "grid":
            return rows, height // rows, columns, width // columns
        return height // rows, rows, width // columns, columns

    def _grouped(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to (N · groups, C, h, w), positions that see each other."""
        if (areas := self.attend.areas) > 1:
            by_area = x.reshape(*x.shape[:2], areas, -1).transpose(1, 2)
            return by_area.reshape(-1, x.shape[1], by_area.shape[3], 1)
        if self.attend.over is None:
            return x
        if any(self._moved(x.shape[2:])):
            down, across = self._moved(x.shape[2:])
            x = x.roll((-down, -across), dims=(2, 3))
        n, c = x.shape[:2]
        a, b, d, e = self._factors(x.shape[2:])
        x = x.reshape(n, c, a, b, d, e)
        if self.attend.over == "window":
            return x.permute(0, 2, 4, 1, 3, 5).reshape(n * a * d, c, b, e)
        return x.permute(0, 3, 5, 1, 2, 4).reshape(n * b * e, c, a, d)

    def _whole(self, x: torch.Tensor, sides: torch.Size) -> torch.Tensor:
        """(N · groups, C, positions) to (N, C, H, W)."""
        c = x.shape[1]
        if (areas := self.attend.areas) > 1:
            x = x.unflatten(0, (-1, areas)).transpose(1, 2)
        if self.attend.over is None:
            return x.reshape(-1, c, *sides)
        a, b, d, e = self._factors(sides)
        if self.attend.over == "window":
            x = x.reshape(-1, a, d, c, b, e).permute(0, 3, 1, 4, 2, 5)
        else:
            x = x.reshape(-1, b, e, c, a, d).permute(0, 3, 4, 1, 5, 2)
        x = x.reshape(-1, c, *sides)
        down, across = self._moved(sides)
        return x.roll((down, across), dims=(2, 3)) if down or across else x

    def _moved(self, sides: torch.Size) -> tuple[int, int]:
        """By how much windows are moved: not where one is the whole side."""
        if not self.attend.shift:
            return 0, 0
        down, across = (
            unit // 2 if unit < side else 0
            for side, unit in zip(sides, self.attend.size, strict=True)
        )
        return down, across

    def _of_channels(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor
    ) -> torch.Tensor:
        """Channels as sums of channels, by how they vary together."""
        q, k = functional.normalize(q, dim=-1), functional.normalize(k, dim=-1)
        scores = torch.matmul(q, k.transpose(-2, -1)) * self.scale
        return torch.matmul(scores.softmax(dim=-1), v)

    def _of_positions(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, sides: torch.Size
    ) -> torch.Tensor:
        """Values as sums of values, by queries and keys."""
        if self.attend.kind == "cosine":
            q, k = functional.normalize(q, dim=2), functional.normalize(k, dim=2)
            q = q * self.scale.clamp(max=math.log(HIGHEST)).exp()
        else:
            q = q * q.shape[2] ** -0.5
        scores = torch.matmul(q.transpose(-2, -1), k)
        if self.attend.position != "none":
            scores = scores + self.biases(sides)
        if any(self._moved(sides)):
            apart = self._strangers(sides, scores)
            scores = scores.unflatten(0, (-1, len(apart))) + apart.unsqueeze(1)
            scores = scores.flatten(0, 1)
        # Tools count a product by its first factor: one head's values are each's.
        v = v.expand(-1, scores.shape[1], -1, -1)
        return torch.matmul(v, scores.softmax(dim=-1).transpose(-2, -1))

    def _group(self, sides: torch.Size) -> tuple[int, int]:
        """Rows and columns of the positions that see each other."""
        if self.attend.over is None:
            height, width = sides
            return height, width
        a, b, d, e = self._factors(sides)
        return (b, e) if self.attend.over == "window" else (a, d)

    def biases(self, sides: torch.Size) -> torch.Tensor:
        """(heads, positions, positions) of what is learnt by how two lie."""
        rows, columns = self._group(sides)
        made = self.attend.perceptron
        table = self._by_perceptron(rows, columns) if made else self.table
        device = table.device
        y, x = torch.arange(rows, device=device), torch.arange(columns, device=device)
        down = (y[:, None] - y)[:, None, :, None]
        across = (x[:, None] - x)[None, :, None, :]
        if self.attend.position == "offset":
            index = down.abs() * columns + across.abs()
        else:
            index = (down + rows - 1) * (2 * columns - 1) + across + columns - 1
        n = rows * columns
        return table[:, index.reshape(-1)].reshape(-1, n, n)

    def _by_perceptron(self, rows: int, columns: int) -> torch.Tensor:
        """(heads, offsets) by a perceptron of log-spaced coordinates."""
        like = self.hidden.weight
        bounded = self.attend.position == "continuous"
        axes = [
            torch.arange(1 - n, n, device=like.device, dtype=like.dtype)
            for n in (rows, columns)
        ]
        if bounded:  # as shares of the longest way, of which 8 are meant
            axes = [8 * each / max((len(each) - 1) // 2, 1) for each in axes]
        near = [each.abs().log1p() * each.sign() for each in axes]
        if bounded:
            near = [each / math.log(8) for each in near]
        y, x = near[0][:, None], near[1][None, :]
        lying = torch.stack((y + 0 * x, 0 * y + x), dim=-1).flatten(0, 1)
        found = self.bias(self.hidden(lying).relu())
        return (STEEPEST * torch.sigmoid(found) if bounded else found).t()

    def _strangers(self, sides: torch.Size, like: torch.Tensor) -> torch.Tensor:
        """(windows, positions, positions): what two lose that were no neighbours."""
        marks = torch.zeros((), device=like.device, dtype=torch.int64)
        for side, unit, moved, shape in zip(
            sides, self.attend.size, self._moved(sides), ((-1, 1), (1, -1)), strict=True
        ):
            at = torch.arange(side, device=like.device)
            own = (at >= side - unit).long() + (at >= side - moved).long() * bool(moved)
            marks = 3 * marks + (own if moved else 0 * own).reshape(shape)
        a, b, d, e = self._factors(sides)
        of = marks.reshape(a, b, d, e).permute(0, 2, 1, 3).reshape(a * d, b * e)
        far = of[:, :, None] != of[:, None, :]
        return far.to(like.dtype) * FAR

    def extra_repr(self) -> str:
        """The heads, and the channels of each."""
        attend = self.attend
        return f"{attend.label}, {attend.heads} × {attend.key_width}"


def _linear(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """relu(q)·(relu(k)ᵀ·v) over relu(q)·(relu(k)ᵀ·1); a row of ones makes the sum."""
    q, k, v = q.relu(), k.relu(), functional.pad(v, (0, 0, 0, 1), value=1.0)
    made = torch.matmul(torch.matmul(v, k.transpose(-2, -1)), q)
    return made[:, :, :-1] / (made[:, :, -1:] + EPSILON)


class QueriesValuesBiased(nn.Module):
    """A learnt number added to each channel of queries and of values, head by head."""

    def __init__(self, bias: QueryValueBias) -> None:
        super().__init__()
        self.keys = int(bias.key_width)
        heads = int(bias.heads)
        self.query = nn.Parameter(torch.zeros(heads, int(bias.query_width)))
        self.value = nn.Parameter(torch.zeros(heads, int(bias.value_width)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, heads·(query + key + value), H, W) to the same shape."""
        keys = self.query.new_zeros(len(self.query), self.keys)
        every = torch.cat((self.query, keys, self.value), dim=1)
        return x + every.view(-1, 1, 1)

    def reset_parameters(self) -> None:
        """All 0."""
        self.query.zero_()
        self.value.zero_()

    def extra_repr(self) -> str:
        """How many are learnt."""
        return f"{self.query.numel() + self.value.numel()}"


class ValuesAlone(nn.Module):
    """The values among queries, keys and values, head by head."""

    def __init__(self, values: ValuesOf) -> None:
        super().__init__()
        self.heads, self.key_width = int(values.heads), int(values.key_width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, heads·(2·key + value), H, W) to (N, heads·value, H, W)."""
        by_head = x.unflatten(1, (self.heads, -1))
        values: torch.Tensor = by_head[:, :, 2 * self.key_width :].flatten(1, 2)
        return values
