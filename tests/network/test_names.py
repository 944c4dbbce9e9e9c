"""Tests of `effscale.network.names`: what people call a leaf, and a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from effscale.network.names import head_operator, operator
from effscale.network.operators.convolution import Conv, Linear
from effscale.network.operators.elementwise import Act, Dropout, Flatten, Shift
from effscale.network.operators.norm import BatchNorm
from effscale.network.operators.pooling import GlobalPool, Pool
from tests.parts import head_of
from tests.spec.small import lines

if TYPE_CHECKING:
    from effscale.network.operators.operator import Operator


@pytest.mark.parametrize(
    ("leaf", "name"),
    [
        (Conv(3, 8, (3, 3)), "conv 3×3"),
        (Conv(8, 8), "conv 1×1"),
        (Conv(8, 8, (1, 7)), "conv 1×7"),
        (Conv(8, 8, (5, 5), groups=8), "depthwise 5×5"),
        (Conv(8, 16, (5, 5), groups=8), "conv 5×5"),
        (Conv(8, 8, (3, 3), groups=4), "conv 3×3"),
        (Conv(1, 1, (3, 3), groups=1), "conv 3×3"),
        (BatchNorm(8, 1e-3, 0.01), "batch norm"),
        (Act("silu"), "silu"),
        (Act("hard_swish"), "hard_swish"),
        (Pool("max", (3, 3), (2, 2)), "max pool 3×3"),
        (Pool("avg", (1, 2), (1, 1), "valid"), "avg pool 1×2"),
        (GlobalPool(), "global pool"),
        (Shift(), "shift"),
        (Flatten(), "flatten"),
        (Dropout(0.2), "dropout"),
        (Linear(8, 10), "linear"),
    ],
)
def test_a_leaf_has_the_papers_name(leaf: Operator, name: str) -> None:
    assert leaf.label == name


def test_candidates_are_depthwise_together() -> None:
    width = np.array([8, 16])
    assert Conv(width, width, (3, 3), groups=width).label == "depthwise 3×3"


BLOCK = "kernel: 5, stride: 1, channels: 8, repeats: 1"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (f"{{block: mbconv, expand_ratio: 6, {BLOCK}}}", "MBConv6 5×5"),
        (f"{{block: mbconv, c_mid: [8, 9], {BLOCK}}}", "MBConv 5×5"),
        (f"{{block: fused_mbconv, expand_ratio: 4, {BLOCK}}}", "Fused-MBConv4 5×5"),
        (f"{{block: separable, {BLOCK}}}", "Separable 5×5"),
        (f"{{block: basic, {BLOCK}}}", "Basic 5×5"),
        (f"{{block: bottleneck, {BLOCK}}}", "Bottleneck 5×5"),
        ("{block: dense, growth: 32, repeats: 6}", "Dense +32"),
        ("{block: transition}", "Transition"),
        ("{block: cell, cell: normal, channels: 8}", "cell normal"),
        ("{block: conv, kernel: [1, 7], channels: 8}", "Conv 1×7"),
        ("{block: depthwise, kernel: 3}", "Depthwise 3×3"),
        ("{block: max_pool, kernel: 3}", "MaxPool 3×3"),
        ("{block: avg_pool, kernel: [2, 3]}", "AvgPool 2×3"),
        ("{block: norm}", "norm"),
        ("{block: squeeze_excite, se_ratio: 0.5}", "squeeze_excite"),
        ("{block: concat, branches: [[{block: norm}], []]}", "concat"),
        ("{block: inception_a}", "inception_a"),
    ],
)
def test_a_line_has_the_papers_name(line: str, name: str) -> None:
    assert operator(lines(line).stages[0]) == name


@pytest.mark.parametrize(
    ("head", "name"),
    [
        ("{}", "FC"),
        ("{channels: 8}", "Conv 1×1, FC"),
        ("{hidden: 8}", "FC, FC"),
        ("{channels: 8, hidden: 9}", "Conv 1×1, FC, FC"),
        ("{layers: [{block: norm}, {kernel: 3, channels: 8}]}", "norm, Conv 3×3, FC"),
    ],
)
def test_a_head_is_what_comes_before_its_classifier(head: str, name: str) -> None:
    assert head_operator(head_of(lines(head=head))) == name
