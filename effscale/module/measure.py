"""Cost of a built module as a counter sees it, when one image goes through.

Two engines: fvcore traces a real run on the module's device; torch's flop registry is
asked on the meta device, where nothing is computed or stored. A spec's network is built
to be measured, and set against its count.
"""

from __future__ import annotations

import random
import sys
import threading
import warnings
from collections import Counter
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import field, replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import TorchDispatchMode

from effscale.arguments import one_of, pixels
from effscale.cost.count import Cost, part_costs, whole
from effscale.data import data
from effscale.errors import EffscaleError, MeasureError, ScaleError, first_line
from effscale.markup import figures
from effscale.module.aten import FVCORE_MACS, kind, standing, unknown
from effscale.module.build import built
from effscale.module.build import copies as copies_of
from effscale.module.flops import dispatched, name_of
from effscale.module.fvcore_trace import Seen, analysed
from effscale.module.inputs import Input, called, drained, filled, tensors_of
from effscale.module.machine import refuse_too_large
from effscale.network.network import network

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from effscale.arrays import Int
    from effscale.spec.models import Spec

Engine = Literal["fvcore", "torch"]


@data
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
    #: The module, by its path, in which an operator that is left out was first called.
    places: Mapping[str, str] = field(default_factory=dict)
    #: MACs that made weights of weights, as spectral norm does: in no other figure;
    #: None of an operator that is not known.
    apart: Mapping[str, int | None] = field(default_factory=dict)
    #: Of the params, those that are trained.
    trainable: int = 0
    #: Whether complex numbers were multiplied, each such product counting as one.
    of_complex: bool = False
    #: Whether of equal blocks one was run, which stands for all.
    once: bool = False

    @property
    def skipped(self) -> dict[str, int]:
        """Calls of operators not known to be free: there may be more MACs in them."""
        return {name: self.free[name] for name in unknown(self.free)}

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
            `resolution` is not in pixels, if fvcore is asked to run a module on meta,
            or if the module does not take such an image.
    """
    try:
        one_of("engine", engine, get_args(Engine))
        shape = 1, image_channels, *pixels(resolution)
    except ScaleError as error:
        raise MeasureError(str(error)) from None
    try:
        return _whole(run(module, [Input(shape)], engine))
    except EffscaleError:
        raise
    except RuntimeError as error:
        image = "×".join(map(str, shape))
        raise MeasureError(f"running {image} raised {first_line(error)}") from error


def _whole(measured: Measurement) -> Measurement:
    """The measurement, if nothing that may multiply was left out."""
    if measured.skipped:
        names, engine = ", ".join(measured.skipped), measured.engine
        raise MeasureError(f"{engine} cannot count {names}: the MACs would be wrong")
    return measured


def run(  # noqa: PLR0913 - what is run, and how
    module: nn.Module,
    inputs: Sequence[Any],
    engine: Engine,
    keywords: Mapping[str, Any] | None = None,
    *,
    really: bool = False,
    keeps: bool = False,
    copies: Mapping[str, int] = MappingProxyType({}),
) -> Measurement:
    """What `engine` counts and skips when zeros of these shapes go through `module`.

    As `measure`, for modules of any inputs and outputs; inputs may be lists, tuples
    and dictionaries of tensors, or other values, given by name too. `really` has torch
    count a run on the module's own device: not every operator knows how to run on meta.
    `keeps` has fvcore count what nothing comes of, too, which its trace leaves out.
    `copies` says how many each submodule stands for, by path, where that is not one.

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

    def zeros(device: torch.device) -> tuple[tuple[Any, ...], dict[str, Any]]:
        def make(each: Input) -> torch.Tensor:
            return torch.zeros(
                each.shape, dtype=each.dtype or like.dtype, device=device
            )

        return filled(tuple(inputs), make), filled(dict(keywords or {}), make)

    if any(map(is_lazy, (*module.parameters(), *module.buffers()))):
        _find_shapes(module, *zeros(like.device))
    args, named = zeros(device)
    with (
        torch.no_grad(),
        _left_as_it_was(module),
        _uncompiled(module),
        _in_one_thread(),
    ):
        with suppress(NotImplementedError):  # exported modules are as they were
            module.eval()
        if engine == "torch":
            counted = partial(_by_torch, really=really)
        else:
            counted = partial(_by_fvcore, keeps=keeps)
        if not isinstance(module, torch.jit.ScriptModule):
            module.register_forward_hook(lambda *called: drained(called[-1]))
        loaded = set(sys.modules)
        try:
            found = counted(module, args, named, copies=copies)
        except Exception:
            if _COMPILER in loaded or _COMPILER not in sys.modules:
                raise
            # torch's operators of functions compile these, if not told otherwise.
            with torch.compiler.set_stance("force_eager"):
                found = counted(module, args, named, copies=copies)
    params = [
        (each.numel() * copies.get(path.rpartition(".")[0], 1), each.requires_grad)
        for path, each in module.named_parameters()
    ]
    return replace(
        found,
        params=sum(number for number, _ in params),
        trainable=sum(number for number, trains in params if trains),
        once=bool(copies),
    )


def _more(copies: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """How many times more than its parent's the figures of a submodule are taken."""
    for path, number in copies.items():
        more = number - copies.get(path.rpartition(".")[0], 1)
        if more:
            yield path, more


def _find_shapes(
    module: nn.Module, args: tuple[Any, ...], named: Mapping[str, Any]
) -> None:
    """Run once a module whose weights take their shapes from what first goes in."""
    training = [each for each in module.modules() if each.training]
    module.eval()
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            module(*args, **named)
    finally:
        for each in training:
            each.training = True


_COMPILER = "torch._dynamo"  #: whose import takes a second


@contextmanager
def _uncompiled(module: nn.Module) -> Iterator[None]:
    """Run the code of what was compiled as it was written."""
    with ExitStack() as stack:
        compiled = any(is_compiled(each) for each in module.modules())
        if compiled or _COMPILER in sys.modules:
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        yield


class _Elsewhere(TorchDispatchMode):
    """Notes operators that multiply, in a thread that was started to count none."""

    #: Shared, as a thread may go on from one run to the next.
    noted: ClassVar[set[str]] = set()

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401 - an operator
        _types: Any,  # noqa: ANN401
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - what the operator returns
        if standing(name := name_of(func)) != "free":
            self.noted.add(name)
        return func(*args, **(kwargs or {}))


@contextmanager
def _in_one_thread() -> Iterator[None]:
    """Refuse a run that multiplies in threads of its own, where no counter sees it.

    Raises:
        MeasureError: with the operators and modules that it calls there.
    """
    own = threading.get_ident()

    def begins(*_frame: object) -> None:
        sys.setprofile(None)  # asked once in each thread
        _Elsewhere().__enter__()  # type: ignore[no-untyped-call]

    def enters(module: nn.Module, _inputs: object) -> None:
        if threading.get_ident() != own:  # one that was there before
            _Elsewhere.noted.add(type(module).__name__)

    before = threading.getprofile()
    _Elsewhere.noted.clear()
    threading.setprofile(begins)
    hook = register_module_forward_pre_hook(enters)
    try:
        yield
    finally:
        hook.remove()
        threading.setprofile(before)
    if _Elsewhere.noted:
        named = ", ".join(sorted(_Elsewhere.noted))
        raise MeasureError(f"no counter sees what it runs in other threads: {named}")


def is_compiled(module: nn.Module) -> bool:
    """Whether torch.compile has made it, or would compile it when it is called."""
    whole = type(module).__name__ == "OptimizedModule"
    return whole or getattr(module, "_compiled_call_impl", None) is not None


@contextmanager
def _left_as_it_was(module: nn.Module) -> Iterator[None]:
    """Put back modes, hooks, buffers and random numbers, however the block ends.

    What a module notes for its next call too, as attention may the keys of its last.
    Attention takes its slow path within, whose operators counters know.
    """
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_buffers")
    before = [
        (each, each.training, {kind: getattr(each, kind).copy() for kind in kinds})
        for each in module.modules()
        if not isinstance(each, torch.jit.ScriptModule)
    ]
    scripted = [
        (each, each.training)
        for each in module.modules()
        if isinstance(each, torch.jit.ScriptModule)
    ]
    buffers = [(each, each._version, each.clone()) for each in module.buffers()]  # noqa: SLF001
    notes, drawn = [_Notes(each) for each, _, _ in before], random.getstate()
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(value=False)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        random.setstate(drawn)
        for own in notes:
            own.put_back()
        for each, training, entries in before:
            each.training = training
            for kind, entry in entries.items():
                getattr(each, kind).clear()
                getattr(each, kind).update(entry)
        for script, training in scripted:
            if script.training != training:
                script.train(training)
        for buffer, version, value in buffers:
            if buffer._version != version:  # noqa: SLF001 - there is no public way
                buffer.copy_(value)


class _Notes:
    """What a module holds that torch knows nothing of, lists and the like within it."""

    def __init__(self, module: nn.Module) -> None:
        self.of = vars(module)
        self.values = {k: each for k, each in self.of.items() if k not in _OF_TORCH}
        self.lists: dict[int, tuple[Any, Any]] = {}
        waiting = [*self.values.values()]
        while waiting:
            each = waiting.pop()
            if type(each) not in _CHANGING or id(each) in self.lists:
                continue
            self.lists[id(each)] = each, each.copy()
            waiting += each.values() if isinstance(each, dict) else each

    def put_back(self) -> None:
        """As it was, but for a value that has become a layer."""
        for name in set(self.of) - _OF_TORCH - set(self.values):
            del self.of[name]
        kinds = ("_modules", "_parameters", "_buffers")
        layers = set[str]().union(*(self.of.get(kind, ()) for kind in kinds))
        self.of |= {k: each for k, each in self.values.items() if k not in layers}
        for each, before in self.lists.values():
            each.clear()
            (each.extend if isinstance(each, list) else each.update)(before)


_OF_TORCH = frozenset(vars(nn.Module()))
_CHANGING = (list, dict, set)


def _by_torch(
    module: nn.Module,
    args: tuple[Any, ...],
    named: dict[str, Any],
    *,
    really: bool,
    copies: Mapping[str, int],
) -> Measurement:
    """The figures of torch's flop registry, which are 2 × MACs."""
    seen = dispatched(module, args, named, really=really, copies=copies)
    return Measurement(
        macs=sum(seen.flops.values()) // 2,
        activations=seen.activations,
        products=seen.products // 2,
        product_outputs=seen.product_outputs,
        engine="torch",
        operators=dict(seen.flops),
        calls=dict(seen.calls),
        free=dict(seen.free),
        modules={path: flops // 2 for path, flops in seen.modules.items()},
        taught={name: flops // 2 for name, flops in seen.taught.items()},
        places={name: seen.places[name] for name in unknown(seen.free)},
        apart={
            name: None if standing(name) == "unknown" else flops // 2
            for name, flops in seen.apart.items()
        },
        of_complex=seen.complex,
    )


def _by_fvcore(
    module: nn.Module,
    args: tuple[Any, ...],
    named: dict[str, Any],
    *,
    keeps: bool = False,
    copies: Mapping[str, int] = MappingProxyType({}),
) -> Measurement:
    """fvcore's figures, which for convolutions and products are MACs.

    Raises:
        MeasureError: if fvcore fails on one of the operators that it knows.
    """
    tensors = tuple(tensors_of((args, named)))
    if keeps or named or not all(isinstance(each, torch.Tensor) for each in args):
        outer = called(module, args, named)
        outer.keeps = keeps
        inside = _by_fvcore(outer, tensors, {})
        inner = {
            path.removeprefix("module").removeprefix("."): macs
            for path, macs in inside.modules.items()
        }
        places = {
            name: path.removeprefix("module").removeprefix(".")
            for name, path in inside.places.items()
        }
        return replace(inside, modules=inner, places=places)
    seen = Seen(len(tensors), copies)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit's deprecation, at import
        analysis = analysed(module, tensors, seen)
        by_module = analysis.by_module_and_operator()
        left_out = Counter(analysis.unsupported_ops()) + seen.branches
        for path, more in _more(copies):
            for name, calls in analysis.unsupported_ops(path).items():
                left_out[name] += more * calls
        paths = [*by_module]
        places = {
            name: max(
                (p for p in paths if name in analysis.unsupported_ops(p)), key=len
            )
            for name in unknown(analysis.unsupported_ops())
        }
    # fvcore drops what it has counted nothing of.
    operators = dict.fromkeys(seen.calls, 0)
    operators |= {name: int(flops) for name, flops in by_module[""].items()}
    activations = operators.pop("activations", 0)
    counted = (*FVCORE_MACS, *seen.taught)
    for path, more in _more(copies):
        for name, flops in by_module[path].items():
            if name in operators and name not in seen.calls:
                operators[name] += more * int(flops)
    found = Measurement(
        macs=sum(operators.get(name, 0) for name in counted),
        activations=activations,
        engine="fvcore",
        operators=operators,
        calls=seen.calls,
        free=dict(left_out),
        modules={
            path: sum(int(each.get(name, 0)) for name in counted)
            for path, each in by_module.items()
        },
        taught=seen.taught,
        places=places,
        of_complex=seen.of_complex,
    )
    of_maps = [each for each in seen.products.values() if each.of_maps]
    found = replace(
        found,
        products=sum(each.macs for each in of_maps),
        product_outputs=sum(each.activations for each in of_maps),
    )
    return seen.set_apart(found)


def measure_spec(
    spec: Spec, engine: Engine = "fvcore", *, once: bool = False
) -> Measurement:
    """What `engine` measures of the network of `spec`, at the spec's resolution.

    fvcore runs the network on the CPU; torch counts on meta, where nothing is stored.
    With `once` of equal blocks one is built and run, and its figures taken as many
    times; the measurement says so.

    Raises:
        MeasureError: if running it takes more memory than this machine has.
    """
    net = network(spec)
    if engine == "fvcore":
        refuse_too_large([net], hint="; --measure torch needs none")
    device = "meta" if engine == "torch" else "cpu"
    module = built(net, init=False, device=device, once=once)
    image = Input((1, int(spec.image_channels), *pixels(spec.resolution)))
    return _whole(run(module, [image], engine, copies=copies_of(module)))


def difference(spec: Spec, measured: Measurement) -> str | None:
    """A sentence on where count and measurement differ; None if they agree.

    They never should: a difference is a fault of effscale.
    """
    parts = part_costs(network(spec))
    counted = whole(parts)
    for figure in ("macs", "params", "activations", "products"):
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
