"""fvcore's counter: the module is run once for real, and the trace is counted."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from typing import TYPE_CHECKING, Any

from effscale.errors import MeasureError
from effscale.module.counts import Counts

if TYPE_CHECKING:
    import torch
    from torch import nn

#: fvcore's operators whose figures are MACs of convolutions and products.
_COUNTED = ("conv", "linear", "addmm", "matmul", "bmm", "mm", "einsum")


def traced(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> Counts:
    """fvcore's figures: its `conv` and `linear` (and products) are MACs already.

    It is taught the operators of `_taught`, which it would leave out.

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
        for name, handle in _DEFAULT_SUPPORTED_OPS.items():
            if _short(name) in (*_COUNTED, "convolution"):
                both = _with_outputs(name, handle, outputs, calls)
                analysis.set_op_handle(name, both)
        for name, handle in _taught(taught).items():
            analysis.set_op_handle(name, _with_outputs(name, handle, outputs, calls))
        analysis.unsupported_ops_warnings(enabled=False)
        analysis.uncalled_modules_warnings(enabled=False)
        by_module = analysis.by_module_and_operator()
    operators = {name: int(flops) for name, flops in by_module[""].items()}
    activations = operators.pop("activations", 0)
    counted = (*_COUNTED, *taught)
    return Counts(
        macs=sum(operators.get(name, 0) for name in counted),
        activations=activations,
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
    return name.removeprefix("aten::").lstrip("_")


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


def _taught(found: Counter[str]) -> dict[str, Any]:
    """Handles for operators that fvcore leaves out; what they count is `found`."""
    from fvcore.nn.jit_handles import conv_flop_count, get_shape

    def same_padding(inputs: Any, outputs: Any) -> Counter[str]:  # noqa: ANN401
        """Convolutions whose padding is a word, `same` or `valid`."""
        shapes = get_shape(inputs[0]), get_shape(inputs[1]), get_shape(outputs[0])
        counted = Counter({"conv (padding by word)": conv_flop_count(*shapes)})
        found.update(counted)
        return counted

    def attention(inputs: Any, _outputs: Any) -> Counter[str]:  # noqa: ANN401
        """Scores of L queries for S keys each, and S values mixed L times."""
        query, key, value = (get_shape(each) for each in inputs[:3])
        *heads, length, width = query
        macs = math.prod(heads) * length * key[-2] * (width + value[-1])
        counted = Counter({"scaled_dot_product_attention": macs})
        found.update(counted)
        return counted

    return {
        "aten::_convolution_mode": same_padding,
        "aten::scaled_dot_product_attention": attention,
    }
