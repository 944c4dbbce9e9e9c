"""Small networks to search: random ones, and one of two stages."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies as st

import effscale as es
from effscale.growth.scale import changed, numbers
from effscale.limit import Limit
from effscale.search.asked import Asked, Bounds, Goal
from effscale.spec.geometry import least_sides
from effscale.spec.lines import MBConv
from effscale.spec.models import Rounding, Spec
from effscale.spec.outputs import Head
from effscale.spec.steps import Conv
from tests.strategies import mobiles

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

    from effscale.growth.multipliers import Multipliers
    from effscale.search.fit import Found
    from effscale.search.grid import Candidates


def roundings() -> st.SearchStrategy[Rounding]:
    """Rules that any policy, or a file, may state."""
    return st.builds(
        Rounding,
        channel_divisor=st.sampled_from([1, 2, 8]),
        max_channel_loss=st.sampled_from([0.1, 1.0]),
        ties=st.sampled_from(["up", "even"]),
        repeats=st.sampled_from(["ceil", "round"]),
        resolution_multiple=st.sampled_from([1, 4, 8]),
    )


@st.composite
def aligned(draw: DrawFn) -> Spec:
    """A network with channels and sides on the multiples that its rounding makes."""
    spec, rounding = draw(mobiles()), draw(roundings())
    divisor, multiple = rounding.channel_divisor, rounding.resolution_multiple

    def up(number: int, to: int) -> int:
        return -(-number // to) * to

    update = changed(
        spec, lambda role, n: up(int(n), divisor) if role == "channels" else n
    )
    height, width = (
        up(max(int(side), 2 * least), multiple)
        for side, least in zip(spec.resolution, least_sides(spec), strict=True)
    )
    own = {"resolution": (height, width), "rounding": rounding}
    return spec.model_copy(update={**update, **own})


@st.composite
def off_multiples(draw: DrawFn) -> Spec:
    """A network whose own numbers are on no multiple: no rule made them."""
    spec = draw(mobiles())
    sides = [draw(st.integers(3, 9)) * least + 1 for least in least_sides(spec)]
    return spec.model_copy(update={"resolution": tuple(sides)})


def tiny(resolution: tuple[int, int] = (24, 40), stride: int = 2) -> Spec:
    """Two stages of few channels, the stem and the second of them with the stride."""

    def stage(stride: int, channels: int, repeats: int) -> MBConv:
        return MBConv(
            block="mbconv",
            kernel=3,
            stride=stride,
            expand_ratio=2,
            channels=channels,
            repeats=repeats,
            se_ratio=0.25,
        )

    return Spec(
        name="tiny",
        resolution=resolution,
        stem=(Conv(kernel=(3, 3), stride=(stride, stride), channels=8),),
        stages=(stage(1, 8, 1), stage(stride, 16, 2)),
        head=Head(channels=16, classes=5),
    )


def scaling(spec: Spec) -> list[Any]:
    """Every number of `spec` that scales: repeats, channels, sides."""
    widths = numbers(spec, "channels", "grown", "group_width")
    return [*numbers(spec, "repeats"), *widths, *spec.resolution]


def network(spec: Spec) -> tuple[int, ...]:
    """Every number of `spec` that scales: repeats, channels, sides."""
    return tuple(int(number) for number in scaling(spec))


def networks(spec: Spec, multipliers: Multipliers) -> list[tuple[int, ...]]:
    """The network of each entry of these arrays of multipliers."""
    scaled = es.scale(spec, multipliers)
    rows = np.stack(np.broadcast_arrays(*scaling(scaled)), axis=1)
    return [tuple(row) for row in rows.tolist()]


def figures(found: Candidates) -> dict[str, list[Any]]:
    """Every array of the candidates, as a list."""
    fields = {**vars(found), **vars(found.cost), "cost": None, "coefficients": None}
    fields |= {str(k): each for k, each in enumerate(found.coefficients)}
    return {
        name: np.asarray(each).tolist()
        for name, each in fields.items()
        if each is not None
    }


@dataclass(frozen=True)
class Within:
    """Limits and bounds of a search, as a test writes them."""

    params: int | None = None
    activations: int | None = None
    max_resolution: int | None = None
    min_depth: float = 0.0
    max_depth: float = math.inf
    min_width: float = 0.0
    max_width: float = math.inf

    @property
    def bounds(self) -> Bounds:
        """Where to look."""
        depth = self.min_depth, self.max_depth
        width = self.min_width, self.max_width
        return Bounds(self.max_resolution, None, *depth, *width)

    def near(self, target: int) -> Asked:
        """MACs to meet within the limits."""
        given = {"params": self.params, "activations": self.activations}
        limits = [Limit(k, "<=", n) for k, n in given.items() if n is not None]  # type: ignore[arg-type]
        return Asked(Goal("macs", target), tuple(limits))

    def admit(self, spec: Spec, given: Multipliers, sides: Any, cost: es.Cost) -> Any:  # noqa: ANN401
        """Which candidates are within every limit and bound."""
        found = self.bounds.admit(spec, given, sides)
        for limit in self.near(1).limits:
            found = found & limit.admits(getattr(cost, limit.figure))
        return found


def near(target: int) -> Asked:
    """MACs to meet, and nothing else."""
    return Within().near(target)


def off(found: Found) -> float:
    """How far a network is from the target."""
    assert found.deviation is not None
    return found.deviation
