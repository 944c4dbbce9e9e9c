"""Tests of `effscale.study.objective`: expressions that are read, never run."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from effscale.errors import StudyError
from effscale.study.objective import NAMES, PAPER, objective

VALUES = {name: float(index + 2) for index, name in enumerate(NAMES)}


def test_the_paper_s_reward() -> None:
    # ACC · (FLOPS / T)^w: Tan & Le 2019, section 3, with T = 400 M and w = −0.07.
    found = objective(PAPER)({**VALUES, "accuracy": 0.771, "macs": 390_000_000})
    assert found == pytest.approx(0.771 * (390 / 400) ** -0.07, abs=1e-15)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("accuracy", 2),
        (" accuracy - macs*2 ", 2 - 3 * 2),
        ("-(+alpha)**2", -(7**2)),
        ("max(accuracy, macs, 1) / 3", 1),
        ("min(params, 1) + abs(-2)", 3),
        ("log(exp(beta)) + sqrt(4)", 10),
        ("image_height * image_width", 10 * 11),
        ("2**3**2", 512),
    ],
)
def test_arithmetic(text: str, value: float) -> None:
    assert objective(text)(VALUES) == pytest.approx(value)


@pytest.mark.parametrize(
    "text",
    [
        "log(accuracy - 2)",
        "1 / (accuracy - 2)",
        "(-accuracy)**0.5",
        "9**9**9**9",
    ],
)
def test_what_has_no_value_has_none(text: str) -> None:
    assert objective(text)(VALUES) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f"expected an expression such as {PAPER!r}, got ''"),
        ("accuracy *", f"expected an expression such as {PAPER!r}, got 'accuracy *'"),
        ("a = 1", f"expected an expression such as {PAPER!r}, got 'a = 1'"),
        (
            "(" * 300,
            f"expected an expression such as {PAPER!r}, got '{'(' * 56}...",
        ),
        ("1" * 301, "expected at most 300 characters, got 301"),
        (
            "acuracy",
            (
                f"expected one of {', '.join(NAMES)}, got 'acuracy'; "
                "did you mean 'accuracy'?"
            ),
        ),
        (
            "acc",
            (
                f"expected one of {', '.join(NAMES)}, got 'acc'; "
                "did you mean 'accuracy'?"
            ),
        ),
        ("log", f"expected one of {', '.join(NAMES)}, got 'log'"),
        (
            "open('x')",
            "expected one of log, exp, sqrt, min, max, abs, got 'open'",
        ),
        *(
            (
                text,
                (f"expected numbers, names, + - * / ** and functions, got {text!r}"),
            )
            for text in (
                "accuracy.real",
                "__import__('os').system('x')",
                "(lambda: 1)()",
                "[1][0]",
                "1 if accuracy else 2",
                "accuracy < 1",
                "True",
                "'a'",
                "1j",
                "log()",
                "accuracy // 2",
                "~1",
                "accuracy[0]",
            )
        ),
    ],
)
def test_anything_else_is_refused(text: str, message: str) -> None:
    with pytest.raises(StudyError) as refused:
        objective(text)
    assert str(refused.value) == message


def test_a_name_of_a_command_s_own_has_a_value_once_it_is_written() -> None:
    found = objective("accuracy_top5 - latency / accuracy_top5 - log(val_loss)")
    assert found.names == ["accuracy_top5", "latency", "val_loss"]
    assert found(VALUES) is None
    assert found({"accuracy_top5": 2, "latency": 1, "val_loss": 1}) == 1.5


def test_more_or_less_of_a_name_is_better() -> None:
    found = objective("accuracy / macs + 0 * params - abs(beta - 8)")
    names = ("accuracy", "macs", "params", "beta")
    assert [found.direction(name, VALUES) for name in names] == [1, -1, 0, 0]
    assert found.direction("beta", {**VALUES, "beta": 5}) == 1


@given(st.text(max_size=320) | st.text("acurylog*/+-()1. ", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = objective(text)(VALUES)
    except StudyError:
        return
    assert found is None or math.isfinite(found)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sqrt(1, 2)", "sqrt: expected 1 number, got 2"),
        ("accuracy - max(macs)", "max: expected 2 numbers or more, got 1"),
        ("log(macs, 2, 10)", "log: expected 1 or 2 numbers, got 3"),
    ],
)
def test_a_function_of_too_many_or_few_numbers_is_refused(
    text: str, message: str
) -> None:
    with pytest.raises(StudyError) as refused:
        objective(text)
    assert str(refused.value) == message
