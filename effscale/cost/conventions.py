"""The same network in the numbers that other tools print."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.cost.count import layer_costs
from effscale.network.leaves import GlobalPool, Norm, Resize

if TYPE_CHECKING:
    from effscale.network.layers import Network


def conventions(net: Network) -> dict[str, int]:
    """What each tool prints for `net`, by arithmetic, for one image.

    `paper`: MACs of convolutions and linear layers, our MACs. `fvcore`: those, 2 for
    each element that batch norm puts out, 1 for each that pooling takes in or resizing
    puts out (fvcore/nn/jit_handles.py:246-260, flop_count.py:38-44). `torch`: 2 × MACs
    (torch/utils/flop_counter.py:85).
    """
    macs = norm = pool = 0
    for each in layer_costs(net):
        macs += int(each.cost.macs)
        if isinstance(each.visit.leaf, Norm):
            norm += 2 * int(each.visit.output.elements)
        elif isinstance(each.visit.leaf, GlobalPool):
            pool += int(each.visit.input.elements)
        elif isinstance(each.visit.leaf, Resize):
            pool += int(each.visit.output.elements)
    return {"paper": macs, "fvcore": macs + norm + pool, "torch": 2 * macs}
