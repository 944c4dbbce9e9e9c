"""What strides and kernels ask of a feature map, and of the image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from effscale.arrays import every, is_array
from effscale.spec.steps import Branches, Pool, Residual, Use
from effscale.spec.types import MAX_RESOLUTION
from effscale.spec.used import expanded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.spec.models import Spec
    from effscale.spec.steps import Line


def lines_of(spec: Spec) -> tuple[Line, ...]:
    """Every line, in order, that a feature map goes through; of a neck none."""
    head = () if spec.head is None else spec.head.layers
    return (*spec.stem, *spec.stages, *head)


def least_sides(spec: Spec) -> tuple[int, int]:
    """Height and width that an image needs, so that each stride divides what it meets.

    The product of all strides where nothing is padded less than `same`.
    """
    lines = lines_of(spec)
    return _needed(spec, lines, 0, 1), _needed(spec, lines, 1, 1)


def _needed(spec: Spec, lines: Sequence[Line], axis: int, need: int) -> int:
    """The side that `lines` need to put out one of `need`."""
    for line in reversed(lines):
        match line:
            case Branches():
                need = max(_needed(spec, each, axis, need) for each in line.branches)
            case Residual():
                both = (line.layers, line.shortcut)
                need = max(_needed(spec, each, axis, need) for each in both)
            case Use():
                need = _needed(spec, expanded(line, spec.blocks), axis, need)
            case _:
                kernel, stride, padding = line.window
                valid = padding == "valid"
                more = kernel[axis] if valid else stride[axis]
                need = _capped((need - 1) * stride[axis] + more)
    return need


def strides(spec: Spec, lines: Sequence[Line]) -> tuple[int, int]:
    """Rows and columns of what goes in to one of what comes out; branches agree."""
    return _stride(spec, lines, 0), _stride(spec, lines, 1)


def pads_all(spec: Spec) -> bool:
    """Whether every line pads as `same`, so that sides are only ever rounded up."""
    return least_sides(spec) == strides(spec, lines_of(spec))


def _stride(spec: Spec, lines: Sequence[Line], axis: int) -> int:
    total = 1
    for line in lines:
        match line:
            case Branches():
                total *= _stride(spec, line.branches[0], axis)
            case Residual():
                total *= _stride(spec, line.layers, axis)
            case Use():
                total *= _stride(spec, expanded(line, spec.blocks), axis)
            case _:
                total *= line.window[1][axis]
    return total


def off_centre(line: Line) -> bool:
    """Whether no padding of a position more or less would centre the kernel.

    Windows that do not overlap need none but at the end.
    """
    kernel, stride, padding = line.window
    even = any(side % 2 == 0 for side in kernel)
    return (
        padding == "same" and even and not (isinstance(line, Pool) and kernel == stride)
    )


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
            even = least == _capped(_stride(spec, lines_of(spec), axis))
            why = "total stride" if even else "kernels and strides"
            message = f"expected at least {least} (the network's {why}), got {got}"
            found.append((axis, message, least))
    return found


def _capped(side: int) -> int:
    """`side`, but not so large that it takes long to multiply or to print."""
    return min(side, 10 * MAX_RESOLUTION)
