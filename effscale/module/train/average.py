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
    """A network whose weights, and batch norm's statistics, follow those of `net`.

    (`torch.optim.swa_utils.AveragedModel` waits for the device at every update.)
    """

    def __init__(self, net: nn.Module) -> None:
        self.module = deepcopy(net).eval().requires_grad_(requires_grad=False)
        pairs = list(zip(_tensors(self.module), _tensors(net), strict=True))
        self._averaged = [pair for pair in pairs if pair[0].is_floating_point()]
        self._counters = [pair for pair in pairs if not pair[0].is_floating_point()]

    @torch.no_grad()
    def update(self, decay: float) -> None:
        """Keep `decay` of what is here, take the rest of the other's; copy counters."""
        mine, theirs = map(list, zip(*self._averaged, strict=True))
        get_ema_multi_avg_fn(decay)(mine, theirs, 0)
        for ours, other in self._counters:
            ours.copy_(other)


def _tensors(net: nn.Module) -> Iterator[torch.Tensor]:
    yield from net.parameters()
    yield from net.buffers()
