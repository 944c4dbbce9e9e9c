"""The models of a detector: a feature network on a backbone, and heads by level.

Level l is 1/2^l of the image's side, P3 an eighth (Lin et al. 2017, arXiv:1612.03144).
A neck is a short graph: each node reads feature maps of any levels, which are brought
to its own, fuses them, and sends the result through the neck's layers. A wiring makes
a well-known one for any levels: inputs are `p3`, `p4` …; a node's name says its level
and which way it passes.
"""

from itertools import pairwise
from math import sqrt
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias, get_args

from pydantic import Field, PlainSerializer

from effscale.spec import values
from effscale.spec.steps import Activate, Conv, Depthwise, SomeSteps, Steps
from effscale.spec.values import (
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

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Nodes: TypeAlias = dict[str, "NeckNode"]

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
_DEPTHWISE = Depthwise.model_construct(
    block="depthwise", kernel=(3, 3), norm=False, activation="none"
)
_POINTWISE = Conv.model_construct(kernel=(1, 1), bias=True, activation="none")
_NODE: Steps = (
    Activate.model_construct(block="activation"),
    _DEPTHWISE,
    _POINTWISE,
)
_HEAD: Steps = (_DEPTHWISE, Conv.model_construct(kernel=(1, 1), bias=True))
_LATERAL: Steps = (_POINTWISE,)


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
    lateral: SomeSteps = _LATERAL
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
    anchors: Anchors = Anchors.model_construct()
    layers: SomeSteps = _HEAD
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

#: An attention is of one map by another.
ATTENDS = 2
#: NAS-FPN is a found cell, of these levels above its lowest.
NAS_FPN_LEVELS = 5
#: RetinaNet's pyramid has two levels that no merging reaches.
RETINANET_LEAST = 3


def nodes(neck: Neck) -> "Mapping[str, NeckNode]":
    """The nodes of a layer of this neck, in order, by name."""
    if neck.wiring is None:
        return neck.nodes
    low, high = neck.levels
    return WIRINGS[neck.wiring](low, high)


def inputs(neck: Neck) -> dict[str, int]:
    """The maps that come into a layer of the neck, with their levels, lowest first."""
    low, high = neck.levels
    return {f"p{level}": level for level in range(low, high + 1)}


def outputs(neck: Neck) -> dict[int, str]:
    """What a layer of the neck puts out: by level, its last node, or else its input."""
    found = {level: name for name, level in inputs(neck).items()}
    return found | {node.level: name for name, node in nodes(neck).items()}


def made(neck: Neck) -> set[str]:
    """Names of the maps that are made on the way to what the nodes read."""
    found = {f"lateral_{each}" for each in inputs(neck)}
    for name, node in nodes(neck).items():
        found.add(f"{name}_fuse")
        for read in (*node.reads, *node.adds):
            found |= {f"{name}_from_{read}", f"{name}_lateral_{read}"}
    return found


def _node(level: int, *reads: str) -> NeckNode:
    return NeckNode(level=level, reads=reads)


def bifpn(low: int, high: int) -> "Nodes":
    """Top down, then bottom up with the input once more: 2·L − 2 nodes.

    Source: Tan, Pang & Le 2020, figure 3; automl/efficientdet/tf2/fpn_configs.py:24-72.
    """
    found = _down(low, high)
    for below, level in pairwise(range(low, high + 1)):
        both = [f"p{level}"] if level == high else [f"p{level}", f"p{level}_td"]
        found[f"p{level}_out"] = _node(level, *both, f"p{below}_out")
    return found


def _down(low: int, high: int) -> "Nodes":
    """The path down, of each level but the highest; the lowest is put out."""
    found: Nodes = {}
    above = f"p{high}"
    for level in range(high - 1, low - 1, -1):
        name = f"p{level}_out" if level == low else f"p{level}_td"
        found[name] = _node(level, f"p{level}", above)
        above = name
    return found


def simplified_panet(low: int, high: int) -> "Nodes":
    """PANet without its nodes of one input: 2·L − 2 nodes.

    Source: Tan, Pang & Le 2020, section 3.2 (figure 2e of its first version).
    """
    found = _down(low, high)
    for below, level in pairwise(range(low, high + 1)):
        own = f"p{level}" if level == high else f"p{level}_td"
        found[f"p{level}_out"] = _node(level, own, f"p{below}_out")
    return found


def fpn(low: int, high: int) -> "Nodes":
    """Top down, a node for each level, of which the highest has one input: L nodes.

    Source: Lin et al. 2017, arXiv:1612.03144; Tan, Pang & Le 2020, figure 2a.
    """
    found = {f"p{high}_out": _node(high, f"p{high}")}
    for level in range(high - 1, low - 1, -1):
        found[f"p{level}_out"] = _node(level, f"p{level}", f"p{level + 1}_out")
    return found


def panet(low: int, high: int) -> "Nodes":
    """FPN, and from its lowest level bottom up: 2·L nodes, two of them of one input.

    Source: Liu et al. 2018, arXiv:1803.01534; `panfpn_config` of
    rwightman/efficientdet-pytorch, effdet/config/fpn_config.py:41-78.
    """
    found = {
        name.replace("_out", "_td"): NeckNode(
            level=node.level,
            reads=tuple(each.replace("_out", "_td") for each in node.reads),
        )
        for name, node in fpn(low, high).items()
    }
    found[f"p{low}_out"] = _node(low, f"p{low}_td")
    for below, level in pairwise(range(low, high + 1)):
        found[f"p{level}_out"] = _node(level, f"p{level}_td", f"p{below}_out")
    return found


def nas_fpn(low: int, _: int) -> "Nodes":
    """Seven merging cells found by search (Ghiasi, Lin & Le 2019, arXiv:1904.07392).

    Inputs that no node reads are added to what is put out at their level.

    Source: tpu/models/official/detection/modeling/architecture/nasfpn.py:39-50, 324.
    """
    p3, p4, p5, p6, p7 = (f"p{low + k}" for k in range(NAS_FPN_LEVELS))
    found: tuple[tuple[str, int, str | None, tuple[str, str], tuple[str, ...]], ...] = (
        (f"{p4}_a", 1, "attention", (p4, p6), ()),
        (f"{p4}_b", 1, "sum", (p4, f"{p4}_a"), ()),
        (f"{p3}_out", 0, "sum", (p3, f"{p4}_b"), ()),
        (f"{p4}_out", 1, "sum", (f"{p4}_b", f"{p3}_out"), ()),
        (f"{p5}_out", 2, "attention", (f"{p3}_out", f"{p4}_out"), (p5,)),
        (f"{p7}_out", 4, "attention", (f"{p4}_b", f"{p5}_out"), (p7,)),
        (f"{p6}_out", 3, "attention", (f"{p5}_out", f"{p7}_out"), ()),
    )
    return {
        name: NeckNode.model_validate(
            {"level": low + level, "reads": reads, "merge": merge, "adds": adds}
        )
        for name, level, merge, reads, adds in found
    }


def fully_connected(low: int, high: int) -> "Nodes":
    """A node for each level that reads the inputs of all: L nodes.

    An assumption: Tan, Pang & Le 2020, table 5, name the network and not its wiring.
    """
    every = [f"p{level}" for level in range(low, high + 1)]
    return {f"p{level}_out": _node(level, *every) for level in range(high, low - 1, -1)}


def retinanet(low: int, high: int) -> "Nodes":
    """FPN of three levels, a 3×3 behind each, and levels above by strided 3×3.

    Source: Lin et al. 2017, arXiv:1708.02002, section 4; torchvision's
    feature_pyramid_network.py (`LastLevelP6P7` on P5).
    """
    top = low + RETINANET_LEAST - 1
    plain = {"kernel": 3, "bias": True, "norm": False, "activation": "none"}
    smooth = Conv.model_validate(plain)
    halve = Conv.model_validate({**plain, "stride": 2})
    found: Nodes = {}
    for level in range(top, low - 1, -1):
        above = [] if level == top else [f"p{level + 1}_td"]
        found[f"p{level}_td"] = _without_weights(level, (), f"p{level}", *above)
    for level in range(low, top + 1):
        found[f"p{level}_out"] = _without_weights(level, (smooth,), f"p{level}_td")
    for level in range(top + 1, high + 1):
        before = () if level == top + 1 else (Activate(block="activation"),)
        layers = (*before, halve)
        found[f"p{level}_out"] = _without_weights(level, layers, f"p{level - 1}_out")
    return found


def _without_weights(level: int, layers: Steps, *reads: str) -> NeckNode:
    return NeckNode(level=level, reads=reads, merge="sum", layers=layers)


WIRINGS: "Mapping[Wiring, Callable[[int, int], Nodes]]" = {
    "bifpn": bifpn,
    "fpn": fpn,
    "panet": panet,
    "simplified_panet": simplified_panet,
    "nas_fpn": nas_fpn,
    "fully_connected": fully_connected,
    "retinanet": retinanet,
}


def entered(neck: Neck) -> int:
    """The highest level whose input some node reads, or is brought to the size of."""
    level_of = inputs(neck)
    highest = neck.levels[0]
    for name, node in nodes(neck).items():
        for read in (*node.reads, *node.adds):
            source = level_of[read]
            if read == f"p{source}":
                highest = max(highest, source)
            if source > node.level:
                highest = max(highest, node.level)
        level_of[name] = node.level
    unmade = [level for level, name in outputs(neck).items() if name == f"p{level}"]
    return max([highest, *unmade])
