"""Blocks of stages, each written once; and what all blocks of a network share."""

from __future__ import annotations

from dataclasses import field
from functools import lru_cache, partial
from typing import TYPE_CHECKING, TypeVar

from effscale.arrays import (
    Int,
    every,
    odd_log,
    where,
)
from effscale.data import data, remade
from effscale.network.combinators import (
    IDENTITY,
    Gate,
    Graph,
    Layer,
    Maybe,
    Node,
    Residual,
    Sequential,
    seq,
)
from effscale.network.operators.convolution import ChannelConv, Conv, TransposedConv
from effscale.network.operators.elementwise import Act
from effscale.network.operators.norm import norm_of
from effscale.network.operators.pooling import GlobalPool, Pool
from effscale.spec.line import SQUARE
from effscale.spec.values import of_block

if TYPE_CHECKING:
    from effscale.spec.lines import (
        Basic,
        Bottleneck,
        Dense,
        MBConv,
        Separable,
        Transition,
    )
    from effscale.spec.models import Spec, Squeeze
    from effscale.spec.norm import Norm as Normalisation
    from effscale.spec.steps import Blocks
    from effscale.spec.values import Init, SamePadding


SomeConv = TypeVar("SomeConv", bound=Conv | TransposedConv)
Windowed = TypeVar("Windowed", bound=Conv | TransposedConv | Pool)


@data
class Style:
    """What all blocks of a network share."""

    activation: str
    normalisation: Normalisation
    squeeze: Squeeze
    #: Blocks that the file defines, by name.
    blocks: Blocks = field(default_factory=dict)
    #: How the convolutions of steps are drawn.
    init: Init = "he"
    #: Where `same` padding lies.
    padding: SamePadding = "centred"

    @classmethod
    def of(cls, spec: Spec) -> Style:
        return cls(
            spec.activation,
            spec.norm,
            spec.squeeze_excite,
            spec.blocks,
            padding=spec.padding,
        )

    @property
    def bare(self) -> bool:
        """Whether nothing is normalised: convolutions have biases then."""
        return self.normalisation.kind == "none"

    def norm(self, channels: Int, given: Normalisation | None = None) -> Layer:
        """The norm given, or else that of this network, which may have none."""
        given = given or self.normalisation
        return IDENTITY if given.kind == "none" else norm_of(given, channels)

    def conv(self, conv: SomeConv) -> SomeConv:
        """A convolution of a block that has a norm with it."""
        return self.padded(remade(conv, bias=True) if self.bare else conv)

    def padded(self, layer: Windowed) -> Windowed:
        """A layer whose windows stride, with `same` padding where this network has it.

        Elsewhere TensorFlow's is no other.
        """
        if self.padding == "centred" or layer.stride == SQUARE:
            return layer
        match layer:
            case Conv(padding="same") | Pool(padding="same", include_padding=False):
                wide = layer.kernel != SQUARE
                return remade(layer, padding="tensorflow") if wide else layer
            case _:
                return layer

    def act(self, activation: str | None = None) -> Act:
        """The activation named, or else that of this network."""
        return act_of(activation or self.activation)


@lru_cache(maxsize=64)  # of a few kinds, by which alone two are told apart
def act_of(kind: str) -> Act:
    """The activation of that name."""
    return Act(kind)


def conv_norm(conv: Conv, style: Style) -> Sequential:
    """Convolution and batch norm."""
    return seq(conv=style.conv(conv), norm=style.norm(conv.c_out))


def conv_norm_act(
    conv: Conv, style: Style, activation: str | None = None
) -> Sequential:
    """Convolution, batch norm, activation."""
    return seq(
        conv=style.conv(conv), norm=style.norm(conv.c_out), act=style.act(activation)
    )


def squeeze_excite(
    channels: Int,
    c_in: Int,
    se_ratio: float,
    style: Style,
    activation: str | None,
) -> Gate:
    """x · gate(expand(act(reduce(pool(x))))), 1×1 with bias (Hu et al. 2018).

    `channels` are gated; `c_in` come into the block.
    """
    choice = style.squeeze
    squeezed = choice.width(channels, c_in, se_ratio)
    norm = {"norm": style.norm(squeezed)} if choice.norm else {}
    layers: dict[str, Layer] = {
        "pool": GlobalPool(),
        "reduce": Conv(channels, squeezed, bias=True),
        **norm,
        "act": style.act(choice.activation or activation),
        "expand": Conv(squeezed, channels, bias=True),
        "gate": act_of(choice.gate),
    }
    return Gate(tuple(layers.items()))


def channel_attention(channels: Int, size: int | None) -> Gate:
    """x · sigmoid(1-D convolution of the channels' means) (Wang et al. 2019).

    Without a size it sees the odd number at or above (log2 C + 1) / 2, 3 at least
    (equation 12; timm/layers/eca.py).
    """
    layers: dict[str, Layer] = {
        "pool": GlobalPool(),
        "conv": ChannelConv(channels, size or odd_log(channels)),
        "gate": act_of("sigmoid"),
    }
    return Gate(tuple(layers.items()))


def square(side: int) -> tuple[int, int]:
    return side, side


def mbconv(line: MBConv, style: Style, c_in: Int, stride: int, index: int) -> Layer:
    """Mobile inverted bottleneck with squeeze-and-excitation (Tan & Le 2019, table 1).

    Expand 1×1 (left out at expand ratio 1), depthwise k×k, squeeze-and-excitation,
    project 1×1 without activation; a skip where stride and width allow it. Fused, the
    expansion is k×k and has the stride, and without one the block is a k×k convolution
    (automl/efficientnetv2/effnetv2_model.py:272-390).
    """
    c_mid = (
        c_in * line.expand_ratio if line.expand_ratio else of_block(line.c_mid, index)
    )
    fused, expands = line.block == "fused_mbconv", line.expand_ratio != 1
    act, wide = (
        line.activation,
        partial(
            Conv,
            kernel=square(line.kernel),
            stride=square(stride),
            dilation=line.dilation,
        ),
    )
    layers: dict[str, Layer] = {}
    if expands:
        expand = (wide if fused else Conv)(c_in, c_mid)
        layers["expand"] = conv_norm_act(expand, style, act)
    if not fused:
        depthwise = wide(c_mid, c_mid, groups=c_mid)
        layers["depthwise"] = conv_norm_act(depthwise, style, act)
    if line.se_ratio and style.squeeze.at == "middle":
        layers["se"] = squeeze_excite(c_mid, c_in, line.se_ratio, style, act)
    if fused and not expands:
        layers["conv"] = conv_norm_act(wide(c_in, line.channels), style, act)
    else:
        layers["project"] = conv_norm(Conv(c_mid, line.channels), style)
    if line.se_ratio and style.squeeze.at == "output":
        layers["se"] = squeeze_excite(line.channels, c_in, line.se_ratio, style, act)
    # A skip is free, so candidates that disagree about it still cost the same.
    skip = stride == 1 and every(c_in == line.channels)
    named = tuple(layers.items())
    return Residual(named) if skip else Sequential(named)


def separable(line: Separable, style: Style, c_in: Int, stride: int, _: int) -> Layer:
    """Depthwise k×k and pointwise 1×1 (Howard et al. 2017, table 1)."""
    window = square(line.kernel), square(stride)
    depthwise = Conv(c_in, c_in, *window, groups=c_in)
    return seq(
        depthwise=conv_norm_act(depthwise, style, line.activation),
        pointwise=conv_norm_act(Conv(c_in, line.channels), style, line.activation),
    )


def basic(line: Basic, style: Style, c_in: Int, stride: int, _: int) -> Layer:
    """Two k×k convolutions and a shortcut (He et al. 2015, figure 5, left)."""
    c_out = line.channels
    wide = partial(Conv, kernel=square(line.kernel), dilation=line.dilation)
    first = wide(c_in, c_out, stride=square(stride))
    layers: dict[str, Layer] = {
        "conv1": conv_norm_act(first, style, line.activation),
        "conv2": conv_norm(wide(c_out, c_out), style),
    }
    if line.se_ratio:
        layers["se"] = squeeze_excite(
            c_out, c_in, line.se_ratio, style, line.activation
        )
    return _shortcut(c_in, c_out, stride, 1, layers, style, line.activation)


def bottleneck(line: Bottleneck, style: Style, c_in: Int, stride: int, _: int) -> Layer:
    """1×1, k×k with the stride, 1×1, and a shortcut (He et al. 2015, figure 5, right).

    The k×k convolution may be in groups (ResNeXt, RegNet); the stride is on it, not on
    the first 1×1 (torchvision's ResNet, "v1.5").
    """
    act, c_out = line.activation, line.channels
    c_mid = line.inside
    c_first = line.c_first
    middle = Conv(
        c_first,
        c_mid,
        square(line.kernel),
        square(stride),
        line.in_groups,
        dilation=line.dilation,
    )
    layers: dict[str, Layer] = {
        "conv1": conv_norm_act(Conv(c_in, c_first), style, act),
        "conv2": conv_norm_act(middle, style, act),
    }
    inside = style.squeeze.at == "middle"
    if line.se_ratio and inside:
        layers["se"] = squeeze_excite(c_mid, c_in, line.se_ratio, style, act)
    layers["conv3"] = conv_norm(Conv(c_mid, c_out), style)
    if line.se_ratio and not inside:
        layers["se"] = squeeze_excite(c_out, c_in, line.se_ratio, style, act)
    return _shortcut(c_in, c_out, stride, line.shortcut_kernel, layers, style, act)


def _shortcut(  # noqa: PLR0913, PLR0917 - what the two residual blocks share
    c_in: Int,
    c_out: Int,
    stride: int,
    kernel: int,
    layers: dict[str, Layer],
    style: Style,
    activation: str | None,
) -> Layer:
    """The layers, a shortcut beside them, an activation after both.

    The shortcut is a convolution where the feature map changes.
    """
    projection = conv_norm(Conv(c_in, c_out, square(kernel), square(stride)), style)
    changes = 1 if stride > 1 else where(c_in != c_out, 1, 0)
    same = stride == 1 and c_in is c_out  # the blocks after the first
    shortcut = () if same else (("projection", Maybe(projection, changes)),)
    residual = Residual(tuple(layers.items()), shortcut)
    return seq(residual=residual, act=style.act(activation))


def dense(line: Dense, style: Style, c_in: Int) -> Layer:
    """What comes in, and `growth` channels made of it (Huang et al. 2016, equation 2).

    Norm and activation come before each convolution, 1×1 and k×k.
    """
    c_mid = line.growth * line.bottleneck_ratio
    made = seq(
        norm1=style.norm(c_in),
        act1=style.act(),
        conv1=style.conv(Conv(c_in, c_mid)),
        norm2=style.norm(c_mid),
        act2=style.act(),
        conv2=style.conv(Conv(c_mid, line.growth, square(line.kernel))),
    )
    nodes = Node("made", (0,), made), Node("all", (0, 1), IDENTITY, merge="concat")
    return Graph(1, nodes, (2,))


def transition(line: Transition, style: Style, c_in: Int) -> Layer:
    """Norm, activation, 1×1 to fewer channels, the mean of 2×2 (Huang et al. 2016)."""
    return seq(
        norm=style.norm(c_in),
        act=style.act(),
        conv=style.conv(Conv(c_in, line.c_out(c_in))),
        pool=Pool("avg", *line.window),
    )
