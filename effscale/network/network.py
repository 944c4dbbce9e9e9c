"""A spec as a network: stem, stages, and a head, or a neck and the heads behind it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from effscale.errors import LayerError
from effscale.network.cells import Ends
from effscale.network.combinators import Graph, Node, Sequential
from effscale.network.heads import classifier_part, detection_parts
from effscale.network.names import operators
from effscale.network.necks import neck_part
from effscale.network.parts import Network, Part
from effscale.network.shapes import Shape
from effscale.network.stages import stage
from effscale.network.steps import chain
from effscale.network.style import Style
from effscale.spec.geometry import strides, tapped
from effscale.spec.lines import CellStage, cells_follow
from effscale.spec.models import Head
from effscale.spec.neck import Heads, Neck

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.arrays import Int
    from effscale.spec.models import Spec
    from effscale.spec.steps import Line


def network(spec: Spec) -> Network:
    """The network that `spec` states, for its own resolution.

    Built module paths follow the parts: `stem.conv`, `stages.2.0.expand.conv` (third
    stage, first block), `head.classifier`; of a detector, which has no stages beyond
    those that are tapped, `neck.0.p6_td`, `class_head.0`, `box_head.predict`.
    """
    style, taps = Style.of(spec), tapped(spec)
    layer, c_out = chain(spec.stem, spec.image_channels, style)
    parts = [_part(spec, "stem", "stem", spec.stem, layer, c_out)]
    ends, found = Ends(c_out), dict[int, Ends]()
    stages = spec.stages[: taps[-1] + 1] if taps else spec.stages
    for index, line in enumerate(stages):
        before = ends if isinstance(line, CellStage) else Ends(ends.newest)
        try:
            layer, after = stage(line, before, spec, style)
        except LayerError as error:
            raise LayerError(f"stages[{index}]: {error}") from None
        if after.older is None and cells_follow(spec.stages, index):
            halves = strides(spec, (line,)) != (1, 1)
            after = Ends(after.newest, ends.newest, int(halves))
            layer = _with_input(layer)
        layer = _newest(ends, before, layer)
        name, path = f"stage {index + 1}", f"stages.{index}"
        parts.append(_part(spec, name, path, (line,), layer, after.newest))
        ends = found[index] = after
    parts += _behind(spec, ends, [(index + 1, found[index]) for index in taps], style)
    image = Shape(spec.image_channels, *spec.resolution)
    return Network(spec.name, image, tuple(parts), spec.stochastic_depth)


def _behind(
    spec: Spec, ends: Ends, taps: Sequence[tuple[int, Ends]], style: Style
) -> list[Part]:
    """What reads the stages: a head the last, a neck those that are tapped.

    `taps` are the numbers of these parts, lowest level first, and what they put out.
    """
    match spec.head, spec.neck, spec.heads:
        case Head() as head, _, _:
            part = classifier_part(head, ends.newest, style)
            newest = _newest(ends, Ends(ends.newest), part.layer)
            return [replace(part, layer=newest)]
        case _, Neck() as neck, Heads() as heads:
            part = neck_part(neck, taps, style)
            return [part, *detection_parts(heads, neck, (taps[-1][0] + 1,), style)]
        case _:
            raise LayerError("head: expected a head, or a neck with heads, got none")


def _part(  # noqa: PLR0913, PLR0917 - a part has as many fields
    spec: Spec,
    name: str,
    path: str,
    lines: tuple[Line, ...],
    layer: Sequential,
    c_out: Int,
) -> Part:
    """A row of a report; its kernel is that of its first line, if that has one."""
    first = lines[0]
    return Part(
        name=name,
        path=path,
        operator=operators(lines),
        kernel=first.sides,
        stride=strides(spec, lines),
        channels=c_out,
        repeats=1 if first.times is None else first.times,
        layer=layer,
    )


def _with_input(layer: Sequential) -> Sequential:
    """`layer`, which hands on what it took in as well: a cell reads both."""
    both = Graph(1, (Node("blocks", (0,), layer),), (1, 0))
    return Sequential((("both", both),))


def _newest(before: Ends, wanted: Ends, layer: Sequential) -> Sequential:
    """`layer` on the newest output alone, where cells have handed on two."""
    if before.older is None or wanted.older is not None:
        return layer
    newest = Graph(2, (), (0,))
    return Sequential((("newest", newest), *layer.layers))
