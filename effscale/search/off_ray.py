"""Fitting off the ray: every distinct network within bounds, one depth at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from effscale.cost.count import count
from effscale.errors import ScaleError
from effscale.growth.multipliers import Multipliers
from effscale.growth.scale import leaves_an_image
from effscale.search.fit import Found, Limits, named, nearest_first, of_shape
from effscale.search.grid import MAX_POINTS, SLAB, pareto_front
from effscale.search.networks import LeftOut, spread
from effscale.search.reachable import Intervals, axes, simplest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from effscale.arrays import RealArray
    from effscale.spec.models import Spec

#: How far beyond the target's own multiple (and short of 1) each dimension may go.
SLACK = 1.25
#: Between networks as close to the ray, the one nearer to the target.
TIE = 1e-6

Bounds = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class Free:
    """What lies off the ray, near a target."""

    enumerated: int  #: distinct networks within the bounds
    within: int  #: of them, within tolerance and limits
    found: list[Found]  #: nearest, below, above, closest to the ray, the front
    left: LeftOut


def bounds(spec: Spec, target: int, limits: Limits) -> Bounds:
    """Where to look: from 4/5 of the smaller to 5/4 of the larger of 1 and the target.

    As multiples of the baseline's MACs, of which width and resolution have the root;
    limits of depth, width and resolution stand where they are given.
    """
    multiple = target / int(count(spec).macs)
    low, high = min(1.0, multiple) / SLACK, max(1.0, multiple) * SLACK
    root_low, root_high = math.sqrt(low), math.sqrt(high)
    most = math.inf
    if limits.max_resolution is not None:
        most = limits.max_resolution / max(int(side) for side in spec.resolution)
    found = (
        (limits.min_depth or low, min(limits.max_depth, high)),
        (limits.min_width or root_low, min(limits.max_width, root_high)),
        (root_low, min(most, root_high)),
    )
    names = ("depth", "width", "resolution")
    for name, (first, last) in zip(names, found, strict=True):
        if first > last:
            message = f"no multiplier from {first:.4g} to {last:.4g} to look at"
            raise ScaleError(f"{name}: {message}")
    return found


def off_ray(
    spec: Spec,
    target: int,
    limits: Limits,
    tolerance: float,
    advance: Callable[[float], None] = lambda _share: None,
) -> Free:
    """Every distinct network within bounds: the nearest, the ray's closest, the front.

    Of those within `tolerance` of `target` MACs, `closest` is the one whose depth,
    width and resolution stand for the most alike φ; `front` are those that no other
    beats in both params and activations.

    `advance` hears of shares of the work as they are done.

    Raises:
        ScaleError: if there are more than 10^9 networks to look at.
    """
    depth, width, sides = axes(spec, bounds(spec, target, limits))
    images = leaves_an_image(spec, Multipliers(resolution=sides.start))
    if not images.any():
        raise ScaleError("resolution: no multiplier within the limits leaves an image")
    reachable = depth, width, Intervals(sides.start[images], sides.end[images])
    enumerated = math.prod(map(len, reachable))
    if enumerated > MAX_POINTS:
        raise ScaleError(
            f"fit: expected at most {MAX_POINTS:,} networks, got {enumerated:,}; "
            "limits of depth, width and resolution leave fewer"
        )
    search = _Search(spec, target, limits, tolerance, reachable)
    for rows in search.slabs():
        search.look(rows)
        advance(len(rows) / len(reachable[0]))
    if not search.exist:
        search.left.refuse_all("candidate")
    return Free(enumerated, search.within, search.answer(), search.left)


def _phi_interval(axis: Intervals, base: float) -> tuple[RealArray, RealArray]:
    """From which φ to which each entry is `base`^φ; all φ if base and entry are 1."""
    if base == 1:
        inside = (axis.start <= 1) & (axis.end > 1)
        return np.where(inside, -np.inf, np.inf), np.where(inside, np.inf, -np.inf)
    ends = np.log(axis.start) / np.log(base), np.log(axis.end) / np.log(base)
    return np.minimum(*ends), np.maximum(*ends)


@dataclass
class _Search:
    """What has been found so far, slab by slab of depth."""

    spec: Spec
    target: int
    limits: Limits
    tolerance: float
    axes: tuple[Intervals, Intervals, Intervals]
    within: int = 0
    exist: bool = False  #: whether any of them is a network
    left: LeftOut = field(default_factory=LeftOut)
    #: role → (how bad, index of depth, of width, of resolution)
    best: dict[str, tuple[float, tuple[int, ...]]] = field(default_factory=dict)
    #: Params, activations, indices.
    front: list[tuple[Any, Any, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        given = self.spec.coefficients
        pairs = zip(self.axes, (given.alpha, given.beta, given.gamma), strict=True)
        self.phis = [_phi_interval(axis, base) for axis, base in pairs]

    def slabs(self) -> Iterator[Any]:
        """Indices of depths to look at together."""
        depths, width, resolution = map(len, self.axes)
        rows = max(1, SLAB // (width * resolution))
        for start in range(0, depths, rows):
            yield np.arange(start, min(start + rows, depths))

    def look(self, rows: Any) -> None:  # noqa: ANN401
        """Count these depths with every width and resolution."""
        depth, width, resolution = (each.start for each in self.axes)
        given = Multipliers(depth[rows, None, None], width[:, None], resolution)
        exists, counted, sides = spread(self.spec, given, self.left)
        self.exist = self.exist or bool(np.any(exists))
        shape = len(rows), len(width), len(resolution)
        cost = of_shape(counted, shape)
        admitted = np.broadcast_to(
            exists & self.limits.admit(given, sides, cost), shape
        )
        over = cost.macs / self.target - 1
        self._keep("below", np.where(admitted & (over <= 0), -over, np.inf), rows)
        self._keep("above", np.where(admitted & (over > 0), over, np.inf), rows)
        close = admitted & (np.abs(over) <= self.tolerance)
        self.within += int(close.sum())
        if close.any():
            far = self._distance(rows) + TIE * np.abs(over)
            self._keep("closest", np.where(close, far, np.inf), rows)
            at = np.nonzero(close)
            indices = np.stack([rows[at[0]], at[1], at[2]], axis=1)
            params: Any = cost.params
            activations: Any = cost.activations
            self._front(params[at], activations[at], indices)

    def _distance(self, rows: Any) -> Any:  # noqa: ANN401
        """How far apart the φ are that depth, width and resolution stand for.

        0 if the ray itself passes through the network.
        """
        (d_low, d_high), (w_low, w_high), (r_low, r_high) = self.phis
        depth = d_low[rows, None, None], d_high[rows, None, None]
        width = w_low[:, None], w_high[:, None]
        low = np.maximum(np.maximum(depth[0], width[0]), r_low)
        high = np.minimum(np.minimum(depth[1], width[1]), r_high)
        return np.maximum(low - high, 0)

    def _keep(self, role: str, badness: Any, rows: Any) -> None:  # noqa: ANN401
        at = np.unravel_index(int(badness.argmin()), badness.shape)
        worst = float(badness[at])
        if worst < self.best.get(role, (math.inf, ()))[0]:
            self.best[role] = worst, (int(rows[at[0]]), int(at[1]), int(at[2]))

    def _front(self, params: Any, activations: Any, indices: Any) -> None:  # noqa: ANN401
        self.front.append((params, activations, indices))
        joined = [np.concatenate(each) for each in zip(*self.front, strict=True)]
        best = pareto_front(joined[0], joined[1])
        self.front = [(joined[0][best], joined[1][best], joined[2][best])]

    def answer(self) -> list[Found]:
        """Nearest, the other side, closest to the ray, the front by params."""
        roles = {role: self._found(role, at) for role, (_, at) in self.best.items()}
        sides = [roles[role] for role in ("below", "above") if role in roles]
        found = nearest_first(sides)
        found += [roles["closest"]] if "closest" in roles else []
        if self.front:
            params, _, indices = self.front[0]
            order = np.argsort(params)
            found += [self._found("front", tuple(indices[each])) for each in order]
        return found

    def _found(self, role: str, at: tuple[int, ...]) -> Found:
        picked = (
            simplest(float(axis.start[index]), float(axis.end[index]))
            for axis, index in zip(self.axes, at, strict=True)
        )
        given = Multipliers(*picked)
        d, w, r = (f"{each:.4g}" for each in given.given.values())
        name = f"{self.spec.name}-d{d}-w{w}-r{r}"
        variant = named(self.spec, name, "free", None, given, self.target)
        return Found(role, variant, count(variant.spec), self.target)
