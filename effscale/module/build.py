"""Layers to torch modules, named as the layers are: combinators, parts, networks."""

from __future__ import annotations

from collections import OrderedDict
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, assert_never

import torch
from torch import nn

from effscale.arrays import is_array
from effscale.cost.count import visited
from effscale.errors import LayerError
from effscale.growth.scale import with_classes
from effscale.module.drawing import initialise
from effscale.module.operators import Blurred, Maps, module_of
from effscale.network.combinators import (
    Across,
    Collect,
    Gate,
    Graph,
    Layer,
    Maybe,
    Repeat,
    Residual,
    Sequential,
    unrolled,
)
from effscale.network.network import network
from effscale.network.operators.operator import Operator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from effscale.network.parts import Group, Network
    from effscale.network.shapes import Merge
    from effscale.spec.models import Spec


class Detections(NamedTuple):
    """What a detector puts out, by level, lowest first.

    Of A anchors at each position: class logits (N, A·classes, height, width), and boxes
    (N, A·4, height, width) relative to the anchors (`effscale.anchors`);
    `effscale.decode` says what the numbers are, and makes pixels of them.
    """

    classes: Maps
    boxes: Maps


def build(
    spec: Spec,
    *,
    classes: int | None = None,
    init: bool = True,
    device: str | torch.device = "cpu",
) -> nn.Module:
    """The network of `spec` as a module in training mode, for `classes` if given.

    Takes (N, image channels, height, width), gives (N, classes) logits; a detector
    gives `Detections`, class logits and boxes by level. Children are `stem`, `stages.0`
    …, `head` (or `neck`, `class_head`, `box_head`); `effscale.network.blocks` has the
    names below them: `stages.2.0.depthwise.conv.weight` is the first block of the third
    stage. With `init` the weights are drawn; without, they are zeros, which is all that
    measuring needs.

    Stem, stages and classifiers of every family are drawn as EfficientNet's: by He's
    normal, fan-out, which is torchvision's for ResNets too. A detector's neck and heads
    say their own rule, `init`. EfficientDet and -Lite draw the neck by Glorot and the
    heads by Keras' variance scaling (automl/efficientdet/tf2/efficientdet_keras.py);
    RetinaNet the neck by LeCun's uniform and the heads with σ = 0.01 (Lin et al. 2017,
    section 4.1, and torchvision); NAS-FPN the neck by Glorot, the heads with σ = 0.01
    and what predicts with 1e-5 (tpu/models/official/detection). A detector that says
    none has Glorot's neck, and variance scaling in separable heads, σ = 0.01 in others.
    Class logits begin at the share of positives, `prior`, by their bias.

    Of `outputs`, a loss gets what the network puts out, in training as in evaluation:
    the one there is, or a dictionary of several by name. `classify` gives logits, for a
    cross entropy; `segment` logits of each pixel at the image's size, of auxiliary
    heads too; `yolo` gives `Detections` whose boxes are logits of `bins` for left, top,
    right and bottom, in strides, for DFL and IoU (with `one_to_one` two, the second for
    one box an object), or with `masks`, `keypoints` or `angle` a dictionary of those,
    too, as they are before they are decoded; `detect` gives `Detections` for a focal
    loss, or with `centerness` or `objectness` a dictionary of three, and its `boxes`
    say what the numbers of a box mean; `yolo_anchors` gives a map for each level;
    `keypoints` a dictionary, of which `heatmap` is logits.

    Batch norm has the momentum of the spec, torch's kind: EfficientNet's 0.01 is that
    of its recipe (TensorFlow's 0.99), whose hundreds of thousands of steps let running
    statistics settle. After 110 steps a third of where they began is still in them;
    for short trainings state another (`norm: {momentum: 0.1}`, with which timm and
    torchvision train), or estimate them anew, as `effscale train` does
    (`torch.optim.swa_utils.update_bn`).

    Raises:
        LayerError: if the spec holds arrays of candidates.
        ScaleError: if its classifier is no linear layer, and classes are given.
    """
    if classes is not None:
        spec = with_classes(spec, classes)
    return built(network(spec), init=init, device=device)


def built(
    net: Network,
    *,
    init: bool = True,
    device: str | torch.device = "cpu",
    once: bool = False,
) -> nn.Module:
    """The network as a module in training mode; see `build`.

    With `once` it has one of each row of equal blocks, and so costs less to run:
    `copies` says how many each stands for.
    """
    with torch.device("meta"):
        module = _assemble(net, once=once)
        _fit(module, net, once=once)
    _stochastic_depth(module, net.stochastic_depth)
    if torch.device(device).type == "meta":
        return module
    materialise(module, device)
    if init:
        initialise(module)
    return module


def materialise(module: nn.Module, device: str | torch.device) -> None:
    """Give each parameter and buffer of a module on meta its storage, all zeros.

    But for weights that are not learnt, which are what they are. In place.
    (`Module.to_empty` would import sympy on the way: half a second.)
    """
    for each in module.modules():
        for name, parameter in list(each.named_parameters(recurse=False)):
            zeros = torch.zeros(parameter.shape, dtype=parameter.dtype, device=device)
            trains = parameter.requires_grad
            each.register_parameter(name, nn.Parameter(zeros, requires_grad=trains))
        for name, buffer in list(each.named_buffers(recurse=False)):
            zeros = torch.zeros(buffer.shape, dtype=buffer.dtype, device=device)
            each.register_buffer(name, zeros, persistent=name in each.state_dict())
        if isinstance(each, Blurred):
            each.fix()


def copies(module: nn.Module) -> dict[str, int]:
    """How many copies each submodule stands for, by path, of one that is built `once`.

    Where that is one, the path is left out.
    """
    found: dict[str, int] = {}
    for path, each in module.named_modules():
        outer = path.rpartition(".")[0]
        number = found.get(outer, 1) * getattr(each, STANDS_FOR, 1)
        if number > 1:
            found[path] = number
    return found


#: The attribute of a block that says how many equal ones it stands for.
STANDS_FOR = "stands_for"


def _assemble(net: Network, *, once: bool) -> nn.Module:
    numbers = [n for part in net.parts for n in (part.channels, part.repeats)]
    if any(map(is_array, (*net.image, *numbers))):
        raise LayerError("build: expected one network, got arrays of candidates")
    children: OrderedDict[str, nn.Module] = OrderedDict()
    for part in net.parts:
        group, _, index = part.path.partition(".")
        if not index:
            children[group] = _part(part.layer, once=once)
            continue
        outer = children.setdefault(group, nn.Sequential())
        outer.add_module(index, _part(part.layer, once=once))
    return nn.Sequential(children) if net.is_chain else Parts(net, children)


def _fit(module: nn.Module, net: Network, *, once: bool) -> None:
    """Give what depends on the size of feature maps as many weights as it asks for."""
    for _, _, visits, _ in visited(net, unroll=not once):
        for visit in visits:
            if visit.leaf.sized:
                sized: Any = module.get_submodule(visit.path)
                sized.fit(visit.input)


def _part(layer: Sequential, *, once: bool) -> nn.Sequential:
    """A part, block by block: weights are shared within a block alone."""
    return nn.Sequential(
        OrderedDict(
            found
            for name, block in layer.layers
            for found in _modules(((name, block),), Making({}, once)).items()
        )
    )


class Making(NamedTuple):
    """A block that is being built."""

    tied: dict[str, nn.Module]  #: its operators that share their weights, by name
    once: bool = False  #: whether one of equal copies stands for all


def layer_module(layer: Layer, making: Making) -> nn.Module:
    """`layer` as torch has it, and what its block has made so far is known."""
    match layer:
        case Operator():
            if layer.shared is None:
                return module_of(layer)
            if layer.shared not in making.tied:
                making.tied[layer.shared] = module_of(layer)
            return making.tied[layer.shared]
        case Sequential(layers):
            return nn.Sequential(_modules(layers, making))
        case Gate(layers):
            return Gated(_modules(layers, making))
        case Collect(layers):
            return Collected(_modules(layers, making._replace(once=False)))
        case Residual(layers, shortcut, scale):
            beside = _modules(shortcut, making)
            other = nn.Sequential(beside) if beside else None
            return Skipping(_modules(layers, making), other, scale)
        case Graph(nodes=nodes):
            named = tuple((node.name, node.layer) for node in nodes)
            return Wired(layer, _modules(named, making))
        case Across(body):
            return Shared(layer_module(body, making))
        case Repeat() | Maybe():
            return nn.Sequential(_modules((("0", layer),), making))
        case _:
            assert_never(layer)


def _modules(
    layers: tuple[tuple[str, Layer], ...], making: Making
) -> OrderedDict[str, nn.Module]:
    made = OrderedDict[str, nn.Module]()
    for name, layer in layers:
        if making.once and isinstance(layer, Repeat) and layer.times > 1:
            made[name] = layer_module(layer.layer, making._replace(tied={}))
            setattr(made[name], STANDS_FOR, int(layer.times))
            continue
        for each, copy in unrolled(((name, layer),)):
            own = making._replace(tied={}) if isinstance(layer, Repeat) else making
            made[each] = layer_module(copy, own)
    return made


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


class Gated(nn.Sequential):
    """x · f(x), f being the children in order."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to the same shape; f(x) is (N, C, 1, 1)."""
        y: torch.Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return x * y


class Collected(nn.Sequential):
    """x, and what each child makes of what is before it, channels in a row."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to more channels of the same size."""
        made = [x]
        for layer in self:
            made.append(layer(made[-1]))
        return torch.cat(made, dim=1)


def _adopt(module: nn.Module, children: Mapping[str, nn.Module]) -> dict[str, str]:
    """Add the children; those whose names all modules have, as `half`, are `half_`.

    Returns what each is called.
    """
    called = {}
    for name, child in children.items():
        free = name
        while hasattr(module, free):
            free += "_"
        module.add_module(free, child)
        called[name] = free
    return called


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
        self.scale = scale
        self.order = tuple(_adopt(self, layers).values())
        beside = {} if shortcut is None else {"shortcut": shortcut}
        self.beside = _adopt(self, beside).get("shortcut")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to what both branches make of it."""
        # As attributes they would be found by nn.Module.__getattr__, in Python.
        children: dict[str, Any] = self._modules
        y = x
        for name in self.order:
            y = children[name](y)
        if self.scale != 1:
            y = y * self.scale
        if self.training and self.rate > 0:
            keep = y.new_empty(y.shape[0], 1, 1, 1).bernoulli_(1 - self.rate)
            y = y * keep.div_(1 - self.rate)
        return (x if self.beside is None else children[self.beside](x)) + y

    def extra_repr(self) -> str:
        """The rate, and the scale where there is one."""
        scale = "" if self.scale == 1 else f", scale={self.scale}"
        return f"rate={self.rate:.3f}{scale}"


class Wired(nn.Module):
    """A graph of modules, one a node; takes and gives a feature map or a tuple."""

    def __init__(self, graph: Graph, nodes: dict[str, nn.Module]) -> None:
        super().__init__()
        self.graph = graph
        self.called = _adopt(self, nodes)

    def forward(
        self, x: torch.Tensor | tuple[torch.Tensor, ...]
    ) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """Each node on what it reads, summed or concatenated."""
        maps: list[Any] = [x] if isinstance(x, torch.Tensor) else list(x)
        for node in self.graph.nodes:
            read = [maps[k] for k in node.reads]
            layer = self._modules.get(self.called.get(node.name, ""))
            merged = _merged(read, node.merge)
            made = merged if layer is None else layer(merged)
            maps += [made] if isinstance(made, torch.Tensor) else made
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
        total = total * each if merge == "product" else total + each
    return total


class Shared(nn.Module):
    """One module on each of several feature maps, with the same weights."""

    def __init__(self, shared: nn.Module) -> None:
        super().__init__()
        self.shared = shared

    def forward(self, maps: Maps) -> Maps:
        """Each (N, C, H, W) to what the module makes of it."""
        return tuple(self.shared(each) for each in maps)


#: The parts that put out `Detections`.
DETECTS = ["class_head", "box_head"]
#: Where the modules of a file's own outputs are.
OUTPUTS = "outputs."


class Parts(nn.Module):
    """A network whose parts read others than the one before: a child for each part."""

    def __init__(self, net: Network, children: dict[str, nn.Module]) -> None:
        super().__init__()
        self.net = net
        #: Numbers of the parts whose output nothing reads after each.
        self.done = net.done
        for name, child in children.items():
            self.add_module(name, child)

    def forward(self, images: torch.Tensor) -> Any:  # noqa: ANN401 - by its heads
        """(N, image channels, height, width) to what no part reads, in order.

        Of a class and a box head that is `Detections`; of several outputs, each by its
        name.
        """
        made: list[Any] = []
        for index, part in enumerate(self.net.parts):
            read = self.net.read(index, made, images)
            taken = read[0] if len(read) == 1 else tuple(map(_newest, read))
            made.append(self.get_submodule(part.path)(taken))
            del read, taken
            for number in self.done[index]:
                made[number] = None
        ends = [made[index] for index in self.net.ends]
        parts = [self.net.parts[index] for index in self.net.ends]
        if parts[0].path.startswith(OUTPUTS):
            found = {
                part.name: _grouped(part.groups, each)
                for part, each in zip(parts, ends, strict=True)
            }
            return found if len(found) > 1 else next(iter(found.values()))
        if [self.net.parts[index].path for index in self.net.ends] == DETECTS:
            classes, boxes = ends
            return Detections((*classes,), (*boxes,))
        return tuple(ends) if len(ends) > 1 else ends[0]


def _grouped(groups: tuple[Group, ...], made: torch.Tensor | Maps) -> Any:  # noqa: ANN401
    """The maps of an output by group, class logits and boxes as `Detections`.

    Those for one box an object are the second of two, which share maps of no level.
    """
    if not groups or isinstance(made, torch.Tensor):
        return made
    many, one = dict[str, Any](), dict[str, Any]()
    left = iter(made)
    for name, levels, one_to_one in groups:
        found = next(left) if levels is None else tuple(islice(left, levels))
        (one if one_to_one else many)[name] = found
    if not one:
        return _detections(many)
    alone = {group.name: many[group.name] for group in groups if group.levels is None}
    return _detections(many), _detections(one | alone)


def _detections(maps: dict[str, Any]) -> Any:  # noqa: ANN401 - by what there is
    """Class logits and boxes as `Detections` where there is nothing beside them."""
    return Detections(**maps) if {*maps} == {*Detections._fields} else maps


def _newest(flow: torch.Tensor | Maps) -> torch.Tensor:
    """The map that a part puts out; cells hand on that before it as well."""
    return flow if isinstance(flow, torch.Tensor) else flow[0]
