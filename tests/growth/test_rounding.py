"""Tests of `effscale.growth.rounding`: the published rules, on numbers and arrays."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from effscale.errors import ScaleError
from effscale.growth.rounding import (
    EXACT,
    Rules,
    exactly,
    round_channels,
    round_repeats,
    round_resolution,
)
from effscale.spec.models import POLICIES, Rounding
from tests.examples import examples

if TYPE_CHECKING:
    from effscale.growth.rounding import Rule

few = examples(40)
CHANNELS = st.integers(1, 4096)
REPEATS = st.integers(1, 60)
DIVISORS = st.sampled_from([1, 2, 4, 8, 16, 32])
MULTIPLIERS = st.floats(0.05, 20).filter(lambda value: value != 1)


def reference(filters: float, multiplier: float) -> int:
    """`round_filters`, tpu/models/official/efficientnet/efficientnet_model.py:106."""
    filters *= multiplier
    rounded = max(8, int(filters + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * filters else rounded


def test_a_spec_s_rounding_chooses_the_rules() -> None:
    published = Rules.of(Rounding())
    assert published.channels(16, 1.2) == 24  # B3's first stage: 16 loses too much
    assert published.repeats(3, 1.1) == 4
    assert published.resolution(224, 1.15) == 256
    other = Rounding(
        channel_divisor=4, max_channel_loss=1.0, repeats="round", resolution_multiple=32
    )
    assert Rules.of(other).channels(18, 1.25) == 24
    assert Rules.of(other).channels(10, 1.09) == 12
    assert Rules.of(other).repeats(3, 1.1) == 3
    assert Rules.of(other).resolution(224, 1.05) == 224


@pytest.mark.parametrize(
    ("policy", "channels", "repeats", "side"),
    [  # of 16 at 1.2, 40 at 1.1, 24 at 1.5; 3 at 1.1, 5 at 1.1; 224 at 1.15
        ("efficientnet", (24, 48, 40), (4, 6), 256),
        ("efficientnetv2", (16, 48, 40), (4, 6), 256),
        ("pycls", (16, 48, 32), (3, 6), 256),
        ("timm", (24, 48, 40), (3, 6), 256),
        ("lite", (24, 48, 40), (4, 6), 256),
        ("tinynet", (24, 48, 40), (3, 6), 256),
    ],
)
def test_policies_round_as_the_implementations_they_name(
    policy: str, channels: tuple[int, ...], repeats: tuple[int, ...], side: int
) -> None:
    rules = Rules.of(POLICIES[policy])
    widths = (16, 1.2), (40, 1.1), (24, 1.5)
    assert tuple(rules.channels(*each) for each in widths) == channels
    assert tuple(rules.repeats(n, 1.1) for n in (3, 5)) == repeats
    assert rules.resolution(224, 1.15) == side


@few
@given(number=CHANNELS, multiplier=MULTIPLIERS)
def test_pycls_is_python_s_own_rounding(number: int, multiplier: float) -> None:
    # pycls/models/scaler.py: repeats, channels, pixels
    rules, exact = Rules.of(POLICIES["pycls"]), number * multiplier
    assert (rules.channels(8, 2.5), rules.resolution(4, 2.5)) == (16, 8)
    assume(exact <= 10_000)
    assert rules.repeats(number, multiplier) == max(1, round(exact))
    assert rules.channels(number, multiplier) == max(1, round(exact / 8)) * 8
    assert rules.resolution(number, multiplier) == max(1, round(exact / 4)) * 4


def test_exactly_rounds_nothing() -> None:
    assert exactly(3, 0.5) == Fraction(3, 2)
    assert isinstance(exactly(3, 2.0), Fraction)
    assert (EXACT.channels, EXACT.repeats, EXACT.resolution) == (exactly,) * 3


@pytest.mark.parametrize(
    ("channels", "multiplier", "rounded"),
    [
        (40, 1.1, 48),  # a tie, 44, goes up: B2's third stage
        (40, 4.3, 176),  # a tie, 172: L2's
        (16, 1.2, 24),  # 19.2 would lose a sixth as 16: B3's first stage
        (16, 1.1, 16),  # 17.6 loses less than a tenth
        (320, 1.1, 352),
        (8, 0.1, 8),  # at least the divisor
        (24, 0.75, 24),  # 18 would lose a ninth
    ],
)
def test_channels_of_published_networks(
    channels: int, multiplier: float, rounded: int
) -> None:
    assert round_channels(channels, multiplier) == rounded


@few
@given(channels=CHANNELS, multiplier=MULTIPLIERS)
def test_channels_round_as_the_reference(channels: int, multiplier: float) -> None:
    assert round_channels(channels, multiplier) == reference(channels, multiplier)


@few
@given(channels=CHANNELS, multiplier=MULTIPLIERS, divisor=DIVISORS)
def test_channels_are_multiples_that_lose_little(
    channels: int, multiplier: float, divisor: int
) -> None:
    rounded = int(round_channels(channels, multiplier, divisor))
    assert rounded % divisor == 0
    assert rounded >= divisor
    assert rounded >= 0.9 * channels * multiplier
    assert rounded < channels * multiplier + divisor + 1


@few
@given(channels=CHANNELS, small=MULTIPLIERS, large=MULTIPLIERS, divisor=DIVISORS)
def test_channels_grow_with_their_multiplier(
    channels: int, small: float, large: float, divisor: int
) -> None:
    small, large = sorted([small, large])
    narrow = round_channels(channels, small, divisor)
    assert narrow <= round_channels(channels, large, divisor)
    assert narrow <= round_channels(channels + 1, small, divisor)


@few
@given(repeats=REPEATS, hundredths=st.integers(1, 1000))
def test_repeats_are_the_exact_ceiling(repeats: int, hundredths: int) -> None:
    exact = Fraction(hundredths, 100) * repeats
    assume(hundredths != 100)
    assert round_repeats(repeats, hundredths / 100) == math.ceil(exact)


@pytest.mark.parametrize(
    ("repeats", "multiplier", "rounded"),
    [
        (1, (2**0.5) ** 2, 2),  # 2.0000000000000004
        (4, (2 ** (1 / 5)) ** 5, 8),
        (5, 1.2000000000000002, 6),  # np.arange(1, 3, 0.1)[2], and so on
        (4, 1.2500000000000002, 5),
        (5, 1.4000000000000004, 7),
        (5, 1.8000000000000007, 9),
        (1, 2.000000000000001, 2),
        (25, 2.2, 55),  # 2.2 * 25 is 55.00000000000001
        (1, 1.1, 2),
        (3, 0.1, 1),
    ],
)
def test_repeats_round_no_noise_up(
    repeats: int, multiplier: float, rounded: int
) -> None:
    assert round_repeats(repeats, multiplier) == rounded


@pytest.mark.parametrize(
    ("repeats", "multiplier", "rounded"),
    [(3, 1.1, 3), (5, 1.1, 6), (1, 2.5, 2), (3, 0.5, 2), (1, 0.1, 1)],
)
def test_repeats_may_go_to_the_nearest_and_halves_to_even(
    repeats: int, multiplier: float, rounded: int
) -> None:
    assert round_repeats(repeats, multiplier, up=False) == rounded


@pytest.mark.parametrize(
    ("side", "multiplier", "multiple", "rounded"),
    [
        (224, 1.15, 8, 256),  # 257.6
        (224, 1.3, 8, 288),  # 291.2
        (8, 1.5, 8, 16),  # a tie, 12
        (360, 0.7, 8, 256),  # a tie, 252, that is 251.99999999999997 in binary
        (512, 1.1, 128, 512),
        (512, 1.125, 128, 640),  # a tie, 576
        (224, 0.01, 8, 8),  # at least one multiple
    ],
)
def test_sides_go_to_the_nearest_multiple(
    side: int, multiplier: float, multiple: int, rounded: int
) -> None:
    assert round_resolution(side, multiplier, multiple) == rounded


@pytest.mark.parametrize(("number", "up", "even"), [(8, 16, 16), (24, 40, 32)])
def test_ties_go_up_or_to_even(number: int, up: int, even: int) -> None:
    # 12 and 36: one and a half, and four and a half, times 8
    assert round_channels(number, 1.5, max_loss=1.0) == up
    assert round_channels(number, 1.5, max_loss=1.0, ties="even") == even
    assert round_resolution(number, 1.5) == up
    assert round_resolution(number, 1.5, ties="even") == even


@pytest.mark.parametrize("rule", [round_channels, round_repeats, round_resolution])
@few
@given(number=st.integers(1, 5000))
def test_a_multiplier_of_one_changes_nothing(rule: Rule, number: int) -> None:
    assert rule(number, 1.0) == number
    assert np.asarray(rule(number, np.array([1.0, 1.5])))[0] == number


@pytest.mark.parametrize("rule", [round_channels, round_repeats, round_resolution])
@few
@given(number=st.integers(1, 400), multipliers=st.lists(MULTIPLIERS, min_size=1))
def test_each_candidate_is_rounded_as_one_alone(
    rule: Rule, number: int, multipliers: list[float]
) -> None:
    alone = [rule(number, each) for each in multipliers]
    together = np.asarray(rule(number, np.array(multipliers)))
    assert {type(each) for each in alone} == {int}
    assert together.dtype == np.int64
    assert together.tolist() == alone


@pytest.mark.parametrize(
    ("rule", "highest", "message"),
    [
        (round_channels, 2**20, "channels: expected at most 1048576"),
        (round_repeats, 10_000, "repeats: expected at most 10000"),
        (round_resolution, 2**16, "resolution: expected at most 65536"),
    ],
)
@pytest.mark.parametrize("many", [False, True])
def test_beyond_the_range_is_refused(
    rule: Rule, highest: int, message: str, *, many: bool
) -> None:
    half, most, more = highest // 2, 2.0, 3.0
    assert np.max(rule(half, np.array([0.5, most]) if many else most)) == highest
    with pytest.raises(ScaleError) as caught:
        rule(half, np.array([0.5, more]) if many else more)
    found = f"{half * more:.6g}"
    assert str(caught.value) == f"{message} after scaling, got {found}"


@pytest.mark.parametrize(
    ("channels", "width", "expected"),
    # min(channels, most)·width, up: utils/ops.py of ultralytics (`make_divisible`)
    [
        (64, 0.25, 16),
        (100, 0.25, 32),
        (1024, 0.75, 576),
        (768, 0.75, 576),
        (16, 0.1, 8),
    ],
)
def test_channels_may_go_up_and_have_a_most(
    channels: int, width: float, expected: int
) -> None:
    found = round_channels(channels, width, up=True, most=768)
    assert (found, type(found)) == (expected, int)
    several: Any = round_channels(np.array([channels, 8]), width, up=True, most=768)
    assert several.tolist()[0] == expected
