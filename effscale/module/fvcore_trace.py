"""fvcore's trace of a run: what its handles are taught, and what they note."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from effscale.errors import MeasureError
from effscale.module import formulas
from effscale.module.aten import FVCORE_MACS, kind, plain, standing
from effscale.module.flops import AsOne, Whole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import torch
    from torch import nn

    from effscale.module.measure import Measurement


def analysed(module: nn.Module, tensors: tuple[torch.Tensor, ...], seen: Seen) -> Any:  # noqa: ANN401 - fvcore's
    """fvcore's analysis of a run of the module; `seen` notes what it comes by."""
    from fvcore.nn import FlopCountAnalysis
    from fvcore.nn.activation_count import generic_activation_jit
    from fvcore.nn.flop_count import _DEFAULT_SUPPORTED_OPS

    analysis = FlopCountAnalysis(module, tensors)
    outputs = generic_activation_jit("activations")
    known = {
        name: handle
        for name, handle in _DEFAULT_SUPPORTED_OPS.items()
        if _short(name) in (*FVCORE_MACS, "convolution")
    }
    for name, handle in {**known, **_lessons(seen, known)}.items():
        analysis.set_op_handle(name, _with_outputs(name, handle, outputs, seen))
    for name in _BRANCHES:
        analysis.set_op_handle(name, seen.branch(name))
    analysis.unsupported_ops_warnings(enabled=False)
    analysis.uncalled_modules_warnings(enabled=False)
    with AsOne(_traced):
        analysis.total()  # which runs it, once
    return analysis


def _traced(whole: Whole, function: Any, args: Any, kwargs: Any) -> Any:  # noqa: ANN401
    """What a function returns; refused where a trace has others in its place."""
    if whole.formula is None and args[0].dim():  # a size is a number in a trace
        raise MeasureError(f"its trace ends where tensors become {whole.name}")
    if whole.complex_alone:
        raise MeasureError("it takes a complex convolution for three real ones")
    return function(*args, **kwargs)


#: What the trace of scripted code may hold, whose insides fvcore does not look at.
_BRANCHES = ("prim::If", "prim::Loop", "prim::CallMethod")


def _short(name: str) -> str:
    return plain(name).lstrip("_")


class _Product(NamedTuple):
    """A product in a trace: its name, its figures, the module that it is in."""

    name: str
    macs: int
    activations: int
    path: str
    of_maps: bool  #: whether no operand is made of weights alone
    times: int  #: how many calls it stands for


class Seen:
    """What the handles note of a trace, beside fvcore's figures."""

    def __init__(self, inputs: int, copies: Mapping[str, int]) -> None:
        self.copies = copies  #: how many each submodule stands for, by path
        self.times = 1  #: how many calls the operator stands for that is counted
        self.inputs = inputs  #: tensors that go in; the others of a graph are weights
        self.calls: Counter[str] = Counter()
        self.taught: Counter[str] = Counter()
        self.branches: Counter[str] = Counter()
        self.of_complex = False
        #: Products by the name of the value that they put out.
        self.products: dict[str, _Product] = {}
        #: Whether what goes in is in a value, by its name.
        self._is_map: dict[str, bool] = {}
        #: The same where sizes, which are no tensors, do not matter.
        self._has_map: dict[str, bool] = {}
        #: Names of the values that made weights, and unknown operators that did.
        self.apart: dict[str, str] = {}

    def branch(self, name: str) -> Callable[[Any, Any], Counter[str]]:
        def handle(_inputs: Any, _outputs: Any) -> Counter[str]:  # noqa: ANN401
            self.branches[name] += 1
            return Counter()

        return handle

    def is_map(self, value: Any) -> bool:  # noqa: ANN401 - a value of a trace
        """Whether it is made of what goes in, and not of weights alone."""
        return self._is_fed(value, self._is_map, lambda node: [*node.inputs()])

    def _is_fed(
        self,
        value: Any,  # noqa: ANN401
        known: dict[str, bool],
        before: Callable[[Any], list[Any]],
    ) -> bool:
        """Whether a way leads to a value from what goes in; each step looked at once.

        `before` are the values that a node is made of, so far as they matter.
        """
        waiting = [value]
        while waiting:
            each = waiting[-1]
            name, node = each.debugName(), each.node()
            if name in known:
                waiting.pop()
            elif node.kind() == "prim::Param":
                known[name] = self._goes_in(name, node)
            else:
                made_of = before(node)
                unknown = [x for x in made_of if x.debugName() not in known]
                waiting += unknown
                if not unknown:
                    known[name] = any(known[x.debugName()] for x in made_of)
        return known[value.debugName()]

    def weight(self, value: Any, factors: list[Any]) -> None:  # noqa: ANN401
        """Note what made a weight that maps are multiplied by, of weights alone."""
        fed = {
            each.debugName()
            for each in factors
            if self._is_fed(each, self._has_map, _tensors)
        }
        if not fed or value.debugName() in fed:
            return
        made: dict[str, str] = {}
        waiting, known = [value], set()
        while waiting:
            each = waiting.pop()
            name, node = each.debugName(), each.node()
            if name in known or node.kind() == "prim::Param":
                continue
            known.add(name)
            if name in self.products or standing(node.kind()) == "unknown":
                made[name] = node.kind()
            waiting += _tensors(node)
        self.apart |= {
            name: kind
            for name, kind in made.items()
            if name in self.products or not kind.startswith("prim::")
        }

    def _goes_in(self, name: str, parameters: Any) -> bool:  # noqa: ANN401 - a node
        """Whether a value goes in: it is among the first of a graph's parameters."""
        first = islice(parameters.outputs(), self.inputs)
        return name in {each.debugName() for each in first}

    def set_apart(self, found: Measurement) -> Measurement:
        """The measurement without the products that made weights of weights."""
        if not self.apart:
            return found
        apart: dict[str, int | None] = {}
        operators, modules = Counter(found.operators), Counter(found.modules)
        calls, free = Counter(found.calls), Counter(found.free)
        macs, activations = int(found.macs), int(found.activations)
        for value, name in self.apart.items():
            product = self.products.get(value)
            if product is None:
                free[name] -= 1
                apart[name] = None
                continue
            apart[product.name] = (apart.get(product.name) or 0) + product.macs
            macs, activations = macs - product.macs, activations - product.activations
            operators[product.name] -= product.macs
            calls[product.name] -= product.times
            words = product.path.split(".") if product.path else []
            for n in range(len(words) + 1):
                modules[".".join(words[:n])] -= product.macs
        return replace(
            found,
            macs=macs,
            activations=activations,
            operators=dict(operators),
            calls={name: n for name, n in calls.items() if n},
            free={name: n for name, n in free.items() if n},
            modules=dict(modules),
            apart=apart,
        )


def _tensors(node: Any) -> list[Any]:  # noqa: ANN401 - of a trace
    """The tensors that a node is made of."""
    return [each for each in node.inputs() if "Tensor" in str(each.type())]


#: Products by what a layer may have for a weight: the factor behind the first.
_OF_TWO = """
    _convolution _convolution_mode convolution linear matmul mm bmm mv dot
"""
_OF_THREE = """
    addmm addmm_ baddbmm baddbmm_ addbmm addbmm_ addmv addmv_ bilinear
"""
_WEIGHTS = {
    **{f"aten::{name}": slice(1, 2) for name in _OF_TWO.split()},
    **{f"aten::{name}": slice(2, 3) for name in _OF_THREE.split()},
    "aten::einsum": slice(1, None),
    "aten::scaled_dot_product_attention": slice(1, 3),
}


def _factors(name: str, inputs: Any) -> list[Any]:  # noqa: ANN401
    """The values that a product is of, among others that are no tensors."""
    if name == "aten::einsum":
        return [*inputs[1].node().inputs()]
    return [*inputs[:3]] if name in _WEIGHTS else [*inputs]


def _with_outputs(
    name: str,
    handle: Any,  # noqa: ANN401 - fvcore's
    outputs: Any,  # noqa: ANN401
    seen: Seen,
) -> Any:  # noqa: ANN401
    """fvcore's handle for operator `name`, which counts outputs and calls too."""

    def of_maps(name: str, inputs: Any) -> bool:  # noqa: ANN401
        """Whether it is no layer, and both operands are made of what goes in."""
        if kind(_short(name)) == "convolution":
            return False
        factors = _factors(name, inputs)
        tensors = [each for each in factors if "Tensor" in str(each.type())]
        return all(seen.is_map(each) for each in tensors)

    def both(inputs: Any, results: Any) -> Counter[str]:  # noqa: ANN401
        path = results[0].node().scopeName().split("/")[-1]
        seen.times = seen.copies.get(path, 1)
        try:
            flops = handle(inputs, results)
        except (AssertionError, IndexError, NotImplementedError, TypeError):
            message = f"fvcore cannot count {name}: the MACs would be wrong"
            raise MeasureError(message) from None
        counted = (
            flops if isinstance(flops, Counter) else Counter({_short(name): flops})
        )
        own = [each for each in counted if each != "activations"]
        seen.calls.update(dict.fromkeys(own, seen.times))
        if "activations" not in counted:
            counted = counted + outputs(inputs, results)
        counted = Counter({each: seen.times * n for each, n in counted.items()})
        macs, activations = int(counted[own[0]]), int(counted["activations"])
        if name in _WEIGHTS and macs:
            factors = _factors(name, inputs)
            for each in factors[_WEIGHTS[name]]:
                seen.weight(each, factors)
        value = _Product(
            own[0], macs, activations, path, of_maps(name, inputs), seen.times
        )
        seen.products[results[0].debugName()] = value
        seen.of_complex |= "Complex" in str(results[0].type())
        return counted

    return both


def _lessons(seen: Seen, known: Mapping[str, Any]) -> dict[str, Any]:
    """Handles for what fvcore leaves out or gets wrong; they note what they count."""
    from fvcore.nn.jit_handles import conv_flop_count, get_shape

    def taught(name: str, found: formulas.Products) -> Counter[str]:
        seen.taught[name] += found.macs * seen.times
        return Counter({name: found.macs, "activations": found.activations})

    def shape(value: Any) -> formulas.Shape:  # noqa: ANN401
        return tuple(get_shape(value))

    def same_padding(inputs: Any, outputs: Any) -> Counter[str]:  # noqa: ANN401
        """Convolutions whose padding is a word, `same` or `valid`."""
        shapes = shape(inputs[0]), shape(inputs[1]), shape(outputs[0])
        macs, elements = conv_flop_count(*shapes), math.prod(shapes[2])
        return taught("conv (padding=same)", formulas.Products(macs, elements))

    def attention(inputs: Any, _outputs: Any) -> Counter[str]:  # noqa: ANN401
        """Attention in one call, whose scores are activations too."""
        found = formulas.attention(*map(shape, inputs[:3]))
        return taught("scaled_dot_product_attention", found)

    def product(inputs: Any, outputs: Any) -> Any:  # noqa: ANN401
        """Products with vectors, and of batches that are repeated."""
        one, other = map(shape, inputs[:2])
        found = formulas.product(one, shape(outputs[0]))
        if min(len(one), len(other)) > 1:
            macs = known["aten::matmul"](inputs, outputs)
            own = sum(macs.values()) if isinstance(macs, Counter) else macs
            if own == found.macs:
                return own
        return taught("matmul (by shapes)", found)

    def einsum(inputs: Any, _outputs: Any) -> Counter[str]:  # noqa: ANN401
        """Exactly, where fvcore reads a product of printed digits."""
        shapes = [shape(each) for each in inputs[1].node().inputs()]
        path = inputs[2].toIValue() if len(inputs) > 2 else None  # noqa: PLR2004
        equation = inputs[0].toIValue()
        return taught("einsum (by letters)", formulas.einsum(equation, shapes, path))

    def by_formula(name: str, formula: formulas.Formula) -> Any:  # noqa: ANN401
        def handle(inputs: Any, outputs: Any) -> Counter[str]:  # noqa: ANN401
            ins, outs = (
                [
                    tuple(found)
                    for each in values
                    if (found := get_shape(each)) is not None
                ]
                for values in (inputs, outputs)
            )
            return taught(plain(name), formulas.by_formula(name, formula, ins, outs))

        return handle

    def linear(inputs: Any, outputs: Any) -> Any:  # noqa: ANN401
        """Layers, and the products of rows with one vector."""
        weight = shape(inputs[1])
        if len(weight) > 1:
            return known["aten::linear"](inputs, outputs)
        found = formulas.product(shape(inputs[0]), shape(outputs[0]))
        return taught("linear (by shapes)", found)

    return {
        "aten::linear": linear,
        "aten::_convolution_mode": same_padding,
        "aten::scaled_dot_product_attention": attention,
        "aten::matmul": product,
        "aten::einsum": einsum,
        **{name: by_formula(name, each) for name, each in formulas.named().items()},
    }
