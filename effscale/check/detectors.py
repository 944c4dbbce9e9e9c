"""EFF4: what a detector's backbone, neck and heads must be to each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.check.rule import Rule
from effscale.check.structure import unlike_multiples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from effscale.check.rule import Finding
    from effscale.check.source import Source

BACKBONE = Rule(
    "EFF401",
    "unknown-backbone",
    "error",
    "The backbone cannot be had, or has no relative of that name.",
    "`backbone:` names a built-in baseline, or a classifier's file beside this one, "
    "and brings its stem and stages. Its variants are named in "
    "`scaling.backbones`, in the order of φ.",
    "backbone: b3    # a variant of b0",
    "backbone: b0\nscaling: {backbones: [b0, b1, b2, b3]}",
)
TAPS = Rule(
    "EFF402",
    "no-such-tap",
    "error",
    "A level of the neck is of no stage that the backbone has.",
    "Level l is 1/2^l of the image. The lowest ones are stages of that stride, the "
    "last of each unless `taps:` names others; higher ones are pooled from the last.",
    "neck: {levels: [3, 7], taps: [2, 4, 6]}    # of stride 4, 16, 32",
    "neck: {levels: [3, 7], taps: [3, 5, 7]}",
)
LEVELS = Rule(
    "EFF403",
    "levels-misfit",
    "error",
    "A node is of a level that the neck has not, or a wiring needs other levels.",
    "A neck puts out a map for each of its levels, and its nodes are of these. NAS-FPN "
    "is wired for five levels.",
    "neck: {levels: [3, 6], wiring: nas_fpn}",
    "neck: {levels: [3, 7], wiring: nas_fpn}",
)
GRAPH = Rule(
    "EFF404",
    "neck-misfit",
    "error",
    "Nodes or layers of a neck do not fit each other.",
    "A node reads inputs (p3, p4, …) and nodes above it, is read or the last of its "
    "level, and keeps the neck's channels. The message says what is expected.",
    "nodes: {a: {level: 4, reads: [p4, b]}, b: {level: 5, reads: [p5]}}",
    "nodes: {b: {level: 5, reads: [p5]}, a: {level: 4, reads: [p4, b]}}",
)
HEADS = Rule(
    "EFF405",
    "heads-misfit",
    "error",
    "Layers of the heads are not what levels can share, or what can predict.",
    "The heads' convolutions have one set of weights for all levels, and batch norms "
    "of each. The last convolution becomes the one that predicts.",
    "heads: {layers: [{kernel: 3}, {block: depthwise, kernel: 3}]}",
    "heads: {layers: [{block: depthwise, kernel: 3}, {kernel: 1}]}",
)
MULTIPLE = Rule(
    "EFF406",
    "level-multiple",
    "warning",
    "An image side is no multiple of the highest level's stride.",
    "Maps are halved from level to level and brought back to twice their size; where a "
    "side was odd, the two no longer lie over each other. Five levels from P3 ask for "
    "multiples of 128. What is `published:`, and still as it is `expected:`, is a "
    "matter of record and left alone. --unsafe-fixes takes the nearest multiple.",
    "resolution: 600    # P7 is 1/128",
    "resolution: 640",
    applies="unsafe",
)
RULES = (BACKBONE, TAPS, LEVELS, GRAPH, HEADS, MULTIPLE)


def findings(source: Source) -> Iterator[Finding]:
    """Images of which the highest level would have parts of a position."""
    spec = source.spec
    if spec is None or spec.neck is None or source.faults:
        return
    stride = 2 ** spec.neck.levels[1]
    what = f"1/{stride} is the highest level, P{spec.neck.levels[1]}"
    yield from unlike_multiples(source, spec, MULTIPLE, (stride, stride), what)
