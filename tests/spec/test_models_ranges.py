"""Tests of `effscale.spec.models`: what every field takes, and what it does not."""

from __future__ import annotations

import math
from typing import get_args

import pytest
from pydantic import ValidationError

from effscale.spec.models import RepeatsRule, TiesRule
from effscale.spec.values import Activation
from tests.spec.small import ABSENT, spec

TINY = math.ulp(0.0)
WHOLE = [
    ("resolution.0", 1, 2**16),
    ("resolution.1", 1, 2**16),
    ("image_channels", 1, 2**20),
    ("stem.channels", 1, 2**20),
    ("stages.0.stride", 1, 8),
    ("stages.0.expand_ratio", 1, 64),
    ("stages.0.c_in", 1, 2**20),
    ("stages.0.channels", 1, 2**20),
    ("stages.0.repeats", 1, 10_000),
    ("head.channels", 1, 2**20),
    ("head.classes", 1, 2**20),
    ("rounding.channel_divisor", 1, 1024),
    ("rounding.resolution_multiple", 1, 1024),
    ("expected.params", 0, 2**200),
    ("expected.macs", 0, 2**200),
    ("variants.b1.resolution.0", 1, 2**16),
]
REAL = [
    ("norm.eps", TINY, 1),
    ("norm.momentum", 0, 1),
    ("stochastic_depth", 0, 1),
    ("stages.0.se_ratio", 0, 1),
    ("head.dropout", 0, 1),
    ("rounding.max_channel_loss", 0, 1),
    ("coefficients.alpha", TINY, 100),
    ("coefficients.beta", TINY, 100),
    ("coefficients.gamma", TINY, 100),
    ("published.top1", 0, 100),
    ("published.top5", 0, 100),
    ("variants.b1.depth_multiplier", TINY, 100_000),
    ("variants.b1.width_multiplier", TINY, 100_000),
    ("variants.b1.dropout", 0, 1),
]
SECTIONS = (
    "norm stem stages.0 head rounding coefficients expected published variants.b1"
)
NEEDED = """
    name resolution stem stem.kernel stages stages.0.kernel stages.0.stride
    stages.0.channels stages.0.repeats variants.b1.resolution
"""


def stated(place: tuple[str | int, ...]) -> str:
    """A place as the file has it: without classes of lines, with one step as stem."""
    words = [str(word) for word in place]
    return ".".join(words).replace("stem.0", "stem")


def errors(place: str, value: object) -> list[tuple[str, str]]:
    """Kind and place of what is wrong with the small network, so changed."""
    try:
        spec(place, value)
    except ValidationError as error:
        return [
            (detail["type"], stated(detail["loc"]))
            for detail in error.errors()
            if detail["type"] != "too_short"  # follows from a stage that is wrong
        ]
    return []


@pytest.mark.parametrize(("place", "low", "high"), WHOLE)
def test_a_whole_number_has_its_range(place: str, low: int, high: int) -> None:
    assert errors(place, low) == errors(place, high) == []
    wrong: list[object] = [low - 1, high + 1, True, float(high), high - 0.5, "3", []]
    for value in (*wrong, math.nan, math.inf):
        assert errors(place, value) == [("kind", place)], value


def test_the_kernel_of_a_block_is_odd_and_at_most_31() -> None:
    place = "stages.0.kernel"
    assert errors(place, 1) == errors(place, 31) == []
    for value in (-1, 0, 2, 30, 32, 33, True, 3.0, "3", [3, 3]):
        assert errors(place, value) == [("kind", place)], value


@pytest.mark.parametrize("place", ["stem.kernel", "stem.stride"])
def test_a_window_of_a_step_is_one_side_or_two_of_at_most_64(place: str) -> None:
    for good in (1, 2, 64, [1, 7], [64, 1]):
        assert errors(place, good) == []
    wrong: list[object] = [0, 65, True, 3.0, "3", [], [3], [3, 3, 3], [3, 0], [3, "3"]]
    for value in [*wrong, [3, True], [3, 3.0], {"rows": 3}, None]:
        assert errors(place, value) == [("kind", place)], value


@pytest.mark.parametrize(("place", "low", "high"), REAL)
def test_a_real_number_has_its_range(place: str, low: float, high: float) -> None:
    assert errors(place, low) == errors(place, high) == []
    beyond = [math.nextafter(low, -1), math.nextafter(high, math.inf)]
    wrong: list[object] = [*beyond, True, math.nan, math.inf, -math.inf, "0.5", []]
    for value in wrong:
        assert errors(place, value) == [("kind", place)], value


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("activation", get_args(Activation)),
        ("rounding.ties", get_args(TiesRule)),
        ("rounding.repeats", get_args(RepeatsRule)),
    ],
)
def test_a_choice_takes_its_words_alone(place: str, words: tuple[str, ...]) -> None:
    for word in words:
        assert errors(place, word) == []
        assert errors(place, word.upper()) == [("kind", place)]


def test_a_leaky_relu_takes_a_slope_from_0_to_1() -> None:
    for slope in ("0", "0.1", ".001", "0.001"):
        assert errors("activation", f"leaky_relu({slope})") == []
    for wrong in ("leaky_relu()", "leaky_relu(1.5)", "leaky_relu(-0.1)", "relu(0.1)"):
        assert errors("activation", wrong) == [("kind", "activation")]


@pytest.mark.parametrize(
    ("place", "good", "bad"),
    [
        ("name", "b0", "b 0"),
        ("family", "efficientnet", "efficient net"),
        ("source", "Tan & Le 2019", ""),
        ("published.params", "5.3M", "5.3m"),
        ("published.macs", "0.39B", 0.39),
        ("published.source", "table 2", 2),
        ("variants.b1.published.params", "7.8M", 7.8),
    ],
)
def test_a_text_is_of_its_kind(place: str, good: str, bad: object) -> None:
    assert errors(place, good) == []
    assert errors(place, bad) == [("kind", place)]


@pytest.mark.parametrize("section", ["", *SECTIONS.split()])
def test_no_section_takes_unknown_keys(section: str) -> None:
    place = f"{section}.unknown".removeprefix(".")
    assert errors(place, 1) == [("extra_forbidden", place)]


@pytest.mark.parametrize("place", NEEDED.split())
def test_what_makes_the_network_is_never_assumed(place: str) -> None:
    assert errors(place, ABSENT) == [("missing", place)]
