"""Tests of `effscale.report.plots`: no two labels collide, nor leave the frame."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from effscale.report.plots import Box, Dot, Segment, place

FRAME = Box(0, 0, 800, 600)
dots = st.tuples(st.floats(0, 800), st.floats(0, 600))


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (Box(1, 1, 3, 3), True),
        (Box(2, 0, 4, 2), False),  # sides that touch have no area in common
        (Box(0.5, 0.5, 1, 1), True),
        (Box(5, 5, 6, 6), False),
    ],
)
def test_overlap_is_an_area_in_common(other: Box, *, expected: bool) -> None:
    box = Box(0, 0, 2, 2)
    assert box.overlaps(other) is other.overlaps(box) is expected


@pytest.mark.parametrize(
    ("segment", "expected"),
    [
        (((-1, 1), (3, 1)), True),
        (((-1, -1), (3, 3)), True),
        (((0.5, 0.5), (1, 1)), True),
        (((-1, 1), (-0.5, 1)), False),  # ends before it
        (((1, -1), (1, 3)), True),
        (((3, -1), (3, 3)), False),
        (((-1, 2), (2, 5)), False),
    ],
)
def test_crossing_is_to_enter(segment: Segment, *, expected: bool) -> None:
    assert Box(0, 0, 2, 2).crosses(segment) is expected


def test_the_nearest_dot_of_a_box() -> None:
    box = Box(0, 0, 2, 2)
    assert box.nearest((5, 1)) == (2, 1)
    assert box.nearest((1, 1)) == (1, 1)
    assert box.nearest((-1, -1)) == (0, 0)


def test_a_label_alone_stands_beside_its_dot() -> None:
    (box,) = place([(400, 300)], [(60, 12)], FRAME)
    assert box is not None
    assert not box.holds((400, 300), 4)
    nearest = box.nearest((400, 300))
    assert abs(nearest[0] - 400) + abs(nearest[1] - 300) < 10


@given(st.lists(dots, min_size=1, max_size=25))
def test_no_two_labels_collide(points: list[Dot]) -> None:
    places = place(points, [(60, 12)] * len(points), FRAME)
    found = [box for box in places if box is not None]
    assert not any(one.overlaps(other) for one, other in combinations(found, 2))
    for box in found:
        assert 0 <= box.left < box.right <= 800
        assert 0 <= box.bottom < box.top <= 600


def test_dots_on_one_spot_all_get_their_labels() -> None:
    places = place([(400, 300)] * 12, [(60, 12)] * 12, FRAME)
    assert None not in places


def test_a_line_is_kept_clear_where_that_can_be() -> None:
    (first,) = place([(400, 300)], [(60, 12)], FRAME)
    assert first is not None
    through = ((first.left, first.bottom + 6), (first.right, first.bottom + 6))
    (box,) = place([(400, 300)], [(60, 12)], FRAME, [through])
    assert box is not None
    assert first.crosses(through)
    assert not box.crosses(through)


def test_without_room_there_is_no_label() -> None:
    assert place([(5, 5)], [(60, 12)], Box(0, 0, 10, 10)) == [None]
