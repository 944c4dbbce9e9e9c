"""Tests of `effscale.spec.values`: what each kind of value takes, and its words."""

from __future__ import annotations

import math
from typing import Annotated, Any

import pytest
from pydantic import TypeAdapter, ValidationError

from effscale.limit import pattern
from effscale.spec.values import (
    QUANTITY,
    ROUNDED,
    TEXT,
    WORD,
    Kind,
    choice,
    limited,
    number,
    odd,
    one_or_each,
    one_or_pair,
    whole,
)

TINY = math.ulp(0.0)
MOST = limited("macs")
SHARE, MULTIPLIER = number(0, 1), number(0, 100, above=True)


def adapter(kind: Kind) -> TypeAdapter[Any]:
    return TypeAdapter(Annotated[Any, kind])


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (whole(1, 8), [1, 2, 8]),
        (whole(0, 2**200), [0, 2**200]),
        (odd(1, 31), [1, 3, 31]),
        (SHARE, [0, 0.0, 0.25, 1, 1.0]),
        (MULTIPLIER, [TINY, 1, 100, 100.0]),
        (WORD, ["b0", "B", "7", "EfficientNet-B0_v1.1+se", "x" * 80]),
        (TEXT, ["x", " ", "two\nlines", "Tan & Le 2019: φ"]),
        (ROUNDED, ["5.3M", "0.70B", "12M", "1k", "2T", "7", "5.3 M", ".5k", "007"]),
        (MOST, ["<= 400M", "<=5.3M", ">= 7", "= 1.5 G within 5 %"]),
        (choice("ceil", "round"), ["ceil", "round"]),
    ],
)
def test_what_is_of_the_kind_passes_as_it_is(kind: Kind, values: list[object]) -> None:
    assert [adapter(kind).validate_python(value) for value in values] == values


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (whole(1, 8), [0, 9, -1, True, False, 1.0, 2.5, math.nan, "3", None, [], {}]),
        (odd(1, 31), [0, 2, 4, 30, -1, 33, True, 3.0, "3", None, [3]]),
        (one_or_pair(1, 31), [0, 32, True, 3.0, "3", None, {}, [], [3], [3, 3, 3]]),
        (
            one_or_pair(1, 31),
            [[0, 3], [3, 32], [True, 3], [3, 3.0], ["3", 3], [[3], 3], (3,)],
        ),
        (one_or_each(1, 99), [0, 100, True, 3.0, "3", None, {}, [], ()]),
        (one_or_each(1, 99), [[0], [1, 100], [True], [3.0], ["3"], [[3]], [1] * 101]),
        (SHARE, [-TINY, 1.0000000000000002, 2, -1, 10**400]),
        (SHARE, [True, False, "0.5", None, [], {}, math.nan, math.inf, -math.inf]),
        (MULTIPLIER, [0, 0.0, -TINY, 100.00000000000001, math.inf, True, "1"]),
        (WORD, ["", "-b0", ".b", "b 0", "b/0", "b@0", "b\n", "é", "x" * 81]),
        (WORD, [5, 1.5, True, None, b"b0", ["b0"]]),
        (TEXT, ["", 3, True, None, b"x", ["x"]]),
        (ROUNDED, ["", "M", ".", ".M", "1.2.3M", "5.3m", "5.3G ", "5.3  M", "-1M"]),
        (ROUNDED, ["0.5", "1.0005k", "1e6", "5.3M\n", "٣M", 5300000, 0.39, None]),
        (MOST, ["400M", "< 4M", "= 4M", "<= ", "<=  4M", "<= 0.5", 4, None, ""]),
        (choice("ceil", "round"), ["", "Ceil", "ceil ", "floor", 1, True, None, []]),
    ],
)
def test_what_is_not_of_the_kind_is_one_error_in_its_words(
    kind: Kind, values: list[object]
) -> None:
    for value in values:
        with pytest.raises(ValidationError) as caught:
            adapter(kind).validate_python(value)
        (detail,) = caught.value.errors()
        found = detail["type"], detail["msg"]
        assert found == ("kind", f"expected {kind.expected}")
        assert detail["input"] is value


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (whole(1, 8), "a whole number from 1 to 8"),
        (odd(1, 31), "an odd whole number from 1 to 31"),
        (one_or_pair(1, 31), "a whole number from 1 to 31, or [rows, columns]"),
        (
            one_or_each(1, 99),
            "a whole number from 1 to 99, or a list with one for each block",
        ),
        (number(0, 1), "a number from 0 to 1"),
        (number(0.0, 100.0), "a number from 0 to 100"),
        (number(0.5, 2.25), "a number from 0.5 to 2.25"),
        (MULTIPLIER, "a number above 0 and at most 100"),
        (WORD, "a name of letters, digits and . _ + -"),
        (TEXT, "a text"),
        (ROUNDED, "a quantity as printed, such as 5.3M or 0.39B"),
        (MOST, "a limit such as <= 300M, = 300M within 5 %"),
        (choice("mbconv"), "one of mbconv"),
        (choice("ceil", "round"), "one of ceil, round"),
    ],
)
def test_the_words_name_kind_and_range(kind: Kind, words: str) -> None:
    assert kind.expected == words


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        (whole(1, 8), {"type": "integer", "minimum": 1, "maximum": 8}),
        (
            odd(1, 31),
            {"type": "integer", "minimum": 1, "maximum": 31, "not": {"multipleOf": 2}},
        ),
        (SHARE, {"type": "number", "minimum": 0, "maximum": 1}),
        (MULTIPLIER, {"type": "number", "exclusiveMinimum": 0, "maximum": 100}),
        (
            one_or_pair(1, 31),
            {
                "anyOf": [
                    {"type": "integer", "minimum": 1, "maximum": 31},
                    {
                        "type": "array",
                        "items": {"type": "integer", "minimum": 1, "maximum": 31},
                        "minItems": 2,
                        "maxItems": 2,
                    },
                ]
            },
        ),
        (
            one_or_each(1, 99),
            {
                "anyOf": [
                    {"type": "integer", "minimum": 1, "maximum": 99},
                    {
                        "type": "array",
                        "items": {"type": "integer", "minimum": 1, "maximum": 99},
                        "minItems": 1,
                        "maxItems": 100,
                    },
                ]
            },
        ),
        (
            WORD,
            {
                "type": "string",
                "pattern": "^[A-Za-z0-9][A-Za-z0-9._+-]*$",
                "maxLength": 80,
            },
        ),
        (TEXT, {"type": "string", "minLength": 1}),
        (ROUNDED, {"type": "string", "pattern": f"^{QUANTITY}$"}),
        (MOST, {"type": "string", "pattern": pattern("macs")}),
        (choice("ceil", "round"), {"type": "string", "enum": ["ceil", "round"]}),
    ],
)
def test_the_json_schema_has_types_and_ranges(
    kind: Kind, schema: dict[str, object]
) -> None:
    stated = adapter(kind).json_schema()
    assert stated.pop("description").lower() == f"{kind.expected.lower()}."
    assert stated == schema


def test_a_whole_number_becomes_a_real_one_where_that_is_the_kind() -> None:
    assert type(adapter(SHARE).validate_python(1)) is float
    assert type(adapter(whole(1, 8)).validate_python(1)) is int


@pytest.mark.parametrize(
    ("value", "sides"), [(3, (3, 3)), ([1, 31], (1, 31)), ((5, 2), (5, 2))]
)
def test_one_number_is_a_pair_of_it(value: object, sides: tuple[int, int]) -> None:
    assert adapter(one_or_pair(1, 31)).validate_python(value) == sides


@pytest.mark.parametrize(
    ("value", "widths"), [(3, 3), ([3], (3,)), ([1, 99, 1], (1, 99, 1)), ((2,), (2,))]
)
def test_a_list_is_a_tuple_and_a_number_stays_one(
    value: object, widths: object
) -> None:
    assert adapter(one_or_each(1, 99)).validate_python(value) == widths
