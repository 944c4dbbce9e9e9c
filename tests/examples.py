"""How much hypothesis draws: so many examples, ten times as many with `--long`."""

from __future__ import annotations

from hypothesis import settings


def examples(count: int) -> settings:
    """So many examples, however long one takes."""
    return settings(max_examples=count * settings().max_examples // 100, deadline=None)
