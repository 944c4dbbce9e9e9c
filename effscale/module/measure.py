"""Cost of a built module as a counter sees it, when one image goes through.

Two engines: fvcore traces a real run on the module's device; torch's flop registry is
asked on the meta device, where nothing is computed or stored. A spec's network is built
to be measured, and set against its count.
"""

from __future__ import annotations

import math
import operator
import os
import warnings
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from torch import nn

from effscale.cost.count import Cost, layer_costs, part_costs, whole
from effscale.errors import MeasureError
from effscale.markup import figures
from effscale.module.aten import FVCORE_MACS, kind, multiplying, plain
from effscale.module.build import build
from effscale.module.flops import dispatched
from effscale.network.network import network
from effscale.quantity import human

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from effscale.arrays import Int
    from effscale.network.parts import Network
    from effscale.spec.models import Spec

Engine = Literal["fvcore", "torch"]

#: Bytes of a float32.
FLOAT_BYTES = 4


@dataclass(frozen=True)
class Measurement(Cost):
    """A cost as a counter measured it, and what else the counter said.

    macs are those of convolutions and matrix products alone, as everywhere.
    """

    engine: Engine = "fvcore"
    #: The counter's own figure for each operator it knows, in its own unit.
    operators: Mapping[str, int] = field(default_factory=dict)
    #: Calls of operators that multiply and are counted.
    calls: Mapping[str, int] = field(default_factory=dict)
    #: Calls of operators that the counter leaves out: free by the convention.
    free: Mapping[str, int] = field(default_factory=dict)
    #: MACs of each submodule by path (`stages.2`), the root being the empty path.
    modules: Mapping[str, int] = field(default_factory=dict)
    #: Those of `operators` that the counter does not know without effscale's help.
    taught: Mapping[str, int] = field(default_factory=dict)

    @property
    def skipped(self) -> dict[str, int]:
        """Calls of operators that multiply and are left out: the MACs are too few."""
        return {name: self.free[name] for name in multiplying(self.free)}

    def by_kind(self) -> Counter[str]:
        """MACs of convolutions, and of matrix products."""
        factor = 2 if self.engine == "torch" else 1
        found: Counter[str] = Counter()
        for name in self.calls:
            found[kind(name)] += self.operators.get(name, 0) // factor
        return found

    def _repr_html_(self) -> str:
        """Its figures, and the counter's own by operator, for notebooks."""
        own = figures(f"{self.engine}, by operator", self.operators)
        return f"{super()._repr_html_()}{own}"


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
        MeasureError: if an operator that multiplies would have been skipped, if
            `resolution` is not in pixels, or if fvcore is asked to run a module on
            meta.
    """
    image = Input((1, image_channels, *_height_and_width(resolution)))
    measured = run(module, [image], engine)
    if measured.skipped:
        names = ", ".join(measured.skipped)
        raise MeasureError(f"{engine} cannot count {names}: the MACs would be wrong")
    return measured


def _height_and_width(resolution: Int | tuple[Int, Int]) -> tuple[int, int]:
    pair = resolution if isinstance(resolution, tuple) else (resolution, resolution)
    try:
        height, width = (operator.index(each) for each in pair)
    except (TypeError, ValueError):
        height = width = 0
    if min(height, width) < 1:
        message = f"expected pixels, or height and width, got {resolution!r}"
        raise MeasureError(f"resolution: {message}")
    return height, width


def run(
    module: nn.Module, inputs: Sequence[Input], engine: Engine, *, really: bool = False
) -> Measurement:
    """What `engine` counts and skips when zeros of these shapes go through `module`.

    As `measure`, for modules of any inputs and outputs. `really` has torch count a run
    on the module's own device: not every operator knows how to run on meta.

    Raises:
        MeasureError: if fvcore is asked to run a module on meta, or knows an operator
            and fails on it.
    """
    parameters = (each for each in module.parameters() if each.is_floating_point())
    like = next(parameters, torch.empty(0))
    if engine == "fvcore" and like.is_meta:
        raise MeasureError("fvcore runs the network and cannot on meta; try torch")
    on_meta = engine == "torch" and not really
    device = torch.device("meta") if on_meta else like.device
    tensors = tuple(
        torch.zeros(each.shape, dtype=each.dtype or like.dtype, device=device)
        for each in inputs
    )
    with torch.no_grad(), _left_as_it_was(module):
        module.eval()
        if engine == "torch":
            found = _by_torch(module, tensors, really=really)
        else:
            found = _by_fvcore(module, tensors)
    trained = (each for each in module.parameters() if each.requires_grad)
    return replace(found, params=sum(each.numel() for each in trained))


@contextmanager
def _left_as_it_was(module: nn.Module) -> Iterator[None]:
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


def _by_torch(
    module: nn.Module, inputs: tuple[torch.Tensor, ...], *, really: bool
) -> Measurement:
    """The figures of torch's flop registry, which are 2 × MACs."""
    seen = dispatched(module, inputs, really=really)
    return Measurement(
        macs=sum(seen.flops.values()) // 2,
        activations=seen.activations,
        engine="torch",
        operators=dict(seen.flops),
        calls=dict(seen.calls),
        free=dict(seen.free),
        modules={path: flops // 2 for path, flops in seen.modules.items()},
    )


def _by_fvcore(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> Measurement:
    """fvcore's figures, which for convolutions and products are MACs.

    Raises:
        MeasureError: if fvcore fails on one of the operators that it knows.
    """
    calls: Counter[str] = Counter()
    taught: Counter[str] = Counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit's deprecation, at import
        from fvcore.nn import FlopCountAnalysis
        from fvcore.nn.activation_count import generic_activation_jit
        from fvcore.nn.flop_count import _DEFAULT_SUPPORTED_OPS

        analysis = FlopCountAnalysis(module, inputs)
        outputs = generic_activation_jit("activations")
        known = {
            name: handle
            for name, handle in _DEFAULT_SUPPORTED_OPS.items()
            if _short(name) in (*FVCORE_MACS, "convolution")
        }
        for name, handle in {**known, **_lessons(taught)}.items():
            both = _with_outputs(name, handle, outputs, calls)
            analysis.set_op_handle(name, both)
        analysis.unsupported_ops_warnings(enabled=False)
        analysis.uncalled_modules_warnings(enabled=False)
        by_module = analysis.by_module_and_operator()
    operators = {name: int(flops) for name, flops in by_module[""].items()}
    activations = operators.pop("activations", 0)
    counted = (*FVCORE_MACS, *taught)
    return Measurement(
        macs=sum(operators.get(name, 0) for name in counted),
        activations=activations,
        engine="fvcore",
        operators=operators,
        calls=calls,
        free=dict(analysis.unsupported_ops()),
        modules={
            path: sum(int(each.get(name, 0)) for name in counted)
            for path, each in by_module.items()
        },
        taught=taught,
    )


def _short(name: str) -> str:
    return plain(name).lstrip("_")


def _with_outputs(
    name: str,
    handle: Any,  # noqa: ANN401 - fvcore's
    outputs: Any,  # noqa: ANN401
    calls: Counter[str],
) -> Any:  # noqa: ANN401
    """fvcore's handle for operator `name`, which counts outputs and calls too."""

    def both(inputs: Any, results: Any) -> Counter[str]:  # noqa: ANN401
        try:
            flops = handle(inputs, results)
        except (AssertionError, IndexError, NotImplementedError, TypeError):
            message = f"fvcore cannot count {name}: the MACs would be wrong"
            raise MeasureError(message) from None
        counted = (
            flops if isinstance(flops, Counter) else Counter({_short(name): flops})
        )
        calls.update([*counted])
        both_counted: Counter[str] = counted + outputs(inputs, results)
        return both_counted

    return both


def _lessons(taught: Counter[str]) -> dict[str, Any]:
    """Handles for operators that fvcore leaves out; they add what they count."""
    from fvcore.nn.jit_handles import conv_flop_count, get_shape

    def same_padding(inputs: Any, outputs: Any) -> Counter[str]:  # noqa: ANN401
        """Convolutions whose padding is a word, `same` or `valid`."""
        shapes = get_shape(inputs[0]), get_shape(inputs[1]), get_shape(outputs[0])
        counted = Counter({"conv (padding by word)": conv_flop_count(*shapes)})
        taught.update(counted)
        return counted

    def attention(inputs: Any, _outputs: Any) -> Counter[str]:  # noqa: ANN401
        """Scores of L queries for S keys each, and S values mixed L times."""
        query, key, value = (get_shape(each) for each in inputs[:3])
        *heads, length, width = query
        macs = math.prod(heads) * length * key[-2] * (width + value[-1])
        counted = Counter({"scaled_dot_product_attention": macs})
        taught.update(counted)
        return counted

    return {
        "aten::_convolution_mode": same_padding,
        "aten::scaled_dot_product_attention": attention,
    }


def measure_spec(spec: Spec, engine: Engine = "fvcore") -> Measurement:
    """What `engine` measures of the network of `spec`, at the spec's resolution.

    fvcore runs the network on the CPU; torch counts on meta, where nothing is stored.

    Raises:
        MeasureError: if running it takes more memory than this machine has.
    """
    if engine == "fvcore":
        refuse_too_large([network(spec)], hint="; --measure torch needs none")
    device = "meta" if engine == "torch" else "cpu"
    module = build(spec, init=False, device=device)
    channels = int(spec.image_channels)
    return measure(module, spec.resolution, engine=engine, image_channels=channels)


def difference(spec: Spec, measured: Measurement) -> str | None:
    """A sentence on where count and measurement differ; None if they agree.

    They never should: a difference is a fault of effscale.
    """
    parts = part_costs(network(spec))
    counted = whole(parts)
    for figure in ("macs", "params", "activations"):
        ours, theirs = getattr(counted, figure), getattr(measured, figure)
        if ours != theirs:
            break
    else:
        return None
    text = f"{spec.name}: counted {ours:,} {figure} but {measured.engine} measured "
    for each in parts:
        if each.cost.macs != measured.modules.get(each.part.path, 0):
            return f"{text}{theirs:,}; first difference in {each.part.name}"
    return f"{text}{theirs:,}"


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
