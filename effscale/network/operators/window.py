"""Windows that slide over feature maps: how many there are, and which cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.arrays import Int, at_least, strided, valid
from effscale.errors import LayerError

if TYPE_CHECKING:
    from effscale.network.shapes import Shape, Window
    from effscale.spec.types import Padding


def size(kernel: Window) -> str:
    """Rows × columns."""
    return f"{kernel[0]}×{kernel[1]}"


def check_window(kernel: Window, stride: Window) -> None:
    """Refuse kernels and strides below 1."""
    if min(*kernel, *stride) < 1:
        name, window = ("kernel", kernel) if min(kernel) < 1 else ("stride", stride)
        raise LayerError(f"{name}: expected at least 1, got {window}")


def windows(
    shape: Shape, reach: Window, stride: Window, padding: Padding, path: str
) -> tuple[Int, Int]:
    """Numbers of windows along height and width.

    Raises:
        LayerError: if no window lies within a feature map of this shape.
    """
    if padding == "same":
        return strided(shape.height, stride[0]), strided(shape.width, stride[1])
    sides = zip(shape[1:], reach, stride, strict=True)
    height, width = (valid(side, kernel, step) for side, kernel, step in sides)
    if not (at_least(1, height) and at_least(1, width)):
        raise LayerError(f"{path}: expected at least {size(reach)} px, got {shape}")
    return height, width
