"""Layers to torch modules, named as the layers are."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, assert_never

import torch
from torch import nn
from torch.nn import functional

from effscale.arrays import is_array
from effscale.errors import LayerError
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
from effscale.network.network import network

if TYPE_CHECKING:
    from effscale.network.layers import Merge
    from effscale.spec.models import Spec


# --------------------------------------------------------------------------------------
# From a module without storage to one with weights, drawn as the reference does.


def materialise(module: nn.Module, device: str | torch.device) -> None:
    """Give each parameter and buffer of a module on meta its storage, all zeros.

    In place. (`Module.to_empty` would import sympy on the way: half a second.)
    """
    for each in module.modules():
        for name, parameter in list(each.named_parameters(recurse=False)):
            zeros = torch.zeros(parameter.shape, dtype=parameter.dtype, device=device)
            each.register_parameter(name, nn.Parameter(zeros))
        for name, buffer in list(each.named_buffers(recurse=False)):
            zeros = torch.zeros(buffer.shape, dtype=buffer.dtype, device=device)
            each.register_buffer(name, zeros)


@torch.no_grad()
def initialise(module: nn.Module) -> None:
    """Fill every parameter and buffer in place.

    Convolutions: normal, variance 2 / (k²·c_out/groups). Linear: uniform up to
    1/√c_out. Biases 0, but where a class head begins. Batch norm: the
    identity. Fusions: 1.

    Source: tpu/models/official/efficientnet/efficientnet_model.py:63-103.
    """
    for each in module.modules():
        match each:
            case nn.Conv2d():
                fan_out = each.weight[:, 0].numel() // each.groups
                each.weight.normal_(0, math.sqrt(2 / fan_out))
                if each.bias is not None:
                    each.bias.fill_(vars(each).get("bias_init", 0.0))
            case Fused():
                each.weights.fill_(1)
            case nn.Linear():
                bound = 1 / math.sqrt(each.out_features)
                each.weight.uniform_(-bound, bound)
                each.bias.zero_()
            case nn.BatchNorm2d():
                each.reset_parameters()
            case _:
                pass


# --------------------------------------------------------------------------------------

# --------------------------------------------------------------------------------------
# Modules that combine others: gates, residuals, graphs; and those that torch lacks.


class Gated(nn.Sequential):
    """x · f(x), f being the children in order."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to the same shape; f(x) is (N, C, 1, 1)."""
        y: torch.Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return x * y


class Skipping(nn.Module):
    """shortcut(x) + scale · f(x), f being the other children in order.

    In training f is dropped at `rate`, stochastic depth (Huang et al. 2016) by image:
    what stays is scaled by 1/(1 − rate).
    """

    rate: float = 0.0

    def __init__(
        self, layers: dict[str, nn.Module], shortcut: nn.Module | None, scale: float
    ) -> None:
        super().__init__()
        self.scale, self.order = scale, tuple(layers)
        for name, layer in layers.items():
            self.add_module(name, layer)
        if shortcut is not None:
            self.add_module("shortcut", shortcut)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to what both branches make of it."""
        y = x
        for name in self.order:
            y = self.get_submodule(name)(y)
        if self.scale != 1:
            y = y * self.scale
        if self.training and self.rate > 0:
            keep = y.new_empty(y.shape[0], 1, 1, 1).bernoulli_(1 - self.rate)
            y = y * keep.div_(1 - self.rate)
        beside = self._modules.get("shortcut")
        return (x if beside is None else beside(x)) + y

    def extra_repr(self) -> str:
        """The rate, and the scale where there is one."""
        scale = "" if self.scale == 1 else f", scale={self.scale}"
        return f"rate={self.rate:.3f}{scale}"


class Wired(nn.Module):
    """A graph of modules, one a node; takes and gives a feature map or a tuple."""

    def __init__(self, graph: Graph, nodes: dict[str, nn.Module]) -> None:
        super().__init__()
        self.graph, self.called = graph, dict[str, str]()
        for name, node in nodes.items():
            self.called[name] = name
            while hasattr(self, self.called[name]):  # `half`, which all modules have
                self.called[name] += "_"
            self.add_module(self.called[name], node)

    def forward(
        self, x: torch.Tensor | tuple[torch.Tensor, ...]
    ) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """Each node on what it reads, summed or concatenated."""
        maps: list[Any] = [x] if isinstance(x, torch.Tensor) else list(x)
        for node in self.graph.nodes:
            read = [maps[k] for k in node.reads]
            layer = self._modules.get(self.called.get(node.name, ""))
            merged = _merged(read, node.merge)
            maps.append(merged if layer is None else layer(merged))
        outputs = tuple(maps[k] for k in self.graph.outputs)
        return outputs[0] if len(outputs) == 1 else outputs


def _merged(
    read: list[torch.Tensor], merge: Merge
) -> torch.Tensor | tuple[torch.Tensor, ...]:
    if merge == "apart":
        return tuple(read)
    if merge == "concat" and len(read) > 1:
        return torch.cat(read, dim=1)
    total = read[0]
    for each in read[1:]:
        total = total + each
    return total


class Shifted(nn.Module):
    """The feature map moved up and left by a position, zeros moved in."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to the same shape."""
        return functional.pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]


# --------------------------------------------------------------------------------------

# --------------------------------------------------------------------------------------
# Modules of several feature maps: what detectors fuse and share between levels.

Maps = tuple[torch.Tensor, ...]
#: Keeps the fast fusion from a division by zero (Tan, Pang & Le 2020, section 3.3).
EPSILON = 1e-4


class Detections(NamedTuple):
    """What a detector puts out, by level, lowest first.

    Of A anchors at each position: class logits (N, A·classes, height, width), and boxes
    (N, A·4, height, width) relative to the anchors (`effscale.anchors`).
    """

    classes: Maps
    boxes: Maps


class Shared(nn.Module):
    """One module on each of several feature maps, with the same weights."""

    def __init__(self, shared: nn.Module) -> None:
        super().__init__()
        self.shared = shared

    def forward(self, maps: Maps) -> Maps:
        """Each (N, C, H, W) to what the module makes of it."""
        return tuple(self.shared(each) for each in maps)


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
    """The first of two feature maps at the size of the second, nearest neighbours."""

    def forward(self, maps: Maps) -> torch.Tensor:
        """(N, C, h, w) and (N, _, H, W) to (N, C, H, W)."""
        x, like = maps
        return functional.interpolate(x, size=like.shape[2:], mode="nearest")


class Detector(nn.Module):
    """Backbone (`stem`, `stages`), `neck`, `class_head` and `box_head`."""

    def __init__(self, net: Network, children: dict[str, nn.Module]) -> None:
        super().__init__()
        self.net = net
        for name, child in children.items():
            self.add_module(name, child)

    def forward(self, images: torch.Tensor) -> Detections:
        """(N, image channels, height, width) to class logits and boxes by level."""
        done: list[torch.Tensor | Maps] = []
        for index, part in enumerate(self.net.parts):
            read = [done[each] for each in self.net.sources(index)] or [images]
            several = tuple(_newest(each) for each in read)
            taken = several if len(several) > 1 else read[0]
            done.append(self.get_submodule(part.path)(taken))
        classes, boxes = done[-2:]
        return Detections((*classes,), (*boxes,))


def _newest(flow: torch.Tensor | Maps) -> torch.Tensor:
    """The map that a part puts out; cells hand on that before it as well."""
    return flow if isinstance(flow, torch.Tensor) else flow[0]


# --------------------------------------------------------------------------------------

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
