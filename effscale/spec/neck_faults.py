"""What is wrong with a detector's neck and heads where every value is right."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from effscale.errors import closest
from effscale.spec.levels import tapped, totals
from effscale.spec.steps import Activate, Conv, Depthwise, Normalise
from effscale.spec.wirings import NAS_FPN_LEVELS, RETINANET_LEAST
from effscale.spec.wrong import Wrong

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from effscale.spec.models import Spec
    from effscale.spec.neck import Heads, Neck, NeckNode
    from effscale.spec.node import Place
    from effscale.spec.steps import Line

    Finding: TypeAlias = tuple[Place, str] | Wrong

#: The rules of detectors: a neck's backbone, its levels, its graph, the heads.
TAPS, LEVELS, GRAPH, HEADS = "EFF402", "EFF403", "EFF404", "EFF405"
#: An attention is of one map by another.
ATTENDS = 2


def neck_faults(spec: Spec) -> Iterator[Finding]:
    """Sections that do not go together, taps that there are not, nodes that misread."""
    if spec.neck is None or spec.heads is None:
        for name in ("heads", "scaling"):
            if getattr(spec, name) is not None and spec.neck is None:
                yield Wrong((name,), "expected none without a neck", GRAPH)
        return
    if spec.head is not None:
        yield Wrong(("head",), "expected none beside a neck, which has heads", GRAPH)
    yield from _taps(spec, spec.neck)
    yield from _wired(spec.neck)
    yield from _lines(spec.neck, spec.heads)
    yield from _variants(spec)


def _taps(spec: Spec, neck: Neck) -> Iterator[Finding]:
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


def _wired(neck: Neck) -> Iterator[Finding]:
    low, high = neck.levels
    if (neck.wiring is None) == (not neck.nodes):
        said = (
            "missing wiring, or nodes"
            if neck.wiring is None
            else ("expected a wiring or nodes, got both")
        )
        yield Wrong(("neck",), said, "EFF101" if neck.wiring is None else GRAPH)
        return
    needs = {"nas_fpn": NAS_FPN_LEVELS, "retinanet": RETINANET_LEAST}
    least = needs.get(neck.wiring or "", 2)
    levels = high - low + 1
    if levels < least or (neck.wiring == "nas_fpn" and levels > least):
        several = str(least) if neck.wiring == "nas_fpn" else f"at least {least}"
        message = f"expected {several} levels for {neck.wiring}, got {levels}"
        yield Wrong(("neck", "levels"), message, LEVELS)
    known = {f"p{level}": level for level in range(low, high + 1)}
    for name, node in neck.nodes.items():
        at = ("neck", "nodes", name)
        if name in known:
            message = f"expected a name that no map above has, got {name!r}"
            yield Wrong(at, message, GRAPH)
        if not low <= node.level <= high:
            message = f"expected a level from {low} to {high}, got {node.level}"
            yield Wrong((*at, "level"), message, LEVELS)
        yield from _read(node, known, at)
        known[name] = node.level
    yield from _dead(neck)


def _read(node: NeckNode, known: dict[str, int], at: Place) -> Iterator[Finding]:
    """Maps that are there already, as many as the merge takes."""
    for key in ("reads", "adds"):
        for k, each in enumerate(getattr(node, key)):
            if each not in known:
                listed = ", ".join(known)
                message = f"expected one of {listed}, got {each!r}"
                close = closest(each, list(known))
                yield Wrong((*at, key, k), message, GRAPH, close)
            elif key == "adds" and known[each] != node.level:
                message = f"expected a map of level {node.level}, got {each!r} of"
                yield Wrong((*at, key, k), f"{message} {known[each]}", LEVELS)
    if node.merge == "attention" and len(node.reads) != ATTENDS:
        message = f"expected {ATTENDS} for an attention, got {len(node.reads)}"
        yield Wrong((*at, "reads"), message, GRAPH)


def _dead(neck: Neck) -> Iterator[Finding]:
    """Nodes that are neither read nor the last of their level."""
    read = {each for node in neck.nodes.values() for each in (*node.reads, *node.adds)}
    last = {node.level: name for name, node in neck.nodes.items()}
    for name in neck.nodes:
        if name not in read and name not in last.values():
            message = f"expected node {name} to be read, or the last of its level"
            yield Wrong(("neck", "nodes", name), message, GRAPH)


def _lines(neck: Neck, heads: Heads) -> Iterator[Finding]:
    """Layers that keep width and size, but for the strides of a node."""
    yield from _kept(neck.layers, neck, ("neck", "layers"), most=1)
    low, high = neck.levels
    for name, node in neck.nodes.items():
        at: Place = ("neck", "nodes", name, "layers")
        yield from _kept(node.layers or (), neck, at, most=2 ** (high - low))
    yield from _kept(neck.lateral, neck, ("neck", "lateral"), most=1)
    if not any(isinstance(line, Conv) for line in neck.lateral):
        message = "expected a convolution, which makes the neck's channels"
        yield Wrong(("neck", "lateral"), message, GRAPH)
    yield from _head_lines(heads, neck)


def _head_lines(heads: Heads, neck: Neck) -> Iterator[Finding]:
    """Lines whose weights levels can share, of which the last can predict."""
    at: Place = ("heads", "layers")
    yield from _kept(heads.layers, neck, at, most=1)
    for k, line in enumerate(heads.layers):
        if not isinstance(line, Conv | Depthwise | Normalise | Activate):
            message = "expected conv, depthwise, norm or activation, got"
            yield Wrong((*at, k, "block"), f"{message} {line.block!r}", HEADS)
    if not _ends_in_conv(heads.layers):
        message = "expected a convolution last, which predicts in the last block"
        yield Wrong(at, message, HEADS)


def _ends_in_conv(lines: Sequence[Line]) -> bool:
    """Whether the last line that has weights of kernels is a whole convolution."""
    kernels = [line for line in lines if isinstance(line, Conv | Depthwise)]
    return bool(kernels) and isinstance(kernels[-1], Conv)


def _kept(
    lines: Sequence[Line], neck: Neck, at: Place, *, most: int
) -> Iterator[Finding]:
    total = 1
    for k, line in enumerate(lines):
        kernel, (rows, columns), padding = line.window
        total *= rows
        if rows != columns or rows & (rows - 1) or total > most:
            expected = "1" if most == 1 else f"powers of 2, {most} at most in all"
            message = f"expected {expected}, got {rows}×{columns}"
            yield Wrong((*at, k, "stride"), message, GRAPH)
        if padding == "valid" and kernel != (1, 1):
            yield Wrong((*at, k, "padding"), "expected same, got 'valid'", GRAPH)
        channels = getattr(line, "channels", None)
        if channels not in {None, neck.channels} or getattr(line, "ratio", 1) != 1:
            message = f"expected none, as it has the neck's {neck.channels}, got"
            yield Wrong((*at, k, "channels"), f"{message} {channels}", GRAPH)


def _variants(spec: Spec) -> Iterator[Finding]:
    """Variants whose backbone is listed, and no multipliers beside it."""
    listed = {} if spec.scaling is None else spec.scaling.backbones
    multipliers = {"depth_multiplier", "width_multiplier"}
    for name, variant in spec.variants.items():
        at = ("variants", name, "backbone")
        if variant.backbone is not None and variant.backbone not in listed:
            known = ", ".join(listed) or "none"
            message = f"expected one of scaling.backbones ({known}), got"
            close = closest(variant.backbone, list(listed))
            yield Wrong(at, f"{message} {variant.backbone!r}", TAPS, close)
        elif variant.backbone is not None and multipliers & variant.model_fields_set:
            yield Wrong(at, "expected a backbone or multipliers, got both", TAPS)
        levels = None if variant.neck is None else variant.neck.levels
        if levels and spec.neck and spec.neck.nodes and levels != spec.neck.levels:
            message = "expected the neck's own, as its nodes are for these, got"
            place = ("variants", name, "neck", "levels")
            yield Wrong(place, f"{message} {list(levels)}", LEVELS)
