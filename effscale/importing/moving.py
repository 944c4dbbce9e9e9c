"""Calls that part a map, put its elements in another order, or lay them out anew.

They leave nothing behind but a view of the same node, until an operator reads it.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any

from effscale.importing.nodes import Learnt, Scores, Times, cannot, first_of
from effscale.importing.trace import Weight
from effscale.importing.views import MAP, POSITIONS, Axis, View, covers, joined, ordered
from effscale.network.operators.attention import FirstToken
from effscale.network.operators.channels import Shuffle, Slice
from effscale.network.operators.convolution import ChannelConv
from effscale.network.operators.resampling import PixelUnshuffle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from effscale.importing.nodes import Read, Value
    from effscale.importing.operators import Reading
    from effscale.importing.trace import Call
    from effscale.network.operators.operator import Operator


def settled(reading: Reading, call: Call, view: View) -> View:
    """The view of a node that puts out what it holds: a part, or a multiple.

    Raises:
        TranslationError: if no operator says it.
    """
    if view.normal:
        raise cannot(call, "vectors of length 1", "in attention they are known")
    found = _picked(reading, call, view)
    if found.times == 1:
        return found
    return _once(reading, call, Times(found.times), found)


def _picked(reading: Reading, call: Call, view: View) -> View:
    """Channels in a row, or the first position, as what a node puts out."""
    whole = reading.maps[view.node]
    sizes = {of: whole.size(of) for of in MAP[1:]}
    held = {of: view.size(of) for of in MAP[1:]}
    if held == sizes and not any(view.starts):
        return view
    axes, start = view.along("channel"), view.starts[1]
    positions = {of: sizes[of] for of in POSITIONS}
    if {of: held[of] for of in POSITIONS} == positions and not any(view.starts[2:]):
        if not covers(axes, held["channel"]):
            raise cannot(call, "channels here and there", "those in a row are known")
        part = Slice(sizes["channel"], start, held["channel"])
        return _once(reading, call, part, view)
    if (
        not view.along(*POSITIONS)
        and not any(view.starts)
        and held["channel"] == sizes["channel"]
    ):
        return _once(reading, call, FirstToken(), view)
    raise cannot(call, "a part of a map's positions", "all of them, or the first")


def _once(reading: Reading, call: Call, what: Operator, view: View) -> View:
    """What an operator makes of a node, made once whoever reads it."""
    key = view.node, what
    of = replace(view, starts=(0,) * len(MAP), times=1.0)
    if key not in reading.settled:
        reading.settled[key] = reading.add(call, what, view, like=of).node
    return replace(of, node=reading.settled[key])


def _view(reading: Reading, value: Any) -> Any:  # noqa: ANN401
    """A map, a parameter or scores as they lie in a tensor, and that alone."""
    found = reading.value(value)
    return found if isinstance(found, Scores | Learnt) else reading.view(value)


def _laid(found: Any, change: Callable[[View], View | None]) -> Any:  # noqa: ANN401
    """The same as a change leaves it lying; none where it cannot."""
    if isinstance(found, View):
        return change(found)
    view = change(found.view)
    return None if view is None else replace(found, view=view)


# Parts.


def _parts(sizes: Callable[[Call, int], list[int]]) -> Read:
    """A map in parts of one dimension, which are read one by one."""

    def read(reading: Reading, call: Call) -> Value:
        view, dim = reading.view(call.args["self"]), call.args["dim"]
        dim %= len(view.dims)
        starts = 0
        found = []
        for size in sizes(call, view.shape[dim]):
            found.append(_narrowed(call, view, dim, starts, size))
            starts += size
        return found

    return read


def _split_size(call: Call, channels: int) -> list[int]:
    return _of_size(channels, call.args["split_size"])


def _chunks(call: Call, channels: int) -> list[int]:
    return _of_size(channels, -(-channels // call.args["chunks"]))


def _of_size(channels: int, size: int) -> list[int]:
    whole, rest = divmod(channels, size)
    return [size] * whole + [rest] * bool(rest)


def _narrowed(  # noqa: PLR0913, PLR0917 - those of `View.narrowed`
    call: Call, view: View, dim: int, start: int, size: int, step: int = 1
) -> View:
    found = view.narrowed(dim, start, size, step)
    if found is None:
        raise cannot(call, f"{call.op} along {dim}", "along channels is known")
    return found


def _unbind(reading: Reading, call: Call) -> Value:
    view, dim = reading.view(call.args["self"]), call.args["dim"]
    dim %= len(view.dims)
    parts = range(view.shape[dim])
    return [_narrowed(call, view, dim, k, 1).without(dim) for k in parts]


def _part(reading: Reading, call: Call) -> Value:
    """One part of a map that was parted."""
    parted, index = reading.value(call.args["0"]), call.args["1"]
    if not isinstance(parted, list):
        raise cannot(call, "one of several tensors", "parts of channels are known")
    return parted[index]


def _select(reading: Reading, call: Call) -> Value:
    view, dim, index = (call.args[name] for name in ("self", "dim", "index"))
    view = reading.view(view)
    dim %= len(view.dims)
    return _narrowed(call, view, dim, index % view.shape[dim], 1).without(dim)


def _slice(reading: Reading, call: Call) -> Value:
    """Elements of a dimension that follow each other, or all."""
    found = _view(reading, call.args["self"])
    if (
        call.shape == found.view.shape
        if not isinstance(found, View)
        else call.shape == found.shape
    ):
        return found
    view, dim, step = reading.view(found), call.args["dim"], call.args["step"]
    dim %= len(view.dims)
    start = call.args["start"] or 0
    start += view.shape[dim] * (start < 0)
    return _narrowed(call, view, dim, start, call.shape[dim], step)


def _expand(reading: Reading, call: Call) -> Value:
    """One position for all, as products and sums take it anyway."""
    found = _view(reading, call.args["self"])
    shape = reading.shape(call.args["self"])
    wider = [
        k for k, (a, b) in enumerate(zip(shape, call.shape, strict=False)) if a != b
    ]
    view = found if isinstance(found, View) else None
    if len(shape) == len(call.shape) and (
        not wider or (view is not None and all(not view.dims[k] for k in wider))
    ):
        return found
    raise cannot(call, f"{shape} expanded to {call.shape}", "one position for all")


def _across(reading: Reading, call: Call) -> View:
    """A convolution of the channels' means, as channel attention has it."""
    weight = call.args["weight"]
    value = reading.of(call.args["input"])
    known = isinstance(weight, Weight) and weight.shape[:2] == (1, 1)
    size = weight.shape[-1] if known else 0
    plain = call.args["bias"] is None and call.args["stride"] == [1]
    fits = known and size % 2 and call.args["padding"] == [size // 2]
    if not (plain and fits) or value.dims[1:] != ((), value.along("channel")):
        raise cannot(
            call, "conv1d", "one of the channels' means is known, without bias"
        )
    return reading.add(
        call, ChannelConv(call.shape[-1], size), value, weights={"weight": weight}
    )


# What moves elements.


def _permute(reading: Reading, call: Call) -> Value:
    dims = [each % len(call.shape) for each in call.args["dims"]]
    found = _view(reading, call.args["self"])
    return _laid(found, lambda view: view.permuted(dims))


def _transpose(reading: Reading, call: Call) -> Value:
    sides = len(call.shape)
    one, other = call.args["dim0"] % sides, call.args["dim1"] % sides
    order = [*range(sides)]
    order[one], order[other] = other, one
    found = _view(reading, call.args["self"])
    return _laid(found, lambda view: view.permuted(order))


def _reshape(reading: Reading, call: Call) -> Value:
    """The same elements in another shape, in their order."""
    found = _view(reading, first_of(call))
    after = _laid(found, lambda view: view.reshaped(call.shape))
    if after is None:
        before = reading.shape(first_of(call))
        raise cannot(call, f"{call.op} of {before} to {call.shape}", _SHAPES)
    if not isinstance(found, View) or found.shape == after.shape:
        return after
    if (factor := _folded(after)) > 1:
        return _unshuffled(reading, call, after, factor)
    return _shuffled(reading, call, found, after)


def _shuffled(reading: Reading, call: Call, before: View, after: View) -> View:
    """Channels that were put in groups, and are one after the other again, shuffled."""
    axes = after.along("channel")
    apart = all(len(_channels(dim)) < len(axes) for dim in before.dims)
    if len(axes) != 2 or axes == ordered(axes) or not apart or axes not in after.dims:  # noqa: PLR2004 - groups, and those in each
        return after
    if not covers(axes, reading.maps[after.node].size("channel")):
        return after
    shuffle = Shuffle(axes[1].size)
    dims = tuple(_standard(dim) if dim == axes else dim for dim in after.dims)
    return reading.add(
        call, shuffle, settled(reading, call, before), like=replace(after, dims=dims)
    )


def _channels(dim: Sequence[Axis]) -> list[Axis]:
    return [axis for axis in dim if axis.of == "channel"]


def _standard(dim: Sequence[Axis]) -> tuple[Axis, ...]:
    return (Axis("channel", prod(axis.size for axis in dim)),)


def _folded(view: View) -> int:
    """By how much neighbours of both sides lie among the channels; 1 if they do not."""
    for dim in view.dims:
        near = {axis.of: axis.size for axis in dim if axis.of in POSITIONS}
        if _channels(dim) and len(near) == len(POSITIONS) == len(dim) - len(
            _channels(dim)
        ):
            factor = near["row"]
            fits = near["column"] == factor and all(
                axis.step == 1 for axis in dim if axis.of in POSITIONS
            )
            rest = [a for other in view.dims if other != dim for a in other]
            if fits and all(a.step % factor == 0 for a in rest if a.of in POSITIONS):
                return factor
    return 1


def _unshuffled(reading: Reading, call: Call, view: View, factor: int) -> View:
    """Neighbours among the channels: as `PixelUnshuffle` has them, in this order."""

    def moved(axis: Axis) -> Axis:
        match axis.of:
            case "channel":
                return Axis("channel", axis.size, axis.step * factor**2)
            case "row" | "column" if axis.step == 1:
                return Axis("channel", axis.size, factor if axis.of == "row" else 1)
            case "row" | "column":
                return Axis(axis.of, axis.size, axis.step // factor)
            case _:
                return axis

    dims = tuple(joined([moved(axis) for axis in dim]) for dim in view.dims)
    return reading.add(
        call, PixelUnshuffle(factor), view, like=replace(view, dims=dims)
    )


def unshuffled(
    reading: Reading, call: Call, maps: Sequence[Any], dim: int
) -> View | None:
    """Every other row and column of one map, one after the other, if that they are."""
    views = [reading.value(each) for each in maps]
    if not all(isinstance(each, View) for each in views):
        return None
    first = views[0]
    steps = {axis.step for axis in first.along(*POSITIONS)}
    if len(steps) != 1 or {each.node for each in views} != {first.node}:
        return None
    (factor,) = steps
    at = [each.starts[2:] for each in views]
    by_row = [(r, c) for r in range(factor) for c in range(factor)]
    near = [Axis("row", factor), Axis("column", factor)]
    if factor == 1 or at not in (by_row, [(c, r) for r, c in by_row]):
        return None
    if at != by_row:
        near.reverse()
    dims = list(first.dims)
    dims[dim] = (*near, *dims[dim])
    whole = View(first.node, tuple(dims))
    return _unshuffled(reading, call, whole, factor)


def _roll(reading: Reading, call: Call) -> Value:
    """Rows and columns moved around the end."""
    view = reading.view(call.args["self"])
    rolled = [*view.rolled]
    for shift, dim in zip(call.args["shifts"], call.args["dims"], strict=True):
        axes = view.dims[dim]
        if axes not in (view.along("row"), view.along("column")) or not axes:
            raise cannot(call, f"a roll along {dim}", "of rows and columns is known")
        rolled[POSITIONS.index(axes[0].of)] += shift
    return replace(view, rolled=(rolled[0], rolled[1]))


_SHAPES = "channels, rows and columns in another order, or parts of them, are known"


#: How each kind of call is read that moves elements.
MOVED: dict[str, Read] = {
    "permute": _permute,
    **dict.fromkeys(("transpose", "swapaxes"), _transpose),
    "chunk": _parts(_chunks),
    "split": _parts(_split_size),
    "split_with_sizes": _parts(lambda call, _: list(call.args["split_sizes"])),
    "getitem": _part,
    "unbind": _unbind,
    "select": _select,
    "slice": _slice,
    "conv1d": _across,
    "roll": _roll,
    **dict.fromkeys(("expand", "expand_as"), _expand),
    **dict.fromkeys(
        (
            *("flatten", "view", "reshape", "squeeze", "unsqueeze"),
            *("unflatten", "reshape_as", "view_as"),
        ),
        _reshape,
    ),
}
