"""Tests of `effscale.spec.geometry`: blocks of the file's own, written out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from effscale.spec.geometry import expanded, kinds
from effscale.spec.steps import Branches, Conv, OwnBlock, Residual, Use
from tests.spec.small import lines

if TYPE_CHECKING:
    from effscale.spec.line import Line
    from effscale.spec.models import Spec


def spec(*block: str, use: str = "{block: own}") -> Spec:
    """A spec whose block `own` is of these steps, and one stage of it."""
    steps = ", ".join(block)
    return lines(use, blocks=f"{{inner: [{{kernel: 5}}], own: [{steps}]}}")


def widths(found: tuple[Line, ...]) -> list[object]:
    """Channels of convolutions, however deep."""
    listed: list[object] = []
    for step in found:
        match step:
            case Conv():
                listed.append(step.channels)
            case Branches():
                listed += [n for branch in step.branches for n in widths(branch)]
            case Residual():
                listed += [*widths(step.layers), *widths(step.shortcut)]
            case _:
                pass
    return listed


def used(found: Spec, index: int = 0) -> list[object]:
    (use,) = found.stages
    assert isinstance(use, Use)
    return widths(expanded(use, found.blocks, index))


DEEP = (
    "{kernel: 1}",
    "{block: concat, branches: [[{kernel: 1}], [{kernel: 1, channels: 5}]]}",
    "{block: residual, layers: [{kernel: 1}], shortcut: [{kernel: 3, channels: 7}]}",
    "{block: inner}",
    "{block: inner, channels: 9}",
)


def test_convolutions_that_state_no_channels_have_those_of_the_line() -> None:
    found = spec(*DEEP, use="{block: own, channels: 12}")
    assert used(found) == [12, 12, 5, 12, 7, 12, 9]


def test_where_the_line_states_none_either_there_are_none() -> None:
    assert used(spec(*DEEP)) == [None, None, 5, None, 7, None, 9]


def test_a_used_block_is_written_out() -> None:
    found = spec("{block: norm}", "{block: inner, channels: 9}")
    (use,) = found.stages
    assert isinstance(use, Use)
    norm, conv = expanded(use, found.blocks)
    assert norm.block == "norm"
    assert conv == Conv(kernel=(5, 5), channels=9)


def test_a_line_is_written_out_once_for_each_file_that_has_it() -> None:
    found, other = spec("{kernel: 1}"), spec("{kernel: 3}")
    (use,) = found.stages
    assert isinstance(use, Use)
    once = expanded(use, found.blocks)
    assert expanded(use, found.blocks) is once
    assert expanded(use.model_copy(), found.blocks) == once
    (wide,) = expanded(use.model_copy(update={"channels": 9}), found.blocks)
    assert widths((wide,)) == [9]
    assert expanded(use, other.blocks) == (Conv(kernel=(3, 3)),)


def test_lines_as_wide_as_many_candidates_are_not_kept() -> None:
    found = spec("{kernel: 1}")
    (use,) = found.stages
    assert isinstance(use, Use)
    many = use.model_copy(update={"channels": np.array([8, 16])})
    assert expanded(many, found.blocks) is not expanded(many, found.blocks)


@pytest.mark.parametrize(
    ("ratio", "channels", "width"),
    [(0.5, 12, 6), (0.75, 10, 7), (0.01, 12, 1), (2, 12, 24), (1, 13, 13)],
)
def test_a_ratio_is_of_the_line_s_channels_cut_to_whole_ones(
    ratio: float, channels: int, width: int
) -> None:
    use = f"{{block: own, channels: {channels}}}"
    found = spec(f"{{kernel: 1, ratio: {ratio}}}", use=use)
    assert used(found) == [width]


LISTS = (
    "{kernel: 1, channels: [1, 2, 3]}",
    "{block: sum, branches: [[{kernel: 1, channels: [4, 5]}], [{kernel: 1}]]}",
)


@pytest.mark.parametrize(
    ("index", "listed"),
    [(0, [1, 4, 9]), (1, [2, 5, 9]), (2, [3, 5, 9]), (7, [3, 5, 9])],
)
def test_a_list_has_the_channels_of_each_block_and_the_last_for_all_after(
    index: int, listed: list[int]
) -> None:
    found = spec(*LISTS, use="{block: own, channels: 9, repeats: 8}")
    assert used(found, index) == listed


@pytest.mark.parametrize(
    ("steps", "differ"),
    [
        (["{kernel: 1}", "{block: norm}"], 1),
        (["{kernel: 1, channels: [8]}"], 1),
        (LISTS, 3),
        (["{block: sum, branches: [[], [{kernel: 1, channels: [4, 5]}]]}"], 2),
        (["{block: residual, layers: [{kernel: 1, channels: [4, 5]}]}"], 2),
        (
            [
                (
                    "{block: residual, layers: [{block: norm}], "
                    "shortcut: [{kernel: 1, channels: [1, 2, 3, 4]}]}"
                )
            ],
            4,
        ),
    ],
)
def test_as_many_blocks_differ_as_the_longest_list_has_widths(
    steps: list[str], differ: int
) -> None:
    found = spec(*steps)
    (use,) = found.stages
    assert isinstance(use, Use)
    assert kinds(use, found.blocks) == differ
    outer = {**found.blocks, "outer": OwnBlock(layers=(use,))}
    assert kinds(Use(block="outer"), outer) == differ
