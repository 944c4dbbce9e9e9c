"""Tests of `effscale.module.aten`: every operator of torch's is in one of the lists."""

from __future__ import annotations

import pytest
import torch

from effscale.module.aten import (
    COUNTED,
    FREE,
    KINDS,
    MULTIPLIES,
    PRIMS,
    kind,
    plain,
    standing,
    stems,
)
from effscale.module.formulas import FORMULAS

pytestmark = pytest.mark.torch

CONVOLUTION, PRODUCT = KINDS


def registry() -> list[str]:
    """Every operator of aten that this torch has."""
    names = torch._C._dispatch_get_all_op_names()  # noqa: SLF001
    aten = (name.split("::")[1] for name in names if name.startswith("aten::"))
    return sorted({name.partition(".")[0] for name in aten})


def test_every_operator_of_torch_is_in_one_of_the_lists() -> None:
    names = registry()
    assert len(names) > 1000
    lost = [
        name
        for name in names
        if (standing(name) == "free")
        + bool(stems(name) & COUNTED)
        + bool(stems(name) & MULTIPLIES)
        != 1
    ]
    assert lost == []


def test_every_primitive_of_torch_is_free_or_multiplies() -> None:
    import torch._prims  # which registers them

    every = torch._prims.__all__  # noqa: SLF001 - there is no public list
    names = {n for n in every if n[0] != "_" and hasattr(torch.ops.prims, n)}
    assert len(names) > 100
    found = {name for name in names if standing(f"prims::{name}") != "free"}
    assert found == {"svd", "fft_c2c", "fft_c2r", "fft_r2c"}
    assert {name for name in PRIMS if standing(name) == "free"} == set()
    assert all(hasattr(torch.ops.prims, name) for name in PRIMS)


def test_the_lists_have_nothing_in_common_and_nothing_of_their_own() -> None:
    assert FREE & COUNTED == FREE & MULTIPLIES == COUNTED & MULTIPLIES == set()
    known = {stem for name in registry() for stem in stems(name)}
    assert (FREE | COUNTED | MULTIPLIES) - known == set()
    own = {name.rstrip("_") for name in FORMULAS if "::" not in name}
    assert own <= COUNTED


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("aten::mul", "free"),
        ("_softmax", "free"),
        ("upsample_bilinear2d", "free"),
        ("aten::view_as_complex", "free"),
        ("linalg_vector_norm", "free"),
        ("torchvision::nms", "free"),
        ("convolution", "counted"),
        ("aten::matmul", "counted"),
        ("aten::lstm", "unknown"),
        ("mkldnn_rnn_layer", "unknown"),
        ("_fft_r2c", "unknown"),
        ("_grouped_mm", "counted"),
        ("_scaled_grouped_mm", "unknown"),
        ("prims::add", "free"),
        ("prims::convert_element_type", "free"),
        ("prims::svd", "unknown"),
        ("prims::fft_r2c", "unknown"),
        ("aten::_sparse_mm", "unknown"),
        ("linalg_solve_ex", "unknown"),
        ("_trilinear", "counted"),
        ("_cdist_forward", "unknown"),
        ("quantized::linear_dynamic", "unknown"),
        ("torchvision::deform_conv2d", "unknown"),
        ("my::mul", "unknown"),
        ("prim::PythonOp.Mine", "unknown"),
        ("nothing_of_that_name", "unknown"),
    ],
)
def test_what_is_not_known_to_be_free_is_not_free(name: str, expected: str) -> None:
    assert standing(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("convolution", CONVOLUTION),
        ("aten::_convolution_mode", CONVOLUTION),
        ("addmm", PRODUCT),
        ("_scaled_dot_product_flash_attention", PRODUCT),
    ],
)
def test_what_multiplies_is_of_a_kind(name: str, expected: str) -> None:
    assert kind(name) == expected


def test_a_name_is_plain_without_its_namespace() -> None:
    assert plain("aten::_softmax") == plain("_softmax") == "_softmax"
    assert plain("my::softmax") == "my::softmax"
