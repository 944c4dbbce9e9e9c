"""The keys of answers in JSON that no word of the glossary explains."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from effscale import glossary
from effscale.choices import TOOLS

if TYPE_CHECKING:
    from collections.abc import Iterator


def keys(value: Any) -> Iterator[str]:  # noqa: ANN401 - plain data
    """The keys of all objects in a value, but for those that are names."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            if key not in glossary.HOLD_NAMES:
                yield from keys(inner)
    elif isinstance(value, list):
        for each in value[:20]:
            yield from keys(each)


def unexplained(printed: str) -> set[str]:
    """The keys of what was printed, if it is an answer in JSON, without a meaning.

    A figure of a tool's own stands under the tool's name.
    """
    if not printed.startswith('{\n  "effscale"'):
        return set()
    found = set(keys(json.loads(printed))).difference(TOOLS)
    return {each for each in found if not glossary.meaning(each)}
