"""torch's own account of memory: every storage that is alive after every operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import effscale as es

if TYPE_CHECKING:
    from collections.abc import Iterable


class Live(TorchDispatchMode):
    """The most bytes alive at once within its context, those `known` left out."""

    def __init__(self, known: Iterable[torch.Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self._known = {_key(each) for each in known}
        self._alive: dict[int, tuple[StorageWeakRef, int]] = {}

    def add(self, tensor: torch.Tensor) -> None:
        """Take the tensor's storage into account."""
        if (key := _key(tensor)) not in self._known:
            storage = tensor.untyped_storage()
            self._alive[key] = StorageWeakRef(storage), storage.nbytes()

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401 - an operator
        types: Any,  # noqa: ANN401
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        out = func(*args, **(kwargs or {}))
        for each in tree_leaves(out):
            if isinstance(each, torch.Tensor):
                self.add(each)
        self._alive = {
            key: (reference, size)
            for key, (reference, size) in self._alive.items()
            if not reference.expired()
        }
        self.peak = max(self.peak, sum(size for _, size in self._alive.values()))
        return out


def _key(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)  # noqa: SLF001 - no public way


def peak(
    spec: es.Spec,
    batch: int,
    dtype: torch.dtype = torch.float32,
    *,
    training: bool = False,
) -> int:
    """The most bytes besides weights when the built network runs, and runs back.

    On meta, where a storage has a size and takes no memory: any network fits.
    """
    net = es.build(spec, device="meta", init=False).to(dtype).train(training)
    height, width = map(int, spec.resolution)
    image = torch.zeros(batch, 3, height, width, device="meta", dtype=dtype)
    live = Live([*net.parameters(), *net.buffers()])
    live.add(image)
    with live, torch.set_grad_enabled(training):
        out = net(image)
        if training:
            total: Any = sum(each.sum() for each in tree_leaves(out))
            total.backward()
    return live.peak
