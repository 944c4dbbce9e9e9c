"""Levels of a detector's feature maps, and which stages of the backbone they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.spec.sizes import strides
from effscale.spec.wirings import nodes, outputs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.arrays import Int
    from effscale.spec.models import Spec
    from effscale.spec.neck import Neck
    from effscale.spec.steps import Line


def tapped(spec: Spec) -> list[int]:
    """Indices of the stages that are a detector's lowest levels, lowest first.

    Of each level it is the last stage at its stride, up to the first that has none;
    unless the neck names its own.
    """
    neck = spec.neck
    if neck is None:
        return []
    if neck.taps is not None:
        return [number - 1 for number in neck.taps]
    low, high = neck.levels
    last = {stride: index for index, stride in enumerate(totals(spec))}
    found = [last.get((2**level, 2**level)) for level in range(low, high + 1)]
    ends = found.index(None) if None in found else len(found)
    return [index for index in found[:ends] if index is not None]


def as_wide(lines: Sequence[Line], channels: Int) -> tuple[Line, ...]:
    """`lines`, whose last convolution puts out so many channels."""
    found = list(lines)
    last = max(k for k, line in enumerate(found) if line.block == "conv")
    found[last] = found[last].model_copy(update={"channels": channels, "ratio": 1.0})
    return tuple(found)


def totals(spec: Spec) -> list[tuple[int, int]]:
    """Pixels of the image to one of each stage's output: rows and columns."""
    rows, columns = strides(spec, spec.stem)
    found: list[tuple[int, int]] = []
    for line in spec.stages:
        down, across = strides(spec, (line,))
        rows, columns = rows * down, columns * across
        found.append((rows, columns))
    return found


def entered(neck: Neck) -> int:
    """The highest level whose input some node reads, or is brought to the size of."""
    low, _ = neck.levels
    level_of = {f"p{level}": level for level in range(low, neck.levels[1] + 1)}
    highest = low
    for name, node in nodes(neck).items():
        for read in (*node.reads, *node.adds):
            source = level_of[read]
            own = read == f"p{source}"
            highest = max(highest, source if own else low)
            highest = max(highest, node.level if source > node.level else low)
        level_of[name] = node.level
    unmade = [level for level, name in outputs(neck).items() if name == f"p{level}"]
    return max([highest, *unmade])
