"""Heads: what classifies an image, and what finds boxes on maps of several levels.

A detector's heads have one set of weights for all levels, and batch norms of each
level's own: repeated convolutions, and a last one that predicts for every anchor of
every position (automl/efficientdet/efficientdet_arch.py:136-249).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from effscale.network.combinators import (
    IDENTITY,
    Across,
    Graph,
    Layer,
    Node,
    Repeat,
    Sequential,
)
from effscale.network.names import head_operator, head_words
from effscale.network.operators.convolution import Conv, Linear
from effscale.network.operators.elementwise import Dropout, Flatten, Multiply
from effscale.network.operators.operator import Operator
from effscale.network.operators.pooling import GlobalPool
from effscale.network.parts import Part
from effscale.network.steps import chain
from effscale.spec import steps
from effscale.spec.neck import BOX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.arrays import Int
    from effscale.network.blocks import Style
    from effscale.spec.line import Line
    from effscale.spec.neck import Heads, Neck
    from effscale.spec.outputs import Head


def classifier_part(head: Head, c_in: Int, style: Style) -> Part:
    """What classifies a feature map of so many channels."""
    layer, c_out = classifier(head, c_in, style)
    words, square = head_operator(head), (1, 1)
    return Part("head", "head", words, square, square, c_out, 1, layer)


def classifier(head: Head, c_in: Int, style: Style) -> tuple[Sequential, Int]:
    """Steps, 1×1 convolution, pooling, hidden layer, dropout, linear.

    Returns the layer, and the channels that are pooled.
    """
    layers: dict[str, Layer] = {}
    if head.layers:
        layers["layers"], c_in = chain(head.layers, c_in, style)
    if head.channels is not None:
        layers["conv"] = style.conv(Conv(c_in, head.channels))
        layers["norm"] = style.norm(head.channels)
        layers["act"] = style.act()
        c_in = head.channels
    c_pooled = c_in
    if head.classifier == "conv":
        layers["dropout"] = Dropout(head.dropout)
        layers["classifier"] = Conv(c_in, head.classes, bias=head.bias)
        layers["classifier_act"] = style.act()
    layers["pool"] = GlobalPool()
    layers["flatten"] = Flatten()
    if head.hidden is not None:
        layers["hidden"] = Linear(c_in, head.hidden)
        layers["hidden_act"] = style.act()
        c_in = head.hidden
    if head.classifier is True:
        layers["dropout"] = Dropout(head.dropout)
        linear = Linear(c_in, head.classes, head.bias)
        layers["classifier"] = _mean_of(linear, head.classifiers)
    return Sequential(tuple(layers.items())), c_pooled


def _mean_of(linear: Linear, several: int) -> Layer:
    """The mean of what so many layers make."""
    if several == 1:
        return linear
    nodes = [Node(str(index), (0,), linear) for index in range(several)]
    nodes.append(Node("sum", tuple(range(1, several + 1)), IDENTITY))
    total = Graph(1, tuple(nodes), (several + 1,))
    return Sequential((("all", total), ("mean", Multiply(1 / several))))


def class_head(
    given: Heads, channels: Int, levels: Sequence[int], style: Style
) -> Sequential:
    """Logits of each class for each anchor, which begin at the prior."""
    wanted = given.anchors.each * given.classes
    return _head(given, wanted, prior_bias(given.prior), channels, levels, style)


def prior_bias(prior: float) -> float:
    """The bias of which a sigmoid makes this share of positives."""
    return -math.log((1 - prior) / prior) if prior < 1 else 0.0


def box_head(
    given: Heads, channels: Int, levels: Sequence[int], style: Style
) -> Sequential:
    """Four numbers for each anchor."""
    return _head(given, given.anchors.each * BOX, 0.0, channels, levels, style)


def _head(  # noqa: PLR0913, PLR0917 - what a head is
    given: Heads,
    wanted: int,
    bias: float,
    channels: Int,
    levels: Sequence[int],
    style: Style,
) -> Sequential:
    levels, (init, predict_init) = tuple(levels), given.drawn
    block, _ = chain(given.layers, channels, replace(style, init=init))
    lines = _predicting(given.layers, wanted)
    predict, _ = chain(lines, channels, replace(style, init=predict_init))
    blocks: list[tuple[str, Layer]] = [
        ("0", Repeat(across(block, levels), given.repeats)),
        ("predict", across(_biased(predict, bias), levels)),
    ]
    return Sequential(tuple(blocks))


def _predicting(lines: Sequence[Line], wanted: int) -> tuple[Line, ...]:
    """The convolutions alone, without norms; the last with `wanted` channels."""
    bare = {"norm": False, "activation": "none"}
    found = [
        line.model_copy(update=bare)
        for line in lines
        if isinstance(line, steps.Conv | steps.Depthwise)
    ]
    last = {"channels": wanted, "ratio": 1.0, "groups": 1, "bias": True}
    found[-1] = found[-1].model_copy(update=last)
    return tuple(found)


def _biased(layer: Sequential, bias: float) -> Sequential:
    """`layer`, whose last convolution begins with this bias."""
    *before, (name, last) = layer.layers
    match last:
        case Conv():
            last = replace(last, bias_init=bias)
        case Sequential():
            last = _biased(last, bias)
        case _:
            pass
    return Sequential((*before, (name, last)))


def across(layer: Layer, levels: tuple[int, ...]) -> Layer:
    """`layer` on a map of each level, with the same weights but norms of their own."""
    match layer:
        case Sequential(layers):
            each = ((name, across(inner, levels)) for name, inner in layers)
            return Sequential(tuple(each))
        case Operator(by_level=True):
            nodes = (
                Node(f"p{level}", (k,), layer, level=level)
                for k, level in enumerate(levels)
            )
            count = len(levels)
            return Graph(count, tuple(nodes), tuple(range(count, 2 * count)))
        case _:
            return Across(layer, levels)


def detection_parts(
    heads: Heads, neck: Neck, reads: tuple[int, ...], style: Style
) -> list[Part]:
    """A class and a box head on the maps of a neck, by level."""
    low, high = neck.levels
    levels, anchors = range(low, high + 1), heads.anchors.each
    return [
        Part(
            name=name,
            path=name.replace(" ", "_"),
            operator=head_words(heads),
            kernel=None,
            stride=(1, 1),
            channels=anchors * each,
            repeats=heads.repeats,
            layer=make(heads, neck.channels, levels, style),
            reads=reads,
        )
        for name, each, make in (
            ("class head", heads.classes, class_head),
            ("box head", BOX, box_head),
        )
    ]
