"""Tests of `effscale.network.layers`: what cannot be is refused where it is made."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from effscale.errors import LayerError
from effscale.network.layers import (
    Act,
    Conv,
    Flatten,
    Network,
    Repeat,
    Sequential,
    Shape,
    seq,
    unrolled,
)


def test_a_shape_has_positions_and_elements() -> None:
    shape = Shape(3, 5, 7)
    assert (shape.positions, shape.elements) == (35, 105)


def test_a_convolution_is_pointwise_unless_told() -> None:
    conv = Conv(3, 8)
    assert (conv.kernel, conv.stride, conv.groups, conv.bias) == (1, 1, 1, False)


@pytest.mark.parametrize(
    ("kernel", "stride", "message"),
    [
        (4, 1, "kernel: expected an odd number, got 4"),
        (-1, 1, "kernel: expected an odd number, got -1"),
        (3, 0, "stride: expected at least 1, got 0"),
    ],
)
def test_an_impossible_kernel_or_stride_is_refused(
    kernel: int, stride: int, message: str
) -> None:
    with pytest.raises(LayerError) as caught:
        Conv(3, 8, kernel, stride)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("c_in", "c_out", "groups", "expected"),
    [
        (0, 6, 1, "channels: expected at least 1"),
        (6, -6, 1, "channels: expected at least 1"),
        (6, 8, 3, "groups: expected a divisor of the channels"),
        (8, 6, 3, "groups: expected a divisor of the channels"),
        (6, 6, 0, "groups: expected a divisor of the channels"),
        (6, 6, -3, "groups: expected a divisor of the channels"),
    ],
)
def test_impossible_channels_or_groups_are_refused(
    c_in: int, c_out: int, groups: int, expected: str
) -> None:
    with pytest.raises(LayerError) as caught:
        Conv(c_in, c_out, groups=groups)
    assert str(caught.value) == (
        f"{expected}, got Conv(c_in={c_in}, c_out={c_out}, kernel=1, stride=1, "
        f"groups={groups}, bias=False)"
    )


def test_one_impossible_candidate_is_refused() -> None:
    with pytest.raises(LayerError, match=r"^groups: expected a divisor"):
        Conv(np.array([6, 8]), 12, groups=3)


def test_fractions_of_a_group_are_a_network_on_paper() -> None:
    width = Fraction(7, 2)
    assert Conv(width, width, 3, groups=width).groups == width  # type: ignore[arg-type]


def test_equal_descriptions_are_equal() -> None:
    assert seq(a=Conv(3, 8), b=Act("relu")) == seq(a=Conv(3, 8), b=Act("relu"))
    assert seq(a=Conv(3, 8)) != seq(b=Conv(3, 8))


def test_seq_names_its_layers_in_order() -> None:
    conv, act = Conv(3, 8), Act("relu")
    assert seq(second=act, first=conv).layers == (("second", act), ("first", conv))


@pytest.mark.parametrize("times", [0, 1, 3])
def test_copies_are_numbered_on_from_their_name(times: int) -> None:
    first, rest = Flatten(), Act("relu")
    stage = Sequential((("0", first), ("1", Repeat(rest, times))))
    numbered = [(str(index + 1), rest) for index in range(times)]
    assert list(unrolled(stage.layers)) == [("0", first), *numbered]


@pytest.mark.parametrize("image", [Shape(3, 0, 32), Shape(0, 8, 8), Shape(3, -2, -2)])
def test_an_image_without_pixels_is_refused(image: Shape) -> None:
    with pytest.raises(LayerError) as caught:
        Network("nothing", image, ())
    assert str(caught.value) == f"image: expected at least one pixel, got {image}"
