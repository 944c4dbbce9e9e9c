"""The command that trains a candidate: a template, split by the shell's rules."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

from effscale.errors import StudyError

#: What a template cannot do without.
NEEDED = ("{spec}", "{out}")
#: effscale's own trainer, by the Python that runs the study or a node's work.
TRAIN = "{python} -m effscale train {spec} --out {out} --seed {seed}"


def template(text: str, data: str | None) -> str:
    """The command that `text` stands for; `train` and its options are effscale's own.

    Raises:
        StudyError: if it cannot be split, or has no place for the spec or the answer.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise StudyError(
            f"expected a command as the shell has it, got {text!r}; "
            f"{str(error).lower()}"
        ) from None
    if words[:1] == ["train"]:
        given = ["--data", _absolute(data)] if data is not None else []
        return " ".join([TRAIN, shlex.join([*words[1:], *given])]).strip()
    if data is not None:
        raise StudyError("expected train where --data is given, got another command")
    for needed in NEEDED:
        if needed not in text:
            raise StudyError(f"expected a command with {needed} in it, got {text!r}")
    return text


def words(command: str) -> list[str]:
    """The command's words; `{spec}` and the like are in them yet."""
    return shlex.split(command)


def found(command: str) -> None:
    """Refuse a command whose program is not on this machine.

    Raises:
        StudyError: naming it.
    """
    program = words(command)[0]
    if not program.startswith("{") and shutil.which(program) is None:
        raise StudyError(
            "--evaluate: expected a program that can be run, found none called "
            f"{program!r}"
        )


def _absolute(data: str) -> str:
    """A folder by its whole path: a node may start the command elsewhere."""
    return str(Path(data).resolve()) if Path(data).is_dir() else data
