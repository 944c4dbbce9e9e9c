"""Where to write the names of points in a picture, so that no two collide."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Dot: TypeAlias = tuple[float, float]
Segment: TypeAlias = tuple[Dot, Dot]

#: Directions in the order in which a reader expects a label: above left first, as an
#: accuracy curve bends to the lower right; then around.
_ANGLES = (135, 315, 90, 270, 45, 225, 180, 0, 112, 292, 157, 337, 67, 247, 22, 202)
_REACH, _STEP = 40, 6.0  #: rings of places around a point, and how far apart
#: What it costs a place to cover a marker, to cross a line, and to be a ring away.
_MARKER, _LINE, _AWAY = 6.0, 4.0, 1.0


@dataclass(frozen=True)
class Box:
    """A label's place: left, bottom, right, top."""

    left: float
    bottom: float
    right: float
    top: float

    def overlaps(self, other: Box) -> bool:
        """Whether the two have an area in common."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.bottom < other.top
            and other.bottom < self.top
        )

    def holds(self, dot: Dot, margin: float = 0.0) -> bool:
        """Whether the dot is in it, or nearer than `margin`."""
        x, y = dot
        inside = self.left - margin < x < self.right + margin
        return inside and self.bottom - margin < y < self.top + margin

    def crosses(self, segment: Segment) -> bool:
        """Whether the segment enters it (Liang & Barsky 1984)."""
        (x0, y0), (x1, y1) = segment
        start, end = 0.0, 1.0
        for origin, step, low, high in (
            (x0, x1 - x0, self.left, self.right),
            (y0, y1 - y0, self.bottom, self.top),
        ):
            if step == 0:
                if not low < origin < high:
                    return False
                continue
            enter, leave = sorted(((low - origin) / step, (high - origin) / step))
            start, end = max(start, enter), min(end, leave)
        return start < end

    def nearest(self, dot: Dot) -> Dot:
        """The dot of the box that is nearest to `dot`."""
        x, y = dot
        return min(max(x, self.left), self.right), min(max(y, self.bottom), self.top)


def place(
    dots: Sequence[Dot],
    sizes: Sequence[tuple[float, float]],
    frame: Box,
    lines: Sequence[Segment] = (),
    marker: float = 4.0,
) -> list[Box | None]:
    """A place for each label, in one unit of length; no two have an area in common.

    Each takes the best place that those before it have left: near its dot, within the
    frame, off markers and lines where that can be. None where there is no place left.
    """
    taken: list[Box] = []
    places: dict[int, Box | None] = {}
    for index in sorted(range(len(dots)), key=lambda k: _crowd(dots, k), reverse=True):
        best, least = None, math.inf
        for ring, box in _around(dots[index], sizes[index], marker):
            if ring * _AWAY >= least:
                break
            if not _within(box, frame) or any(map(box.overlaps, taken)):
                continue
            cost = ring * _AWAY
            cost += _MARKER * sum(box.holds(dot, marker) for dot in dots)
            cost += _LINE * sum(map(box.crosses, lines))
            if cost < least:
                best, least = box, cost
        places[index] = best
        taken += [] if best is None else [best]
    return [places[k] for k in range(len(dots))]


def _crowd(dots: Sequence[Dot], index: int) -> float:
    """How crowded a dot is: those with many near neighbours choose first."""
    x, y = dots[index]
    return sum(1 / (1 + math.hypot(x - a, y - b)) for a, b in dots)


def _around(
    dot: Dot, size: tuple[float, float], marker: float
) -> Iterator[tuple[int, Box]]:
    """Places around a dot, ring by ring, each with its ring."""
    x, y = dot
    width, height = size
    for ring in range(_REACH):
        away = marker + 1 + ring * _STEP
        for angle in _ANGLES:
            dx, dy = math.cos(math.radians(angle)), math.sin(math.radians(angle))
            left = x + away * dx - width * (1 - dx) / 2
            bottom = y + away * dy - height * (1 - dy) / 2
            yield ring, Box(left, bottom, left + width, bottom + height)


def _within(box: Box, frame: Box) -> bool:
    across = frame.left <= box.left and box.right <= frame.right
    return across and frame.bottom <= box.bottom and box.top <= frame.top
