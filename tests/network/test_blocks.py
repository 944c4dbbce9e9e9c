"""Tests of `effscale.network.blocks`: each block is made of what the papers say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from effscale.network import blocks
from effscale.network.blocks import Style, conv_norm, conv_norm_act, squeeze_excite
from effscale.network.combinators import Layer, Residual, Sequential, seq
from effscale.network.operators.convolution import Conv
from effscale.spec.lines import MBConv
from effscale.spec.models import Squeeze
from effscale.spec.norm import Norm

STYLE = Style("silu", Norm(), Squeeze())


def stage(**changes: object) -> MBConv:
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
    return MBConv.model_validate({**base, **changes})


def mbconv(c_in: Any, stride: int, line: MBConv, style: Style = STYLE) -> Layer:  # noqa: ANN401
    """The first block of a stage."""
    return blocks.mbconv(line, style, c_in, stride, 0)


def test_mbconv_expands_filters_squeezes_and_projects() -> None:
    depthwise = Conv(96, 96, (3, 3), (2, 2), groups=96)
    assert mbconv(16, 2, stage()) == seq(
        expand=conv_norm_act(Conv(16, 96), STYLE),
        depthwise=conv_norm_act(depthwise, STYLE),
        se=squeeze_excite(96, 16, 0.25, STYLE, None),  # of the block's input, 16
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
    block = mbconv(16, 2, stage(**changes))
    assert isinstance(block, Sequential)
    assert [name for name, _ in block.layers] == names


@pytest.mark.parametrize(
    ("c_in", "stride", "skips"),
    [(24, 1, True), (24, 2, False), (16, 1, False), (16, 2, False)],
)
def test_mbconv_skips_where_stride_and_width_allow(
    c_in: int, stride: int, *, skips: bool
) -> None:
    block = mbconv(c_in, stride, stage())
    assert isinstance(block, Residual if skips else Sequential)


@pytest.mark.parametrize(("widths", "skips"), [([24, 24], True), ([24, 16], False)])
def test_candidates_skip_together_or_not_at_all(
    widths: list[int], *, skips: bool
) -> None:
    block = mbconv(np.array(widths), 1, stage())
    assert isinstance(block, Residual if skips else Sequential)
