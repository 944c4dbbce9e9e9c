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


#: CPython has one object for each, so that `is` tells them from arrays at no cost.
ZERO, ONE = 0, 1

#: A number this little above a whole one is that one: ceil(round(x, 9)), said alike
#: for numbers and arrays, which round differently.
NOISE = 5e-10


def is_array(value: object) -> bool:
    """Whether `value` holds one entry for each candidate."""
    return hasattr(value, "__array_namespace__")


def floor(value: Any) -> Any:  # noqa: ANN401 - int in, int out; array in, array out
    """The whole number at or below a number that is not negative; int64 for arrays."""
    return value.astype("int64") if is_array(value) else math.floor(value)


def ceil(value: Any) -> Any:  # noqa: ANN401
    """The whole number at or above `value`, float noise up to half of 1e-9 aside.

    (2^½)² is 2.0000000000000004 in floating point and must not become 3.
    """
    less = value - NOISE
    if is_array(value):
        import numpy as np

        return np.ceil(less).astype("int64")
    return math.ceil(less)


def nearest(value: Any, *, ties: str = "up") -> Any:  # noqa: ANN401
    """The nearest whole number; halves go up, or to the even neighbour."""
    if ties == "up":
        return floor(value + 0.5)
    return value.round().astype("int64") if is_array(value) else round(value)


def multiple(
    exact: Any,  # noqa: ANN401
    divisor: int,
    *,
    max_loss: float = 0.1,
    ties: str = "up",
) -> Any:  # noqa: ANN401
    """The nearest multiple of `divisor`, at least one; never `max_loss` of it below.

    A fraction stays one.

    Source: `round_filters`, tpu/models/official/efficientnet/efficientnet_model.py:106.
    """
    if isinstance(exact, Fraction):
        return exact
    near = maximum(divisor, nearest(exact / divisor, ties=ties) * divisor)
    return where(near < (1 - max_loss) * exact, near + divisor, near)


def lcm(value: Any, of: int) -> Any:  # noqa: ANN401
    """The least common multiple."""
    if is_array(value):
        import numpy as np

        return np.lcm(value, of)
    return math.lcm(value, of)


def maximum(low: Any, value: Any) -> Any:  # noqa: ANN401
    """`value`, but at least `low`."""
    return value.clip(low) if is_array(value) else max(low, value)


def larger(a: Any, b: Any) -> Any:  # noqa: ANN401
    """The larger of two, of arrays entry by entry."""
    if is_array(a) or is_array(b):
        import numpy as np

        return np.maximum(a, b)
    return max(a, b)


def where(condition: Any, then: Any, otherwise: Any) -> Any:  # noqa: ANN401
    """`then` where the condition holds, `otherwise` elsewhere."""
    if is_array(condition):
        import numpy as np

        return np.where(condition, then, otherwise)
    return then if condition else otherwise


def share(total: Any, of: float) -> Any:  # noqa: ANN401
    """`total` times `of`; of a fraction exactly, `of` being the decimal as written.

    So shares of 0.3 and 0.7 are all of it.
    """
    return total * Fraction(str(of)) if isinstance(total, Fraction) else total * of


def whole_share(total: Any, of: float, parts: Any = ONE) -> Any:  # noqa: ANN401
    """A share in whole ones for each of `parts`, cut, at least one; on paper exact."""
    if on_paper(total, parts):
        return Fraction(total) * Fraction(str(of)) / parts
    part = total * of if parts is ONE else total * of / parts
    return maximum(1, floor(part)) if is_array(part) else max(1, math.floor(part))


def odd_log(value: Any) -> Any:  # noqa: ANN401
    """The odd number at or above (log2(value) + 1) / 2 cut to a whole one; 3 at least.

    Source: timm/layers/eca.py (`EcaModule`).
    """
    if is_array(value):
        import numpy as np

        half = ((np.log2(value) + 1) / 2).astype("int64")
        return maximum(3, half + 1 - half % 2)
    half = int((math.log2(value) + 1) / 2)
    return max(3, half + 1 - half % 2)


def plus(a: Any, b: Any) -> Any:  # noqa: ANN401
    """The sum; adding a plain 0 to an array makes no new array."""
    if b is ZERO:
        return a
    return b if a is ZERO else a + b


def times(a: Any, n: Any) -> Any:  # noqa: ANN401
    """The product; a plain 0 stays one, however many candidates there are."""
    return a if a is ZERO else a * n


def between(before: Any, after: Any, there: Any) -> Any:  # noqa: ANN401
    """`after` where `there` is 1, `before` where it is 0; on paper, as much between."""
    if there is ONE or before is after:
        return after
    return before + (after - before) * there


def clipped(value: Any) -> Any:  # noqa: ANN401
    """`value`, but at least 0 and at most 1."""
    return value.clip(0, 1) if is_array(value) else max(0, min(1, value))


def at_least(low: int, value: Any) -> bool:  # noqa: ANN401
    """Whether no candidate's value is below `low`; a fraction need only be above 0."""
    if type(value) is int:
        return value >= low
    if isinstance(value, Fraction):
        return value > 0 or value >= low
    return bool((value.min() if is_array(value) else value) >= low)


def every(condition: Any) -> bool:  # noqa: ANN401
    """Whether the condition holds for each candidate."""
    if type(condition) is bool:
        return condition
    return bool(condition.all()) if is_array(condition) else bool(condition)


def first(where: Any, *values: Any) -> tuple[Any, ...]:  # noqa: ANN401
    """These values of the first candidate for which the condition holds."""
    if not is_array(where):
        return values
    index = int(where.argmax())
    return tuple((value + 0 * where).flat[index] for value in values)


def divides(parts: Any, total: Any) -> bool:  # noqa: ANN401
    """Whether `parts` divides `total` for each candidate; fractions always divide."""
    if parts is total or parts is ONE or on_paper(total, parts):
        return True
    return every(total % parts == 0)


def divided(total: Any, parts: Any) -> Any:  # noqa: ANN401
    """`total` in so many equal `parts`, which must divide it."""
    if parts is total or parts is ONE:
        return ONE if parts is total else total
    return total / parts if on_paper(total, parts) else total // parts


def on_paper(*values: object) -> bool:
    """Whether one of them is a fraction, of a network that nothing rounds."""
    for each in values:  # noqa: SIM110 - `any` takes twice as long
        if isinstance(each, Fraction):
            return True
    return False


def strided(side: Any, stride: int) -> Any:  # noqa: ANN401
    """Positions that a stride visits along `side`: ceil, as 'same' padding gives.

    A fraction stays a fraction: a feature map that is never rounded to whole pixels.
    """
    if stride == 1:
        return side
    return side / stride if isinstance(side, Fraction) else -(-side // stride)


def valid(side: Any, kernel: int, stride: int) -> Any:  # noqa: ANN401
    """Positions of a kernel that lies within `side` whole; a fraction stays one.

    A kernel of 1 lies within wherever it is, and a stride has all its positions.
    """
    if kernel == 1:
        return strided(side, stride)
    more = (
        (side - kernel) / stride
        if isinstance(side, Fraction)
        else (side - kernel) // stride
    )
    return more + 1
