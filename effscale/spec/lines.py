"""Lines of stages: blocks that repeat, the first with the stride; and what steps are.

A row of a paper's table is a line of the file. The widths are of the network at its
own size; `channels` are what a block puts out, `c_mid` what it has inside.
"""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from effscale.arrays import Int, divided, whole_share
from effscale.errors import Fault
from effscale.spec import values
from effscale.spec.line import Line
from effscale.spec.steps import STEPS, Dilation, Join, Use
from effscale.spec.values import (
    ActivationName,
    Channels,
    Kernel,
    Model,
    Name,
    Padding,
    Repeats,
    Share,
    Stride,
    Widths,
    Window,
    of_block,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from effscale.errors import Place


#: States that come into a cell; and paths of a reduction that brings one to size.
INPUTS, PATHS = 2, 2
#: What share of its channels a node's `conv_3x3` and `conv_1x7_7x1` go by way of;
#: exact in binary, so that whole numbers stay exact.
QUARTER = 0.25


class Block(Line):
    """What the blocks of one stage share."""

    kernel: Kernel
    stride: Stride
    #: Input channels, where a file cares to state them; checked, never needed.
    c_in: Channels | None = None
    channels: Channels
    repeats: Repeats
    activation: ActivationName | None = None

    def c_out(self, c_in: Int) -> Int:
        del c_in
        return self.channels

    def normed(self, c_in: int) -> "Iterator[int]":
        del c_in
        yield int(self.channels)

    def comes(self, c_in: int) -> tuple[int, ...]:
        """The channels that come into each block."""
        return (c_in, *[int(self.channels)] * (int(self.repeats) - 1))

    def faults(self, c_in: int) -> "Iterator[Fault]":
        """A stated input that is not the one."""
        if self.c_in not in {None, c_in}:
            message = f"expected {c_in} (the channels of the line before), got"
            instead = str(c_in)
            yield Fault(("c_in",), f"{message} {self.c_in}", "EFF205", instead=instead)


class MBConv(Block):
    """Mobile inverted bottleneck: expand, depthwise, squeeze and excite, project.

    `fused_mbconv` expands by the k×k convolution itself, without a depthwise one.
    The expanded width is given by ratio, or in channels for each block.
    """

    block: Literal["mbconv", "fused_mbconv"]
    #: Expanded width / block input width; 1 leaves the expansion out.
    expand_ratio: Annotated[int, values.whole(1, 64)] | None = None
    c_mid: Widths | None = None
    #: Squeezed width, as a share of the spec's choice; 0 is no squeeze-and-excitation.
    se_ratio: Share = 0.0
    #: Of the k×k convolution.
    dilation: Dilation = 1

    def normed(self, c_in: int) -> "Iterator[int]":
        yield from (*super().normed(c_in), *self._inside(c_in))

    def _inside(self, c_in: int) -> "Iterator[int]":
        """The expanded width of each block."""
        for index, each in enumerate(self.comes(c_in)):
            if self.c_mid is not None:
                yield int(of_block(self.c_mid, index))
            elif self.expand_ratio is not None:
                yield each * self.expand_ratio

    def gated(self, c_in: int, at: str) -> "Iterator[tuple[int, int]]":
        pairs = zip(self._inside(c_in), self.comes(c_in), strict=False)
        for inside, each in pairs if self.se_ratio else ():
            yield (inside if at == "middle" else int(self.channels), each)

    def faults(self, c_in: int) -> "Iterator[Fault]":
        """An expansion that is said twice, or not at all."""
        yield from super().faults(c_in)
        if self.expand_ratio is None and self.c_mid is None:
            yield Fault((), "missing expand_ratio or c_mid", "EFF101")
        elif self.expand_ratio is not None and self.c_mid is not None:
            yield Fault(("c_mid",), "expected expand_ratio or c_mid, got both")


class Separable(Block):
    """Depthwise k×k and pointwise 1×1, each with batch norm and activation."""

    block: Literal["separable"]

    def normed(self, c_in: int) -> "Iterator[int]":
        yield from (c_in, *super().normed(c_in))


class Basic(Block):
    """Two k×k convolutions and a shortcut."""

    block: Literal["basic"]
    se_ratio: Share = 0.0
    #: Of both convolutions.
    dilation: Dilation = 1

    def gated(self, c_in: int, at: str) -> "Iterator[tuple[int, int]]":
        del at
        for each in self.comes(c_in) if self.se_ratio else ():
            yield int(self.channels), each


class Bottleneck(Block):
    """1×1, k×k (with the stride, in groups), 1×1, and a shortcut."""

    block: Literal["bottleneck"]
    kernel: Kernel = 3
    #: Channels inside; those of the block if left out.
    c_mid: Channels | None = None
    #: Channels of a group of the k×k convolution; one group if left out.
    group_width: Channels | None = None
    #: Width of the first 1×1 convolution / that of the k×k.
    reduce_ratio: Annotated[float, values.number(0, 1, above=True)] = 1.0
    #: Kernel of the shortcut of blocks that change size or width.
    shortcut_kernel: Kernel = 1
    se_ratio: Share = 0.0
    #: Of the k×k convolution.
    dilation: Dilation = 1

    def normed(self, c_in: int) -> "Iterator[int]":
        yield from (int(self.inside), *super().normed(c_in))
        if not self.group_width or self.inside % self.group_width == 0:
            yield int(self.c_first)

    @property
    def inside(self) -> Int:
        """The channels inside, stated or not."""
        return self.channels if self.c_mid is None else self.c_mid

    @property
    def in_groups(self) -> Int:
        """How many groups the k×k convolution has."""
        width = self.group_width
        found: Int = 1 if width is None else divided(self.inside, width)
        return found

    @property
    def c_first(self) -> Int:
        """Channels that the first convolution puts out, cut to whole groups."""
        if self.reduce_ratio == 1:
            return self.inside
        groups = self.in_groups
        found: Int = groups * whole_share(self.inside, self.reduce_ratio, groups)
        return found

    def gated(self, c_in: int, at: str) -> "Iterator[tuple[int, int]]":
        wide = self.inside if at == "middle" else self.channels
        for each in self.comes(c_in) if self.se_ratio else ():
            yield int(wide), each

    def faults(self, c_in: int) -> "Iterator[Fault]":
        """Groups that do not divide the channels inside."""
        yield from super().faults(c_in)
        inside, width = int(self.inside), self.group_width
        if width is not None and inside % width:
            message = f"expected a divisor of {inside} channels inside, got {width}"
            yield Fault(("group_width",), message)


class Dense(Line):
    """Norm, 1×1, norm, k×k, whose channels are added to those that came in."""

    block: Literal["dense"]
    kernel: Kernel = 3
    #: Channels that each block adds.
    growth: Channels
    #: Width of the 1×1 convolution / growth.
    bottleneck_ratio: Annotated[int, values.whole(1, 64)] = 4
    repeats: Repeats

    def c_out(self, c_in: Int) -> Int:
        return c_in + self.growth * self.repeats

    def normed(self, c_in: int) -> "Iterator[int]":
        growth = int(self.growth)
        yield growth * self.bottleneck_ratio
        yield from (c_in + index * growth for index in range(int(self.repeats)))


class Transition(Line):
    """Norm, 1×1 to a share of the channels, mean of 2×2: between dense stages."""

    block: Literal["transition"]
    compression: Annotated[float, values.number(0, 1, above=True)] = 0.5

    @property
    def window(self) -> tuple[Window, Window, Padding]:
        return (2, 2), (2, 2), "valid"

    def c_out(self, c_in: Int) -> Int:
        """`compression` of the channels, cut to whole ones, at least one."""
        found: Int = whole_share(c_in, self.compression)
        return found

    def normed(self, c_in: int) -> "Iterator[int]":
        yield c_in


class CellStage(Line):
    """Cells, each of the two outputs before it, as the file's `cells` wire them."""

    block: Literal["cell"]
    cell: Name
    stride: Annotated[int, values.whole(1, 2)] = 1
    #: Of each node; a cell puts out as many times that as it concatenates states.
    channels: Channels
    #: Left out, it is one at any depth.
    repeats: Repeats | None = None

    def faults(self, c_in: int) -> "Iterator[Fault]":
        """Too few channels to have one for each path of a reduction."""
        yield from super().faults(c_in)
        if self.stride > 1 and int(self.channels) < PATHS:
            message = f"expected at least {PATHS} to reduce, got {self.channels}"
            yield Fault(("channels",), message)


def cells_follow(stages: "Sequence[Line]", index: int) -> bool:
    """Whether the stage after number `index` is one of cells."""
    return any(isinstance(line, CellStage) for line in stages[index + 1 : index + 2])


#: What a node does with a state, k×k: `sep` is depthwise and pointwise, twice; `dil`
#: the same once, dilated by 2;
#: `conv_3x3` and `conv_1x7_7x1` go by way of a quarter of the channels.
OPERATORS = (
    "identity",
    *("conv_1x1", "conv_3x3", "conv_1x3_3x1", "conv_1x7_7x1"),
    *("sep_3x3", "sep_5x5", "sep_7x7", "dil_3x3", "dil_5x5"),
    *("max_pool_2x2", "max_pool_3x3", "avg_pool_2x2", "avg_pool_3x3"),
)
State = Annotated[int, values.whole(0, 100)]
Operation = tuple[Annotated[str, values.choice(*OPERATORS)], State]


class Cell(Model):
    """A small graph: state 0 is the newest output, 1 the one before, nodes follow.

    A node is the sum of operators, each on a state; `concat` lists the states that
    are put out, one after the other.
    """

    #: Whether state 1 goes through a 1×1 convolution even where it is of the right size
    #: and width already (DARTS) or not (NASNet).
    fit: Annotated[Literal["needed", "always"], values.choice("needed", "always")] = (
        "needed"
    )
    nodes: Annotated[
        tuple[Annotated[tuple[Operation, ...], Field(min_length=1)], ...],
        Field(min_length=1),
    ]
    concat: Annotated[tuple[State, ...], Field(min_length=1)]

    def normed(self, channels: int) -> "Iterator[int]":
        """Channels of its norms, where its nodes have these."""
        yield channels
        operators = {name for node in self.nodes for name, _ in node}
        if operators & {"conv_3x3", "conv_1x3_3x1", "conv_1x7_7x1"}:
            yield int(whole_share(channels, QUARTER))

    def faults(self, *, strides: bool) -> "Iterator[Fault]":
        """States read before they are there, or in vain; even windows on whole maps.

        `strides`: whether each such cell halves the map.
        """
        read = set(self.concat)
        for index, node in enumerate(self.nodes):
            for k, (operator, state) in enumerate(node):
                at = ("nodes", index, k)
                yield from _known(state, index + INPUTS, (*at, 1))
                read.add(state)
                if operator.endswith("2x2") and not (strides and state < INPUTS):
                    message = "expected an odd kernel where the stride is 1, got"
                    yield Fault((*at, 0), f"{message} {operator!r}")
        states = len(self.nodes) + INPUTS
        for k, state in enumerate(self.concat):
            yield from _known(state, states, ("concat", k))
            if state in self.concat[:k]:
                message = f"expected each state once, got {state} again"
                yield Fault(("concat", k), message)
        for state in range(INPUTS, states):
            if state not in read:
                message = f"expected state {state} to be read or put out, found neither"
                yield Fault(("nodes", state - INPUTS), message)


def _known(state: int, known: int, place: "Place") -> "Iterator[Fault]":
    if state >= known:
        yield Fault(place, f"expected a state below {known}, got {state}")


STAGES: dict[str, type[Line]] = {
    "mbconv": MBConv,
    "fused_mbconv": MBConv,
    "separable": Separable,
    "basic": Basic,
    "bottleneck": Bottleneck,
    "dense": Dense,
    "transition": Transition,
    "cell": CellStage,
    **STEPS,
}


def stage_kind(value: Any) -> type[Line] | None:  # noqa: ANN401 - as in a file, or a line
    """The class of a stage's line; None where it has no block.

    One that only reads has none to state.
    """
    block = value.get("block") if isinstance(value, dict) else None
    block = getattr(value, "block", block)
    if block is None and isinstance(value, dict) and "reads" in value:
        return Join
    if not isinstance(block, str):
        return None
    return STAGES.get(block, Use)


Stage = Annotated[Line, values.Told(stage_kind, lambda: [*STAGES.values(), Use])]
