"""Arithmetic that serves one network and many: plain numbers, or arrays of them.

One network is made of Python ints, exact and unbounded. Many candidates are int64
arrays with one entry each (or shapes that broadcast against each other). The few
operations that Python spells differently for the two are here, and a plain number
never becomes a numpy scalar on the way. `search.explain` sends fractions down the
same road. numpy itself is imported by whoever makes the arrays.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    IntArray: TypeAlias = npt.NDArray[np.int64]
    RealArray: TypeAlias = npt.NDArray[np.float64]
    #: A whole number: of one network, or one for each candidate.
    Int: TypeAlias = int | IntArray
    #: A real number: of one network, or one for each candidate.
    Real: TypeAlias = float | RealArray
else:  # read by pydantic, which checks the plain number alone
    Int, Real = int, float


def is_array(value: object) -> bool:
    """Whether `value` holds one entry for each candidate."""
    return hasattr(value, "__array_namespace__")


def floor(value: Any) -> Any:  # noqa: ANN401 - int in, int out; array in, array out
    """The whole number at or below; int64 for arrays."""
    if is_array(value):
        return (value // 1).astype("int64")
    return math.floor(value)


def ceil(value: Any, digits: int = 9) -> Any:  # noqa: ANN401
    """The whole number at or above `value`, once float noise below `digits` is gone.

    (2^½)² is 2.0000000000000004 in floating point and must not become 3.
    """
    if is_array(value):
        return -((-value.round(digits)) // 1).astype("int64")
    return math.ceil(round(value, digits))


def maximum(low: int, value: Any) -> Any:  # noqa: ANN401
    """`value`, but at least `low`."""
    return value.clip(low) if is_array(value) else max(low, value)


def where(condition: Any, then: Any, otherwise: Any) -> Any:  # noqa: ANN401
    """`then` where the condition holds, `otherwise` elsewhere."""
    if is_array(condition):
        import numpy as np

        return np.where(condition, then, otherwise)
    return then if condition else otherwise


def every(condition: Any) -> bool:  # noqa: ANN401
    """Whether the condition holds for each candidate."""
    return bool(condition.all()) if is_array(condition) else bool(condition)


def divides(parts: Any, total: Any) -> bool:  # noqa: ANN401
    """Whether `parts` divides `total` for each candidate; fractions always divide."""
    fractions = isinstance(parts, Fraction) or isinstance(total, Fraction)
    return fractions or every(total % parts == 0)


def divided(total: Any, parts: Any) -> Any:  # noqa: ANN401
    """`total` in so many equal `parts`, which must divide it."""
    return total / parts if isinstance(total, Fraction) else total // parts


def strided(side: Any, stride: int) -> Any:  # noqa: ANN401
    """Positions that a stride visits along `side`: ceil, as 'same' padding gives.

    A fraction stays a fraction: a feature map that is never rounded to whole pixels.
    """
    return side / stride if isinstance(side, Fraction) else -(-side // stride)
