"""Arguments of Python functions, held to what the options of commands take."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from effscale.errors import ScaleError, short

if TYPE_CHECKING:
    from collections.abc import Iterable


def whole(name: str, value: Any, least: int, most: int) -> int:  # noqa: ANN401 - any
    """A whole number of a range; True and False are none.

    Raises:
        ScaleError: for anything else.
    """
    is_whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not is_whole or not least <= value <= most:
        expected = f"expected a whole number from {least} to {most}"
        raise ScaleError(f"{name}: {expected}, got {short(value)}")
    return int(value)


def number(name: str, value: Any, least: float, most: float) -> float:  # noqa: ANN401
    """A number of a range, as it is; `nan`, True and False are none.

    Raises:
        ScaleError: for anything else.
    """
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not least <= value <= most:
        ends = f"from {least:g} to {most:g}" if most < math.inf else f"from {least:g}"
        raise ScaleError(f"{name}: expected a number {ends}, got {short(value)}")
    found: float = value
    return found


def pixels(resolution: Any) -> tuple[int, int]:  # noqa: ANN401
    """Height and width of an image: those two numbers, or one for a square.

    Raises:
        ScaleError: for anything else.
    """
    pair = resolution if isinstance(resolution, tuple | list) else (resolution,) * 2
    sides = [int(each) for each in pair if isinstance(each, Integral)]
    if (len(sides), len(pair)) != (2, 2) or min(sides) < 1:
        expected = "expected pixels, or height and width"
        raise ScaleError(f"resolution: {expected}, got {short(resolution)}")
    height, width = sides
    return height, width


def one_of(name: str, value: object, known: Iterable[str]) -> str:
    """One of these words.

    Raises:
        ScaleError: for anything else.
    """
    if not isinstance(value, str) or value not in known:
        expected = f"expected one of {', '.join(known)}"
        raise ScaleError(f"{name}: {expected}, got {short(value)}")
    return value
