"""Calls that part a map's channels, put them in another order, or lay them out anew."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from effscale.importing.nodes import cannot, first_of
from effscale.importing.trace import Weight
from effscale.network.operators.channels import Shuffle, Slice
from effscale.network.operators.convolution import ChannelConv

if TYPE_CHECKING:
    from collections.abc import Callable

    from effscale.importing.nodes import Layout, Read
    from effscale.importing.operators import Reading
    from effscale.importing.trace import Call, Ref


# Parts of channels, and their order.


def _parts(sizes: Callable[[Call, int], list[int]]) -> Read:
    """A map in parts of its channels, which are read one by one."""

    def read(reading: Reading, call: Call) -> tuple[int, Layout]:
        value = call.args["self"]
        node, lies = reading.of(value)
        _of_channels(reading, call, call.args["dim"])
        channels = reading.nodes[node].channels
        reading.parts[reading.index] = value, sizes(call, channels)
        return node, lies

    return read


def _of_channels(reading: Reading, call: Call, dim: int) -> None:
    """Refuse to part a map along another dimension than that of its channels."""
    value = first_of(call)
    lies, sides = reading.of(value)[1], len(reading.shape(value))
    if dim % sides != (sides - 1 if lies == "last" else 1):
        raise cannot(call, f"{call.op} along {dim}", "along channels is known")


def _split_size(call: Call, channels: int) -> list[int]:
    return _of_size(channels, call.args["split_size"])


def _chunks(call: Call, channels: int) -> list[int]:
    return _of_size(channels, -(-channels // call.args["chunks"]))


def _of_size(channels: int, size: int) -> list[int]:
    whole, rest = divmod(channels, size)
    return [size] * whole + [rest] * bool(rest)


def _part(reading: Reading, call: Call) -> tuple[int, Layout]:
    """One part of a map that was parted."""
    parted, index = call.args["0"], call.args["1"]
    if parted.index not in reading.parts:
        raise cannot(call, "one of several tensors", "parts of channels are known")
    value, sizes = reading.parts[parted.index]
    part = Slice(sum(sizes), sum(sizes[:index]), sizes[index])
    return reading.add(call, part, value)


def _slice(reading: Reading, call: Call) -> tuple[int, Layout]:
    """Channels that follow each other, or all of a map."""
    value, shape = call.args["self"], reading.shape(call.args["self"])
    if call.shape == shape:
        return reading.of(value)
    _of_channels(reading, call, call.args["dim"])
    if call.args["step"] != 1:
        raise cannot(call, f"each {call.args['step']}. channel", "those in a row")
    channels = reading.nodes[reading.of(value)[0]].channels
    start = call.args["start"] or 0
    start += channels * (start < 0)
    count = call.shape[call.args["dim"]]
    return reading.add(call, Slice(channels, start, count), value)


def _expand(reading: Reading, call: Call) -> tuple[int, Layout]:
    """One position for all, as products and sums take it anyway."""
    value = call.args["self"]
    shape, layout = reading.shape(value), reading.of(value)[1]
    if layout == "first" and shape[2:] == (1, 1) and call.shape[1] == shape[1]:
        return reading.of(value)
    if call.shape == shape:
        return reading.of(value)
    raise cannot(call, f"{shape} expanded to {call.shape}", "one position for all")


def _across(reading: Reading, call: Call) -> tuple[int, Layout]:
    """A convolution of the channels' means, as channel attention has it."""
    weight = call.args["weight"]
    value = call.args["input"]
    known = isinstance(weight, Weight) and weight.shape[:2] == (1, 1)
    size = weight.shape[-1] if known else 0
    plain = call.args["bias"] is None and call.args["stride"] == [1]
    fits = known and size % 2 and call.args["padding"] == [size // 2]
    if not (plain and fits) or reading.of(value)[1] != "row":
        raise cannot(
            call, "conv1d", "one of the channels' means is known, without bias"
        )
    return reading.add(call, ChannelConv(call.shape[-1], size), value, weight=weight)


# What moves elements.


def _permute(reading: Reading, call: Call) -> tuple[int, Layout]:
    node, layout = reading.of(call.args["self"])
    turned = {("first", (0, 2, 3, 1)): "last", ("last", (0, 3, 1, 2)): "first"}
    after = turned.get((layout, tuple(each % 4 for each in call.args["dims"])))
    if after is None:
        raise cannot(call, f"permute {call.args['dims']}")
    return node, after  # type: ignore[return-value]


def _reshape(reading: Reading, call: Call) -> tuple[int, Layout]:
    """One position as a vector, or a vector as one position."""
    value = first_of(call)
    node, layout = reading.of(value)
    before, after = reading.shape(value), call.shape
    if before == after:
        return node, layout
    if value.index in reading.groups:
        return _ungrouped(reading, call, value)
    if layout == "first" and len(before) == _IMAGE and _is_grouped(before, after):
        reading.groups[reading.index] = after[1], False
        return node, layout
    flat = (before[0], math.prod(before[1:]))
    if flat[1] != reading.nodes[node].channels:
        if after == flat and layout == "first":
            reading.flat[node] = before[2:]
            return node, "flat"
        known = _TOKENS if _is_tokens(before, after) else _SHAPES
        raise cannot(call, f"{call.op} of {before} to {after}", known)
    if after == flat:
        return node, "vector"
    if after == (*flat, 1, 1):
        return node, "first"
    if after in {(flat[0], 1, flat[1]), (*flat, 1)}:
        return node, "row" if after[1] == 1 else "column"
    if after == (flat[0], 1, 1, flat[1]):
        return node, "last"
    raise cannot(call, f"{call.op} of {before} to {after}", _SHAPES)


def _is_tokens(before: tuple[int, ...], after: tuple[int, ...]) -> bool:
    """Whether positions are put in one row, or in windows."""
    rows = len(after) == _IMAGE - 1 and before[0] == after[0]
    return rows or len(after) > _IMAGE


def _is_grouped(before: tuple[int, ...], after: tuple[int, ...]) -> bool:
    """Whether channels are put in groups, all else as it is."""
    number, channels, *sides = before
    grouped = len(after) == len(before) + 1 and after[1] * after[2] == channels
    return grouped and (after[0], *after[3:]) == (number, *sides)


def _ungrouped(reading: Reading, call: Call, value: Ref) -> tuple[int, Layout]:
    """Channels that were put in groups, one after the other again: shuffled, or not."""
    groups, turned = reading.groups[value.index]
    node, lies = reading.of(value)
    if call.shape[1] != reading.nodes[node].channels or len(call.shape) != _IMAGE:
        raise cannot(call, f"{call.op} to {call.shape}", _SHAPES)
    return reading.add(call, Shuffle(groups), value) if turned else (node, lies)


def _transpose(reading: Reading, call: Call) -> tuple[int, Layout]:
    """Groups and the channels in them, exchanged: half of a shuffle."""
    value = call.args["self"]
    sides = len(call.shape)
    dims = {call.args["dim0"] % sides, call.args["dim1"] % sides}
    node, layout = reading.of(value)
    if layout in {"row", "column"} and dims == {1, 2}:
        return node, "column" if layout == "row" else "row"
    if value.index not in reading.groups or dims != {1, 2}:
        raise cannot(call, f"transpose of {sorted(dims)}", _SHAPES)
    groups, turned = reading.groups[value.index]
    reading.groups[reading.index] = groups, not turned
    return reading.of(value)


#: Dimensions of a map: images, channels, rows, columns.
_IMAGE = 4
_TOKENS = (
    "positions as tokens are not recognised; a spec of your own can say `attention`"
)
_SHAPES = "maps of channels, rows and columns are known, and vectors"


#: How each kind of call is read that moves elements.
MOVED: dict[str, Read] = {
    "permute": _permute,
    "transpose": _transpose,
    "chunk": _parts(_chunks),
    "split": _parts(_split_size),
    "split_with_sizes": _parts(lambda call, _: list(call.args["split_sizes"])),
    "getitem": _part,
    "slice": _slice,
    "conv1d": _across,
    **dict.fromkeys(("expand", "expand_as"), _expand),
    **dict.fromkeys(("flatten", "view", "reshape", "squeeze", "unsqueeze"), _reshape),
}
