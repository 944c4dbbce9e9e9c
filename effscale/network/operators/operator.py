"""The base of all operators: what each says of itself, and the words it says it in.

Numbers of type `Int` may be arrays, one entry for each candidate. How torch has an
operator is in `module.operators`, and nowhere else.
"""

from __future__ import annotations

from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    Literal,
    NamedTuple,
    Protocol,
    TypeAlias,
    TypeVar,
    get_args,
)

from effscale.arrays import ZERO, Int, at_least, plus, times
from effscale.data import data
from effscale.errors import LayerError
from effscale.markup import figures
from effscale.network.shapes import Flow, Shape, only
from effscale.spec.values import Activation, Gate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import typing_extensions


#: No amount, of whatever type amounts are.
NONE: Any = ZERO

#: Of one network `int`; an array with an entry for each of many candidates.
if TYPE_CHECKING:
    N = typing_extensions.TypeVar("N", default=Any)
else:
    N = TypeVar("N")


@data
class Cost(Generic[N]):
    """What one image costs: ints, or int64 arrays with one entry for each candidate."""

    #: Multiply-accumulates of convolutions and linear layers, and of products of
    #: feature maps with each other; no bias, no batch norm, no activation, no pooling.
    #: The "FLOPS" of the EfficientNet paper.
    macs: N = NONE
    #: Trainable parameters: batch norm's scale and shift, not its running statistics.
    params: N = NONE
    #: Output elements of convolutions, linear layers and such products.
    activations: N = NONE
    #: Those of `macs` that multiply feature maps with each other, as attention does.
    products: N = NONE
    #: Those of `activations` that such products put out.
    product_outputs: N = NONE

    def __add__(self, other: Cost[N]) -> Cost[N]:
        return Cost(
            plus(self.macs, other.macs),
            plus(self.params, other.params),
            plus(self.activations, other.activations),
            plus(self.products, other.products),
            plus(self.product_outputs, other.product_outputs),
        )

    def __mul__(self: Cost, n: Int) -> Cost:
        return Cost(
            self.macs * n,
            self.params * n,
            self.activations * n,
            times(self.products, n),
            times(self.product_outputs, n),
        )

    def _repr_html_(self) -> str:
        names = ["macs", "params", "activations"]
        if self.products is not ZERO:
            names.append("products")
        return figures("Cost of one image", {n: getattr(self, n) for n in names})


FREE = Cost()


def added(costs: Sequence[Cost]) -> Cost:
    """The sum of several; plain zeros make no new arrays."""
    return Cost(
        sum([each.macs for each in costs if each.macs is not ZERO]),
        sum([each.params for each in costs if each.params is not ZERO]),
        sum([each.activations for each in costs if each.activations is not ZERO]),
        sum([each.products for each in costs if each.products is not ZERO]),
        sum(
            [each.product_outputs for each in costs if each.product_outputs is not ZERO]
        ),
    )


#: Amounts that tools count beside MACs, in elements of one image where nothing else is
#: said: of an activation function, its output; of a pool, what goes in and comes out.
Tally = Literal[
    "macs",  #: of convolutions and linear layers
    "products",  #: MACs of products of feature maps
    "fixed",  #: MACs of convolutions whose weights are not learnt
    "conv_bias",
    "linear_bias",
    "norm",
    "norm_channels",  #: channels
    "layer_norm",
    "layer_norm_channels",  #: channels
    "group_norm",
    "instance_norm",
    "scales",  #: learnt numbers of what has some for each channel
    Activation,
    Gate,
    "global_in",
    "global_out",
    "global_max_in",
    "max_in",
    "max_out",
    "avg_in",
    "avg_out",
    "resized",
    "resized_positions",  #: height × width
    "bilinear",  #: those of `resized` that are interpolated so
    "transposed",  #: MACs at positions that transposed convolutions make
    "fused",  #: channels × weights
    "shared",  #: MACs of layers that are met again
    "shared_hooks",  #: MACs of layers that are hooked again
]
TALLIES: frozenset[str] = frozenset(get_args(Tally))


@data
class Map:
    """A feature map in memory; `number` tells it from others of its shape."""

    number: int
    shape: Shape
    elements: Int


Maps: TypeAlias = tuple[Map, ...]


class Traffic(NamedTuple):
    """What running an operator takes besides reading its inputs and writing its output.

    In elements of one image.
    """

    keeps_inputs: bool = False  #: for the way back
    keeps_output: bool = False
    elements: Int | None = None  #: made, where they are not those of the output
    #: Of 8 bytes whatever the element, made beside the output and kept for the way
    #: back: the index of a maximum; a mean and a deviation in single precision.
    words: Int = 0


#: Sums, and products, whose factors the way back needs.
PLAIN, PRODUCT = Traffic(), Traffic(keeps_inputs=True)


class Tape(Protocol):
    """A run of a network, on which operators note what they do to memory."""

    training: bool

    def op(  # noqa: PLR0913, PLR0917 - what an operator does
        self,
        reads: Maps,
        shape: Shape,
        held: Maps,
        traffic: Traffic = PLAIN,
        weights: Int = 0,
        trains: Int = 0,
    ) -> Map:
        """The map that torch's operator makes of those it reads, others being held.

        It reads so many weights, of which so many have a gradient.
        """
        ...


class Operator:
    """What makes one feature map of one, or of several; subclasses are frozen data.

    The defaults are those of an operator that hands on what it takes and costs nothing.
    """

    __slots__ = ()

    #: Operators of one block that are shared by one name have the same weights.
    shared: str | None = None
    #: Whether heads that share their weights among levels have one for each level.
    by_level = False
    #: Whether it hands on a map whose size it keeps, and does something to another.
    idle_if_same = False

    @property
    def label(self) -> str:
        """What papers call it: `depthwise 3×3`, `batch norm`."""
        raise NotImplementedError

    @property
    def sized(self) -> bool:
        """Whether its weights are as many as its input is large."""
        return False

    @property
    def buffers(self) -> Int:
        """Numbers beside its parameters that are kept with them, and not trained."""
        return ZERO

    def output(self, flow: Flow, path: str) -> Shape:
        """The shape of what it makes of feature maps.

        Raises:
            LayerError: if it cannot take them: more or fewer than it takes, of other
                channels, or smaller than its kernel.
        """
        return only(flow, path)

    def cost(self, out: Shape) -> Cost:
        """What it costs to make an output of this shape."""
        return FREE

    def cost_on(self, flow: Flow, out: Shape) -> Cost:
        """What it costs to make the output of these feature maps."""
        del flow
        return self.cost(out)

    def tallies(self, before: Shape, after: Shape) -> Mapping[Tally, int]:
        """What other tools may count of it, of one network, MACs aside."""
        return {}

    def traffic(self, before: Shape, after: Shape) -> Traffic | None:
        """What running it takes in inference; None where it hands on what it takes.

        Source: torch's tools/autograd/derivatives.yaml, the arguments of each backward.
        """
        return None

    def run(self, tape: Tape, maps: Maps, after: Shape, held: Maps) -> Map:
        """What it makes, each of torch's operators on the way noted."""
        before = maps[0]
        traffic = self.traffic(before.shape, after)
        if traffic is None:
            return Map(before.number, after, before.elements)
        trains = self.cost(after).params
        weights = trains + self.buffers
        return tape.op(maps, after, held, traffic, weights, trains)


def check_channels(operator: Operator, *several: Int) -> None:
    for each in several:
        one = type(each) is int  # which takes no call to compare
        if not (each >= 1 if one else at_least(1, each)):
            raise LayerError(f"channels: expected at least 1, got {operator}", each < 1)
