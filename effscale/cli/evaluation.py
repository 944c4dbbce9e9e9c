"""The options of a study: `grid --evaluate`."""

from __future__ import annotations

import functools
import pathlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from effscale.cli.types import DURATION, Parsed
from effscale.errors import StudyError
from effscale.study.objective import PAPER, Objective, objective

if TYPE_CHECKING:
    from collections.abc import Callable

    from effscale.study.engines import Where

F = TypeVar("F", bound="Callable[..., Any]")


@dataclass(frozen=True)
class Asked:
    """How candidates are to be evaluated."""

    command: str  #: a template, with {spec} and {out} in it
    study: pathlib.Path
    objective: Objective
    on: Where
    seeds: int = 1
    attempts: int = 2
    timeout: float | None = None
    dry_run: bool = False


class Checked(Parsed):
    """A type whose parser raises StudyError with all that there is to say."""

    def convert(
        self,
        value: Any,  # noqa: ANN401 - text, or a value already
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:  # noqa: ANN401
        """`value` parsed."""
        try:
            return super().convert(value, param, ctx)
        except StudyError as error:
            self.fail(str(error), param, ctx)


def _where(text: str) -> Where:
    from effscale.study.engines import where

    return where(text)


objective_option = click.option(
    "--objective",
    type=Checked("EXPRESSION", objective),
    help="What is best: of accuracy, macs, params, activations, ratio, alpha, beta, "
    "gamma, height, width, by + - * / ** and log, exp, sqrt, min, max, abs.  "
    f"[default: {PAPER}]",
)

_OPTIONS = (
    click.option(
        "--evaluate",
        metavar="COMMAND",
        help="Train each candidate by this command: {spec} is its file, and "
        '{"accuracy": 0.93} is expected in {out}; {seed}, {dir} and {python} are '
        "there, too. 'train', with or without its options, is effscale's own.",
    ),
    click.option("--data", metavar="DATA", help="With --evaluate train: its --data."),
    click.option(
        "--study",
        type=click.Path(path_type=pathlib.Path),
        metavar="FOLDER",
        help="Where outcomes are kept; the same command again goes on where it was.",
    ),
    objective_option,
    click.option(
        "--seeds",
        type=click.IntRange(1, 1000),
        metavar="N",
        help="Trainings of each candidate, with seeds 0 to N-1.  [default: 1]",
    ),
    click.option(
        "--attempts",
        type=click.IntRange(1, 100),
        metavar="N",
        help="How often a training that fails is tried.  [default: 2]",
    ),
    click.option(
        "--timeout",
        type=DURATION,
        help="Time limit of an attempt: 90s, 30m, 2h.  [default: none]",
    ),
    click.option(
        "--on",
        type=Checked("WHERE", _where),
        help="Where trainings run: local, local:jobs=4, ray:ADDRESS?num_gpus=0.5, "
        "dask:tcp://HOST:8786?GPU=1, slurm:queue=gpu&cores=4&memory=16GB&jobs=8.  "
        "[default: local]",
    ),
    click.option(
        "--dry-run",
        is_flag=True,
        help="Print the commands that would be run, or the script for SLURM; do "
        "nothing.",
    ),
)


_NAMES = (
    *("evaluate", "data", "study", "objective", "seeds"),
    *("attempts", "timeout", "on", "dry_run"),
)


def evaluation_options(function: F) -> F:
    """The options of a study; the command gets them as `evaluation`, None if none."""

    @functools.wraps(function)
    def wrapped(**given: Any) -> Any:  # noqa: ANN401
        mine = {name: given.pop(name) for name in _NAMES}
        return function(evaluation=_asked(mine), **given)

    command: Any = wrapped
    for option in reversed(_OPTIONS):
        command = option(command)
    return command  # type: ignore[no-any-return]


def _asked(options: dict[str, Any]) -> Asked | None:
    unset = None, False
    given = {name: each for name, each in options.items() if each not in unset}
    text, data = given.pop("evaluate", None), given.pop("data", None)
    if text is None:
        if given or data:
            first = next(iter([*given, "data"])).replace("_", "-")
            raise click.UsageError(f"--{first} goes with --evaluate COMMAND")
        return None
    if "study" not in given:
        raise click.UsageError("--evaluate needs --study FOLDER, where outcomes go")
    from effscale.study.command import template

    if given.get("seeds", 1) > 1 and "{seed}" not in text and text[:5] != "train":
        message = f"expected a command with {{seed}} in it, got {text!r}"
        raise click.BadParameter(message, param_hint="'--seeds'")
    try:
        command = template(text, data)
    except StudyError as error:
        raise click.BadParameter(str(error), param_hint="'--evaluate'") from None
    defaults = {"objective": objective(PAPER), "on": _where("local")}
    return Asked(**{"command": command, **defaults, **given})
