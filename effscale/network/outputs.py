"""Outputs by kind as parts of a network, behind the lines that they read."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from effscale.network.blocks import conv_norm_act
from effscale.network.combinators import (
    IDENTITY,
    Graph,
    Layer,
    Node,
    Repeat,
    Sequential,
    seq,
)
from effscale.network.heads import across, classifier, prior_bias
from effscale.network.names import output_words
from effscale.network.operators.convolution import Conv, TransposedConv
from effscale.network.operators.elementwise import Act, Bins, Dropout
from effscale.network.operators.fusion import Resize
from effscale.network.parts import IMAGE, Group, Part
from effscale.network.steps import chain
from effscale.spec import outputs
from effscale.spec.neck import BOX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.arrays import Int
    from effscale.network.blocks import Style
    from effscale.spec.geometry import Strides
    from effscale.spec.outputs import AnyOutput

THREE = (3, 3)


class Level(NamedTuple):
    """A map that an output reads: its part's number, channels, pixels to a position."""

    number: int
    channels: Int
    stride: Strides

    @property
    def level(self) -> int | None:
        """l of a map of 1/2^l of the image; of no other."""
        rows, columns = self.stride
        whole = rows == columns and isinstance(rows, int) and rows & (rows - 1) == 0
        return int(rows).bit_length() - 1 if whole else None


def output_part(
    name: str, given: AnyOutput, read: Sequence[Level], style: Style
) -> Part:
    """The part that makes the output of that name of the maps it reads."""
    reads = tuple(each.number for each in read)
    groups: tuple[Group, ...] = ()
    match given:
        case outputs.Classify():
            layer, c_out = classifier(given, read[0].channels, style)
        case outputs.Segment():
            layer, c_out = _segment(given, read, style), given.classes
            reads += () if _is_full(read[0]) else (IMAGE,)
        case outputs.Detect():
            layer = _detect(given, read, replace(style, init="normal"))
            beside = (given.beside,) if given.beside else ()
            c_out = given.anchors * (given.classes + BOX + len(beside))
            named = ("classes", "boxes", *beside)
            groups = tuple(Group(each, len(read)) for each in named)
        case outputs.Yolo():
            layer, groups = _yolo(given, read, style)
            c_out = given.classes + BOX * given.bins + sum(given.beside.values())
        case outputs.YoloAnchors():
            c_out = given.anchors * (given.classes + BOX + 1)
            layer = _by_anchors(read, c_out)
        case outputs.Keypoints():
            layer, c_out = _keypoints(given, read[0].channels), given.classes
            groups = tuple(map(Group, ("heatmap", "sizes", "offsets")))
    return Part(
        name=name,
        path=f"outputs.{name}",
        operator=output_words(given),
        kernel=None,
        stride=(1, 1),
        channels=c_out,
        repeats=1,
        layer=layer,
        reads=reads,
        groups=groups,
    )


def _is_full(read: Level) -> bool:
    """Whether a map is as large as the image."""
    return read.stride == (1, 1)


def _segment(given: outputs.Segment, read: Sequence[Level], style: Style) -> Sequential:
    several = len(read)
    if several == 1 and _is_full(read[0]):
        return _logits(given, read[0], style)
    names = ["logits", *(f"logits{k}" for k in range(1, several))]
    image = 0 if _is_full(read[0]) else 1
    nodes = [
        Node(name, (k,), _logits(given, each, style))
        for k, (name, each) in enumerate(zip(names, read, strict=True))
    ]
    if several > 1:
        made = range(several + image, 2 * several + image)
        nodes.append(Node("sum", tuple(made), IDENTITY))
    if image:
        last = several + len(nodes)
        nodes.append(Node("resize", (last, several), Resize(given.mode), "apart"))
    inputs = several + image
    return seq(pixels=Graph(inputs, tuple(nodes), (inputs + len(nodes) - 1,)))


def _logits(given: outputs.Segment, read: Level, style: Style) -> Sequential:
    body, c_in = chain(given.layers, read.channels, style)
    layers: dict[str, Layer] = {"layers": body} if given.layers else {}
    layers["dropout"] = Dropout(given.dropout)
    layers["classifier"] = Conv(c_in, given.classes, bias=True)
    return seq(**layers)


def _detect(given: outputs.Detect, read: Sequence[Level], style: Style) -> Sequential:
    """Class and box heads, and what the layers of boxes tell beside them."""
    bias, several = prior_bias(given.prior), len(read)
    classes = given.anchors * given.classes
    heads = _LevelHeads(given, read, style)
    heads.add("class_head", 0, classes, bias)
    boxes = 0
    if given.beside and given.layers:
        boxes = heads.add("box_layers", 0)
    heads.add("box_head", boxes, given.anchors * BOX, layered=not boxes)
    if given.beside:
        there = bias if given.objectness else 0.0
        heads.add(given.beside, boxes, given.anchors, there, layered=False)
    made = [first + k for first in heads.predicting for k in range(several)]
    return seq(levels=Graph(several, tuple(heads.nodes), tuple(made)))


class _LevelHeads:
    """Heads on maps of several levels, as a graph that is put together head by head."""

    def __init__(
        self, given: outputs.Detect, read: Sequence[Level], style: Style
    ) -> None:
        self.given, self.read, self.style = given, read, style
        self.nodes = list[Node]()
        #: Numbers of the first map of each head that predicts.
        self.predicting = list[int]()
        self.known = len(read)

    def add(
        self,
        name: str,
        first: int,
        wanted: int = 0,
        bias: float = 0.0,
        *,
        layered: bool = True,
    ) -> int:
        """A head on the maps from number `first` on; the number of what it makes.

        Its layers, if it has some, then what predicts so many `wanted`, if any.
        """
        several, at = len(self.read), self.known
        predict = (wanted, bias) if wanted else None
        if self.given.shared and several > 1:
            levels = tuple(each.level or k for k, each in enumerate(self.read))
            layer = self._head(self.read[0], predict, levels, layered=layered)
            reads = tuple(range(first, first + several))
            self.nodes.append(Node(name, reads, layer, "apart", gives=several))
        else:
            for k, each in enumerate(self.read):
                layer = self._head(each, predict, (), layered=layered)
                self.nodes.append(
                    Node(f"{name}{k}", (first + k,), layer, level=each.level)
                )
        self.known += several
        self.predicting += [at] if wanted else []
        return at

    def _head(
        self,
        read: Level,
        predict: tuple[int, float] | None,
        levels: tuple[int, ...],
        *,
        layered: bool,
    ) -> Sequential:
        """A head of one level, or of all `levels` if there are some."""
        given, found = self.given, dict[str, Layer]()
        if given.layers and layered:
            block, _ = chain(given.layers, read.channels, self.style)
            shared = across(block, levels) if levels else block
            found["0"] = Repeat(shared, given.repeats)
        if predict is not None:
            wanted, bias = predict
            conv = Conv(
                read.channels,
                wanted,
                (given.kernel, given.kernel),
                bias=True,
                bias_init=bias,
                init=self.style.init,
            )
            found["predict"] = across(conv, levels) if levels else conv
        return seq(**found)


def _yolo(
    given: outputs.Yolo, read: Sequence[Level], style: Style
) -> tuple[Sequential, tuple[Group, ...]]:
    """Branches by level, and prototypes of the finest; widths follow from the finest.

    Source: ultralytics 8.4.190, `Detect`, `Segment`, `Pose` and `OBB` of
    nn/modules/head.py.
    """
    c_first, count = read[0].channels, len(read)
    nodes, groups = list[Node](), list[Group]()
    for one in (False, True) if given.one_to_one else (False,):
        for name, called in YOLO_BRANCHES.items():
            if name not in {"classes", "boxes", *given.beside}:
                continue
            groups.append(Group(name, count, one))
            for k, each in enumerate(read):
                layer = _branch(name, given, each, c_first, style)
                known = f"one_{called}{k}" if one else f"{called}{k}"
                nodes.append(Node(known, (k,), layer, level=each.level))
    if given.masks is not None and given.channels is not None:
        groups.append(Group("prototypes"))
        layer = _prototypes(c_first, given.channels, given.masks, style)
        nodes.append(Node("prototypes", (0,), layer, level=read[0].level))
    ends = tuple(range(count, count + len(nodes)))
    return seq(levels=Graph(count, tuple(nodes), ends)), tuple(groups)


#: What the branch of each group is called, in their order.
YOLO_BRANCHES = {
    "classes": "class",
    "boxes": "box",
    "coefficients": "coefficient",
    "keypoints": "keypoint",
    "angles": "angle",
}


def _branch(
    name: str, given: outputs.Yolo, read: Level, c_first: Int, style: Style
) -> Sequential:
    """What tells the numbers of that name at the positions of a level."""
    c_box, c_class = given.widths(c_first)
    if name == "classes":
        return _class_branch(given, read, c_class, style)
    if name == "boxes":
        return _box_branch(given, read.channels, c_box, style)
    wanted = given.beside[name]
    c_mid = given.inside(wanted, c_first)
    return seq(
        **_two_convs(read.channels, c_mid, style),
        predict=Conv(c_mid, wanted, bias=True),
    )


def _two_convs(c_in: Int, c_mid: Int, style: Style) -> dict[str, Layer]:
    return {
        "conv1": conv_norm_act(Conv(c_in, c_mid, THREE), style),
        "conv2": conv_norm_act(Conv(c_mid, c_mid, THREE), style),
    }


def _box_branch(given: outputs.Yolo, c_in: Int, c_mid: Int, style: Style) -> Sequential:
    """Logits of the bins of each side; each begins at 1."""
    wanted = BOX * given.bins
    return seq(
        **_two_convs(c_in, c_mid, style),
        predict=Conv(c_mid, wanted, bias=True, bias_init=1.0),
        **({"bins": Bins(given.bins)} if given.bins > 1 else {}),
    )


def _prototypes(c_in: Int, c_mid: Int, count: int, style: Style) -> Sequential:
    """Maps of twice the finest side, of which masks are made."""
    return seq(
        conv1=conv_norm_act(Conv(c_in, c_mid, THREE), style),
        larger=TransposedConv(c_mid, c_mid, (2, 2), (2, 2), bias=True),
        conv2=conv_norm_act(Conv(c_mid, c_mid, THREE), style),
        predict=conv_norm_act(Conv(c_mid, count), style),
    )


#: Objects that a class head begins with: 5 in an image of 640 pixels.
_OBJECTS, _SIDE = 5, 640


def _class_branch(
    given: outputs.Yolo, read: Level, c_mid: Int, style: Style
) -> Sequential:
    c_in = read.channels
    stride = float(max(read.stride))
    prior = _OBJECTS / given.classes / (_SIDE / stride) ** 2
    predict = Conv(c_mid, given.classes, bias=True, bias_init=math.log(prior))
    if not given.separable:
        return seq(**_two_convs(c_in, c_mid, style), predict=predict)
    return seq(
        depthwise1=conv_norm_act(Conv(c_in, c_in, THREE, groups=c_in), style),
        conv1=conv_norm_act(Conv(c_in, c_mid), style),
        depthwise2=conv_norm_act(Conv(c_mid, c_mid, THREE, groups=c_mid), style),
        conv2=conv_norm_act(Conv(c_mid, c_mid), style),
        predict=predict,
    )


def _by_anchors(read: Sequence[Level], wanted: int) -> Sequential:
    nodes = tuple(
        Node(
            f"level{k}", (k,), Conv(each.channels, wanted, bias=True), level=each.level
        )
        for k, each in enumerate(read)
    )
    count = len(read)
    return seq(levels=Graph(count, nodes, tuple(range(count, 2 * count))))


#: The heatmap's bias: a share of positives of a tenth (section 3 of the paper).
_PEAK = -2.19


def _keypoints(given: outputs.Keypoints, c_in: Int) -> Sequential:
    def branch(wanted: int, bias: float = 0.0) -> Layer:
        return seq(
            conv=Conv(c_in, given.channels, THREE, bias=True),
            act=Act("relu"),
            predict=Conv(given.channels, wanted, bias=True, bias_init=bias),
        )

    nodes = (
        Node("heatmap", (0,), branch(given.classes, _PEAK)),
        Node("sizes", (0,), branch(2)),
        Node("offsets", (0,), branch(2)),
    )
    return seq(branches=Graph(1, nodes, (1, 2, 3)))
