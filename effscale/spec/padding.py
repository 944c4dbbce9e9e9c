"""The padding around a feature map, and how many windows it leaves room for.

A padding is a word of its own, or pixels on both sides: of rows, of columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.arrays import Int, strided, valid

if TYPE_CHECKING:
    from effscale.spec.values import Padding, Window


def around(padding: Padding, axis: int) -> str | int:
    """The word, or the pixels on both ends of an axis."""
    return padding if isinstance(padding, str) else padding[axis]


def pixels(padding: Padding, reach: Window) -> Window:
    """What torch is to put on both sides, where as much is on either."""
    if padding == "same":
        return reach[0] // 2, reach[1] // 2
    return (0, 0) if isinstance(padding, str) else padding


def positions(side: Int, reach: int, stride: int, padding: str | int) -> Int:
    """Windows along a side; fewer than one where none fits."""
    found: Int
    match padding:
        case "same" | "tensorflow":
            found = strided(side, stride)
        case "ceil":  # as many as begin within
            found = strided(side - reach, stride) + 1
        case int():
            found = valid(side + 2 * padding, reach, stride)
        case _:
            found = valid(side, reach, stride)
    return found


def least(several: int, reach: int, stride: int, padding: str | int) -> int:
    """The least side along which so many windows are."""
    match padding:
        case "same" | "tensorflow":
            return several * stride
        case "ceil":
            return max(1, (several - 2) * stride + reach + 1)
        case int():
            return max(1, (several - 1) * stride + reach - 2 * padding)
        case _:
            return (several - 1) * stride + reach
