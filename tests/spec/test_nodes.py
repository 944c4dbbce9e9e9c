"""Tests of `effscale.spec.nodes`: values, their places, and what they may be."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from effscale.errors import short
from effscale.spec.nodes import compose

if TYPE_CHECKING:
    from effscale.errors import Place
    from effscale.spec.nodes import Node

TEXT = """\
name: &small b0   # a comment
stages:
  - {kernel: 3, size: [1, 2]}
  - kernel: 5
    name: *small
"""


def read(text: str) -> Node:
    """The root of a text in which nothing is wrong."""
    root, faults = compose(text, "b0.yaml")
    assert faults == []
    assert root is not None
    return root


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-3", -3),
        ("0x1F", 31),
        ("1_000", 1000),
        ("3.0", 3.0),
        ("1.5e+3", 1500.0),
        (".inf", math.inf),
        ("true", True),
        ("off", False),
        ("~", None),
        ("b0", "b0"),
        ("'3'", "3"),
        ('"true"', "true"),
        ("!!str 3", "3"),
        ("!!float 3", 3.0),
        ("2019-05-28", "2019-05-28"),
        ("!!timestamp 2019-05-28", "2019-05-28"),
        ("|\n  two\n  lines\n", "two\nlines\n"),
        ("[1, [a], {b: ~}]", [1, ["a"], {"b": None}]),
        ("{}", {}),
        ("[]", []),
    ],
)
def test_values_are_plain_data(text: str, value: object) -> None:
    plain = read(text).plain()
    assert plain == value
    assert type(plain) is type(value)


def test_an_alias_is_what_its_anchor_is() -> None:
    assert read(TEXT).plain() == {
        "name": "b0",
        "stages": [{"kernel": 3, "size": [1, 2]}, {"kernel": 5, "name": "b0"}],
    }
    assert read("[&a [1], *a, &a [2], *a]").plain() == [[1], [1], [2], [2]]
    assert read("{&k a: 1, b: *k}").plain() == {"a": 1, "b": "a"}


@pytest.mark.parametrize(
    ("place", "value", "key"),
    [
        ((), (1, 1), (1, 1)),
        (("name",), (1, 7), (1, 1)),
        (("stages",), (3, 3), (2, 1)),
        (("stages", 0), (3, 5), (3, 5)),
        (("stages", 0, "size"), (3, 23), (3, 17)),
        (("stages", 0, "size", 1), (3, 27), (3, 27)),
        (("stages", 1, "kernel"), (4, 13), (4, 5)),
        (("stages", 1, "name"), (1, 7), (5, 5)),  # where the anchor's value stands
        (("stages", 1, "stride"), (4, 5), (4, 5)),  # the nearest that exists
        (("stages", 2, "kernel"), (3, 3), (3, 3)),
        (("stages", "kernel"), (3, 3), (3, 3)),
        (("name", 0), (1, 7), (1, 7)),
        (("head", "channels"), (1, 1), (1, 1)),
    ],
)
def test_a_place_has_its_line_and_column(
    place: Place, value: tuple[int, int], key: tuple[int, int]
) -> None:
    root = read(TEXT)
    at, of = root.at(place), root.at(place, key=True)
    assert (at.line, at.column) == value
    assert (of.line, of.column) == key


@pytest.mark.parametrize(
    ("text", "size"),
    [("3", 1), ("[]", 1), ("[1, 2]", 3), ("{a: 1, b: [2]}", 4), ("[&a [1], *a]", 5)],
)
def test_size_counts_aliases_as_written_out(text: str, size: int) -> None:
    assert read(text).size == size


@pytest.mark.parametrize("text", ["", "\n\n", "# a comment\n"])
def test_no_text_is_no_node(text: str) -> None:
    assert compose(text, "b0.yaml") == (None, [])


@pytest.mark.parametrize(
    ("text", "value", "tag"),
    [
        ("!!int three", "three", "tag:yaml.org,2002:int"),
        ("!!int ''", "", "tag:yaml.org,2002:int"),
        ("!!int '+'", "+", "tag:yaml.org,2002:int"),
        ("!!float ''", "", "tag:yaml.org,2002:float"),
        ("!!bool maybe", "maybe", "tag:yaml.org,2002:bool"),
        ("!<int> 3", "3", "int"),
        ("!!map silu", "silu", "tag:yaml.org,2002:map"),
        ("!!seq silu", "silu", "tag:yaml.org,2002:seq"),
        ("!!python/name:os.getcwd ''", "", "tag:yaml.org,2002:python/name:os.getcwd"),
        ("!local 3", "3", "!local"),
        ("<<", "<<", "tag:yaml.org,2002:merge"),
        ("=", "=", "tag:yaml.org,2002:value"),
        ("9" * 5000, "9" * 5000, "tag:yaml.org,2002:int"),
        ("1" + ":00" * 300 + ".5", "1" + ":00" * 300 + ".5", "tag:yaml.org,2002:float"),
    ],
)
def test_a_tag_that_its_text_does_not_fit_is_a_fault(
    text: str, value: str, tag: str
) -> None:
    root, faults = compose(text, "b0.yaml")
    message = f"expected a plain value, got {short(value, 42)} as {tag!r}"
    assert list(map(str, faults)) == [f"b0.yaml:1:1: {message}"]
    assert faults[0].code == "EFF007"
    assert root is not None
    assert root.value == value


def test_the_first_of_two_equal_keys_counts() -> None:
    root, faults = compose("a: 1\nb: {a: 2}\na: 3\n", "b0.yaml")
    assert list(map(str, faults)) == ["b0.yaml:3:1: duplicate key 'a', first on line 1"]
    assert root is not None
    assert root.plain() == {"a": 1, "b": {"a": 2}}


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("3", "3"),
        ("1.5", "1.5"),
        ("no", "False"),
        ("~", "None"),
        ("[a, {b: 1}]", "['a', {'b': 1}]"),
        (f"[{'x' * 100}]", f"['{'x' * 55}..."),
    ],
)
def test_a_key_is_a_word(key: str, shown: str) -> None:
    root, (fault,) = compose(f"a: 1\n? {key}\n: 2\n", "b0.yaml")
    assert str(fault) == f"b0.yaml:2:3: expected a word as key, got {shown}"
    assert root is not None
    assert root.plain() == {"a": 1}


def test_a_number_too_long_to_print_is_no_key_either() -> None:
    root, (fault,) = compose(f"a: 1\n? 0x{'F' * 5000}\n: 2\n", "b0.yaml")
    message = "expected a word as key, got int of 20000 bits"
    assert str(fault) == f"b0.yaml:2:3: {message}"
    assert root is not None
    assert root.plain() == {"a": 1}


@pytest.mark.parametrize("text", ["1e-3", "1E-3", "+1e-3", "1.e-3", "10e-4", "0.001"])
def test_numbers_are_written_as_people_write_them(text: str) -> None:
    root, faults = compose(text, "b0.yaml")
    assert root is not None
    assert (root.plain(), faults) == (0.001, [])


def test_a_number_of_absurd_length_is_a_text() -> None:
    root, faults = compose("1:00" + ":00" * 5000, "b0.yaml")
    assert root is not None
    assert isinstance(root.plain(), str)
    assert faults == []
