"""Tests of `effscale.network.operators`: what cannot be is refused where it is made."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest

from effscale.errors import LayerError
from effscale.network.operators.attention import Attention
from effscale.network.operators.convolution import Conv, Linear
from effscale.network.operators.norm import BatchNorm, LayerNorm
from effscale.network.operators.pooling import Pool
from effscale.network.shapes import Shape

if TYPE_CHECKING:
    from collections.abc import Callable

    from effscale.network.shapes import Window
    from effscale.spec.values import PoolKind


def message(make: Callable[[], object]) -> str:
    with pytest.raises(LayerError) as caught:
        make()
    return str(caught.value)


def test_a_shape_has_positions_and_elements() -> None:
    shape = Shape(3, 5, 7)
    assert (shape.positions, shape.elements) == (35, 105)


def test_a_convolution_is_pointwise_unless_told() -> None:
    assert Conv(3, 8) == Conv(
        3, 8, (1, 1), (1, 1), 1, bias=False, padding="same", shared=None
    )


@pytest.mark.parametrize(
    ("kernel", "stride", "expected"),
    [
        ((4, 3), (1, 1), "kernel: expected odd sides for same padding, got 4×3"),
        ((3, 2), (1, 1), "kernel: expected odd sides for same padding, got 3×2"),
        ((-1, 3), (1, 1), "kernel: expected at least 1, got (-1, 3)"),
        ((3, 3), (1, 0), "stride: expected at least 1, got (1, 0)"),
    ],
)
def test_an_impossible_kernel_or_stride_is_refused(
    kernel: Window, stride: Window, expected: str
) -> None:
    assert message(lambda: Conv(3, 8, kernel, stride)) == expected


def test_an_even_kernel_of_valid_padding_is_right() -> None:
    assert Conv(3, 8, (4, 2), padding="valid").kernel == (4, 2)


@pytest.mark.parametrize(("c_in", "c_out"), [(0, 6), (6, -6)])
def test_impossible_channels_are_refused(c_in: int, c_out: int) -> None:
    assert message(lambda: Conv(c_in, c_out)) == (
        f"channels: expected at least 1, got Conv(c_in={c_in}, c_out={c_out}, "
        "kernel=(1, 1), stride=(1, 1), groups=1, bias=False, padding='same', "
        "shared=None, dilation=1)"
    )
    found = f"Linear(c_in={c_in}, c_out={c_out}, bias=True)"
    expected = f"channels: expected at least 1, got {found}"
    assert message(lambda: Linear(c_in, c_out)) == expected


def test_a_norm_of_no_channels_is_refused() -> None:
    expected = (
        "channels: expected at least 1, got BatchNorm(channels=0, eps=1, momentum=1)"
    )
    assert message(lambda: BatchNorm(0, 1, 1)) == expected
    expected = (
        "channels: expected at least 1, got LayerNorm(channels=0, eps=1, shift=True)"
    )
    assert message(lambda: LayerNorm(0, 1)) == expected


def test_a_norm_of_other_channels_than_come_in_is_refused() -> None:
    for norm in (BatchNorm(4, 1, 1), LayerNorm(4, 1)):
        assert norm.output(Shape(4, 5, 7), "norm") == Shape(4, 5, 7)
        with pytest.raises(LayerError):
            norm.output(Shape(3, 5, 7), "norm")


@pytest.mark.parametrize(
    ("c_in", "c_out", "groups", "of"),
    [(6, 8, 3, 8), (8, 6, 3, 8), (6, 9, 9, 6)],
)
def test_groups_divide_the_channels(
    c_in: int, c_out: int, groups: int, of: int
) -> None:
    expected = f"groups: expected a divisor of {of} channels, got {groups}"
    assert message(lambda: Conv(c_in, c_out, groups=groups)) == expected


@pytest.mark.parametrize("groups", [0, -3])
def test_there_is_a_group_at_least(groups: int) -> None:
    expected = f"groups: expected at least 1, got {groups}"
    assert message(lambda: Conv(6, 6, groups=groups)) == expected


def test_one_impossible_candidate_is_refused() -> None:
    found = message(lambda: Conv(np.array([6, 8]), 12, groups=3))
    assert found == "groups: expected a divisor of 8 channels, got 3"


def test_fractions_of_a_group_are_a_network_on_paper() -> None:
    width = Fraction(7, 2)
    conv = Conv(width, width, (3, 3), groups=width)  # type: ignore[arg-type]
    assert conv.groups == width


@pytest.mark.parametrize(
    ("kind", "kernel", "stride"),
    [("max", (2, 2), (2, 2)), ("avg", (2, 4), (2, 4)), ("max", (3, 5), (1, 2))],
)
def test_a_window_apart_from_the_next_may_be_even(
    kind: PoolKind, kernel: Window, stride: Window
) -> None:
    assert Pool(kind, kernel, stride).padding == "same"
    assert Pool(kind, kernel, (1, 1), padding="valid").stride == (1, 1)


@pytest.mark.parametrize("stride", [(1, 1), (2, 1), (4, 4)])
def test_an_even_window_that_overlaps_is_refused(stride: Window) -> None:
    assert message(lambda: Pool("max", (2, 2), stride)) == (
        "kernel: expected odd sides for same padding, or the stride's own, got 2×2"
    )


def test_attention_leaves_its_heads_as_they_are() -> None:
    """What is learnt beside a scale of each head is added to it, not to the heads."""
    heads = np.array([3, 6])
    layer = Attention(
        heads, 2, 2, "cosine", over="window", size=(4, 4), position="offset"
    )
    maps = (Shape(layer.widths()[0], 8, 8),)
    assert layer.work(maps).params.tolist() == [3 + 16 * 3, 6 + 16 * 6]
    assert heads.tolist() == [3, 6]
