"""Names of torch's operators: those that are MACs, and of which kind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: fvcore's operators whose figures are MACs of convolutions and products.
FVCORE_MACS = ("conv", "linear", "addmm", "matmul", "bmm", "mm", "einsum")
KINDS = ("convolution", "matrix product")
#: Operators that multiply matrices or convolve: skipping one would be a wrong count.
_MULTIPLIES = re.compile(
    r"(aten::)?_*(.*conv.*|(add|b|addb|baddb)?mm|matmul|(add)?mv|v?dot|inner|outer|linear"
    r"|einsum|tensordot|.*attention.*|(lstm|gru|rnn)(_.*)?|bilinear|trilinear"
    r"|(linalg_)?matrix_(power|exp)|linalg_(inv.*|solve.*|multi_dot)|cdist.*)"
)


def multiplying(names: Iterable[str]) -> list[str]:
    return [name for name in names if _MULTIPLIES.fullmatch(name)]


def kind(operator: str) -> str:
    """The one of `KINDS` that an operator which multiplies is of."""
    return KINDS[0] if "conv" in operator else KINDS[1]


def plain(operator: str) -> str:
    """An operator's name without its namespace: `aten::_softmax` → `_softmax`."""
    return operator.removeprefix("aten::")
