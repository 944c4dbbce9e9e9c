"""The rules that turn a scaled number into one that a network can have.

Each works on plain numbers and on arrays alike; a multiplier of exactly 1 changes
nothing, whatever the number was.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any, cast

from effscale.arrays import (
    NOISE,
    Int,
    Real,
    ceil,
    every,
    is_array,
    lcm,
    maximum,
    multiple,
    nearest,
    on_paper,
    where,
)
from effscale.data import data
from effscale.errors import Fault, PlacedError
from effscale.spec.values import MAX_CHANNELS, MAX_REPEATS, MAX_RESOLUTION

if TYPE_CHECKING:
    from effscale.spec.models import Rounding

Rule = Callable[[Int, Real], Int]


@data
class Rules:
    """How channels, groups, repeats and the image's sides follow their multiplier."""

    channels: Rule
    group_width: Rule
    repeats: Rule
    resolution: Rule

    def grown(self, channels: Int, multiplier: Real) -> Int:
        """The rule of channels for those that never become fewer."""
        result: Int = maximum(channels, self.channels(channels, multiplier))
        return result

    @classmethod
    def of(cls, rounding: Rounding, unit: int = 1) -> Rules:
        """The rules that a spec's `rounding` states; channels are whole `unit`s too."""
        divisor = math.lcm(rounding.channel_divisor, unit)
        loss = rounding.max_channel_loss
        multiple, ties = rounding.resolution_multiple, rounding.ties
        most, wider = rounding.max_channels, rounding.channels == "up"
        up = rounding.repeats == "ceil"
        return cls(
            channels=lambda c, w: round_channels(
                c, w, divisor, max_loss=loss, ties=ties, up=wider, most=most
            ),
            group_width=round_group_width,
            repeats=lambda n, d: round_repeats(n, d, up=up),
            resolution=lambda side, r: round_resolution(side, r, multiple, ties=ties),
        )


def exactly(number: Int, multiplier: Real) -> Int:
    """The product as a fraction, nothing rounded: a network on paper only.

    A number that does not change stays the whole one that it is.
    """
    if every(multiplier == 1):
        return number
    product = cast("int", number) * Fraction(cast("float", multiplier))
    return cast("int", product)


#: Nothing rounded at all.
EXACT = Rules(exactly, exactly, exactly, exactly)


def round_channels(  # noqa: PLR0913 - what a spec's rounding states
    channels: Int,
    width_multiplier: Real,
    divisor: int = 8,
    *,
    max_loss: float = 0.1,
    ties: str = "up",
    up: bool = False,
    most: Int | None = None,
) -> Int:
    """`channels` times `width_multiplier`, as a multiple of `divisor`.

    Rounds to the nearest multiple, at least `divisor`; goes one multiple up where
    rounding down would lose more than `max_loss` of the channels, or, if `up`, any. Of
    more channels than `most`, as many are multiplied.

    Raises:
        ScaleError: above 2^20 channels.
    Source: `round_filters`, tpu/models/official/efficientnet/efficientnet_model.py:106.
    """
    capped = channels if most is None else where(channels > most, most, channels)
    exact = capped * width_multiplier
    _limit("channels", exact, MAX_CHANNELS)
    if up:
        rounded = maximum(divisor, ceil(exact / divisor) * divisor)
    else:
        rounded = multiple(exact, divisor, max_loss=max_loss, ties=ties)
    return _unless_identity(width_multiplier, channels, rounded)


def round_group_width(group_width: Int, multiplier: Real) -> Int:
    """`group_width` times its multiplier: 1, 2, 4, or a multiple of 8.

    Source: pycls/models/scaler.py:84-90.
    """
    exact = group_width * multiplier
    _limit("group_width", exact, MAX_CHANNELS)
    near = maximum(1, nearest(exact, ties="even"))
    eights = nearest(near / 8, ties="even") * 8
    rounded = where(near <= 2, near, where(near <= 5, 4, maximum(8, eights)))  # noqa: PLR2004
    return _unless_identity(multiplier, group_width, rounded)


def in_groups(channels: Int, group_width: Int, widens: int = 1) -> tuple[Int, Int]:
    """`channels` as the nearest multiple of a group's, at least one; and the group's.

    They are a multiple of `widens` as well, the ratio of a bottleneck that is widest
    inside. No group is wider than all channels. On paper, in fractions, both stay as
    they are.

    Source: `adjust_block_compatibility`, pycls/models/blocks.py:215-226.
    """
    if on_paper(channels, group_width):
        return channels, group_width
    group = where(group_width < channels, group_width, channels)
    unit = group if widens == 1 else lcm(group, widens)
    units = maximum(1, nearest(channels / unit, ties="even"))
    return units * unit, group


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
        raise PlacedError(Fault((what,), message), exact > highest)


def _unless_identity(multiplier: Real, before: Int, after: Int) -> Int:
    result: Int = where(multiplier == 1, before, after)
    return result
