"""Calls that make one map of several, of a map and parameters, or of a number."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from effscale.importing.attention import biased
from effscale.importing.moving import unshuffled
from effscale.importing.nodes import (
    IMAGES,
    Learnt,
    Scores,
    Times,
    cannot,
    first_of,
    in_order,
    laid,
    learnt,
    lying,
    weight_of,
)
from effscale.importing.trace import Ref, Weight
from effscale.importing.views import POSITIONS, Axis, View, alike, length, ordered
from effscale.module.weights import Woven
from effscale.network.operators.attention import ClassToken, Positions
from effscale.network.operators.norm import (
    BatchNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    LayerScale,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.importing.nodes import Merge, Read, Value
    from effscale.importing.operators import Reading
    from effscale.importing.trace import Call
    from effscale.network.operators.operator import Operator


def _add(reading: Reading, call: Call) -> Value:
    return _sum(reading, call, 1)


def _sub(reading: Reading, call: Call) -> Value:
    return _sum(reading, call, -1)


def _sum(reading: Reading, call: Call, sign: int) -> Value:
    """A sum, of whose second map there is so much."""
    times, other = sign * call.args.get("alpha", 1), call.args["other"]
    if times == 1:
        return _merge(reading, call, "sum")
    if not isinstance(other, Ref) or not isinstance(first_of(call), Ref):
        raise cannot(call, f"a map and {times} times what is no map, summed")
    scaled = reading.add(call, Times(float(times)), reading.of(other))
    return _of_two(reading, call, "sum", reading.of(first_of(call)), scaled)


def _div(reading: Reading, call: Call) -> Value:
    number = call.args["other"]
    if not isinstance(number, int | float) or not number:
        raise cannot(call, "a quotient of maps", "one by a number is known")
    return _by_number(reading, call, first_of(call), 1 / number)


def _by_number(reading: Reading, call: Call, value: Ref, number: float) -> Value:
    """A map times a number; where it is a part of one, that is kept in mind."""
    found = reading.value(value)
    if isinstance(found, Scores | View) and (
        isinstance(found, Scores) or not _is_whole(reading, found)
    ):
        return replace(found, times=found.times * number)
    return reading.add(call, Times(float(number)), reading.of(value))


def _is_whole(reading: Reading, view: View) -> bool:
    """Whether a map lies in so many dimensions as maps and tokens have."""
    whole_ = view.size("channel") == reading.nodes[view.node].channels
    return whole_ and (view.standard or view.tokens or len(view.dims) == _VECTOR)


_VECTOR = 2


def _mul(reading: Reading, call: Call) -> Value:
    return _merge(reading, call, "product")


def _merge(reading: Reading, call: Call, merge: Merge) -> Value:
    maps = call.args["self"], call.args["other"]
    if any(isinstance(reading.value(each), Scores) for each in maps):
        return biased(reading, call, merge)
    for each, other in (maps, maps[::-1]):
        if not isinstance(each, Ref):
            continue
        if isinstance(other, Weight | Learnt):
            if merge == "product":
                return _layer_scale(reading, call, each, other)
            return _shifted(reading, each, other) or _placed(reading, call, each, other)
        if isinstance(other, int | float):
            if other == {"sum": 0, "product": 1}[merge]:
                return reading.of(each)
            if merge == "product":
                return _by_number(reading, call, each, float(other))
    for each in maps:
        if not isinstance(each, Ref):
            what = "a parameter" if isinstance(each, Weight) else f"the number {each}"
            raise cannot(call, f"the {merge} of a map and {what}")
    first, other = (reading.of(each) for each in maps)
    return _of_two(reading, call, merge, first, other)


def _of_two(
    reading: Reading, call: Call, merge: Merge, first: View, other: View
) -> View:
    """Two maps as one, of which one may have one position for all."""
    if not alike(first, other):
        raise cannot(call, f"the {merge} of maps that lie otherwise")
    of, by = (each.size("channel") for each in (first, other))
    gates = merge == "product" and 1 in (of, by)  # by a number for each position
    if of != by and not gates:
        what = f"the {merge} of maps of {of} and {by} channels"
        raise cannot(call, what, "of as many channels is known")
    larger = max(first, other, key=lambda each: sum(map(len, each.dims)))
    return reading.add(call, merge, first, other, like=larger)


def _layer_scale(
    reading: Reading, call: Call, value: Ref, weight: Weight | Learnt
) -> View:
    """A map times a learnt number for each channel."""
    found = reading.of(value)
    channels = found.size("channel")
    if math.prod(weight.shape) == 1 != channels:
        scale = LayerScale(channels, 1.0, single=True)
        return reading.add(call, scale, found, weights={"weight": weight})
    shape = (1,) * (len(found.dims) - len(weight.shape)) + tuple(weight.shape)
    each = tuple(
        length(dim) if dim == found.along("channel") else 1 for dim in found.dims
    )
    if shape != each or isinstance(weight, Learnt):
        size = "×".join(map(str, weight.shape))
        raise cannot(call, f"the product of a map and {size} numbers", "one a channel")
    scale = LayerScale(channels, 1e-6)
    return reading.add(call, scale, found, weights={"weight": in_order(weight, found)})


def _shifted(reading: Reading, value: Ref, weight: Weight | Learnt) -> View | None:
    """A learnt scale, to which a learnt shift of the same shape is added."""
    found = reading.of(value)
    node = found.node
    scale = reading.nodes[node].what
    if (
        not isinstance(scale, LayerScale)
        or scale.shift
        or node + 1 < len(reading.nodes)
        or not isinstance(weight, Weight)
    ):
        return None
    if math.prod(weight.shape) != scale.numbers:
        return None
    named = {**reading.nodes[node].weights, "bias": weight.name}
    reading.nodes[node] = replace(
        reading.nodes[node], what=replace(scale, shift=True), weights=named
    )
    return found


def _placed(reading: Reading, call: Call, value: Ref, weight: Weight | Learnt) -> View:
    """A learnt map of the size of what comes in, which is added."""
    found = reading.of(value)
    given = weight if isinstance(weight, Learnt) else learnt(weight)
    shape = (1,) * (len(found.dims) - len(given.shape)) + given.shape
    dims = tuple(
        tuple(axis for axis in dim if axis.of != "image") for dim in found.dims
    )
    if shape != tuple(map(length, dims)) or any(found.rolled):
        size = "×".join(map(str, given.shape))
        raise cannot(
            call, f"the sum of a map and {size} numbers", "one for each element"
        )
    return reading.add(call, Positions(), found, weights={"places": laid(given, dims)})


def _cat(reading: Reading, call: Call) -> View:
    maps, dim = call.args["tensors"], call.args["dim"]
    if len(maps) == 1:
        return reading.of(maps[0])
    if (found := unshuffled(reading, call, maps, dim)) is not None:
        return found
    if any(isinstance(each, Weight | Learnt) for each in maps):
        return _tokens_before(reading, call, maps, dim)
    views = [reading.of(each) for each in maps]
    along = [each.dims[dim] for each in views]
    rest = {each.dims[:dim] + each.dims[dim:][1:] for each in views}
    if len(rest) > 1 or any(
        dims != view.along("channel") for dims, view in zip(along, views, strict=True)
    ):
        raise cannot(
            call, f"maps one after the other along {dim}", "along channels is known"
        )
    channels = sum(each.size("channel") for each in views)
    dims = list(views[0].dims)
    dims[dim] = (Axis("channel", channels),)
    return reading.add(call, "concat", *views, like=replace(views[0], dims=tuple(dims)))


def _tokens_before(reading: Reading, call: Call, maps: Sequence[Any], dim: int) -> View:
    """Learnt tokens before those of the positions."""
    *tokens, last = maps
    found = reading.of(last)
    sides = found.along(*POSITIONS)
    plain = [each for each in tokens if isinstance(each, Weight)]
    fits = found.tokens and found.dims[dim] == sides and not any(found.rolled)
    if len(plain) < len(tokens) or not fits or ordered(sides) != sides:
        raise cannot(call, f"a parameter and a map along {dim}", "learnt tokens before")
    channels = found.size("channel")
    many = [math.prod(each.shape) // channels for each in plain]
    what = ClassToken(channels, sum(many))
    names = tuple(each.name for each in plain)
    given = Woven(names, (sum(many), channels), (1, 0))
    dims = list(found.dims)
    dims[dim] = (Axis("row", sum(many) + length(sides)),)
    like = replace(found, dims=tuple(dims))
    return reading.add(call, what, found, like=like, weights={"tokens": given})


# Norms.


def _batch_norm(reading: Reading, call: Call) -> View:
    args = call.args
    names = ("weight", "bias", "running_mean", "running_var")
    if isinstance(reading.value(args["input"]), Learnt):
        raise cannot(call, "weights that are standardised", "as they are is known")
    for name in names:
        if args[name] is None:
            raise cannot(call, f"batch norm without {name}", "batch norm has all four")
    momentum = float(f"{args['momentum']:.6g}")
    norm = BatchNorm(weight_of(call, args["weight"]).shape[0], args["eps"], momentum)
    value = reading.of(args["input"])
    if value.dims[1] != value.along("channel"):
        raise cannot(call, f"batch norm of {lying(value)}", IMAGES)
    weights = {name: in_order(args[name], value) for name in names}
    return reading.add(call, norm, value, weights=weights)


def _layer_norm(reading: Reading, call: Call) -> View:
    args = call.args
    value = reading.of(args["input"])
    if not value.tokens or len(args["normalized_shape"]) != 1:
        over = args["normalized_shape"]
        raise cannot(call, f"layer norm over {over}", "of the channels is known")
    channels = args["normalized_shape"][0]
    return _scaled(
        reading, call, LayerNorm(channels, args["eps"], args["bias"] is not None), value
    )


def _group_norm(reading: Reading, call: Call) -> View:
    value = _by_image(reading, call)
    args, channels = call.args, value.size("channel")
    shift = args["bias"] is not None
    norm = GroupNorm(channels, args["num_groups"], args["eps"], shift)
    return _scaled(reading, call, norm, value)


def _instance_norm(reading: Reading, call: Call) -> View:
    if call.args["running_mean"] is not None:
        raise cannot(
            call, "instance norm with running statistics", "those of each image"
        )
    value = _by_image(reading, call)
    norm = InstanceNorm(value.size("channel"), call.args["eps"])
    return _scaled(reading, call, norm, value)


def _by_image(reading: Reading, call: Call) -> View:
    """A map whose channels come next to images, whatever positions are."""
    value = reading.of(call.args["input"])
    channels, images = value.along("channel"), value.along("image")
    if value.dims[:2] != (images, channels) or ordered(channels) != channels:
        raise cannot(call, f"{call.op} of {lying(value)}", IMAGES)
    return value


def _scaled(reading: Reading, call: Call, norm: Operator, value: View) -> View:
    """A norm by its scale, and its shift where it may have none."""
    weight, bias = call.args["weight"], call.args["bias"]
    if weight is None or (bias is None and isinstance(norm, InstanceNorm)):
        raise cannot(call, f"{norm.label} without scale and shift", "it has both")
    weights = {"weight": in_order(weight, value)}
    if bias is not None:
        weights["bias"] = in_order(bias, value)
    return reading.add(call, norm, value, weights=weights)


#: How each kind of call is read that merges, or has parameters for each channel.
MERGED: dict[str, Read] = {
    "add": _add,
    "sub": _sub,
    "div": _div,
    "mul": _mul,
    "cat": _cat,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "group_norm": _group_norm,
    "instance_norm": _instance_norm,
}
