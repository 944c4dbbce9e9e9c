"""Tests of `effscale.errors`: hints, faults and the errors that carry them."""

from __future__ import annotations

import pytest

import effscale as es
from effscale import errors
from effscale.errors import Fault, SpecError, did_you_mean, first_line, short

KEYS = ["kernel", "stride", "channels", "depth_multiplier", "width_multiplier"]


def fault(line: int, column: int, message: str, *place: str | int) -> Fault:
    """A fault at a place of `b0.yaml`."""
    return Fault(place, message, path="b0.yaml", line=line, column=column)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (errors.LayerError("x"), ValueError),
        (errors.ScaleError("x"), ValueError),
        (errors.CountError("x"), OverflowError),
        (errors.MeasureError("x"), RuntimeError),
        (errors.DisagreementError("x"), Exception),
        (errors.UnreachableError("x"), Exception),
        (errors.OutputError("x"), OSError),
        (SpecError(()), ValueError),
    ],
)
def test_an_error_is_ours_and_of_python_s_kind(
    error: Exception, builtin: type[Exception]
) -> None:
    assert isinstance(error, es.EffscaleError)
    assert isinstance(error, builtin)


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (
            fault(12, 15, "wrong", "stages", 2, "kernel"),
            "b0.yaml:12:15: stages[2].kernel: wrong",
        ),
        (fault(1, 1, "wrong"), "b0.yaml:1:1: wrong"),
        (fault(0, 0, "wrong"), "b0.yaml: wrong"),
        (fault(0, 0, "wrong", "stem"), "b0.yaml: stem: wrong"),
    ],
)
def test_a_fault_says_file_line_column_and_place(found: Fault, line: str) -> None:
    assert str(found) == line


def test_faults_sort_as_they_stand_in_the_file() -> None:
    second, tenth = fault(2, 10, "b"), fault(10, 2, "a")
    left, right = fault(2, 3, "z", "z"), fault(2, 20, "a", "a")
    assert sorted([tenth, right, second, left]) == [left, second, right, tenth]


def test_a_spec_error_is_one_line_for_each_fault() -> None:
    faults = (fault(2, 3, "one"), fault(4, 5, "two", "stem"))
    error = SpecError(faults)
    assert error.faults == faults
    assert str(error) == "b0.yaml:2:3: one\nb0.yaml:4:5: stem: two"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("b0", "'b0'"),
        ("two\nlines", r"'two\nlines'"),
        (None, "None"),
        ([1, "a"], "[1, 'a']"),
        ("x" * 58, f"'{'x' * 58}'"),
        ("x" * 59, f"'{'x' * 56}..."),
        (10**59, f"1{'0' * 59}"),
        (10**60, f"1{'0' * 56}..."),
        pytest.param(16**5000 - 1, "int of 20000 bits", id="long"),
        pytest.param([16**5000], "list", id="list of long"),
    ],
)
def test_a_value_is_shown_at_a_length_that_fits(value: object, shown: str) -> None:
    assert short(value) == shown


def test_the_length_can_be_chosen() -> None:
    assert short("kernel", 8) == "'kernel'"
    assert short("kernel", 7) == "'ker..."


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("kernal", "; did you mean 'kernel'?"),
        ("chanels", "; did you mean 'channels'?"),
        ("depth_mult", "; did you mean 'depth_multiplier'?"),
        ("multiplier", ""),  # as close to depth's as to width's
        ("colour", ""),
        ("", ""),
        (3, ""),
        (None, ""),
        (["kernel"], ""),
    ],
)
def test_a_hint_is_given_where_one_word_alone_is_close(word: object, hint: str) -> None:
    assert did_you_mean(word, KEYS) == hint


def test_no_hint_comes_from_no_words() -> None:
    assert did_you_mean("kernel", []) == ""


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("one\ntwo"), "one"),
        (RuntimeError("\n  after a gap\n"), "after a gap"),
        (KeyError("key"), "'key'"),
        (RuntimeError(), "RuntimeError"),
        (RuntimeError(" \n "), "RuntimeError"),
    ],
)
def test_an_exception_says_one_line(error: Exception, line: str) -> None:
    assert first_line(error) == line
