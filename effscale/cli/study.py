"""`effscale study`."""

from __future__ import annotations

import functools
import pathlib
import shlex
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from effscale.cli import options
from effscale.cli.progress import Bar
from effscale.cli.types import DURATION, Parsed
from effscale.errors import StudyError
from effscale.study.objective import PAPER, Objective, objective

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    from effscale.report.document import Units
    from effscale.report.rows import Data
    from effscale.spec.models import Spec
    from effscale.study.engines import Where
    from effscale.study.folder import Header, Outcome, Study, Training
    from effscale.study.run import Recipe


# --------------------------------------------------------------------------------------
# Runs a study, and shows how one stands.

_COEFFICIENTS = ("alpha", "beta", "gamma")
#: Characters of a name.
_LONGEST = 80


@dataclass(frozen=True)
class Shown:
    """How the answer is shown."""

    form: str | None
    output: Path | None
    plot: Path | None
    picture: str
    units: Units
    quiet: bool
    verbose: bool = False


def evaluate(  # noqa: PLR0913 - what is evaluated, and how
    asked: Asked,
    baseline: Spec,
    table: Sequence[Data],
    *,
    budget: float,
    phi: float,
    shown: Shown,
) -> None:
    """Train the candidate of each row, and show how they stand.

    Exits 1 if a training has failed as often as it may.

    Raises:
        StudyError: if it cannot be done as asked.
    """
    from effscale.spec.dumping import dumps
    from effscale.study import engines
    from effscale.study.folder import header, held, load
    from effscale.study.run import Recipe, found

    made = header(
        name=baseline.name,
        spec=dumps(baseline),
        budget=budget,
        phi=phi,
        command=asked.command,
        candidates=table,
    )
    if asked.dry_run:
        _dry_run(asked, made, quiet=shown.quiet)
        return
    if asked.on.engine == "local":
        found(made.command)
    engines.check(asked.on)
    trainings = _trainings(made, asked.seeds)
    how = {"seeds": asked.seeds, "objective": asked.objective.text}
    how["on"] = str(asked.on)
    recipe = Recipe(_specs(baseline, made), asked.attempts, asked.timeout)
    with ExitStack() as stack:
        engine = None
        if _is_left(asked, trainings):  # before a folder is made in vain
            engine = stack.enter_context(engines.connect(asked.on, len(trainings)))
        study = stack.enter_context(held(asked.study, made, how))
        if study.header.versions != made.versions and not shown.quiet:
            _say_versions(study.header, made)
        if engine is not None:
            _train(study, trainings, recipe, engine, shown)
    deliver(load(asked.study), asked.objective, asked.seeds, shown, command="grid")


def _specs(baseline: Spec, made: Header) -> dict[str, str]:
    """The network of each candidate as YAML, named after its coefficients."""
    from effscale.growth.growth import Variant
    from effscale.growth.multipliers import Multipliers
    from effscale.growth.scale import scale
    from effscale.report.scaling import resolved

    found = {}
    for row in made.candidates:
        given = Multipliers(*(row[key] ** made.phi for key in _COEFFICIENTS))
        name = f"{baseline.name}-{row['name']}"[:_LONGEST]
        spec = scale(baseline, given).model_copy(update={"name": name})
        how = ", ".join(f"{key} {row[key]:g}" for key in _COEFFICIENTS)
        variant = Variant(spec, how, made.phi, given, made.budget**made.phi)
        found[row["name"]] = resolved(baseline, variant)
    return found


def _trainings(made: Header, seeds: int) -> list[Training]:
    """Every candidate with the first seed, then with the second: halves compare."""
    return [(name, seed) for seed in range(seeds) for name in made.names]


def _dry_run(asked: Asked, made: Header, *, quiet: bool) -> None:
    from effscale.study import engines
    from effscale.study.folder import Study
    from effscale.study.run import commands

    trainings = _trainings(made, asked.seeds)
    if asked.on.engine == "slurm":
        engines.installed(asked.on)
        from effscale.study.dask_engine import script

        click.echo(script(asked.on), nl=False)
    else:
        for words in commands(Study(asked.study, made, {}), trainings):
            click.echo(shlex.join(words))
    if not quiet:
        click.echo(f"{len(trainings)} trainings, nothing is run", err=True)


def _say_versions(begun: Header, now: Header) -> None:
    """Say on stderr in what the study goes on under other versions than it began."""
    changed = [
        f"{name} {begun.versions.get(name, 'none')}, now {now.versions.get(name)}"
        for name in {**begun.versions, **now.versions}
        if begun.versions.get(name) != now.versions.get(name)
    ]
    click.echo(f"the study began with {'; '.join(changed)}", err=True)


def _is_left(asked: Asked, trainings: Sequence[Training]) -> bool:
    """Whether the study, if it is there, has anything to train yet."""
    from effscale.study.folder import HEADER, load
    from effscale.study.run import wanted

    if not (asked.study / HEADER).exists():
        return True
    study = load(asked.study)
    return any(wanted(study, each, asked.attempts) for each in trainings)


def _train(
    study: Study,
    trainings: Sequence[Training],
    recipe: Recipe,
    engine: Executor,
    shown: Shown,
) -> None:
    from effscale.study.folder import is_good
    from effscale.study.run import run, wanted

    left = sum(wanted(study, each, recipe.attempts) for each in trainings)
    done = len(trainings) - left
    with Bar(len(trainings), quiet=shown.quiet) as bar:

        def tick(amount: int = 0) -> None:
            bar.advance(amount, f"{done} of {len(trainings)} trainings")

        tick(done)
        try:
            for outcome in run(study, trainings, recipe, engine, tick):
                training = outcome["candidate"], outcome["seed"]
                ended = not wanted(study, training, recipe.attempts)
                done += ended
                if shown.verbose or not is_good(outcome):
                    bar.say(_line(study, outcome, recipe.attempts))
                tick(ended)
        except KeyboardInterrupt:
            if not shown.quiet:
                kept = f"{done} of {len(trainings)} trainings are done and kept"
                click.echo(f"{kept}; the same command goes on from there", err=True)
            raise


def _line(study: Study, outcome: Outcome, attempts: int) -> str:
    """An outcome in a line."""
    candidate, seed = training = outcome["candidate"], outcome["seed"]
    who = f"{candidate} seed {seed}: "
    if "accuracy" in outcome:
        return f"{who}accuracy {outcome['accuracy']:g} in {outcome['seconds']:g} s"
    log = study.folder / study.log(training, outcome["attempt"])
    where = f"; {log}" if log.exists() else ""
    which = f"attempt {outcome['attempt']} of {attempts}"
    return f"{who}{which} failed: {outcome['reason']}{where}"


def deliver(
    study: Study, aim: Objective, seeds: int, shown: Shown, *, command: str
) -> None:
    """Show how the study stands; write the winner as coefficients, if a spec is asked.

    Exits 1 if a training has failed.
    """
    from effscale.report import study as report
    from effscale.study.ranking import front, standings

    ranked = standings(study, aim)
    as_spec = options.wants_spec(shown.output, count=1)
    answer = report.report(
        study, ranked, aim, seeds=seeds, command=command, units=shown.units
    )
    if shown.plot is not None:
        from effscale.report.plots import study_accuracy

        options.write(shown.plot, study_accuracy(ranked, front(ranked), shown.picture))
    options.deliver(answer, shown.form, None if as_spec else shown.output)
    if as_spec and shown.output is not None:
        from effscale.report.study import winner

        options.write(shown.output, winner(study, ranked, aim))
    if any(each.failed for each in ranked):
        raise SystemExit(1)


# --------------------------------------------------------------------------------------

# --------------------------------------------------------------------------------------
# The options of a study: `grid --evaluate`.

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
    from effscale.study.run import template

    if given.get("seeds", 1) > 1 and "{seed}" not in text and text[:5] != "train":
        message = f"expected a command with {{seed}} in it, got {text!r}"
        raise click.BadParameter(message, param_hint="'--seeds'")
    try:
        command = template(text, data)
    except StudyError as error:
        raise click.BadParameter(str(error), param_hint="'--evaluate'") from None
    defaults = {"objective": objective(PAPER), "on": _where("local")}
    return Asked(**{"command": command, **defaults, **given})


# --------------------------------------------------------------------------------------


@click.command("study")
@click.argument("folder", type=click.Path(path_type=Path), metavar="FOLDER")
@objective_option
@options.plot_option("accuracy against α, β, γ and MACs")
@options.output_options
@options.verbosity
def command(  # noqa: PLR0913 - options
    *,
    folder: Path,
    objective: Objective | None,
    plot: Path | None,
    form: str | None,
    output: Path | None,
    force: bool,
    units: Units,
    quiet: bool,
    verbose: bool,
) -> None:
    """Show how the study in FOLDER stands.

    A study is what grid --evaluate makes; it may be running. Another --objective ranks
    the same outcomes anew. Exits 1 if a training has failed.

    \b
      effscale study pets
      effscale study pets --objective accuracy --plot pets.svg
      effscale study pets --output found.yaml

    An --output file named .yaml gets the baseline with the winner's coefficients; any
    other gets the answer.
    """
    from effscale.study.folder import load

    options.unused(output, force=force)
    picture = options.drawable(plot, force=force)
    found = load(folder)
    aim = objective or found.objective
    shown = Shown(form, output, plot, picture, units, quiet, verbose)
    deliver(found, aim, found.seeds, shown, command="study")
