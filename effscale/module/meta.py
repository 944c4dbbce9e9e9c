"""torch's own flop registry, asked on the meta device, where nothing is stored."""

from __future__ import annotations

from contextlib import contextmanager
from copy import deepcopy
from typing import TYPE_CHECKING

import torch
from torch import nn

from effscale.module.counts import Counts
from effscale.module.flops import FlopRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def counted(
    module: nn.Module, inputs: Sequence[torch.Tensor], *, really: bool = False
) -> Counts:
    """The figures of torch's flop registry, which are 2 × MACs.

    A twin of the module is run, without storage, on inputs without storage: nothing is
    computed, and the module not touched. `really` runs the module itself.
    """
    with FlopRegistry(module if really else twin(module)) as registry, _taken_apart():
        registry.module(*inputs)
    return Counts(
        macs=sum(registry.flops.values()) // 2,
        activations=registry.activations,
        operators=dict(registry.flops),
        calls=dict(registry.calls),
        free=dict(registry.free),
        modules={path: flops // 2 for path, flops in registry.modules.items()},
    )


@contextmanager
def _taken_apart() -> Iterator[None]:
    """Attention as its products: the kernels that fuse it have no formula on CPUs."""
    fused = torch.backends.cuda.flash_sdp_enabled()
    torch.backends.cuda.enable_flash_sdp(enabled=False)
    try:
        yield
    finally:
        torch.backends.cuda.enable_flash_sdp(fused)


def twin(module: nn.Module) -> nn.Module:
    """The module without storage: itself, if it has none."""
    tensors = [*module.parameters(), *module.buffers()]
    if tensors and all(each.is_meta for each in tensors):
        return module
    memo = {id(tensor): _without_storage(tensor) for tensor in tensors}
    return deepcopy(module, memo)


def _without_storage(tensor: torch.Tensor) -> torch.Tensor:
    meta = torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(meta, requires_grad=tensor.requires_grad)
    return meta
