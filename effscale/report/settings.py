"""How networks were run, in words and columns: what settings have in common or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from effscale.report.document import Column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.report.document import Row

#: The keys by which settings differ.
SETTING = ("batch", "threads", "dtype", "device", "channels_last", "compiled")


def differing(entries: Sequence[Row]) -> list[str]:
    """The keys that have several values in these entries."""
    return [key for key in SETTING if len({each[key] for each in entries}) > 1]


def varying(entries: Sequence[Row]) -> list[Column]:
    """Columns of what is not the same in all settings."""
    return [Column(key, key) for key in differing(entries)]


def common(entries: Sequence[Row]) -> str:
    """What all settings have in common: `batch 1, 2 threads, float32, cpu`."""
    several, first = differing(entries), entries[0]
    words = [said(key, first[key]) for key in SETTING if key not in several]
    return ", ".join(filter(None, words))


def said(key: str, value: Any) -> str:  # noqa: ANN401 - of a setting
    """A value of a setting in words; none of what is not asked for."""
    match key:
        case "batch":
            return f"batch {value}"
        case "threads":
            return f"{value} thread{'s' if value > 1 else ''}"
        case "channels_last" | "compiled":
            return key.replace("_", " ") if value else ""
        case _:
            return str(value)
