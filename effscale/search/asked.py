"""The question of a search: a goal, limits, and bounds of where to look."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from effscale.cost.figures import Running
from effscale.errors import ScaleError
from effscale.growth.growth import at_phi
from effscale.limit import Limit
from effscale.spec.geometry import least_sides, pads_all
from effscale.spec.models import Budget

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from effscale.arrays import Real
    from effscale.growth.multipliers import Multipliers
    from effscale.limit import Figure
    from effscale.spec.models import Spec

#: What may be held as the baseline has it; `aspect` is width over height.
Held = Literal["depth", "width", "resolution", "aspect"]
HELD: tuple[Held, ...] = get_args(Held)
#: The multipliers of each dimension, those of a detector's neck and heads as well.
OF_DIMENSION: Mapping[str, Sequence[str]] = {
    "depth": ("depth", "neck_depth", "head_depth"),
    "width": ("width", "group_width", "neck_width"),
    "resolution": ("resolution", "image_width"),
}


@dataclass(frozen=True)
class Goal:
    """What the best network is: the nearest to a target, or the largest there is."""

    figure: Figure = "macs"
    target: float | None = None  #: None: as large as the limits let it be

    def badness(self, found: Any) -> Any:  # noqa: ANN401 - a figure, or an array of it
        """How far from the best a network is, by its figure."""
        if self.target is None:
            return -np.asarray(found, dtype=float)
        return np.abs(found / self.target - 1)


@dataclass(frozen=True)
class Bounds:
    """Where to look; None is no bound."""

    max_resolution: int | None = None  #: of the longer side, in pixels
    min_resolution: int | None = None  #: of the shorter side
    min_depth: float = 0.0
    max_depth: float = math.inf
    min_width: float = 0.0
    max_width: float = math.inf
    hold: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for name in ("resolution", "depth", "width"):
            least, most = (getattr(self, f"{end}_{name}") for end in ("min", "max"))
            if None not in {least, most} and least > most:
                of = "pixels" if name == "resolution" else "a multiplier"
                what = f"{of} of at least {least:g}, and at most {most:g}"
                raise ScaleError(f"{name}: expected {what}: there is none")

    def admit(self, spec: Spec, given: Multipliers, sides: Any) -> Any:  # noqa: ANN401
        """Which candidates of `spec` are within: an array of booleans."""
        within = self.reached(given) & ~np.asarray(self.passed(given))
        height, width = sides
        if self.max_resolution is not None:
            within = within & (np.maximum(height, width) <= self.max_resolution)
        if self.min_resolution is not None:
            within = within & (np.minimum(height, width) >= self.min_resolution)
        if "aspect" in self.hold:
            rows, columns = spec.resolution
            within = within & (height * columns == width * rows)
        return within

    def reached(self, given: Multipliers) -> Any:  # noqa: ANN401
        """Whether depth and width are as large as asked for."""
        return (given.depth >= self.min_depth) & (given.width >= self.min_width)

    def passed(self, given: Multipliers) -> Any:  # noqa: ANN401
        """Whether depth or width is larger than asked for."""
        return (given.depth > self.max_depth) | (given.width > self.max_width)

    def holds(self, name: str) -> bool:
        """Whether the multiplier of that name is held at 1."""
        return any(name in OF_DIMENSION.get(each, ()) for each in self.hold)

    def at_phi(self, spec: Spec, phi: Real, strategy: str) -> Multipliers:
        """The multipliers of `strategy` at φ, those that are held at 1.

        Raises:
            ScaleError: if all that the strategy grows is held.
        """
        given = at_phi(spec, phi, strategy)
        if not self.hold & OF_DIMENSION.keys():
            return given
        kept = [name for name in given.given if self.holds(name)]
        grows = at_phi(spec, 1.0, strategy).given.items()
        if not any(name not in kept and each != 1 for name, each in grows):
            held = ", ".join(sorted(self.hold))
            raise ScaleError(f"hold: {strategy} grows nothing else than {held}")
        unset = {"group_width", "image_width"}
        fixed: dict[str, Any] = {k: None if k in unset else 1.0 for k in kept}
        return replace(given, **fixed)


@dataclass(frozen=True)
class Asked:
    """A goal within limits."""

    goal: Goal
    limits: tuple[Limit, ...] = ()
    running: Running = field(default_factory=Running)
    #: How far from a target the nearest may be; None: however far.
    within: float | None = None

    @property
    def figures(self) -> list[Figure]:
        """What has to be known of each candidate."""
        named = [self.goal.figure, *(each.figure for each in self.limits)]
        return list(dict.fromkeys(named))

    def budget(self) -> Budget:
        """What was asked for as a file has it, to be held to."""
        goal, running = self.goal, self.running
        stated = list(self.limits)
        if goal.target is not None and self.within is not None:
            stated.append(Limit(goal.figure, "=", goal.target, self.within))
        found: dict[str, Any] = {each.figure: each.written() for each in stated}
        if found.keys() & {"memory", "training_memory"}:
            found |= {"batch": running.batch, "dtype": running.dtype}
        if "latency" in found and running.device is not None:
            found |= {
                k: n
                for k, n in asdict(running.device).items()
                if n not in {False, "torch"}
            }
        return Budget(**found)

    @property
    def budgets_macs(self) -> bool:
        """Whether MACs are asked for, or limited from above."""
        return "macs" in self.most()

    def most(self) -> dict[Figure, float]:
        """What figures may come to, where something limits them from above."""
        found: dict[Figure, float] = {}
        for each in self.limits:
            if each.most is not None:
                found[each.figure] = min(each.most, found.get(each.figure, math.inf))
        if self.goal.target is not None:
            found.setdefault(self.goal.figure, self.goal.target)
        return found


def asked(
    limits: Sequence[Limit],
    most: Figure | None,
    tolerance: float | None,
    running: Running,
    *,
    sign: str = "",
) -> Asked:
    """What limits ask for together: to meet the one that is a cost, or the most.

    `sign` stands before the names that messages give them, `--` where they are options.

    Raises:
        ScaleError: unless they are one cost, or something is limited from above.
    """
    goals = [each for each in limits if each.sign == "="]
    if len(goals) > 1 and goals[1].is_target:
        names = [f"{sign}{each.figure}" for each in goals[:2]]
        named = " and ".join(names).replace("_", "-" if sign else "_")
        raise ScaleError(f"{named} are both to be met: limit one, as in '<= …'")
    if goals:
        if most is not None:
            raise ScaleError(f"{sign}most is for limits, and there is a cost to meet")
        goal = Goal(goals[0].figure, goals[0].value)
        others = tuple(each for each in limits if each is not goals[0])
        own = goals[0].within
        return Asked(goal, others, running, tolerance if own is None else own)
    if tolerance is not None:
        costs = f"a cost to meet, such as {sign}macs 1.5G"
        raise ScaleError(f"{sign}tolerance is for {costs}")
    found = Asked(Goal(most or "macs"), tuple(limits), running)
    if not found.most():
        expected = f"expected a cost to meet, {sign}macs 1.5G, or a limit"
        raise ScaleError(f"{expected}, {sign}macs '<= 300M'")
    return found


#: Where a candidate is: its index, or its indices along the axes.
Key = tuple[int, ...]


@dataclass
class Best:
    """The best of all candidates that were looked at, and what limits keep from it.

    `below` and `above` a target, or the `most`; for each limit by its number, the best
    goal `without` it, and what within all others `misses` it by least; and what misses
    all limits together by `least`. Of equals it is one whose sides suit the strides.
    """

    asked: Asked
    suits: Callable[[Any], Any]  #: which sides are multiples of the total stride
    #: How bad the best is, whether its sides do not suit, and where it is.
    roles: dict[tuple[str, int], tuple[float, bool, Key]] = field(default_factory=dict)

    def look(
        self,
        figures: Mapping[str, Any],
        exists: Any,  # noqa: ANN401 - an array of booleans
        sides: Any,  # noqa: ANN401
        key: Callable[[Key], Key],
    ) -> Any:  # noqa: ANN401
        """Look at more candidates; which of them are within all limits.

        `key` says of an index among them where the candidate is.
        """
        goal, limits = self.asked.goal, self.asked.limits
        excess = [np.asarray(each.excess(figures[each.figure])) for each in limits]
        missed = [each > 0 for each in excess]
        value = figures[goal.figure]
        bad = goal.badness(value)
        odd = ~np.asarray(self.suits(sides))

        def keep(name: str, number: int, badness: Any, among: Any) -> None:  # noqa: ANN401
            where = np.where(among, badness, np.inf)
            where, unsuited = np.broadcast_arrays(where, odd)
            self._keep((name, number), where, unsuited, key)

        admitted = exists & ~_any(missed)
        if goal.target is None:
            keep("most", 0, bad, admitted)
        else:
            keep("below", 0, bad, admitted & (value <= goal.target))
            keep("above", 0, bad, admitted & (value > goal.target))
        for k, mine in enumerate(missed):
            others = exists & ~_any(missed[:k] + missed[k + 1 :])
            keep("without", k, bad, others)
            keep("misses", k, excess[k], others & mine)
        if excess:
            keep("least", 0, np.maximum.reduce(np.broadcast_arrays(*excess)), exists)
        return admitted

    def _keep(
        self,
        role: tuple[str, int],
        badness: Any,  # noqa: ANN401
        odd: Any,  # noqa: ANN401
        key: Callable[[Key], Key],
    ) -> None:
        if not badness.size:
            return
        least = badness.min()
        if least == np.inf:
            return
        equal = badness == least
        suited = equal & ~odd
        chosen = suited if suited.any() else equal
        at = np.unravel_index(int(chosen.argmax()), badness.shape)
        index = key(tuple(int(each) for each in at))
        found = float(least), bool(odd[at]), index
        if role not in self.roles or found[:2] < self.roles[role][:2]:
            self.roles[role] = found

    def binding(self) -> list[int]:
        """The numbers of limits without any one of which the goal would be nearer."""
        names = [("most", 0), ("below", 0), ("above", 0)]
        best = min((self.roles[n][0] for n in names if n in self.roles), default=None)
        if best is None:
            return []
        without = {
            k: each[0] for (name, k), each in self.roles.items() if name == "without"
        }
        return sorted(k for k, badness in without.items() if badness < best)


def _any(masks: Sequence[Any]) -> Any:  # noqa: ANN401 - arrays of booleans
    found: Any = np.False_
    for each in masks:
        found = found | each
    return found


def suiting(spec: Spec) -> Callable[[Any], Any]:
    """Which sides suit the strides of a network, so that none rounds up."""
    if spec.neck is not None:
        rows = columns = 2 ** spec.neck.levels[1]
    elif pads_all(spec):
        rows, columns = least_sides(spec)
    else:
        rows = columns = 1

    def suits(sides: Any) -> Any:  # noqa: ANN401
        height, width = (np.asarray(each) for each in sides)
        return (height % rows == 0) & (width % columns == 0)

    return suits
