"""Blocks of the file's own, written out where a line uses them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from effscale.spec.steps import Conv, Use
from effscale.spec.types import of_block

if TYPE_CHECKING:
    from collections.abc import Mapping

    from effscale.arrays import Int
    from effscale.spec.steps import Line, Lines

    Blocks: TypeAlias = Mapping[str, Lines]


def expanded(use: Use, blocks: Blocks, index: int = 0) -> Lines:
    """The steps of block number `index` of a stage that uses a block of the file."""
    return _resolved(blocks[use.block], use.channels, blocks, index)


def _resolved(lines: Lines, channels: Int | None, blocks: Blocks, index: int) -> Lines:
    """`lines` with each width that this block has, and used blocks written out."""
    found: list[Line] = []
    for line in lines:
        match line:
            case Conv(channels=None) if channels is not None:
                found.append(_with(line, line.of(channels)))
            case Conv(channels=tuple() as widths):
                found.append(_with(line, of_block(widths, index)))
            case Use():
                own = channels if line.channels is None else line.channels
                found += _resolved(blocks[line.block], own, blocks, index)
            case _:
                within = partial(
                    _resolved, channels=channels, blocks=blocks, index=index
                )
                found.append(line.over_chains(within))
    return tuple(found)


def _with(conv: Conv, channels: Int) -> Conv:
    return conv.model_copy(update={"channels": channels, "ratio": 1.0})


def chains(line: Line, blocks: Blocks) -> list[Lines]:
    """The lines within a line, or those of the block that it uses."""
    return (
        [expanded(line, blocks)] if isinstance(line, Use) else [*line.chains.values()]
    )


def kinds_of_block(lines: Lines, blocks: Blocks) -> int:
    """How many blocks of a stage differ: as many as its longest list has widths."""
    longest = 1
    for line in lines:
        inner = [blocks[line.block]] if isinstance(line, Use) else line.chains.values()
        widths = line.channels if isinstance(line, Conv) else None
        own = len(widths) if isinstance(widths, tuple) else 1
        longest = max(longest, own, *(kinds_of_block(each, blocks) for each in inner))
    return longest
