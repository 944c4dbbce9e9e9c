"""Tests of `effscale.study.course`."""

from __future__ import annotations

import pytest

from effscale.study.course import Course, Seeds, check, rungs, seeds


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


def test_one_seed_has_nothing_to_choose_by_but_rungs() -> None:
    message = "^a range from 2 up, as one seed tells nothing apart without --rungs$"
    for few in (Course(Seeds(1, 3)), Course(Seeds(1, 3), (8,))):
        with pytest.raises(ValueError, match=message):
            check(few)
    for enough in (
        Course(Seeds(1, 1)),
        Course(Seeds(2, 3)),
        Course(Seeds(1, 3), (2, 4)),
    ):
        check(enough)


def test_rungs_rise() -> None:
    assert rungs("2, 4,8") == (2, 4, 8)
    assert rungs("20") == (20,)


@pytest.mark.parametrize("text", ["", "0", "4,2", "2,2", "2,", "-1", "1.5", "1000001"])
def test_what_does_not_rise_is_no_rungs(text: str) -> None:
    message = "^epochs, each more than the one before, such as 2,4,8$"
    with pytest.raises(ValueError, match=message):
        rungs(text)


def test_one_in_so_many_goes_on_and_at_least_one() -> None:
    course = Course(Seeds(3, 3), (2, 4, 8), halving=3)
    assert (course.below, course.last) == ((2, 4), 8)
    assert [course.going_on(each) for each in (14, 5, 2, 1)] == [5, 2, 1, 1]
    assert (Course(Seeds(1, 1)).below, Course(Seeds(1, 1)).last) == ((), 0)


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
