"""Layers to torch modules, named as the layers are."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, TypeAlias, assert_never

import torch
from torch import nn

from effscale.arrays import is_array
from effscale.errors import LayerError
from effscale.module.combine import Gated, Shifted, Skipping, Wired
from effscale.module.initialise import initialise, materialise
from effscale.module.levels import (
    Attended,
    Detector,
    Fused,
    Resized,
    Shared,
)
from effscale.network.layers import (
    Across,
    Gate,
    Graph,
    Layer,
    Maybe,
    Network,
    Repeat,
    Residual,
    Sequential,
    unrolled,
)
from effscale.network.leaves import (
    Act,
    Attend,
    Conv,
    Dropout,
    Flatten,
    Fuse,
    GlobalPool,
    Linear,
    Norm,
    Pool,
    Resize,
    Shift,
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
    "none": nn.Identity,
    "sigmoid": nn.Sigmoid,
    "hard_sigmoid": nn.Hardsigmoid,
}


def build(
    spec: Spec, *, init: bool = True, device: str | torch.device = "cpu"
) -> nn.Module:
    """The network of `spec` as a module in training mode.

    Takes (N, image channels, height, width), gives (N, classes) logits; a detector
    gives `Detections`, class logits and boxes by level. Children are `stem`, `stages.0`
    …, `head` (or `neck`, `class_head`, `box_head`); `effscale.network.blocks` has the
    names below them: `stages.2.0.depthwise.conv.weight` is the first block of the third
    stage. With `init` the weights are drawn as the reference draws them; without, they
    are zeros, which is all that measuring needs.

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


def _assemble(net: Network) -> nn.Module:
    numbers = [n for part in net.parts for n in (part.channels, part.repeats)]
    if any(map(is_array, (*net.image, *numbers))):
        raise LayerError("build: expected one network, got arrays of candidates")
    children: OrderedDict[str, nn.Module] = OrderedDict()
    for part in net.parts:
        group, _, index = part.path.partition(".")
        if not index:
            children[group] = _part(part.layer)
            continue
        outer = children.setdefault(group, nn.Sequential())
        outer.add_module(index, _part(part.layer))
    if len(net.parts) > 1 and net.parts[-1].reads:
        return Detector(net, children)
    return nn.Sequential(children)


def _part(layer: Sequential) -> nn.Sequential:
    """A part, block by block: weights are shared within a block alone."""
    blocks = unrolled(layer.layers)
    return nn.Sequential(
        OrderedDict((name, module_of(block, {})) for name, block in blocks)
    )


#: Convolutions of one block that share their weights, by name.
Tied: TypeAlias = dict[str, nn.Module]


def module_of(layer: Layer, shared: Tied) -> nn.Module:
    """`layer` as torch has it; `shared` has what its block has made to be shared."""
    match layer:
        case Conv(shared=str() as name) if name in shared:
            return shared[name]
        case Conv():
            conv = _conv(layer)
            if layer.shared is not None:
                shared[layer.shared] = conv
            return conv
        case Norm(channels, eps, momentum):
            return nn.BatchNorm2d(int(channels), eps, momentum)
        case Act(kind):
            return ACTIVATIONS[kind]()
        case Pool():
            return _pool(layer)
        case GlobalPool():
            return nn.AdaptiveAvgPool2d(1)
        case Shift():
            return Shifted()
        case Flatten():
            return nn.Flatten()
        case Dropout(rate):
            return nn.Dropout(rate)
        case Linear(c_in, c_out):
            return nn.Linear(int(c_in), int(c_out))
        case Sequential(layers):
            return nn.Sequential(_modules(layers, shared))
        case Gate(layers):
            return Gated(_modules(layers, shared))
        case Residual(layers, shortcut, scale):
            beside = _modules(shortcut, shared)
            other = nn.Sequential(beside) if beside else None
            return Skipping(_modules(layers, shared), other, scale)
        case Graph(nodes=nodes):
            named = tuple((node.name, node.layer) for node in nodes)
            return Wired(layer, _modules(named, shared))
        case Across(body):
            return Shared(module_of(body, shared))
        case Fuse():
            return Fused(layer)
        case Attend():
            return Attended()
        case Resize():
            return Resized()
        case Repeat() | Maybe():
            return nn.Sequential(_modules((("0", layer),), shared))
        case _:
            assert_never(layer)


def _conv(conv: Conv) -> nn.Conv2d:
    same = conv.padding == "same"
    module = nn.Conv2d(
        int(conv.c_in),
        int(conv.c_out),
        conv.kernel,
        conv.stride,
        padding=(conv.reach[0] // 2, conv.reach[1] // 2) if same else 0,
        dilation=conv.dilation,
        groups=int(conv.groups),
        bias=conv.bias,
    )
    # No subclass: counters know layers by their type.
    vars(module)["bias_init"] = conv.bias_init
    return module


def _pool(pool: Pool) -> nn.Module:
    """torch's pool; a kernel that is its own stride is padded at the end alone."""
    apart = pool.kernel == pool.stride
    same = pool.padding == "same"
    padding = (pool.kernel[0] // 2, pool.kernel[1] // 2) if same and not apart else 0
    ceil = same and apart
    if pool.kind == "max":
        return nn.MaxPool2d(pool.kernel, pool.stride, padding, ceil_mode=ceil)
    return nn.AvgPool2d(
        pool.kernel, pool.stride, padding, ceil_mode=ceil, count_include_pad=False
    )


def _modules(
    layers: tuple[tuple[str, Layer], ...], shared: Tied
) -> OrderedDict[str, nn.Module]:
    return OrderedDict(
        (name, module_of(layer, shared)) for name, layer in unrolled(layers)
    )


def _stochastic_depth(module: nn.Module, rate: float) -> None:
    """Give block i of N the rate `rate`·i/N, counted over all stages.

    Source: tpu/models/official/efficientnet/efficientnet_model.py:655.
    """
    stages = module.get_submodule("stages").children()
    blocks = [block for stage in stages for block in stage.children()]
    for index, block in enumerate(blocks):
        for each in block.modules():
            if isinstance(each, Skipping):
                each.rate = rate * index / len(blocks)
