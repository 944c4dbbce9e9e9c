"""The exponential moving average of a network."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn


class Average:
    """A network whose weights, and batch norm's statistics, follow another's.

    (`torch.optim.swa_utils.AveragedModel` waits for the device at every update.)
    """

    def __init__(self, net: nn.Module) -> None:
        self.module = deepcopy(net).eval().requires_grad_(requires_grad=False)

    @torch.no_grad()
    def update(self, net: nn.Module, decay: float) -> None:
        """Keep `decay` of what is here, have the rest of `net`; copy counters."""
        mine, theirs = [], []
        for ours, other in zip(_tensors(self.module), _tensors(net), strict=True):
            if ours.is_floating_point():
                mine.append(ours)
                theirs.append(other.detach())
            else:
                ours.copy_(other)
        get_ema_multi_avg_fn(decay)(mine, theirs, 0)


def _tensors(net: nn.Module) -> Iterator[torch.Tensor]:
    yield from net.parameters()
    yield from net.buffers()
