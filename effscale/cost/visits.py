"""A walk through a network, leaf by leaf, with the shape of every feature map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from effscale.arrays import Int, every, strided
from effscale.errors import LayerError
from effscale.network.layers import (
    Act,
    Conv,
    Dropout,
    Flatten,
    Gate,
    Layer,
    Leaf,
    Linear,
    Norm,
    Pool,
    Repeat,
    Residual,
    Sequential,
    Shape,
    unrolled,
)


@dataclass(frozen=True, slots=True)
class Visit:
    """A leaf on the way, and how many equal ones the visit stands for."""

    path: str
    leaf: Leaf
    times: Int
    input: Shape
    output: Shape


def walk(  # noqa: PLR0913 - a tree walk carries its state
    layer: Layer,
    shape: Shape,
    path: str,
    steps: list[Visit],
    *,
    times: Int = 1,
    unroll: bool = False,
) -> Shape:
    """Append every leaf of `layer` to `steps`, in order; return the output's shape.

    Equal copies are one visit with their number in `times`, which may be an array and
    may be 0; with `unroll` (plain ints only) each is a visit with a path of its own.
    """
    match layer:
        case Sequential(layers) | Gate(layers) | Residual(layers):
            out = shape
            for name, child in unrolled(layers) if unroll else layers:
                where = f"{path}.{name}"
                out = walk(child, out, where, steps, times=times, unroll=unroll)
            if isinstance(layer, Residual):
                _keeps(shape, out, path)
            elif isinstance(layer, Gate):
                _same(shape.channels, out, path)
            return out if isinstance(layer, Sequential) else shape
        case Repeat(body, copies):
            out = walk(body, shape, path, steps, times=times * copies)
            _keeps(shape, out, path)
            return shape
        case _:
            out = output(layer, shape, path)
            steps.append(Visit(path, layer, times, shape, out))
            return out


def output(leaf: Leaf, shape: Shape, path: str) -> Shape:
    """What `leaf` makes of a feature map of this shape.

    Raises:
        LayerError: if the feature map has other channels than the leaf takes.
    """
    match leaf:
        case Conv(c_in, c_out, _, stride):
            _same(c_in, shape, path)
            height, width = strided(shape.height, stride), strided(shape.width, stride)
            return Shape(c_out, height, width)
        case Norm(channels):
            _same(channels, shape, path)
            return shape
        case Act() | Flatten() | Dropout():
            return shape
        case Pool():
            return Shape(shape.channels, 1, 1)
        case Linear(c_in, c_out):
            _same(c_in, shape, path)
            return Shape(c_out, 1, 1)
        case _:
            assert_never(leaf)


def _keeps(before: Shape, after: Shape, path: str) -> None:
    _same(before.channels, after, path)
    for ours, theirs in zip(before[1:], after[1:], strict=True):
        if ours is not theirs and not every(ours == theirs):
            raise LayerError(f"{path}: expected to keep {before}, gives {after}")


def _same(channels: Int, shape: Shape, path: str) -> None:
    if channels is not shape.channels and not every(channels == shape.channels):
        raise LayerError(f"{path}: expected {channels} channels, got {shape.channels}")
