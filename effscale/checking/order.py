"""EFF110: keys in the order of the language, and how a text is put in order."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from effscale.checking.rule import Rule
from effscale.errors import Edit
from effscale.spec.line import Line, in_order
from effscale.spec.models import Variant

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from effscale.checking.source import Source
    from effscale.errors import Fault
    from effscale.spec.nodes import Node
    from effscale.spec.values import Model

ORDER = Rule(
    "EFF110",
    "key-order",
    "note",
    "Keys are not in the order of the language.",
    "Files that list their keys in one order can be read side by side, and a stage "
    "reads as a row of the paper's table. --fix puts them in order, each with its "
    "comments. A note fails no run.",
    "{stride: 1, kernel: 3, block: mbconv}",
    "{block: mbconv, kernel: 3, stride: 1}",
    applies="safe",
)
RULES = (ORDER,)

#: Of variants: how they come about, and then what they cost.
OF_VARIANTS = (
    *("family", "backbone", "depth_multiplier", "width_multiplier", "resolution"),
    *("repeats", "channels", "stem", "stages", "neck", "heads", "dropout", "phi"),
    *("expected", "published", "budget", "rounding"),
)


def in_order_of(model: Model, stated: Collection[str]) -> list[str]:
    """The keys that are stated of a model in the order in which files have them."""
    if isinstance(model, Line):
        return in_order(type(model), stated)
    first = OF_VARIANTS if isinstance(model, Variant) else ("kind", "reads")
    order = dict.fromkeys((*first, *type(model).model_fields))
    return [name for name in order if name in stated]


def findings(source: Source) -> Iterator[Fault]:
    """Mappings of a file without faults whose keys are out of order."""
    if source.faults:
        return
    seen: set[int] = set()
    for place, model, node in source.sections():
        if id(node) in seen:
            continue
        seen.add(id(node))
        stated = list(node.value)
        wanted = in_order_of(model, stated)
        if stated == wanted:
            continue
        pairs = zip(stated, wanted, strict=True)
        late, first = next((a, b) for a, b in pairs if a != b)
        message = f"expected {first} before {late}"
        edits = _sorted(source.text, node, wanted)
        hint, at = f"in order: {', '.join(wanted)}", (*place, late)
        yield ORDER.at(source, at, message, key=True, hint=hint, edits=edits)


def _sorted(text: str, node: Node, wanted: list[str]) -> tuple[Edit, ...]:
    """The edit that puts a mapping's entries in order; none where one cannot be sure.

    Entries that aliases, comments within brackets or explicit keys (`? a`) tie to their
    place are left alone.
    """
    stated = list(node.value)
    if text[node.start : node.start + 1] == "{":
        return _in_brackets(text, node, wanted)
    column = node.keys[stated[0]].column - 1
    indent = " " * column
    cuts: list[int] = []
    for name in stated:
        start = node.keys[name].start
        line = text.rfind("\n", 0, start) + 1
        if text[line:start] == indent and (cuts or column):
            cuts.append(_with_comments(text, line, column, cuts[-1] if cuts else 0))
        elif cuts:
            return ()
        else:
            cuts.append(start)  # behind a dash, or below the head of the file
    end = text.find("\n", max(node.end[2] - 1, node.start))
    stop = len(text) if end < 0 else end + 1
    spans = zip(cuts, [*cuts[1:], stop], strict=True)
    chunks = [text[start:after].removeprefix(indent) for start, after in spans]
    lead = indent if text[cuts[0] :].startswith(indent) else ""
    return (Edit(cuts[0], stop, lead + indent.join(_moved(chunks, stated, wanted))),)


def _moved(chunks: list[str], stated: list[str], wanted: list[str]) -> list[str]:
    """Entries in another order; the blank lines between them stay where they are."""
    bodies = {name: each.rstrip() for name, each in zip(stated, chunks, strict=True)}
    gaps = [each[len(each.rstrip()) :] for each in chunks]
    gaps = [gap if "\n" in gap else f"{gap}\n" for gap in gaps[:-1]] + gaps[-1:]
    return [bodies[name] + gap for name, gap in zip(wanted, gaps, strict=True)]


def _with_comments(text: str, line: int, column: int, least: int) -> int:
    """Where an entry begins that has comments of its own on the lines above."""
    while line > least:
        above = text.rfind("\n", 0, line - 1) + 1
        if above <= least or not text[above:line].startswith(" " * column + "#"):
            break
        line = above
    return line


def _in_brackets(text: str, node: Node, wanted: list[str]) -> tuple[Edit, ...]:
    stated = list(node.value)
    spans = [(node.keys[name].start, node.value[name].end[2]) for name in stated]
    for (start, end), (after, _) in pairwise(spans):
        if not start <= end <= after or text[end:after].strip() != ",":
            return ()
    if not spans[-1][0] <= spans[-1][1] <= node.end[2]:
        return ()
    pieces = {
        name: text[start:end] for name, (start, end) in zip(stated, spans, strict=True)
    }
    return tuple(
        Edit(start, end, pieces[name])
        for name, (start, end) in zip(wanted, spans, strict=True)
        if text[start:end] != pieces[name]
    )
