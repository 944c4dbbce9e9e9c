"""Products of maps with each other as attention: queries, keys and values of heads.

Scores are kept in mind until they meet values; what there is then is one operator, and
the convolution before it has its channels in the order that ours are in, head by head.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from effscale.importing.nodes import (
    CONSTANT,
    Learnt,
    Node,
    Scores,
    cannot,
)
from effscale.importing.trace import Weight
from effscale.importing.views import POSITIONS, Axis, View, covers, joined, length
from effscale.module.weights import Woven
from effscale.network.operators.attention import Attention
from effscale.network.operators.convolution import Conv
from effscale.network.operators.norm import BatchNorm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.importing.nodes import Given, Merge, Read, Value
    from effscale.importing.operators import Reading
    from effscale.importing.trace import Call
    from effscale.importing.views import Dim
    from effscale.spec.values import Lying, Over

#: What the axes of keys are called in scores, which have those of queries as well.
_KEY = "key "
#: How far a factor may be from the one that is known, of it.
_NEAR = 1e-6


# Scores.


def _matmul(reading: Reading, call: Call) -> Value:
    """Queries by keys; or values by the shares that scores give them."""
    one, other = (reading.value(each) for each in call.args.values())
    match one, other:
        case View(), View():
            return _scores(call, one, other)
        case Scores(), View():
            batch, (rows, over) = one.view.dims[:-2], one.view.dims[-2:]
            dims = *batch, rows, other.dims[-1]
            return _attended(reading, call, one, other, over, other.dims[-2], dims)
        case View(), Scores():
            batch, (over, columns) = other.view.dims[:-2], other.view.dims[-2:]
            dims = *batch, one.dims[-2], columns
            return _attended(reading, call, other, one, over, one.dims[-1], dims)
        case _:
            raise cannot(call, f"{call.op} by what is no map", _KNOWN)


def _scores(call: Call, queries: View, keys: View) -> Scores:
    """How like queries are to keys, of which the last two dimensions are multiplied."""
    alike = queries.dims[:-2] == keys.dims[:-2] and queries.dims[-1] == keys.dims[-2]
    if not alike or not queries.dims[-1] or queries.rolled != keys.rolled:
        raise cannot(call, f"{call.op} of maps", _KNOWN)
    of_keys = tuple(replace(axis, of=_KEY + axis.of) for axis in keys.dims[-1])
    dims = *queries.dims[:-1], of_keys
    return Scores(queries, keys, View(-1, dims), queries.times * keys.times)


def biased(reading: Reading, call: Call, merge: Merge) -> Scores:
    """Scores times a number, or plus what is learnt or known of how two lie.

    Raises:
        TranslationError: if it is anything else.
    """
    both = [reading.value(each) for each in (call.args["self"], call.args["other"])]
    (scores, other), *_ = [
        (a, b) for a, b in (both, both[::-1]) if isinstance(a, Scores)
    ]
    if scores.shares:
        raise cannot(call, f"the {merge} of shares", "scores before a softmax may be")
    if merge == "product":
        if isinstance(other, int | float):
            return replace(scores, times=scores.times * other)
        if isinstance(other, Learnt) and other.plain and scores.scale is None:
            return replace(scores, scale=other.plain)
        raise cannot(call, "scores times what is no number", "one a head is known")
    if isinstance(other, Learnt) and other.picked and scores.table is None:
        return replace(scores, table=other)
    if other is CONSTANT or (isinstance(other, Learnt) and not other.picked):
        if any(scores.queries.rolled):
            return replace(scores, masked=True)
        raise cannot(call, "a mask of scores", "that of windows moved by half is known")
    raise cannot(call, "scores and another tensor, summed", _TABLES)


def _index(reading: Reading, call: Call) -> Learnt:
    """Rows of a table, picked by how two positions lie."""
    table = reading.value(call.args["self"])
    indices = call.args["indices"]
    if not isinstance(table, Learnt) or len(table.weight.shape) != len("hi"):
        raise cannot(
            call, "elements of a map, picked one by one", "a map is read whole"
        )
    fixed = all(
        each is None
        or isinstance(each, Weight)
        or (isinstance(each, Learnt) and not each.picked)
        or reading.value(each) is CONSTANT
        for each in indices
    )
    if not fixed or table.picked:
        raise cannot(call, "rows that are picked by what goes in", _TABLES)
    return replace(
        table, view=View(-1, tuple(_row(n) for n in call.shape)), picked=True
    )


def _row(size: int) -> Dim:
    return joined([Axis("0", size)])


def _softmax(reading: Reading, call: Call) -> Scores:
    scores = reading.value(call.args["self"])
    if not isinstance(scores, Scores) or scores.shares:
        raise cannot(call, "a softmax of a map", "one of scores is known")
    dim = call.args["dim"] % len(scores.view.dims)
    if not all(axis.of.startswith(_KEY) for axis in scores.view.dims[dim]):
        raise cannot(
            call, f"a softmax along {call.args['dim']}", "one of keys is known"
        )
    return replace(scores, shares=True)


def _whole(reading: Reading, call: Call) -> Value:
    """Attention in one call."""
    args = call.args
    queries, keys, values = (reading.view(args[k]) for k in ("query", "key", "value"))
    turned = [*range(len(keys.dims))]
    turned[-2:] = turned[-1], turned[-2]
    scores = _scores(call, queries, keys.permuted(turned))
    if args["is_causal"]:
        raise cannot(call, "attention to what was before", "that of all is known")
    given = args.get("scale")
    width = length(queries.dims[-1])
    scores = replace(scores, times=scores.times * (given or width**-0.5), shares=True)
    if args["attn_mask"] is not None:
        table = reading.value(args["attn_mask"])
        if not isinstance(table, Learnt) or not table.picked:
            raise cannot(call, "a mask of scores", _TABLES)
        scores = replace(scores, table=table)
    *_, over, _ = values.dims
    dims = *queries.dims[:-1], values.dims[-1]
    of_keys = scores.view.dims[-1]
    return _attended(reading, call, scores, values, of_keys, over, dims)


# The operator.


@dataclass(frozen=True)
class _Part:
    """Queries, keys or values: how wide a head's are, and where heads begin."""

    node: int
    start: int
    width: int
    step: int

    @classmethod
    def of(cls, call: Call, view: View, width: Dim, heads: Axis | None) -> _Part:
        if any(axis.of != "channel" for axis in width) or not covers(
            width, length(width)
        ):
            raise cannot(call, "products of what are no channels", _KNOWN)
        return cls(view.node, view.starts[1], length(width), heads.step if heads else 0)


def _attended(  # noqa: PLR0913, PLR0917 - scores, values, and how both lie
    reading: Reading,
    call: Call,
    scores: Scores,
    values: View,
    over: Dim,
    along: Dim,
    dims: tuple[Dim, ...],
) -> View:
    """Values by their shares, whose dimensions are these."""
    of_keys = tuple(replace(axis, of=_KEY + axis.of) for axis in along)
    queries, keys = scores.queries, scores.keys
    if over != of_keys or not scores.shares or queries.rolled != values.rolled:
        raise cannot(call, "scores by what they are not of", _KNOWN)
    batch = queries.dims[:-2]
    heads = [axis for dim in batch for axis in dim if axis.of == "channel"]
    groups = [axis for dim in batch for axis in dim if axis.of in POSITIONS]
    if len(heads) > 1 or values.dims[: len(batch)] != _same_heads(batch, values):
        raise cannot(call, "heads of other channels", _KNOWN)
    head = heads[0] if heads else None
    width = [axis for axis in values.axes if axis not in along and axis not in groups]
    width = [axis for axis in width if axis.of == "channel"]
    own = _heads_of(values, batch)
    width = [axis for axis in width if axis != own]
    parts = (
        _Part.of(call, queries, queries.dims[-1], head),
        _Part.of(call, keys, keys.dims[-2], head),
        _Part.of(call, values, tuple(width), own),
    )
    _of_softmax(call, scores, parts[0].width)
    number = head.size if head else 1
    where = _over(call, queries, groups)
    lying = _lying(call, scores.table, number, queries.dims[-2])
    if any(queries.rolled) and not scores.masked:
        raise cannot(
            call, "windows that are moved, all as neighbours", "masked, they are"
        )
    attend = Attention(
        number,
        parts[0].width,
        parts[2].width,
        over=where[0],
        size=where[1],
        shift=scores.masked,
        position=lying,
    )
    node = _source(reading, call, attend, parts)
    laid_out = _out(dims, number, parts[2].width, head, tuple(width))
    found = View(node, laid_out, rolled=queries.rolled)
    weights: Given = {} if lying == "none" else {"table": _table(scores.table, number)}
    return reading.add(call, attend, found, weights=weights)


def _same_heads(batch: Sequence[Dim], values: View) -> tuple[Dim, ...]:
    """What the values' first dimensions are, if they have as many heads as keys."""
    return tuple(
        mine
        if [(a.of, a.size) for a in mine] == [(a.of, a.size) for a in theirs]
        else theirs
        for mine, theirs in zip(values.dims, batch, strict=False)
    )


def _heads_of(values: View, batch: Sequence[Dim]) -> Axis | None:
    """The heads of values, whose channels may be others than those of keys."""
    found = [
        axis
        for dim in values.dims[: len(batch)]
        for axis in dim
        if axis.of == "channel"
    ]
    return found[0] if found else None


def _of_softmax(call: Call, scores: Scores, width: int) -> None:
    expected = width**-0.5
    if scores.scale is not None or scores.queries.normal or scores.keys.normal:
        raise cannot(
            call, "scores by a learnt scale", "by 1 over the root of a head's channels"
        )
    if abs(scores.times / expected - 1) > _NEAR:
        found = f"scores times {scores.times:.6g}"
        raise cannot(
            call, found, f"{expected:.6g}, 1 over the root of {width} channels"
        )


def _over(
    call: Call, queries: View, groups: Sequence[Axis]
) -> tuple[Over | None, tuple[int, int]]:
    """Which positions see each other, by the axes of groups and of those in each."""
    if not groups:
        return None, (1, 1)
    seen = queries.dims[-2]
    within = [[axis for axis in seen if axis.of == of] for of in POSITIONS]
    apart = [[axis for axis in groups if axis.of == of] for of in POSITIONS]
    if any(len(each) != 1 for each in (*within, *apart)):
        raise cannot(call, "attention of some positions", _GROUPS)
    (rows, columns), (down, across) = ([e[0] for e in each] for each in (within, apart))
    if rows.step == columns.step == 1:
        return "window", (rows.size, columns.size)
    if (down.step, across.step, rows.step, columns.step) != (
        1,
        1,
        down.size,
        across.size,
    ):
        raise cannot(call, "attention of some positions", _GROUPS)
    if down.size <= rows.size:
        return "patch", (down.size, across.size)
    return "grid", (rows.size, columns.size)


def _lying(call: Call, table: Learnt | None, heads: int, seen: Dim) -> Lying:
    """What a table has a number for: each offset, or each distance along both sides."""
    if table is None:
        return "none"
    rows, columns = (
        math.prod(axis.size for axis in seen if axis.of == of) for of in POSITIONS
    )
    many = math.prod(table.weight.shape)
    if many == heads * (2 * rows - 1) * (2 * columns - 1):
        return "relative"
    if many == heads * rows * columns:
        return "offset"
    size = "×".join(map(str, table.weight.shape))
    raise cannot(call, f"scores plus {size} numbers, picked", _TABLES)


def _table(table: Learnt | None, heads: int) -> Woven | Weight | None:
    """Numbers by head, whichever the table has first."""
    if table is None or table.weight.shape[0] == heads:
        return None if table is None else table.weight
    return Woven((table.weight.name,), table.weight.shape, (1, 0))


def _out(
    dims: tuple[Dim, ...], heads: int, width: int, head: Axis | None, own: Dim
) -> tuple[Dim, ...]:
    """Dimensions whose channels are those that come out, head by head."""

    def turned(axis: Axis) -> Axis:
        if axis.of != "channel":
            return axis
        return Axis("channel", heads, width) if axis == head else axis

    found = []
    for dim in dims:
        axes = [Axis("channel", width)] if dim == own else [turned(a) for a in dim]
        found.append(joined(axes))
    return tuple(found)


def gridded(reading: Reading) -> None:
    """Say grids of one size as grids, where patches of them are of several sizes."""
    found = {
        index: (node.what, _cells(node.what, reading.maps[index]))
        for index, node in enumerate(reading.nodes)
        if isinstance(node.what, Attention) and node.what.over in {"grid", "patch"}
    }
    windows = {
        node.what.size
        for node in reading.nodes
        if isinstance(node.what, Attention) and node.what.over == "window"
    }
    cells, patches = ({e[1][k] for e in found.values()} for k in (0, 1))
    grids = len(cells) == 1 and (len(patches) > 1 or cells == windows)
    for index, (what, (number, size)) in found.items():
        own = replace(
            what, over="grid" if grids else "patch", size=number if grids else size
        )
        reading.nodes[index] = replace(reading.nodes[index], what=own)


def _cells(attend: Attention, of: View) -> tuple[tuple[int, int], tuple[int, int]]:
    """How many cells a map has, and how large each is."""
    rows, columns = of.size("row"), of.size("column")
    number = rows // attend.size[0], columns // attend.size[1]
    return (attend.size, number) if attend.over == "grid" else (number, attend.size)


# Where queries, keys and values are from.


def _widths(attend: Attention) -> tuple[int, int, int]:
    """How many heads there are, and how wide a key and a value of each is."""
    return int(attend.heads), int(attend.key_width), int(attend.value_width)


def _source(
    reading: Reading, call: Call, attend: Attention, parts: Sequence[_Part]
) -> int:
    """The node that has queries, keys and values head by head."""
    heads, key, value = _widths(attend)
    nodes = {part.node for part in parts}
    if len(nodes) > 1:
        return _of_several(reading, call, attend, parts)
    (node,) = nodes
    whole = heads * (2 * key + value) == reading.nodes[node].channels
    starts = [part.start for part in parts]
    steps = {part.step for part in parts if part.step}
    if whole and starts == [0, key, 2 * key] and steps <= {2 * key + value}:
        return node
    one_by_one = key == value and starts == [k * heads * key for k in range(3)]
    if not (whole and one_by_one and steps <= {key}):
        raise cannot(call, "queries, keys and values in another order", _ORDERS)
    _reorder(reading, call, node, heads)
    return node


def _reorder(reading: Reading, call: Call, node: int, heads: int) -> None:
    """Have a convolution put out queries, keys and values head by head."""
    while True:
        found = reading.nodes[node]
        reading.nodes[node] = replace(
            found,
            weights={
                k: _by_head(call, each, heads) for k, each in found.weights.items()
            },
        )
        if isinstance(found.what, Conv):
            return
        if not isinstance(found.what, BatchNorm):
            raise cannot(call, "queries, keys and values in another order", _ORDERS)
        (node,) = found.reads


def _by_head(call: Call, weight: str | Woven, heads: int) -> Woven:
    if isinstance(weight, Woven):
        raise cannot(
            call, "queries, keys and values of channels in another order", _ORDERS
        )
    return Woven((weight,), (3, heads, -1), (1, 0, 2))


def _of_several(
    reading: Reading, call: Call, attend: Attention, parts: Sequence[_Part]
) -> int:
    """One convolution in place of those that make queries, keys, values of one map."""
    heads, key, value = _widths(attend)
    order = dict.fromkeys(part.node for part in parts)
    nodes = [reading.nodes[node] for node in order]
    reads = {node.reads for node in nodes}
    convs = [node.what for node in nodes]
    one = all(isinstance(each, Conv) and each.kernel == (1, 1) for each in convs)
    if len(reads) > 1 or not one or key != value:
        raise cannot(call, "queries, keys and values of several maps", _ORDERS)
    begin, found = 0, []
    for node in order:
        found += [begin + part.start for part in parts if part.node == node]
        begin += reading.nodes[node].channels
    steps = {part.step for part in parts if part.step}
    if found != [k * heads * key for k in range(3)] or not steps <= {key}:
        raise cannot(call, "queries, keys and values in another order", _ORDERS)
    names = [*nodes[0].weights]
    if any([*node.weights] != names for node in nodes):
        raise cannot(
            call, "queries, keys and values, of which some have biases", _ORDERS
        )
    weights = {
        name: Woven(
            tuple(_plain(call, node.weights[name]) for node in nodes),
            (3, heads, -1),
            (1, 0, 2),
        )
        for name in names
    }
    c_in = convs[0].c_in
    what = Conv(c_in, 3 * heads * key, bias="bias" in names)
    shape = reading.maps[next(iter(order))]
    merged = Node(what, nodes[0].reads, begin, weights, nodes[0].call)
    return reading.node(merged, shape).node


def _plain(call: Call, weight: str | Woven) -> str:
    if isinstance(weight, str):
        return weight
    raise cannot(call, "queries, keys and values of channels in another order", _ORDERS)


_KNOWN = "the softmax of queries by keys, by values, is known"
_TABLES = "what is learnt by how two positions lie is known"
_GROUPS = "windows, grids and patches are known"
_ORDERS = "queries, keys and values of one map, all or head by head, are known"

#: How each kind of call is read that multiplies maps.
ATTENDED: dict[str, Read] = {
    **dict.fromkeys(("matmul", "bmm"), _matmul),
    "softmax": _softmax,
    "scaled_dot_product_attention": _whole,
    "index": _index,
}
