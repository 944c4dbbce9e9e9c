"""A detector's parts behind its backbone: neck, class head, box head."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.errors import LayerError
from effscale.network.heads import BOX, box_head, class_head
from effscale.network.layers import Graph, Part, Sequential
from effscale.network.names import head_words, neck_words
from effscale.network.necks import neck

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.network.cells import Ends
    from effscale.network.style import Style
    from effscale.spec.neck import Heads, Neck


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
