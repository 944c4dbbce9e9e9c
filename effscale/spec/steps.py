"""Steps: lines that stand for one layer or for branches of some, anywhere in a network.

A step without `block` is a convolution. Numbers of a step are those of the network at
its own size; only those of `channels` scale.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    model_serializer,
)

from effscale.arrays import Int, floor, maximum
from effscale.spec import values
from effscale.spec.types import (
    ActivationName,
    Channels,
    Flag,
    Model,
    Multiplier,
    Name,
    Padding,
    PaddingName,
    Repeats,
    Widths,
    Window,
    of_block,
    pair,
)

SQUARE = (1, 1)
Dilation = Annotated[int, values.Whole(1, 16)]

#: Keys of lines, as the rows of papers' tables have them: what, how large, how often.
KEYS = (
    *("block", "cell", "scale", "kernel", "stride"),
    *("expand_ratio", "growth", "bottleneck_ratio", "compression"),
    *("c_in", "c_mid", "channels", "ratio", "group_width", "reduce_ratio", "repeats"),
    *("groups", "dilation", "padding", "bias", "norm", "shortcut_kernel", "se_ratio"),
    *("activation", "shared", "branches", "layers", "shortcut"),
)


class Line(Model):
    """A line of a network: what it is made of, by the name of its `block`."""

    block: str

    @property
    def window(self) -> tuple[Window, Window, Padding]:
        """Rows and columns seen, stride, padding: by which a feature map shrinks."""
        rows, columns = pair(getattr(self, "kernel", 1))
        step = getattr(self, "dilation", 1)
        seen = step * (rows - 1) + 1, step * (columns - 1) + 1
        return seen, pair(getattr(self, "stride", 1)), getattr(self, "padding", "same")

    @model_serializer(mode="wrap")
    def _without_defaults(self, serialize: SerializerFunctionWrapHandler) -> Any:  # noqa: ANN401
        """What a file need not say is not written."""
        values, written = type(self).model_fields, serialize(self)
        unsaid = [
            name
            for name in written
            if name != "block" and getattr(self, name) == values[name].default
        ]
        order = sorted(set(written) - set(unsaid), key=KEYS.index)
        return {name: written[name] for name in order}


class Conv(Line):
    """Convolution, batch norm, activation."""

    block: Literal["conv"] = "conv"
    kernel: Window
    stride: Window = SQUARE
    padding: PaddingName = "same"
    #: Left out, those of the line that uses the block it is in; or those that come into
    #: the residual around it, or into itself.
    channels: Widths | None = None
    #: What share it has of the channels that it does not state.
    ratio: Annotated[float, values.Number(0, 64, above=True)] = 1.0
    groups: Channels = 1
    dilation: Dilation = 1
    bias: Flag = False
    norm: Flag = True
    activation: ActivationName | None = None
    #: Convolutions of one block with the same name share their weights.
    shared: Name | None = None

    def of(self, unstated: Int) -> Int:
        """The channels it puts out where the ones it does not state are these."""
        if self.channels is not None:
            own: Int = of_block(self.channels, 0)
            return own
        shared: Int = maximum(1, floor(unstated * self.ratio))
        return unstated if self.ratio == 1 else shared


class Depthwise(Line):
    """Convolution of each channel by itself, batch norm, activation."""

    block: Literal["depthwise"]
    kernel: Window
    stride: Window = SQUARE
    padding: PaddingName = "same"
    dilation: Dilation = 1
    norm: Flag = True
    activation: ActivationName | None = None


class Pool(Line):
    """Maximum or mean of windows."""

    block: Literal["max_pool", "avg_pool"]
    kernel: Window
    stride: Window = SQUARE
    padding: PaddingName = "same"


class Normalise(Line):
    """Batch norm alone."""

    block: Literal["norm"]


class Activate(Line):
    """An activation alone; the network's own, if it names none."""

    block: Literal["activation"]
    activation: ActivationName | None = None


class SqueezeExcite(Line):
    """Squeeze-and-excitation alone, as the spec's `squeeze_excite` says."""

    block: Literal["squeeze_excite"]
    se_ratio: Annotated[float, values.Number(0, 1, above=True)]


class Branches(Line):
    """Branches side by side: their channels one after the other, or their sum."""

    block: Literal["concat", "sum"]
    branches: Annotated[tuple[tuple[Step, ...], ...], Field(min_length=2)]


class Residual(Line):
    """shortcut(x) + scale · layers(x); without shortcut, x itself."""

    block: Literal["residual"]
    layers: Annotated[tuple[Step, ...], Field(min_length=1)]
    shortcut: tuple[Step, ...] = ()
    scale: Multiplier = 1.0


class Use(Line):
    """A block that the file itself defines, under `blocks`."""

    block: Name
    #: Of its convolutions that state none.
    channels: Channels | None = None
    #: Blocks in a stage; left out, it is one at any depth.
    repeats: Repeats | None = None


STEPS: dict[str, type[Line]] = {
    "conv": Conv,
    "depthwise": Depthwise,
    "max_pool": Pool,
    "avg_pool": Pool,
    "norm": Normalise,
    "activation": Activate,
    "squeeze_excite": SqueezeExcite,
    "concat": Branches,
    "sum": Branches,
    "residual": Residual,
}


def step_kind(value: Any) -> str:  # noqa: ANN401 - what a file holds, or a step
    """The class of a step, by name; a block of the file's own where none is."""
    block = value.get("block", "conv") if isinstance(value, dict) else None
    block = getattr(value, "block", block)
    known = STEPS.get(block) if isinstance(block, str) else Use
    return (known or Use).__name__


#: Each by its class, whose name pydantic takes for a tag.
AnyStep = (
    Annotated[Conv, Tag("Conv")]
    | Annotated[Depthwise, Tag("Depthwise")]
    | Annotated[Pool, Tag("Pool")]
    | Annotated[Normalise, Tag("Normalise")]
    | Annotated[Activate, Tag("Activate")]
    | Annotated[SqueezeExcite, Tag("SqueezeExcite")]
    | Annotated[Branches, Tag("Branches")]
    | Annotated[Residual, Tag("Residual")]
    | Annotated[Use, Tag("Use")]
)
Step = Annotated[AnyStep, Discriminator(step_kind)]

for _model in (Branches, Residual):
    _model.model_rebuild()
