"""MACs of operators by the shapes of their tensors: our own formulas, and those taught.

A formula is a function of the shapes that go in and those that come out. What is
multiplied and summed is counted, a complex product as one; a product that is not summed
is elementwise, and free.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from itertools import zip_longest
from string import ascii_letters
from typing import Any, NamedTuple, TypeAlias

from effscale.errors import MeasureError, short

Shape: TypeAlias = tuple[int, ...]
Formula: TypeAlias = Callable[[Sequence[Shape], Sequence[Shape]], int]


class Products(NamedTuple):
    """MACs, and the output elements of the products that they are in."""

    macs: int
    activations: int


def convolution(x: Sequence[Shape], out: Sequence[Shape]) -> int:
    """Each output is a sum over a window of the channels of its group."""
    return math.prod(out[0]) * math.prod(x[1][1:])


#: What neither fvcore nor torch's registry counts, by torch's own name.
FORMULAS: dict[str, Formula] = {
    **dict.fromkeys(
        ("baddbmm", "baddbmm_", "addbmm", "addbmm_", "addmm_"),
        lambda x, _: math.prod(x[1]) * x[2][-1],
    ),
    **dict.fromkeys(("addmv", "addmv_"), lambda x, _: math.prod(x[1])),
    "mv": lambda x, _: math.prod(x[0]),
    "dot": lambda x, _: math.prod(x[0]),
    "vdot": lambda x, _: math.prod(x[0]),
    # Of rows as of int8, which torch sums in another type.
    "_int_mm": lambda x, _: math.prod(x[0]) * x[1][-1],
    "_addmm_activation": lambda x, _: math.prod(x[1]) * x[2][-1],
    "_grouped_mm": lambda x, _: _grouped(*x[:2]),
    # Of time, batch and channels, by a kernel of time and channels in and out.
    "conv_tbc": lambda x, out: math.prod(out[0]) * math.prod(x[1][:2]),
    # Each output is a sum over all pairs of features of two rows.
    "bilinear": lambda x, _: math.prod(x[0][:-1]) * math.prod(x[2]),
    "_trilinear": lambda x, _: math.prod(x[0][:-1]) * math.prod(x[1]),
    # A transformation of 2×3 or 3×4 times each point of the grid.
    **dict.fromkeys(
        ("affine_grid_generator", "cudnn_affine_grid_generator"),
        lambda x, out: math.prod(out[0]) * x[0][-1],
    ),
    "linalg_vecdot": lambda x, _: math.prod(_spread(*x[:2])),
    # Of samples taken between positions, which is free, as in `grid_sample`.
    "torchvision::deform_conv2d": convolution,
}
_taught: dict[str, Formula] = {}


def teach(name: str, formula: Formula | None = None) -> Any:  # noqa: ANN401 - or a decorator
    """Have both counters know operator `name`, `namespace::name`, by its formula.

    The formula is given the shapes of the tensors that go in and of those that come
    out, in order, and says the MACs. Without one, this is a decorator of it.

    Raises:
        MeasureError: if the name has no namespace.
    """
    if not re.fullmatch(r"\w+::[\w.]+", name):
        raise MeasureError(f"expected an operator's name, ns::name, got {short(name)}")

    def known(given: Formula) -> Formula:
        _taught[name.removeprefix("aten::")] = given
        return given

    return known if formula is None else known(formula)


def formula_of(name: str) -> Formula | None:
    """The formula of an operator, by its name as torch or fvcore has it."""
    own = name.removeprefix("aten::")
    return _taught.get(own) or FORMULAS.get(own)


def named() -> dict[str, Formula]:
    """Every formula, by the name that a trace has of its operator."""
    every = {**FORMULAS, **_taught}
    return {
        name if "::" in name else f"aten::{name}": each for name, each in every.items()
    }


def is_taught(name: str) -> bool:
    """Whether its formula is a user's."""
    return name.removeprefix("aten::") in _taught


def by_formula(
    name: str, formula: Formula, inputs: Sequence[Shape], outputs: Sequence[Shape]
) -> Products:
    """What a formula says of one call.

    Raises:
        MeasureError: if it fails, or says no number of MACs.
    """
    try:
        macs: Any = formula(inputs, outputs)
    except Exception as error:  # noqa: BLE001 - a user's own
        said = f"{type(error).__name__}: {error}"
        raise MeasureError(f"the formula of {name} raised {said}") from None
    if type(macs) is not int or macs < 0:
        expected = f"expected a whole number of MACs of {name}"
        raise MeasureError(f"{expected}, got {short(macs)} for {list(inputs)}")
    return Products(macs, sum(map(math.prod, outputs[:1])))


def transposed_convolution(x: Sequence[Shape], _out: Sequence[Shape]) -> int:
    """Each input is spread over a window of the channels of its group."""
    return math.prod(x[0]) * math.prod(x[1][1:])


def _grouped(one: Shape, other: Shape) -> int:
    """Products of groups of rows, of groups of columns, of both, or of batches.

    Offsets part the rows, or the columns, of what has no dimension for the groups.
    """
    shared = len(one) > len(other)  # all groups of rows go with parts of the columns
    return math.prod(one) * other[-1] // (one[0] if shared else 1)


def _spread(one: Shape, other: Shape) -> Shape:
    """The sides of both where each is as long as the other, or 1."""
    sides = zip_longest(reversed(one), reversed(other), fillvalue=1)
    return tuple(b if a == 1 else a for a, b in sides)


def product(one: Shape, out: Shape) -> Products:
    """Of matrices, of a matrix and a vector, of vectors, and of batches of them."""
    elements = math.prod(out)
    return Products(elements * one[-1], elements)


def attention(query: Shape, key: Shape, value: Shape) -> Products:
    """Scores of L queries for S keys each, and S values mixed L times."""
    *heads, length, width = query
    scores = math.prod(heads) * length * key[-2]
    mixed = math.prod(heads) * length * value[-1]
    return Products(scores * (width + value[-1]), scores + mixed)


def einsum(
    equation: str, shapes: Sequence[Shape], path: Sequence[int] | None = None
) -> Products:
    """What torch multiplies for an equation: two operands at a time.

    In the order of `path`, pairs of positions as opt_einsum gives them, or from left to
    right. What is in one of the two alone and not needed later is summed beforehand.
    """
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms, output = _letters(left, right if arrow else None, shapes)
    operands = [_sides(term, shape) for term, shape in zip(terms, shapes, strict=True)]
    macs = activations = 0
    order = list(path or [0, 1] * (len(operands) - 1))
    while len(operands) > 1:
        pair, order = sorted(order[:2], reverse=True), order[2:]
        other, one = (operands.pop(i) for i in pair)
        later = set(output).union(*operands)
        summed = {i for i in {*one, *other} if i not in later}
        # torch sums a side of one at once, whichever of the two has it.
        within = {i for i in summed if min(one.get(i, 1), other.get(i, 1)) > 1}
        alone = summed - within
        both = {i: max(one.get(i, 1), other.get(i, 1)) for i in {*one, *other} - alone}
        made = {i: n for i, n in both.items() if i not in within}
        if within:
            macs += math.prod(both.values())
            activations += math.prod(made.values())
        if path:
            operands.append(made)
        else:
            operands.insert(0, made)
    return Products(macs, activations)


def _letters(
    left: str, right: str | None, shapes: Sequence[Shape]
) -> tuple[list[str], str]:
    """The letters of each operand and of the output, `...` being letters too."""
    terms = left.split(",")
    spare = [each for each in ascii_letters if each not in left]
    widths = [
        len(shape) - len(term.replace("...", "")) if "..." in term else 0
        for term, shape in zip(terms, shapes, strict=True)
    ]
    rest = spare[: max(widths, default=0)]
    full = [
        term.replace("...", "".join(rest[len(rest) - n :]))
        for term, n in zip(terms, widths, strict=True)
    ]
    if right is None:
        once = sorted(
            each for each in set(left) if each.isalpha() and left.count(each) == 1
        )
        return full, "".join([*rest, *once])
    return full, right.replace("...", "".join(rest))


def _sides(term: str, shape: Shape) -> dict[str, int]:
    return dict(zip(term, shape, strict=True))
