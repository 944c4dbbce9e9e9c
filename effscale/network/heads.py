"""Detection heads: one set of weights for all levels, batch norms of each level's own.

automl/efficientdet/efficientdet_arch.py:136-249: repeated convolutions, and a last one
that predicts for every anchor of every position.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from effscale.errors import LayerError
from effscale.network.layers import Across, Graph, Layer, Node, Part, Repeat, Sequential
from effscale.network.leaves import Conv, Norm
from effscale.network.names import head_words, neck_words
from effscale.network.necks import neck
from effscale.network.steps import chain
from effscale.spec import steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.arrays import Int
    from effscale.network.cells import Ends
    from effscale.network.style import Style
    from effscale.spec.neck import Heads, Neck


#: A box is four numbers.
BOX = 4


def class_head(
    given: Heads, channels: Int, levels: Sequence[int], style: Style
) -> Sequential:
    """Logits of each class for each anchor, which begin at the prior."""
    wanted = given.anchors.each * given.classes
    bias = -math.log((1 - given.prior) / given.prior) if given.prior < 1 else 0.0
    return _head(given, wanted, bias, channels, levels, style)


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
    levels = tuple(levels)
    block, _ = chain(given.layers, channels, style)
    lines = _predicting(given.layers, wanted)
    predict, _ = chain(lines, channels, style)
    blocks: list[tuple[str, Layer]] = [
        ("0", Repeat(_across(block, levels), given.repeats)),
        ("predict", _across(_biased(predict, bias), levels)),
    ]
    return Sequential(tuple(blocks))


def _predicting(lines: Sequence[steps.Line], wanted: int) -> tuple[steps.Line, ...]:
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


def _across(layer: Layer, levels: tuple[int, ...]) -> Layer:
    """`layer` on a map of each level, with the same weights but norms of their own."""
    match layer:
        case Sequential(layers):
            each = ((name, _across(inner, levels)) for name, inner in layers)
            return Sequential(tuple(each))
        case Norm():
            nodes = (
                Node(f"p{level}", (k,), layer, level=level)
                for k, level in enumerate(levels)
            )
            count = len(levels)
            return Graph(count, tuple(nodes), tuple(range(count, 2 * count)))
        case _:
            return Across(layer, levels)


# --------------------------------------------------------------------------------------
# A detector's parts behind its backbone: neck, class head, box head.


def detecting(
    given: Neck, heads: Heads, taps: Sequence[tuple[int, Ends]], style: Style
) -> tuple[Part, ...]:
    """Neck, class head and box head on the parts that are tapped.

    `taps` are the numbers of these parts, lowest level first, and what they put out.
    """
    low, high = given.levels
    if not taps:
        raise LayerError(
            f"neck: expected a stage of stride {2**low} (P{low}), got none"
        )
    try:
        layer = neck(given, [ends.newest for _, ends in taps], style)
    except LayerError as error:
        raise LayerError(f"neck: {error}") from None
    if len(taps) == 1 and taps[0][1].older is not None:  # a cell hands on two
        layer = Sequential((("newest", Graph(2, (), (0,))), *layer.layers))
    levels, square = range(low, high + 1), (1, 1)
    reads = tuple(number for number, _ in taps)
    words, anchors = neck_words(given), heads.anchors.each
    last = reads[-1] + 1
    return (
        Part(
            *("neck", "neck", words, None, square),
            *(given.channels, given.repeats, layer, reads),
        ),
        *(
            Part(
                *(name, name.replace(" ", "_"), head_words(heads), None, square),
                *(anchors * each, heads.repeats),
                make(heads, given.channels, levels, style),
                (last,),
            )
            for name, each, make in (
                ("class head", heads.classes, class_head),
                ("box head", BOX, box_head),
            )
        ),
    )
