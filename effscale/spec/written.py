"""How much a file states once its blocks and cells are written out.

A block may use those above it, each several times: a few lines can stand for billions.
Read from plain data, before anything is made of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from effscale.spec.base import MAX_REPEATS
from effscale.spec.node import mapping
from effscale.spec.wrong import Wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

    from effscale.spec.node import Place

#: Lines of a network, those of used blocks and cells included.
MAX_LINES = 5_000


def lines(data: Any) -> int:  # noqa: ANN401 - whatever a file holds
    """The lines of the network; more than `MAX_LINES` where they are not counted on."""
    return sum(size for _, size in _sizes(data))


def too_long(data: Any) -> Iterator[Wrong]:  # noqa: ANN401
    """The first place at which a file becomes longer than any network."""
    total = 0
    for place, size in _sizes(data):
        total = size if place[0] == "blocks" else total + size
        if total > MAX_LINES:
            message = f"expected at most {MAX_LINES:,} lines, blocks written out"
            yield Wrong(place, message, "EFF003")
            return


def _sizes(data: Any) -> Iterator[tuple[Place, int]]:  # noqa: ANN401
    """The lines of each block that is too long, and of each section of the network."""
    known: dict[str, int] = {}
    for name, cell in mapping(mapping(data).get("cells")).items():
        nodes = mapping(cell).get("nodes")
        known[name] = sum(map(_length, nodes)) if isinstance(nodes, list) else 1
    for name, steps in mapping(mapping(data).get("blocks")).items():
        known[name] = _size(steps, known)
        if known[name] > MAX_LINES:
            yield ("blocks", name), known[name]
            return
    head = mapping(mapping(data).get("head"))
    yield ("stem",), _size(mapping(data).get("stem"), known)
    yield ("stages",), _size(mapping(data).get("stages"), known)
    yield ("head",), _size(head.get("layers"), known)


def _size(value: Any, known: dict[str, int]) -> int:  # noqa: ANN401
    """The lines of a line or several; each width of a list is a block of its own."""
    if isinstance(value, list):
        return sum(_size(each, known) for each in value)
    if not isinstance(value, dict):
        return 0
    names = [value.get(key) for key in ("block", "cell")]
    used = sum(known.get(name, 0) for name in names if isinstance(name, str))
    inner = sum(_size(value.get(k), known) for k in ("layers", "shortcut", "branches"))
    repeats = value.get("repeats") if used or value.get("block") == "dense" else 1
    times = repeats if type(repeats) is int and 0 < repeats <= MAX_REPEATS else 1
    widths = max(_length(value.get(key)) for key in ("channels", "c_mid"))
    return (max(1, used) * times + inner) * max(1, widths)


def _length(value: Any) -> int:  # noqa: ANN401
    return len(value) if isinstance(value, list) else 1
