"""The kinds of value a spec holds, each with the words that say what is expected.

A field's kind checks it strictly (`true` is no number, `3.0` no whole one), and any
failure reads `expected WHAT`. The same kinds give the JSON Schema its types and ranges.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic_core import PydanticCustomError, ValidationError, core_schema

from effscale import quantity

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler

    Handler = Callable[[Any], Any]


@dataclass(frozen=True)
class Kind:
    """What a value must be; subclasses say it as a pydantic-core schema."""

    #: What a JSON Schema says of such a value beyond what pydantic has it say.
    keywords: ClassVar[dict[str, Any]] = {}

    @property
    def expected(self) -> str:
        """The words after `expected` in a message."""
        raise NotImplementedError

    def rule(self, value: object) -> str:
        """The rule that this wrong value breaks."""
        del value
        return "EFF104"

    def schema(self) -> core_schema.CoreSchema:
        """What pydantic checks."""
        raise NotImplementedError

    def check(self, value: Any, handler: Handler) -> Any:  # noqa: ANN401
        """`value` as the schema gives it, or the one error of this kind."""
        try:
            return handler(value)
        except (ValidationError, ValueError):
            context = {"expected": self.expected, "code": self.rule(value)}
            raise PydanticCustomError("kind", "expected {expected}", context) from None

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        description = f"{self.expected[0].upper()}{self.expected[1:]}."
        return {**handler(schema), **self.keywords, "description": description}

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_wrap_validator_function(self.check, self.schema())


@dataclass(frozen=True)
class Whole(Kind):
    """A whole number of a range."""

    low: int
    high: int

    @property
    def expected(self) -> str:
        """Range included."""
        return f"a whole number from {self.low} to {self.high}"

    def schema(self) -> core_schema.CoreSchema:
        """Strict: neither `true` nor `3.0`."""
        return core_schema.int_schema(strict=True, ge=self.low, le=self.high)


@dataclass(frozen=True)
class Odd(Whole):
    """An odd whole number: a kernel that has a middle."""

    keywords: ClassVar[dict[str, Any]] = {"not": {"multipleOf": 2}}

    @property
    def expected(self) -> str:
        """Range included."""
        return f"an odd whole number from {self.low} to {self.high}"

    def rule(self, value: object) -> str:
        """Even kernels have a rule of their own."""
        return "EFF202" if _even(value) else super().rule(value)

    def check(self, value: Any, handler: Handler) -> Any:  # noqa: ANN401
        """Refuse even numbers as any other mistake."""

        def odd(number: Any) -> Any:  # noqa: ANN401
            return handler(None if _even(number) else number)

        return super().check(value, odd)


def _even(value: object) -> bool:
    return type(value) is int and value % 2 == 0


@dataclass(frozen=True)
class Number(Kind):
    """A finite real number of a range; `above` leaves out the lower bound itself."""

    low: float
    high: float
    above: bool = False

    @property
    def expected(self) -> str:
        """Range included."""
        low = (
            f"above {self.low:g} and at most" if self.above else f"from {self.low:g} to"
        )
        return f"a number {low} {self.high:g}"

    def schema(self) -> core_schema.CoreSchema:
        """Whole numbers pass, since YAML writes 1.0 as 1 just as well."""
        return core_schema.float_schema(
            strict=True,
            gt=self.low if self.above else None,
            ge=None if self.above else self.low,
            le=self.high,
            allow_inf_nan=False,
        )


@dataclass(frozen=True)
class Flag(Kind):
    """True or false, and no word or number that could mean either."""

    @property
    def expected(self) -> str:
        """As YAML writes them."""
        return "true or false"

    def schema(self) -> core_schema.CoreSchema:
        """Strict."""
        return core_schema.bool_schema(strict=True)


@dataclass(frozen=True)
class Word(Kind):
    """A name: letters, digits and `. _ + -`."""

    @property
    def expected(self) -> str:
        """What a name may be."""
        return "a name of letters, digits and . _ + -"

    def schema(self) -> core_schema.CoreSchema:
        """Short enough for a table."""
        pattern = r"^[A-Za-z0-9][A-Za-z0-9._+-]*$"
        return core_schema.str_schema(strict=True, pattern=pattern, max_length=80)


@dataclass(frozen=True)
class Text(Kind):
    """A line or more of prose."""

    @property
    def expected(self) -> str:
        """Not empty."""
        return "a text"

    def schema(self) -> core_schema.CoreSchema:
        """Not empty."""
        return core_schema.str_schema(strict=True, min_length=1)


@dataclass(frozen=True)
class Choice(Kind):
    """One word of a few."""

    words: tuple[str, ...]

    @property
    def expected(self) -> str:
        """All of them."""
        return f"one of {', '.join(self.words)}"

    def schema(self) -> core_schema.CoreSchema:
        """An enumeration in the JSON Schema."""
        return core_schema.literal_schema(list(self.words))


# --------------------------------------------------------------------------------------
# The kinds of value that are several whole numbers: sides, levels, widths by block.


@dataclass(frozen=True)
class Pair(Whole):
    """Two whole numbers, rows and columns; one stands for both."""

    @property
    def expected(self) -> str:
        """Range included."""
        return f"{super().expected}, or [rows, columns]"

    def schema(self) -> core_schema.CoreSchema:
        """One or two, strictly."""
        one = super().schema()
        two = core_schema.list_schema(one, min_length=2, max_length=2, strict=True)
        return core_schema.union_schema([one, two])

    def check(self, value: Any, handler: Handler) -> Any:  # noqa: ANN401
        """A tuple, of one number twice where only one is given."""
        found = super().check(
            list(value) if isinstance(value, tuple) else value, handler
        )
        return (found, found) if isinstance(found, int) else tuple(found)


@dataclass(frozen=True)
class Range(Whole):
    """Two whole numbers that rise: the lowest and the highest."""

    @property
    def expected(self) -> str:
        """Range included."""
        return f"[lowest, highest] of whole numbers from {self.low} to {self.high}"

    def schema(self) -> core_schema.CoreSchema:
        """Two, strictly."""
        one = super().schema()
        return core_schema.list_schema(one, min_length=2, max_length=2, strict=True)

    def check(self, value: Any, handler: Handler) -> Any:  # noqa: ANN401
        """A tuple; refuse one that does not rise, as any other mistake."""

        def rising(given: Any) -> Any:  # noqa: ANN401
            low, high = handler(given)
            return (low, high) if low < high else handler(None)

        return super().check(list(value) if isinstance(value, tuple) else value, rising)


@dataclass(frozen=True)
class OneOrEach(Whole):
    """A whole number, or one for each block of a stage, the last for all after it."""

    @property
    def expected(self) -> str:
        """Range included."""
        return f"{super().expected}, or a list with one for each block"

    def schema(self) -> core_schema.CoreSchema:
        """One, or a list that is not empty, strictly."""
        one = super().schema()
        each = core_schema.list_schema(one, min_length=1, max_length=100, strict=True)
        return core_schema.union_schema([one, each])

    def check(self, value: Any, handler: Handler) -> Any:  # noqa: ANN401
        """A number, or a tuple of several."""
        found = super().check(
            list(value) if isinstance(value, tuple) else value, handler
        )
        return tuple(found) if isinstance(found, list) else found


# --------------------------------------------------------------------------------------
# The kinds of value that are quantities as people write them: 5.3M, <= 400M.

#: How a quantity is written, for those who read patterns.
QUANTITY = r"([0-9]+([.][0-9]+)?|[.][0-9]+) ?[kMGBT]?"


@dataclass(frozen=True)
class Rounded(Kind):
    """A published figure as printed, `5.3M`: its digits say how it was rounded."""

    @property
    def expected(self) -> str:
        """With the examples that show the letters."""
        return "a quantity as printed, such as 5.3M or 0.39B"

    def schema(self) -> core_schema.CoreSchema:
        """A text, so that 0.70B keeps its zero."""
        return core_schema.str_schema(strict=True, pattern=rf"^{QUANTITY}$")

    def check(self, value: Any, handler: Handler) -> Any:  # noqa: ANN401
        """Refuse what `quantity.parse` cannot read."""

        def readable(text: Any) -> Any:  # noqa: ANN401
            quantity.parse(handler(text))
            return text

        return super().check(value, readable)


@dataclass(frozen=True)
class Most(Kind):
    """A limit, `<= 400M`: what a cost may come to."""

    @property
    def expected(self) -> str:
        """With an example, since the sign is part of it."""
        return "a limit such as <= 400M"

    def schema(self) -> core_schema.CoreSchema:
        """A text, since a number alone would not say which way it limits."""
        return core_schema.str_schema(strict=True, pattern=rf"^<= ?{QUANTITY}$")

    def check(self, value: Any, handler: Handler) -> Any:  # noqa: ANN401
        """Refuse what `quantity.parse` cannot read."""

        def readable(text: Any) -> Any:  # noqa: ANN401
            quantity.parse(handler(text).removeprefix("<="))
            return text

        return super().check(value, readable)
