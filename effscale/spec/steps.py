"""Steps: lines that stand for one layer or for branches of some, anywhere in a network.

A step without `block` is a convolution. Numbers of a step are those of the network at
its own size; only those of `channels` scale.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import (
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    model_serializer,
)

from effscale.arrays import Int, strided, valid, whole_share
from effscale.errors import Fault
from effscale.spec import values
from effscale.spec.norm import LineNorm, OwnNorm
from effscale.spec.values import (
    ActivationName,
    Channels,
    Flag,
    Model,
    Multiplier,
    Name,
    Padding,
    PaddingName,
    PoolKind,
    Repeats,
    Widths,
    Window,
    of_block,
    pair,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from effscale.errors import Place

    Lines: TypeAlias = tuple["Line", ...]
    #: Makes other lines of some that follow each other.
    Change: TypeAlias = Callable[[Lines], Lines]

SQUARE = (1, 1)
Dilation = Annotated[int, values.whole(1, 64)]

#: Keys of lines, as the rows of papers' tables have them: what, how large, how often.
KEYS = (
    *("block", "cell", "kind", "to", "scale", "kernel", "stride"),
    *("expand_ratio", "growth", "bottleneck_ratio", "compression"),
    *("c_in", "c_mid", "channels", "ratio", "group_width", "reduce_ratio", "repeats"),
    *("groups", "dilation", "padding", "bias", "norm", "shortcut_kernel", "se_ratio"),
    *("activation", "initial", "shared", "branches", "layers", "shortcut"),
)


class Line(Model):
    """A line of a network: what it is made of, by the name of its `block`.

    Lines have different keys; what those mean that a line lacks is said here alone.
    """

    block: str

    @property
    def times(self) -> Int | None:
        """Blocks in a row; None where it is one at any depth."""
        found: Int | None = getattr(self, "repeats", None)
        return found

    @property
    def sides(self) -> Window | None:
        """Rows and columns of its kernel, if it has one."""
        found: Window | None = pair(getattr(self, "kernel", None))
        return found

    @property
    def window(self) -> tuple[Window, Window, Padding]:
        """Rows and columns seen, stride, padding: by which a feature map shrinks."""
        rows, columns = self.sides or SQUARE
        step = getattr(self, "dilation", 1)
        seen = step * (rows - 1) + 1, step * (columns - 1) + 1
        return seen, pair(getattr(self, "stride", 1)), getattr(self, "padding", "same")

    def side_after(self, side: Int, axis: int) -> Int:
        """Positions that it makes of so many, down (0) or across (1)."""
        kernel, stride, padding = self.window
        same = padding == "same"
        found: Int = (
            strided(side, stride[axis])
            if same
            else valid(side, kernel[axis], stride[axis])
        )
        return found

    def side_before(self, side: int, axis: int) -> int:
        """The least that it makes so many of."""
        kernel, stride, padding = self.window
        more = stride if padding == "same" else kernel
        return (side - 1) * stride[axis] + more[axis]

    @property
    def chains(self) -> dict[Place, Lines]:
        """The lines within it, by place: side by side, each on what it takes in."""
        return {}

    def over_chains(self, change: Change) -> Line:
        """The same with what `change` makes of each of its chains."""
        del change
        return self

    def c_out(self, c_in: Int) -> Int:
        """Channels that it puts out where so many come in."""
        return c_in

    def faults(self, c_in: int) -> Iterator[Fault]:
        """What its own numbers are wrong about, at places relative to the line."""
        del c_in
        kernel = self.sides or SQUARE
        even = any(side % 2 == 0 for side in kernel)
        if even and self.window[2] == "same":
            found = "×".join(map(str, kernel))
            message = f"expected odd sides, or padding: valid, got {found}"
            yield Fault(("kernel",), message, "EFF202")

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
    """Convolution, norm, activation."""

    block: Literal["conv"] = "conv"
    kernel: Window
    stride: Window = SQUARE
    padding: PaddingName = "same"
    #: Left out, those of the line that uses the block it is in; or those that come into
    #: the residual around it, or into itself.
    channels: Widths | None = None
    #: What share it has of the channels that it does not state.
    ratio: Annotated[float, values.number(0, 64, above=True)] = 1.0
    groups: Channels = 1
    dilation: Dilation = 1
    bias: Flag = False
    norm: LineNorm = True
    activation: ActivationName | None = None
    #: Convolutions of one block with the same name share their weights.
    shared: Name | None = None

    def of(self, unstated: Int) -> Int:
        """The channels it puts out where the ones it does not state are these."""
        if self.channels is not None:
            own: Int = of_block(self.channels, 0)
            return own
        found: Int = whole_share(unstated, self.ratio)
        return unstated if self.ratio == 1 else found


class Depthwise(Line):
    """Convolution of each channel by itself, norm, activation."""

    block: Literal["depthwise"]
    kernel: Window
    stride: Window = SQUARE
    padding: PaddingName = "same"
    dilation: Dilation = 1
    bias: Flag = False
    norm: LineNorm = True
    activation: ActivationName | None = None


class Pool(Line):
    """Maximum or mean of windows."""

    block: Literal["max_pool", "avg_pool"]
    kernel: Window
    stride: Window = SQUARE
    padding: PaddingName = "same"

    def faults(self, c_in: int) -> Iterator[Fault]:
        """Windows without a middle, unless they lie apart, edge to edge."""
        if self.kernel != self.stride:
            yield from super().faults(c_in)


class GlobalPool(Line):
    """Mean or maximum of all positions; or of as many parts as there are to be."""

    block: Literal["global_pool"]
    kind: Annotated[PoolKind, values.choice("avg", "max")] = "avg"
    #: Positions that it makes of any number, down and across.
    to: Window = SQUARE

    def side_after(self, side: Int, axis: int) -> Int:
        del side
        return self.to[axis]

    def side_before(self, side: int, axis: int) -> int:
        """One is enough for any."""
        del side, axis
        return 1


class Normalise(Line):
    """A norm alone; the network's own, if it names none."""

    block: Literal["norm"]
    norm: OwnNorm | None = None


class LayerScale(Line):
    """Each channel times a number that is learnt."""

    block: Literal["layer_scale"]
    initial: Annotated[float, values.number(0, 1, above=True)] = 1e-6


class ResponseNorm(Line):
    """ConvNeXt V2's global response norm."""

    block: Literal["global_response_norm"]


class Activate(Line):
    """An activation alone; the network's own, if it names none."""

    block: Literal["activation"]
    activation: ActivationName | None = None


class SqueezeExcite(Line):
    """Squeeze-and-excitation alone, as the spec's `squeeze_excite` says."""

    block: Literal["squeeze_excite"]
    se_ratio: Annotated[float, values.number(0, 1, above=True)]


class Branches(Line):
    """Branches side by side: their channels one after the other, or their sum."""

    block: Literal["concat", "sum"]
    branches: Annotated[tuple[Steps, ...], Field(min_length=2)]

    @property
    def chains(self) -> dict[Place, Lines]:
        """Each branch."""
        return {("branches", k): each for k, each in enumerate(self.branches)}

    def over_chains(self, change: Change) -> Line:
        return self.model_copy(update={"branches": tuple(map(change, self.branches))})


class Residual(Line):
    """shortcut(x) + scale · layers(x); without shortcut, x itself."""

    block: Literal["residual"]
    layers: SomeSteps
    shortcut: Steps = ()
    scale: Multiplier = 1.0

    @property
    def chains(self) -> dict[Place, Lines]:
        """The layers, which say what it puts out, and the shortcut."""
        return {("layers",): self.layers, ("shortcut",): self.shortcut}

    def over_chains(self, change: Change) -> Line:
        update = {"layers": change(self.layers), "shortcut": change(self.shortcut)}
        return self.model_copy(update=update)


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
    "global_pool": GlobalPool,
    "norm": Normalise,
    "layer_scale": LayerScale,
    "global_response_norm": ResponseNorm,
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
    | Annotated[GlobalPool, Tag("GlobalPool")]
    | Annotated[Normalise, Tag("Normalise")]
    | Annotated[LayerScale, Tag("LayerScale")]
    | Annotated[ResponseNorm, Tag("ResponseNorm")]
    | Annotated[Activate, Tag("Activate")]
    | Annotated[SqueezeExcite, Tag("SqueezeExcite")]
    | Annotated[Branches, Tag("Branches")]
    | Annotated[Residual, Tag("Residual")]
    | Annotated[Use, Tag("Use")]
)
Step = Annotated[AnyStep, Discriminator(step_kind)]
Steps = tuple[Step, ...]
SomeSteps = Annotated[Steps, Field(min_length=1)]

for _model in (Branches, Residual):
    _model.model_rebuild()
