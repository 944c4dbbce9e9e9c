"""Tests of `effscale.study.run`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

from effscale.errors import StudyError
from effscale.study.run import check_program, template

if TYPE_CHECKING:
    from pathlib import Path

OURS = "{python} -m effscale train {spec} --output {out} --seed {seed}"


def test_a_command_of_one_s_own_stays_as_it_is() -> None:
    text = "python 'my train.py' --spec={spec} {out}"
    assert template(text, None) == text
    assert shlex.split(text) == ["python", "my train.py", "--spec={spec}", "{out}"]


def test_train_is_effscale_s_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my pets").mkdir()
    monkeypatch.chdir(tmp_path)
    assert template("train", None) == OURS
    assert template("train --epochs 5", "digits") == f"{OURS} --epochs 5 --data digits"
    assert shlex.split(template("train", "my pets"))[-1] == str(tmp_path / "my pets")


@pytest.mark.parametrize(
    ("text", "data", "message"),
    [
        (
            "python {out}",
            None,
            "expected a command with {spec} in it, got 'python {out}'",
        ),
        (
            "python {spec}",
            None,
            "expected a command with {out} in it, got 'python {spec}'",
        ),
        ("", None, "expected a command with {spec} in it, got ''"),
        (
            "python '{spec} {out}",
            None,
            (
                'expected a command as the shell has it, got "python \'{spec} {out}"; '
                "no closing quotation"
            ),
        ),
        (
            "python {spec} {out}",
            "pets",
            "expected train where --data is given, got another command",
        ),
    ],
)
def test_a_command_that_cannot_do_is_refused(
    text: str, data: str | None, message: str
) -> None:
    with pytest.raises(StudyError) as refused:
        template(text, data)
    assert str(refused.value) == message


def test_on_rungs_train_stops_on_one_schedule() -> None:
    rungs = [2, 4, 8]
    assert template("train", None, rungs) == f"{OURS} --epochs 8 --until '{{epochs}}'"
    for given in ("--epochs 20", "--epochs=8", "--epochs 2 --epochs 9"):
        expected = f"{OURS} {given} --until '{{epochs}}'"
        assert template(f"train {given}", None, rungs) == expected
    text = "python t.py {spec} {out} {epochs}"
    assert template(text, None, rungs) == text


@pytest.mark.parametrize(
    ("text", "rungs", "message"),
    [
        (
            "t.py {spec} {out}",
            [2, 4],
            "expected a command with {epochs} in it, got 't.py {spec} {out}'",
        ),
        ("t.py {spec} {out} {epochs}", [], "expected --rungs for {epochs}, got none"),
        ("train --until 3", [2, 4], "expected no --until beside --rungs, got one"),
        (
            "train --epochs 3",
            [2, 4],
            "expected at least the 4 epochs of the last rung, got --epochs 3",
        ),
        (
            "train --epochs",
            [2, 4],
            "expected at least the 4 epochs of the last rung, got --epochs ",
        ),
    ],
)
def test_a_command_that_cannot_climb_is_refused(
    text: str, rungs: list[int], message: str
) -> None:
    with pytest.raises(StudyError) as refused:
        template(text, None, rungs)
    assert str(refused.value) == message


def test_a_program_that_is_not_there_is_said_before_anything_is_run() -> None:
    check_program("sh {spec} {out}")
    check_program(OURS)
    with pytest.raises(StudyError) as refused:
        check_program("no-such-program {spec} {out}")
    assert str(refused.value) == (
        "--evaluate: expected a program that can be run, found none called "
        "'no-such-program'"
    )
