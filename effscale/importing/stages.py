"""Lines as a spec: blocks that repeat as stages, blocks of the file's own, a head."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from effscale.errors import TranslationError
from effscale.importing.blocks import named
from effscale.importing.lines import Item, common, lines
from effscale.importing.nodes import Node
from effscale.importing.own import KNOWN, OwnBlocks, Row, keeps
from effscale.importing.squeezes import as_steps
from effscale.importing.tree import Fork, nodes_of
from effscale.network.operators.attention import Attention, FirstToken
from effscale.network.operators.convolution import Conv, Linear
from effscale.network.operators.elementwise import Act, Dropout, Flatten
from effscale.network.operators.pooling import GlobalPool, Pool
from effscale.network.operators.resampling import PixelUnshuffle
from effscale.spec import resampling, steps
from effscale.spec.models import Rounding, Spec

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from effscale.importing.lines import Common
    from effscale.importing.tree import Chain
    from effscale.spec.line import Line
    from effscale.spec.norm import Norm


@dataclass(frozen=True)
class Said:
    """A spec, and the module's nodes in the order of the network that it builds."""

    spec: Spec
    nodes: tuple[Node, ...]


def said(
    chain: Chain,
    name: str,
    image: tuple[int, int, int],
    source: str,
) -> Said:
    """The tree as a spec, for an image of so many channels, rows and columns.

    Raises:
        TranslationError: if the language has no line for a part of it.
    """
    style = common(chain)
    channels, *resolution = image
    end = _pooled(chain)
    body, tail = chain[:end], chain[end:]
    rows = _stages(body, channels, style)
    head, head_nodes, rows = _head(tail, rows, style)
    own = OwnBlocks()
    items = own.used(rows)
    if len(items) < 2:  # noqa: PLR2004 - a stem and a stage
        message = f"expected a stem and a stage before the head, got {len(items)} lines"
        raise TranslationError(message.replace("1 lines", "1 line"))
    # where nothing repeats, the first line is the stem
    first = next((k for k, each in enumerate(items) if _is_stage(each)), 1)
    first = min(max(first, 1), len(items) - 1)
    stem, stages = items[:first], items[first:]
    nodes = tuple(node for item in items for node in item.nodes) + head_nodes
    spec = Spec.model_validate(
        {
            "name": name,
            "source": source,
            "resolution": resolution,
            "image_channels": channels,
            "activation": style.activation,
            "norm": style.norm,
            "squeeze_excite": style.squeeze,
            "padding": style.padding,
            "blocks": own.defined,
            "stem": tuple(item.line for item in stem),
            "stages": tuple(item.line for item in stages),
            "head": head,
            # Where convolutions make the classes, their width is no width to scale.
            "rounding": Rounding(
                head="scaled" if head["classifier"] else "fixed",
                channel_divisor=_divisor(style.norm),
                resolution_multiple=_multiple(chain, resolution),
            ),
        }
    )
    return Said(spec, nodes)


def _divisor(norm: Norm) -> int:
    """A multiple that widths are of, so that a norm's groups are whole."""
    least: int = Rounding().channel_divisor
    return math.lcm(least, int(norm.groups or norm.group_width or 1))


def _multiple(chain: Chain, resolution: Sequence[int]) -> int:
    """A multiple that sides of images are, so that what meets is of one size.

    Patches, and windows that nothing fills up, are whole then; pools beside layers
    leave no row out that these keep.
    """
    least: int = Rounding().resolution_multiple
    nodes = [*nodes_of(chain)]
    patched = any(isinstance(each.what, Attention | PixelUnshuffle) for each in nodes)
    beside = {
        id(each)
        for fork in chain
        if isinstance(fork, Fork)
        for each in nodes_of((fork,))
    }
    found = least
    for node, after in zip(nodes, [*nodes[1:], None], strict=True):
        cells = _cells(node, after, patched=patched, beside=id(node) in beside)
        for side, own, cell in zip(resolution, node.sides, cells, strict=False):
            found = math.lcm(found, side // own * cell)
    return found if all(side % found == 0 for side in resolution) else least


def _cells(
    node: Node, after: Node | None, *, patched: bool, beside: bool
) -> tuple[int, ...]:
    """A multiple of which the sides have to be of what a node puts out, if any."""
    match node.what:
        case Conv(padding="valid") as conv if conv.kernel == conv.stride > (1, 1):
            return (1, 1) if patched else ()
        case Pool(padding="valid") as pool if pool.kernel == pool.stride > (1, 1):
            return (1, 1) if beside else ()
        case PixelUnshuffle():
            return 1, 1
        case Attention(over="patch" | "grid", size=size):
            return size
        case Attention(over="window", size=size) if not _is(after, Conv):
            return size
        case _:
            return ()


def _pooled(chain: Chain) -> int:
    """Where the map is pooled as a whole, and the head begins."""
    for index, each in enumerate(chain):
        if _is(each, GlobalPool, FirstToken):
            return index
    for index, each in enumerate(chain):
        if (
            isinstance(each, Node)
            and each.call is not None
            and each.call.op == "linear"
            and len(each.call.shape) == _VECTOR
        ):
            return index
    raise TranslationError(
        "expected a classifier (a mean of all positions, linear layers), found none; "
        "another end cannot be said in a spec"
    )


#: Dimensions of what a classifier puts out: images, classes.
_VECTOR = 2


def _is_stage(item: Item) -> bool:
    plain = (
        steps.Conv,
        steps.Depthwise,
        resampling.Pool,
        steps.Normalise,
        steps.Activate,
    )
    return not isinstance(item.line, plain)


# The head.


def _head(
    tail: Chain, rows: list[Row], style: Common
) -> tuple[dict[str, Any], tuple[Node, ...], list[Row]]:
    """What is after the pooling; a 1×1 convolution before it is the head's own."""
    rates = [e.what.rate for e in tail if isinstance(e, Node) and _is(e, Dropout)]
    left = tuple(e for e in tail if not _is(e, Dropout, Flatten))
    head: dict[str, Any] = {"dropout": max(rates)} if rates else {}
    before: tuple[Node, ...] = ()
    if _few(left, style):
        nodes = _classifying(left[1:], head)
        last = rows[-1].items[-1] if rows and rows[-1].unit is None else None
        if last is not None and len(rows) > 2 and _is_head_conv(last.line):  # noqa: PLR2004
            head["channels"], before = last.c_out, last.nodes
            return head, (*before, *nodes), _without_last(rows)
        laid, rows = _normed(rows)
    else:
        *within, classifier = left
        nodes = _classifying((classifier,), head)
        if not head["classifier"]:
            within = [*left]
        convolved = tuple(map(_as_convolution, within))
        laid = lines(convolved, rows[-1].items[-1].c_out, style)
        if _is(left[0], FirstToken):
            normed, rows = _normed(rows)
            laid = [*normed, *laid]
    if laid:
        head["layers"] = tuple(item.line for item in laid)
        before = tuple(node for item in laid for node in item.nodes)
    return head, (*before, *nodes), rows


def _is(each: Node | Fork | None, *kinds: type[object]) -> bool:
    return isinstance(each, Node) and isinstance(each.what, kinds)


def _few(left: Chain, style: Common) -> bool:
    """Whether a head says it all without lines: linear layers, an act between."""
    match [each.what if isinstance(each, Node) else each for each in left]:
        case [GlobalPool(kind="avg", to=(1, 1))]:
            return True
        case [GlobalPool(kind="avg", to=(1, 1)), one]:
            return _full(one)
        case [GlobalPool(kind="avg", to=(1, 1)), one, Act(kind=kind), other]:
            return _full(one) and _full(other) and kind == style.activation
        case _:
            return False


def _full(what: object) -> bool:
    """Whether an operator is a matrix and a bias on a map that was pooled."""
    if isinstance(what, Conv):
        return what.kernel == (1, 1) and what.groups == 1 and what.bias
    return isinstance(what, Linear)


def _as_convolution(each: Node | Fork) -> Node | Fork:
    """A linear layer that is no classifier, as a convolution of one position."""
    if isinstance(each, Node) and isinstance(each.what, Linear):
        linear = each.what
        return replace(each, what=Conv(linear.c_in, linear.c_out, bias=True))
    return each


def _classifying(left: Chain, head: dict[str, Any]) -> tuple[Node, ...]:
    """Notes the classes and the hidden width; the nodes that are these."""
    full = tuple(e for e in left if isinstance(e, Node) and _full(e.what))
    head["classifier"] = bool(full)
    if full:
        head["classes"] = full[-1].channels
    if len(full) > 1:
        head["hidden"] = full[0].channels
    return full


def _normed(rows: list[Row]) -> tuple[list[Item], list[Row]]:
    """Norms and activations that end the trunk, which are the head's; and the rest."""
    laid: list[Item] = []
    while rows and rows[-1].unit is None:
        if not isinstance(rows[-1].items[-1].line, steps.Normalise | steps.Activate):
            break
        laid.insert(0, rows[-1].items[-1])
        rows = _without_last(rows)
    return laid, rows


def _without_last(rows: list[Row]) -> list[Row]:
    *others, last = rows
    items = last.items[:-1]
    return [*others, replace(last, items=items)] if items else others


def _is_head_conv(line: Line) -> bool:
    if not isinstance(line, steps.Conv) or not isinstance(line.channels, int):
        return False
    return line == steps.Conv(kernel=(1, 1), channels=line.channels)


# Rows: lines of the trunk, by the module that they are of.


def _stages(body: Chain, c_in: int, style: Common) -> list[Row]:
    """The trunk in rows, those that are known blocks as these."""
    rows: list[Row] = []
    for unit, part in _units(body):
        items = lines(part, c_in, style)
        if not items:
            continue
        if unit is None:
            items = named(items, style)
            rows += [Row((_as_line(e, style),)) for e in items]
        else:
            blocks = named(items, style)
            known = all(isinstance(item.line, KNOWN) for item in blocks)
            own = tuple(as_steps(item, style) for item in items)
            rows += [Row((e,)) for e in blocks] if known else [Row(own, unit)]
        c_in = items[-1].c_out
    return _recurring(rows)


def _as_line(item: Item, style: Common) -> Item:
    return item if isinstance(item.line, KNOWN) else as_steps(item, style)


def _recurring(rows: list[Row]) -> list[Row]:
    """Lines in a row that come again and again, without a module of their own."""
    found: list[Row] = []
    index = 0
    while index < len(rows):
        length = next((n for n in _LENGTHS if _again(rows, index, n)), 1)
        items = tuple(
            item for row in rows[index : index + length] for item in row.items
        )
        if length == 1:
            found.append(rows[index])
            index += 1
            continue
        key = [item.line for item in items]
        while [row.items[0].line for row in rows[index : index + length]] == key:
            part = rows[index : index + length]
            found.append(Row(tuple(row.items[0] for row in part), ("", "unit")))
            index += length
    return found


#: Lines that may recur together.
_LENGTHS = range(2, 9)


def _again(rows: list[Row], index: int, length: int) -> bool:
    """Whether so many lines are followed by the same, and keep size and channels."""
    part, after = (
        rows[index : index + length],
        rows[index + length : index + 2 * length],
    )
    if any(len(row.items) > 1 or isinstance(row.items[0].line, KNOWN) for row in part):
        return False
    if all(row.items[0].line == part[0].items[0].line for row in part):
        return False  # a line that recurs alone
    first, last = part[0].items[0], part[-1].items[0]
    kept = first.c_in == last.c_out and all(keeps(row.items[0].line) for row in part)
    return kept and [r.items[0].line for r in after] == [r.items[0].line for r in part]


def _units(chain: Chain) -> Iterator[tuple[tuple[str, str] | None, Chain]]:
    """Runs of the chain, those of one unit together."""
    inside = _unit_paths(chain)
    start = 0
    while start < len(chain):
        unit = inside[start]
        end = start + 1
        while end < len(chain) and inside[end] == unit:
            end += 1
        yield unit, chain[start:end]
        start = end


def _unit_paths(chain: Chain) -> list[tuple[str, str] | None]:
    """Of each element, the module that is its unit: the outermost that is no container.

    A container is but for single calls what units in it are.
    """
    of = [_places(each) for each in chain]
    spans: dict[str, list[int]] = defaultdict(list)
    kinds: dict[str, str] = {}
    for index, places in enumerate(of):
        for path, kind in places:
            if path:
                spans[path].append(index)
                kinds[path] = kind
    units = {
        path
        for path, indices in spans.items()
        if kinds[path] not in _CONTAINERS and _holds(chain, indices)
    }
    inner = {
        path
        for path in units
        if _contains(path, [chain[k] for k in spans[path]], units)
    }
    units -= inner
    found = [
        next(((path, kind) for path, kind in places if path in units), None)
        for places in of
    ]
    for index in range(1, len(chain)):
        if found[index] is None and _ends_sum(chain, index):
            found[index] = found[index - 1]
    return found


_CONTAINERS = {"Sequential", "ModuleList", "ModuleDict"}


def _holds(chain: Chain, indices: Sequence[int]) -> bool:
    """Whether these are several convolutions in a row, or branches."""
    if indices != [*range(indices[0], indices[-1] + 1)]:
        return False
    convs = sum(
        isinstance(e, Node) and isinstance(e.what, Conv)
        for e in map(chain.__getitem__, indices)
    )
    forks = [
        e
        for e in map(chain.__getitem__, indices)
        if isinstance(e, Fork) and e.merge != "product"
    ]
    return convs > 1 or bool(forks)


def _ends_sum(chain: Chain, index: int) -> bool:
    """Whether it is the activation of the sum before it, whoever calls it."""
    before = chain[index - 1]
    summed = isinstance(before, Fork) and before.merge == "sum"
    return summed and _is(chain[index], Act)


def _contains(path: str, within: Sequence[Node | Fork], units: Collection[str]) -> bool:
    """Whether a module does nothing but what units in it do.

    Where there are several units, a single operator besides is a line of its own.
    """
    inner = sum(other.startswith(f"{path}.") for other in units)
    own = [each for each in within if _places(each)[-1][0] == path]
    plain = not any(isinstance(each, Fork) for each in own)
    return bool(inner) and (not own or (plain and inner > 1))


def _places(each: Node | Fork) -> tuple[tuple[str, str], ...]:
    """The modules that all of an element is in."""
    if isinstance(each, Node):
        return each.places
    return each.node.places
