"""What is wrong with a detector's neck and heads where every value is right."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from effscale.arrays import strided
from effscale.errors import closest
from effscale.spec.levels import tapped, totals
from effscale.spec.neck_lines import line_faults
from effscale.spec.wirings import NAS_FPN_LEVELS, RETINANET_LEAST, made, nodes
from effscale.spec.wrong import GRAPH, HEADS, LEVELS, TAPS, Wrong

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from effscale.spec.models import Spec
    from effscale.spec.neck import Neck, NeckChange, NeckNode
    from effscale.spec.neck_lines import Follow
    from effscale.spec.nodes import Place
    from effscale.spec.structure import Finding, Map

#: An attention is of one map by another.
ATTENDS = 2
WITHOUT = "expected none without a neck"


def neck_faults(spec: Spec, passed: Sequence[Map], follow: Follow) -> Iterator[Finding]:
    """Sections that do not go together, taps that there are not, nodes that misread.

    `passed` is what each stage puts out, and `follow` follows further lines.
    """
    if spec.neck is None or spec.heads is None:
        for name in ("heads", "scaling"):
            if getattr(spec, name) is not None and spec.neck is None:
                yield Wrong((name,), WITHOUT, GRAPH)
        for name, variant in spec.variants.items():
            for key in ("backbone", "neck", "heads"):
                if getattr(variant, key) is not None:
                    yield Wrong(("variants", name, key), WITHOUT, GRAPH)
        return
    if spec.head is not None:
        yield Wrong(("head",), "expected none beside a neck, which has heads", GRAPH)
    wrong = [*_tapped(spec, spec.neck), *_wired(spec.neck)]
    yield from wrong
    if not wrong:
        yield from _halved(spec, spec.neck, passed)
        yield from _lost(spec, spec.neck)
    taps = [passed[index] for index in tapped(spec) if index < len(passed)]
    yield from line_faults(spec.neck, spec.heads, taps or passed[-1:], follow)
    yield from _variants(spec, sound=not wrong)


def _tapped(spec: Spec, neck: Neck) -> Iterator[Wrong]:
    """Levels that the backbone has, in stages that are there."""
    low, high = neck.levels
    here = totals(spec)
    if neck.taps is None:
        if not tapped(spec):
            stride = 2**low
            found = ", ".join(dict.fromkeys(f"{rows}" for rows, _ in here))
            message = f"expected a stage of stride {stride} (P{low}), got {found}"
            yield Wrong(("neck", "levels"), message, TAPS)
        return
    if len(neck.taps) > high - low + 1:
        message = f"expected at most {high - low + 1} (P{low} to P{high}), got"
        yield Wrong(("neck", "taps"), f"{message} {len(neck.taps)}", TAPS)
        return
    for k, number in enumerate(neck.taps):
        at = ("neck", "taps", k)
        stride = 2 ** (low + k)
        if number > len(here):
            message = f"expected a stage from 1 to {len(here)}, got {number}"
            yield Wrong(at, message, TAPS)
        elif here[number - 1] != (stride, stride):
            rows, columns = here[number - 1]
            message = f"expected a stage of stride {stride} (P{low + k}), got"
            yield Wrong(at, f"{message} stage {number} of {rows}×{columns}", TAPS)


def _halved(spec: Spec, neck: Neck, passed: Sequence[Map]) -> Iterator[Wrong]:
    """Taps each half as large as the one before, as a neck's own maps are."""
    stages, (low, _) = tapped(spec), neck.levels
    for k, (before, after) in enumerate(pairwise(stages), 1):
        expected = tuple(strided(side, 2) for side in passed[before][1:])
        if passed[after][1:] != expected:
            at = ("neck", "levels") if neck.taps is None else ("neck", "taps", k)
            (height, width), (h, w) = expected, passed[after][1:]
            message = f"expected {height}×{width} px for P{low + k}, half of P"
            found = f"{low + k - 1}, got {h}×{w} of stage {after + 1}"
            yield Wrong(at, f"{message}{found}", TAPS)


def _wired(neck: Neck) -> Iterator[Wrong]:
    """Nodes of a wiring for so many levels, or of the file's own that can be made."""
    if (neck.wiring is None) == (not neck.nodes):
        if neck.wiring is None:
            yield Wrong(("neck",), "missing wiring, or nodes", "EFF101")
        else:
            yield Wrong(("neck",), "expected a wiring or nodes, got both", GRAPH)
        return
    yield from _for_levels(neck)
    low, high = neck.levels
    known = {f"p{level}": level for level in range(low, high + 1)}
    taken = made(neck)
    for name, node in neck.nodes.items():
        at = ("neck", "nodes", name)
        if name in known or name in taken:
            message = f"expected a name that no other map has, got {name!r}"
            yield Wrong(at, message, GRAPH)
        if not re.fullmatch(r"\w+", name):
            message = f"expected a name of letters, digits and _, got {name!r}"
            yield Wrong(at, message, GRAPH)
        if not low <= node.level <= high:
            message = f"expected a level from {low} to {high}, got {node.level}"
            yield Wrong((*at, "level"), message, LEVELS)
        yield from _read(node, known, at, neck)
        known[name] = node.level
    yield from _dead(neck)


def _for_levels(neck: Neck) -> Iterator[Wrong]:
    """A wiring that these levels are too few or too many for."""
    levels = neck.levels[1] - neck.levels[0] + 1
    needs = {"nas_fpn": NAS_FPN_LEVELS, "retinanet": RETINANET_LEAST}
    least = needs.get(neck.wiring or "", 2)
    if levels < least or (neck.wiring == "nas_fpn" and levels > least):
        several = str(least) if neck.wiring == "nas_fpn" else f"at least {least}"
        message = f"expected {several} levels for {neck.wiring}, got {levels}"
        yield Wrong(("neck", "levels"), message, LEVELS)


def _read(
    node: NeckNode, known: dict[str, int], at: Place, neck: Neck
) -> Iterator[Wrong]:
    """Maps that are there already, each once, as many as the merge takes."""
    seen: set[str] = set()
    for key in ("reads", "adds"):
        for k, each in enumerate(getattr(node, key)):
            if each in seen:
                message = f"expected each map once, got {each!r} again"
                yield Wrong((*at, key, k), message, GRAPH)
            elif each in neck.nodes and each not in known:
                message = f"expected a map that is there already, got {each!r}"
                yield Wrong((*at, key, k), message, GRAPH)
            elif each not in known:
                listed = ", ".join(known)
                message = f"expected one of {listed}, got {each!r}"
                close = closest(each, list(known))
                yield Wrong((*at, key, k), message, GRAPH, close)
            elif key == "adds" and known[each] != node.level:
                message = f"expected a map of level {node.level}, got {each!r} of"
                yield Wrong((*at, key, k), f"{message} {known[each]}", LEVELS)
            seen.add(each)
    if node.merge == "attention" and len(node.reads) != ATTENDS:
        message = f"expected {ATTENDS} for an attention, got {len(node.reads)}"
        yield Wrong((*at, "reads"), message, GRAPH)


def _dead(neck: Neck) -> Iterator[Wrong]:
    """Nodes that are neither read nor the last of their level."""
    read = {each for node in neck.nodes.values() for each in (*node.reads, *node.adds)}
    last = {node.level: name for name, node in neck.nodes.items()}
    for name in neck.nodes:
        if name not in read and name not in last.values():
            message = f"expected node {name} to be read, or the last of its level"
            yield Wrong(("neck", "nodes", name), message, GRAPH)


def _lost(spec: Spec, neck: Neck) -> Iterator[Wrong]:
    """Maps that come in and that no node reads: of a stage, or of the repeat before."""
    low, high = neck.levels
    wired = nodes(neck).values()
    read = {each for node in wired for each in (*node.reads, *node.adds)}
    replaced = {node.level for node in wired}
    stages = tapped(spec)
    of = f" of {neck.wiring}" if neck.wiring else ""
    for level in range(low, high + 1):
        if f"p{level}" in read or level not in replaced:
            continue
        if level < low + len(stages):
            at = ("neck",) if neck.wiring else ("neck", "nodes")
            stage = stages[level - low] + 1
            message = f"expected a node{of} that reads p{level}, which is stage {stage}"
            yield Wrong(at, message, GRAPH)
        elif neck.repeats > 1:
            message = f"expected 1, as no node{of} reads p{level}, got {neck.repeats}"
            yield Wrong(("neck", "repeats"), message, GRAPH)
            return


def _variants(spec: Spec, *, sound: bool) -> Iterator[Wrong]:
    """Variants whose backbone is listed, and whose neck its wiring can make."""
    listed = {} if spec.scaling is None else spec.scaling.backbones
    for name, variant in spec.variants.items():
        at = ("variants", name, "backbone")
        multipliers = variant.depth_multiplier, variant.width_multiplier
        if variant.backbone is not None and variant.backbone not in listed:
            known = ", ".join(listed) or "none"
            message = f"expected one of scaling.backbones ({known}), got"
            close = closest(variant.backbone, list(listed))
            yield Wrong(at, f"{message} {variant.backbone!r}", TAPS, close)
        elif variant.backbone is not None and multipliers != (1, 1):
            yield Wrong(at, "expected a backbone or multipliers, got both", TAPS)
        if variant.dropout is not None:
            message = (
                f"expected none, as heads by level have none, got {variant.dropout}"
            )
            yield Wrong(("variants", name, "dropout"), message, HEADS)
        if variant.neck is not None and spec.neck is not None and sound:
            at = ("variants", name, "neck")
            yield from _varied(spec, spec.neck, variant.neck, at)


def _varied(spec: Spec, neck: Neck, change: NeckChange, at: Place) -> Iterator[Wrong]:
    """What is wrong with the neck of a variant, at the levels or repeats it changes."""
    if neck.nodes and change.levels is not None and change.levels != neck.levels:
        found = f"as its nodes are for these, got {list(change.levels)}"
        yield Wrong((*at, "levels"), f"expected the neck's own, {found}", LEVELS)
        return
    given = {key: each for key, each in change if each is not None}
    changed = neck.model_copy(update=given)
    spec = spec.model_copy(update={"neck": changed})
    wrong = [*_tapped(spec, changed), *_for_levels(changed)]
    yield from (each._replace(place=(*at, "levels")) for each in wrong[:1])
    for each in [] if wrong else _lost(spec, changed):
        key = "repeats" if each.place[-1] == "repeats" else "levels"
        yield each._replace(place=(*at, key))
