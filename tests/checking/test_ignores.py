"""Tests of `effscale.checking.ignores`: comments that spare a line a finding."""

from __future__ import annotations

import pytest

from effscale.checking.catalogue import RULES, chosen
from effscale.checking.run import check
from effscale.checking.source import Source
from tests.spec.small import TEXT as SMALL

ODD = SMALL.replace("resolution: 32\n", "resolution: 31@\n")


def codes(text: str, enabled: frozenset[str] = frozenset(RULES)) -> list[str]:
    return [finding.code for finding in check(Source.of("x", text), enabled)]


@pytest.mark.parametrize(
    ("comment", "found"),
    [
        ("", ["EFF206"]),
        ("  # effscale: ignore[EFF206]", []),
        ("  #effscale:ignore[ EFF206 ]", []),
        ("  # effscale: ignore[EFF2]", []),
        ("  # effscale: ignore[EFF206,EFF2]", []),
        ("  # effscale: ignore[EFF301]", ["EFF206", "EFF009"]),
        ("  # effscale: ignore[EFF206, EFF301]", ["EFF009"]),
        ("  # effscale: ignore[]", ["EFF206", "EFF009"]),
        ("  # effscale: ignore", ["EFF206", "EFF009"]),
        ("  # because  # effscale: ignore[EFF206]", []),
    ],
)
def test_a_comment_spares_its_line_the_codes_it_names(
    comment: str, found: list[str]
) -> None:
    assert codes(ODD.replace("@", comment)) == found


@pytest.mark.parametrize(
    "source",
    [
        "'# effscale: ignore[EFF206]'",
        '"x\n  # effscale: ignore[EFF206]"',
        "|\n  # effscale: ignore[EFF206]",
        "x#effscale:ignore[EFF206]",
    ],
)
def test_a_text_is_no_comment(source: str) -> None:
    assert codes(SMALL.replace("resolution", f"source: {source}\nresolution")) == []


def test_a_rule_that_was_not_looked_for_may_be_ignored_for_nothing() -> None:
    text = SMALL.replace("32\n", "32  # effscale: ignore[EFF206]\n")
    assert codes(text) == ["EFF009"]
    assert codes(text, chosen(ignore=["EFF2"])) == []


def test_syntax_is_never_ignored() -> None:
    assert codes("name: [  # effscale: ignore[EFF004]\n") == ["EFF004"]
    text = SMALL.replace("32\n", "!x 32  # effscale: ignore[EFF007,EFF104]\n")
    assert codes(text) == ["EFF007"]


@pytest.mark.parametrize(
    "fault",
    [
        ("stem:", "stme:"),
        ("channels: 16}", "channels: none}"),
        ("resolution", "variants: {x: {width_multiplier: 1e4}}\nresolution"),
    ],
)
def test_what_could_not_be_checked_says_nothing_of_ignores(
    fault: tuple[str, str],
) -> None:
    text = ODD.replace("@", "  # effscale: ignore[EFF206, EFF305]").replace(*fault)
    assert "EFF009" not in codes(text)


def test_what_only_a_measurement_finds_may_be_ignored() -> None:
    assert codes(SMALL.replace("32\n", "32  # effscale: ignore[EFF307]\n")) == []
