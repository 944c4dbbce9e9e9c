"""Strides of lines, and the sides of an image that strides and kernels ask for."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from effscale.arrays import every, is_array
from effscale.spec.expansion import chains
from effscale.spec.types import MAX_RESOLUTION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.spec.models import Spec
    from effscale.spec.steps import Line

#: What is too large to multiply or to print, whatever else it is.
MOST = 10 * MAX_RESOLUTION


def lines_of(spec: Spec) -> tuple[Line, ...]:
    """Every line, in order, that a feature map goes through; of a neck none."""
    return (*spec.stem, *spec.stages, *chain(*spec.head_lines.values()))


def least_sides(spec: Spec) -> tuple[int, int]:
    """Height and width that an image needs, so that each stride divides what it meets.

    The product of all strides where nothing is padded less than `same`.
    """
    return _least(spec, 0), _least(spec, 1)


def _least(spec: Spec, axis: int) -> int:
    heads = spec.head_lines.values()
    need = max((_needed(spec, each, axis, 1) for each in heads), default=1)
    return _needed(spec, (*spec.stem, *spec.stages), axis, need)


def _needed(spec: Spec, lines: Sequence[Line], axis: int, need: int) -> int:
    """The side that `lines` need to put out one of `need`."""
    for line in reversed(lines):
        if inner := chains(line, spec.blocks):
            need = max(_needed(spec, each, axis, need) for each in inner)
        else:
            kernel, stride, padding = line.window
            more = kernel[axis] if padding == "valid" else stride[axis]
            need = min((need - 1) * stride[axis] + more, MOST)
    return need


def strides(spec: Spec, lines: Sequence[Line]) -> tuple[int, int]:
    """Rows and columns of what goes in to one of what comes out; branches agree."""
    rows = columns = 1
    for line in lines:
        inner = chains(line, spec.blocks)
        down, across = strides(spec, inner[0]) if inner else line.window[1]
        rows, columns = rows * down, columns * across
    return rows, columns


def pads_all(spec: Spec) -> bool:
    """Whether every line pads as `same`, so that sides are only ever rounded up."""
    return least_sides(spec) == strides(spec, lines_of(spec))


def too_small(
    spec: Spec,
    resolution: tuple[Any, Any],
    least_of: tuple[int, int] | None = None,
) -> list[tuple[int, str, int]]:
    """The sides that the network cannot take, what is wrong, and the least it takes.

    `least_of` are the network's least sides, where they are known already.
    """
    found: list[tuple[int, str, int]] = []
    least_of = least_of or least_sides(spec)
    for axis, (side, least) in enumerate(zip(resolution, least_of, strict=True)):
        if not every(side >= least):
            got = side.min() if is_array(side) else side
            total = strides(spec, lines_of(spec))[axis]
            why = "total stride" if least == min(total, MOST) else "kernels and strides"
            message = f"expected at least {least} (the network's {why}), got {got}"
            found.append((axis, message, least))
    return found
