"""Layers to torch modules, named as the layers are."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, assert_never

import torch
from torch import nn

from effscale.arrays import is_array
from effscale.errors import LayerError
from effscale.module.initialise import initialise, materialise
from effscale.network.layers import (
    Act,
    Conv,
    Dropout,
    Flatten,
    Gate,
    Layer,
    Linear,
    Network,
    Norm,
    Pool,
    Repeat,
    Residual,
    Sequential,
    unrolled,
)
from effscale.network.staged import network

if TYPE_CHECKING:
    from effscale.spec.models import Spec

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "silu": nn.SiLU,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "hard_swish": nn.Hardswish,
    "gelu": nn.GELU,
    "sigmoid": nn.Sigmoid,
}


class Gated(nn.Sequential):
    """x · f(x), f being the children in order."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to the same shape; f(x) is (N, C, 1, 1)."""
        y: torch.Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return x * y


class Skipping(nn.Sequential):
    """x + f(x), f being the children in order; in training f is dropped at `rate`.

    Stochastic depth (Huang et al. 2016) by image: what stays is scaled by 1/(1 − rate).
    """

    rate: float = 0.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to the same shape."""
        y: torch.Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        if self.training and self.rate > 0:
            keep = x.new_empty(x.shape[0], 1, 1, 1).bernoulli_(1 - self.rate)
            y = y * keep.div_(1 - self.rate)
        return x + y

    def extra_repr(self) -> str:
        """The rate, where there is one."""
        return f"rate={self.rate:.3f}"


def build(
    spec: Spec, *, init: bool = True, device: str | torch.device = "cpu"
) -> nn.Sequential:
    """The network of `spec` as a module in training mode.

    Takes (N, image channels, height, width), gives (N, classes) logits. Children are
    `stem`, `stages.0` …, `head`; `effscale.network.blocks` has the names below them:
    `stages.2.0.depthwise.conv.weight` is the first block of the third stage. With
    `init` the weights are drawn as the reference draws them; without, they are zeros,
    which is all that measuring needs.

    Raises:
        LayerError: if the spec holds arrays of candidates.
    """
    net = network(spec)
    with torch.device("meta"):
        module = _assemble(net)
    _stochastic_depth(module, net.stochastic_depth)
    if torch.device(device).type == "meta":
        return module
    materialise(module, device)
    if init:
        initialise(module)
    return module


def _assemble(net: Network) -> nn.Sequential:
    numbers = [n for part in net.parts for n in (part.channels, part.repeats)]
    if any(map(is_array, (*net.image, *numbers))):
        raise LayerError("build: expected one network, got arrays of candidates")
    children: OrderedDict[str, nn.Module] = OrderedDict()
    for part in net.parts:
        group, _, index = part.path.partition(".")
        if not index:
            children[group] = module_of(part.layer)
            continue
        outer = children.setdefault(group, nn.Sequential())
        outer.add_module(index, module_of(part.layer))
    return nn.Sequential(children)


def module_of(layer: Layer) -> nn.Module:
    """`layer` as torch has it."""
    match layer:
        case Conv(c_in, c_out, kernel, stride, groups, bias):
            return nn.Conv2d(
                int(c_in),
                int(c_out),
                kernel,
                stride,
                padding=kernel // 2,
                groups=int(groups),
                bias=bias,
            )
        case Norm(channels, eps, momentum):
            return nn.BatchNorm2d(int(channels), eps, momentum)
        case Act(kind):
            return ACTIVATIONS[kind]()
        case Pool():
            return nn.AdaptiveAvgPool2d(1)
        case Flatten():
            return nn.Flatten()
        case Dropout(rate):
            return nn.Dropout(rate)
        case Linear(c_in, c_out):
            return nn.Linear(int(c_in), int(c_out))
        case Sequential(layers):
            return nn.Sequential(_modules(layers))
        case Gate(layers):
            return Gated(_modules(layers))
        case Residual(layers):
            return Skipping(_modules(layers))
        case Repeat():
            return nn.Sequential(_modules((("0", layer),)))
        case _:
            assert_never(layer)


def _modules(layers: tuple[tuple[str, Layer], ...]) -> OrderedDict[str, nn.Module]:
    return OrderedDict((name, module_of(layer)) for name, layer in unrolled(layers))


def _stochastic_depth(module: nn.Sequential, rate: float) -> None:
    """Give block i of N the rate `rate`·i/N, counted over all stages.

    Source: tpu/models/official/efficientnet/efficientnet_model.py:655.
    """
    stages = module.get_submodule("stages").children()
    blocks = [block for stage in stages for block in stage.children()]
    for index, block in enumerate(blocks):
        if isinstance(block, Skipping):
            block.rate = rate * index / len(blocks)
