"""Tests of `effscale.network.blocks`: what the blocks of a network share."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import effscale as es
from effscale.cost.count import visited
from effscale.network.blocks import Style, conv_norm, conv_norm_act, squeeze_excite
from effscale.network.combinators import Gate, seq
from effscale.network.network import network
from effscale.network.operators.convolution import Conv
from effscale.network.operators.elementwise import Act
from effscale.network.operators.norm import BatchNorm
from effscale.network.operators.pooling import GlobalPool, Pool
from effscale.spec.models import Squeeze
from effscale.spec.names import files
from effscale.spec.norm import Norm
from tests.each import of_each

if TYPE_CHECKING:
    from effscale.arrays import Int
    from effscale.spec.values import Activation

STYLE = Style("silu", Norm(), Squeeze())


def squeezed(channels: Int, c_in: Int, se_ratio: float, **choice: Any) -> Any:  # noqa: ANN401
    """The squeezed width of a block."""
    style = Style("silu", Norm(), Squeeze(**choice))
    layers = dict(squeeze_excite(channels, c_in, se_ratio, style, None).layers)
    reduce = layers["reduce"]
    assert isinstance(reduce, Conv)
    return reduce.c_out


def test_a_style_is_the_spec_s(b0: es.Spec) -> None:
    # efficientnet_builder.py:187-188: epsilon 1e-3, momentum 0.99 as TensorFlow says it
    assert Style.of(b0) == replace(STYLE, padding="tensorflow")
    assert STYLE.norm(8) == BatchNorm(8, eps=1e-3, momentum=0.01)
    assert STYLE.act() == Act("silu")
    assert STYLE.act("relu6") == Act("relu6")


def test_batch_norm_is_as_wide_as_its_convolution() -> None:
    conv, norm = Conv(3, 8), BatchNorm(8, 1e-3, 0.01)
    assert conv_norm(conv, STYLE) == seq(conv=conv, norm=norm)
    assert conv_norm_act(conv, STYLE) == seq(conv=conv, norm=norm, act=Act("silu"))
    act = Act("hard_swish")
    assert conv_norm_act(conv, STYLE, "hard_swish") == seq(
        conv=conv, norm=norm, act=act
    )


@pytest.mark.parametrize(
    ("c_in", "se_ratio", "width"),
    [(32, 0.25, 8), (18, 0.25, 4), (19, 0.25, 4), (3, 0.25, 1), (112, 0.25, 28)],
)
def test_the_squeezed_width_is_cut_to_whole_channels(
    c_in: int, se_ratio: float, width: int
) -> None:
    # efficientnet_model.py:297: max(1, int(input_filters * se_ratio))
    assert squeezed(6 * c_in, c_in, se_ratio) == width
    found = squeezed(np.array([6 * c_in]), np.array([c_in]), se_ratio)
    assert found == np.array([width])


@pytest.mark.parametrize(
    ("gated", "width"),
    # the squeeze-and-excitation widths of MobileNetV3 (Howard et al. 2019, table 1):
    # a quarter of the expanded width, to a multiple of 8
    [(72, 24), (120, 32), (480, 120), (672, 168), (960, 240), (16, 8), (240, 64)],
)
def test_mobilenetv3_rounds_a_quarter_of_what_is_gated(gated: int, width: int) -> None:
    assert squeezed(gated, 3, 0.25, of="gated", divisor=8) == width
    arrays = squeezed(np.array([gated]), np.array([3]), 0.25, of="gated", divisor=8)
    assert arrays == np.array([width])


def test_squeeze_and_excite_has_biases_and_ends_in_a_sigmoid() -> None:
    assert squeeze_excite(96, 16, 0.25, STYLE, None) == Gate(
        (
            ("pool", GlobalPool()),
            ("reduce", Conv(96, 4, bias=True)),
            ("act", Act("silu")),
            ("expand", Conv(4, 96, bias=True)),
            ("gate", Act("sigmoid")),
        )
    )


@pytest.mark.parametrize(
    ("own", "line", "found"),
    [
        ("relu", "hard_swish", "relu"),
        (None, "hard_swish", "hard_swish"),
        (None, None, "silu"),
    ],
)
def test_the_spec_s_choice_of_activation_goes_before_the_line_s(
    own: Any,  # noqa: ANN401 - a literal
    line: Activation | None,
    found: Activation,
) -> None:
    choice = Squeeze(activation=own, gate="hard_sigmoid")
    layers = dict(squeeze_excite(8, 8, 1, Style("silu", Norm(), choice), line).layers)
    assert (layers["act"], layers["gate"]) == (Act(found), Act("hard_sigmoid"))


@of_each(sorted(files()), shares=2)
def test_windows_that_stride_lie_where_tensorflow_has_them(name: str) -> None:
    spec = es.load(name).model_copy(update={"padding": "tensorflow"})
    for part in visited(network(spec)):
        for step in part.visits:
            leaf = step.leaf
            if isinstance(leaf, Conv) or (
                isinstance(leaf, Pool) and not leaf.include_padding
            ):
                moves = max(leaf.kernel) > 1 and max(leaf.stride) > 1
                assert leaf.padding != "same" or not moves, step.path
