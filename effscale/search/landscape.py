"""Networks around a baseline: on the ray of each strategy, and on a lattice off it."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from effscale.cost.count import Cost, counts
from effscale.errors import LayerError, ScaleError
from effscale.growth.growth import Variant, family, growth_of
from effscale.growth.multipliers import Multipliers
from effscale.growth.scale import leaves_an_image, scale
from effscale.search.asked import Bounds
from effscale.search.fit import intervals, of_shape
from effscale.search.reachable import Intervals, axes, simplest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from effscale.spec.models import Spec

#: Networks of a ray at most; entries of depth, width and resolution at most, which
#: together are tens of thousands of networks.
MOST_ON_RAY, MOST = 64, (24, 40, 32)


@dataclass(frozen=True)
class Point:
    """A network on a ray, and the φ that give it."""

    variant: Variant
    interval: tuple[float, float]  #: φ from, up to and without


@dataclass(frozen=True)
class Lattice:
    """Every combination of some depths, widths and resolutions, and what each costs."""

    depth: list[float]
    width: list[float]
    resolution: list[float]
    cost: Cost  #: arrays of depth × width × resolution
    sides: list[tuple[int, int]]  #: pixels, of each resolution
    left: list[int]  #: how many entries were left out of each dimension

    def alone(self, spec: Spec) -> tuple[list[Spec], list[Spec]]:
        """The networks of each depth, and of each width, nothing else being scaled."""
        depths = [scale(spec, Multipliers(depth=each)) for each in self.depth]
        return depths, [scale(spec, Multipliers(width=each)) for each in self.width]


@dataclass(frozen=True)
class Path:
    """The networks of one strategy from one φ to another, in order."""

    strategy: str
    points: list[Point]
    left: int  #: networks between them that were left out, or are none


def on_rays(spec: Spec, low: float, high: float) -> Iterator[Path]:
    """The networks of each strategy, those of whole φ among them.

    Raises:
        ScaleError: if a strategy has none.
    """
    for name in growth_of(spec).strategies:
        found = intervals(spec, name, Bounds(), low, high)
        ends = list(zip(found.start.tolist(), found.end.tolist(), strict=True))
        whole = {k for k, (a, b) in enumerate(ends) if math.ceil(a) < b}
        chosen = sorted(_evenly(len(ends), MOST_ON_RAY) | whole)
        points = []
        for k in chosen:
            with suppress(LayerError, ScaleError):  # no network: the next one may be
                points.append(
                    Point(family(spec, [simplest(*ends[k])], [name])[0], ends[k])
                )
        if not points:
            raise ScaleError(f"no candidate of {name} is a network")
        yield Path(name, points, len(ends) - len(points))


def _evenly(count: int, most: int) -> set[int]:
    """At most so many indices, evenly, the first and the last among them."""
    if count <= most:
        return set(range(count))
    return {round(k * (count - 1) / (most - 1)) for k in range(most)}


def lattice(spec: Spec, low: float, high: float) -> Lattice | None:
    """Networks that each dimension alone makes from 2^low to 2^high times as costly.

    None of a network that does not grow by depth, width and resolution, or whose
    layers do not meet at each of them.
    """
    if spec.detector:
        return None
    ends = min(2.0**low, 1.0), max(2.0**high, 1.0)
    roots = math.sqrt(ends[0]), math.sqrt(ends[1])
    found = axes(spec, (ends, roots, roots))
    image = leaves_an_image(spec, Multipliers(resolution=found[2].start))
    sized = Intervals(found[2].start[image], found[2].end[image])
    every = (*found[:2], sized)
    kept = [_thinned(each, most) for each, most in zip(every, MOST, strict=True)]
    kept[2] = [each for each in kept[2] if _fits(spec, each)]
    depth, width, resolution = (np.array(each) for each in kept)
    given = Multipliers(
        depth[:, None, None], width[None, :, None], resolution[None, None, :]
    )
    try:
        scaled = scale(spec, given)
        cost = of_shape(counts(scaled), (len(depth), len(width), len(resolution)))
    except (LayerError, ScaleError):
        return None
    sides = [
        np.broadcast_to(each, (1, 1, len(resolution))) for each in scaled.resolution
    ]
    pixels = [
        (int(h), int(w)) for h, w in zip(*(s.ravel() for s in sides), strict=True)
    ]
    left = [len(axis) - len(each) for axis, each in zip(every, kept, strict=True)]
    first, second, third = kept
    return Lattice(first, second, third, cost, pixels, left)


def _fits(spec: Spec, resolution: float) -> bool:
    """Whether the network's lines fit each other at that multiple of its image."""
    try:
        scale(spec, Multipliers(resolution=resolution))
    except (LayerError, ScaleError):
        return False
    return True


def _thinned(axis: Intervals, most: int) -> list[float]:
    """At most so many of an axis's entries, evenly, and 1 among them."""
    ends = zip(axis.start.tolist(), axis.end.tolist(), strict=True)
    values = [1.0 if low <= 1 < high else simplest(low, high) for low, high in ends]
    return [values[k] for k in sorted(_evenly(len(values), most) | {values.index(1.0)})]
