"""Which items of two sequences are each other's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

#: Items less alike than this are not versions of each other.
LEAST_ALIKE = 0.25


def aligned(
    old: Sequence[T], new: Sequence[T], likeness: Callable[[T, T], float]
) -> list[tuple[int | None, int | None]]:
    """Indices of those that are each other's, in the order of both sequences.

    The pairing with the most likeness in all; None stands for what has no pair. An
    inserted item leaves all the others with theirs.
    """
    first = _common(old, new)
    last = _common(old[first:][::-1], new[first:][::-1])
    rows, columns = len(old) - last, len(new) - last
    inner = _best(old[first:rows], new[first:columns], likeness)
    return [
        *((k, k) for k in range(first)),
        *(
            (None if i is None else first + i, None if j is None else first + j)
            for i, j in inner
        ),
        *((rows + k, columns + k) for k in range(last)),
    ]


def _common(old: Sequence[T], new: Sequence[T]) -> int:
    """How many both begin with: those are each other's in any best pairing."""
    pairs = enumerate(zip(old, new, strict=False))
    return next((k for k, (a, b) in pairs if a != b), min(len(old), len(new)))


def _best(
    old: Sequence[T], new: Sequence[T], likeness: Callable[[T, T], float]
) -> list[tuple[int | None, int | None]]:
    """The pairing with the most likeness, by dynamic programming from the ends."""
    rows, columns = len(old), len(new)
    best = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    paired = [[0.0] * columns for _ in range(rows)]
    for i in reversed(range(rows)):
        for j in reversed(range(columns)):
            alone = max(best[i + 1][j], best[i][j + 1])
            like = likeness(old[i], new[j]) - LEAST_ALIKE
            paired[i][j] = best[i + 1][j + 1] + like
            best[i][j] = max(alone, paired[i][j])
    found: list[tuple[int | None, int | None]] = []
    i = j = 0
    while i < rows or j < columns:
        if i < rows and j < columns and paired[i][j] >= best[i][j]:
            found.append((i, j))
            i, j = i + 1, j + 1
        elif i < rows and best[i + 1][j] >= best[i][j]:
            found.append((i, None))
            i += 1
        else:
            found.append((None, j))
            j += 1
    return found


def alike(old: dict[str, Any], new: dict[str, Any]) -> float:
    """How much two lines of a file say the same, from 0 to 1; the block counts double.

    Numbers are as alike as their ratio.
    """
    keys = [*dict.fromkeys([*old, *new]), "block"]
    return sum(_alike(old.get(key), new.get(key)) for key in keys) / len(keys)


def _alike(old: object, new: object) -> float:
    numbers = isinstance(old, int | float) and isinstance(new, int | float)
    if numbers and old and new:
        low, high = sorted((abs(float(old)), abs(float(new))))  # type: ignore[arg-type]
        return low / high
    return float(old == new)
