"""Results of operators on meta, of known shapes, without torch's own kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def result(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401
    """What the operator returns.

    On meta, the kernels of some operators are Python and import sympy or
    torch._dynamo, which takes longer than all the counting. Where the shape of the
    result is known as well without them, they are not called.
    """
    first = args[0] if args else None
    if isinstance(first, list | tuple) and first:
        first = first[0]
    if isinstance(first, torch.Tensor) and first.is_meta:
        known = _KNOWN.get(func) or _KNOWN.get(getattr(func, "overloadpacket", func))
        found = None if known is None else known(*args)
        if found is not None:
            return found
    return func(*args, **kwargs)


# Results on meta, of an operator's arguments; None where its own kernel has to say.


def _convolved(x: torch.Tensor, *args: Any) -> torch.Tensor | None:  # noqa: ANN401
    weight, _bias, stride, padding, dilation, transposed, _more, groups = args
    if transposed or x.dim() != weight.dim():
        return None
    if x.shape[1] != weight.shape[1] * groups:
        return None
    spans = zip(dilation, weight.shape[2:], strict=True)
    window = [d * (k - 1) + 1 for d, k in spans]
    sides = zip(x.shape[2:], padding, window, stride, strict=True)
    moved = [x.new_empty(n + 2 * p).unfold(0, k, s).shape[0] for n, p, k, s in sides]
    return x.new_empty(x.shape[0], weight.shape[0], *moved)


def _joined(maps: Sequence[torch.Tensor], dim: int = 0) -> torch.Tensor | None:
    first, *others = maps
    sides = list(first.shape)
    for each in others:
        if each.dtype != first.dtype or each.dim() != first.dim() or not sides:
            return None
        sides[dim] += each.shape[dim]
        apart = [n for k, n in enumerate(each.shape) if k != dim % len(sides)]
        if apart != [n for k, n in enumerate(sides) if k != dim % len(sides)]:
            return None
    return first.new_empty(sides)


def _normalised(x: torch.Tensor, *args: Any) -> tuple[torch.Tensor, ...] | None:  # noqa: ANN401
    _weight, _bias, _mean, _variance, training, *_ = args
    return None if training else (x.new_empty(x.shape), *x.new_empty(2, 0).unbind())


def _layer_normalised(
    x: torch.Tensor,
    sides: Sequence[int],
    *affine: Any,  # noqa: ANN401
) -> tuple[torch.Tensor, ...] | None:
    own = tuple(sides)
    tensors = [each for each in affine if isinstance(each, torch.Tensor)]
    if x.shape[-len(own) :] != own or any(each.shape != own for each in tensors):
        return None
    rest = (*x.shape[: -len(own)], *(1 for _ in own))
    return x.new_empty(x.shape), x.new_empty(rest), x.new_empty(rest)


def _broadcast(x: torch.Tensor, *args: Any) -> torch.Tensor | None:  # noqa: ANN401
    if any(isinstance(each, complex) for each in args):
        return None
    tensors = [x, *(each for each in args if isinstance(each, torch.Tensor))]
    if not x.is_floating_point() or {each.dtype for each in tensors} != {x.dtype}:
        return None
    return x.new_empty(torch.broadcast_tensors(*tensors)[0].shape)


def _multiplied(
    bias: torch.Tensor, a: torch.Tensor, b: torch.Tensor
) -> torch.Tensor | None:
    fits = a.shape[1] == b.shape[0]
    return bias.new_empty(a.shape[0], b.shape[1]) if fits else None


def _multiplied_in_bytes(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor | None:
    fits = a.shape[1] == b.shape[0]
    return a.new_empty(a.shape[0], b.shape[1], dtype=torch.int32) if fits else None


def _pooled(x: torch.Tensor, *args: Any) -> tuple[torch.Tensor, torch.Tensor] | None:  # noqa: ANN401
    if not args:
        return None
    defaults: tuple[Any, ...] = ((), (), (0,), (1,), False)
    kernel, stride, padding, dilation, ceil = args + defaults[len(args) :]
    sides = []
    for axis, side in enumerate(x.shape[-2:]):
        k, s, p, d = (  # of both axes where there is one number
            int(each[min(axis, len(each) - 1)])
            for each in (kernel, stride or kernel, padding, dilation)
        )
        left = side + 2 * p - d * (k - 1) - 1
        windows = (-(-left // s) if ceil else left // s) + 1
        # None begins in the padding behind the side.
        beyond = ceil and (windows - 1) * s >= side + p
        sides.append(windows - 1 if beyond else windows)
    shape = (*x.shape[:-2], *sides)
    if min(sides) <= 0:
        return None
    return x.new_empty(shape), x.new_empty(shape, dtype=torch.int64)


def _pooled_on_average(
    x: torch.Tensor,
    kernel: Any,  # noqa: ANN401
    stride: Any = (),  # noqa: ANN401
    padding: Any = (0,),  # noqa: ANN401
    ceil: Any = False,  # noqa: ANN401, FBT002
    *_divisor: Any,  # noqa: ANN401
) -> torch.Tensor | None:
    found = _pooled(x, kernel, stride, padding, (1,), ceil)
    return None if found is None else found[0]


def _resized(x: torch.Tensor, size: Any, *_scales: Any) -> torch.Tensor | None:  # noqa: ANN401
    known = x.dim() == IMAGES and size
    return x.new_empty(*x.shape[:2], *size) if known else None


def _averaged(x: torch.Tensor, dims: Any, *keep: Any) -> torch.Tensor | None:  # noqa: ANN401
    if keep != (True,) or not dims:
        return None
    pooled = {dim % x.dim() for dim in dims}
    return x.new_empty([1 if i in pooled else n for i, n in enumerate(x.shape)])


def _measured(x: torch.Tensor, _order: Any, dims: Any, *keep: Any) -> Any:  # noqa: ANN401
    """The result of a norm of vectors."""
    return _averaged(x, dims, *keep)


#: Dimensions of several images.
IMAGES = 4
_aten = torch.ops.aten
_ELEMENTWISE = (
    *("add", "sub", "mul", "div"),
    *("silu", "sigmoid", "relu", "hardtanh", "hardswish", "gelu", "addcmul"),
    *("leaky_relu", "_prelu_kernel", "elu", "mish", "softplus", "tanh", "hardsigmoid"),
)
_KNOWN: dict[Any, Callable[..., Any]] = {
    **{getattr(_aten, name): _broadcast for name in _ELEMENTWISE},
    _aten.convolution.default: _convolved,
    _aten.cat.default: _joined,
    _aten.native_batch_norm.default: _normalised,
    _aten.native_layer_norm.default: _layer_normalised,
    _aten.addmm.default: _multiplied,
    _aten._addmm_activation.default: _multiplied,  # noqa: SLF001 - torch's name
    _aten._int_mm.default: _multiplied_in_bytes,  # noqa: SLF001
    _aten.max_pool2d_with_indices.default: _pooled,
    _aten.avg_pool2d.default: _pooled_on_average,
    _aten.upsample_nearest2d.default: _resized,
    _aten.mean.dim: _averaged,
    _aten.linalg_vector_norm.default: _measured,
}
