"""What all blocks of a network share, and the small things they are made with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from effscale.arrays import Int, floor, maximum, multiple
from effscale.network.combinators import Gate, Layer, Sequential, seq
from effscale.network.operators.convolution import Conv
from effscale.network.operators.elementwise import Act
from effscale.network.operators.norm import norm_of
from effscale.network.operators.pooling import GlobalPool

if TYPE_CHECKING:
    from collections.abc import Mapping

    from effscale.network.operators.operator import Operator
    from effscale.spec.models import Norm as Normalisation
    from effscale.spec.models import Spec, Squeeze
    from effscale.spec.steps import Line
    from effscale.spec.values import Activation


@dataclass(frozen=True)
class Style:
    """What all blocks of a network share."""

    activation: Activation
    normalisation: Normalisation
    squeeze: Squeeze
    #: Blocks that the file defines, by name.
    blocks: Mapping[str, tuple[Line, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, spec: Spec) -> Style:
        """The style that `spec` asks for."""
        return cls(spec.activation, spec.norm, spec.squeeze_excite, spec.blocks)

    def norm(self, channels: Int) -> Operator:
        """The norm of this network."""
        return norm_of(self.normalisation, channels)

    def act(self, activation: Activation | None = None) -> Act:
        """The activation named, or else that of this network."""
        return Act(activation or self.activation)


def conv_norm(conv: Conv, style: Style) -> Sequential:
    """Convolution and batch norm."""
    return seq(conv=conv, norm=style.norm(conv.c_out))


def conv_norm_act(
    conv: Conv, style: Style, activation: Activation | None = None
) -> Sequential:
    """Convolution, batch norm, activation."""
    return seq(conv=conv, norm=style.norm(conv.c_out), act=style.act(activation))


def squeeze_excite(
    channels: Int,
    c_in: Int,
    se_ratio: float,
    style: Style,
    activation: Activation | None,
) -> Gate:
    """x · gate(expand(act(reduce(pool(x))))), 1×1 with bias (Hu et al. 2018).

    `channels` are gated; `c_in` come into the block. The squeezed width is cut to
    whole channels (MBConvBlock._build, tpu/models/official/efficientnet/
    efficientnet_model.py) or rounded to a multiple (MobileNetV3).
    """
    choice = style.squeeze
    exact = (c_in if choice.of == "input" else channels) * se_ratio
    cut = choice.divisor == 1
    squeezed = maximum(1, floor(exact)) if cut else multiple(exact, choice.divisor)
    layers: dict[str, Layer] = {
        "pool": GlobalPool(),
        "reduce": Conv(channels, squeezed, bias=True),
        "act": style.act(choice.activation or activation),
        "expand": Conv(squeezed, channels, bias=True),
        "gate": Act(choice.gate),
    }
    return Gate(seq(**layers).layers)
