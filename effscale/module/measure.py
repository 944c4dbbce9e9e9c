"""Measuring: what a counter sees when one image goes through a built module.

Two engines, each behind one function: fvcore traces a real run on the module's device;
torch's flop registry is asked on the meta device, where nothing is computed or stored.
"""

from __future__ import annotations

import operator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from torch import nn

from effscale.cost.count import Cost
from effscale.errors import MeasureError
from effscale.markup import figures
from effscale.module.counts import multiplying

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from effscale.arrays import Int

Engine = Literal["fvcore", "torch"]


@dataclass(frozen=True)
class Measurement(Cost):
    """A cost as a counter measured it, and what else the counter said.

    macs are those of convolutions and matrix products alone, as everywhere.
    """

    engine: Engine = "fvcore"
    #: The counter's own figure for each operator it knows, in its own unit.
    operators: Mapping[str, int] = field(default_factory=dict)
    #: Calls of operators that the counter leaves out: free by the convention.
    free: Mapping[str, int] = field(default_factory=dict)
    #: MACs of each submodule by path (`stages.2`), the root being the empty path.
    modules: Mapping[str, int] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        """Its figures, and the counter's own by operator, for notebooks."""
        own = figures(f"{self.engine}, by operator", self.operators)
        return f"{super()._repr_html_()}{own}"

    #: Calls of operators that multiply and are counted.
    calls: Mapping[str, int] = field(default_factory=dict)
    #: Those of `operators` that the counter knows of us alone.
    taught: Mapping[str, int] = field(default_factory=dict)

    @property
    def skipped(self) -> dict[str, int]:
        """Calls of operators that multiply and are left out: the MACs are too few."""
        return {name: self.free[name] for name in multiplying(self.free)}


class Input(NamedTuple):
    """A tensor that a module takes; of the type of its weights where none is given."""

    shape: tuple[int, ...]
    dtype: torch.dtype | None = None


def measure(
    module: nn.Module,
    resolution: Int | tuple[Int, Int],
    *,
    engine: Engine = "fvcore",
    image_channels: int = 3,
) -> Measurement:
    """What `engine` counts when one image goes through `module`.

    The input is one (image_channels, height, width) image of zeros in eval mode without
    gradients, on the module's device; on meta only `torch` can measure. The module is
    left as it was: mode, hooks, gradients, statistics.

    Raises:
        MeasureError: if an operator that multiplies would have been skipped, if the
            resolution is none, or if fvcore is asked to run a module on meta.
    """
    image = Input((1, image_channels, *_sides(resolution)))
    measured = run(module, [image], engine)
    if measured.skipped:
        names = ", ".join(measured.skipped)
        raise MeasureError(f"{engine} cannot count {names}: the MACs would be wrong")
    return measured


def run(
    module: nn.Module, inputs: Sequence[Input], engine: Engine, *, really: bool = False
) -> Measurement:
    """What `engine` counts when zeros of these shapes go through `module`, and skips.

    As `measure`, for modules of any inputs and outputs. `really` has torch count a run
    on the module's own device: not every operator knows how to run on meta.

    Raises:
        MeasureError: if fvcore is asked to run a module on meta, or knows an operator
            and fails on it.
    """
    like = _like(module)
    if engine == "fvcore" and like.is_meta:
        raise MeasureError("fvcore runs the network and cannot on meta; try torch")
    on_meta = engine == "torch" and not really
    device = torch.device("meta") if on_meta else like.device
    tensors = tuple(
        torch.zeros(each.shape, dtype=each.dtype or like.dtype, device=device)
        for each in inputs
    )
    with torch.no_grad(), _as_it_was(module):
        module.eval()
        if engine == "torch":
            from effscale.module import meta

            counts = meta.counted(module, tensors, really=really)
        else:
            from effscale.module import trace

            counts = trace.traced(module, tensors)
    return Measurement(engine=engine, params=_params(module), **vars(counts))


@contextmanager
def _as_it_was(module: nn.Module) -> Iterator[None]:
    """Put back modes, hooks, buffers and random numbers, however the block ends.

    Attention takes its slow path within, whose operators counters know.
    """
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_buffers")
    before = [
        (each, each.training, {kind: getattr(each, kind).copy() for kind in kinds})
        for each in module.modules()
    ]
    buffers = [(each, each._version, each.clone()) for each in module.buffers()]  # noqa: SLF001
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(value=False)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for each, training, entries in before:
            each.training = training
            for kind, entry in entries.items():
                getattr(each, kind).clear()
                getattr(each, kind).update(entry)
        for buffer, version, value in buffers:
            if buffer._version != version:  # noqa: SLF001 - there is no public way
                buffer.copy_(value)


def _sides(resolution: Int | tuple[Int, Int]) -> tuple[int, int]:
    pair = resolution if isinstance(resolution, tuple) else (resolution, resolution)
    try:
        height, width = (operator.index(each) for each in pair)
    except (TypeError, ValueError):
        height = width = 0
    if min(height, width) < 1:
        message = f"expected pixels, or height and width, got {resolution!r}"
        raise MeasureError(f"resolution: {message}")
    return height, width


def _like(module: nn.Module) -> torch.Tensor:
    """A parameter whose dtype and device an image must have."""
    parameters = (each for each in module.parameters() if each.is_floating_point())
    return next(parameters, torch.empty(0))


def _params(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad)
