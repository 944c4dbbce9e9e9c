"""Tests of `effscale.network.names`: what people call a leaf."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from effscale.network.layers import Act, Conv, Dropout, Flatten, Linear, Norm, Pool
from effscale.network.names import kind

if TYPE_CHECKING:
    from effscale.network.layers import Leaf


@pytest.mark.parametrize(
    ("leaf", "name"),
    [
        (Conv(3, 8, 3), "conv 3×3"),
        (Conv(8, 8), "conv 1×1"),
        (Conv(8, 8, 5, groups=8), "depthwise 5×5"),
        (Conv(8, 16, 5, groups=8), "conv 5×5"),
        (Conv(8, 8, 3, groups=4), "conv 3×3"),
        (Conv(1, 1, 3, groups=1), "conv 3×3"),
        (Norm(8, 1e-3, 0.01), "batch norm"),
        (Act("silu"), "silu"),
        (Act("hard_swish"), "hard_swish"),
        (Pool(), "global pool"),
        (Flatten(), "flatten"),
        (Dropout(0.2), "dropout"),
        (Linear(8, 10), "linear"),
    ],
)
def test_a_leaf_has_the_papers_name(leaf: Leaf, name: str) -> None:
    assert kind(leaf) == name


def test_candidates_are_depthwise_together() -> None:
    width = np.array([8, 16])
    assert kind(Conv(width, width, 3, groups=width)) == "depthwise 3×3"
