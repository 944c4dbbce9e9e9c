"""The rules that turn a scaled number into one that a network can have.

Each works on plain numbers and on arrays alike; a multiplier of exactly 1 changes
nothing, whatever the number was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, cast

from effscale.arrays import (
    NOISE,
    Int,
    Real,
    ceil,
    every,
    is_array,
    maximum,
    nearest,
    where,
)
from effscale.errors import ScaleError
from effscale.spec.models import MAX_CHANNELS, MAX_REPEATS, MAX_RESOLUTION

if TYPE_CHECKING:
    from effscale.spec.models import Rounding

Rule = Callable[[Int, Real], Int]


@dataclass(frozen=True)
class Rules:
    """How channels, repeats and sides of the image follow their multiplier."""

    channels: Rule
    repeats: Rule
    resolution: Rule

    @classmethod
    def of(cls, rounding: Rounding) -> Rules:
        """The rules that a spec's `rounding` states."""
        divisor, loss = rounding.channel_divisor, rounding.max_channel_loss
        multiple, ties = rounding.resolution_multiple, rounding.ties
        up = rounding.repeats == "ceil"
        return cls(
            channels=lambda c, w: round_channels(
                c, w, divisor, max_loss=loss, ties=ties
            ),
            repeats=lambda n, d: round_repeats(n, d, up=up),
            resolution=lambda side, r: round_resolution(side, r, multiple, ties=ties),
        )


def exactly(number: Int, multiplier: Real) -> Int:
    """The product as a fraction, nothing rounded: a network on paper only."""
    product = cast("int", number) * Fraction(cast("float", multiplier))
    return cast("int", product)


#: Nothing rounded at all.
EXACT = Rules(exactly, exactly, exactly)


def round_channels(
    channels: Int,
    width_multiplier: Real,
    divisor: int = 8,
    *,
    max_loss: float = 0.1,
    ties: str = "up",
) -> Int:
    """`channels` times `width_multiplier`, as a multiple of `divisor`.

    Rounds to the nearest multiple, at least `divisor`; goes one multiple up where
    rounding down would lose more than `max_loss` of the channels.

    Raises:
        ScaleError: above 2^20 channels.
    Source: `round_filters`, tpu/models/official/efficientnet/efficientnet_model.py:106.
    """
    exact = channels * width_multiplier
    _limit("channels", exact, MAX_CHANNELS)
    near = maximum(divisor, nearest(exact / divisor, ties=ties) * divisor)
    short = near < (1 - max_loss) * exact
    return _unless_identity(
        width_multiplier, channels, where(short, near + divisor, near)
    )


def round_repeats(repeats: Int, depth_multiplier: Real, *, up: bool = True) -> Int:
    """`repeats` times `depth_multiplier`, up to the next whole number, at least 1.

    Float noise is not rounded up (`arrays.ceil`). Where not `up`, to the nearest,
    halves to even.

    Raises:
        ScaleError: above 10,000 repeats.
    Source: `round_repeats`, tpu/models/official/efficientnet/efficientnet_model.py:125.
    """
    exact = repeats * depth_multiplier
    _limit("repeats", exact, MAX_REPEATS)
    rounded = ceil(exact) if up else nearest(exact, ties="even")
    result: Int = maximum(1, rounded)
    return result


def round_resolution(
    side: Int, resolution_multiplier: Real, multiple: int = 8, *, ties: str = "up"
) -> Int:
    """`side` times `resolution_multiplier` in pixels, to the nearest `multiple`.

    At least one `multiple`.

    Raises:
        ScaleError: above 2^16 pixels.
    """
    exact = side * resolution_multiplier
    _limit("resolution", exact, MAX_RESOLUTION)
    # 360 × 0.7 is 251.99999999999997, and half-way between two multiples of 8.
    noise = NOISE if ties == "up" else 0.0
    rounded = nearest(exact / multiple + noise, ties=ties) * multiple
    return _unless_identity(resolution_multiplier, side, maximum(multiple, rounded))


def _limit(what: str, exact: Any, highest: int) -> None:  # noqa: ANN401
    if not every(exact <= highest):
        found = exact.max() if is_array(exact) else exact
        message = f"expected at most {highest} after scaling, got {found:.6g}"
        raise ScaleError(f"{what}: {message}")


def _unless_identity(multiplier: Real, before: Int, after: Int) -> Int:
    result: Int = where(multiplier == 1, before, after)
    return result
