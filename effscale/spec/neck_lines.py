"""What is wrong with the layers of a neck and of heads: they keep width and size."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from effscale.arrays import strided
from effscale.spec.levels import as_wide
from effscale.spec.steps import Activate, Conv, Depthwise, Normalise
from effscale.spec.wrong import GRAPH, HEADS, Wrong

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from effscale.spec.neck import Heads, Neck
    from effscale.spec.nodes import Place
    from effscale.spec.steps import Line
    from effscale.spec.structure import Finding, Map, Through

    #: Follows lines from a feature map, at a place of the file.
    Follow: TypeAlias = Callable[[Sequence[Line], Map, Place], Through]

#: A side to follow a map's by; any would do.
SIDE = 64


def line_faults(
    neck: Neck, heads: Heads, taps: Sequence[Map], follow: Follow
) -> Iterator[Finding]:
    """Layers that change width or size, but for the strides of a node.

    `taps` are the maps that the neck takes from its backbone.
    """
    low, _ = neck.levels
    here = taps[0]._replace(channels=int(neck.channels), height=SIDE, width=SIDE)
    yield from _kept(neck.layers, neck, here, ("neck", "layers"), follow)
    for name, node in neck.nodes.items():
        at: Place = ("neck", "nodes", name, "layers")
        most = 2 ** max(0, node.level - low)
        yield from _kept(node.layers or (), neck, here, at, follow, most)
    yield from _lateral(neck, taps, follow)
    at = ("heads", "layers")
    kinds = Conv | Depthwise | Normalise | Activate
    for k, line in enumerate(heads.layers):
        if not isinstance(line, kinds):
            message = "expected conv, depthwise, norm or activation, got"
            yield Wrong((*at, k, "block"), f"{message} {line.block!r}", HEADS)
    if all(isinstance(line, kinds) for line in heads.layers):
        yield from _kept(heads.layers, neck, here, at, follow, code=HEADS)
    if not _ends_in_conv(heads.layers):
        message = "expected a convolution last, which predicts in the last block"
        yield Wrong(at, message, HEADS)


def _ends_in_conv(lines: Sequence[Line]) -> bool:
    """Whether the last line that has weights of kernels is a whole convolution."""
    kernels = [line for line in lines if isinstance(line, Conv | Depthwise)]
    return bool(kernels) and isinstance(kernels[-1], Conv)


def _lateral(neck: Neck, taps: Sequence[Map], follow: Follow) -> Iterator[Finding]:
    at: Place = ("neck", "lateral")
    if not any(isinstance(line, Conv) for line in neck.lateral):
        message = "expected a convolution, which makes the neck's channels"
        yield Wrong(at, message, GRAPH)
        return
    lines = as_wide(neck.lateral, neck.channels)
    told: list[Finding] = []
    wrong = list(_stated(neck.lateral, neck, at))
    yield from wrong
    for tap in [] if wrong else taps:
        here = tap._replace(height=SIDE, width=SIDE)
        end = here._replace(channels=int(neck.channels))
        found = list(_followed(lines, here, end, at, follow))
        yield from (each for each in found if each not in told)
        told += found


def _kept(  # noqa: PLR0913, PLR0917 - lines, where they are and what they keep
    lines: Sequence[Line],
    neck: Neck,
    here: Map,
    at: Place,
    follow: Follow,
    most: int = 1,
    code: str = GRAPH,
) -> Iterator[Finding]:
    """Lines that do not put out what they take in, less a stride of at most `most`."""
    wrong = list(_stated(lines, neck, at, most, code))
    yield from wrong
    if wrong:
        return
    down = 1
    for line in lines:
        down *= line.window[1][0]
    side = strided(SIDE, down)
    end = here._replace(height=side, width=side)
    yield from _followed(lines, here, end, at, follow)


def _stated(
    lines: Sequence[Line], neck: Neck, at: Place, most: int = 1, code: str = GRAPH
) -> Iterator[Wrong]:
    """What a line says itself that no layer of a neck can have."""
    total = 1
    for k, line in enumerate(lines):
        kernel, (rows, columns), padding = line.window
        total *= rows
        if rows != columns or rows & (rows - 1) or total > most:
            expected = "1" if most == 1 else f"powers of 2, {most} at most in all"
            message = f"expected {expected}, got {rows}×{columns}"
            yield Wrong((*at, k, "stride"), message, code)
        if padding == "valid" and kernel != (1, 1):
            yield Wrong((*at, k, "padding"), "expected same, got 'valid'", code)
        for key, unsaid in (("channels", None), ("ratio", 1.0)):
            if (said := getattr(line, key, unsaid)) != unsaid:
                found = list(said) if isinstance(said, tuple) else said
                message = f"expected none, as it has the neck's {neck.channels}, got"
                yield Wrong((*at, k, key), f"{message} {found}", code)


def _followed(
    lines: Sequence[Line], here: Map, wanted: Map, at: Place, follow: Follow
) -> Iterator[Finding]:
    """What is wrong on the way through lines, or with what they put out."""
    found: list[Finding] = []
    through = follow(lines, here, at)
    while True:
        try:
            found.append(next(through))
        except StopIteration as stop:
            end: Map = stop.value
            break
    yield from found
    if not found and end.channels != wanted.channels:
        message = f"expected {wanted.channels} channels (the neck's), gives"
        yield Wrong(at, f"{message} {end.channels}", GRAPH)
    elif not found and end != wanted:
        (height, width), (h, w) = wanted[1:], end[1:]
        message = f"expected {height}×{width} px, as comes in, gives {h}×{w} px"
        yield Wrong(at, message, GRAPH)
