"""Tests of `effscale.spec.steps`: what every kind of line answers about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from effscale.spec.line import KEYS, Line
from effscale.spec.lines import STAGES
from tests.spec.small import lines

if TYPE_CHECKING:
    from effscale.spec.line import Lines

NESTING = (
    "{block: sum, branches: [[{kernel: 1}], [], [{kernel: 3}, {block: norm}]]}",
    "{block: residual, layers: [{kernel: 3}], shortcut: [{kernel: 1}]}",
)


def one(text: str) -> Line:
    (line,) = lines(text).stages
    return line


@pytest.mark.parametrize("text", NESTING)
def test_the_places_of_lines_within_are_those_of_the_file(text: str) -> None:
    line = one(text)
    for place, within in line.chains.items():
        found: Any = line.model_dump()
        for step in place:
            found = found[step]
        assert [each.model_dump() for each in within] == list(found)
    assert sum(len(within) for within in line.chains.values()) == text.count("{") - 1


@pytest.mark.parametrize("text", NESTING)
def test_every_line_within_is_changed(text: str) -> None:
    line = one(text)

    def doubled(within: Lines) -> Lines:
        return within * 2

    assert line.over_chains(lambda within: within) == line
    expected = {place: doubled(within) for place, within in line.chains.items()}
    assert line.over_chains(doubled).chains == expected


@pytest.mark.parametrize(
    ("text", "times", "sides", "window"),
    [
        ("{block: norm}", None, None, ((1, 1), (1, 1), "same")),
        ("{block: max_pool, kernel: [3, 2]}", None, (3, 2), ((3, 2), (1, 1), "same")),
        (
            "{block: depthwise, kernel: 3, stride: 2, dilation: 4, padding: valid}",
            None,
            (3, 3),
            ((9, 9), (2, 2), "valid"),
        ),
        (
            "{block: basic, kernel: 5, stride: 2, channels: 8, repeats: 3}",
            3,
            (5, 5),
            ((5, 5), (2, 2), "same"),
        ),
        ("{block: dense, growth: 4, repeats: 2}", 2, (3, 3), ((3, 3), (1, 1), "same")),
        ("{block: transition}", None, None, ((2, 2), (2, 2), "valid")),
    ],
)
def test_keys_that_a_line_lacks_have_a_meaning(
    text: str, times: int | None, sides: object, window: object
) -> None:
    line = one(text)
    assert (line.times, line.sides, line.window) == (times, sides, window)


def test_only_lines_that_nest_have_lines_within() -> None:
    kinds = {kind for kind in STAGES.values() if kind.chains is not Line.chains}
    assert {kind.__name__ for kind in kinds} == {
        *(
            "Aggregate",
            "Attention",
            "Branches",
            "IntoFirst",
            "Residual",
            "Resized",
            "Select",
            "Split",
        )
    }
    assert all(kind.over_chains is not Line.over_chains for kind in kinds)


def test_each_key_has_one_place_in_a_line() -> None:
    assert len(set(KEYS)) == len(KEYS)
