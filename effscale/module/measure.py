"""Measuring: what a counter sees when one image goes through a built module.

Two engines, each behind one function: fvcore traces a real run on the module's device;
torch's flop registry is asked on the meta device, where nothing is computed or stored.
"""

from __future__ import annotations

import operator
import re
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from effscale.cost.count import Cost
from effscale.errors import MeasureError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from effscale.arrays import Int

Engine = Literal["fvcore", "torch"]

#: Operators that multiply matrices or convolve: skipping one would be a wrong count.
_MULTIPLIES = re.compile(
    r"(aten::)?_*(.*conv.*|(add|b|addb|baddb)?mm|matmul|(add)?mv|v?dot|inner|outer|linear"
    r"|einsum|tensordot|.*attention.*|(lstm|gru|rnn)(_.*)?|bilinear|trilinear"
    r"|(linalg_)?matrix_(power|exp)|linalg_(inv.*|solve.*|multi_dot)|cdist.*)"
)
_COUNTED = ("conv", "linear", "addmm", "matmul", "bmm", "mm", "einsum")


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
    shape = (1, image_channels, *_sides(resolution))
    run = _by_torch if engine == "torch" else _by_fvcore
    with torch.no_grad(), _as_it_was(module):
        module.eval()
        counted = run(module, shape)
    skipped = [name for name in counted.free if _MULTIPLIES.fullmatch(name)]
    if skipped:
        names = ", ".join(skipped)
        raise MeasureError(f"{engine} cannot count {names}: the MACs would be wrong")
    return counted


@contextmanager
def _as_it_was(module: nn.Module) -> Iterator[None]:
    """Put back modes and hooks, however the block ends: fvcore forgets its own."""
    kinds = ("_forward_hooks", "_forward_pre_hooks")
    before = [
        (each, each.training, {kind: getattr(each, kind).copy() for kind in kinds})
        for each in module.modules()
    ]
    try:
        yield
    finally:
        for each, training, hooks in before:
            each.training = training
            for kind, entries in hooks.items():
                getattr(each, kind).clear()
                getattr(each, kind).update(entries)


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


def _by_fvcore(module: nn.Module, shape: tuple[int, ...]) -> Measurement:
    """fvcore's figures: its `conv` and `linear` (and products) are MACs already."""
    like = _like(module)
    if like.is_meta:
        raise MeasureError("fvcore runs the network and cannot on meta; try torch")
    image = torch.zeros(shape, dtype=like.dtype, device=like.device)
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit's deprecation, at import
        from fvcore.nn import FlopCountAnalysis
        from fvcore.nn.activation_count import generic_activation_jit
        from fvcore.nn.flop_count import _DEFAULT_SUPPORTED_OPS

        analysis = FlopCountAnalysis(module, image)
        outputs = generic_activation_jit("activations")
        for name, handle in _DEFAULT_SUPPORTED_OPS.items():
            if name.removeprefix("aten::").lstrip("_") in (*_COUNTED, "convolution"):
                analysis.set_op_handle(name, _with_outputs(name, handle, outputs))
        analysis.unsupported_ops_warnings(enabled=False)
        analysis.uncalled_modules_warnings(enabled=False)
        by_module = analysis.by_module_and_operator()
    operators = {name: int(flops) for name, flops in by_module[""].items()}
    activations = operators.pop("activations", 0)
    return Measurement(
        macs=sum(operators.get(name, 0) for name in _COUNTED),
        params=_params(module),
        activations=activations,
        engine="fvcore",
        operators=operators,
        free=dict(analysis.unsupported_ops()),
        modules={
            path: sum(int(each.get(name, 0)) for name in _COUNTED)
            for path, each in by_module.items()
        },
    )


def _with_outputs(name: str, handle: Any, outputs: Any) -> Any:  # noqa: ANN401 - fvcore's
    """fvcore's handle for operator `name`, which counts the operator's outputs too."""

    def both(inputs: Any, results: Any) -> Counter[str]:  # noqa: ANN401
        try:
            flops = handle(inputs, results)
        except (AssertionError, IndexError, NotImplementedError, TypeError):
            message = f"fvcore cannot count {name}: the MACs would be wrong"
            raise MeasureError(message) from None
        counted = flops if isinstance(flops, Counter) else Counter(linear=flops)
        both_counted: Counter[str] = counted + outputs(inputs, results)
        return both_counted

    return both


def _by_torch(module: nn.Module, shape: tuple[int, ...]) -> Measurement:
    """The figures of torch's flop registry, which are 2 × MACs."""
    from effscale.module.flops import FlopRegistry

    like = _like(module)
    twin = module if like.is_meta else _on_meta(module)
    image = torch.empty(shape, dtype=like.dtype, device="meta")
    with FlopRegistry(twin) as registry:
        twin(image)
    return Measurement(
        macs=sum(registry.flops.values()) // 2,
        params=_params(module),
        activations=registry.activations,
        engine="torch",
        operators=dict(registry.flops),
        free=dict(registry.free),
        modules={path: flops // 2 for path, flops in registry.modules.items()},
    )


def _on_meta(module: nn.Module) -> nn.Module:
    """A twin of `module` without storage; the original is not touched."""
    from copy import deepcopy

    tensors = [*module.parameters(), *module.buffers()]
    memo = {id(tensor): _without_storage(tensor) for tensor in tensors}
    return deepcopy(module, memo)


def _without_storage(tensor: torch.Tensor) -> torch.Tensor:
    meta = torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(meta, requires_grad=tensor.requires_grad)
    return meta
