"""The memory of this machine, and whether running a network fits into it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from effscale.cost.count import layer_costs
from effscale.errors import MeasureError
from effscale.quantity import human

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.network.parts import Network

#: Bytes of a float32.
FLOAT_BYTES = 4


def bytes_to_run(net: Network, batch: int = 1, width: int = FLOAT_BYTES) -> int:
    """Bytes that a batch of images takes: weights, and the peak of feature maps.

    An estimate: six of the largest map, `width` bytes a number. The peaks measured on
    B4 and B7, operators' scratch memory included, are up to 15 % above it.
    """
    layers = layer_costs(net)
    weights = sum(int(each.cost.params) for each in layers)
    largest = max(int(each.visit.output.elements) for each in layers)
    return width * (weights + 6 * largest * batch)


def refuse_too_large(
    nets: Sequence[Network], batch: int = 1, width: int = FLOAT_BYTES, *, hint: str = ""
) -> None:
    """Refuse to run what this machine has no memory for, all of `nets` together.

    Raises:
        MeasureError: which ends with `hint`.
    """
    needed = sum(bytes_to_run(net, batch, width) for net in nets)
    memory = _physical_memory()
    if memory is not None and needed > memory:
        name = nets[0].name if len(nets) == 1 else f"{len(nets)} networks"
        raise MeasureError(
            f"{name}: running it once takes about {human(needed)}B of memory and "
            f"this machine has {human(memory)}B{hint}"
        )


def _physical_memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not every system tells
        return None
