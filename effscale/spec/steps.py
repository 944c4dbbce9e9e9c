"""Steps: lines that stand for one layer or for branches of some, anywhere in a network.

A step without `block` is a convolution. Numbers of a step are those of the network at
its own size; only those of `channels` scale.
"""

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from effscale.arrays import Int, divided, strided, whole_share
from effscale.errors import Fault
from effscale.spec import values
from effscale.spec.elements import (
    ChannelAttention,
    Dropout,
    LayerScale,
    Multiply,
    PadChannels,
    ResponseNorm,
)
from effscale.spec.heads import faults_of, heads_of
from effscale.spec.line import SQUARE, Line
from effscale.spec.norm import LineNorm, OwnNorm
from effscale.spec.resampling import (
    BlurPool,
    ChannelPool,
    GlobalPool,
    PixelShuffle,
    PixelUnshuffle,
    Pool,
    Upsample,
)
from effscale.spec.tokens import ClassToken, DropTokens, FirstToken, Positions
from effscale.spec.values import (
    ActivationName,
    Argument,
    AttendingName,
    BiasesName,
    Channels,
    Flag,
    InterpolationName,
    Kernel,
    Kernels,
    LyingName,
    Model,
    Name,
    OverName,
    Padding,
    PaddingName,
    Repeats,
    Widths,
    Window,
    of_block,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from effscale.errors import Place
    from effscale.spec.line import Change, Lines

    Blocks: TypeAlias = Mapping[str, "OwnBlock"]

Dilation = Annotated[int, values.whole(1, 64)]
Areas = Annotated[int, values.whole(1, 64)]
SomeShare = Annotated[float, values.number(0, 1, above=True)]


class Grouped(Line):
    """A convolution of channels in groups: how many there are, or how wide one is."""

    #: Left out, those of the line that uses the block it is in; or those that come into
    #: the residual around it, or into itself.
    channels: Widths | None = None
    #: What share it has of the channels that it does not state.
    ratio: Annotated[float, values.number(0, 64, above=True)] = 1.0
    groups: Channels = 1
    #: Channels of a group, in place of how many groups there are; they do not scale.
    group_width: Channels | None = None

    @property
    def share(self) -> float:
        """What share it has of the channels that come in, or that it does not state."""
        return self.ratio

    def groups_of(self, c_in: Int) -> Int:
        """How many groups there are of the channels that come in."""
        if self.group_width is None:
            return self.groups
        found: Int = divided(c_in, self.group_width)
        return found

    def misgrouped(self, c_in: int) -> "Iterator[Fault]":
        """Both of the two, or a width that does not divide what comes in."""
        if self.group_width is None:
            return
        if self.groups != 1:
            yield Fault(("group_width",), "expected groups or group_width, got both")
        elif c_in % self.group_width:
            message = f"expected a divisor of {c_in} channels, got {self.group_width}"
            yield Fault(("group_width",), message)


class Conv(Grouped):
    """Convolution, norm, activation."""

    block: Literal["conv"] = "conv"
    kernel: Window
    stride: Window = SQUARE
    padding: PaddingName = "same"
    #: Its channels over those that come into itself, where it has neither of the two.
    expand_ratio: Annotated[float, values.number(0, 64, above=True)] | None = None
    dilation: Dilation = 1
    bias: Flag = False
    norm: LineNorm = True
    activation: ActivationName | None = None
    #: Convolutions of one block with the same name share their weights.
    shared: Name | None = None

    @property
    def share(self) -> float:
        return self.expand_ratio or self.ratio

    def of(self, c_in: Int, unstated: Int | None) -> Int:
        """The channels it puts out, of those that come in or that it does not state."""
        if self.channels is not None:
            own: Int = of_block(self.channels, 0)
            return own
        total, ratio = c_in if unstated is None else unstated, self.ratio
        if self.expand_ratio is not None:
            total, ratio = c_in, self.expand_ratio
        found: Int = whole_share(total, ratio)
        return total if ratio == 1 else found

    def faults(self, c_in: int) -> "Iterator[Fault]":
        """Widths that are said twice, groups that do not divide what comes in."""
        yield from super().faults(c_in)
        yield from self.misgrouped(c_in)
        stated = self.channels is not None
        if self.expand_ratio is not None and (stated or self.ratio != 1):
            other = "channels" if stated else "ratio"
            message = f"expected expand_ratio or {other}, got both"
            yield Fault(("expand_ratio",), message)
        elif stated and self.ratio != 1:
            yield Fault(("ratio",), "expected channels or ratio, got both")


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


def in_parts(channels: Int, several: int) -> list[Int]:
    """So many parts alike, cut to whole channels; the first has what is left."""
    others = [whole_share(channels, 1, several)] * (several - 1)
    return [channels - sum(others), *others]


class MixedDepthwise(Line):
    """Depthwise, each part of the channels with a kernel of its own; norm, activation.

    Parts are alike, but that the first has what is left.
    """

    block: Literal["mixed_depthwise"]
    #: Of each part, from the first channels on.
    kernels: Kernels
    stride: Window = SQUARE
    norm: Flag = True
    activation: ActivationName | None = None

    def faults(self, c_in: int) -> "Iterator[Fault]":
        """More kernels than channels."""
        if len(self.kernels) > c_in:
            message = f"expected at most {c_in}, one for each channel, got"
            yield Fault(("kernels",), f"{message} {len(self.kernels)}")


class TransposedConv(Grouped):
    """Transposed convolution, batch norm, activation: sides times the stride."""

    block: Literal["transposed_conv"]
    kernel: Window
    stride: Window
    #: As those of a convolution, and the same in each repeat.
    channels: Channels | None = None
    bias: Flag = False
    norm: LineNorm = True
    activation: ActivationName | None = None

    @property
    def window(self) -> tuple[Window, Window, Padding]:
        return SQUARE, SQUARE, "same"

    @property
    def grows(self) -> Window:
        return self.stride

    def of(self, unstated: Int) -> Int:
        """The channels it puts out where the ones it does not state are these."""
        if self.channels is not None:
            return self.channels
        found: Int = whole_share(unstated, self.ratio)
        return unstated if self.ratio == 1 else found

    def faults(self, c_in: int) -> "Iterator[Fault]":
        """Widths said twice, groups amiss, gaps, a kernel without a middle."""
        yield from self.misgrouped(c_in)
        if self.channels is not None and self.ratio != 1:
            yield Fault(("ratio",), "expected channels or ratio, got both")
        if any(s == 1 and k % 2 == 0 for k, s in zip(*_windows(self), strict=True)):
            kernel = "×".join(map(str, self.kernel))
            message = f"expected odd sides where the stride is 1, got {kernel}"
            yield Fault(("kernel",), message, "EFF202")
        if any(k < s for k, s in zip(*_windows(self), strict=True)):
            kernel, stride = ("×".join(map(str, each)) for each in _windows(self))
            message = f"expected at least the stride, {stride}, got {kernel}"
            yield Fault(("kernel",), message)


def _windows(line: TransposedConv) -> tuple[Window, Window]:
    return line.kernel, line.stride


class Join(Line):
    """The maps that it reads, merged, and nothing else."""

    block: Literal["join"] = "join"


class Normalise(Line):
    """A norm alone; the network's own, if it names none."""

    block: Literal["norm"]
    norm: OwnNorm | None = None


class Activate(Line):
    """An activation alone; the network's own, if it names none."""

    block: Literal["activation"]
    activation: ActivationName | None = None


class SqueezeExcite(Line):
    """Squeeze-and-excitation alone, as the spec's `squeeze_excite` says."""

    block: Literal["squeeze_excite"]
    se_ratio: Annotated[float, values.number(0, 1, above=True)]
    activation: ActivationName | None = None


class Branches(Line):
    """Branches side by side: their channels one after the other, or sum or product.

    The first says the size; of a sum or a product those of a single position are for
    all of them, and those of a single channel for all channels.
    """

    block: Literal["concat", "sum", "product"]
    branches: "Annotated[tuple[Steps, ...], Field(min_length=2)]"

    @property
    def chains(self) -> "dict[Place, Lines]":
        """Each branch."""
        return {("branches", k): each for k, each in enumerate(self.branches)}

    def over_chains(self, change: "Change") -> Line:
        return self.model_copy(update={"branches": tuple(map(change, self.branches))})


class Split(Line):
    """Channels in parts, each through its branch, what they put out in a row again."""

    block: Literal["split"]
    #: Shares of the channels, cut to whole ones; the first branch has what is left. All
    #: alike if left out; in a cascade the last has what is left.
    shares: tuple[SomeShare, ...] | None = None
    #: Channels of each branch but the first, which has what they leave.
    widths: tuple[Channels, ...] | None = None
    branches: "Annotated[tuple[Steps, ...], Field(min_length=2)]"
    #: Whether a branch takes in what the one before it puts out, too, as a sum; an
    #: empty branch does not.
    cascade: Flag = False

    @property
    def chains(self) -> "dict[Place, Lines]":
        """Each branch."""
        return {("branches", k): each for k, each in enumerate(self.branches)}

    def over_chains(self, change: "Change") -> Line:
        return self.model_copy(update={"branches": tuple(map(change, self.branches))})

    def parts(self, c_in: Int) -> list[Int]:
        """The channels of each branch."""
        if self.widths is not None:
            return [c_in - sum(self.widths), *self.widths]
        if self.shares is None and self.cascade:
            each = strided(c_in, len(self.branches))
            alike = [each] * (len(self.branches) - 1)
            return [*alike, c_in - sum(alike)]
        if self.shares is None:
            return in_parts(c_in, len(self.branches))
        others = [whole_share(c_in, each) for each in self.shares[1:]]
        return [c_in - sum(others), *others]

    def faults(self, c_in: int) -> "Iterator[Fault]":
        """Parts that are not of every branch, or not all of it; too few channels."""
        yield from super().faults(c_in)
        several = len(self.branches)
        if self.widths is not None:
            yield from self._stated(self.widths, c_in)
        elif self.shares is not None and len(self.shares) != several:
            message = f"expected {several}, one for each branch, got {len(self.shares)}"
            yield Fault(("shares",), message)
        elif self.shares is not None and abs(sum(self.shares) - 1) > ROUNDED:
            message = f"expected shares that come to 1, got {sum(self.shares):g}"
            yield Fault(("shares",), message)
        elif min(self.parts(c_in)) < 1:
            message = f"expected at most {c_in}, one for each channel, got {several}"
            yield Fault(("branches",), message)

    def _stated(self, widths: tuple[Int, ...], c_in: int) -> "Iterator[Fault]":
        """Widths of another number of branches, or that leave the first one nothing."""
        if self.shares is not None:
            yield Fault(("widths",), "expected shares or widths, got both")
        elif len(widths) != len(self.branches) - 1:
            message = f"expected {len(self.branches) - 1}, one for each branch but the"
            yield Fault(("widths",), f"{message} first, got {len(widths)}")
        elif sum(widths) >= c_in:
            message = f"expected less than {c_in} channels in all, got {sum(widths)}"
            yield Fault(("widths",), message)


#: Shares are written to a few digits: thirds as 0.333.
ROUNDED = 0.01


class Shuffle(Line):
    """Channels in groups, one of each group in turn."""

    block: Literal["channel_shuffle"]
    #: Groups in which the channels are.
    groups: Channels

    def faults(self, c_in: int) -> "Iterator[Fault]":
        """Groups that do not divide the channels."""
        if c_in % self.groups:
            message = f"expected a divisor of {c_in} channels, got {self.groups}"
            yield Fault(("groups",), message)


class Aggregate(Line):
    """What comes in, and what layers make of it one after the other, all in a row.

    The layers are there `repeats` times, and each time what they put out is kept.
    """

    block: Literal["aggregate"]
    layers: "SomeSteps"
    repeats: Repeats = 1

    @property
    def times(self) -> Int | None:
        """It is one line, however much is within."""
        return None

    @property
    def chains(self) -> "dict[Place, Lines]":
        """The layers."""
        return {("layers",): self.layers}

    def over_chains(self, change: "Change") -> Line:
        return self.model_copy(update={"layers": change(self.layers)})


class Residual(Line):
    """shortcut(x) + scale · layers(x); without shortcut, x itself."""

    block: Literal["residual"]
    layers: "SomeSteps"
    shortcut: "Steps" = ()
    #: The shortcut where the layers change the shape, x itself where they keep it; if
    #: it is empty, nothing is beside layers that change the shape.
    projection: "Steps | None" = None
    scale: Annotated[float, values.number(-100, 100)] = 1.0

    @property
    def chains(self) -> "dict[Place, Lines]":
        """The layers, which say what it puts out, and what is beside them."""
        beside: dict[Place, Lines] = {("shortcut",): self.shortcut}
        if self.projection is not None:
            beside = {("projection",): self.projection}
        return {("layers",): self.layers, **beside}

    def over_chains(self, change: "Change") -> Line:
        keys = "layers", "shortcut", "projection"
        given = {key: getattr(self, key) for key in keys}
        update = {k: change(each) for k, each in given.items() if each is not None}
        return self.model_copy(update=update)

    def faults(self, c_in: int) -> "Iterator[Fault]":
        """Two lists of what is beside the layers."""
        yield from super().faults(c_in)
        if self.shortcut and self.projection is not None:
            yield Fault(("projection",), "expected shortcut or projection, got both")


class Resized(Line):
    """Layers whose map is brought to the size of what comes in."""

    block: Literal["resized"]
    layers: "SomeSteps"
    mode: InterpolationName = "nearest"

    @property
    def chains(self) -> "dict[Place, Lines]":
        """What comes in, which says the size, and the layers."""
        return {(): (), ("layers",): self.layers}

    def over_chains(self, change: "Change") -> Line:
        return self.model_copy(update={"layers": change(self.layers)})


class Select(Line):
    """Parts of the channels, alike, added by how much each is wanted, by channel.

    Layers of the parts' sum make a number for each channel that comes in; softmax over
    the parts makes shares of them (Li et al. 2019; Zhang et al. 2020, split attention).
    """

    block: Literal["select"]
    #: How many there are.
    parts: Annotated[int, values.whole(2, 16)] = 2
    layers: "SomeSteps"

    @property
    def chains(self) -> "dict[Place, Lines]":
        """What comes in, which says the size, and the layers."""
        return {(): (), ("layers",): self.layers}

    def over_chains(self, change: "Change") -> Line:
        return self.model_copy(update={"layers": change(self.layers)})

    def c_out(self, c_in: Int) -> Int:
        found: Int = divided(c_in, self.parts)
        return found

    def faults(self, c_in: int) -> "Iterator[Fault]":
        """Parts that do not divide the channels."""
        if c_in % self.parts:
            message = f"expected a divisor of {c_in} channels, got {self.parts}"
            yield Fault(("parts",), message)


class Attention(Line):
    """What each position makes of others' values, by its query and their keys.

    Convolutions make queries, keys and values of what comes in, and the output of what
    the heads give.
    """

    block: Literal["attention"]
    #: How many heads there are.
    heads: Channels | None = None
    #: Channels of a head, in place of how many there are.
    head_width: Channels | None = None
    #: Channels that a head has at least, in place of how many there are: as many heads
    #: as divide the channels.
    least_head_width: Channels | None = None
    #: Channels of a head's queries and keys, where they are others.
    key_width: Channels | None = None
    #: The same, as a share of the channels of a head's values.
    key_ratio: SomeShare | None = None
    #: Channels of a head's values, where they are others.
    value_width: Channels | None = None
    #: Whether the keys and values of one head are those of all.
    multi_query: Flag = False
    #: By softmax, by cosine, of channels (covariance), or linear in the positions: by
    #: products (linear), or by one query for all (separable).
    kind: AttendingName = "softmax"
    #: Which positions see each other, if not all: those of a window; those at the same
    #: place of each cell of a grid; those at the same place of each patch.
    over: OverName | None = None
    #: Rows and columns of a window, of the grid, of a patch.
    size: Window | None = None
    #: Parts of the positions, row by row, each of which sees itself (YOLO12).
    areas: Areas = 1
    #: Whether windows are moved by half.
    shift: Flag = False
    #: What is learnt of two positions: by how they lie, by how far, or by a perceptron.
    position: LyingName = "none"
    #: Whether its convolutions have biases; or which do: `output`, or `not_keys`.
    bias: BiasesName = True
    #: Without, what comes in is queries, keys and values already, head by head.
    project: Flag = True
    #: Kernel of a depthwise convolution of the values, whose output is added.
    local: Kernel | None = None
    #: Steps before the queries.
    queries: "Steps" = ()
    #: Steps that make one map, which both keys and values are of.
    context: "Steps" = ()
    #: Steps before the keys.
    keys: "Steps" = ()
    #: Steps before the values, which are of what keys are of if left out.
    values: "Steps | None" = None

    @property
    def chains(self) -> "dict[Place, Lines]":
        """What queries, keys and values are of; the first says the size."""
        if self.context:
            return {("queries",): self.queries, ("context",): self.context}
        values = self.keys if self.values is None else self.values
        every = {"queries": self.queries, "keys": self.keys, "values": values}
        return {(name,): each for name, each in every.items()}

    def over_chains(self, change: "Change") -> Line:
        names = "queries", "context", "keys", "values"
        given = {name: getattr(self, name) for name in names}
        update = {k: change(each) for k, each in given.items() if each is not None}
        return self.model_copy(update=update)

    @property
    def alike(self) -> bool:
        """Whether queries, keys and values are of one map, and of as many heads."""
        return not (self.before or self.multi_query)

    @property
    def before(self) -> "Steps":
        """Steps before any of them."""
        return (*self.queries, *self.context, *self.keys, *(self.values or ()))

    def heads_of(self, c_in: Int) -> tuple[Int, Int, Int]:
        """How many heads, and the channels of a key and of a value of each."""
        return heads_of(self, c_in)

    def c_out(self, c_in: Int) -> Int:
        if self.project:
            return c_in
        heads, _, value = self.heads_of(c_in)
        return heads * value

    def faults(self, c_in: int) -> "Iterator[Fault]":
        """Heads that do not go into the channels, and keys that do not go together."""
        return faults_of(self, c_in)


class IntoFirst(Line):
    """What layers make of a map in place of its first position; the others stay."""

    block: Literal["into_first"]
    #: Steps that put out one position, of as many channels as come in.
    layers: "SomeSteps"

    @property
    def chains(self) -> "dict[Place, Lines]":
        """The layers."""
        return {("layers",): self.layers}

    def over_chains(self, change: "Change") -> Line:
        return self.model_copy(update={"layers": change(self.layers)})


class Use(Line):
    """A block that the file itself defines, under `blocks`, and its parameters."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Argument] = Field(init=False)
    block: Name
    #: Of its convolutions that state none.
    channels: Channels | None = None
    #: Blocks in a row; left out, it is one at any depth.
    repeats: Repeats | None = None

    @property
    def arguments(self) -> dict[str, Any]:
        """What it gives the block's parameters; `channels` is one of every block."""
        own = {} if self.channels is None else {"channels": self.channels}
        return {**(self.__pydantic_extra__ or {}), **own}

    @property
    def said(self) -> "Mapping[str, Any]":
        """What it gives the block's parameters as well."""
        return {**vars(self), **(self.__pydantic_extra__ or {})}

    def faults(self, c_in: int) -> "Iterator[Fault]":
        """None of its own: its numbers are those of the block."""
        del c_in
        yield from ()


class OwnBlock(Model):
    """Steps of a file's own, and the parameters of which `$name` stands in them."""

    #: What each is where the line that uses the block says nothing; null if it must.
    parameters: dict[Name, Argument | None] = Field(default={})
    layers: "SomeSteps"

    @model_serializer(mode="wrap")
    def _as_list(self, serialize: SerializerFunctionWrapHandler) -> Any:  # noqa: ANN401
        """One without parameters is its list of steps."""
        written = serialize(self)
        return written if self.parameters else written["layers"]


def _of_layers(value: Any) -> Any:  # noqa: ANN401 - pydantic judges what this leaves
    return value if isinstance(value, dict | OwnBlock) else {"layers": value}


STEPS: dict[str, type[Line]] = {
    "conv": Conv,
    "depthwise": Depthwise,
    "mixed_depthwise": MixedDepthwise,
    "max_pool": Pool,
    "avg_pool": Pool,
    "global_pool": GlobalPool,
    "blur_pool": BlurPool,
    "channel_pool": ChannelPool,
    "transposed_conv": TransposedConv,
    "upsample": Upsample,
    "pixel_shuffle": PixelShuffle,
    "pixel_unshuffle": PixelUnshuffle,
    "join": Join,
    "norm": Normalise,
    "layer_scale": LayerScale,
    "global_response_norm": ResponseNorm,
    "activation": Activate,
    "squeeze_excite": SqueezeExcite,
    "concat": Branches,
    "sum": Branches,
    "product": Branches,
    "multiply": Multiply,
    "dropout": Dropout,
    "channel_attention": ChannelAttention,
    "split": Split,
    "channel_shuffle": Shuffle,
    "aggregate": Aggregate,
    "residual": Residual,
    "resized": Resized,
    "select": Select,
    "pad_channels": PadChannels,
    "attention": Attention,
    "class_token": ClassToken,
    "positions": Positions,
    "first_token": FirstToken,
    "drop_tokens": DropTokens,
    "into_first": IntoFirst,
}


#: Keys of lines that are lists of steps, beside the lists of `branches`.
CHAINS = ("layers", "shortcut", "projection", "queries", "context", "keys", "values")


def step_kind(value: Any) -> type[Line]:  # noqa: ANN401 - what a file holds, or a step
    """The class of a step; a block of the file's own where none is known."""
    block = value.get("block", "conv") if isinstance(value, dict) else None
    block = getattr(value, "block", block)
    known = STEPS.get(block) if isinstance(block, str) else Use
    return known or Use


Step = Annotated[Line, values.Told(step_kind, lambda: [*STEPS.values(), Use])]
Steps = tuple[Step, ...]
SomeSteps = Annotated[Steps, Field(min_length=1)]

#: A block as a file writes it.
WrittenBlock = Annotated[
    OwnBlock,
    BeforeValidator(_of_layers, json_schema_input_type=OwnBlock | SomeSteps),
]
