"""A spec as a table of HTML, a row for each line of its network, for notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from effscale.markup import table
from effscale.spec.base import Model

if TYPE_CHECKING:
    from effscale.spec.models import Spec


def html(spec: Spec) -> str:
    """Stem, stages and head with the numbers that the file states."""
    named: list[tuple[str, Model]] = [("stem", each) for each in spec.stem]
    named += [(f"stage {k}", each) for k, each in enumerate(spec.stages, 1)]
    ends = {"head": spec.head, "neck": spec.neck, "heads": spec.heads}
    named += [(name, each) for name, each in ends.items() if each is not None]
    rows = [{"part": name, **_flat(line)} for name, line in named]
    height, width = spec.resolution
    image = f"{spec.image_channels}×{height}×{width} px"
    return table(f"{spec.name}, {image}", rows)


def _flat(line: Model) -> dict[str, Any]:
    """The values that a line states, those that are lines themselves in short."""
    stated = {name: value for name, value in line if name in line.model_fields_set}
    return {
        name: "…" if _nests(value) else value
        for name, value in stated.items()
        if value is not None
    }


def _nests(value: object) -> bool:
    """Whether a value holds lines of its own."""
    several = value if isinstance(value, tuple) else (value,)
    return any(isinstance(each, Model | tuple) for each in several)
