"""Tests of `effscale.cli.types`: what options understand, and what they say if not."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from effscale.cli import types
from tests.examples import examples

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

D = Decimal
NUMBER = "a number"
PHI = "numbers from -50 to 50"
POSITIVE = "numbers above 0 and below 1000"
TIME = "a duration such as 90s, 10m or 2h"
SIZE = "N or HxW in whole pixels, such as 224 or 480x640"
BUDGET = "a number from 1 to 1000"
STRATEGY = (
    "all, or one of compound, depth, width, resolution, dw, dr, wr, dwr, fast, "
    "fast:ALPHA, or weights such as d1_w8_r1; of detectors also backbone, neck_width, "
    "neck_depth, head_depth"
)
SWEEP = "depth, width or resolution as resolution=200..320"


@pytest.mark.parametrize(
    ("parse", "text", "expected"),
    [
        (types.phis, "4", [4]),
        (types.phis, "0,1, 2.5", [0, 1, 2.5]),
        (types.phis, "0..3", [0, 1, 2, 3]),
        (types.phis, "-1..1:0.5", [-1, -0.5, 0, 0.5, 1]),
        (types.phis, "0..1:0.3", [0, 0.3, 0.6, 0.9]),
        (types.phis, "50,-50", [50, -50]),
        (types.resolution, "224", (224, 224)),
        (types.resolution, " 480x640 ", (480, 640)),
        (types.resolution, "480X640", (480, 640)),
        (types.resolution, "480×640", (480, 640)),
        (types.strategies, "compound", ["compound"]),
        (types.strategies, "dw,fast:0.5,dw,d1_w8", ["dw", "fast:0.5", "d1_w8"]),
        (types.strategies, "all", ["all"]),  # of a classifier or a detector
        (types.target_ratio, "1", 1),
        (types.target_ratio, "2.5", 2.5),
        (types.target_ratio, "1e3", 1000),
        (types.duration, "90", 90.0),
        (types.duration, " 1.5 s", 1.5),
        (types.duration, "10m", 600.0),
        (types.duration, "2h", 7200.0),
        (types.interval, "1:1.42", (D(1), D("1.42"))),
        (types.interval, " 1.2 : 1.3 ", (D("1.2"), D("1.3"))),
        (types.interval, "1.2", (D("1.2"), D("1.2"))),
        (types.steps, "0.05", (D("0.05"), D("0.05"), D("0.05"))),
        (types.steps, "0.1,0.05,1e-9", (D("0.1"), D("0.05"), D("1e-9"))),
        (types.sweep, "resolution=200..320", ("resolution", 200, 320)),
        (types.sweep, "depth=1..2.5", ("depth", 1, 2.5)),
    ],
)
def test_reads(parse: Callable[[str], Any], text: str, expected: object) -> None:
    assert parse(text) == expected


def test_phis_are_whole_where_they_can_be() -> None:
    assert [type(phi) for phi in types.phis("0..1:0.5,2.0")] == [int, float, int, int]


@given(st.integers(-50, 40), st.integers(1, 100), st.sampled_from(["1", "0.1", "0.25"]))
@examples(50)
def test_a_range_steps_exactly(low: int, count: int, step: str) -> None:
    by = D(step)
    high = min(low + count * by, D(50))
    found = types.phis(f"{low}..{high}:{step}")
    assert found == [float(low + k * by) for k in range(int((high - low) / by) + 1)]


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (types.PHIS, "", NUMBER),
        (types.PHIS, "four", NUMBER),
        (types.PHIS, "1,,2", NUMBER),
        (types.PHIS, "1..", NUMBER),
        (types.PHIS, "nan", PHI),
        (types.PHIS, "-inf", PHI),
        (types.PHIS, "50.1", PHI),
        (types.PHIS, "0..51", PHI),
        (types.PHIS, "0..7:0", "a step above 0"),
        (types.PHIS, "0..7:-1", "a step above 0"),
        (types.PHIS, "0..7:nan", "a step above 0"),
        (types.PHIS, "7..0", "a range that rises, such as 0..7"),
        (types.PHIS, "0..10:0.01", "at most 1000 values"),
        (types.RESOLUTION, "0", SIZE),
        (types.RESOLUTION, "224x", SIZE),
        (types.RESOLUTION, "224.5", SIZE),
        (types.RESOLUTION, "1x2x3", SIZE),
        (types.RESOLUTION, "100000", SIZE),
        (types.STRATEGIES_LIST, "deep", STRATEGY),
        (types.STRATEGIES_LIST, "depth,", STRATEGY),
        (types.STRATEGIES_LIST, "all,depth", STRATEGY),
        (types.TARGET_RATIO, "abc", BUDGET),
        (types.TARGET_RATIO, "", BUDGET),
        (types.TARGET_RATIO, "0.99", BUDGET),
        (types.TARGET_RATIO, "1000.1", BUDGET),
        (types.TARGET_RATIO, "nan", BUDGET),
        (types.DURATION, "", TIME),
        (types.DURATION, "0m", TIME),
        (types.DURATION, "-1s", TIME),
        (types.DURATION, "1d", TIME),
        (types.DURATION, "1e3", TIME),
        (types.INTERVAL, "", NUMBER),
        (types.INTERVAL, "1:", NUMBER),
        (types.INTERVAL, "1:2:3", NUMBER),
        (types.INTERVAL, "0:1", POSITIVE),
        (types.INTERVAL, "1:1000", POSITIVE),
        (types.INTERVAL, "nan", POSITIVE),
        (types.INTERVAL, "2:1", "a range that rises, such as 1:1.42"),
        (types.INTERVAL, "1.0000000001", "at most 9 decimals"),
        (types.STEPS, "0", POSITIVE),
        (types.STEPS, "inf", POSITIVE),
        (types.STEPS, "1e-10", "at most 9 decimals"),
        (types.STEPS, "1,2", "one step, or one for each of alpha, beta, gamma"),
        (types.SWEEP, "height=1..2", SWEEP),
        (types.SWEEP, "depth=1", SWEEP),
        (types.SWEEP, "depth=a..b", NUMBER),
    ],
    ids=lambda value: value.name if isinstance(value, types.Parsed) else None,
)
def test_refuses(kind: types.Parsed, text: str, expected: str) -> None:
    with pytest.raises(click.BadParameter) as caught:
        kind.convert(text, None, None)
    assert caught.value.message == f"expected {expected}, got {text!r}"


def test_what_is_no_text_is_a_value_already() -> None:
    assert types.PHIS.convert([1, 2], None, None) == [1, 2]


@pytest.mark.parametrize(
    "text", ["9" * 5000, "9" * 5000 + "G", "1e999999"], ids=["digits", "G", "e"]
)
@pytest.mark.parametrize(
    "kind",
    [types.PHIS, types.TARGET_RATIO, types.INTERVAL, types.STEPS],
    ids=["phi", "target ratio", "interval", "step"],
)
def test_numbers_of_absurd_size_are_refused_at_once(
    kind: types.Parsed, text: str
) -> None:
    with pytest.raises(click.BadParameter):
        kind.convert(text, None, None)


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ("0.5", None),
        ("0", None),
        ("2", None),
        (1, None),
        ("nan", "expected a number, got 'nan'"),
        ("2.1", "2.1 is not in the range 0<=x<=2."),
        ("inf", "inf is not in the range 0<=x<=2."),
        ("x", "'x' is not a valid float range."),
    ],
)
def test_a_number_of_a_range(value: Any, wrong: str | None) -> None:  # noqa: ANN401
    kind = types.Range(0, 2)
    if wrong is None:
        assert kind.convert(value, None, None) == float(value)
        return
    with pytest.raises(click.BadParameter) as caught:
        kind.convert(value, None, None)
    assert caught.value.message == wrong


def test_a_target_is_a_path_in_a_folder_that_is_there(tmp_path: Path) -> None:
    there = tmp_path / "new.json"
    assert types.Target().convert(str(there), None, None) == there
    with pytest.raises(click.BadParameter) as caught:
        types.Target().convert(str(tmp_path / "no" / "x"), None, None)
    nowhere = str(tmp_path / "no")
    assert caught.value.message == f"expected a folder, found none at {nowhere!r}"
    with pytest.raises(click.BadParameter, match="is a directory"):
        types.Target().convert(str(tmp_path), None, None)


def completed(start: str) -> list[tuple[str, str]]:
    context = click.Context(click.Command("c"))
    argument = click.Argument(["spec"])
    found = types.SpecReference().shell_complete(context, argument, start)
    return [(each.value, each.type) for each in found]


def test_specs_complete_to_built_in_names_and_files() -> None:
    assert completed("b1") == [("b1", "plain"), ("b1", "file")]
    assert ("b7", "plain") in completed("b")
    assert completed("specs/b") == [("specs/b", "file")]


def test_a_family_is_one_of_those_built_in() -> None:
    assert types.FAMILY.convert("resnet", None, None) == "resnet"
    with pytest.raises(click.BadParameter) as caught:
        types.FAMILY.convert("tinyet", None, None)
    assert caught.value.message == (
        "expected a family of those that effscale specs lists, got 'tinyet'; "
        "did you mean 'tinynet'?"
    )


def test_families_complete() -> None:
    context = click.Context(click.Command("c"))
    argument = click.Argument(["families"])
    found = types.FAMILY.shell_complete(context, argument, "efficientnet-")
    assert [each.value for each in found] == [
        *("efficientnet-edgetpu", "efficientnet-gn", "efficientnet-lite")
    ]


@pytest.mark.parametrize("name", ["a.pdf", "a", "png", ".png", "a.svgz"])
def test_a_picture_has_a_suffix_that_says_which(name: str, tmp_path: Path) -> None:
    with pytest.raises(click.BadParameter, match=r"expected a name that ends in \.png"):
        types.Picture().convert(str(tmp_path / name), None, None)


def test_a_picture_is_of_either_case(tmp_path: Path) -> None:
    path = tmp_path / "a.b.SVG"
    assert types.Picture().convert(str(path), None, None) == path


def test_a_file_to_write_has_a_name() -> None:
    with pytest.raises(click.BadParameter, match="expected a file, got ''"):
        types.Target().convert("", None, None)


@pytest.mark.parametrize("name", ["a.yaml", "a.yml"])
def test_an_answer_is_no_spec(name: str, tmp_path: Path) -> None:
    with pytest.raises(click.BadParameter, match="there is no spec to write to"):
        types.AnswerFile().convert(str(tmp_path / name), None, None)
