"""What a spec says: a baseline network as stages, and the rules that scale it.

The fields' order is the order of a file, and the numbers carry their ranges. A spec
that was scaled is again a spec. Where `Int` stands, one network has an int and many
candidates have an int64 array (`effscale.arrays`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer
from pydantic_core import PydanticCustomError

from effscale.arrays import Int
from effscale.spec import fields

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Wider, deeper or larger than anything built; beyond it lies a slip of the pen.
MAX_CHANNELS, MAX_REPEATS, MAX_RESOLUTION = 2**20, 10_000, 2**16

Activation = Literal["silu", "relu", "relu6", "hard_swish", "gelu"]
RepeatsRule = Literal["ceil", "round"]
TiesRule = Literal["up", "even"]

Channels = Annotated[Int, fields.Whole(1, MAX_CHANNELS)]
Repeats = Annotated[Int, fields.Whole(1, MAX_REPEATS)]
Side = Annotated[Int, fields.Whole(1, MAX_RESOLUTION)]
Kernel = Annotated[int, fields.Odd(1, 31)]
Stride = Annotated[int, fields.Whole(1, 8)]
Share = Annotated[float, fields.Number(0, 1)]
Multiplier = Annotated[float, fields.Number(0, 100, above=True)]
Percent = Annotated[float, fields.Number(0, 100)]
Name = Annotated[str, fields.Word()]
Text = Annotated[str, fields.Text()]
Quantity = Annotated[str, fields.Rounded()]
Count = Annotated[int, fields.Whole(0, 2**200)]


def _pair(value: Any) -> Any:  # noqa: ANN401 - pydantic judges what this leaves alone
    return (value, value) if isinstance(value, int | float | str) else value


def _side_or_pair(value: tuple[Int, Int]) -> Any:  # noqa: ANN401
    return value[0] if value[0] == value[1] else list(value)


#: (height, width) in pixels; a file writes one number for a square.
Resolution = Annotated[
    tuple[Side, Side], BeforeValidator(_pair), PlainSerializer(_side_or_pair)
]


class Model(BaseModel):
    """Frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Norm(Model):
    """Batch normalisation; momentum as torch means it (TensorFlow's is 1 − it)."""

    eps: Annotated[float, fields.Number(0, 1, above=True)] = 1e-3
    momentum: Share = 0.01


class Stem(Model):
    """Convolution, batch norm, activation: what the image meets first."""

    kernel: Kernel
    stride: Stride
    channels: Channels


class Stage(Model):
    """Blocks of one width; only the first has the stride."""

    block: Annotated[str, fields.Choice(("mbconv",))]
    kernel: Kernel
    stride: Stride
    expand_ratio: Annotated[int, fields.Whole(1, 64)]
    #: Input channels, where a file cares to state them; checked, never needed.
    c_in: Channels | None = None
    channels: Channels
    repeats: Repeats
    #: Squeezed width / block input width; 0 is no squeeze-and-excitation.
    se_ratio: Share = 0.0


class Head(Model):
    """1×1 convolution, batch norm, activation, pooling, dropout, linear."""

    channels: Channels
    classes: Annotated[int, fields.Whole(1, MAX_CHANNELS)] = 1000
    dropout: Share = 0.0


class Rounding(Model):
    """How a scaled number becomes one that a network can have.

    A file names a policy, `rounding: pycls`, or writes what differs from the
    `efficientnet` policy.
    """

    #: Channels are a multiple of this.
    channel_divisor: Annotated[int, fields.Whole(1, 1024)] = 8
    #: Rounding channels down may lose at most this share of them.
    max_channel_loss: Share = 0.1
    #: Where channels or pixels lie halfway between two multiples.
    ties: Annotated[TiesRule, fields.Choice(("up", "even"))] = "up"
    #: Repeats go up to the next whole number, or to the nearest (halves to even).
    repeats: Annotated[RepeatsRule, fields.Choice(("ceil", "round"))] = "ceil"
    #: Height and width are a multiple of this.
    resolution_multiple: Annotated[int, fields.Whole(1, 1024)] = 8


#: What well-known implementations do, by name: where each differs from the first.
POLICIES: dict[str, Rounding] = {
    # tpu/models/official/efficientnet/efficientnet_model.py:106-130
    "efficientnet": Rounding(),
    # automl/efficientnetv2/effnetv2_model.py:84-95: no rule of the tenth
    "efficientnetv2": Rounding(max_channel_loss=1.0),
    # pycls/models/scaler.py: Python's round everywhere, pixels to a multiple of 4
    "pycls": Rounding(
        max_channel_loss=1.0, ties="even", repeats="round", resolution_multiple=4
    ),
    # timm/models/_efficientnet_builder.py:232-267, depth_trunc="round"
    "timm": Rounding(repeats="round"),
}


def _policy(value: Any) -> Any:  # noqa: ANN401 - pydantic judges what this leaves alone
    if not isinstance(value, str):
        return value
    if value not in POLICIES:
        expected = f"one of {', '.join(POLICIES)}, or keys and values"
        raise PydanticCustomError("kind", "expected {expected}", {"expected": expected})
    return POLICIES[value]


class Coefficients(Model):
    """Growth of depth (α), width (β) and resolution (γ) per unit of φ."""

    alpha: Multiplier = 1.2
    beta: Multiplier = 1.1
    gamma: Multiplier = 1.15

    @property
    def product(self) -> float:
        """α·β²·γ²: what a unit of φ multiplies MACs by, were nothing rounded."""
        return self.alpha * self.beta**2 * self.gamma**2


class Expected(Model):
    """What a file expects of its own network: exact figures."""

    params: Count | None = None
    macs: Count | None = None


class Published(Model):
    """What the source printed, digit by digit; accuracies in per cent."""

    params: Quantity | None = None
    macs: Quantity | None = None
    top1: Percent | None = None
    top5: Percent | None = None
    source: Text | None = None


class Variant(Model):
    """A published relative: multipliers rounded by hand, and its own resolution."""

    depth_multiplier: Multiplier = 1.0
    width_multiplier: Multiplier = 1.0
    resolution: Resolution
    dropout: Share | None = None
    expected: Expected | None = None
    published: Published | None = None


class Spec(Model):
    """A network as stages. Equal specs are equal networks with equal rules."""

    name: Name
    family: Name | None = None
    source: Text | None = None
    resolution: Resolution
    image_channels: Channels = 3
    activation: Annotated[
        Activation, fields.Choice(("silu", "relu", "relu6", "hard_swish", "gelu"))
    ] = "silu"
    norm: Norm = Norm()
    #: Rate at which the last block would be skipped; block i of N has rate·i/N.
    stochastic_depth: Share = 0.0
    stem: Stem
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)]
    head: Head
    rounding: Annotated[Rounding, BeforeValidator(_policy)] = Rounding()
    coefficients: Coefficients = Coefficients()
    expected: Expected | None = None
    published: Published | None = None
    variants: dict[Name, Variant] = {}

    @property
    def total_stride(self) -> int:
        """Pixels of the image to one position of the last feature map."""
        stride = self.stem.stride
        for stage in self.stages:
            stride *= stage.stride
        return stride

    @property
    def channels(self) -> list[Int]:
        """Every width that scales: stem, stages, head."""
        stages = [stage.channels for stage in self.stages]
        return [self.stem.channels, *stages, self.head.channels]

    @property
    def repeats(self) -> list[Int]:
        """Every depth that scales: repeats by stage."""
        return [stage.repeats for stage in self.stages]

    def __rich_repr__(self) -> Iterator[tuple[str, object]]:
        """The fields that differ from their defaults, for a readable print."""
        for name in type(self).model_fields:
            if name in self.model_fields_set:
                yield name, getattr(self, name)
