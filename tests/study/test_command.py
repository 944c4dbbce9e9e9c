"""Tests of `effscale.study.run`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

from effscale.errors import StudyError
from effscale.study.run import found, template

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


def test_a_program_that_is_not_there_is_said_before_anything_is_run() -> None:
    found("sh {spec} {out}")
    found(OURS)
    with pytest.raises(StudyError) as refused:
        found("no-such-program {spec} {out}")
    assert str(refused.value) == (
        "--evaluate: expected a program that can be run, found none called "
        "'no-such-program'"
    )
