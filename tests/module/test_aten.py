"""Tests of `effscale.module.aten`: what multiplies, and of which kind it is."""

from __future__ import annotations

import pytest

from effscale.module.aten import KINDS, kind, multiplying, plain

CONVOLUTION, PRODUCT = KINDS


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("convolution", CONVOLUTION),
        ("aten::_convolution_mode", CONVOLUTION),
        ("aten::conv_transpose2d", CONVOLUTION),
        ("addmm", PRODUCT),
        ("baddbmm", PRODUCT),
        ("aten::matmul", PRODUCT),
        ("vdot", PRODUCT),
        ("_scaled_dot_product_flash_attention", PRODUCT),
        ("aten::rnn_tanh", PRODUCT),
        ("_trilinear", PRODUCT),
        ("aten::linalg_matrix_power", PRODUCT),
        ("linalg_solve_ex", PRODUCT),
        ("_cdist_forward", PRODUCT),
    ],
)
def test_what_multiplies_is_of_a_kind(name: str, expected: str) -> None:
    assert multiplying([name]) == [name]
    assert kind(name) == expected


@pytest.mark.parametrize(
    "name",
    ["aten::mul", "_softmax", "upsample_bilinear2d", "mean", "linalg_vector_norm"],
)
def test_what_multiplies_no_matrices_is_free(name: str) -> None:
    assert multiplying([name]) == []


def test_a_name_is_plain_without_its_namespace() -> None:
    assert plain("aten::_softmax") == plain("_softmax") == "_softmax"
