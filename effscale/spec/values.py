"""The kinds of value a spec holds, the types named after them, and the models' base.

A field's kind checks it strictly (`true` is no number, `3.0` no whole one), and any
failure reads `expected WHAT`. The same kinds give the JSON Schema its types and ranges.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer
from pydantic_core import PydanticCustomError, ValidationError, core_schema

from effscale import limit, quantity
from effscale.arrays import Int
from effscale.choices import DEVICE_PATTERN, DEVICES

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler

Function = Callable[[Any], Any]


def _same(value: Any) -> Any:  # noqa: ANN401 - whatever a file holds
    return value


def _wrong_value(_: object) -> str:
    return "EFF104"


class Parameter(str):
    """A value that a line in a block of the file's own does not state: `$kernel`.

    It is whatever the block is used with; outside of a block it stands nowhere.
    """

    __slots__ = ()

    @property
    def name(self) -> str:
        return self[1:]


def parameter(value: object) -> Parameter | None:
    """The parameter that a text names, if it has the form of one."""
    named = isinstance(value, str) and PARAMETER.fullmatch(value)
    return Parameter(value) if named else None


#: `$` and a word.
PARAMETER = re.compile(r"\$[A-Za-z]\w*")


@dataclass(frozen=True, eq=False)
class Kind:
    """What a value must be."""

    expected: str  #: the words after it in a message
    schema: Callable[[], core_schema.CoreSchema]  #: what pydantic checks
    #: What is made of a value that passes; it raises ValueError where one is wrong.
    made: Function = _same
    rule: Callable[[object], str] = _wrong_value  #: that a wrong value breaks
    #: What a JSON Schema says of such a value beyond what pydantic has it say.
    keywords: dict[str, Any] = field(default_factory=dict)
    #: Whether a parameter may stand for it.
    parametric: bool = True

    def check(self, value: Any, handler: Function) -> Any:  # noqa: ANN401
        """`value` as it is kept, or the one error of this kind."""
        if self.parametric and (named := parameter(value)):
            return named
        try:
            return self.made(
                handler(list(value) if isinstance(value, tuple) else value)
            )
        except (ValidationError, ValueError):
            context = {"expected": self.expected, "code": self.rule(value)}
            raise PydanticCustomError("kind", "expected {expected}", context) from None

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: "GetJsonSchemaHandler"
    ) -> dict[str, Any]:
        description = f"{self.expected[0].upper()}{self.expected[1:]}."
        return {**handler(schema), **self.keywords, "description": description}

    def __get_pydantic_core_schema__(
        self, source: object, handler: "GetCoreSchemaHandler"
    ) -> core_schema.CoreSchema:
        schema = self.schema()
        written = core_schema.wrap_serializer_function_ser_schema(_plain, schema=schema)
        return core_schema.no_info_wrap_validator_function(
            self.check, schema, serialization=written if self.parametric else None
        )


def _plain(value: Any, written: Function) -> Any:  # noqa: ANN401
    return str(value) if isinstance(value, Parameter) else written(value)


def whole(low: int, high: int) -> Kind:
    schema = partial(core_schema.int_schema, strict=True, ge=low, le=high)
    most = high if high < 2**63 else f"2^{high.bit_length() - 1}"
    return Kind(f"a whole number from {low} to {most}", schema)


def odd(low: int, high: int) -> Kind:
    """An odd whole number: a kernel that has a middle."""

    def made(number: int) -> int:
        if _even(number):
            raise ValueError(number)
        return number

    def rule(value: object) -> str:
        return "EFF202" if _even(value) else _wrong_value(value)

    expected = f"an odd whole number from {low} to {high}"
    keywords = {"not": {"multipleOf": 2}}
    return Kind(expected, whole(low, high).schema, made, rule, keywords)


def _even(value: object) -> bool:
    return type(value) is int and value % 2 == 0


def number(low: float, high: float, *, above: bool = False) -> Kind:
    """A finite real number of a range; `above` leaves out the lower bound itself.

    Whole numbers pass, since YAML writes 1.0 as 1 just as well.
    """
    least = f"above {low:g} and at most" if above else f"from {low:g} to"
    schema = partial(
        core_schema.float_schema,
        strict=True,
        gt=low if above else None,
        ge=None if above else low,
        le=high,
        allow_inf_nan=False,
    )
    return Kind(f"a number {least} {high:g}", schema)


def choice(*words: str) -> Kind:
    schema = partial(core_schema.literal_schema, list(words))
    return Kind(f"one of {', '.join(words)}", schema)


#: A leaky ReLU by what it multiplies numbers below zero with.
LEAKY = re.compile(r"leaky_relu\((0|0?\.[0-9]+)\)")


def activation(*words: str) -> Kind:
    """One of these words, or a leaky ReLU of a slope that torch's does not have."""

    def schema() -> core_schema.CoreSchema:
        sloped = core_schema.str_schema(strict=True, pattern=f"^{LEAKY.pattern}$")
        return core_schema.union_schema([choice(*words).schema(), sloped])

    return Kind(f"one of {', '.join(words)}, or leaky_relu(SLOPE)", schema)


def slope_of(activation: str) -> float | None:
    """What `leaky_relu(0.1)` multiplies numbers below zero with."""
    found = LEAKY.fullmatch(activation)
    return float(found[1]) if found else None


def leaky_relu(slope: float) -> str | None:
    """The leaky ReLU of that slope; None where no digits say it."""
    said = f"leaky_relu({f'{slope:.12f}'.rstrip('0').rstrip('.')})"
    if slope_of(said) != slope:
        return None
    return "leaky_relu" if slope == SLOPE else said


#: torch's own slope of a leaky ReLU.
SLOPE = 0.01


def flag_or(*words: str) -> Kind:
    """True, false, or one of these words."""

    def schema() -> core_schema.CoreSchema:
        flag = core_schema.bool_schema(strict=True)
        return core_schema.union_schema([flag, choice(*words).schema()])

    return Kind(f"true, false, {' or '.join(words)}", schema)


def around(*words: str) -> Kind:
    """One of these words, or pixels on both sides: of rows and columns, or of each."""

    def made(found: Any) -> Any:  # noqa: ANN401
        if isinstance(found, str):
            return found
        rows, columns = (found, found) if isinstance(found, int) else found
        return (rows, columns) if rows or columns else "valid"

    def schema() -> core_schema.CoreSchema:
        one = whole(0, MAX_KERNEL)
        some = _one_or(one, 2, 2)()
        return core_schema.union_schema([choice(*words).schema(), some])

    expected = f"one of {', '.join(words)}, or pixels on both sides"
    return Kind(expected, schema, made)


def one_or_pair(low: int, high: int) -> Kind:
    """Two whole numbers, rows and columns; one stands for both."""
    one = whole(low, high)

    def made(found: Any) -> tuple[int, int]:  # noqa: ANN401
        return (found, found) if isinstance(found, int) else tuple(found)

    return Kind(f"{one.expected}, or [rows, columns]", _one_or(one, 2, 2), made)


def rising(low: int, high: int) -> Kind:
    """Two whole numbers that rise: the lowest and the highest."""
    one = whole(low, high)

    def made(found: list[int]) -> tuple[int, ...]:
        if found[0] >= found[1]:
            raise ValueError(found)
        return tuple(found)

    of = f"whole numbers from {low} to {high}"
    expected = f"[lowest, highest] of {of}, the highest above the lowest"
    return Kind(expected, lambda: _list_of(one, 2, 2), made)


def one_or_each(low: int, high: int) -> Kind:
    """A whole number, or one for each block of a stage, the last for all after it."""
    one = whole(low, high)

    def made(found: Any) -> Any:  # noqa: ANN401
        return tuple(found) if isinstance(found, list) else found

    expected = f"{one.expected}, or a list with one for each block"
    return Kind(expected, _one_or(one, 1, 100), made)


def odd_or_several(low: int, high: int) -> Kind:
    """An odd whole number, or a list of some."""
    one = odd(low, high)

    def made(found: Any) -> tuple[int, ...]:  # noqa: ANN401
        several = tuple(found) if isinstance(found, list) else (found,)
        if any(map(_even, several)):
            raise ValueError(found)
        return several

    def rule(value: object) -> str:
        several = value if isinstance(value, list) else [value]
        return "EFF202" if any(map(_even, several)) else _wrong_value(value)

    expected = f"{one.expected}, or a list of some"
    return Kind(expected, _one_or(whole(low, high), 1, 16), made, rule)


def number_or_pair(low: float, high: float, words: str) -> Kind:
    """A number above `low`, or two, which are what `words` says."""
    one = number(low, high, above=True)

    def made(found: Any) -> Any:  # noqa: ANN401
        return tuple(found) if isinstance(found, list) else found

    return Kind(f"{one.expected}, or {words}", _one_or(one, 2, 2), made)


def by_level(most: float) -> Kind:
    """Pairs of numbers up to `most`, a list of some for each of several levels."""
    one = number(0, most, above=True)

    def made(found: list[list[list[float]]]) -> Any:  # noqa: ANN401
        return tuple(tuple(map(tuple, level)) for level in found)

    def schema() -> core_schema.CoreSchema:
        level = core_schema.list_schema(_list_of(one, 2, 2), min_length=1, strict=True)
        return core_schema.list_schema(level, min_length=1, strict=True)

    range_of_each = one.expected.removeprefix("a number ")
    return Kind(f"a list of [width, height] {range_of_each} by level", schema, made)


def whole_or_numbers(most: int, high: float) -> Kind:
    """A whole number from 1, or a list of as many numbers up to `high`."""
    one, each = whole(1, most), number(0, high, above=True)

    def made(found: Any) -> Any:  # noqa: ANN401
        return tuple(found) if isinstance(found, list) else found

    def schema() -> core_schema.CoreSchema:
        return core_schema.union_schema([one.schema(), _list_of(each, 1, most)])

    range_of_each = each.expected.removeprefix("a number ")
    expected = f"{one.expected}, or a list of numbers {range_of_each}"
    return Kind(expected, schema, made)


def _list_of(kind: Kind, least: int, most: int) -> core_schema.CoreSchema:
    one = kind.schema()
    return core_schema.list_schema(one, min_length=least, max_length=most, strict=True)


def _one_or(kind: Kind, least: int, most: int) -> Callable[[], core_schema.CoreSchema]:
    return lambda: core_schema.union_schema(
        [kind.schema(), _list_of(kind, least, most)]
    )


def _argument(value: Any) -> Any:  # noqa: ANN401
    """What a parameter is given, which is judged where it stands in the block."""
    if isinstance(value, list):
        if not value or any(isinstance(each, list | dict) for each in value):
            raise ValueError(value)
        return tuple(value)
    if value is None or isinstance(value, dict):
        raise ValueError(value)
    return value


ARGUMENT = Kind(
    "a value, or a list of some",
    core_schema.any_schema,
    _argument,
    keywords={"type": ["number", "string", "boolean", "array"]},
)
#: How a line is read: by its name, or by its number.
READ = Kind(
    "the name of a line, stage 1 and so on, stem or image",
    partial(
        core_schema.str_schema,
        strict=True,
        pattern=r"^([A-Za-z0-9][A-Za-z0-9._+-]*|stage [1-9][0-9]*)$",
        max_length=80,
    ),
    parametric=False,
)
RUNS_ON = Kind(
    DEVICES,
    partial(core_schema.str_schema, strict=True, pattern=DEVICE_PATTERN),
    parametric=False,
)
FLAG = Kind("true or false", partial(core_schema.bool_schema, strict=True))
TEXT = Kind(
    "a text",
    partial(core_schema.str_schema, strict=True, min_length=1),
    parametric=False,
)
_WORD = "[A-Za-z0-9][A-Za-z0-9._+-]*"
#: Short enough for a table.
_LONGEST = 80
WORD = Kind(
    "a name of letters, digits and . _ + -",
    partial(
        core_schema.str_schema,
        strict=True,
        pattern=f"^{_WORD}$",
        max_length=_LONGEST,
    ),
    parametric=False,
)


def is_name(text: str) -> bool:
    """Whether a network can be called so."""
    return len(text) <= _LONGEST and bool(re.fullmatch(_WORD, text))


#: How a quantity is written, for those who read patterns.
QUANTITY = r"([0-9]+([.][0-9]+)?|[.][0-9]+) ?[kKMGBT]?"


def _quantity(expected: str) -> Kind:
    """A quantity as people write it; it stays the text that it is."""

    def made(text: str) -> str:
        quantity.parse(text)
        return text

    schema = partial(core_schema.str_schema, strict=True, pattern=f"^{QUANTITY}$")
    return Kind(expected, schema, made, parametric=False)


#: A published figure: its digits say how it was rounded, so that 0.70B keeps its zero.
ROUNDED = _quantity("a quantity as printed, such as 5.3M or 0.39B")


def limited(figure: limit.Figure) -> Kind:
    """What a figure may come to; it stays the text that it is.

    A number alone would not say which way it limits.
    """

    def made(text: str) -> str:
        if limit.parse(figure, text).is_target:
            raise ValueError
        return text

    pattern = limit.pattern(figure)
    schema = partial(core_schema.str_schema, strict=True, pattern=pattern)
    expected = limit.expected(figure, signed=True)
    return Kind(expected, schema, made, parametric=False)


#: Wider, deeper or larger than anything built; beyond it lies a slip of the pen.
MAX_CHANNELS, MAX_REPEATS, MAX_RESOLUTION, MAX_KERNEL = 2**20, 10_000, 2**16, 31
#: Of a kernel or a window of a step: images fall into patches of so many pixels.
MAX_WINDOW = 64

Activation = Literal[
    "silu",
    "relu",
    "relu6",
    "hard_swish",
    "gelu",
    "none",
    "gelu_tanh",
    "leaky_relu",
    "prelu",
    "elu",
    "mish",
    "hard_mish",
    "softplus",
    "tanh",
    "sigmoid",
    "hard_sigmoid",
]
Gate = Literal["sigmoid", "hard_sigmoid"]
#: What lies around a feature map: `same` is as much on both sides, `tensorflow` as much
#: in all, of an odd number the greater half at the end; `valid` is nothing; `ceil` is
#: what a last window lacks that begins within. Or so many pixels on both sides, of rows
#: and of columns.
Around = Literal["same", "valid", "tensorflow"]
Padding = Around | Literal["ceil"] | tuple[int, int]
#: What `same` means in a network.
SamePadding = Literal["centred", "tensorflow"]
PoolKind = Literal["max", "avg"]
Merging = Literal["concat", "sum", "product"]
#: How lines meet: as one map, or apart, each for a branch of its own.
Meeting = Literal["concat", "sum", "product", "apart"]
Interpolation = Literal["nearest", "bilinear"]
#: How much positions attend to each other (`Attention` says what each is), what is
#: learnt of how two lie, and which see each other.
Attending = Literal["softmax", "cosine", "covariance", "linear", "separable"]
Placing = Literal["learnt", "fourier"]
Lying = Literal["none", "relative", "offset", "continuous", "unbounded"]
Over = Literal["window", "grid", "patch"]
#: Which convolutions of attention have biases: all or none; that of what it puts out
#: alone; all but that of the keys.
Biases = bool | Literal["output", "not_keys"]
#: How the weights of a convolution begin (`effscale.module.drawing` draws them).
Init = Literal["he", "glorot", "lecun", "variance_scaling", "normal", "near_zero"]

ActivationName = Annotated[str, activation(*get_args(Activation))]
GateName = Annotated[Gate, choice(*get_args(Gate))]
MeetingName = Annotated[Meeting, choice(*get_args(Meeting))]
AttendingName = Annotated[Attending, choice(*get_args(Attending))]
PlacingName = Annotated[Placing, choice(*get_args(Placing))]
LyingName = Annotated[Lying, choice(*get_args(Lying))]
OverName = Annotated[Over, choice(*get_args(Over))]
BiasesName = Annotated[Biases, flag_or("output", "not_keys")]
InterpolationName = Annotated[Interpolation, choice(*get_args(Interpolation))]
SamePaddingName = Annotated[SamePadding, choice(*get_args(SamePadding))]
InitName = Annotated[Init, choice(*get_args(Init))]

Channels = Annotated[Int, whole(1, MAX_CHANNELS)]
Repeats = Annotated[Int, whole(1, MAX_REPEATS)]
Side = Annotated[Int, whole(1, MAX_RESOLUTION)]
Kernel = Annotated[int, odd(1, MAX_KERNEL)]
Stride = Annotated[int, whole(1, 8)]
Share = Annotated[float, number(0, 1)]
Multiplier = Annotated[float, number(0, 100, above=True)]
#: Of a network that was scaled: as large as repeats and channels can become by it.
Scaled = Annotated[float, number(0, 100_000, above=True)]
Percent = Annotated[float, number(0, 100)]
Name = Annotated[str, WORD]
Text = Annotated[str, TEXT]
Reference = Annotated[str, TEXT]  #: a built-in spec, or a file
Quantity = Annotated[str, ROUNDED]
Flag = Annotated[bool, FLAG]
Count = Annotated[int, whole(0, 2**200)]


#: What may be given as one number for both.
_SINGLE = int, float, str


def pair(value: Any) -> Any:  # noqa: ANN401 - pydantic judges what this leaves alone
    """Rows and columns of what may be given as one number for both."""
    return (value, value) if isinstance(value, _SINGLE) else value


def _side_or_pair(value: tuple[Int, Int] | Parameter) -> Any:  # noqa: ANN401
    if isinstance(value, Parameter):
        return str(value)
    return value[0] if value[0] == value[1] else list(value)


def _around_or_sides(value: Any) -> Any:  # noqa: ANN401
    return value if isinstance(value, str) else _side_or_pair(value)


Read = Annotated[str, READ]


def _listed(value: Any) -> Any:  # noqa: ANN401 - pydantic judges what this leaves alone
    return [value] if isinstance(value, str) else value


def _one_or_all(value: tuple[str, ...]) -> Any:  # noqa: ANN401
    return value[0] if len(value) == 1 else list(value)


_SomeReads = Annotated[tuple[Read, ...], Field(min_length=1)]
#: Lines that another reads; a file writes one without a list.
Reads = Annotated[
    _SomeReads,
    BeforeValidator(_listed, json_schema_input_type=Read | _SomeReads),
    PlainSerializer(_one_or_all),
]
#: (height, width) in pixels; a file writes one number for a square.
Resolution = Annotated[
    tuple[Side, Side],
    BeforeValidator(pair, json_schema_input_type=Side | tuple[Side, Side]),
    PlainSerializer(_side_or_pair),
]
#: (rows, columns) of a kernel or a stride; a file writes one number for a square.
Window = Annotated[
    tuple[int, int], one_or_pair(1, MAX_WINDOW), PlainSerializer(_side_or_pair)
]

PaddingName = Annotated[
    Around | tuple[int, int],
    around(*get_args(Around)),
    PlainSerializer(_around_or_sides),
]
PoolPaddingName = Annotated[
    Padding, around(*get_args(Around), "ceil"), PlainSerializer(_around_or_sides)
]


def number_or_list(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, Parameter):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def _one_or_list(value: Any) -> Any:  # noqa: ANN401
    found = number_or_list(value)
    return found[0] if isinstance(found, list) and len(found) == 1 else found


#: Odd kernels of parts of the channels; a file writes one alone as it is.
Kernels = Annotated[
    tuple[int, ...], odd_or_several(1, MAX_KERNEL), PlainSerializer(_one_or_list)
]
#: Channels, or a list with those of each block of a stage, the last for all after it.
Widths = Annotated[
    Int | tuple[Int, ...],
    one_or_each(1, MAX_CHANNELS),
    PlainSerializer(number_or_list),
]


Argument = Annotated[Any, ARGUMENT, PlainSerializer(number_or_list)]


def of_block(widths: Any, index: int) -> Any:  # noqa: ANN401 - one, or a tuple
    """The width that block number `index` of a stage has."""
    return widths[min(index, len(widths) - 1)] if isinstance(widths, tuple) else widths


class Model(BaseModel):
    """Frozen, and closed to unknown keys; pydantic reads it when it is first used.

    What a file leaves out is made by `model_construct`, so that it reads none for that.
    Modules of models do without `from __future__ import annotations`: pydantic would
    compile each type from its text whenever they are imported.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        defer_build=True,
        protected_namespaces=(),  # else every field is looked at for each of them
    )


#: In place of a reference, which pydantic makes to models that it reads itself.
MODEL = "model by name"


@dataclass(frozen=True, eq=False)
class Told:
    """One of several models, which a word of the value tells.

    A union would have pydantic build all of them for a file that has a few.
    """

    tell: Callable[[Any], type[Model] | None]
    #: All of them, once they are there.
    several: Callable[[], Iterable[type[Model]]]

    def check(self, value: Any) -> Model:  # noqa: ANN401 - whatever a file holds
        """The model of the value; the errors of one that is wrong."""
        model = self.tell(value)
        if model is None:
            raise PydanticCustomError("union_tag_not_found", "no kind")
        return model.model_validate(value)

    def __get_pydantic_core_schema__(
        self, source: object, handler: "GetCoreSchemaHandler"
    ) -> core_schema.CoreSchema:
        del source, handler
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: "GetJsonSchemaHandler"
    ) -> dict[str, Any]:
        """Any of them, by their names; `spec.schema` says what they are."""
        del schema, handler
        names = dict.fromkeys(each.__name__ for each in self.several())
        found = [{MODEL: name} for name in names]
        return {"anyOf": found} if len(found) > 1 else found[0]


def later(model: type[Model]) -> Told:
    """A section that most files lack: its model is built where one has it."""
    return Told(lambda _: model, lambda: [model])
