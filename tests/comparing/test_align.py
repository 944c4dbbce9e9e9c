"""Tests of `effscale.comparing.parts`: which items are each other's."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from effscale.comparing import parts

words = st.lists(st.sampled_from("abc"), max_size=6)


def same(one: str, other: str) -> float:
    return float(one == other)


@given(words, words)
def test_alignment_keeps_order_and_leaves_nothing_out(
    old: list[str], new: list[str]
) -> None:
    pairs = parts.aligned(old, new, same)
    assert [i for i, _ in pairs if i is not None] == list(range(len(old)))
    assert [j for _, j in pairs if j is not None] == list(range(len(new)))
    assert all(old[i] == new[j] for i, j in pairs if i is not None and j is not None)


def longest(old: list[str], new: list[str]) -> int:
    """The length of the longest common subsequence, by its definition."""
    if not old or not new:
        return 0
    if old[0] == new[0]:
        return 1 + longest(old[1:], new[1:])
    return max(longest(old[1:], new), longest(old, new[1:]))


@given(words, words)
def test_alignment_has_as_many_pairs_as_there_can_be(
    old: list[str], new: list[str]
) -> None:
    pairs = [pair for pair in parts.aligned(old, new, same) if None not in pair]
    assert len(pairs) == longest(old, new)


@given(words, st.integers(0, 6), st.sampled_from("xyz"))
def test_an_insertion_leaves_all_others_with_theirs(
    old: list[str], at: int, word: str
) -> None:
    new = [*old[:at], word, *old[at:]]
    pairs = parts.aligned(old, new, same)
    assert sum(i is None for i, _ in pairs) == 1
    assert all(j is not None for _, j in pairs)


def test_of_equals_the_last_is_the_new_one() -> None:
    assert parts.aligned("aa", "aaa", same) == [(0, 0), (1, 1), (None, 2)]


def test_what_is_too_unlike_is_gone_and_new() -> None:
    assert parts.aligned("a", "b", lambda *_: 0.2) == [(0, None), (None, 0)]
    assert parts.aligned("a", "b", lambda *_: 0.3) == [(0, 0)]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"block": "a"}, {"block": "a"}, 1),
        ({"block": "a"}, {"block": "b"}, 0),
        ({"block": "a", "channels": 40}, {"block": "a", "channels": 48}, 17 / 18),
        ({"block": "a", "channels": 40}, {"block": "a"}, 2 / 3),
        ({"block": "a", "se_ratio": 0.0}, {"block": "a", "se_ratio": 0.25}, 2 / 3),
    ],
)
def test_lines_are_as_alike_as_what_they_say(
    old: dict[str, Any], new: dict[str, Any], expected: float
) -> None:
    assert parts.alike(old, new) == pytest.approx(expected)
    assert parts.alike(new, old) == pytest.approx(expected)
