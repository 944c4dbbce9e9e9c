"""Operators as torch has them.

The one place that knows: keyed by class, and an unknown class is an error.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

from effscale.errors import LayerError
from effscale.module.attention import (
    Attending,
    Begun,
    Behind,
    Cropped,
    Filled,
    First,
    Placed,
    QueriesValuesBiased,
    Tokened,
    ValuesAlone,
    Waves,
)
from effscale.network.operators.attention import (
    Attention,
    ClassToken,
    Crop,
    DropTokens,
    Fill,
    FirstToken,
    Fourier,
    IntoFirst,
    Positions,
    QueryValueBias,
    ValuesOf,
)
from effscale.network.operators.channels import PadChannels, Shuffle, Slice, SumParts
from effscale.network.operators.convolution import (
    ChannelConv,
    Conv,
    Linear,
    TransposedConv,
    margins,
)
from effscale.network.operators.elementwise import (
    Act,
    Bins,
    Dropout,
    Flatten,
    Multiply,
    Shift,
)
from effscale.network.operators.fusion import Attend, Fuse, Resize, Select
from effscale.network.operators.norm import (
    BatchNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    LayerScale,
    ResponseNorm,
    RMSNorm,
)
from effscale.network.operators.pooling import Blur, ChannelPool, GlobalPool, Pool
from effscale.network.operators.resampling import (
    PixelShuffle,
    PixelUnshuffle,
    Upsample,
)
from effscale.network.shapes import Shape
from effscale.spec.padding import pixels
from effscale.spec.values import slope_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from effscale.network.operators.operator import Operator

#: Several feature maps, each (N, C, H, W).
Maps = tuple[torch.Tensor, ...]


def module_of(operator: Operator) -> nn.Module:
    """The operator as a module of torch.

    Raises:
        LayerError: if no module is known for operators of its class.
    """
    make = MODULES.get(type(operator))
    if make is None:
        raise LayerError(f"build: no module is known for {type(operator).__name__}")
    return make(operator)


# Convolutions and linear layers.


def _conv(conv: Conv) -> nn.Conv2d:
    module = nn.Conv2d(
        int(conv.c_in),
        int(conv.c_out),
        conv.kernel,
        conv.stride,
        padding=pixels(conv.padding, conv.reach),
        dilation=conv.dilation,
        groups=int(conv.groups),
        bias=conv.bias,
    )
    # No subclass: counters know layers by their type.
    vars(module).update(bias_init=conv.bias_init, init=conv.init)
    if conv.padding == "tensorflow":
        module.register_forward_pre_hook(_pad_as_tensorflow)
    return module


def _transposed_conv(conv: TransposedConv) -> nn.ConvTranspose2d:
    """torch's, padded so that a side becomes the stride times as long."""
    more = [k - s for k, s in zip(conv.kernel, conv.stride, strict=True)]
    return nn.ConvTranspose2d(
        int(conv.c_in),
        int(conv.c_out),
        conv.kernel,
        conv.stride,
        padding=((more[0] + 1) // 2, (more[1] + 1) // 2),
        output_padding=(more[0] % 2, more[1] % 2),
        groups=int(conv.groups),
        bias=conv.bias,
    )


def _pad_as_tensorflow(
    module: nn.Module, maps: tuple[torch.Tensor]
) -> tuple[torch.Tensor]:
    """What a convolution without padding is to see in place of (N, C, H, W)."""
    assert isinstance(module, nn.Conv2d)  # noqa: S101 - made above
    spans = zip(module.dilation, module.kernel_size, strict=True)
    reach = [step * (kernel - 1) + 1 for step, kernel in spans]
    above, below, left, right = _margins(maps[0], reach, module.stride)
    return (functional.pad(maps[0], (left, right, above, below)),)


def _margins(
    x: torch.Tensor, reach: Sequence[int], stride: Sequence[int]
) -> tuple[int, ...]:
    """TensorFlow's padding of (N, C, H, W): above, below, left, right."""
    windows = zip(map(int, x.shape[2:]), reach, stride, strict=True)
    return tuple(int(n) for window in windows for n in margins(*window))


class ChannelConv1d(nn.Conv1d):
    """A convolution along the channels of one position."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, 1, 1) to the same shape."""
        return super().forward(x.view(x.shape[0], 1, -1)).view(x.shape)


def _channel_conv(conv: ChannelConv) -> nn.Conv1d:
    size = int(conv.size)
    return ChannelConv1d(1, 1, size, padding=size // 2, bias=False)


def _linear(linear: Linear) -> nn.Linear:
    return nn.Linear(int(linear.c_in), int(linear.c_out), linear.bias)


# Norms.


def _batch_norm(norm: BatchNorm) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(int(norm.channels), norm.eps, norm.momentum)


class LayerNorm2d(nn.LayerNorm):
    """Layer norm of the channels of each position, as torchvision's."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to the same shape."""
        last = x.permute(0, 2, 3, 1)
        found = functional.layer_norm(
            last, self.normalized_shape, self.weight, self.bias, self.eps
        )
        return found.permute(0, 3, 1, 2)


def _group_norm(norm: GroupNorm) -> nn.GroupNorm:
    module = nn.GroupNorm(int(norm.groups), int(norm.channels), norm.eps)
    if not norm.shift:
        module.register_parameter("bias", None)
    return module


class RMSNorm2d(nn.Module):
    """The channels of each position over their root mean square, times a scale."""

    def __init__(self, norm: RMSNorm) -> None:
        super().__init__()
        self.eps = norm.eps
        self.weight = nn.Parameter(torch.ones((int(norm.channels), 1, 1)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to the same shape."""
        return x * ((x * x).mean(dim=1, keepdim=True) + self.eps).rsqrt() * self.weight

    def reset_parameters(self) -> None:
        """All ones."""
        self.weight.fill_(1)

    def extra_repr(self) -> str:
        """How many channels."""
        return f"{len(self.weight)}, eps={self.eps:g}"


class Scaled(nn.Module):
    """Each channel times a learnt number, and where it is asked for plus another."""

    def __init__(self, scale: LayerScale) -> None:
        super().__init__()
        self.initial = scale.initial
        shape = 1 if scale.single else int(scale.channels), 1, 1
        self.weight = nn.Parameter(torch.ones(shape))
        self.bias = nn.Parameter(torch.zeros(shape)) if scale.shift else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to the same shape."""
        if self.bias is None:
            return x * self.weight
        return torch.addcmul(self.bias, x, self.weight)

    def reset_parameters(self) -> None:
        """All the number that they begin with, shifts 0."""
        self.weight.fill_(self.initial)
        if self.bias is not None:
            self.bias.zero_()

    def extra_repr(self) -> str:
        """How many channels."""
        return f"{len(self.weight)}, initial={self.initial:g}"


#: Keeps global response norms from a division by zero (Woo et al. 2023, appendix).
RESPONSE_EPS = 1e-6


class ResponseNorm2d(nn.Module):
    """x + γ·x·n(x) + β, n being each channel's norm over the mean of all norms."""

    def __init__(self, norm: ResponseNorm) -> None:
        super().__init__()
        shape = int(norm.channels), 1, 1
        self.weight = nn.Parameter(torch.zeros(shape))
        self.bias = nn.Parameter(torch.zeros(shape))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to the same shape."""
        norms = torch.linalg.vector_norm(x, dim=(2, 3), keepdim=True)
        share = norms / (norms.mean(dim=1, keepdim=True) + RESPONSE_EPS)
        return torch.addcmul(self.bias, x, share * self.weight + 1)

    def reset_parameters(self) -> None:
        """All zeros: it changes nothing."""
        self.weight.zero_()
        self.bias.zero_()

    def extra_repr(self) -> str:
        """How many channels."""
        return f"{len(self.weight)}"


# Activations, and what moves elements.


class HardMish(nn.Module):
    """x/2 · min(2, max(0, x + 2)), as timm's."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to the same shape."""
        return 0.5 * x * (x + 2).clamp(0, 2)


ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = {
    "silu": nn.SiLU,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "hard_swish": nn.Hardswish,
    "gelu": nn.GELU,
    "none": nn.Identity,
    "gelu_tanh": partial(nn.GELU, approximate="tanh"),
    "leaky_relu": nn.LeakyReLU,
    "prelu": nn.PReLU,
    "elu": nn.ELU,
    "mish": nn.Mish,
    "hard_mish": HardMish,
    "softplus": nn.Softplus,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "hard_sigmoid": nn.Hardsigmoid,
}


def _act(act: Act) -> nn.Module:
    slope = slope_of(act.kind)
    return ACTIVATIONS[act.kind]() if slope is None else nn.LeakyReLU(slope)


class Times(nn.Module):
    """Each element times a number."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to the same shape."""
        return x * self.by

    def extra_repr(self) -> str:
        """The number."""
        return f"{self.by:g}"


class Shifted(nn.Module):
    """The feature map moved up and left by a position, zeros moved in."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to the same shape."""
        return functional.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]


class Sliced(nn.Module):
    """So many channels, from one on."""

    def __init__(self, of: Slice) -> None:
        super().__init__()
        self.start, self.channels = int(of.start), int(of.channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to (N, channels, H, W), a view."""
        return x[:, self.start : self.start + self.channels]


class Widened(nn.Module):
    """Channels of zeros after those that come in."""

    def __init__(self, pad: PadChannels) -> None:
        super().__init__()
        self.more = int(pad.channels) - int(pad.c_in)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to (N, channels, H, W)."""
        return functional.pad(x, (0, 0, 0, 0, 0, self.more))


class Summed(nn.Module):
    """The sum of so many parts of the channels."""

    def __init__(self, parts: int) -> None:
        super().__init__()
        self.parts = parts

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, parts · C, H, W) to (N, C, H, W)."""
        found: torch.Tensor = x.unflatten(1, (self.parts, -1)).sum(dim=1)
        return found

    def extra_repr(self) -> str:
        """How many."""
        return f"{self.parts}"


class Selected(Summed):
    """The sum of parts of the channels, by a softmax over the parts."""

    def forward(self, maps: Maps) -> torch.Tensor:  # type: ignore[override]
        """(N, parts · C, H, W) and (N, parts · C, 1, 1) to (N, C, H, W)."""
        x, logits = (each.unflatten(1, (self.parts, -1)) for each in maps)
        found: torch.Tensor = (x * logits.softmax(dim=1)).sum(dim=1)
        return found


class Shuffled(nn.Module):
    """Channels in groups, one of each group in turn."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to the same shape."""
        batch, channels, *sides = x.shape
        grouped = x.view(batch, self.groups, channels // self.groups, *sides)
        return grouped.transpose(1, 2).reshape(x.shape)


# Pools.


def _pool(pool: Pool) -> nn.Module:
    """torch's pool; a kernel that is its own stride is padded at the end alone."""
    if pool.of_zeros:
        module = nn.MaxPool2d(pool.kernel, pool.stride)
        module.register_forward_pre_hook(partial(_pad_with_zeros, pool))
        return module
    if pool.padding == "tensorflow":
        return _pool_as_tensorflow(pool)
    apart = pool.padding == "same" and pool.kernel == pool.stride
    padding = 0 if apart else pixels(pool.padding, pool.kernel)
    ceil = apart or pool.padding == "ceil"
    if pool.kind == "max":
        return nn.MaxPool2d(pool.kernel, pool.stride, padding, ceil_mode=ceil)
    return nn.AvgPool2d(
        pool.kernel,
        pool.stride,
        padding,
        ceil_mode=ceil,
        count_include_pad=pool.include_padding,
    )


def _pad_with_zeros(
    pool: Pool, _: nn.Module, maps: tuple[torch.Tensor]
) -> tuple[torch.Tensor]:
    """What a maximum without padding is to see in place of (N, C, H, W)."""
    above, left = pool.margins(Shape(*map(int, maps[0].shape[1:])))
    return (functional.pad(maps[0], [*map(int, (*left, *above))]),)


def _global_pool(pool: GlobalPool) -> nn.Module:
    to = 1 if pool.to == (1, 1) else pool.to  # torch prints what it is given
    return nn.AdaptiveMaxPool2d(to) if pool.kind == "max" else nn.AdaptiveAvgPool2d(to)


def _pool_as_tensorflow(pool: Pool) -> nn.Module:
    """torch's pool, padded at the beginning and let run over the end."""
    make = nn.MaxPool2d if pool.kind == "max" else nn.AvgPool2d
    module = make(pool.kernel, pool.stride)
    # No subclass, as above; its padding depends on what comes in.
    vars(module)["forward"] = partial(_pooled_as_tensorflow, pool)
    return module


def _pooled_as_tensorflow(pool: Pool, x: torch.Tensor) -> torch.Tensor:
    above, below, left, right = _margins(x, pool.kernel, pool.stride)
    # At a stride of 1 nothing runs over the end: the first window is left out instead.
    rows, columns = (
        end - start if step == 1 else 0
        for step, start, end in zip(
            pool.stride, (above, left), (below, right), strict=True
        )
    )
    way = x, pool.kernel, pool.stride, (above + rows, left + columns)
    if pool.kind == "max":
        found: torch.Tensor = functional.max_pool2d(*way, ceil_mode=True)
    else:
        found = functional.avg_pool2d(*way, ceil_mode=True, count_include_pad=False)
    return found[:, :, rows:, columns:]


class Blurred(nn.Module):
    """Windows weighed by binomials, which are not learnt and in no file of weights."""

    kernel: torch.Tensor

    def __init__(self, blur: Blur) -> None:
        super().__init__()
        self.stride = blur.stride
        self.around = [blur.side // 2] * 4
        kernel = torch.zeros(1, 1, *blur.kernel)
        self.register_buffer("kernel", kernel, persistent=False)

    def fix(self) -> None:
        """The outer product of binomials with themselves, of sum 1."""
        last = self.kernel.shape[-1] - 1
        row = torch.tensor([math.comb(last, k) / 2**last for k in range(last + 1)])
        self.kernel.copy_(row[:, None] * row)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to (N, C, ceil(H/s), ceil(W/s))."""
        mirrored = min(x.shape[2:]) > self.around[0]
        mode = "reflect" if mirrored else "replicate"
        padded = functional.pad(x, self.around, mode)
        kernel = self.kernel.expand(x.shape[1], -1, -1, -1)
        return functional.conv2d(padded, kernel, None, self.stride, groups=len(kernel))

    def extra_repr(self) -> str:
        """Its side, and its stride."""
        return f"{self.kernel.shape[-1]}, stride={self.stride}"


class OverChannels(nn.Module):
    """The mean, or the maximum, of the channels of each position."""

    def __init__(self, pool: ChannelPool) -> None:
        super().__init__()
        self.kind = pool.kind

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to (N, 1, H, W)."""
        if self.kind == "max":
            return x.amax(dim=1, keepdim=True)
        return x.mean(dim=1, keepdim=True)

    def extra_repr(self) -> str:
        """Which of the two."""
        return self.kind


# Operators on several feature maps.

#: Keeps the fast fusion from a division by zero (Tan, Pang & Le 2020, section 3.3).
EPSILON = 1e-4


class Fused(nn.Module):
    """Σ wᵢ·xᵢ of feature maps of one shape, by weights that are learnt."""

    def __init__(self, fuse: Fuse) -> None:
        super().__init__()
        self.kind = fuse.kind
        shape = (fuse.inputs, 1 if fuse.channels is None else int(fuse.channels), 1, 1)
        self.weights = nn.Parameter(torch.ones(shape))

    def forward(self, maps: Maps) -> torch.Tensor:
        """Several (N, C, H, W) to one."""
        weights: torch.Tensor = self.weights
        if self.kind == "softmax":
            weights = weights.softmax(dim=0)
        elif self.kind == "fast":
            weights = weights.relu()
            weights = weights / (weights.sum(dim=0) + EPSILON)
        total = maps[0] * weights[0]
        for weight, each in zip(weights[1:], maps[1:], strict=True):
            total = total + each * weight
        return total

    def reset_parameters(self) -> None:
        """All ones."""
        self.weights.fill_(1)

    def extra_repr(self) -> str:
        """The kind, and how many maps."""
        return f"{self.kind}, {len(self.weights)}"


class Attended(nn.Module):
    """a + b · sigmoid(max(a)), the maximum over all positions (Ghiasi et al. 2019)."""

    def forward(self, maps: Maps) -> torch.Tensor:
        """Two (N, C, H, W) to one."""
        a, b = maps
        return a + b * a.amax(dim=(2, 3), keepdim=True).sigmoid()


class Resized(nn.Module):
    """The first of two feature maps at the size of the second."""

    def __init__(self, resize: Resize) -> None:
        super().__init__()
        self.mode = resize.mode

    def forward(self, maps: Maps) -> torch.Tensor:
        """(N, C, h, w) and (N, _, H, W) to (N, C, H, W)."""
        x, like = maps
        return functional.interpolate(x, size=like.shape[2:], mode=self.mode)

    def extra_repr(self) -> str:
        return self.mode


class BinsOfSides(nn.Module):
    """What comes in, beside the fixed numbers that bins stand for."""

    def __init__(self, bins: Bins) -> None:
        super().__init__()
        numbers = torch.zeros(1, bins.count, 1, 1)
        self.weight = nn.Parameter(numbers, requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The same; a loss and a decoder take the mean of softmax by `weight`."""
        return x

    def reset_parameters(self) -> None:
        """0, 1, 2 and so on."""
        count = self.weight.shape[1]
        self.weight.copy_(torch.arange(count, dtype=torch.float).view(1, -1, 1, 1))


class Upsampled(nn.Module):
    """A map so many times as high and as wide."""

    def __init__(self, upsample: Upsample) -> None:
        super().__init__()
        self.factor, self.mode = upsample.factor, upsample.mode

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, h, w) to (N, C, rows·h, columns·w)."""
        size = [side * by for side, by in zip(x.shape[2:], self.factor, strict=True)]
        return functional.interpolate(x, size=size, mode=self.mode)

    def extra_repr(self) -> str:
        return f"{self.factor}, {self.mode}"


#: How each operator is built.
MODULES: Mapping[type[Operator], Callable[[Any], nn.Module]] = {
    Conv: _conv,
    ChannelConv: _channel_conv,
    Linear: _linear,
    BatchNorm: _batch_norm,
    LayerNorm: lambda n: LayerNorm2d(int(n.channels), n.eps, bias=n.shift),
    RMSNorm: RMSNorm2d,
    GroupNorm: _group_norm,
    InstanceNorm: lambda n: nn.InstanceNorm2d(int(n.channels), n.eps, affine=True),
    LayerScale: Scaled,
    ResponseNorm: ResponseNorm2d,
    Act: _act,
    Multiply: lambda multiply: Times(multiply.by),
    Dropout: lambda dropout: nn.Dropout(dropout.rate),
    Flatten: lambda _: nn.Flatten(),
    Slice: Sliced,
    PadChannels: Widened,
    SumParts: lambda each: Summed(each.parts),
    Select: lambda select: Selected(select.parts),
    Shuffle: lambda shuffle: Shuffled(int(shuffle.groups)),
    Bins: BinsOfSides,
    Shift: lambda _: Shifted(),
    Pool: _pool,
    GlobalPool: _global_pool,
    Blur: Blurred,
    ChannelPool: OverChannels,
    TransposedConv: _transposed_conv,
    Upsample: Upsampled,
    PixelShuffle: lambda shuffle: nn.PixelShuffle(shuffle.factor),
    PixelUnshuffle: lambda shuffle: nn.PixelUnshuffle(shuffle.factor),
    Resize: Resized,
    Attend: lambda _: Attended(),
    Fuse: Fused,
    ClassToken: Tokened,
    Positions: Placed,
    FirstToken: lambda _: First(),
    DropTokens: Behind,
    IntoFirst: lambda _: Begun(),
    Fourier: Waves,
    Fill: Filled,
    Crop: lambda _: Cropped(),
    Attention: Attending,
    QueryValueBias: QueriesValuesBiased,
    ValuesOf: ValuesAlone,
}
