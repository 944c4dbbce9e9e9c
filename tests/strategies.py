"""Small random networks, of everything that the spec language allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from hypothesis import strategies as st

from effscale.spec.models import Activation, Head, Spec, Stage, Stem

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

KERNELS = st.sampled_from([1, 3, 5, 7])
STRIDES = st.integers(1, 3)


@st.composite
def stages(draw: DrawFn) -> Stage:
    """A stage of few and narrow blocks."""
    return Stage(
        block="mbconv",
        kernel=draw(KERNELS),
        stride=draw(STRIDES),
        expand_ratio=draw(st.integers(1, 4)),
        channels=draw(st.integers(1, 12)),
        repeats=draw(st.integers(1, 3)),
        se_ratio=draw(st.sampled_from([0.0, 0.01, 0.25, 0.5, 1.0])),
    )


@st.composite
def specs(draw: DrawFn) -> Spec:
    """A network of one to three stages for an image of any shape that it can take."""
    stem = Stem(
        kernel=draw(KERNELS), stride=draw(STRIDES), channels=draw(st.integers(1, 8))
    )
    drawn = tuple(draw(st.lists(stages(), min_size=1, max_size=3)))
    total = stem.stride
    for stage in drawn:
        total *= stage.stride
    sides = st.integers(total, max(48, total + 8))
    return Spec(
        name="drawn",
        resolution=(draw(sides), draw(sides)),
        image_channels=draw(st.integers(1, 4)),
        activation=draw(st.sampled_from(get_args(Activation))),
        stem=stem,
        stages=drawn,
        head=Head(
            channels=draw(st.integers(1, 16)),
            classes=draw(st.integers(1, 5)),
            dropout=draw(st.floats(0, 0.5)),
        ),
        stochastic_depth=draw(st.floats(0, 0.5)),
    )
