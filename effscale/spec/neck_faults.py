"""Faults of a detector's neck and heads whose every value is right."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import pairwise
from math import log2, prod
from typing import TYPE_CHECKING

from effscale.arrays import strided
from effscale.errors import Fault, closest
from effscale.spec.geometry import as_wide, tapped, totals
from effscale.spec.neck import (
    ATTENDS,
    NAS_FPN_LEVELS,
    RETINANET_LEAST,
    inputs,
    made,
    nodes,
)
from effscale.spec.steps import Activate, Conv, Depthwise, Normalise, Resized, Select
from effscale.spec.structure import Map

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from effscale.errors import Place
    from effscale.spec.line import Line
    from effscale.spec.models import Spec
    from effscale.spec.neck import Heads, Neck, NeckChange, NeckNode
    from effscale.spec.structure import Walk

#: The rules of taps of the backbone, of levels, of the neck's graph, and of heads.
TAPS, LEVELS, GRAPH, HEADS = "EFF402", "EFF403", "EFF404", "EFF405"
#: A classifier's head in a detector.
HEAD_BESIDE = Fault(
    ("head",), "expected none beside a neck, whose classes are those of heads", GRAPH
)
#: A side to follow a map's by; any would do.
SIDE = 64


def faults_of_detector(
    walk: Walk, neck: Neck, heads: Heads, passed: Sequence[Map]
) -> Iterator[Fault]:
    """Sections that do not go together, taps that there are not, nodes that misread.

    `walk` has gone through the spec's stages, of which each has put out `passed`.
    """
    spec = walk.spec
    if "head" in spec.sections:
        yield HEAD_BESIDE
    wrong = [*_tapped(spec, neck), *_wiring_faults(neck)]
    yield from wrong
    if not wrong:
        yield from _halved(spec, neck, passed)
        yield from _lost(spec, neck)
    taps = [passed[index] for index in tapped(spec) if index < len(passed)]
    taps = taps or [passed[-1]]
    layers = _Layers.on(walk, neck, taps)
    yield from layers.faults(heads, taps)
    yield from _variants(spec, neck, sound=not wrong)


def _tapped(spec: Spec, neck: Neck) -> Iterator[Fault]:
    """Levels that the backbone has, in stages that are there."""
    low, high = neck.levels
    here = totals(spec)
    if neck.taps is None:
        if not tapped(spec):
            stride = 2**low
            found = ", ".join(dict.fromkeys(f"{rows}" for rows, _ in here))
            message = f"expected a stage of stride {stride} (P{low}), got {found}"
            yield Fault(("neck", "levels"), message, TAPS)
        return
    if len(neck.taps) > high - low + 1:
        message = f"expected at most {high - low + 1} (P{low} to P{high}), got"
        yield Fault(("neck", "taps"), f"{message} {len(neck.taps)}", TAPS)
        return
    for k, number in enumerate(neck.taps):
        at = ("neck", "taps", k)
        stride = 2 ** (low + k)
        if number > len(here):
            message = f"expected a stage from 1 to {len(here)}, got {number}"
            yield Fault(at, message, TAPS)
        elif here[number - 1] != (stride, stride):
            rows, columns = here[number - 1]
            message = f"expected a stage of stride {stride} (P{low + k}), got"
            yield Fault(at, f"{message} stage {number} of {rows}×{columns}", TAPS)


def _halved(spec: Spec, neck: Neck, passed: Sequence[Map]) -> Iterator[Fault]:
    """Taps each half as large as the one before, as a neck's own maps are."""
    stages, (low, _) = tapped(spec), neck.levels
    for k, (before, after) in enumerate(pairwise(stages), 1):
        height, width = (strided(side, 2) for side in passed[before][1:])
        _, h, w = passed[after]
        if (h, w) != (height, width):
            at = ("neck", "levels") if neck.taps is None else ("neck", "taps", k)
            message = f"expected {height}×{width} px for P{low + k}, half of P"
            found = f"{low + k - 1}, got {h}×{w} of stage {after + 1}"
            yield Fault(at, f"{message}{found}", TAPS)


def _lost(spec: Spec, neck: Neck) -> Iterator[Fault]:
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
            yield Fault(at, message, GRAPH)
        elif neck.repeats > 1:
            message = f"expected 1, as no node{of} reads p{level}, got {neck.repeats}"
            yield Fault(("neck", "repeats"), message, GRAPH)
            return


def _variants(spec: Spec, neck: Neck, *, sound: bool) -> Iterator[Fault]:
    """Variants whose backbone is listed, and whose neck its wiring can make."""
    listed = {} if spec.scaling is None else spec.scaling.backbones
    for name, variant in spec.variants.items():
        at = ("variants", name, "backbone")
        multipliers = variant.depth_multiplier, variant.width_multiplier
        if variant.backbone is not None and variant.backbone not in listed:
            known = ", ".join(listed) or "none"
            message = f"expected one of scaling.backbones ({known}), got"
            close = closest(variant.backbone, list(listed))
            yield Fault(at, f"{message} {variant.backbone!r}", TAPS, close)
        elif variant.backbone is not None and multipliers != (1, 1):
            yield Fault(at, "expected a backbone or multipliers, got both", TAPS)
        if variant.dropout is not None:
            message = (
                f"expected none, as heads by level have none, got {variant.dropout}"
            )
            yield Fault(("variants", name, "dropout"), message, HEADS)
        if variant.neck and sound:
            at = ("variants", name, "neck")
            yield from _varied(spec, neck, variant.neck, at)


def _varied(spec: Spec, neck: Neck, change: NeckChange, at: Place) -> Iterator[Fault]:
    """What is wrong with the neck of a variant, at the levels or repeats it changes."""
    if neck.nodes and change.levels is not None and change.levels != neck.levels:
        found = f"as its nodes are for these, got {list(change.levels)}"
        yield Fault((*at, "levels"), f"expected the neck's own, {found}", LEVELS)
        return
    given = {key: each for key, each in change if each is not None}
    changed = neck.model_copy(update=given)
    spec = spec.model_copy(update={"neck": changed})
    wrong = [*_tapped(spec, changed), *_level_faults(changed)]
    yield from (replace(each, place=(*at, "levels")) for each in wrong[:1])
    for each in [] if wrong else _lost(spec, changed):
        key = "repeats" if each.place[-1] == "repeats" else "levels"
        yield replace(each, place=(*at, key))


def _wiring_faults(neck: Neck) -> Iterator[Fault]:
    """Nodes of a wiring for so many levels, or of the file's own that can be made."""
    if (neck.wiring is None) == (not neck.nodes):
        if neck.wiring is None:
            yield Fault(("neck",), "missing wiring, or nodes", "EFF101")
        else:
            yield Fault(("neck",), "expected a wiring or nodes, got both", GRAPH)
        return
    yield from _level_faults(neck)
    (low, high), known = neck.levels, inputs(neck)
    taken = made(neck)
    for name, node in neck.nodes.items():
        at = ("neck", "nodes", name)
        if name in known or name in taken:
            message = f"expected a name that no other map has, got {name!r}"
            yield Fault(at, message, GRAPH)
        if not re.fullmatch(r"\w+", name):
            message = f"expected a name of letters, digits and _, got {name!r}"
            yield Fault(at, message, GRAPH)
        if not low <= node.level <= high:
            message = f"expected a level from {low} to {high}, got {node.level}"
            yield Fault((*at, "level"), message, LEVELS)
        yield from _read(node, known, at, neck)
        known[name] = node.level
    yield from _dead(neck)


def _level_faults(neck: Neck) -> Iterator[Fault]:
    """A wiring that these levels are too few or too many for."""
    levels = neck.levels[1] - neck.levels[0] + 1
    needs = {"nas_fpn": NAS_FPN_LEVELS, "retinanet": RETINANET_LEAST}
    least = needs.get(neck.wiring or "", 2)
    if levels < least or (neck.wiring == "nas_fpn" and levels > least):
        several = str(least) if neck.wiring == "nas_fpn" else f"at least {least}"
        message = f"expected {several} levels for {neck.wiring}, got {levels}"
        yield Fault(("neck", "levels"), message, LEVELS)


def _read(
    node: NeckNode, known: dict[str, int], at: Place, neck: Neck
) -> Iterator[Fault]:
    """Maps that are there already, each once, as many as the merge takes."""
    seen: set[str] = set()
    for key in ("reads", "adds"):
        for k, each in enumerate(getattr(node, key)):
            if each in seen:
                message = f"expected each map once, got {each!r} again"
                yield Fault((*at, key, k), message, GRAPH)
            elif each in neck.nodes and each not in known:
                message = f"expected a map that is there already, got {each!r}"
                yield Fault((*at, key, k), message, GRAPH)
            elif each not in known:
                listed = ", ".join(known)
                message = f"expected one of {listed}, got {each!r}"
                close = closest(each, list(known))
                yield Fault((*at, key, k), message, GRAPH, close)
            elif key == "adds" and known[each] != node.level:
                message = f"expected a map of level {node.level}, got {each!r} of"
                yield Fault((*at, key, k), f"{message} {known[each]}", LEVELS)
            seen.add(each)
    if node.merge == "attention" and len(node.reads) != ATTENDS:
        message = f"expected {ATTENDS} for an attention, got {len(node.reads)}"
        yield Fault((*at, "reads"), message, GRAPH)


def _dead(neck: Neck) -> Iterator[Fault]:
    """Nodes that are neither read nor the last of their level."""
    read = {each for node in neck.nodes.values() for each in (*node.reads, *node.adds)}
    last = {node.level: name for name, node in neck.nodes.items()}
    for name in neck.nodes:
        if name not in read and name not in last.values():
            message = f"expected node {name} to be read, or the last of its level"
            yield Fault(("neck", "nodes", name), message, GRAPH)


@dataclass(frozen=True)
class _Layers:
    """The layers of a neck, and of heads: they keep width and size."""

    walk: Walk
    neck: Neck
    here: Map  #: one that they take in, of a size that strides divide
    sizes: dict[int, Map]  #: those of each level

    @classmethod
    def on(cls, walk: Walk, neck: Neck, taps: Sequence[Map]) -> _Layers:
        """Those on the maps of a backbone that are tapped, lowest level first."""
        channels, (low, high) = int(neck.channels), neck.levels
        here = taps[0]._replace(channels=channels, height=SIDE, width=SIDE)
        sizes = {
            k: each._replace(channels=channels) for k, each in enumerate(taps, low)
        }
        for level in range(low + len(taps), high + 1):
            _, *sides = sizes[level - 1]
            sizes[level] = Map(channels, *(strided(side, 2) for side in sides))
        return cls(walk, neck, here, sizes)

    def faults(self, heads: Heads, taps: Sequence[Map]) -> Iterator[Fault]:
        """Layers that change width or size; `taps` are maps of the backbone."""
        low, high = self.neck.levels
        plain = [each.level for each in self.neck.nodes.values() if each.layers is None]
        top = max(plain, default=low) if self.neck.nodes else high
        yield from self.kept(self.neck.layers, ("neck", "layers"), top)
        for name, node in self.neck.nodes.items():
            at, most = ("neck", "nodes", name, "layers"), 2 ** max(0, node.level - low)
            yield from self.kept(node.layers or (), at, node.level, most)
        yield from self.lateral(taps)
        yield from self.of_heads(heads)

    def of_heads(self, heads: Heads) -> Iterator[Fault]:
        """Layers that levels cannot share, or of which the last cannot predict."""
        at: Place = ("heads", "layers")
        kinds = Conv | Depthwise | Normalise | Activate
        for k, line in enumerate(heads.layers):
            if not isinstance(line, kinds):
                message = "expected conv, depthwise, norm or activation, got"
                yield Fault((*at, k, "block"), f"{message} {line.block!r}", HEADS)
        if all(isinstance(line, kinds) for line in heads.layers):
            _, high = self.neck.levels
            yield from self.kept(heads.layers, at, high, code=HEADS)
        kernels = [x for x in heads.layers if isinstance(x, Conv | Depthwise)]
        if not kernels or not isinstance(kernels[-1], Conv):
            message = "expected a convolution last, which predicts in the last block"
            yield Fault(at, message, HEADS)

    def lateral(self, taps: Sequence[Map]) -> Iterator[Fault]:
        """Layers that do not make the neck's width of each tap's."""
        lines, at = self.neck.lateral, ("neck", "lateral")
        if not any(isinstance(line, Conv) for line in lines):
            message = "expected a convolution, which makes the neck's channels"
            yield Fault(at, message, GRAPH)
            return
        if stated := list(self.stated(lines, at)):
            yield from stated
            return
        wide = as_wide(lines, self.neck.channels)
        found: list[Fault] = []
        for tap in taps:
            here = tap._replace(height=SIDE, width=SIDE)
            wrong = list(self.followed(wide, here, self.here, at))
            found += wrong or self.walked(wide, tap, at)[1]
        yield from dict.fromkeys(found)

    def kept(
        self,
        lines: Sequence[Line],
        at: Place,
        level: int,
        most: int = 1,
        code: str = GRAPH,
    ) -> Iterator[Fault]:
        """Lines that do not put out what they take in, strides up to `most` aside.

        `level` is the highest that they put out a map of.
        """
        if stated := list(self.stated(lines, at, most, code)):
            yield from stated
            return
        down = prod(line.window[1][0] for line in lines)
        side = strided(SIDE, down)
        end = self.here._replace(height=side, width=side)
        wrong = list(self.followed(lines, self.here, end, at))
        own = self.sizes.get(level - int(log2(down)))
        yield from wrong or ([] if own is None else self.walked(lines, own, at)[1])

    def stated(
        self, lines: Sequence[Line], at: Place, most: int = 1, code: str = GRAPH
    ) -> Iterator[Fault]:
        """What a line says itself that no layer of a neck can have."""
        total = 1
        for k, line in enumerate(lines):
            kernel, (rows, columns), padding = line.window
            total *= rows
            if rows != columns or rows & (rows - 1) or total > most:
                expected = "1" if most == 1 else f"powers of 2, {most} at most in all"
                message = f"expected {expected}, got {rows}×{columns}"
                yield Fault((*at, k, "stride"), message, code)
            if padding not in {"same", "tensorflow"} and kernel != (1, 1):
                message = f"expected same, got {padding!r}"
                yield Fault((*at, k, "padding"), message, code)
            if isinstance(line, Resized | Select):  # of any size that a level may have
                yield from self.stated(line.layers, (*at, k, "layers"), SIDE, code)
            for key, unsaid in (("channels", None), ("ratio", 1.0)):
                if (said := getattr(line, key, unsaid)) != unsaid:
                    found = list(said) if isinstance(said, tuple) else said
                    own = f"the neck's {self.neck.channels}"
                    message = f"expected none, as it has {own}, got {found}"
                    yield Fault((*at, k, key), message, code)

    def walked(
        self, lines: Sequence[Line], here: Map, at: Place
    ) -> tuple[Map, list[Fault]]:
        """What lines make of a map, and what is wrong on the way."""
        walk = replace(self.walk, stated=False, faults=[])
        return walk.through(lines, here, at), walk.faults

    def followed(
        self, lines: Sequence[Line], here: Map, wanted: Map, at: Place
    ) -> Iterator[Fault]:
        """What is wrong on the way through lines, or with what they put out."""
        end, wrong = self.walked(lines, here, at)
        yield from wrong
        if wrong or end == wanted:
            return
        if end.channels != wanted.channels:
            expected = f"{wanted.channels} channels (the neck's)"
            message = f"expected {expected}, got {end.channels}"
        else:
            message = f"expected {wanted.size}, as comes in, got {end.size}"
        yield Fault(at, message, GRAPH)
