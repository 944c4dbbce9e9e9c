"""Model files of ultralytics as data of a spec: a module a line, by its number.

What a module is made of, and how depth and width scale it, are facts of ultralytics
8.4 (`parse_model` of its nn/tasks.py, nn/modules/). The network is that of one of the
file's scales, the first if none is asked for. Layer 0 is the stem, layer 7 is stage 7.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import yaml

from effscale.errors import Fault, closest, short
from effscale.spec.nodes import mapping
from effscale.spec.values import leaky_relu

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from effscale.errors import Place


Data: TypeAlias = dict[str, Any]

#: The rule that a layer breaks that no spec can say.
UNKNOWN = "EFF105"
#: Sides of the images: of detectors, of classifiers.
DETECTS, CLASSIFIES = 640, 224
#: Width of the convolution before a classifier's pooling, at any scale.
CLASSIFIER = 1280
#: Activations by the names that files have.
ACTIVATIONS = {"SiLU": "silu", "ReLU": "relu", "ReLU6": "relu6", "Identity": "none"}
ACTIVATIONS |= {"Hardswish": "hard_swish", "LeakyReLU": "leaky_relu", "GELU": "gelu"}

#: What modules are made of, as blocks of a file, each below those that it uses.
BLOCKS: Data = yaml.safe_load(
    Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")
)


def is_model(data: object) -> bool:
    """Whether a file's data are a model of ultralytics."""
    found = mapping(data)
    return all(isinstance(found.get(key), list) for key in ("backbone", "head"))


class RefusedError(Exception):
    """What a layer states that no spec can say, and where in its entry."""

    def __init__(self, where: Place, message: str, suggestion: str = "") -> None:
        super().__init__(message)
        self.fault = Fault(where, message, UNKNOWN, suggestion)


def _refused(where: Place, expected: str, got: object, meant: str = "") -> RefusedError:
    """That another value is stated than what is expected."""
    return RefusedError(where, f"expected {expected}, got {short(got)}", meant)


@dataclass(frozen=True)
class _Scale:
    """Multipliers of depth and width, and the most channels."""

    depth: float = 1.0
    width: float = 1.0
    most: float = math.inf
    name: str | None = None

    def channels(self, stated: int) -> int:
        return math.ceil(min(stated, self.most) * self.width / 8) * 8

    def times(self, stated: int) -> int:
        return max(round(stated * self.depth), 1) if stated > 1 else stated


@dataclass(frozen=True)
class Layer:
    """A layer as a file has it, and the channels that come into it."""

    times: int  #: scaled
    args: list[Any]
    c_in: int
    scale: _Scale
    module: str

    def number(self, index: int, default: int | None = None) -> int:
        """A whole number among the arguments."""
        given = self.args[index] if index < len(self.args) else default
        if type(given) is not int or given < 0:
            raise _refused((3, index), "a whole number", given)
        return given

    def flag(self, index: int, *, default: bool) -> bool:
        """True or false among the arguments."""
        given = self.args[index] if index < len(self.args) else default
        if type(given) is not bool:
            raise _refused((3, index), "true or false", given)
        return given

    @property
    def channels(self) -> int:
        """What it puts out, scaled."""
        return self.scale.channels(self.number(0))

    def only(self, most: int) -> None:
        """Refuse arguments beyond these."""
        if len(self.args) > most:
            expected = f"{most} arguments of {self.module} at most"
            raise _refused((3, most), expected, len(self.args))


#: What a layer is: a line, and what it puts out.
Made: TypeAlias = "tuple[Data, int]"


def _conv(layer: Layer) -> Made:
    kernel, stride = layer.number(1, 1), layer.number(2, 1)
    layer.only(4)
    c_out = layer.channels
    if layer.times > 1:
        if (kernel, stride) != (3, 1):
            raise RefusedError(
                (1,), f"expected 1 of a convolution of {kernel}, got more"
            )
        return {"block": "conv3", "channels": c_out, "repeats": layer.times}, c_out
    if kernel % 2 == 0:
        raise RefusedError((3, 1), f"expected an odd kernel, got {kernel}")
    strided = {"stride": stride} if stride > 1 else {}
    return {"block": "conv", "kernel": kernel, **strided, "channels": c_out}, c_out


def _csp_of(name: str, *, default: bool, plain: bool = True) -> Callable[[Layer], Made]:
    """A block whose inner blocks repeat, with shortcuts or, if it may be, without."""

    def make(layer: Layer) -> Made:
        kept = layer.flag(1, default=default)
        layer.only(2)
        if not (kept or plain):
            raise RefusedError((3, 1), "expected true, with shortcuts, got false")
        block = name if kept else f"{name}_plain"
        c_out = layer.channels
        return {"block": block, "times": layer.times, "channels": c_out}, c_out

    return make


def _bottleneck(layer: Layer) -> Made:
    kept, c_out = layer.flag(1, default=True), layer.channels
    layer.only(2)
    name = "halved" if kept and c_out == layer.c_in else "halved_plain"
    return {"block": name, "channels": c_out, "repeats": layer.times}, c_out


def _pyramid(default: object) -> Callable[[Layer], Made]:
    """Pools of 5, 9 and 13 positions, as three of 5 after each other are."""

    def make(layer: Layer) -> Made:
        layer.only(2)
        if (given := layer.args[1:2]) not in ([], [default]):
            message = f"expected {default}, got {short(given[0])}"
            raise RefusedError((3, 1), message)
        return {"block": "sppf", "channels": layer.channels}, layer.channels

    return make


def _max_pool(layer: Layer) -> Made:
    kernel, stride, padding = layer.number(0), layer.number(1), layer.number(2, 0)
    layer.only(3)
    around = {"padding": padding or "valid"}
    line = {"block": "max_pool", "kernel": kernel, "stride": stride, **around}
    return line, layer.c_in


def _upsample(layer: Layer) -> Made:
    factor = layer.number(1)
    mode = layer.args[2] if len(layer.args) > 2 else "nearest"  # noqa: PLR2004
    if mode not in {"nearest", "bilinear"}:
        raise _refused((3, 2), "nearest or bilinear", mode)
    said = {} if mode == "nearest" else {"mode": mode}
    return {"block": "upsample", "factor": factor, **said}, layer.c_in


def _transposed(layer: Layer) -> Made:
    kernel, stride, padding = (layer.number(k, 0) for k in (1, 2, 3))
    if kernel != stride or padding:
        raise RefusedError((3, 1), f"expected the stride, {stride}, and no padding")
    plain = {"bias": True, "norm": False, "activation": "none"}
    sides = {"kernel": kernel, "stride": stride}
    c_out = layer.channels
    return {"block": "transposed_conv", **sides, "channels": c_out, **plain}, c_out


def _elan(name: str, *widths: str) -> Callable[[Layer], Made]:
    """A block whose widths inside are stated."""

    def make(layer: Layer) -> Made:
        line: Data = {"block": name}
        line |= {key: layer.number(1 + k) for k, key in enumerate(widths)}
        if name == "elan4":
            line["times"] = layer.number(3, 1)
        return {**line, "channels": layer.channels}, layer.channels

    return make


def _plain(name: str) -> Callable[[Layer], Made]:
    """A block of which channels are all that is stated."""

    def make(layer: Layer) -> Made:
        layer.only(1)
        return {"block": name, "channels": layer.channels}, layer.channels

    return make


def _scdown(layer: Layer) -> Made:
    if (layer.number(1), layer.number(2)) != (3, 2):
        raise RefusedError((3, 1), "expected a kernel of 3 and a stride of 2")
    return {"block": "scdown", "channels": layer.channels}, layer.channels


def _c3k2(layer: Layer) -> Made:
    """Deep in the larger sizes, whatever the file says (`parse_model`)."""
    deep = layer.flag(1, default=False) or layer.scale.name in {"m", "l", "x"}
    share = layer.args[2] if len(layer.args) > 2 else 0.5  # noqa: PLR2004
    if type(share) is not float or not 0 < share <= 1:
        raise _refused((3, 2), "a share", share)
    layer.only(3)
    line: Data = {"block": "c3k2_deep" if deep else "c3k2", "times": layer.times}
    line |= {} if share == 0.5 else {"wide": 2 * share}  # noqa: PLR2004
    return {**line, "channels": layer.channels}, layer.channels


def _c2f_cib(layer: Layer) -> Made:
    if not layer.flag(1, default=False):
        raise RefusedError((3, 1), "expected true, with shortcuts, got false")
    large, c_out = layer.flag(2, default=False), layer.channels
    block = "c2f_cib_large" if large else "c2f_cib"
    return {"block": block, "times": layer.times, "channels": c_out}, c_out


def _a2c2f(layer: Layer) -> Made:
    """In the largest sizes what comes in is added, whatever the file says."""
    attends, c_out = layer.flag(1, default=True), layer.channels
    layer.only(3)
    line: Data = {"times": layer.times, "channels": c_out}
    if not attends:
        return {"block": "a2c2f_plain", **line}, c_out
    block = "a2c2f_kept" if layer.scale.name in {"l", "x"} else "a2c2f"
    if block == "a2c2f_kept" and c_out != layer.c_in:
        message = f"expected {layer.c_in} channels, to be added, got {c_out}"
        raise RefusedError((3, 0), message)
    inner = {"areas": layer.number(2, 1), "inner": c_out // 2}
    return {"block": block, **inner, **line}, c_out


def _ghost(layer: Layer) -> Made:
    kernel, stride = layer.number(1, 1), layer.number(2, 1)
    layer.only(3)
    line = {"block": "ghost", "kernel": kernel, "stride": stride}
    return {**line, "channels": layer.channels}, layer.channels


def _resnet(layer: Layer) -> Made:
    """Bottlenecks of a ResNet, whose widths no scale changes."""
    width, stride = layer.number(1), layer.number(2, 1)
    if layer.flag(3, default=False):
        raise RefusedError((3, 3), "expected false behind the first layer, got true")
    blocks = layer.number(4, 1)
    layer.only(5)
    c_out = 4 * width  # over what is inside
    if layer.number(0) != layer.c_in:
        message = f"expected {layer.c_in}, which come in, got {layer.number(0)}"
        raise RefusedError((3, 0), message)
    if blocks < 2 or layer.times > 1:  # noqa: PLR2004
        raise RefusedError((3, 4), "expected one layer of 2 blocks or more")
    line = {"block": "res_layer", "stride": stride, "more": blocks - 1}
    return line | {"channels": c_out}, c_out


MODULES: dict[str, Callable[[Layer], Made]] = {
    "Conv": _conv,
    "C2f": _csp_of("c2f", default=False),
    "C3": _csp_of("c3", default=True),
    "C2": _csp_of("c2", default=True),
    "C3Ghost": _csp_of("c3_ghost", default=True, plain=False),
    "GhostConv": _ghost,
    "Bottleneck": _bottleneck,
    "SPPF": _pyramid(5),
    "SPP": _pyramid([5, 9, 13]),
    "nn.MaxPool2d": _max_pool,
    "nn.Upsample": _upsample,
    "nn.ConvTranspose2d": _transposed,
    "ELAN1": _elan("elan1", "width", "inner"),
    "RepNCSPELAN4": _elan("elan4", "width", "inner"),
    "SPPELAN": _elan("spp_elan", "width"),
    "AConv": _plain("aconv"),
    "ADown": _plain("adown"),
    "SCDown": _scdown,
    "C3k2": _c3k2,
    "C2PSA": _csp_of("c2psa", default=True, plain=False),
    "A2C2f": _a2c2f,
    "C2fCIB": _c2f_cib,
    "PSA": _plain("psa_once"),
    "ResNetLayer": _resnet,
}
#: Modules of the versions whose class branch is depthwise and 1×1 (`Detect.legacy`).
LATER = {"C3k2", "C2fCIB", "A2C2f"}
#: Blocks that halve the sides of maps, whatever is stated.
HALVE = {"scdown", "aconv", "adown", "pixel_unshuffle"}
#: Modules that are no line of stages.
ENDS = ("Detect", "v10Detect", "Segment", "Pose", "OBB", "Classify")
#: Modules that are no line, or several, or read several layers.
JOINTS = ("Concat", "nn.Identity", "CBLinear", "CBFuse")
#: Modules behind which layers are not numbered as lines are.
UNEVEN = {"nn.Identity", "CBLinear", "CBFuse"}
#: What the lines of one layer are told apart by.
LETTERS = "abcdefghijklmnopqrstuvwxyz"
#: Channels of an image.
RGB = 3
#: Classes, and distances whose mean a side of a box is, where a file states none.
CLASSES, BINS = 80, 16


class _Entry(NamedTuple):
    """A layer as a file states it: what it reads, how often, what, and with what."""

    numbers: list[int]
    times: int
    module: str
    args: list[Any]


def _entry(index: int, given: object) -> _Entry:
    """An entry of a file, for layer number `index`."""
    if not isinstance(given, list) or len(given) != len(_Entry._fields):
        raise _refused((), "[from, repeats, module, arguments]", given)
    sources, times, module, args = given
    known = [*MODULES, *JOINTS, *ENDS]
    if module not in known:
        expected = "a module of YOLOv3 to YOLO12 (Conv, …)"
        raise _refused((2,), expected, module, closest(module, known))
    if type(times) is not int or times < 1:
        raise _refused((1,), "a whole number from 1", times)
    if not isinstance(args, list):
        raise _refused((3,), "a list", args)
    return _Entry(_numbers(index, sources), times, module, args)


def _numbers(index: int, sources: Any) -> list[int]:  # noqa: ANN401
    """The layers that it reads, counted from the first; none below the first."""
    several = sources if isinstance(sources, list) else [sources]
    for k, each in enumerate(several):
        below = type(each) is int and -index <= each < index
        if not (below or (index == 0 and each == -1)):
            at: Place = (0, k) if isinstance(sources, list) else (0,)
            message = f"expected a layer below {index}, got {short(each)}"
            raise RefusedError(at, message)
    return [each + index if each < 0 else each for each in several]


class _Part(NamedTuple):
    """What a line puts out: what it is called by those that read it, and its width."""

    name: str
    channels: int


def _whole(parts: Sequence[_Part]) -> _Part:
    """The map of a layer that puts out one."""
    if len(parts) > 1:
        message = f"expected a layer of one map, as only CBFuse takes {len(parts)}"
        raise RefusedError((0,), message)
    return parts[0]


def _linears(layer: Layer) -> list[Made]:
    """A convolution of 1×1 for each part that it puts out."""
    layer.only(1)
    widths = layer.args[0] if layer.args else None
    if not isinstance(widths, list) or not all(type(n) is int for n in widths):
        raise _refused((3, 0), "a list of channels", widths)
    plain = {"bias": True, "norm": False, "activation": "none"}
    return [
        ({"block": "conv", "kernel": 1, "channels": width, **plain}, width)
        for width in widths
    ]


def _shrinks(line: Data) -> float:
    """How many times smaller its map is than the one that comes in."""
    by: int = line.get("stride", 2 if line.get("block") in HALVE else 1)
    if line.get("block") == "transposed_conv":
        return 1 / by
    return by / int(line.get("factor", 1))


@dataclass
class _Reading:
    """The layers so far: their channels, and the lines that they are."""

    scale: _Scale
    #: What the file says beside its layers.
    stated: Data
    #: Whether lines have names, `layer7`, as layers are not numbered as lines are.
    named: bool = False
    #: What each layer puts out, part by part.
    parts: list[list[_Part]] = field(default_factory=list)
    lines: list[Data] = field(default_factory=list)
    #: The layer that each line is of.
    layers: list[int] = field(default_factory=list)
    stem: list[Data] = field(default_factory=list)
    outputs: Data = field(default_factory=dict)
    later: bool = False
    #: What the line before is called.
    last: str = "stem"
    #: How many times smaller than the image the maps of each are.
    shrunk: dict[str, float] = field(default_factory=lambda: {"image": 1, "stem": 1})
    faults: list[Fault] = field(default_factory=list)

    def add(self, index: int, given: object, place: Place) -> None:
        """Read a layer; what is wrong with it is noted."""
        try:
            entry = _entry(index, given)
            self.later = self.later or entry.module in LATER
            if entry.module in ENDS:
                self._end(entry)
                return
            made = self._layer(index, entry)
        except RefusedError as refused:
            self.faults.append(refused.fault.within(place))
            width = self.parts[-1][0].channels if self.parts else RGB
            made = [self._line(index, {"block": "norm"}, width)]
        self.parts.append(made)

    def _line(
        self,
        index: int,
        line: Data,
        c_out: int,
        reads: Sequence[str] = (),
        letter: str = "",
    ) -> _Part:
        """Put a line of a layer behind the others, which reads others than the last."""
        name = f"stage {len(self.lines) + 1}"
        said: Data = {}
        if self.named:
            said["name"] = name = f"layer{index}{letter}"
        if reads and [*reads] != [self.last]:
            said["reads"] = [*reads]
        self.lines.append({**said, **line})
        self.layers.append(index)
        like, read = line.get("like"), self.shrunk[reads[0] if reads else self.last]
        self.shrunk[name] = self.shrunk[like] if like else read * _shrinks(line)
        self.last = name
        return _Part(name, c_out)

    def _layer(self, index: int, entry: _Entry) -> list[_Part]:
        """What a layer puts out; the first that is a module is the stem."""
        if self.outputs:
            raise RefusedError((2,), f"expected the head last, got {entry.module}")
        read = [self.parts[k] for k in entry.numbers if k >= 0]
        read = read or [[_Part("image", RGB)]]
        if entry.module == "CBFuse":
            return [self._fused(index, entry, read)]
        several = [_whole(each) for each in read]
        if entry.module == "Concat":
            names = [each.name for each in several]
            width = sum(each.channels for each in several)
            return [self._line(index, {"block": "join"}, width, names)]
        if len(several) > 1:
            raise _refused((0,), "one layer", entry.numbers)
        (one,) = several
        if entry.module == "nn.Identity":
            return [one]
        times, module = self.scale.times(entry.times), entry.module
        layer = Layer(times, entry.args, one.channels, self.scale, module)
        if entry.module == "CBLinear":
            return [
                self._line(index, line, width, [one.name], letter)
                for letter, (line, width) in zip(LETTERS, _linears(layer), strict=False)
            ]
        if not self.stem:
            stem = _Part("stem", self._stem(layer, entry.module))
            self.shrunk["stem"] = math.prod(map(_shrinks, self.stem))
            return [stem]
        return [self._line(index, *MODULES[entry.module](layer), [one.name])]

    def _fused(
        self, index: int, entry: _Entry, read: Sequence[Sequence[_Part]]
    ) -> _Part:
        """The sum of a part of each, brought to the size of the last, and the last."""
        *sources, target = read
        goal, picks = _whole(target), entry.args[0] if entry.args else None
        if not isinstance(picks, list) or len(picks) != len(sources):
            raise _refused((3, 0), f"{len(sources)} numbers", picks)
        names = []
        for k, (source, pick) in enumerate(zip(sources, picks, strict=True)):
            known = [n for n, each in enumerate(source) if each[1] == goal.channels]
            if pick not in known:
                message = f"expected a part of {goal.channels} channels, got"
                raise RefusedError((3, 0, k), f"{message} {short(pick)}")
            line = {"block": "upsample", "like": goal.name}
            made = self._line(index, line, 0, [source[pick].name], LETTERS[k])
            names.append(made.name)
        line = {"merge": "sum", "block": "join"}
        return self._line(index, line, goal.channels, [*names, goal.name])

    def activation(self, stated: object) -> str:
        """The activation that a file states as code, `nn.ReLU()`, or SiLU."""
        if stated is None:
            return "silu"
        name = re.sub(r"^(torch\.)?(nn\.)?|\(.*$", "", str(stated))
        sloped = re.search(r"LeakyReLU\((?:negative_slope=)?(\d*\.?\d+)", str(stated))
        found = leaky_relu(float(sloped[1])) if sloped else ACTIVATIONS.get(name)
        if found is None:
            message = f"expected one of {', '.join(ACTIVATIONS)}, got {short(stated)}"
            self.faults.append(Fault(("activation",), message, UNKNOWN))
        return found or "silu"

    @property
    def rounding(self) -> str | Data:
        """The policy of ultralytics; sides are multiples of the maps' largest step."""
        multiple = max(32, int(max(self.shrunk.values())))
        stays = {"head": "fixed"} if "head" in self.outputs else {}
        if not stays and multiple == 32:  # noqa: PLR2004
            return "ultralytics"
        around = {"resolution_multiple": multiple}
        return {"channels": "up", "repeats": "round", **stays, **around}

    def _stem(self, layer: Layer, module: str) -> int:
        """Make the stem of a layer; the channels that it puts out."""
        if module == "ResNetLayer" and layer.flag(3, default=False):
            c_out = layer.number(1)
            self.stem += [
                {"kernel": 7, "stride": 2, "channels": c_out},
                {"block": "max_pool", "kernel": 3, "stride": 2},
            ]
            return c_out
        if module != "Conv":
            raise _refused((2,), "Conv first", module)
        if layer.args[1:4] == [6, 2, 2]:  # of 2×2 positions as channels, a 3×3
            layer = replace(layer, args=[layer.args[0], 3], c_in=4 * RGB)
            self.stem.append({"block": "pixel_unshuffle"})
        line, c_out = _conv(layer)
        del line["block"]
        self.stem.append(line)
        return c_out

    def _end(self, entry: _Entry) -> None:
        if self.outputs:
            raise RefusedError((2,), f"expected one head, got {entry.module} too")
        reads = [_whole(self.parts[k]).name for k in entry.numbers]
        args = [self._meant(each) for each in entry.args]
        layer = Layer(entry.times, args, 0, self.scale, entry.module)
        classes = layer.number(0, self._meant("nc"))
        if entry.module == "Classify":
            layer.only(1)
            if reads != [self.last]:
                raise _refused((0,), "the layer before", entry.numbers)
            self.outputs = {"head": {"channels": CLASSIFIER, "classes": classes}}
            return
        boxes: Data = {"kind": "yolo", "reads": reads, "classes": classes}
        bins: int = self._said("reg_max", "a whole number", BINS)
        ends: bool = self._said("end2end", "true or false", default=False)
        v10 = entry.module == "v10Detect"
        boxes |= {"bins": bins} if bins != BINS else {}
        boxes |= {"separable": True} if self.later or v10 else {}
        boxes |= {"one_to_one": True} if v10 or ends else {}
        boxes |= _beside(entry.module, layer)
        self.outputs = {"outputs": {"boxes": boxes}}

    def _said(self, key: str, expected: str, default: Any) -> Any:  # noqa: ANN401
        """What the file says beside its layers, of the type of what it is unsaid."""
        given = self.stated.get(key, default)
        if type(given) is not type(default) or (given is not False and given < 1):
            message = f"expected {expected}, got {short(given)}"
            self.faults.append(Fault((key,), message, UNKNOWN))
            return default
        return given

    def _meant(self, argument: Any) -> Any:  # noqa: ANN401
        """An argument, or what the file states by that name."""
        unstated: Data = {"nc": CLASSES, "kpt_shape": [17, 3]}
        if not isinstance(argument, str) or argument not in unstated:
            return argument
        return self.stated.get(argument, unstated[argument])


def _beside(module: str, layer: Layer) -> Data:
    """What a head tells of boxes beside their classes and sides."""
    match module:
        case "Segment":
            layer.only(3)
            width = layer.scale.channels(layer.number(2, 256))
            return {"masks": layer.number(1, 32), "channels": width}
        case "Pose":
            layer.only(2)
            points = layer.args[1] if layer.args[1:] else [17, 3]
            whole = isinstance(points, list) and all(type(n) is int for n in points)
            if not whole or len(points) != 2 or points[1] not in {2, 3}:  # noqa: PLR2004
                raise _refused((3, 1), "[points, 2 or 3 numbers of each]", points)
            return {"keypoints": points}
        case "OBB":
            layer.only(2)
            if layer.number(1, 1) != 1:
                raise RefusedError((3, 1), f"expected 1, got {layer.number(1)}")
            return {"angle": True}
        case _:
            layer.only(1)
            return {}


@dataclass(frozen=True)
class Translated:
    """A model as a spec's data, and what of it no spec can say."""

    data: Data
    faults: tuple[Fault, ...]
    #: Where in the file the stem, each line of stages and what is behind them are.
    places: tuple[Place, ...]

    def place(self, of_spec: Place) -> Place:
        """The place in the file of one in the spec."""
        match of_spec:
            case ("stages", int(index), *_):
                return self.places[index + 1]
            case ("outputs", *_) | ("head", *_):
                return self.places[-1]
            case _:
                return self.places[0]


def scales(data: object) -> list[str]:
    """The names of a model's scales."""
    return [*map(str, mapping(mapping(data).get("scales")))]


def translated(data: object, name: str, scale: str | None = None) -> Translated:
    """A model as the data of a spec, at one of its scales; at the first if at none."""
    model, names = mapping(data), scales(data)
    chosen = scale or next(iter(names), None)
    layers: dict[Place, object] = {
        (section, k): entry
        for section in ("backbone", "head")
        for k, entry in enumerate(model[section])
    }
    uneven = any(map(_uneven, layers.values()))
    reading = _Reading(_scale(model, chosen), model, uneven)
    for index, (place, entry) in enumerate(layers.items()):
        reading.add(index, entry, place)
    places = [*layers] or [("head",)]
    if not reading.outputs and not reading.faults:
        message = f"expected one of {', '.join(ENDS)} last, found none"
        reading.faults.append(Fault(places[-1], message, UNKNOWN))
    activation = reading.activation(model.get("activation"))
    called = f"{name}{chosen or ''}"
    made = {
        "name": called if called[:1].isalnum() else "model",
        "resolution": CLASSIFIES if "head" in reading.outputs else DETECTS,
        "activation": activation,
        "norm": {"eps": 1e-3, "momentum": 0.03},
        "blocks": _blocks(reading.lines),
        "stem": reading.stem,
        "stages": reading.lines,
        **reading.outputs,
        "rounding": reading.rounding,
    }
    of_lines = (places[0], *(places[k] for k in reading.layers), places[-1])
    return Translated(made, tuple(reading.faults), of_lines)


def _uneven(entry: object) -> bool:
    """Whether layers behind an entry are not numbered as lines are."""
    return isinstance(entry, list) and not UNEVEN.isdisjoint(map(str, entry))


def _scale(model: Data, chosen: str | None) -> _Scale:
    """The multipliers of a scale, or those that older files state once."""
    if chosen is None:
        width = float(model.get("width_multiple", 1.0))
        return _Scale(float(model.get("depth_multiple", 1.0)), width)
    depth, width, most = model["scales"][chosen]
    return _Scale(depth, width, most, chosen)


def _blocks(lines: list[Data]) -> Data:
    """The blocks that lines use, and those that these use, in their order."""
    used = {str(line.get("block")) for line in lines}
    text = ""
    for name, block in reversed(BLOCKS.items()):
        used |= {name} if f"'block': '{name}'" in text else set()
        text += repr(block) if name in used else ""
    return {name: block for name, block in BLOCKS.items() if name in used}
