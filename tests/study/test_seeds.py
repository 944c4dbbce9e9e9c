"""Tests of `effscale.study.seeds`."""

from __future__ import annotations

import pytest

from effscale.study.seeds import Seeds, seeds


@pytest.mark.parametrize(
    ("text", "found"),
    [("3", Seeds(3, 3)), (" 3..10 ", Seeds(3, 10)), ("1..1", Seeds(1, 1))],
)
def test_reads_a_number_or_a_range(text: str, found: Seeds) -> None:
    assert seeds(text) == found
    assert seeds(str(found)) == found


@pytest.mark.parametrize("text", ["", "0", "10..3", "1001", "3..", "..3", "3-10", "-1"])
def test_refuses_anything_else(text: str) -> None:
    with pytest.raises(ValueError, match=r"^1 to 1000 seeds, such as 3 or 3\.\.10$"):
        seeds(text)


def test_one_seed_has_nothing_to_choose_by() -> None:
    message = "^a range from 2 up, as one seed tells nothing apart$"
    with pytest.raises(ValueError, match=message):
        seeds("1..3")


@pytest.mark.parametrize(
    ("given", "looks"),
    [
        (Seeds(1, 1), [1]),
        (Seeds(3, 3), [3]),
        (Seeds(2, 3), [2, 3]),
        (Seeds(3, 10), [3, 5, 8, 10]),
        (
            Seeds(4, 1000),
            [4, 6, 9, 14, 21, 32, 48, 72, 108, 162, 243, 365, 548, 822, 1000],
        ),
    ],
)
def test_each_look_is_after_half_as_many_more(given: Seeds, looks: list[int]) -> None:
    assert given.looks == looks
