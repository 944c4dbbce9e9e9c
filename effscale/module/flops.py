"""torch's own flop formulas, asked for every operator that a run dispatches.

`torch.utils.flop_counter.FlopCounterMode` has the formulas too, but skips in silence
what it has no formula for, and imports torch._dynamo at its first operator, a second
before anything is counted. This mode asks the same registry and lists what it skips.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import torch
from torch import nn
from torch._C import DispatchKey
from torch._ops import HigherOrderOperator
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import (
    TorchDispatchMode,
    is_traceable_wrapper_subclass_type,
)
from torch.utils.flop_counter import flop_registry

from effscale.errors import MeasureError
from effscale.module.aten import KINDS, kind, standing
from effscale.module.formulas import (
    FORMULAS,
    by_formula,
    convolution,
    formula_of,
    is_taught,
    product,
    transposed_convolution,
)
from effscale.module.meta import result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from torch.utils.hooks import RemovableHandle

    from effscale.module.formulas import Formula


def dispatched(
    module: nn.Module,
    inputs: Sequence[Any],
    keywords: Mapping[str, Any] | None = None,
    *,
    really: bool = False,
    copies: Mapping[str, int] = MappingProxyType({}),
) -> FlopRegistry:
    """What is dispatched when `inputs`, tensors on meta, go through `module`.

    A twin of the module is run, without storage: nothing is computed, and the module
    not touched. `really` runs the module itself, on inputs of its own device. `copies`
    says how many each submodule stands for, by path.
    """
    registry = FlopRegistry(module if really else twin(module), copies)
    with registry, _taken_apart(), AsOne(registry.as_one, registry.as_spelt):
        try:
            registry.module(*inputs, **(keywords or {}))
        except RuntimeError as error:
            if registry.failed is None or not holds_script(module):
                raise
            raise registry.failed from error  # a script forgets what was said within
    if registry.in_parts:
        raise MeasureError(
            "torch makes three real convolutions of a scripted complex one; "
            "profile the module that was scripted"
        )
    registry.set_apart()
    return registry


class Call(NamedTuple):
    """An operator on weights alone, until it is known what comes of it."""

    name: str
    flops: int  #: none of what is unknown
    activations: int
    paths: tuple[str, ...]
    times: int  #: how many calls it stands for


class FlopRegistry(TorchDispatchMode):
    """Counts within its context; `module` says which submodule an operator is in."""

    supports_higher_order_operators = True

    def __init__(
        self, module: nn.Module, copies: Mapping[str, int] = MappingProxyType({})
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.copies = copies
        self.flops: Counter[str] = Counter()  #: by operator, 2 × MACs
        self.calls: Counter[str] = Counter()  #: calls of operators with a formula
        self.free: Counter[str] = Counter()  #: calls of operators without one
        self.modules: Counter[str] = Counter()  #: flops by path, "" being the whole
        self.activations = 0  #: output elements of operators with a formula
        self.products = 0  #: flops of products of what is not made of weights alone
        self.product_outputs = 0  #: what such products put out
        self.taught: Counter[str] = Counter()  #: flops by formulas of ours
        self.places: dict[str, str] = {}  #: where an operator was seen first
        self.apart: Counter[str] = Counter()  #: flops that made weights of weights
        self.complex = False  #: whether there were complex numbers
        self.in_parts = False  #: whether a script has convolved parts of these
        self.failed: Exception | None = None  #: what an operator has raised last
        self.module = module
        # Scripted modules have no hooks of their own; those of every module see them.
        self._paths = {each: path for path, each in module.named_modules()}
        self._path: list[str] = []
        self._hooks: list[RemovableHandle] = []
        # Tensors made of weights alone, or of nothing, by identity, with the calls
        # that made them.
        own = [*module.parameters(), *module.buffers()]
        self._own = {id(each): (each, frozenset[int]()) for each in own}
        self._scripted = holds_script(module)
        self._as_one = False  #: whether what is dispatched is counted already
        self._spelt = False  #: whether the weights of its products are known already
        self._on_weights: list[Call] = []
        self._made_weights: set[int] = set()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: nothing here is compiled, and to say so would import the compiler."""
        return False

    def __enter__(self) -> Self:
        self._hooks += [
            register_module_forward_pre_hook(self._enter),
            register_module_forward_hook(self._leave),
        ]
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        for hook in self._hooks:
            hook.remove()

    def _enter(self, module: nn.Module, _inputs: object) -> None:
        if module in self._paths:
            self._path.append(self._paths[module])

    def _leave(self, module: nn.Module, _inputs: object, _output: object) -> None:
        if module in self._paths:
            self._path.pop()

    @property
    def _times(self) -> int:
        """How many calls each one stands for, where the run is."""
        return self.copies.get(self._path[-1], 1) if self._path else 1

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401 - an operator
        types: Any,  # noqa: ANN401
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - what the operator returns
        kwargs = kwargs or {}
        if any(map(is_traceable_wrapper_subclass_type, types)):
            return NotImplemented  # what it does with the tensors within comes here
        if isinstance(func, HigherOrderOperator):
            with self:
                return _carried_out(func, args, kwargs)
        if (out := self._decomposed(func, args, kwargs)) is not NotImplemented:
            return out
        name = name_of(func)
        try:
            _refuse_two_types(name, args)
            out = result(func, args, kwargs)
        except Exception as error:
            self.failed = error
            raise
        if self._as_one:
            self._follow(Call(name, 0, 0, (), self._times), args, out)
        else:
            counted = self._counted(func, name, args, kwargs, out)
            self._note(name, counted, (args, kwargs), out)
        return out

    def _decomposed(
        self,
        func: Any,  # noqa: ANN401
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:  # noqa: ANN401
        """What an operator returns that is made of others, which come here instead.

        Of those alone that have no figure of their own, as they are where autograd
        has not taken them apart before: in inference mode, and within other tensors.
        """
        name = name_of(func)
        if self._as_one or standing(name) == "free" or formula_of(name) is not None:
            return NotImplemented
        if func.overloadpacket in flop_registry or any(map(_is_ragged, _tensors(args))):
            return NotImplemented
        with self:
            return func.decompose(*args, **kwargs)

    def as_one(
        self,
        whole: Whole,
        function: Any,  # noqa: ANN401 - of torch
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:  # noqa: ANN401 - what it returns
        """Call a function, and count it by its formula, not by what it is made of.

        Of what leaves torch nobody knows what becomes, but of constants, as sizes are.

        Raises:
            MeasureError: if what has no storage is to leave it.
        """
        if whole.formula is None and any(each.is_meta for each in _tensors(args)):
            raise MeasureError(f"on meta no tensor has a {whole.name}")
        self._as_one = True
        try:
            out = function(*args, **kwargs)
        finally:
            self._as_one = False
        given, counted = (*args, *kwargs.values()), None
        formula = whole.formula or formula_of(whole.name)
        if formula is not None:
            shapes = ([tuple(each.shape) for each in _tensors(x)] for x in (given, out))
            found = by_formula(whole.name, formula, *shapes)
            counted = 2 * found.macs, found.activations
        elif all(id(each) in self._own for each in _tensors(given)):
            return out
        self._note(whole.name, counted, (given, {}), out)
        return out

    def as_spelt(
        self,
        function: Any,  # noqa: ANN401 - of torch
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:  # noqa: ANN401 - what it returns
        """Call a product of which torch may swap the factors, or repeat them.

        Weights are those behind the first as they are given, as a trace has them.
        """
        before, self._spelt = self.activations, True
        try:
            out = function(*args, **kwargs)
        finally:
            self._spelt = False
        factors = [*_tensors((*args, *kwargs.values()))]
        maps = any(id(each) not in self._own for each in factors)
        if maps and self.activations > before:  # else nothing was summed
            for each in factors[1:]:
                self._is_weight(each)
        return out

    def _note(
        self,
        name: str,
        counted: tuple[int, int] | None,
        given: tuple[tuple[Any, ...], dict[str, Any]],
        out: Any,  # noqa: ANN401
    ) -> None:
        """Note a call, its flops and output elements; None where nobody knows them."""
        args, kwargs = given
        path = self._path[-1] if self._path else ""
        self.places.setdefault(name, path)
        flops, activations, times = 0, 0, self._times
        paths = tuple(dict.fromkeys([*_owners(path), *self._path]))
        if counted is None:
            self.free[name] += times
        else:
            flops, activations = (times * each for each in counted)
            self.flops[name] += flops
            self.calls[name] += times
            self.activations += activations
            if kind(name) != KINDS[0] and self._of_maps((*args, *kwargs.values())):
                self.products += flops
                self.product_outputs += activations
            for each in paths:
                self.modules[each] += flops
        self.complex |= any(each.is_complex() for each in _tensors(out))
        self._follow(Call(name, flops, activations, paths, times), args, out)

    def _counted(
        self,
        func: Any,  # noqa: ANN401
        name: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        out: Any,  # noqa: ANN401
    ) -> tuple[int, int] | None:
        """Flops and output elements of a call; None without a formula."""
        known = flop_registry.get(getattr(func, "overloadpacket", func))
        ours = formula_of(name)
        taught = is_taught(name)
        if any(map(_is_ragged, _tensors(args))):
            return _piecewise(name, args, out)
        if not taught and any(map(_is_sparse, _tensors((*args, *kwargs.values())))):
            return None
        if name == "convolution" and self._scripted:
            self.in_parts |= _is_part(args[1])
        if known is not None and not taught:
            flops: int = known(*args, **kwargs, out_val=out)
            return flops, next(iter(_tensors(out))).numel()
        if ours is None:
            return None
        ins = [tuple(each.shape) for each in _tensors((*args, *kwargs.values()))]
        outs = [tuple(each.shape) for each in _tensors(out)]
        found = by_formula(name, ours, ins, outs)
        self.taught[name] += 2 * found.macs * self._times
        return 2 * found.macs, found.activations

    def _of_maps(self, operands: Sequence[Any]) -> bool:
        """Whether no tensor that goes in is a weight, or made of weights alone."""
        return not any(id(each) in self._own for each in _tensors(operands))

    def _follow(self, call: Call, args: tuple[Any, ...], out: Any) -> None:  # noqa: ANN401
        """Note what was made of weights alone, and where it becomes a weight."""
        own, tensors = self._own, [*_tensors(args)]
        if all(id(each) in own for each in tensors):
            made = frozenset[int]().union(*(own[id(each)][1] for each in tensors))
            if call.flops or standing(call.name) == "unknown":
                made |= {len(self._on_weights)}
                self._on_weights.append(call)
            own.update((id(each), (each, made)) for each in _tensors(out))
            return
        for each in _tensors(out):
            own.pop(id(each), None)
            own.pop(id(each._base), None)  # noqa: SLF001 - it may be written to
        place = _WEIGHTS.get(call.name)
        if place is not None and not self._spelt:
            self._is_weight(args[place])

    def _is_weight(self, tensor: torch.Tensor) -> None:
        """Note that the calls which a tensor is made by have made a weight."""
        self._made_weights |= self._own.get(id(tensor), ((), frozenset[int]()))[1]

    def set_apart(self) -> None:
        """Take out the products that made weights of weights, as spectral norm does."""
        for index in sorted(self._made_weights):
            name, flops, activations, paths, times = self._on_weights[index]
            self.apart[name] += flops
            self.activations -= activations
            counted = self.flops, self.calls
            for figures in (self.free,) if name in self.free else counted:
                figures[name] -= flops if figures is self.flops else times
                if not figures[name]:
                    del figures[name]
            for path in paths:
                self.modules[path] -= flops


class Whole(NamedTuple):
    """How a function is counted that torch takes apart into others of another cost."""

    name: str  #: of its operator
    formula: Formula | None  #: None of what leaves torch, if nobody has taught it
    complex_alone: bool = True  #: counted so where numbers are complex


#: Complex convolutions, of which torch makes three real ones; what it takes apart into
#: a product that nothing sums, and a sum; and what goes where no counter sees it.
_WHOLE: Mapping[Any, Whole] = {
    **dict.fromkeys(
        (torch.conv1d, torch.conv2d, torch.conv3d), Whole("convolution", convolution)
    ),
    **dict.fromkeys(
        (torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d),
        Whole("convolution", transposed_convolution),
    ),
    torch.linalg.vecdot: Whole(
        "linalg_vecdot", FORMULAS["linalg_vecdot"], complex_alone=False
    ),
    **dict.fromkeys(
        (torch.Tensor.numpy, torch.Tensor.__array__),
        Whole("numpy::array", None, complex_alone=False),
    ),
    torch.Tensor.__dlpack__: Whole("dlpack::tensor", None, complex_alone=False),
    torch.Tensor.data_ptr: Whole("memory::address", None, complex_alone=False),
}


#: Products of two or more, whose factors torch puts in an order of its own.
_SPELT = frozenset(
    {torch.einsum, torch.matmul, torch.Tensor.matmul, torch.Tensor.__matmul__}
)


class AsOne(TorchFunctionMode):
    """Has `call` call the functions of `_WHOLE`, with what they are given.

    `spelt` calls products as they are spelt, if it is given.
    """

    def __init__(
        self, call: Callable[..., Any], spelt: Callable[..., Any] | None = None
    ) -> None:
        super().__init__()
        self.call = call
        self.spelt = spelt

    def __torch_function__(
        self,
        func: Any,  # noqa: ANN401 - a function of torch's
        types: Any,  # noqa: ANN401
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - what the function returns
        kwargs = kwargs or {}
        if self.spelt and func in _SPELT:
            return self.spelt(func, args, kwargs)
        whole = _WHOLE.get(func)
        if whole is None:
            return func(*args, **kwargs)
        tensors = _tensors((*args, *kwargs.values()))
        if whole.complex_alone and not any(each.is_complex() for each in tensors):
            return func(*args, **kwargs)
        return self.call(whole, func, args, kwargs)


#: Operators of layers, and which argument is the weight; what it multiplies is before.
_WEIGHTS = {
    **dict.fromkeys(("convolution", "mm", "bmm", "mv", "dot", "_trilinear"), 1),
    **dict.fromkeys(("addmm", "baddbmm", "addbmm", "addmv"), 2),
    **dict.fromkeys(("addmm_", "baddbmm_", "addbmm_", "addmv_"), 2),
}


def _refuse_two_types(name: str, args: tuple[Any, ...]) -> None:
    """Refuse what runs nowhere: on meta, torch multiplies numbers of any two types."""
    place = _WEIGHTS.get(name, 0)
    if place and args[place].is_meta:
        one, other = (each.dtype for each in args[place - 1 : place + 1])
        if one != other:
            raise RuntimeError(f"{name} of {one} and {other}")


def name_of(func: Any) -> str:  # noqa: ANN401 - an operator
    """As `torch.ops` has it; of aten's operators, without the namespace."""
    namespace, name = func.namespace, func.overloadpacket.__name__
    return str(name) if namespace == "aten" else f"{namespace}::{name}"


def _tensors(values: Any) -> Iterator[torch.Tensor]:  # noqa: ANN401
    """The tensors among arguments, those in lists too."""
    if isinstance(values, torch.Tensor):
        yield values
    elif isinstance(values, tuple | list):
        for each in values:
            yield from _tensors(each)


def _is_sparse(tensor: torch.Tensor) -> bool:
    """Whether what it multiplies depends on what is in it."""
    return tensor.layout not in _DENSE


_DENSE = (torch.strided, torch.jagged, torch._mkldnn)  # type: ignore[attr-defined]  # noqa: SLF001


def holds_script(module: nn.Module) -> bool:
    """Whether it is TorchScript, or a part of it is."""
    within = [*module.modules(), *getattr(module, "_script", ())]
    return any(isinstance(each, torch.jit.ScriptModule) for each in within)


def _is_part(tensor: torch.Tensor) -> bool:
    """Whether it is the real or the imaginary part of another."""
    whole = tensor._base  # noqa: SLF001 - there is no public way
    return whole is not None and whole.is_complex() and not tensor.is_complex()


def _is_ragged(tensor: torch.Tensor) -> bool:
    """Whether it is several of different sides, which torch does not take apart."""
    return tensor.is_nested and tensor.layout == torch.strided


#: Products that torch makes of ragged tensors in one call.
_OF_RAGGED = frozenset({"linear", "matmul", "bmm"})


def _piecewise(name: str, args: tuple[Any, ...], out: Any) -> tuple[int, int] | None:  # noqa: ANN401
    """Flops and output elements of a product of ragged tensors, one after the other."""
    if name not in _OF_RAGGED:
        return None
    found = [
        product(tuple(one.shape), tuple(made.shape))
        for one, made in zip(args[0].unbind(), out.unbind(), strict=True)
    ]
    return 2 * sum(each.macs for each in found), sum(x.activations for x in found)


def _carried_out(
    func: HigherOrderOperator, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:  # noqa: ANN401 - what it returns
    """What an operator of functions returns, its functions called as they come.

    Of a condition the branch is run that is true of the inputs, as code of Python is.
    """
    if func.name() == "cond":
        holds, one, other, operands = args
        return (one if holds else other)(*operands)
    if func.name() == "scan":
        from torch._higher_order_ops.scan import generic_scan

        combine, init, xs, others = args
        return generic_scan(combine, init, xs, additional_inputs=others)
    whole = func.py_kernels.get(DispatchKey.CompositeExplicitAutograd)
    if whole is None:
        name = func.name()
        raise MeasureError(f"torch cannot look into {name}, an operator of functions")
    return whole(*args, **kwargs)


@cache
def _owners(path: str) -> tuple[str, ...]:
    """The module at `path` and those that hold it, lists of modules too: `a.0`, `a`."""
    words = path.split(".") if path else []
    return "", *(".".join(words[:n]) for n in range(1, len(words) + 1))


@contextmanager
def _taken_apart() -> Iterator[None]:
    """Attention and recurrent layers as their products, which have formulas."""
    kernels = torch.backends.cuda
    fused = (
        (kernels.enable_flash_sdp, kernels.flash_sdp_enabled()),
        (kernels.enable_mem_efficient_sdp, kernels.mem_efficient_sdp_enabled()),
        (kernels.enable_cudnn_sdp, kernels.cudnn_sdp_enabled()),
    )
    with ExitStack() as stack:
        for enable, before in fused:
            stack.callback(enable, before)
            enable(enabled=False)
        # Recurrent layers too: oneDNN and cuDNN have them in one call.
        libraries: tuple[Any, ...] = (torch.backends.mkldnn, torch.backends.cudnn)
        for library in libraries:
            stack.callback(setattr, library, "enabled", library.enabled)
            library.enabled = False
        yield


def twin(module: nn.Module) -> nn.Module:
    """The module without storage: itself, if it has none."""
    tensors = [*module.parameters(), *module.buffers()]
    if tensors and all(each.is_meta for each in tensors):
        return module
    memo = {id(tensor): _without_storage(tensor) for tensor in tensors}
    return deepcopy(module, memo)


def _without_storage(tensor: torch.Tensor) -> torch.Tensor:
    if _is_sparse(tensor):
        raise MeasureError("what is sparse has no twin without storage")
    meta = torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(meta, requires_grad=tensor.requires_grad)
    return meta
