"""Calls of torch as our operators: what each kind of call becomes, in one table.

What only moves elements, as the permutations around a norm of the channels, is followed
and leaves nothing behind.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

from effscale.errors import LayerError
from effscale.importing.attention import ATTENDED, gridded
from effscale.importing.merging import MERGED
from effscale.importing.moving import MOVED, settled
from effscale.importing.nodes import (
    CONSTANT,
    IMAGES,
    Enlarge,
    Learnt,
    Node,
    Scores,
    cannot,
    first_of,
    learnt,
    lying,
    pair,
    weight_of,
    woven,
)
from effscale.importing.trace import Ref, Weight
from effscale.importing.views import POSITIONS, View, ordered, whole
from effscale.module.weights import Woven
from effscale.network.operators.convolution import (
    Conv,
    Linear,
    TransposedConv,
    margins,
)
from effscale.network.operators.elementwise import Act, Dropout
from effscale.network.operators.pooling import Blur, ChannelPool, GlobalPool, Pool
from effscale.network.operators.resampling import PixelShuffle, PixelUnshuffle
from effscale.spec.values import Activation, Gate, leaky_relu

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from effscale.importing.nodes import Given, Merge, Read, Value
    from effscale.importing.trace import Call, Trace
    from effscale.network.operators.operator import Operator
    from effscale.spec.values import Interpolation, PoolKind


class Reading:
    """The nodes that the calls of a trace have become so far."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        #: Of the call that is read now.
        self.index = 0
        self.nodes: list[Node] = []
        #: The map that each node puts out, as it lay at first.
        self.maps: list[View] = []
        #: What each call puts out: a map, or part of one; parts of one; a parameter in
        #: another shape; scores; or what depends on no image.
        self.found: dict[int, Value] = {}
        #: Of calls that put zeros around a map, how many: left, right, above, below.
        self.pads: dict[int, tuple[int, ...]] = {}
        #: Of calls that mirror the sides of a map, by how many positions.
        self.mirrored: dict[int, int] = {}
        #: Nodes that are parts of maps, or numbers' multiples, by what they are of.
        self.settled: dict[tuple[int, Operator], int] = {}

    def whole(self) -> tuple[list[Node], int]:
        """All nodes, and the one that is put out."""
        for index, call in enumerate(self.trace.calls):
            self.take(index, call)
        gridded(self)
        output = self.of(Ref(self.trace.output)).node
        if any(getattr(e.what, "padding", "") == "tensorflow" for e in self.nodes):
            self.nodes = [self._in_pixels(each) for each in self.nodes]
        return self.nodes, output

    def _in_pixels(self, node: Node) -> Node:
        """A window whose zeros lie otherwise than TensorFlow's, said in pixels."""
        what: Any = node.what
        if getattr(what, "padding", "") != "same":
            return node
        dilation = getattr(what, "dilation", 1)
        reach = [dilation * (side - 1) for side in what.kernel]
        sides = self.nodes[node.reads[0]].sides
        windows = zip(sides, reach, what.stride, strict=True)
        theirs = [margins(side, total + 1, step) for side, total, step in windows]
        around = reach[0] // 2, reach[1] // 2
        if theirs == [(each, each) for each in around]:
            return node
        return replace(node, what=replace(what, padding=around))

    def take(self, index: int, call: Call) -> None:
        self.index = index
        if call.op == "image":
            self.found[index] = self.node(Node(None, (), call.shape[1]), call.shape)
            return
        call = replace(call, args={k: self._known(e) for k, e in call.args.items()})
        given = [e for each in call.args.values() for e in _each(each)]
        if call.op in _MADE or (given and all(self._is_constant(e) for e in given)):
            self.found[index] = CONSTANT
            return
        read = READ.get(call.op)
        if read is None:
            raise cannot(call, f"operator {call.op}", NEAREST.get(call.op, ""))
        try:
            self.found[index] = read(self, call)
        except LayerError as error:
            raise cannot(call, f"operator {call.op}", str(error)) from None

    def _known(self, value: Any) -> Any:  # noqa: ANN401
        """A parameter as it lies in what a call has put out, or the value."""
        if isinstance(value, list):
            return [self._known(each) for each in value]
        found = self.found.get(value.index) if isinstance(value, Ref) else None
        if not isinstance(found, Learnt):
            return value
        return found.plain or found

    def _is_constant(self, value: Any) -> bool:  # noqa: ANN401
        return isinstance(value, Ref) and self.found.get(value.index) is CONSTANT

    def value(self, value: Any) -> Any:  # noqa: ANN401 - a `Value`
        """What a value of a call is, as it is known; a parameter as `Learnt`."""
        if isinstance(value, Weight):
            return learnt(value)
        return self.found[value.index] if isinstance(value, Ref) else value

    def view(self, value: Any, *, windowed: bool = False) -> View:  # noqa: ANN401
        """The map that a value of a call is, or the part of one.

        Only a window may read one with zeros around it.
        """
        where = value.index if isinstance(value, Ref) else None
        if where in self.pads and not windowed:
            raise cannot(self.trace.calls[where], "zeros around a map", _ZEROS)
        if where in self.mirrored:
            raise cannot(self.trace.calls[where], "mirrored sides", _MIRRORED)
        found = value if isinstance(value, View) else self.value(value)
        if isinstance(found, View):
            return found
        call = self.trace.calls[self.index]
        if isinstance(found, Learnt):
            raise cannot(
                call, f"a map made of {found.weight.name}", "of the image is known"
            )
        if isinstance(found, Scores):
            raise cannot(
                call, f"{call.op} of scores of attention", "their softmax is known"
            )
        raise cannot(call, f"a map made of {_said(found)}", "of the image is known")

    def of(self, value: Any, *, windowed: bool = False) -> View:  # noqa: ANN401
        """All of the map that a node puts out, as it lies in the value of a call."""
        view = self.view(value, windowed=windowed)
        return settled(self, self.trace.calls[self.index], view)

    def map(self, call: Call, value: Any, *, windowed: bool = False) -> View:  # noqa: ANN401
        """The same of a map of images, channels, rows and columns."""
        found = self.of(value, windowed=windowed)
        if not found.standard or any(found.rolled):
            raise cannot(call, f"{call.op} of {lying(found)}", IMAGES)
        return found

    def shape(self, value: Any) -> tuple[int, ...]:  # noqa: ANN401
        return (
            value.shape
            if isinstance(value, Weight | Learnt | View)
            else self.trace.calls[value.index].shape
        )

    def node(self, node: Node, shape: Sequence[int] | View) -> View:
        """Another node; of a map's shape, or lying as another map does."""
        index = len(self.nodes)
        found = shape.of_node(index) if isinstance(shape, View) else whole(index, shape)
        sides = found.size("row"), found.size("column")
        self.nodes.append(replace(node, sides=sides))
        self.maps.append(found)
        return found

    def add(
        self,
        call: Call,
        what: Operator | Merge,
        *views: View,
        like: Sequence[int] | View | None = None,
        weights: Given | None = None,
    ) -> View:
        """A node that reads these, of a map's shape or lying as the first of them."""
        lies = views[0] if like is None else like
        named = {
            name: each if isinstance(each, Woven) else _name(call, each)
            for name, each in (weights or {}).items()
            if each is not None
        }
        reads = tuple(each.node for each in views)
        found = self.node(Node(what, reads, 1, named, call), lies)
        channels = found.size("channel")
        self.nodes[-1] = replace(self.nodes[-1], channels=channels)
        return found


def _each(value: Any) -> list[Any]:  # noqa: ANN401
    """The tensors in an argument of a call."""
    values = value if isinstance(value, list) else [value]
    return [e for e in values if isinstance(e, Ref | Weight | Learnt)]


def _name(call: Call, weight: Weight | Learnt) -> str:
    if isinstance(weight, Weight):
        return weight.name
    raise cannot(call, f"{weight.weight.name} in another order", "as it is is known")


def _said(found: object) -> str:
    return "numbers alone" if found is CONSTANT else "several tensors"


#: Calls that make a tensor of numbers, whatever they are given.
_MADE = {
    *(
        "new_zeros",
        "new_ones",
        "new_full",
        "zeros_like",
        "ones_like",
        "lift_fresh_copy",
    ),
    *("zeros", "ones", "full", "arange", "eye", "linspace", "_assert_tensor_metadata"),
}


# Convolutions and linear layers.


def _conv(reading: Reading, call: Call) -> View:
    args = call.args
    if (found := _blur(reading, call)) is not None:
        return found
    weight = weight_of(call, args["weight"])
    c_out, within, *kernel = weight.shape
    stride, dilation = pair(args["stride"]), pair(args["dilation"])
    if dilation[0] != dilation[1]:
        raise cannot(call, f"dilation {dilation}", "one for rows and columns is known")
    window = pair(kernel), stride, dilation[0]
    padding = _padding(reading, call, args["input"], window)
    conv = Conv(
        within * args["groups"],
        c_out,
        pair(kernel),
        stride,
        args["groups"],
        args["bias"] is not None,
        padding=padding,
        dilation=dilation[0],
    )
    value = reading.map(call, args["input"], windowed=True)
    weights = {"weight": _columns(call, weight, value), "bias": args["bias"]}
    return reading.add(call, conv, value, like=call.shape, weights=weights)


def _blur(reading: Reading, call: Call) -> View | None:
    """A window of numbers that are not learnt over mirrored sides, if it is one.

    That they are binomials is for the outputs to prove.
    """
    value, weight = call.args["input"], call.args["weight"]
    around = reading.mirrored.get(value.index)
    if around is None or not isinstance(weight, Weight) or weight.learnt:
        return None
    channels, within, *kernel = weight.shape
    depthwise = call.args["groups"] == channels and within == 1
    plain = call.args["bias"] is None and pair(call.args["dilation"]) == (1, 1)
    inside = call.args["padding"] == "valid" or not any(pair(call.args["padding"]))
    if not (depthwise and plain and inside and kernel == [2 * around + 1] * 2):
        return None
    before = reading.found[value.index]
    what = Blur(kernel[0], pair(call.args["stride"]))
    return reading.add(call, what, before, like=call.shape)


def _transposed(reading: Reading, call: Call) -> View:
    """A transposed convolution that makes `stride` positions of one."""
    args = call.args
    weight = weight_of(call, args["weight"])
    c_in, within, *kernel = weight.shape
    stride, sides = pair(args["stride"]), reading.shape(args["input"])[2:]
    value = reading.map(call, args["input"])
    times = tuple(side * step for side, step in zip(sides, stride, strict=True))
    more = [k - s for k, s in zip(kernel, stride, strict=True)]
    padding = tuple((each + 1) // 2 for each in more)
    if (
        call.shape[2:] != times
        or pair(args["padding"]) != padding
        or pair(args["dilation"]) != (1, 1)
    ):
        raise cannot(
            call,
            f"a transposed convolution of {lying(value)} to {call.shape}",
            "one that makes as many positions as its stride of each is known",
        )
    if ordered(axes := value.along("channel")) != axes:
        raise cannot(call, "channels in another order", "in order is known")
    biased, groups = args["bias"] is not None, args["groups"]
    conv = TransposedConv(c_in, within * groups, pair(kernel), stride, groups, biased)
    weights = {"weight": weight, "bias": args["bias"]}
    return reading.add(call, conv, value, like=call.shape, weights=weights)


def _columns(call: Call, weight: Weight, value: View) -> Weight | Woven:
    """The weights of a convolution, those of its inputs as our map has them."""
    axes = value.along("channel")
    if ordered(axes) == axes:
        return weight
    if weight.shape[1] != value.size("channel"):
        raise cannot(call, "groups of channels in another order", "in order is known")
    c_out, _, *kernel = weight.shape
    return woven(weight, (c_out,), axes, kernel)


def _padding(
    reading: Reading,
    call: Call,
    value: Any,  # noqa: ANN401
    window: tuple[tuple[int, int], tuple[int, int], int],
) -> Any:  # noqa: ANN401 - a `Padding`
    """What a spec calls the padding of a window (kernel, stride, dilation).

    `same` where a side stays but for the stride, `valid` where there is none; where
    zeros were put around the map before, they count too, as TensorFlow has them.
    """
    kernel, stride, dilation = window
    reach = [dilation * (side - 1) for side in kernel]
    around = reading.pads.get(value.index, (0, 0, 0, 0))
    given = call.args["padding"]
    if given == "same":
        own = reach[0] // 2, reach[1] // 2
    else:
        own = (0, 0) if given == "valid" else pair(given)
    rows = own[0] + around[2], own[0] + around[3]
    columns = own[1] + around[0], own[1] + around[1]
    if not any((*rows, *columns)):
        return "valid" if any(reach) else "same"
    if all(
        2 * before == total == 2 * after
        for (before, after), total in zip((rows, columns), reach, strict=True)
    ):
        return "same"
    sides = reading.shape(value)[2:]
    own_sides = sides[0] - sum(around[2:]), sides[1] - sum(around[:2])
    if all(side % 2 for side in kernel) and (rows, columns) == tuple(
        margins(side, total + 1, step)
        for side, total, step in zip(own_sides, reach, stride, strict=True)
    ):
        return "tensorflow"
    if rows[0] == rows[1] and columns[0] == columns[1]:
        return rows[0], columns[0]
    size = "×".join(map(str, kernel))
    found = (
        f"padding {rows[0]}, {rows[1]}, {columns[0]}, {columns[1]} of a {size} kernel"
    )
    known = "as much on both sides is known"
    raise cannot(call, found, known)


def _pad(reading: Reading, call: Call) -> View:
    """Zeros around a map, which the window that reads them says."""
    value, amounts = call.args["self"], call.args["pad"]
    if not any(amounts):
        return reading.view(value)
    found = reading.map(call, value)
    if call.args["mode"] == "reflect" and [*amounts] == [amounts[0]] * _SIDES:
        reading.mirrored[reading.index] = amounts[0]
        return found
    if len(amounts) != _SIDES or call.args["mode"] != "constant":
        raise cannot(call, f"padding {amounts} ({call.args['mode']})", _ZEROS)
    if any(each < 0 for each in amounts) or call.args["value"] not in _AROUND:
        raise cannot(call, f"padding {amounts} by {call.args['value']}", _ZEROS)
    reading.pads[reading.index] = tuple(amounts)
    return found


#: Amounts of padding: left, right, above, below; and what is put there.
_SIDES, _AROUND = 4, (None, 0, -math.inf)
_MIRRORED = "before a window of binomials, which are not learnt, they are known"
_ZEROS = "zeros around a map before a window are known"


def _linear(reading: Reading, call: Call) -> View:
    weight = weight_of(call, call.args["weight"])
    value = reading.of(call.args["input"])
    c_out, c_in = weight.shape
    biased = call.args["bias"] is not None
    what: Operator = Conv(c_in, c_out, bias=biased)
    found: dict[str, Any] = {"weight": weight, "bias": call.args["bias"]}
    if [axis.of for axis in value.dims[-1]] == ["channel", *_sides(value)]:
        # of all positions: a window as large as the map
        kernel = pair([value.size(each) for each in POSITIONS])
        what = Conv(value.size("channel"), c_out, kernel, bias=biased, padding="valid")
        return reading.add(call, what, value, like=call.shape, weights=found)
    if not value.tokens:
        raise cannot(call, f"a linear layer of {lying(value)}", "of channels is known")
    if not _sides(value) and biased and c_in > 1:
        what = Linear(c_in, c_out)
    found["weight"] = _columns(call, weight, value)
    index = len(reading.nodes)
    return reading.add(
        call, what, value, like=value.widened(index, c_out), weights=found
    )


def _sides(value: View) -> list[str]:
    """Along what there are several positions."""
    return [axis.of for axis in value.along(*POSITIONS)]


# Activations, and what is elementwise.


def _act(kind: Any) -> Read:  # noqa: ANN401 - a name of one
    return lambda reading, call: _pointwise(reading, call, Act(kind))


def _hardtanh(reading: Reading, call: Call) -> View:
    low, high = call.args["min_val"], call.args["max_val"]
    if (low, high) != (0, 6):
        raise cannot(call, f"hardtanh from {low} to {high}", "relu6 is known")
    return _pointwise(reading, call, Act("relu6"))


def _gelu(reading: Reading, call: Call) -> View:
    kind: Activation = "gelu" if call.args["approximate"] == "none" else "gelu_tanh"
    return _pointwise(reading, call, Act(kind))


def _of_numbers(kind: Any, **known: float) -> Read:  # noqa: ANN401 - a name of one
    """An activation that takes numbers, by those that the language has for it."""

    def read(reading: Reading, call: Call) -> View:
        for name, number in known.items():
            if call.args[name] != number:
                what = f"{kind} by a {name} of {call.args[name]:g}"
                raise cannot(call, what, f"by {number:g} is known")
        return _pointwise(reading, call, Act(kind))

    return read


def _leaky(reading: Reading, call: Call) -> View:
    slope = call.args["negative_slope"]
    kind = leaky_relu(slope)
    if kind is None:
        found = f"leaky_relu by a negative_slope of {slope:g}"
        raise cannot(call, found, "one from 0 to 1 is known")
    return _pointwise(reading, call, Act(kind))


def _prelu(reading: Reading, call: Call) -> View:
    weight = weight_of(call, call.args["weight"])
    if (slopes := math.prod(weight.shape)) != 1:
        raise cannot(call, f"prelu by {slopes} slopes", "by one of all is known")
    value = reading.of(call.args["self"])
    return reading.add(call, Act("prelu"), value, weights={"weight": weight})


def _pointwise(reading: Reading, call: Call, what: Operator) -> View:
    """What each element becomes by itself."""
    return reading.add(call, what, reading.of(first_of(call)))


def _dropout(reading: Reading, call: Call) -> Value:
    if isinstance(found := reading.value(first_of(call)), Scores):
        return found
    return _pointwise(reading, call, Dropout(call.args["p"]))


def _same(reading: Reading, call: Call) -> Value:
    value = first_of(call)
    found = reading.value(value)
    return reading.view(value) if isinstance(found, View) else found


# Pools.


def _max_pool(reading: Reading, call: Call) -> View:
    if pair(call.args["dilation"]) != (1, 1):
        raise cannot(call, "a dilated maximum")
    return _pool(reading, call, "max")


def _avg_pool(reading: Reading, call: Call) -> View:
    args = call.args
    if args["divisor_override"] is not None:
        raise cannot(call, "a mean by another divisor")
    return _pool(reading, call, "avg")


def _pool(reading: Reading, call: Call, kind: PoolKind) -> View:
    args = call.args
    kernel = pair(args["kernel_size"])
    stride = pair(args["stride"]) if args["stride"] else kernel
    given, before = pair(args["padding"]), reading.shape(args["self"])[2:]
    value = reading.map(call, args["self"], windowed=True)
    padded = args["self"].index in reading.pads
    if kernel == before and given == (0, 0) and kind == "avg":
        return _global(reading, call, GlobalPool(), value)
    if kernel == stride and given == (0, 0) and not padded:
        own = Pool(kind, kernel, stride, "same" if args["ceil_mode"] else "valid")
        return reading.add(call, own, value, like=call.shape)
    if args["ceil_mode"] and call.shape[2:] != _floored(before, kernel, stride, given):
        if given != (0, 0) or padded or kernel < stride:
            raise cannot(
                call,
                f"{call.op} that rounds its size up",
                "rounded up without padding is known",
            )
        pool = Pool(kind, kernel, stride, "ceil")
        return reading.add(call, pool, value, like=call.shape)
    padding = _padding(reading, call, args["self"], (kernel, stride, 1))
    counts = bool(args.get("count_include_pad")) and padding == "same"
    pool = Pool(kind, kernel, stride, padding, include_padding=counts)
    return reading.add(call, pool, value, like=call.shape)


def _floored(
    sides: tuple[int, ...],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
) -> tuple[int, ...]:
    each = zip(sides, kernel, stride, padding, strict=True)
    return tuple((side + 2 * pad - seen) // step + 1 for side, seen, step, pad in each)


def _adaptive(kind: PoolKind) -> Read:
    def read(reading: Reading, call: Call) -> Value:
        to = pair(call.args["output_size"])
        value = reading.map(call, call.args["self"])
        like = (*reading.shape(value)[:2], *to)
        made = reading.add(call, GlobalPool(kind, to), value, like=like)
        # Beside maxima torch puts out where they lie, which is nowhere read.
        return made if kind == "avg" else [made, CONSTANT]

    return read


def _mean(reading: Reading, call: Call) -> View:
    value = reading.of(call.args["self"])
    dims = {each % len(value.dims) for each in call.args["dim"]}
    rest = [dim for k, dim in enumerate(value.dims) if k not in dims]
    over = {axis.of for k in dims for axis in value.dims[k]}
    left = {axis.of for dim in rest for axis in dim}
    if over == {"channel"} and call.args["keepdim"]:
        return _of_channels(reading, call, value, "avg")
    if not over <= {*POSITIONS} or left & {*POSITIONS} or any(value.rolled):
        raise cannot(
            call, f"a mean over {call.args['dim']}", "of all positions is known"
        )
    kept = call.args["keepdim"]
    return _global(reading, call, GlobalPool(), value, () if kept else dims)


def _amax(reading: Reading, call: Call) -> View:
    """The maximum of the channels of each position, or of all positions."""
    value = reading.of(call.args["self"])
    given = call.args["dim"]
    dims = {
        each % len(value.dims)
        for each in ([given] if isinstance(given, int) else given)
    }
    over = {axis.of for k in dims for axis in value.dims[k]}
    if over == {"channel"} and call.args["keepdim"]:
        return _of_channels(reading, call, value, "max")
    if over == {*POSITIONS} and not any(value.rolled):
        kept = call.args["keepdim"]
        return _global(reading, call, GlobalPool("max"), value, () if kept else dims)
    raise cannot(call, f"a maximum over {given}", "of channels or positions is known")


def _largest(reading: Reading, call: Call) -> Value:
    """A maximum, and where it lies, which is nowhere read."""
    return [_amax(reading, call), CONSTANT]


def _of_channels(reading: Reading, call: Call, value: View, kind: PoolKind) -> View:
    """One channel of all, whose dimension is one."""
    dims = tuple(
        tuple(axis for axis in dim if axis.of != "channel") for dim in value.dims
    )
    return reading.add(call, ChannelPool(kind), value, like=View(value.node, dims))


def _global(
    reading: Reading,
    call: Call,
    what: Operator,
    value: View,
    gone: Collection[int] = (),
) -> View:
    """One position of all, its dimensions of one or gone."""
    dims = tuple(
        tuple(axis for axis in dim if axis.of not in POSITIONS)
        for k, dim in enumerate(value.dims)
        if k not in gone
    )
    return reading.add(call, what, value, like=View(value.node, dims))


# Larger maps.


def _upsample(mode: Interpolation) -> Read:
    def read(reading: Reading, call: Call) -> View:
        value = first_of(call)
        before, after = reading.shape(value)[2:], call.shape[2:]
        rows, columns = (b // a for a, b in zip(before, after, strict=True))
        whole = rows == columns > 1 and after == (before[0] * rows, before[1] * rows)
        if call.args.get("align_corners"):
            raise cannot(call, f"{call.op} by corners", "by edges is known")
        sized = call.args.get("scale_factors") is None
        if not (sized or whole):
            found = f"{call.op} of {before} to {after} positions"
            raise cannot(call, found, "by a whole factor is known")
        what = Enlarge(mode, pair(after), rows if whole else None, sized)
        value = reading.map(call, value)
        return reading.add(call, what, value, like=call.shape)

    return read


def _shuffled(kind: type[PixelShuffle | PixelUnshuffle], number: str) -> Read:
    def read(reading: Reading, call: Call) -> View:
        value = reading.map(call, first_of(call))
        return reading.add(call, kind(call.args[number]), value, like=call.shape)

    return read


#: How each kind of call is read.
READ: dict[str, Read] = {
    **dict.fromkeys(("conv2d", "conv2d.padding"), _conv),
    "conv_transpose2d": _transposed,
    "linear": _linear,
    **{kind: _act(kind) for kind in (*get_args(Activation), *get_args(Gate))},
    "leaky_relu": _leaky,
    "prelu": _prelu,
    "elu": _of_numbers("elu", alpha=1, scale=1, input_scale=1),
    "softplus": _of_numbers("softplus", beta=1, threshold=20),
    "hardswish": _act("hard_swish"),
    "hardsigmoid": _act("hard_sigmoid"),
    "hardtanh": _hardtanh,
    "gelu": _gelu,
    "dropout": _dropout,
    "feature_dropout": _dropout,
    **dict.fromkeys(("contiguous", "clone", "alias", "detach", "to", "type_as"), _same),
    "max_pool2d": _max_pool,
    "avg_pool2d": _avg_pool,
    "adaptive_avg_pool2d": _adaptive("avg"),
    "adaptive_max_pool2d": _adaptive("max"),
    "mean": _mean,
    "amax": _amax,
    "max": _largest,
    **MOVED,
    **ATTENDED,
    **MERGED,
    "pad": _pad,
    "upsample_nearest2d": _upsample("nearest"),
    "upsample_bilinear2d": _upsample("bilinear"),
    "pixel_shuffle": _shuffled(PixelShuffle, "upscale_factor"),
    "pixel_unshuffle": _shuffled(PixelUnshuffle, "downscale_factor"),
}
#: What comes nearest to a kind of call that no spec says.
NEAREST: dict[str, str] = {
    "convolution": "conv2d is known, as it is before run_decompositions",
    "einsum": "matmul is known",
    "conv3d": "conv2d is known",
    "max_pool2d_with_indices": "max_pool2d is known",
    "celu": f"one of {', '.join(get_args(Activation))} is known",
    "selu": f"one of {', '.join(get_args(Activation))} is known",
}
