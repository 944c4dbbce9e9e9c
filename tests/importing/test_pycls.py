"""Configurations of pycls as specs: the figures of its own golden file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

import effscale as es
from effscale.errors import TranslationError
from effscale.importing import pycls

if TYPE_CHECKING:
    from pathlib import Path

EN_B0 = """
MODEL: {TYPE: effnet, NUM_CLASSES: 1000, ACTIVATION_FUN: silu}
EN:
  STEM_W: 32
  STRIDES: [1, 2, 2, 2, 1, 2, 1]
  DEPTHS: [1, 2, 2, 3, 3, 4, 1]
  WIDTHS: [16, 24, 40, 80, 112, 192, 320]
  EXP_RATIOS: [1, 6, 6, 6, 6, 6, 6]
  KERNELS: [3, 3, 5, 3, 5, 5, 3]
  HEAD_W: 1280
"""
REGNETY_600MF = """
MODEL: {TYPE: regnet, NUM_CLASSES: 1000}
REGNET: {SE_ON: true, DEPTH: 15, W0: 48, WA: 32.54, WM: 2.32, GROUP_W: 16}
"""
X_50 = """
MODEL: {TYPE: anynet, NUM_CLASSES: 1000}
ANYNET:
  {STEM_TYPE: res_stem_in, STEM_W: 64, BLOCK_TYPE: res_bottleneck_block,
   STRIDES: [1, 2, 2, 2], DEPTHS: [3, 4, 6, 3], WIDTHS: [256, 512, 1024, 2048],
   BOT_MULS: [0.5, 0.5, 0.5, 0.5], GROUP_WS: [4, 8, 16, 32]}
"""
V_56 = """
MODEL: {TYPE: anynet, NUM_CLASSES: 10}
ANYNET:
  {STEM_TYPE: res_stem_cifar, STEM_W: 16, BLOCK_TYPE: vanilla_block,
   DEPTHS: [9, 9, 9], WIDTHS: [16, 32, 64], STRIDES: [1, 2, 2]}
TRAIN: {IM_SIZE: 32}
"""
R_56 = """
MODEL: {TYPE: resnet, DEPTH: 56, NUM_CLASSES: 10}
TRAIN: {IM_SIZE: 32}
"""
R_101 = """
MODEL: {TYPE: resnet, DEPTH: 101, NUM_CLASSES: 1000}
RESNET: {TRANS_FUN: bottleneck_transform, STRIDE_1X1: false}
"""
#: pycls/dev/model_complexity.json, of 2020-09-04: its flops count biases as well, its
#: acts the maximum pool of the stem.
GOLDEN = {
    "EN-B0": (EN_B0, 5288548, 385825092 - 10340, 6748036),
    "RegNetY-600MF": (REGNETY_600MF, 6055160, 601227608 - 6616, 4334296),
    "X-50": (X_50, 25028904, 4230480872 - 1000, 14602216 - 64 * 56 * 56),
    "V-56": (V_56, 853018, 125485706 - 10, 532490),
    "R-56": (R_56, 855770, 125747850 - 10, 544778),
    "R-101": (R_101, 44549160, 7801406440 - 1000, 16433640 - 64 * 56 * 56),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_figures_are_those_of_its_golden_file(name: str, tmp_path: Path) -> None:
    text, *figures = GOLDEN[name]
    path = tmp_path / f"{name}.yaml"
    path.write_text(text)
    assert pycls.is_pycls(str(path))
    cost = es.count(pycls.imported(str(path), name))
    assert [cost.params, cost.macs, cost.activations] == figures


def test_b0_is_ours_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "EN-B0.yaml"
    path.write_text(EN_B0)
    assert pycls.imported(str(path), "b0").stages == es.load("b0").stages


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"MODEL": {"TYPE": "vit"}}, "MODEL.TYPE: expected one of effnet, anynet"),
        ({"EN": {"DEPTHS": []}}, r"EN.DEPTHS: expected numbers, got \[\]"),
        (
            {"EN": {"DEPTHS": [1, 2], "WIDTHS": [16]}},
            r"EN.WIDTHS: expected 2 numbers, one for each stage, got \[16\]",
        ),
        (
            {"MODEL": {"TYPE": "anynet"}, "ANYNET": {"DEPTHS": [1]}},
            "ANYNET.WIDTHS: expected a value, found none",
        ),
        (
            {"MODEL": {"TYPE": "resnet", "DEPTH": 50}},
            "MODEL.DEPTH: expected a bottleneck_transform of 50, 101, 152, got 50",
        ),
        ({"MODEL": {"TYPE": ["effnet"]}}, "MODEL.TYPE: expected one of effnet"),
        (
            {"MODEL": {"TYPE": "effnet", "ACTIVATION_FUN": "mish"}},
            "MODEL.ACTIVATION_FUN: expected one of relu, silu, swish, gelu, got 'mish'",
        ),
        (
            {"MODEL": {"TYPE": "effnet", "NUM_CLASSES": "many"}},
            r"net.yaml: head.classes: expected a whole number from 1",
        ),
        (
            {"MODEL": {"TYPE": "regnet"}, "REGNET": {"DEPTH": "many"}},
            "REGNET.DEPTH: expected a whole number of at least 1, got 'many'",
        ),
        (
            {"MODEL": {"TYPE": "regnet"}, "REGNET": {"WM": 1}},
            "REGNET.WM: expected a number of at least 1.001, got 1",
        ),
        (
            {"MODEL": {"TYPE": "regnet"}, "REGNET": {"W0": 0}},
            "REGNET.W0: expected a whole number of at least 8, got 0",
        ),
        (
            {"MODEL": {"TYPE": "regnet"}, "REGNET": {"HEAD_W": 64}},
            "REGNET.HEAD_W: expected 0, a head without convolution, got 64",
        ),
        (
            {"MODEL": {"TYPE": "regnet"}, "REGNTE": {"DEPTH": 15}},
            "REGNTE: unknown section; did you mean 'REGNET'?",
        ),
        (
            {"MODEL": {"TYPE": "regnet"}, "REGNET": {"DEPHT": 15}},
            "REGNET.DEPHT: unknown key; did you mean 'DEPTH'?",
        ),
        ({"BN": {"EPS": "small"}}, "BN.EPS: expected a number, got 'small'"),
    ],
)
def test_what_has_no_meaning_is_said(
    changes: dict[str, object], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(EN_B0), **changes}))
    with pytest.raises(TranslationError, match=message):
        pycls.imported(str(path), "net")


@pytest.mark.parametrize("stated", ["relu", "silu", "swish", "gelu"])
def test_activations_are_those_of_the_file(stated: str, tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(EN_B0.replace("silu", stated))
    ours = {"swish": "silu"}.get(stated, stated)
    assert pycls.imported(str(path), "net").activation == ours
