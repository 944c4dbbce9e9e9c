"""What a spec's numbers must be to each other: stages that can follow one another.

Read from plain data, so that these faults are found beside those of the schema, and
again from a scaled spec, which no schema sees.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from effscale.arrays import every, is_array
from effscale.spec.models import MAX_CHANNELS, MAX_RESOLUTION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from effscale.spec.nodes import Place

#: Place in the file, and what is wrong there.
Finding = tuple["Place", str]


def too_small(side: Any, total_stride: int) -> str | None:  # noqa: ANN401
    """What is wrong with an image side that the network would halve below a pixel."""
    if every(side >= total_stride):
        return None
    least = side.min() if is_array(side) else side
    return f"expected at least {total_stride} (the network's total stride), got {least}"


def faults(data: Any) -> Iterator[Finding]:  # noqa: ANN401 - whatever a file holds
    """Stages that cannot follow the one before them, resolutions too small."""
    if not isinstance(data, dict):
        return
    stages = data.get("stages")
    blocks = [data.get("stem"), *(stages if isinstance(stages, list) else [])]
    yield from _chain(blocks)
    total = 1
    for block in blocks:
        stride = _whole(block, "stride") or 1
        total = min(total * stride, 10 * MAX_RESOLUTION)
    yield from _resolution(data.get("resolution"), ("resolution",), total)
    variants = data.get("variants")
    for name, variant in (variants if isinstance(variants, dict) else {}).items():
        if isinstance(variant, dict):
            place = ("variants", name, "resolution")
            yield from _resolution(variant.get("resolution"), place, total)


def _chain(blocks: list[Any]) -> Iterator[Finding]:
    for index, (before, stage) in enumerate(pairwise(blocks)):
        given, stated = _whole(before, "channels"), _whole(stage, "c_in")
        if given and stated and given != stated:
            what = "stem" if index == 0 else f"stages[{index - 1}]"
            message = f"expected {given} (the channels of {what}), got {stated}"
            yield ("stages", index, "c_in"), message


def _resolution(value: Any, place: Place, total: int) -> Iterator[Finding]:  # noqa: ANN401
    sides = value if isinstance(value, list) else [value]
    for index, side in enumerate(sides):
        if type(side) is int and side > 0 and (message := too_small(side, total)):
            yield (*place, index) if isinstance(value, list) else place, message


def _whole(block: Any, key: str) -> int | None:  # noqa: ANN401
    """The number there, unless it is out of all range, which the schema says."""
    value = block.get(key) if isinstance(block, dict) else None
    return value if type(value) is int and 0 < value <= MAX_CHANNELS else None
