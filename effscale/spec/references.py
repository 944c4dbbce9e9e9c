"""Blocks and cells that lines name: those of the language, and those of the file.

Read from plain data: of a line whose block is unknown, no schema can say more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from effscale.errors import closest, short
from effscale.spec.lines import STAGES
from effscale.spec.node import mapping
from effscale.spec.steps import STEPS
from effscale.spec.wrong import Wrong

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from effscale.spec.node import Place


def references(data: Any) -> Iterator[Wrong]:  # noqa: ANN401 - whatever a file holds
    """Lines that name a block or a cell which there is not."""
    if not isinstance(data, dict):
        return
    own: list[str] = []
    for name, steps in mapping(data.get("blocks")).items():
        if name in STAGES:
            message = f"expected a name that no block has, got {short(name)}"
            yield Wrong(("blocks", name), message, "EFF106")
        yield from _unknown(steps, ("blocks", name), (*STEPS, *own))
        own += [] if name in STAGES else [name]
    for place, steps in _steps_of(data).items():
        yield from _unknown(steps, place, (*STEPS, *own))
    yield from _unknown(data.get("stages"), ("stages",), (*STAGES, *own))
    yield from _cells(data.get("stages"), mapping(data.get("cells")))


def _steps_of(data: dict[str, Any]) -> dict[Place, Any]:
    """What may hold steps, outside the stages, by its place."""
    neck = mapping(data.get("neck"))
    found: dict[Place, Any] = {
        ("stem",): data.get("stem"),
        ("head", "layers"): mapping(data.get("head")).get("layers"),
        ("neck", "layers"): neck.get("layers"),
        ("neck", "lateral"): neck.get("lateral"),
        ("heads", "layers"): mapping(data.get("heads")).get("layers"),
    }
    for name, node in mapping(neck.get("nodes")).items():
        found["neck", "nodes", name, "layers"] = mapping(node).get("layers")
    return found


def misnamed(data: Any) -> Iterator[Place]:  # noqa: ANN401 - whatever a file holds
    """Stages whose block the file defines by a name that is taken: which is meant?"""
    taken = [name for name in mapping(mapping(data).get("blocks")) if name in STAGES]
    stages = mapping(data).get("stages")
    for index, line in enumerate(stages if isinstance(stages, list) else []):
        if mapping(line).get("block") in taken:
            yield "stages", index


def _unknown(lines: Any, place: Place, known: Iterable[str]) -> Iterator[Wrong]:  # noqa: ANN401
    for index, line in enumerate(lines if isinstance(lines, list) else [lines]):
        at = (*place, index) if isinstance(lines, list) else place
        fields = mapping(line)
        block = fields.get("block", "conv")
        if block not in known:
            message = f"expected one of {', '.join(known)}, got {short(block)}"
            close = closest(block, list(known))
            yield Wrong((*at, "block"), message, "EFF105", close)
        elif block not in STAGES and "repeats" in fields and at[:-1] != ("stages",):
            message = "expected none but in a line of stages, got"
            yield Wrong((*at, "repeats"), f"{message} {short(fields['repeats'])}")
        for key in ("layers", "shortcut"):
            yield from _unknown(fields.get(key, []), (*at, key), _steps(known))
        branches = fields.get("branches")
        for k, branch in enumerate(branches if isinstance(branches, list) else []):
            yield from _unknown(branch, (*at, "branches", k), _steps(known))


def _steps(known: Iterable[str]) -> list[str]:
    """What may stand within a step: no stages."""
    return [name for name in known if name in STEPS or name not in STAGES]


def _cells(stages: Any, cells: dict[str, Any]) -> Iterator[Wrong]:  # noqa: ANN401
    for index, line in enumerate(stages if isinstance(stages, list) else []):
        cell = mapping(line).get("cell")
        if isinstance(cell, str) and cell not in cells:
            listed = ", ".join(cells) or "none"
            message = f"expected one of the file's cells ({listed}), got {short(cell)}"
            close = closest(cell, list(cells))
            yield Wrong(("stages", index, "cell"), message, "EFF105", close)
