"""A spec as a table of HTML, a row for each line of its network, for notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from effscale.markup import table

if TYPE_CHECKING:
    from effscale.spec.base import Model
    from effscale.spec.models import Spec


def html(spec: Spec) -> str:
    """Stem, stages and head with the numbers that the file states."""
    named: list[tuple[str, Model]] = [("stem", each) for each in spec.stem]
    named += [(f"stage {k}", each) for k, each in enumerate(spec.stages, 1)]
    rows = [{"part": name, **_flat(line)} for name, line in named]
    height, width = spec.resolution
    image = f"{spec.image_channels}×{height}×{width} px"
    return table(f"{spec.name}, {image}", [*rows, {"part": "head", **_flat(spec.head)}])


def _flat(line: Model) -> dict[str, Any]:
    """A line's values, those that are lines themselves in short."""
    values = line.model_dump(exclude_none=True, exclude_unset=True)
    return {
        key: "…" if _nests(value) else value
        for key, value in values.items()
        if value != ()
    }


def _nests(value: object) -> bool:
    """Whether a value holds lines of its own."""
    if isinstance(value, dict):
        return True
    return isinstance(value, list | tuple) and any(
        isinstance(each, dict | list | tuple) for each in value
    )
