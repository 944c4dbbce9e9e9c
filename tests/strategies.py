"""Small random networks, of everything that the spec language allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from hypothesis import assume
from hypothesis import strategies as st

from effscale.spec.geometry import least_sides
from effscale.spec.lines import MBConv
from effscale.spec.models import Spec, Squeeze
from effscale.spec.norm import Norm, NormKind
from effscale.spec.outputs import Head
from effscale.spec.steps import Conv
from effscale.spec.structure import faults
from effscale.spec.values import Activation, Gate, SamePadding
from tests.drawn_detectors import detector_files
from tests.drawn_graphs import graph_files
from tests.drawn_lines import files
from tests.drawn_tokens import token_files

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

KERNELS = st.sampled_from([1, 3, 5, 7])
STRIDES = st.integers(1, 3)
ACTIVATIONS = st.sampled_from([each for each in get_args(Activation) if each != "none"])


@st.composite
def mbconvs(draw: DrawFn) -> MBConv:
    """A stage of few and narrow blocks."""
    return MBConv(
        block="mbconv",
        kernel=draw(KERNELS),
        stride=draw(STRIDES),
        expand_ratio=draw(st.integers(1, 4)),
        channels=draw(st.integers(1, 12)),
        repeats=draw(st.integers(1, 3)),
        se_ratio=draw(st.sampled_from([0.0, 0.01, 0.25, 0.5, 1.0])),
    )


@st.composite
def mobiles(draw: DrawFn) -> Spec:
    """A convolution, one to three stages of MBConv, for an image of any shape."""
    kernel, stride = draw(KERNELS), draw(STRIDES)
    stem = Conv(
        kernel=(kernel, kernel),
        stride=(stride, stride),
        channels=draw(st.integers(1, 8)),
    )
    drawn = tuple(draw(st.lists(mbconvs(), min_size=1, max_size=3)))
    total = stride
    for stage in drawn:
        total *= stage.stride
    sides = st.integers(total, max(48, total + 8))
    return Spec(
        name="drawn",
        resolution=(draw(sides), draw(sides)),
        image_channels=draw(st.integers(1, 4)),
        activation=draw(ACTIVATIONS),
        stem=(stem,),
        stages=drawn,
        head=Head(
            channels=draw(st.integers(1, 16)),
            classes=draw(st.integers(1, 5)),
            dropout=draw(st.floats(0, 0.5)),
        ),
        stochastic_depth=draw(st.floats(0, 0.5)),
    )


def norms() -> st.SearchStrategy[Norm]:
    """Any kind of norm, that of groups with one of all channels.

    That of instances asks for maps of several positions, which not all networks have.
    """
    kinds = [Norm(kind=k) for k in get_args(NormKind) if k not in {"group", "instance"}]
    return st.sampled_from([*kinds, Norm(kind="group", groups=1)])


def squeezes() -> st.SearchStrategy[Squeeze]:
    """Any choice of squeeze-and-excitation."""
    return st.builds(
        Squeeze,
        of=st.sampled_from(["input", "gated"]),
        at=st.sampled_from(["middle", "output"]),
        divisor=st.sampled_from([1, 4]),
        activation=st.none() | ACTIVATIONS,
        norm=st.booleans(),
        gate=st.sampled_from(get_args(Gate)),
    )


@st.composite
def specs(draw: DrawFn) -> Spec:
    """A network of every kind of line, for an image of any shape that it can take."""
    return draw(_sized(draw(files())))


@st.composite
def detectors(draw: DrawFn) -> Spec:
    """A detector of any neck, on a backbone of every kind of stage."""
    return draw(_sized(draw(detector_files())))


@st.composite
def graphs(draw: DrawFn) -> Spec:
    """A network whose lines read each other."""
    return draw(_sized(draw(graph_files())))


@st.composite
def attending(draw: DrawFn) -> Spec:
    """A network of tokens and attention, of sides that its lines fit."""
    return draw(_sized(draw(token_files())))


@st.composite
def _sized(draw: DrawFn, file: dict[str, Any]) -> Spec:
    """The network of a file, for an image of any shape that it can take."""
    data = {**file, "name": "drawn", "resolution": 1}
    data["image_channels"] = draw(st.integers(1, 4))
    spec = Spec.model_validate(data)
    sides = [draw(st.integers(n, max(24, n + 8))) for n in least_sides(spec)]
    norm, squeeze = draw(norms()), draw(squeezes())
    if norm.kind in {"group", "instance"}:  # what is squeezed may be a single number
        squeeze = squeeze.model_copy(update={"norm": False})
    found = spec.model_copy(
        update={
            "resolution": tuple(sides),
            "activation": draw(ACTIVATIONS),
            "norm": norm,
            "squeeze_excite": squeeze,
            "padding": draw(st.sampled_from(get_args(SamePadding))),
            "stochastic_depth": draw(st.floats(0, 0.5)),
        }
    )
    assume(not list(faults(found)))  # a cell after a line that it cannot follow
    return found
