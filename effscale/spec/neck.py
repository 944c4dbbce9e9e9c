"""The models of a detector: a feature network on a backbone, and heads by level.

Level l is 1/2^l of the image's side, P3 an eighth (Lin et al. 2017, arXiv:1612.03144).
A neck is a short graph: each node reads feature maps of any levels, which are brought
to its own, fuses them, and sends the result through the neck's layers.
"""

from __future__ import annotations

from math import sqrt
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field, PlainSerializer

from effscale.spec import values
from effscale.spec.steps import Activate, Conv, Depthwise, Step
from effscale.spec.types import (
    MAX_CHANNELS,
    Channels,
    Flag,
    Init,
    InitName,
    Model,
    Multiplier,
    Name,
    Repeats,
    number_or_list,
)

#: A box is four numbers.
BOX = 4
#: Above P12 no image has a pixel left.
MAX_LEVEL = 12

Fusion = Literal["sum", "unbounded", "softmax", "fast"]
Merge = Literal["sum", "attention"]
Wiring = Literal[
    "bifpn",
    "fpn",
    "panet",
    "simplified_panet",
    "nas_fpn",
    "fully_connected",
    "retinanet",
]

Level = Annotated[int, values.whole(1, MAX_LEVEL)]
Levels = Annotated[tuple[int, int], values.rising(1, MAX_LEVEL), PlainSerializer(list)]
FusionName = Annotated[Fusion, values.choice(*get_args(Fusion))]
Taps = Annotated[tuple[Annotated[int, values.whole(1, 1000)], ...], Field(min_length=1)]
Steps = tuple[Step, ...]
Ratio = Annotated[
    float | tuple[float, float],
    values.number_or_pair(0, 100, "[width, height]"),
    PlainSerializer(number_or_list),
]
Ratios = Annotated[tuple[Ratio, ...], Field(min_length=1)]
Scales = Annotated[
    int | tuple[float, ...],
    values.whole_or_numbers(16, 100),
    PlainSerializer(number_or_list),
]

#: A depthwise convolution and a 1×1 with bias, one batch norm behind the two: what
#: nodes send their fused maps through, and heads repeat
#: (automl/efficientdet/efficientdet_arch.py:136-249, 508-533).
_DEPTHWISE = Depthwise(block="depthwise", kernel=(3, 3), norm=False, activation="none")
_NODE: Steps = (
    Activate(block="activation"),
    _DEPTHWISE,
    Conv(kernel=(1, 1), bias=True, activation="none"),
)
_HEAD: Steps = (_DEPTHWISE, Conv(kernel=(1, 1), bias=True))
_LATERAL: Steps = (Conv(kernel=(1, 1), bias=True, activation="none"),)


class NeckNode(Model):
    """A feature map of a level, made of others."""

    level: Level
    #: `p3`, `p4` … are what comes in; other names are those of nodes above.
    reads: Annotated[tuple[Name, ...], Field(min_length=1)]
    #: How what it reads is merged; left out, by the neck's fusion.
    merge: Annotated[Merge, values.choice(*get_args(Merge))] | None = None
    #: Maps of its level that are added to what is merged.
    adds: tuple[Name, ...] = ()
    #: What it is sent through; left out, the neck's layers.
    layers: Steps | None = None


class Neck(Model):
    """Feature network: levels of the backbone in, as many maps of one width out."""

    levels: Levels = (3, 7)
    #: Stages of the backbone that are the lowest levels, counted from 1; left out, the
    #: last stage of each stride.
    taps: Taps | None = None
    channels: Channels
    repeats: Repeats = 1
    #: A wiring that is well known, or `nodes` of the file's own.
    wiring: Annotated[Wiring, values.choice(*get_args(Wiring))] | None = None
    nodes: dict[Name, NeckNode] = Field(default={})
    fusion: FusionName = "fast"
    #: Whether each channel has a weight of its own.
    per_channel: Flag = False
    #: What fused maps are sent through.
    layers: Steps = _NODE
    #: What fits a map of other channels, and whether for each node that reads it.
    lateral: Annotated[Steps, Field(min_length=1)] = _LATERAL
    laterals: Annotated[Literal["each", "once"], values.choice("each", "once")] = "each"
    #: Kernels of the pools between levels: the stride's own, or one more.
    pools: Annotated[
        Literal["overlapping", "apart"], values.choice("overlapping", "apart")
    ] = "overlapping"
    #: How convolutions are drawn: as TensorFlow draws those of which nothing is said,
    #: EfficientDet's and NAS-FPN's among them.
    init: InitName = "glorot"


class Anchors(Model):
    """Boxes at each position of each level, that a box is told relative to."""

    #: Sizes of 2^(k/scales), or a list of them: multiples of the smallest.
    scales: Scales = 3
    #: Width over height at one area; or width and height, as multiples of the size.
    ratios: Ratios = (1.0, 2.0, 0.5)
    #: Side of the smallest, as a multiple of the level's stride.
    scale: Multiplier = 4.0

    @property
    def each(self) -> int:
        """Anchors at a position."""
        return len(self.sizes)

    @property
    def sizes(self) -> list[tuple[float, float]]:
        """Height and width of each at a position, by scale, then by ratio, in strides.

        Source: automl/efficientdet/tf2/anchors.py (`_generate_boxes`).
        """
        given = self.scales
        octaves = (
            [2 ** (k / given) for k in range(given)]
            if isinstance(given, int)
            else given
        )
        aspects = [
            (sqrt(each), 1 / sqrt(each)) if isinstance(each, int | float) else each
            for each in self.ratios
        ]
        return [
            (self.scale * octave * high, self.scale * octave * wide)
            for octave in octaves
            for wide, high in aspects
        ]


class Heads(Model):
    """A class and a box head: weights shared by the levels, batch norms of each."""

    repeats: Repeats = 3
    classes: Annotated[int, values.whole(1, MAX_CHANNELS)] = 90
    anchors: Anchors = Anchors()
    layers: Annotated[Steps, Field(min_length=1)] = _HEAD
    #: Share of positives that the class head begins with (Lin et al. 2017,
    #: arXiv:1708.02002, section 4.1).
    prior: Annotated[float, values.number(0, 1, above=True)] = 0.01
    #: How convolutions are drawn; left out, as automl/efficientdet/tf2/
    #: efficientdet_keras.py (`ClassNet.conv2d_layer`) draws separable and others.
    init: InitName | None = None
    #: How those that predict are drawn, if otherwise.
    predict_init: InitName | None = None
    #: They always tell classes apart; a `head` may not.
    classifier: ClassVar[bool] = True

    @property
    def drawn(self) -> tuple[Init, Init]:
        """The rules of the repeated convolutions, and of those that predict."""
        separable = any(isinstance(line, Depthwise) for line in self.layers)
        rule = self.init or ("variance_scaling" if separable else "normal")
        return rule, self.predict_init or rule


class Backbone(Model):
    """Multipliers of a published relative of the backbone."""

    depth_multiplier: Multiplier = 1.0
    width_multiplier: Multiplier = 1.0


class Scaling(Model):
    """How a detector grows by φ (Tan, Pang & Le 2020, arXiv:1911.09070, section 4.2).

    The backbone is that of the list with number φ, in between in proportion; without a
    list it grows by the `coefficients`.
    """

    backbones: dict[Name, Backbone] = Field(default={})
    #: The neck's channels are multiplied by this for each φ.
    channels: Multiplier = 1.35
    #: Repeats that the neck gains for each φ.
    repeats: Annotated[float, values.number(0, 100)] = 1.0
    #: The heads gain a repeat every so many φ; 0 is never.
    heads_every: Annotated[int, values.whole(0, 50)] = 3
    #: Pixels that each side gains for each φ.
    resolution: Annotated[int, values.whole(0, 2**16)] = 128


class NeckChange(Model):
    """What a variant's neck has otherwise than the law gives."""

    levels: Levels | None = None
    channels: Channels | None = None
    repeats: Repeats | None = None
    fusion: FusionName | None = None


class HeadsChange(Model):
    """What a variant's heads have otherwise than the law gives."""

    repeats: Repeats | None = None
    anchor_scale: Multiplier | None = None


#: The places in a spec that `HeadsChange` speaks of.
HEADS_PLACES = {
    "repeats": ("heads", "repeats"),
    "anchor_scale": ("heads", "anchors", "scale"),
}
