"""Blocks of the file's own, written out where a line uses them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.spec.steps import Branches, Conv, Residual, Use
from effscale.spec.types import of_block

if TYPE_CHECKING:
    from collections.abc import Mapping

    from effscale.arrays import Int
    from effscale.spec.steps import Line


def expanded(
    use: Use, blocks: Mapping[str, tuple[Line, ...]], index: int = 0
) -> tuple[Line, ...]:
    """The steps of block number `index` of a stage that uses a block of the file."""
    return _resolved(blocks[use.block], use.channels, blocks, index)


def _resolved(
    steps: tuple[Line, ...],
    channels: Int | None,
    blocks: Mapping[str, tuple[Line, ...]],
    index: int,
) -> tuple[Line, ...]:
    """`steps` with each width that this block has, and used blocks written out."""
    found: list[Line] = []
    for step in steps:
        match step:
            case Conv(channels=None) if channels is not None:
                found.append(_with(step, step.of(channels)))
            case Conv(channels=tuple() as widths):
                found.append(_with(step, of_block(widths, index)))
            case Branches():
                inner = [
                    _resolved(each, channels, blocks, index) for each in step.branches
                ]
                found.append(step.model_copy(update={"branches": tuple(inner)}))
            case Residual():
                parts = {
                    name: _resolved(getattr(step, name), channels, blocks, index)
                    for name in ("layers", "shortcut")
                }
                found.append(step.model_copy(update=parts))
            case Use():
                own = channels if step.channels is None else step.channels
                found += _resolved(blocks[step.block], own, blocks, index)
            case _:
                found.append(step)
    return tuple(found)


def _with(conv: Conv, channels: Int) -> Conv:
    return conv.model_copy(update={"channels": channels, "ratio": 1.0})


def kinds_of_block(
    steps: tuple[Line, ...], blocks: Mapping[str, tuple[Line, ...]]
) -> int:
    """How many blocks of a stage differ: as many as its longest list has widths."""
    longest = 1
    for step in steps:
        match step:
            case Conv(channels=tuple() as widths):
                longest = max(longest, len(widths))
            case Branches():
                longest = max(
                    longest, *(kinds_of_block(b, blocks) for b in step.branches)
                )
            case Residual():
                both = (step.layers, step.shortcut)
                longest = max(longest, *(kinds_of_block(each, blocks) for each in both))
            case Use():
                longest = max(longest, kinds_of_block(blocks[step.block], blocks))
            case _:
                pass
    return longest
