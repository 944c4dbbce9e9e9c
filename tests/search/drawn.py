"""Small networks to search: random ones, and one of two stages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st

import effscale as es
from effscale.spec.models import Head, Rounding, Spec, Stage, Stem
from tests.strategies import specs

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

    from effscale.scaling.multipliers import Multipliers


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
    spec, rounding = draw(specs()), draw(roundings())
    divisor, multiple = rounding.channel_divisor, rounding.resolution_multiple

    def up(number: int, to: int) -> int:
        return -(-number // to) * to

    stages = [
        each.model_copy(update={"channels": up(int(each.channels), divisor)})
        for each in spec.stages
    ]
    stem = {"channels": up(int(spec.stem.channels), divisor)}
    head = {"channels": up(int(spec.head.channels), divisor)}
    least = spec.total_stride
    height, width = (up(max(int(s), 2 * least), multiple) for s in spec.resolution)
    update = {
        "resolution": (height, width),
        "stem": spec.stem.model_copy(update=stem),
        "stages": tuple(stages),
        "head": spec.head.model_copy(update=head),
        "rounding": rounding,
    }
    return spec.model_copy(update=update)


@st.composite
def off_multiples(draw: DrawFn) -> Spec:
    """A network whose own numbers are on no multiple: no rule made them."""
    spec = draw(specs())
    sides = [draw(st.integers(3, 9)) * spec.total_stride + 1 for _ in range(2)]
    return spec.model_copy(update={"resolution": tuple(sides)})


def tiny(resolution: tuple[int, int] = (24, 40), stride: int = 2) -> Spec:
    """Two stages of few channels, the stem and the second of them with the stride."""

    def stage(stride: int, channels: int, repeats: int) -> Stage:
        return Stage(
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
        stem=Stem(kernel=3, stride=stride, channels=8),
        stages=(stage(1, 8, 1), stage(stride, 16, 2)),
        head=Head(channels=16, classes=5),
    )


def network(spec: Spec) -> tuple[int, ...]:
    """Every number of `spec` that scales: repeats, channels, sides."""
    numbers = *spec.repeats, *spec.channels, *spec.resolution
    return tuple(int(number) for number in numbers)


def networks(spec: Spec, multipliers: Multipliers) -> list[tuple[int, ...]]:
    """The network of each entry of these arrays of multipliers."""
    scaled = es.scale(spec, multipliers)
    columns = *scaled.repeats, *scaled.channels, *scaled.resolution
    rows = np.stack(np.broadcast_arrays(*columns), axis=1)
    return [tuple(row) for row in rows.tolist()]
