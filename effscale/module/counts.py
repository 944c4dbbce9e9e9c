"""What a counter says of one run, whichever counter it is; and what it has to see."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Operators that multiply matrices or convolve: skipping one would be a wrong count.
_MULTIPLIES = re.compile(
    r"(aten::)?_*(.*conv.*|(add|b|addb|baddb)?mm|matmul|(add)?mv|v?dot|inner|outer|linear"
    r"|einsum|tensordot|.*attention.*|(lstm|gru|rnn)(_.*)?|bilinear|trilinear"
    r"|(linalg_)?matrix_(power|exp)|linalg_(inv.*|solve.*|multi_dot)|cdist.*)"
)


@dataclass(frozen=True)
class Counts:
    """MACs and outputs of convolutions and matrix products, and what else there was."""

    macs: int
    activations: int
    #: The counter's own figure for each operator it knows, in its own unit.
    operators: Mapping[str, int]
    #: Calls of operators that multiply and are counted.
    calls: Mapping[str, int]
    #: Calls of operators that the counter leaves out.
    free: Mapping[str, int]
    #: MACs of each submodule by path, the root being the empty path.
    modules: Mapping[str, int]
    #: Those of `operators` that the counter does not know without our help.
    taught: Mapping[str, int] = field(default_factory=dict)


def multiplying(names: Iterable[str]) -> list[str]:
    """Those of the operators that multiply matrices or convolve."""
    return [name for name in names if _MULTIPLIES.fullmatch(name)]
