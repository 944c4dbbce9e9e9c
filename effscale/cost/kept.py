"""What running a leaf takes besides its input and output, and what autograd keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, assert_never

from effscale.network.leaves import (
    Act,
    Attend,
    Conv,
    Dropout,
    Flatten,
    Fuse,
    GlobalPool,
    Leaf,
    Linear,
    Norm,
    Pool,
    Resize,
    Shift,
)

if TYPE_CHECKING:
    from effscale.network.leaves import Shape

#: Activations whose derivative is that of their output; the others keep their input.
_OF_OUTPUT = {"relu", "sigmoid"}


class Does(NamedTuple):
    """What an operator does to memory, in elements of one image."""

    keeps_inputs: bool = False
    keeps_output: bool = False
    elements: int | None = None  #: made, where they are not those of the output
    indices: int = 0  #: of maxima, beside the output
    params: int = 0  #: weights that it reads
    trains: int = 0  #: those of them that have a gradient


def does(leaf: Leaf, before: Shape, after: Shape) -> Does | None:
    """What the operator of a leaf does in inference; None if there is none.

    Sources: torch's tools/autograd/derivatives.yaml, the arguments of each backward.
    """
    match leaf:
        case Conv(c_in, c_out, kernel, _, groups, bias):
            weights = kernel[0] * kernel[1] * int(c_in) // int(groups) * int(c_out)
            params = weights + int(c_out) * bias
            return Does(keeps_inputs=True, params=params, trains=params)
        case Linear(c_in, c_out):
            params = (int(c_in) + 1) * int(c_out)
            return Does(keeps_inputs=True, params=params, trains=params)
        case Norm(channels):
            # Scale and shift are trained, both statistics only read.
            both = 2 * int(channels)
            return Does(keeps_inputs=True, params=2 * both, trains=both)
        case Act("none") | Flatten() | Dropout():
            return None
        case Act(kind):
            of_output = kind in _OF_OUTPUT
            return Does(keeps_inputs=not of_output, keeps_output=of_output)
        case Pool("max"):
            return Does(keeps_inputs=True, indices=int(after.elements))
        case Pool():
            return Does(keeps_inputs=True)
        case GlobalPool() | Resize() | Attend() | Fuse():
            return Does()
        case Shift():  # a view of what is padded by a row and a column
            channels, height, width = map(int, before)
            return Does(elements=channels * (height + 1) * (width + 1))
        case _:
            assert_never(leaf)
