"""Blocks, each written once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from effscale.arrays import Int, every, floor, maximum
from effscale.network.layers import (
    Act,
    Conv,
    Dropout,
    Flatten,
    Gate,
    Layer,
    Linear,
    Norm,
    Pool,
    Repeat,
    Residual,
    Sequential,
    seq,
)

if TYPE_CHECKING:
    from effscale.spec.models import Head, Spec, Stage


@dataclass(frozen=True)
class Style:
    """What all blocks of a network share."""

    activation: str
    eps: float
    momentum: float

    @classmethod
    def of(cls, spec: Spec) -> Style:
        """The style that `spec` asks for."""
        return cls(spec.activation, spec.norm.eps, spec.norm.momentum)

    def norm(self, channels: Int) -> Norm:
        """Batch norm as this network has it."""
        return Norm(channels, self.eps, self.momentum)

    def act(self) -> Act:
        """The activation of this network."""
        return Act(self.activation)


def conv_norm(conv: Conv, style: Style) -> Sequential:
    """Convolution and batch norm."""
    return seq(conv=conv, norm=style.norm(conv.c_out))


def conv_norm_act(conv: Conv, style: Style) -> Sequential:
    """Convolution, batch norm, activation."""
    return seq(conv=conv, norm=style.norm(conv.c_out), act=style.act())


def squeezed(c_in: Int, se_ratio: float) -> Int:
    """Squeezed width: `se_ratio` of the block's *input*, cut to whole channels, ≥ 1.

    Source: MBConvBlock._build, tpu/models/official/efficientnet/efficientnet_model.py.
    """
    width: Int = maximum(1, floor(c_in * se_ratio))
    return width


def squeeze_excite(channels: Int, squeezed: Int, style: Style) -> Gate:
    """x · sigmoid(expand(act(reduce(pool(x))))), 1×1 with bias (Hu et al. 2018)."""
    return Gate(
        seq(
            pool=Pool(),
            reduce=Conv(channels, squeezed, bias=True),
            act=style.act(),
            expand=Conv(squeezed, channels, bias=True),
            gate=Act("sigmoid"),
        ).layers
    )


def mbconv(c_in: Int, stride: int, stage: Stage, style: Style) -> Layer:
    """Mobile inverted bottleneck with squeeze-and-excitation (Tan & Le 2019, table 1).

    Expand 1×1 (left out at expand ratio 1), depthwise k×k, squeeze-and-excitation,
    project 1×1 without activation; a skip where stride and width allow it.
    """
    c_mid = c_in * stage.expand_ratio
    depthwise = Conv(c_mid, c_mid, stage.kernel, stride, groups=c_mid)
    layers: dict[str, Layer] = {}
    if stage.expand_ratio > 1:
        layers["expand"] = conv_norm_act(Conv(c_in, c_mid), style)
    layers["depthwise"] = conv_norm_act(depthwise, style)
    if stage.se_ratio:
        c_se = squeezed(c_in, stage.se_ratio)
        layers["se"] = squeeze_excite(c_mid, c_se, style)
    layers["project"] = conv_norm(Conv(c_mid, stage.channels), style)
    # A skip is free, so candidates that disagree about it still cost the same.
    skip = stride == 1 and every(c_in == stage.channels)
    return Residual(seq(**layers).layers) if skip else seq(**layers)


def repeated(c_in: Int, stage: Stage, style: Style) -> Sequential:
    """A stage: the first block has the stride and the change of width."""
    first = mbconv(c_in, stage.stride, stage, style)
    rest = mbconv(stage.channels, 1, stage, style)
    return Sequential(
        (("0", first), ("1", Repeat(rest, maximum(0, stage.repeats - 1))))
    )


def classifier(c_in: Int, head: Head, style: Style) -> Sequential:
    """1×1 convolution, batch norm, activation, pooling, dropout, linear."""
    return seq(
        conv=Conv(c_in, head.channels),
        norm=style.norm(head.channels),
        act=style.act(),
        pool=Pool(),
        flatten=Flatten(),
        dropout=Dropout(head.dropout),
        classifier=Linear(head.channels, head.classes),
    )
