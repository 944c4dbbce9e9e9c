"""What people call a leaf."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from effscale.arrays import every
from effscale.network.layers import Act, Conv, Dropout, Flatten, Linear, Norm, Pool

if TYPE_CHECKING:
    from effscale.network.layers import Leaf


def kind(leaf: Leaf) -> str:
    """The operator in the papers' notation: `depthwise 3×3`, `batch norm`."""
    match leaf:
        case Conv(c_in, c_out, kernel, _, groups):
            depthwise = every(groups == c_in) and every(c_out == c_in)
            name = "depthwise" if depthwise and every(c_in > 1) else "conv"
            return f"{name} {kernel}×{kernel}"
        case Norm():
            return "batch norm"
        case Act(name):
            return name
        case Pool():
            return "global pool"
        case Flatten():
            return "flatten"
        case Dropout():
            return "dropout"
        case Linear():
            return "linear"
        case _:
            assert_never(leaf)
