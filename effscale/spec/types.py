"""Named types of the values that models of a spec share, and the models' base."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer

from effscale.arrays import Int
from effscale.spec import values

#: Wider, deeper or larger than anything built; beyond it lies a slip of the pen.
MAX_CHANNELS, MAX_REPEATS, MAX_RESOLUTION, MAX_KERNEL = 2**20, 10_000, 2**16, 31

Activation = Literal["silu", "relu", "relu6", "hard_swish", "gelu", "none"]
Gate = Literal["sigmoid", "hard_sigmoid"]
Padding = Literal["same", "valid"]
PoolKind = Literal["max", "avg"]
#: How the weights of a convolution begin (`effscale.module.operators` draws them).
Init = Literal["he", "glorot", "lecun", "variance_scaling", "normal", "near_zero"]

ActivationName = Annotated[Activation, values.choice(*get_args(Activation))]
GateName = Annotated[Gate, values.choice(*get_args(Gate))]
PaddingName = Annotated[Padding, values.choice(*get_args(Padding))]
InitName = Annotated[Init, values.choice(*get_args(Init))]

Channels = Annotated[Int, values.whole(1, MAX_CHANNELS)]
Repeats = Annotated[Int, values.whole(1, MAX_REPEATS)]
Side = Annotated[Int, values.whole(1, MAX_RESOLUTION)]
Kernel = Annotated[int, values.odd(1, MAX_KERNEL)]
Stride = Annotated[int, values.whole(1, 8)]
Share = Annotated[float, values.number(0, 1)]
Multiplier = Annotated[float, values.number(0, 100, above=True)]
Percent = Annotated[float, values.number(0, 100)]
Name = Annotated[str, values.WORD]
Text = Annotated[str, values.TEXT]
Reference = Annotated[str, values.TEXT]  #: a built-in spec, or a file
Quantity = Annotated[str, values.ROUNDED]
Limit = Annotated[str, values.MOST]
Flag = Annotated[bool, values.FLAG]
Count = Annotated[int, values.whole(0, 2**200)]


def pair(value: Any) -> Any:  # noqa: ANN401 - pydantic judges what this leaves alone
    """Rows and columns of what may be given as one number for both."""
    return (value, value) if isinstance(value, int | float | str) else value


def _side_or_pair(value: tuple[Int, Int]) -> Any:  # noqa: ANN401
    return value[0] if value[0] == value[1] else list(value)


#: (height, width) in pixels; a file writes one number for a square.
Resolution = Annotated[
    tuple[Side, Side],
    BeforeValidator(pair, json_schema_input_type=Side | tuple[Side, Side]),
    PlainSerializer(_side_or_pair),
]
#: (rows, columns) of a kernel or a stride; a file writes one number for a square.
Window = Annotated[
    tuple[int, int], values.pair(1, MAX_KERNEL), PlainSerializer(_side_or_pair)
]


def number_or_list(value: Any) -> Any:  # noqa: ANN401
    return list(value) if isinstance(value, tuple) else value


#: Channels, or a list with those of each block of a stage, the last for all after it.
Widths = Annotated[
    Int | tuple[Int, ...],
    values.one_or_each(1, MAX_CHANNELS),
    PlainSerializer(number_or_list),
]


def of_block(widths: Any, index: int) -> Any:  # noqa: ANN401 - one, or a tuple
    """The width that block number `index` of a stage has."""
    return widths[min(index, len(widths) - 1)] if isinstance(widths, tuple) else widths


class Model(BaseModel):
    """Frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")
