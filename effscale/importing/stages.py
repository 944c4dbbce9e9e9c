"""Lines as a spec: blocks that repeat as stages, blocks of the file's own, a head."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from effscale.arrays import whole_share
from effscale.errors import TranslationError
from effscale.importing.blocks import named
from effscale.importing.lines import Item, common, lines
from effscale.importing.operators import Node, cannot
from effscale.importing.tree import Fork
from effscale.network.operators.convolution import Conv, Linear
from effscale.network.operators.elementwise import Act, Dropout, Flatten
from effscale.network.operators.pooling import GlobalPool
from effscale.spec import steps
from effscale.spec.lines import Block, Dense
from effscale.spec.models import Spec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from effscale.importing.lines import Common
    from effscale.importing.tree import Chain
    from effscale.spec.steps import Line


@dataclass(frozen=True)
class Said:
    """A spec, and the module's nodes in the order of the network that it builds."""

    spec: Spec
    nodes: tuple[Node, ...]


def said(chain: Chain, name: str, resolution: tuple[int, int], source: str) -> Said:
    """The tree as a spec.

    Raises:
        TranslationError: if the language has no line for a part of it.
    """
    style = common(chain)
    channels = _image_channels(chain)
    end = _pooled(chain)
    body, tail = chain[:end], chain[end:]
    rows = _stages(body, channels, style)
    head, head_nodes, rows = _head(tail, rows, style)
    own = _Own()
    items = own.used(rows)
    first = next((k for k, each in enumerate(items) if _is_stage(each)), None)
    if first is None:  # nothing repeats: the first convolution is the stem
        first = 1
    first = min(max(first, 1), len(items) - 1)
    if len(items) < 2:  # noqa: PLR2004 - a stem and a stage
        raise TranslationError(
            "expected a stem and stages before the head, got fewer lines"
        )
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
            "blocks": own.blocks,
            "stem": tuple(item.line for item in stem),
            "stages": tuple(item.line for item in stages),
            "head": head,
        }
    )
    return Said(spec, nodes)


def _image_channels(chain: Chain) -> int:
    for each in chain:
        if isinstance(each, Node) and isinstance(each.what, Conv):
            return int(each.what.c_in)
    raise TranslationError("expected a convolution on the image, found none")


def _pooled(chain: Chain) -> int:
    """Where the map is pooled as a whole, and the head begins."""
    for index, each in enumerate(chain):
        if isinstance(each, Node) and isinstance(each.what, GlobalPool):
            return index
    raise TranslationError(
        "expected a classifier (a mean of all positions, linear layers), found none; "
        "another end cannot be said in a spec"
    )


def _is_stage(item: Item) -> bool:
    plain = (steps.Conv, steps.Depthwise, steps.Pool, steps.Normalise, steps.Activate)
    return not isinstance(item.line, plain)


# The head.


def _head(
    tail: Chain, rows: list[Row], style: Common
) -> tuple[dict[str, Any], tuple[Node, ...], list[Row]]:
    """What is after the pooling; a 1×1 convolution before it is the head's own."""
    nodes = [each for each in tail if isinstance(each, Node)]
    if len(nodes) != len(tail):
        fork = next(each for each in tail if isinstance(each, Fork))
        raise cannot(fork.node.call, "branches behind the pooling")
    head: dict[str, Any] = {"classifier": False}
    left = [e for e in nodes if not isinstance(e.what, GlobalPool | Flatten)]
    rates = [e.what.rate for e in left if isinstance(e.what, Dropout)]
    left = [e for e in left if not isinstance(e.what, Dropout)]
    if rates:
        head["dropout"] = max(rates)
    match [each.what for each in left]:
        case []:
            pass
        case [Linear() | Conv(kernel=(1, 1), groups=1, bias=True) as last]:
            head |= {"classifier": True, "classes": int(last.c_out)}
        case [
            Linear() | Conv(kernel=(1, 1), groups=1, bias=True) as hidden,
            Act(kind=kind),
            Linear() | Conv(kernel=(1, 1), groups=1, bias=True) as last,
        ] if kind == style.activation:
            head |= {
                "classifier": True,
                "hidden": int(hidden.c_out),
                "classes": int(last.c_out),
            }
        case _:
            first = (
                next(e for e in left if not isinstance(e.what, Linear))
                if any(not isinstance(e.what, Linear) for e in left)
                else left[0]
            )
            words = ", ".join(e.what.label for e in left)
            raise cannot(
                first.call,
                f"{words} behind the pooling",
                "one linear layer, or two with an activation between, are known",
            )
    before: tuple[Node, ...] = ()
    last_row = rows[-1].items[-1] if rows and rows[-1].unit is None else None
    if last_row is not None and len(rows) > 2 and _is_head_conv(last_row.line):  # noqa: PLR2004
        head["channels"] = last_row.c_out
        before = last_row.nodes
        rows = _without_last(rows)
    laid: list[Item] = []
    while (
        rows
        and rows[-1].unit is None
        and isinstance(rows[-1].items[-1].line, steps.Normalise | steps.Activate)
    ):
        laid.insert(0, rows[-1].items[-1])
        rows = _without_last(rows)
    if laid and before:
        raise cannot(before[0].call, "norms before the head's own convolution")
    if laid:
        head["layers"] = tuple(item.line for item in laid)
        before = tuple(node for item in laid for node in item.nodes)
    return head, (*before, *left), rows


def _without_last(rows: list[Row]) -> list[Row]:
    *others, last = rows
    items = last.items[:-1]
    return [*others, replace(last, items=items)] if items else others


def _is_head_conv(line: Line) -> bool:
    if not isinstance(line, steps.Conv) or not isinstance(line.channels, int):
        return False
    return line == steps.Conv(kernel=(1, 1), channels=line.channels)


# Rows: lines of the trunk, by the module that they are of.


@dataclass(frozen=True)
class Row:
    """Lines of one module, a unit, that recurs or does more than follow its parts."""

    items: tuple[Item, ...]
    unit: tuple[str, str] | None = None  #: path, and name of its class


def _stages(body: Chain, c_in: int, style: Common) -> list[Row]:
    """The trunk in rows, those that are known blocks as these."""
    rows: list[Row] = []
    for unit, part in _units(body):
        items = lines(part, c_in, style)
        if not items:
            continue
        if unit is None:
            items = named(items, style)
            rows += [Row((item,)) for item in items]
        else:
            blocks = named(items, style)
            known = all(isinstance(item.line, _KNOWN) for item in blocks)
            rows += [Row((e,)) for e in blocks] if known else [Row(tuple(items), unit)]
        c_in = items[-1].c_out
    return rows


_KNOWN: tuple[type[Line], ...] = (*Block.__subclasses__(), Dense)


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

    A container has nothing but its children's calls, and some of these are units.
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
        if _only_children(path, [of[k] for k in spans[path]])
        and any(other.startswith(f"{path}.") for other in units)
    }
    units -= inner
    return [
        next(((path, kind) for path, kind in places if path in units), None)
        for places in of
    ]


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


def _only_children(path: str, of: Sequence[tuple[tuple[str, str], ...]]) -> bool:
    """Whether a module does nothing by itself."""
    return all(places[-1][0] != path for places in of)


def _places(each: Node | Fork) -> tuple[tuple[str, str], ...]:
    """The modules that all of an element is in."""
    if isinstance(each, Node):
        return each.places
    return each.node.places


# Blocks of the file's own, and repeats.


class _Own:
    """Units that are no known block, as blocks that the file defines."""

    def __init__(self) -> None:
        self.blocks: dict[str, tuple[Line, ...]] = {}

    def used(self, rows: Sequence[Row]) -> list[Item]:
        """Each row as lines that a stage may have, equal ones that follow as one."""
        found: list[Item] = []
        times = Counter(_template(row) for row in rows if row.unit is not None)
        for row in rows:
            if row.unit is None:
                found = _merged(found, row.items[0])
                continue
            if len(row.items) == 1 and times[_template(row)] == 1:
                found.append(row.items[0])
                continue
            template = _template(row)
            ratios = times[template] > 1 and template.ratios
            block = template.lines if ratios else tuple(item.line for item in row.items)
            use = steps.Use(
                block=self._name(row.unit[1], block),
                channels=row.items[-1].c_out if ratios else None,
                repeats=1 if _repeats(row) else None,
            )
            nodes = tuple(node for item in row.items for node in item.nodes)
            item = Item(use, nodes, row.items[0].c_in, row.items[-1].c_out)
            found = _merged(found, item)
        return [_at_any_depth(item) for item in found]

    def _name(self, kind: str, block: tuple[Line, ...]) -> str:
        """The name of this block: its class's, numbered where there are others."""
        stem = _snake(kind)
        number = 1
        while True:
            name = stem if number == 1 else f"{stem}_{number}"
            if name not in _TAKEN and self.blocks.setdefault(name, block) == block:
                return name
            number += 1


_TAKEN = {
    *steps.STEPS,
    "mbconv",
    "fused_mbconv",
    "separable",
    "basic",
    "bottleneck",
} | {*("dense", "transition", "cell")}


def _snake(name: str) -> str:
    parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return re.sub(r"[^A-Za-z0-9_]+", "", parts).strip("_").lower() or "block"


@dataclass(frozen=True)
class Template:
    """A unit's lines, their widths as shares of what it puts out, where they are."""

    lines: tuple[Line, ...]
    ratios: bool


def _template(row: Row) -> Template:
    stated = tuple(item.line for item in row.items)
    whole = row.items[-1].c_out
    try:
        return Template(
            tuple(_share(each, whole, row.items[0].c_in) for each in stated),
            ratios=True,
        )
    except ValueError:
        return Template(stated, ratios=False)


def _share(line: Line, whole: int, c_in: int) -> Line:
    """The line with shares for widths; ValueError where one is not cut to its width."""
    if isinstance(line, steps.Conv):
        channels: Any = c_in if line.channels is None else line.channels
        if isinstance(channels, tuple):
            raise ValueError(line)  # noqa: TRY004 - what is said of it
        return line.model_copy(
            update={"channels": None, "ratio": _ratio(int(channels), whole)}
        )
    return line.over_chains(
        lambda chain: tuple(_share(each, whole, c_in) for each in chain)
    )


def _ratio(channels: int, whole: int) -> float:
    exact = Fraction(channels, whole)
    for digits in range(7):
        ratio = -(-exact.numerator * 10**digits // exact.denominator) / 10**digits
        if whole_share(whole, ratio) == channels and abs(ratio - exact) < 1e-3 * exact:
            return float(ratio)
    raise ValueError(channels)


def _repeats(row: Row) -> bool:
    """Whether a block may follow itself."""
    return all(_keeps(item.line) for item in row.items)


def _at_any_depth(item: Item) -> Item:
    """A block alone that changes the channels is one at any depth."""
    line = item.line
    if isinstance(line, steps.Use) and line.repeats == 1 and item.c_in != item.c_out:
        return item.over(line.model_copy(update={"repeats": None}))
    return item


def _keeps(line: Line) -> bool:
    """Whether a line keeps the size of the map."""
    if line.chains:
        chain = next(iter(line.chains.values()))
        return all(_keeps(each) for each in chain)
    rows, columns = line.window[1]
    return rows == columns == 1 and line.window[2] == "same"


def _merged(found: list[Item], item: Item) -> list[Item]:
    """`found` and the item; blocks like the one before them as its repeats."""
    if found:
        both = _together(found[-1], item)
        if both is not None:
            return [*found[:-1], both]
    return [*found, item]


#: What the first block of a stage may have of its own.
_OF_FIRST = {"stride": 1, "repeats": 1}


def _together(before: Item, item: Item) -> Item | None:
    first, other = before.line, item.line
    if type(first) is not type(other) or first.times is None or other.times is None:
        return None
    last = {"repeats": 1} if isinstance(first, Dense | steps.Use) else _OF_FIRST
    if isinstance(first, Block) and (
        item.c_in != item.c_out or getattr(other, "stride", 1) != 1
    ):
        return None
    if isinstance(first, steps.Use) and item.c_in != item.c_out:
        return None
    if first.model_copy(update=last) != other.model_copy(update=last):
        return None
    line = first.model_copy(update={"repeats": first.times + other.times})
    return Item(line, (*before.nodes, *item.nodes), before.c_in, item.c_out)
