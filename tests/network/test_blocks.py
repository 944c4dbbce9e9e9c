"""Tests of `effscale.network.blocks`: each block is made of what the papers say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from effscale.network.blocks import (
    Style,
    classifier,
    conv_norm,
    conv_norm_act,
    mbconv,
    repeated,
    squeeze_excite,
    squeezed,
)
from effscale.network.layers import (
    Act,
    Conv,
    Dropout,
    Flatten,
    Gate,
    Linear,
    Norm,
    Pool,
    Repeat,
    Residual,
    Sequential,
    seq,
)
from effscale.spec.models import Head, Stage

if TYPE_CHECKING:
    import effscale as es

STYLE = Style("silu", 1e-3, 0.01)


def stage(**changes: object) -> Stage:
    """The second stage of EfficientNet-B0, with changes."""
    base = {
        "block": "mbconv",
        "kernel": 3,
        "stride": 2,
        "expand_ratio": 6,
        "channels": 24,
        "repeats": 2,
        "se_ratio": 0.25,
    }
    return Stage.model_validate({**base, **changes})


def test_a_style_is_the_spec_s(b0: es.Spec) -> None:
    # efficientnet_builder.py:187-188: epsilon 1e-3, momentum 0.99 as TensorFlow says it
    assert Style.of(b0) == STYLE
    assert STYLE.norm(8) == Norm(8, eps=1e-3, momentum=0.01)
    assert STYLE.act() == Act("silu")


def test_batch_norm_is_as_wide_as_its_convolution() -> None:
    conv, norm = Conv(3, 8), Norm(8, 1e-3, 0.01)
    assert conv_norm(conv, STYLE) == seq(conv=conv, norm=norm)
    assert conv_norm_act(conv, STYLE) == seq(conv=conv, norm=norm, act=Act("silu"))


@pytest.mark.parametrize(
    ("c_in", "se_ratio", "width"),
    [(32, 0.25, 8), (18, 0.25, 4), (19, 0.25, 4), (3, 0.25, 1), (112, 0.25, 28)],
)
def test_the_squeezed_width_is_cut_to_whole_channels(
    c_in: int, se_ratio: float, width: int
) -> None:
    # efficientnet_model.py:297: max(1, int(input_filters * se_ratio))
    assert squeezed(c_in, se_ratio) == width
    assert squeezed(np.array([c_in]), se_ratio) == np.array([width])


def test_squeeze_and_excite_has_biases_and_ends_in_a_sigmoid() -> None:
    assert squeeze_excite(96, 4, STYLE) == Gate(
        (
            ("pool", Pool()),
            ("reduce", Conv(96, 4, bias=True)),
            ("act", Act("silu")),
            ("expand", Conv(4, 96, bias=True)),
            ("gate", Act("sigmoid")),
        )
    )


def test_mbconv_expands_filters_squeezes_and_projects() -> None:
    depthwise = Conv(96, 96, kernel=3, stride=2, groups=96)
    assert mbconv(16, 2, stage(), STYLE) == seq(
        expand=conv_norm_act(Conv(16, 96), STYLE),
        depthwise=conv_norm_act(depthwise, STYLE),
        se=squeeze_excite(96, 4, STYLE),  # a quarter of the block's input, 16
        project=conv_norm(Conv(96, 24), STYLE),
    )


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"expand_ratio": 1}, ["depthwise", "se", "project"]),
        ({"se_ratio": 0.0}, ["expand", "depthwise", "project"]),
        ({"expand_ratio": 1, "se_ratio": 0.0}, ["depthwise", "project"]),
    ],
)
def test_mbconv_leaves_out_what_is_not_asked_for(
    changes: dict[str, float], names: list[str]
) -> None:
    block = mbconv(16, 2, stage(**changes), STYLE)
    assert isinstance(block, Sequential)
    assert [name for name, _ in block.layers] == names


@pytest.mark.parametrize(
    ("c_in", "stride", "skips"),
    [(24, 1, True), (24, 2, False), (16, 1, False), (16, 2, False)],
)
def test_mbconv_skips_where_stride_and_width_allow(
    c_in: int, stride: int, *, skips: bool
) -> None:
    block = mbconv(c_in, stride, stage(), STYLE)
    assert isinstance(block, Residual if skips else Sequential)


@pytest.mark.parametrize(("widths", "skips"), [([24, 24], True), ([24, 16], False)])
def test_candidates_skip_together_or_not_at_all(
    widths: list[int], *, skips: bool
) -> None:
    block = mbconv(np.array(widths), 1, stage(), STYLE)
    assert isinstance(block, Residual if skips else Sequential)


def test_only_the_first_block_has_the_stride_and_the_change_of_width() -> None:
    asked = stage(repeats=5)
    first, rest = mbconv(16, 2, asked, STYLE), mbconv(24, 1, asked, STYLE)
    expected = Sequential((("0", first), ("1", Repeat(rest, 4))))
    assert repeated(16, asked, STYLE) == expected


def test_the_head_is_convolution_pooling_and_classifier() -> None:
    head = Head(channels=1280, classes=10, dropout=0.2)
    assert classifier(320, head, STYLE) == seq(
        conv=Conv(320, 1280),
        norm=Norm(1280, 1e-3, 0.01),
        act=Act("silu"),
        pool=Pool(),
        flatten=Flatten(),
        dropout=Dropout(0.2),
        classifier=Linear(1280, 10),
    )
