"""Lines as a spec: blocks that repeat as stages, blocks of the file's own, a head."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Any

from effscale.errors import TranslationError
from effscale.importing.blocks import named
from effscale.importing.lines import Item, common, lines
from effscale.importing.nodes import Enlarge, Node, cannot
from effscale.importing.own import KNOWN, OwnBlocks, Row, keeps
from effscale.importing.squeezes import as_steps
from effscale.importing.tree import IMAGE, End, Fork, ended, is_of, nodes_of
from effscale.network.operators.attention import Attention, FirstToken
from effscale.network.operators.convolution import Conv, Linear, TransposedConv
from effscale.network.operators.elementwise import Act, Dropout, Flatten
from effscale.network.operators.pooling import GlobalPool, Pool
from effscale.network.operators.resampling import PixelShuffle, PixelUnshuffle
from effscale.spec import resampling, steps
from effscale.spec.lines import Bottleneck
from effscale.spec.models import Rounding, Spec
from effscale.spec.outputs import Segment

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from effscale.importing.lines import Common
    from effscale.importing.tree import Chain, Strand
    from effscale.spec.line import Line
    from effscale.spec.norm import Norm


@dataclass(frozen=True)
class Said:
    """A spec, and the module's nodes in the order of the network that it builds."""

    spec: Spec
    nodes: tuple[Node, ...]


def said(
    strands: Sequence[Strand],
    name: str,
    image: tuple[int, int, int],
    source: str,
) -> Said:
    """The strands as a spec, for an image of so many channels, rows and columns.

    Raises:
        TranslationError: if the language has no line for a part of it.
    """
    channels, *resolution = image
    chain = tuple(each for strand in strands for each in strand.chain)
    style = common(chain)
    end = ended(strands, (resolution[0], resolution[1]))
    rows, ends = _rows(end.strands, channels, style)
    if end.tail:
        head, head_nodes, rows[-1] = _head(end.tail, rows[-1], ends[-1], style)
    else:
        head, head_nodes = {}, end.nodes
    own = OwnBlocks()
    items = own.used(rows)
    stem, stages, called = _wired(end, items, resolution)
    nodes = tuple(n for items_ in items for item in items_ for n in item.nodes)
    # Where convolutions make the classes, their width is no width to scale.
    linear = head.get("classifier", True)
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
            "stem": stem,
            "stages": stages,
            **({"head": head} if end.tail else {"outputs": _outputs(end, called)}),
            "rounding": Rounding(
                head="scaled" if linear else "fixed",
                channel_divisor=_divisor(style.norm, chain),
                resolution_multiple=_multiple(chain, resolution),
            ),
        }
    )
    return Said(spec, nodes + head_nodes)


def _rows(
    strands: Sequence[Strand], channels: int, style: Common
) -> tuple[list[list[Row]], list[int]]:
    """The rows of each strand, and the channels that it puts out."""
    rows: list[list[Row]] = []
    ends: list[int] = []
    for strand in strands:
        widths = [channels if k == IMAGE else ends[k] for k in strand.reads]
        if strand.merge in {"sum", "product"} and len({*widths}) > 1:
            several = " and ".join(map(str, widths))
            what = f"the {strand.merge} of maps of {several} channels, made apart"
            raise cannot(strand.end.call, what, "of as many channels is known")
        c_in = sum(widths) if strand.merge == "concat" else widths[0]
        made = _stages(strand.chain, c_in, style, alone=len(strands) == 1)
        rows.append(made)
        ends.append(made[-1].c_out if made else c_in)
    return rows, ends


# How strands read each other.


def _wired(
    end: End, items: Sequence[Sequence[Item]], resolution: Sequence[int]
) -> tuple[tuple[Line, ...], tuple[Line, ...], dict[int, str]]:
    """Stem and stages, whose lines read strands' ends, and what those are called."""
    strands = end.strands
    first = _stem(items[0], alone=len(strands) == 1)
    liked = {
        number: _like(strands, number, resolution)
        for number, each in enumerate(strands)
        if isinstance(each.end.what, Enlarge) and each.end.what.by_size
    }
    called = _names(strands, _named_apart(end, liked.values()))
    if first == len(items[0]):
        called[0] = "stem"
    rows = [[item.line for item in each] for each in items]
    stem, rows[0] = tuple(rows[0][:first]), rows[0][first:]
    stages: list[Line] = []
    for number, (strand, row) in enumerate(zip(strands, rows, strict=True)):
        made = row if len(strands) == 1 else [_stated(line) for line in row]
        if number:
            made = _reading(strand, number, made, called)
        if number in liked:
            made = [_sized(strand, liked[number], called, *made)]
        if made and number in called:
            made[-1] = made[-1].model_copy(update={"name": called[number]})
        stages += made
    return stem, tuple(stages), called


def _named_apart(end: End, liked: Iterable[int | None]) -> set[int]:
    """The strands that lines, or what is behind them, have to name."""
    last = len(end.strands)
    reads = [each.reads for each in end.strands]
    every = zip(range(-1, last), [*reads, end.reads], strict=True)
    named_ = {k for before, each in every if each != (before,) for k in each}
    return (named_ | {k for k in liked if k is not None}) - {IMAGE}


def _reading(
    strand: Strand, number: int, row: list[Line], called: Mapping[int, str]
) -> list[Line]:
    """A strand's lines, of which the first says what it reads, if need be."""
    if strand.reads == (number - 1,):
        return row
    first, *others = row or [steps.Join()]
    update: dict[str, Any] = {"reads": tuple(called[k] for k in strand.reads)}
    if strand.merge not in {None, "concat"}:
        update["merge"] = strand.merge
    return [first.model_copy(update=update), *others]


def _stem(items: Sequence[Item], *, alone: bool) -> int:
    """How many lines are the stem: where nothing repeats, the first."""
    least = 2 if alone else 1  # a stem and a stage
    if len(items) < least:
        message = f"expected a stem and a stage before the head, got {len(items)} lines"
        raise TranslationError(message.replace("1 lines", "1 line"))
    first = next((k for k, each in enumerate(items) if _is_stage(each)), 1)
    stem = min(max(first, 1), len(items) - alone)
    for each in items[:stem]:
        block = each.line.block
        if block not in steps.STEPS and not isinstance(each.line, steps.Use):
            what = f"a {block} of the image itself"
            raise cannot(each.nodes[0].call, what, "a stem before blocks is known")
    return stem


def _like(
    strands: Sequence[Strand], number: int, resolution: Sequence[int]
) -> int | None:
    """The strand whose size a map is brought to: one that it meets, or the first."""
    last, to = number, strands[number].end.sides
    while readers := [k for k, each in enumerate(strands) if last in each.reads]:
        last = readers[0]
        if strands[last].merge is not None:
            break
    others: list[int] = [*strands[last].reads, *range(number)]
    for each in others:
        if each < number and each != IMAGE and strands[each].end.sides == to:
            return each
    return IMAGE if to == tuple(resolution) else None


def _sized(
    strand: Strand, like: int | None, called: Mapping[int, str], line: Line
) -> Line:
    """An `upsample` to the size of another line's map, if there is one."""
    if like is not None:
        return line.model_copy(update={"factor": None, "like": called[like]})
    what: Any = strand.end.what
    if what.factor is None:
        to = "×".join(map(str, what.to))
        known = "by a whole factor, or to the size of another map, is known"
        raise cannot(strand.end.call, f"a map brought to {to} positions", known)
    return line


def _names(strands: Sequence[Strand], numbers: Collection[int]) -> dict[int, str]:
    """What strands are called: modules that they end in, as short as tells apart."""
    paths = {k: _path(strands[k].end) for k in sorted(numbers)}
    columns = [*zip(*paths.values(), strict=False)]
    least = min(map(len, paths.values()), default=1) - 1
    differ = (k for k, each in enumerate(columns) if len({*each}) > 1)
    shared = min(next(differ, least), least)  # modules that all of them are in
    found = {IMAGE: "image"}
    for number, path in paths.items():
        others = [each for k, each in paths.items() if k != number]
        stem = next(
            (
                path[shared:end]
                for end in range(shared + 1, len(path))
                if all(each[:end] != path[:end] for each in others)
            ),
            path[shared:],
        )
        taken, names = {*found.values(), "stem"}, _numbered(".".join(stem) or "map")
        found[number] = next(name for name in names if name not in taken)
    return found


def _numbered(stem: str) -> Iterator[str]:
    """A name, and others where it is taken."""
    yield stem
    yield from (f"{stem}-{number}" for number in count(2))


def _path(node: Node) -> tuple[str, ...]:
    """The path of the innermost module that a node is in; or else what it is."""
    found = [path for path, _ in node.places if path]
    if not found:
        what = "up" if isinstance(node.what, Enlarge) else node.what
        return (what if isinstance(what, str) else "map",)
    kept = "".join(c if c.isalnum() or c in "._-" else "-" for c in found[-1])
    return tuple(kept.split(".")) if kept.isascii() else ("map",)


def _stated(line: Line) -> Line:
    """A line that puts out what others meet, whatever groups make of its inside."""
    if isinstance(line, Bottleneck) and line.group_width and line.c_mid is None:
        return line.model_copy(update={"c_mid": line.channels})
    return line


def _outputs(end: End, called: Mapping[int, str]) -> dict[str, Any]:
    """The logits of each pixel, of the last line unless it says."""
    last = end.reads == (len(end.strands) - 1,)
    reads: dict[str, Any] = (
        {} if last else {"reads": tuple(called[k] for k in end.reads)}
    )
    return {
        "out": Segment(
            kind="segment",
            **reads,
            classes=end.nodes[0].channels,
            dropout=end.rate,
            mode=end.mode,
        )
    }


def _divisor(norm: Norm, chain: Chain) -> int:
    """A multiple that widths are of, so that groups and shuffled pixels are whole."""
    least: int = Rounding().channel_divisor
    operators = (each.what for each in nodes_of(chain))
    areas = (each.factor**2 for each in operators if isinstance(each, PixelShuffle))
    return math.lcm(least, int(norm.groups or norm.group_width or 1), *areas)


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
            found = math.lcm(found, max(side // own, 1) * cell)
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
        case PixelShuffle(factor=factor):
            return factor, factor
        case Enlarge(factor=int() as factor, by_size=False):
            return factor, factor
        case TransposedConv(stride=stride):
            return stride
        case Attention(over="patch" | "grid", size=size):
            return size
        case Attention(over="window", size=size) if not is_of(after, Conv):
            return size
        case _:
            return ()


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
    tail: Chain, rows: list[Row], c_in: int, style: Common
) -> tuple[dict[str, Any], tuple[Node, ...], list[Row]]:
    """What is after the pooling; a 1×1 convolution before it is the head's own."""
    rates = [e.what.rate for e in tail if isinstance(e, Node) and is_of(e, Dropout)]
    left = tuple(e for e in tail if not is_of(e, Dropout, Flatten))
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
        laid = lines(convolved, c_in, style)
        if is_of(left[0], FirstToken):
            normed, rows = _normed(rows)
            laid = [*normed, *laid]
    if laid:
        head["layers"] = tuple(item.line for item in laid)
        before = tuple(node for item in laid for node in item.nodes)
    return head, (*before, *nodes), rows


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


def _stages(body: Chain, c_in: int, style: Common, *, alone: bool) -> list[Row]:
    """The trunk in rows, those that are known blocks as these."""
    rows: list[Row] = []
    for unit, part in _units(body, alone=alone):
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


def _units(
    chain: Chain, *, alone: bool
) -> Iterator[tuple[tuple[str, str] | None, Chain]]:
    """Runs of the chain, those of one unit together.

    One that holds all of a chain which is `alone` is no unit but the network.
    """
    inside = _unit_paths(chain)
    if alone and len({*inside}) == 1:
        inside = [None] * len(chain)
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
    return summed and is_of(chain[index], Act)


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
