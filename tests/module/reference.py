"""EfficientNet once more, from its paper alone, in plain torch, to judge ours by.

The network is table 1 of Tan & Le 2019 (arXiv:1905.11946v5), the block that of Sandler
et al. 2018 with the squeeze-and-excitation of Hu et al. 2018. It shares no code and no
names with effscale, and counts nothing: counters are asked about it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from effscale.spec.lines import MBConv as Stage
from effscale.spec.steps import Conv
from tests.parts import head_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from effscale.spec.models import Spec

    Function = Callable[[torch.Tensor], torch.Tensor]
    State = Mapping[str, torch.Tensor]

# Table 1, stages 2 to 8: expand ratio and kernel of the operator, height of the feature
# map that goes in, channels, layers. Stage 9 takes 7×7.
TABLE_1 = (
    (1, 3, 112, 16, 1),
    (6, 3, 112, 24, 2),
    (6, 5, 56, 40, 2),
    (6, 3, 28, 80, 3),
    (6, 5, 14, 112, 3),
    (6, 5, 14, 192, 4),
    (6, 3, 7, 320, 1),
)
HEAD_HEIGHT = 7
FUNCTIONS: dict[str, Function] = {
    "silu": F.silu,
    "relu": F.relu,
    "relu6": F.relu6,
    "hard_swish": F.hardswish,
    "gelu": F.gelu,
    "gelu_tanh": partial(F.gelu, approximate="tanh"),
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "mish": F.mish,
    "hard_mish": lambda x: x * (x + 2).clamp(0, 2) / 2,
    "softplus": F.softplus,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "hard_sigmoid": F.hardsigmoid,
}
#: What effscale calls the same: outside of the blocks, and in each of them.
OUTSIDE = {
    "first": "stem.conv",
    "first_bn": "stem.norm",
    "last": "head.conv",
    "last_bn": "head.norm",
    "logits": "head.classifier",
}
INSIDE = {
    "widen": "expand.conv",
    "widen_bn": "expand.norm",
    "filter": "depthwise.conv",
    "filter_bn": "depthwise.norm",
    "squeeze": "se.reduce",
    "excite": "se.expand",
    "narrow": "project.conv",
    "narrow_bn": "project.norm",
}


class Row(NamedTuple):
    """A row of the table."""

    expand: int
    kernel: int
    stride: int
    channels: int
    layers: int
    se_ratio: float = 0.25


def _conv(c_in: int, c_out: int, k: int = 1, s: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(c_in, c_out, k, s, padding=k // 2, groups=groups, bias=False)


def _bn(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class MBConv(nn.Module):
    """Widen 1×1, filter k×k channel by channel, squeeze and excite, narrow 1×1."""

    def __init__(self, c_in: int, row: Row, stride: int, act: Function) -> None:
        super().__init__()
        wide, squeezed = c_in * row.expand, max(1, int(c_in * row.se_ratio))
        self.act, self.has_widen, self.has_se = act, row.expand != 1, row.se_ratio > 0
        self.has_skip = stride == 1 and c_in == row.channels
        if self.has_widen:
            self.widen, self.widen_bn = _conv(c_in, wide), _bn(wide)
        self.filter = _conv(wide, wide, row.kernel, stride, groups=wide)
        self.filter_bn = _bn(wide)
        if self.has_se:
            self.squeeze = nn.Conv2d(wide, squeezed, 1)
            self.excite = nn.Conv2d(squeezed, wide, 1)
        self.narrow, self.narrow_bn = _conv(wide, row.channels), _bn(row.channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """A feature map to a feature map; nothing is ever dropped."""
        y = self.act(self.widen_bn(self.widen(x))) if self.has_widen else x
        y = self.act(self.filter_bn(self.filter(y)))
        if self.has_se:
            pooled = y.mean(dim=(2, 3), keepdim=True)
            y = y * torch.sigmoid(self.excite(self.act(self.squeeze(pooled))))
        y = self.narrow_bn(self.narrow(y))
        out: torch.Tensor = x + y if self.has_skip else y
        return out


class EfficientNet(nn.Module):
    """A first convolution, rows of blocks, a last convolution, and logits."""

    def __init__(  # noqa: PLR0913 - a table and what stands around it
        self,
        rows: Iterable[Row],
        *,
        first: tuple[int, int, int] = (3, 2, 32),
        last: int = 1280,
        classes: int = 1000,
        image_channels: int = 3,
        act: str = "silu",
    ) -> None:
        super().__init__()
        kernel, stride, c_in = first
        self.rows, self.act = tuple(rows), FUNCTIONS[act]
        self.first = _conv(image_channels, c_in, kernel, stride)
        self.first_bn = _bn(c_in)
        blocks = []
        for row in self.rows:
            for layer in range(row.layers):
                s = row.stride if layer == 0 else 1
                blocks.append(MBConv(c_in, row, s, self.act))
                c_in = row.channels
        self.blocks = nn.ModuleList(blocks)
        self.last, self.last_bn = _conv(c_in, last), _bn(last)
        self.logits = nn.Linear(last, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, image channels, height, width) to (N, classes)."""
        x = self.act(self.first_bn(self.first(x)))
        for block in self.blocks:
            x = block(x)
        x = self.act(self.last_bn(self.last(x)))
        logits: torch.Tensor = self.logits(x.mean(dim=(2, 3)))
        return logits


def b0() -> EfficientNet:
    """Table 1; a stage's stride is how much smaller the next stage's input is."""
    heights = [row[2] for row in TABLE_1[1:]] + [HEAD_HEIGHT]
    return EfficientNet(
        Row(expand, kernel, height // after, channels, layers)
        for (expand, kernel, height, channels, layers), after in zip(
            TABLE_1, heights, strict=True
        )
    )


def of(spec: Spec) -> EfficientNet:
    """The network that a spec states."""
    (stem,) = spec.stem
    assert isinstance(stem, Conv)
    first = stem.channels
    assert isinstance(first, int)
    last, classes = head_of(spec).channels, head_of(spec).classes
    assert isinstance(last, int)
    stages = [stage for stage in spec.stages if isinstance(stage, Stage)]
    assert len(stages) == len(spec.stages)
    return EfficientNet(
        (
            Row(
                expand=stage.expand_ratio or 0,
                kernel=stage.kernel,
                stride=stage.stride,
                channels=int(stage.channels),
                layers=int(stage.repeats),
                se_ratio=stage.se_ratio,
            )
            for stage in stages
        ),
        first=(stem.kernel[0], stem.stride[0], first),
        last=last,
        classes=classes,
        image_channels=int(spec.image_channels),
        act=spec.activation,
    )


def renamed(
    state: State,
    layers: Iterable[int],
    outside: Mapping[str, str] = OUTSIDE,
    inside: Mapping[str, str] = INSIDE,
) -> dict[str, torch.Tensor]:
    """A state whose blocks are numbered through, `blocks.3`, in effscale's names."""
    places = [f"{stage}.{k}" for stage, n in enumerate(layers) for k in range(n)]
    ours = {}
    for name, tensor in state.items():
        *block, word, kind = name.split(".")
        path = f"stages.{places[int(block[1])]}.{inside[word]}" if block else ""
        ours[f"{path or outside[word]}.{kind}"] = tensor
    return ours
