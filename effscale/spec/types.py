"""What all models of a spec share: ranges, types of values, and how strict they are."""

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

ActivationName = Annotated[Activation, values.Choice(get_args(Activation))]
GateName = Annotated[Gate, values.Choice(get_args(Gate))]
PaddingName = Annotated[Padding, values.Choice(get_args(Padding))]

Channels = Annotated[Int, values.Whole(1, MAX_CHANNELS)]
Repeats = Annotated[Int, values.Whole(1, MAX_REPEATS)]
Side = Annotated[Int, values.Whole(1, MAX_RESOLUTION)]
Kernel = Annotated[int, values.Odd(1, MAX_KERNEL)]
Stride = Annotated[int, values.Whole(1, 8)]
Share = Annotated[float, values.Number(0, 1)]
Multiplier = Annotated[float, values.Number(0, 100, above=True)]
Percent = Annotated[float, values.Number(0, 100)]
Name = Annotated[str, values.Word()]
Text = Annotated[str, values.Text()]
Reference = Annotated[str, values.Text()]  #: a built-in spec, or a file
Quantity = Annotated[str, values.Rounded()]
Limit = Annotated[str, values.Most()]
Flag = Annotated[bool, values.Flag()]
Count = Annotated[int, values.Whole(0, 2**200)]


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
    tuple[int, int], values.Pair(1, MAX_KERNEL), PlainSerializer(_side_or_pair)
]


def _number_or_list(value: Any) -> Any:  # noqa: ANN401
    return list(value) if isinstance(value, tuple) else value


#: Channels, or a list with those of each block of a stage, the last for all after it.
Widths = Annotated[
    Int | tuple[Int, ...],
    values.OneOrEach(1, MAX_CHANNELS),
    PlainSerializer(_number_or_list),
]


def of_block(widths: Any, index: int) -> Any:  # noqa: ANN401 - one, or a tuple
    """The width that block number `index` of a stage has."""
    return widths[min(index, len(widths) - 1)] if isinstance(widths, tuple) else widths


class Model(BaseModel):
    """Frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")
