"""Tests of `effscale.spec.nodes`: what is refused, and where reading stops."""

from __future__ import annotations

import pytest

from effscale.spec import nodes
from effscale.spec.nodes import MAX_DEPTH, MAX_VALUES, compose

UNCLOSED = "did not find expected ',' or ']'"


def refusal(text: str) -> str:
    """The one thing wrong with a text that cannot be read to its end."""
    root, (fault,) = compose(text, "b0.yaml")
    assert root is None
    return str(fault)


def test_nesting_ends_at_its_limit() -> None:
    assert MAX_DEPTH == 40
    assert compose("[" * 40 + "]" * 40, "b0.yaml")[1] == []
    message = "expected at most 40 levels, found more"
    assert refusal("[" * 41 + "]" * 41) == f"b0.yaml:1:41: {message}"
    assert refusal("- " * 100_000) == f"b0.yaml:1:81: {message}"


def test_levels_are_of_lists_and_mappings_alone() -> None:
    assert compose("[" * 40 + "x" + "]" * 40, "b0.yaml")[1] == []


def test_nesting_by_aliases_ends_at_the_same_limit() -> None:
    chain = [f"- &a{i} [*a{i - 1}]\n" for i in range(1, 40)]
    assert compose(f"- &a0 []\n{''.join(chain[:-1])}", "b0.yaml")[1] == []
    message = "expected at most 40 levels, aliases written out"
    assert refusal(f"- &a0 []\n{''.join(chain)}- *a39\n").endswith(message)


def test_keys_that_are_refused_nest_no_deeper() -> None:
    chain = "".join(f"a: &a{i} [*a{i - 1}]\n" for i in range(1, 3000))
    root, faults = compose(f"a: &a0 []\n{chain}", "b0.yaml")
    assert root is None
    message = "expected at most 40 levels, aliases written out"
    assert faults[-1].message == message


def test_values_end_at_their_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_VALUES == 50_000
    monkeypatch.setattr(nodes, "MAX_VALUES", 5)
    for text in ("[1, 2, 3, 4]", "{a: 1, b: [2, 3]}", "[&a 1, *a, *a, *a]"):
        assert compose(text, "b0.yaml")[1] == []
    message = "expected at most 5 values, aliases written out"
    assert refusal("[1, 2, 3, 4, 5]") == f"b0.yaml:1:15: {message}"
    assert refusal("[&a [1], *a, 6]") == f"b0.yaml:1:15: {message}"


@pytest.mark.parametrize("start", ["- &a0 [x, x]\n", "a0: &a0 {x: 1, y: 1}\n"])
def test_aliases_of_aliases_are_refused_before_they_grow(start: str) -> None:
    key = "- " if start.startswith("-") else "a{}: "
    lines = [f"{key.format(i)}&a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 200)]
    assert refusal(start + "".join(lines)).endswith(
        ": expected at most 50000 values, aliases written out"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: *b", "1:4: expected an anchor &b above, found none"),
        ("a: &b [*b]", "1:8: expected an anchor &b above, found none"),
        ("a: 1\n---\nb: 2\n", "2:1: expected one document, found a second"),
        ("{a: [1\n", f"2:1: not YAML: while parsing a flow sequence: {UNCLOSED}"),
        ("a: b: c\n", "1:5: not YAML: mapping values are not allowed in this context"),
        ("%YAML 3.0\n---\na: 1\n", "1:1: not YAML: found incompatible YAML document"),
        ("a: 1\nb: \x01", "2:4: not YAML: control characters are not allowed"),
        ("φ: 1\nψ: \x01", "2:4: not YAML: control characters are not allowed"),
    ],
)
def test_what_is_no_yaml_is_refused_where_it_ends(text: str, message: str) -> None:
    assert refusal(text) == f"b0.yaml:{message}"


def test_a_lone_surrogate_is_no_yaml() -> None:
    assert refusal("a: \ud800").startswith("b0.yaml:1:4: not YAML: ")


def test_faults_before_the_end_are_kept() -> None:
    root, faults = compose("3: 1\na: *b\n", "b0.yaml")
    assert root is None
    assert [fault.line for fault in faults] == [1, 2]


def test_a_carriage_return_alone_ends_a_line_too() -> None:
    _, (fault,) = compose("a: b\rc: d\r\ne: \x00", "b0.yaml")
    assert (fault.line, fault.column) == (3, 4)
