"""Cost along one dimension: a staircase, of which rounding makes every step."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from effscale.cost.count import Cost, counts
from effscale.errors import ScaleError
from effscale.growth.growth import growth_of
from effscale.growth.multipliers import Multipliers
from effscale.growth.scale import at_resolution
from effscale.search.networks import LeftOut, networks, scaled
from effscale.search.reachable import axes
from effscale.spec.geometry import least_sides, pads_all

if TYPE_CHECKING:
    from effscale.spec.models import Spec

Dimension = Literal["depth", "width", "resolution"]
DIMENSIONS: tuple[Dimension, ...] = ("depth", "width", "resolution")

#: A step this much dearer than the one before it is a cliff.
CLIFF = 0.05
MAX_SIZES = 5000


@dataclass(frozen=True)
class Step:
    """Values of the dimension that give one and the same cost."""

    low: float  #: the first of them
    high: float  #: pixels: the last of them; multipliers: the first that is not
    cost: Cost
    rise: float  #: MACs over those of the step before, − 1; 0 for the first
    #: Pixels only: MACs over those of maps that no stride rounds up, − 1, at `high`;
    #: None as well of networks that leave pixels out, whose maps are rounded down.
    waste: float | None = None

    @property
    def is_cliff(self) -> bool:
        """Whether one more pixel, or a little more, cost much more."""
        return self.rise >= CLIFF


@dataclass(frozen=True)
class Sweep:
    """The steps of a dimension, and what is no network between them."""

    steps: list[Step]
    left: LeftOut


def sweep(spec: Spec, dimension: Dimension, low: float, high: float) -> Sweep:
    """The steps of cost from `low` to `high`: pixels, or multipliers of depth or width.

    Pixels are those of the height; the width goes with it as the network grows: in
    proportion, or a detector's by as many pixels. Nothing is rounded to the spec's
    multiple: the question is what each size would cost.

    Raises:
        ScaleError: if the range is empty, too long, or leaves what a network can be.
    """
    if not 0 < low <= high:
        raise ScaleError(
            f"{dimension}: expected 0 < LOW <= HIGH, got {low:g}..{high:g}"
        )
    if dimension == "resolution":
        return _sizes(spec, int(low), int(high))
    unchanged, left = (1.0, 1.0), LeftOut()
    bounds = [(low, high) if each == dimension else unchanged for each in DIMENSIONS]
    axis = axes(spec, bounds)[DIMENSIONS.index(dimension)]
    found = scaled(spec, Multipliers(**{dimension: axis.start}), left)
    if found is None:
        left.refuse_all(dimension)
        return Sweep([], left)
    start, end = axis.start[found.kept], axis.end[found.kept]
    return Sweep(_steps(start, np.minimum(end, high), found.cost), left)


def _sizes(spec: Spec, low: int, high: int) -> Sweep:
    if high - low >= MAX_SIZES:
        raise ScaleError(f"resolution: expected at most {MAX_SIZES} sizes")
    left, height = LeftOut(), np.arange(low, high + 1)
    width = growth_of(spec).width_beside(height)

    def make(kept: Any) -> Spec:  # noqa: ANN401 - indices
        return at_resolution(spec, (height[kept], width[kept]))

    def example(index: int) -> dict[str, float]:
        return {"height": int(height[index]), "width": int(width[index])}

    found = networks(make, len(height), left, example)
    if found is None:
        left.refuse_all("size")
        return Sweep([], left)
    height, width = height[found.kept], width[found.kept]
    costs = [np.broadcast_to(each, len(height)) for each in vars(found.cost).values()]
    ends = (np.diff(costs[0]) != 0) | (np.diff(height) != 1)
    last = np.append(np.nonzero(ends)[0], len(height) - 1)
    first = np.concatenate(([0], last[:-1] + 1))
    picked = Cost(*(each[last] for each in costs))
    waste = None
    if pads_all(spec):
        waste = picked.macs / _smooth(spec, height[last], width[last]) - 1
    return Sweep(_steps(height[first], height[last], picked, waste), left)


def _smooth(spec: Spec, height: Any, width: Any) -> Any:  # noqa: ANN401
    """MACs if feature maps could have parts of pixels, which no stride rounds up.

    MACs are then linear in the height and in the width: four sizes give all others.
    """
    rows, columns = least_sides(spec)

    def macs(high: int, wide: int) -> float:
        size: Any = Fraction(rows * high), Fraction(columns * wide)
        return float(cast("Fraction", counts(at_resolution(spec, size)).macs))

    corner, up, right, both = macs(1, 1), macs(2, 1), macs(1, 2), macs(2, 2)
    y, x = height / rows - 1, width / columns - 1
    twisted = both - up - right + corner
    return corner + (up - corner) * y + (right - corner) * x + twisted * x * y


def _steps(low: Any, high: Any, cost: Cost, waste: Any = None) -> list[Step]:  # noqa: ANN401
    size = len(low)
    columns = [np.broadcast_to(each, size).tolist() for each in vars(cost).values()]
    macs = np.array(columns[0], dtype=float)
    rises = np.concatenate(([0.0], macs[1:] / macs[:-1] - 1)).tolist()
    wastes = [None] * size if waste is None else waste.tolist()
    return [
        Step(*ends, Cost(*figures), rise, wasted)
        for ends, figures, rise, wasted in zip(
            zip(low.tolist(), high.tolist(), strict=True),
            zip(*columns, strict=True),
            rises,
            wastes,
            strict=True,
        )
    ]
