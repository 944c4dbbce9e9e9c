"""Calls of torch as our operators: what each kind of call becomes, in one table.

What only moves elements, as the permutations around a norm of the channels, is followed
and leaves nothing behind.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

from effscale.errors import LayerError, TranslationError
from effscale.importing.moving import MOVED
from effscale.importing.nodes import (
    Enlarge,
    Node,
    Times,
    cannot,
    first_of,
    pair,
    weight_of,
)
from effscale.importing.trace import Ref, Weight
from effscale.network.operators.convolution import Conv, Linear, margins
from effscale.network.operators.elementwise import Act, Dropout
from effscale.network.operators.norm import (
    BatchNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    LayerScale,
)
from effscale.network.operators.pooling import GlobalPool, Pool
from effscale.spec.values import Activation, Gate

if TYPE_CHECKING:
    from effscale.importing.nodes import Layout, Merge, Read
    from effscale.importing.trace import Call, Trace
    from effscale.network.operators.operator import Operator
    from effscale.spec.values import Interpolation, PoolKind


#: Calls that leave elements in their order.
_MOVES = {"view", "reshape", "unsqueeze", "squeeze", "flatten", "contiguous", "alias"}


class Reading:
    """The nodes that the calls of a trace have become so far."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        #: Of the call that is read now.
        self.index = 0
        self.nodes: list[Node] = []
        #: Of each call, the node whose output is its own, and how its elements lie.
        self.found: dict[int, tuple[int, Layout]] = {}
        #: Of calls that part the channels of a map, which, and how many in each part.
        self.parts: dict[int, tuple[Ref, list[int]]] = {}
        #: Of calls that have channels in groups, how many, and whether they are turned.
        self.groups: dict[int, tuple[int, bool]] = {}
        #: Of calls that put a parameter into another shape, the parameter.
        self.weights: dict[int, Weight] = {}
        #: Of nodes whose map was made a vector as a whole, its sides.
        self.flat: dict[int, tuple[int, ...]] = {}
        #: Of calls that put zeros around a map, how many: left, right, above, below.
        self.pads: dict[int, tuple[int, ...]] = {}

    def whole(self) -> tuple[list[Node], int]:
        """All nodes, and the one that is put out."""
        for index, call in enumerate(self.trace.calls):
            self.take(index, call)
        return self.nodes, self.found[self.trace.output][0]

    def take(self, index: int, call: Call) -> None:
        self.index = index
        if call.op == "image":
            self.nodes.append(Node(None, (), call.shape[1]))
            self.found[index] = 0, "first"
            return
        if (weight := self._moved(call)) is not None:
            self.weights[index] = weight
            return
        call = replace(call, args={k: self._known(e) for k, e in call.args.items()})
        read = READ.get(call.op)
        if read is None:
            raise cannot(call, f"operator {call.op}", NEAREST.get(call.op, ""))
        try:
            self.found[index] = read(self, call)
        except LayerError as error:
            raise cannot(call, f"operator {call.op}", str(error)) from None

    def _known(self, value: Any) -> Any:  # noqa: ANN401
        """The weight that a call has put out in another shape, or the value itself."""
        if isinstance(value, list):
            return [self._known(each) for each in value]
        return self.weights.get(value.index, value) if isinstance(value, Ref) else value

    def _moved(self, call: Call) -> Weight | None:
        """A parameter in another shape: one of as many numbers, in their order."""
        if call.op not in _MOVES or not call.args:
            return None
        weight = self._known(first_of(call))
        return replace(weight, shape=call.shape) if isinstance(weight, Weight) else None

    def of(self, value: Any, *, windowed: bool = False) -> tuple[int, Layout]:  # noqa: ANN401
        """The node of a value; only a window may read one with zeros around it."""
        if not isinstance(value, Ref):
            what = value.name if isinstance(value, Weight) else repr(value)
            raise TranslationError(f"cannot be said in a spec: a map made of {what}")
        if value.index in self.pads and not windowed:
            raise cannot(self.trace.calls[value.index], "zeros around a map", _ZEROS)
        return self.found[value.index]

    def shape(self, value: Any) -> tuple[int, ...]:  # noqa: ANN401
        return (
            value.shape
            if isinstance(value, Weight)
            else self.trace.calls[value.index].shape
        )

    def add(
        self,
        call: Call,
        what: Operator | Merge,
        *inputs: Any,  # noqa: ANN401
        layout: Layout | None = None,
        windowed: bool = False,
        **weights: Weight | None,
    ) -> tuple[int, Layout]:
        """A node that reads what other calls have put out."""
        found = [self.of(each, windowed=windowed) for each in inputs]
        reads = tuple(node for node, _ in found)
        own = layout or found[0][1]
        channels = call.shape[-1] if own in {"last", "row"} else call.shape[1]
        if own == "flat":
            self.flat[len(self.nodes)] = self.flat[reads[0]]
            channels = self.nodes[reads[0]].channels
        named = {name: each.name for name, each in weights.items() if each is not None}
        self.nodes.append(Node(what, reads, channels, named, call))
        return len(self.nodes) - 1, own


# Convolutions and linear layers.


def _conv(reading: Reading, call: Call) -> tuple[int, Layout]:
    args = call.args
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
    return reading.add(
        call, conv, args["input"], weight=weight, bias=args["bias"], windowed=True
    )


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


def _pad(reading: Reading, call: Call) -> tuple[int, Layout]:
    """Zeros around a map, which the window that reads them says."""
    value, amounts = call.args["self"], call.args["pad"]
    node, layout = reading.of(value)
    if layout != "first" or len(amounts) != _SIDES or call.args["mode"] != "constant":
        raise cannot(call, f"padding {amounts} ({call.args['mode']})", _ZEROS)
    if any(each < 0 for each in amounts) or call.args["value"] not in _AROUND:
        raise cannot(call, f"padding {amounts} by {call.args['value']}", _ZEROS)
    reading.pads[reading.index] = tuple(amounts)
    return node, layout


#: Amounts of padding: left, right, above, below; and what is put there.
_SIDES, _AROUND = 4, (None, 0, -math.inf)
_ZEROS = "zeros around a map before a window are known"


def _linear(reading: Reading, call: Call) -> tuple[int, Layout]:
    weight = weight_of(call, call.args["weight"])
    c_out, c_in = weight.shape
    layout = reading.of(call.args["input"])[1]
    biased = call.args["bias"] is not None
    what: Operator = Conv(c_in, c_out, bias=biased)
    if layout == "flat":  # of all positions: a window as large as the map
        sides = pair(reading.flat[reading.of(call.args["input"])[0]])
        channels = c_in // (sides[0] * sides[1])
        what = Conv(channels, c_out, sides, bias=biased, padding="valid")
        layout = "vector"
    elif layout == "vector" and biased:
        what = Linear(c_in, c_out)
    return reading.add(
        call,
        what,
        call.args["input"],
        layout=layout,
        weight=weight,
        bias=call.args["bias"],
    )


# Norms.


def _batch_norm(reading: Reading, call: Call) -> tuple[int, Layout]:
    args = call.args
    names = ("weight", "bias", "running_mean", "running_var")
    for name in names:
        if args[name] is None:
            raise cannot(call, f"batch norm without {name}", "batch norm has all four")
    momentum = float(f"{args['momentum']:.6g}")
    norm = BatchNorm(weight_of(call, args["weight"]).shape[0], args["eps"], momentum)
    return reading.add(
        call, norm, args["input"], **{name: args[name] for name in names}
    )


def _layer_norm(reading: Reading, call: Call) -> tuple[int, Layout]:
    args = call.args
    lies = reading.of(args["input"])[1]
    if lies == "first" or len(args["normalized_shape"]) != 1:
        over = args["normalized_shape"]
        raise cannot(call, f"layer norm over {over}", "of the channels is known")
    channels = args["normalized_shape"][0]
    return _scaled(reading, call, LayerNorm(channels, args["eps"]))


def _group_norm(reading: Reading, call: Call) -> tuple[int, Layout]:
    channels = reading.shape(call.args["input"])[1]
    groups, eps = call.args["num_groups"], call.args["eps"]
    return _scaled(reading, call, GroupNorm(channels, groups, eps))


def _instance_norm(reading: Reading, call: Call) -> tuple[int, Layout]:
    if call.args["running_mean"] is not None:
        raise cannot(
            call, "instance norm with running statistics", "those of each image"
        )
    channels = reading.shape(call.args["input"])[1]
    return _scaled(reading, call, InstanceNorm(channels, call.args["eps"]))


def _scaled(reading: Reading, call: Call, norm: Operator) -> tuple[int, Layout]:
    """A norm by its scale and shift."""
    weight, bias = call.args["weight"], call.args["bias"]
    if weight is None or bias is None:
        raise cannot(call, f"{norm.label} without scale and shift", "it has both")
    return reading.add(call, norm, call.args["input"], weight=weight, bias=bias)


# Activations, and what is elementwise.


def _act(kind: Any) -> Read:  # noqa: ANN401 - a name of one
    return lambda reading, call: reading.add(call, Act(kind), first_of(call))


def _hardtanh(reading: Reading, call: Call) -> tuple[int, Layout]:
    low, high = call.args["min_val"], call.args["max_val"]
    if (low, high) != (0, 6):
        raise cannot(call, f"hardtanh from {low} to {high}", "relu6 is known")
    return reading.add(call, Act("relu6"), call.args["self"])


def _gelu(reading: Reading, call: Call) -> tuple[int, Layout]:
    if call.args["approximate"] != "none":
        raise cannot(call, "gelu by tanh", "gelu by erf is known")
    return reading.add(call, Act("gelu"), call.args["self"])


def _dropout(reading: Reading, call: Call) -> tuple[int, Layout]:
    return reading.add(call, Dropout(call.args["p"]), first_of(call))


def _same(reading: Reading, call: Call) -> tuple[int, Layout]:
    value = first_of(call)
    if value.index in reading.groups:
        reading.groups[reading.index] = reading.groups[value.index]
    return reading.of(value)


# Pools.


def _max_pool(reading: Reading, call: Call) -> tuple[int, Layout]:
    if pair(call.args["dilation"]) != (1, 1):
        raise cannot(call, "a dilated maximum")
    return _pool(reading, call, "max")


def _avg_pool(reading: Reading, call: Call) -> tuple[int, Layout]:
    args = call.args
    if args["divisor_override"] is not None:
        raise cannot(call, "a mean by another divisor")
    return _pool(reading, call, "avg")


def _pool(reading: Reading, call: Call, kind: PoolKind) -> tuple[int, Layout]:
    args = call.args
    kernel = pair(args["kernel_size"])
    stride = pair(args["stride"]) if args["stride"] else kernel
    given, before = pair(args["padding"]), reading.shape(args["self"])[2:]
    padded = args["self"].index in reading.pads
    if kernel == before and given == (0, 0) and kind == "avg":
        return reading.add(call, GlobalPool(), args["self"])
    if kernel == stride:
        fits = all(side % step == 0 for side, step in zip(before, stride, strict=True))
        if given == (0, 0) and not padded and (fits or not args["ceil_mode"]):
            return reading.add(call, Pool(kind, kernel, stride, "valid"), args["self"])
        if given == (0, 0) and not padded:
            return reading.add(call, Pool(kind, kernel, stride), args["self"])
    if args["ceil_mode"] and call.shape[2:] != _floored(before, kernel, stride, given):
        if given != (0, 0) or padded or kernel < stride:
            raise cannot(
                call,
                f"{call.op} that rounds its size up",
                "rounded up without padding is known",
            )
        return reading.add(call, Pool(kind, kernel, stride, "ceil"), args["self"])
    padding = _padding(reading, call, args["self"], (kernel, stride, 1))
    counts = bool(args.get("count_include_pad")) and padding == "same"
    pool = Pool(kind, kernel, stride, padding, include_padding=counts)
    return reading.add(call, pool, args["self"], windowed=True)


def _floored(
    sides: tuple[int, ...],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
) -> tuple[int, ...]:
    each = zip(sides, kernel, stride, padding, strict=True)
    return tuple((side + 2 * pad - seen) // step + 1 for side, seen, step, pad in each)


def _adaptive(kind: PoolKind) -> Read:
    return lambda reading, call: reading.add(
        call, GlobalPool(kind, pair(call.args["output_size"])), call.args["self"]
    )


def _mean(reading: Reading, call: Call) -> tuple[int, Layout]:
    layout = reading.of(call.args["self"])[1]
    dims = sorted(
        each % len(reading.shape(call.args["self"])) for each in call.args["dim"]
    )
    if dims != ([1, 2] if layout == "last" else [2, 3]):
        raise cannot(
            call, f"a mean over {call.args['dim']}", "of all positions is known"
        )
    after: Layout = layout if call.args["keepdim"] else "vector"
    return reading.add(call, GlobalPool(), call.args["self"], layout=after)


# Merges.


def _add(reading: Reading, call: Call) -> tuple[int, Layout]:
    return _sum(reading, call, 1)


def _sub(reading: Reading, call: Call) -> tuple[int, Layout]:
    return _sum(reading, call, -1)


def _sum(reading: Reading, call: Call, sign: int) -> tuple[int, Layout]:
    """A sum, of whose second map there is so much."""
    times, other = sign * call.args.get("alpha", 1), call.args["other"]
    if times == 1:
        return _merge(reading, call, "sum")
    if (
        not isinstance(other, Ref)
        or reading.of(other)[1] != reading.of(first_of(call))[1]
    ):
        raise cannot(call, f"a map and {times} times what is no map, summed")
    node, _ = reading.add(call, Times(float(times)), other)
    first, layout = reading.of(first_of(call))
    reading.nodes.append(
        Node("sum", (first, node), reading.nodes[first].channels, {}, call)
    )
    return len(reading.nodes) - 1, layout


def _div(reading: Reading, call: Call) -> tuple[int, Layout]:
    number = call.args["other"]
    if not isinstance(number, int | float) or not number:
        raise cannot(call, "a quotient of maps", "one by a number is known")
    return reading.add(call, Times(1 / number), call.args["self"])


def _mul(reading: Reading, call: Call) -> tuple[int, Layout]:
    return _merge(reading, call, "product")


def _merge(reading: Reading, call: Call, merge: Merge) -> tuple[int, Layout]:
    maps = call.args["self"], call.args["other"]
    for each, other in (maps, maps[::-1]):
        if not isinstance(each, Ref):
            continue
        if isinstance(other, Weight) and merge == "product":
            return _layer_scale(reading, call, each, other)
        if isinstance(other, Weight) and (shifted := _shifted(reading, each, other)):
            return shifted
        if isinstance(other, int | float):
            if other == {"sum": 0, "product": 1}[merge]:
                return reading.of(each)
            if merge == "product":
                return reading.add(call, Times(float(other)), each)
    for each in maps:
        if not isinstance(each, Ref):
            what = "a parameter" if isinstance(each, Weight) else f"the number {each}"
            raise cannot(call, f"the {merge} of a map and {what}")
    first, other = (reading.of(each)[1] for each in maps)
    if first != other:
        raise cannot(call, f"the {merge} of maps that lie otherwise")
    return reading.add(call, merge, *maps)


def _layer_scale(
    reading: Reading, call: Call, value: Ref, weight: Weight
) -> tuple[int, Layout]:
    """A map times a learnt number for each channel."""
    node, lies = reading.of(value)
    channels = reading.nodes[node].channels
    each = (channels, 1, 1) if lies == "first" else (channels,)
    shape = weight.shape[-len(each) :]
    if math.prod(weight.shape) == 1 != channels:
        scale = LayerScale(channels, 1.0, single=True)
        return reading.add(call, scale, value, weight=weight)
    if math.prod(weight.shape) != channels or shape != each:
        size = "×".join(map(str, weight.shape))
        raise cannot(call, f"the product of a map and {size} numbers", "one a channel")
    return reading.add(call, LayerScale(channels, 1e-6), value, weight=weight)


def _shifted(reading: Reading, value: Ref, weight: Weight) -> tuple[int, Layout] | None:
    """A learnt scale, to which a learnt shift of the same shape is added."""
    node, layout = reading.of(value)
    scale = reading.nodes[node].what
    if (
        not isinstance(scale, LayerScale)
        or scale.shift
        or node + 1 < len(reading.nodes)
    ):
        return None
    if math.prod(weight.shape) != scale.numbers:
        return None
    named = {**reading.nodes[node].weights, "bias": weight.name}
    reading.nodes[node] = replace(
        reading.nodes[node], what=replace(scale, shift=True), weights=named
    )
    return node, layout


def _cat(reading: Reading, call: Call) -> tuple[int, Layout]:
    maps = call.args["tensors"]
    if len(maps) == 1:
        return reading.of(maps[0])
    layouts = {reading.of(each)[1] for each in maps}
    channels = {"first": 1, "last": len(call.shape) - 1}
    if len(layouts) > 1 or channels.get(*layouts) != call.args["dim"] % len(call.shape):
        raise cannot(
            call,
            f"maps one after the other along {call.args['dim']}",
            "along channels is known",
        )
    return reading.add(call, "concat", *maps)


def _upsample(mode: Interpolation) -> Read:
    def read(reading: Reading, call: Call) -> tuple[int, Layout]:
        value = first_of(call)
        before, after = reading.shape(value)[2:], call.shape[2:]
        rows, columns = (b // a for a, b in zip(before, after, strict=True))
        whole = rows == columns > 1 and after == (before[0] * rows, before[1] * rows)
        if not whole or call.args.get("align_corners"):
            found = f"{call.op} of {before} to {after} positions"
            raise cannot(call, found, "by a whole factor is known")
        return reading.add(call, Enlarge(rows, mode), value)

    return read


#: How each kind of call is read.
READ: dict[str, Read] = {
    **dict.fromkeys(("conv2d", "conv2d.padding"), _conv),
    "linear": _linear,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "group_norm": _group_norm,
    "instance_norm": _instance_norm,
    **{kind: _act(kind) for kind in (*get_args(Activation), *get_args(Gate))},
    "hardswish": _act("hard_swish"),
    "hardsigmoid": _act("hard_sigmoid"),
    "hardtanh": _hardtanh,
    "gelu": _gelu,
    "dropout": _dropout,
    "feature_dropout": _dropout,
    **dict.fromkeys(("contiguous", "clone", "alias", "detach"), _same),
    "max_pool2d": _max_pool,
    "avg_pool2d": _avg_pool,
    "adaptive_avg_pool2d": _adaptive("avg"),
    "adaptive_max_pool2d": _adaptive("max"),
    "mean": _mean,
    **MOVED,
    "pad": _pad,
    "add": _add,
    "sub": _sub,
    "div": _div,
    "mul": _mul,
    "cat": _cat,
    "upsample_nearest2d": _upsample("nearest"),
    "upsample_bilinear2d": _upsample("bilinear"),
}
#: What comes nearest to a kind of call that no spec says.
NEAREST: dict[str, str] = {
    **dict.fromkeys(
        ("select", "index"),
        "a map is read as a whole",
    ),
    **dict.fromkeys(
        ("matmul", "bmm", "softmax", "einsum"),
        "convolutions and linear layers multiply, maps of each other do not",
    ),
    "conv3d": "conv2d is known",
    "max_pool2d_with_indices": "max_pool2d is known",
    "scaled_dot_product_attention": "convolutions are known, attention is not",
    "leaky_relu": f"one of {', '.join(get_args(Activation))} is known",
    "elu": f"one of {', '.join(get_args(Activation))} is known",
}
