"""`effscale study`, and the options of `effscale grid` that make one."""

from __future__ import annotations

import shlex
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from effscale.cli import options
from effscale.cli.help import Command, titled
from effscale.cli.options import Request
from effscale.cli.progress import Bar
from effscale.cli.types import DURATION, Parsed
from effscale.errors import StudyError, did_you_mean
from effscale.study.objective import PAPER, Objective
from effscale.study.objective import objective as parsed
from effscale.study.seeds import Seeds
from effscale.study.seeds import seeds as counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor

    from effscale.report.rows import Data
    from effscale.spec.models import Spec
    from effscale.study.engines import Place
    from effscale.study.folder import Header, Study, Training
    from effscale.study.run import Plan

_COEFFICIENTS = ("alpha", "beta", "gamma")
#: Characters of a name.
_LONGEST = 80


@dataclass(frozen=True)
class Evaluation:
    """How candidates are to be evaluated."""

    command: str  #: a template, with {spec} and {out} in it
    study: Path
    objective: Objective
    on: Place
    seeds: Seeds
    attempts: int
    timeout: float | None
    dry_run: bool


def _where(text: str) -> Place:
    from effscale.study.engines import where

    return where(text)


objective_option = click.option(
    "--objective",
    type=Parsed("EXPRESSION", parsed),
    help="What is best: of accuracy, macs, params, activations, ratio, alpha, beta, "
    "gamma, height, width, seconds and any number that the command writes to {out}, "
    "such as latency, by + - * / ** and log, exp, sqrt, min, max, abs.  "
    f"[default: {PAPER}]",
)

evaluation_options = options.every(
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
        type=click.Path(path_type=Path),
        metavar="FOLDER",
        help="Where outcomes are kept; the same command again goes on where it was.",
    ),
    objective_option,
    click.option(
        "--seeds",
        type=Parsed("N[..M]", counted),
        help="Trainings of each candidate, with seeds 0 to N-1. 3..10: three of each, "
        "and up to ten of those that are not yet told apart from the best.  "
        "[default: 1]",
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
        type=Parsed("WHERE", _where),
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
    title="Accuracy",
)


def evaluation(  # noqa: PLR0913 - options
    *,
    evaluate: str | None,
    data: str | None,
    study: Path | None,
    objective: Objective | None,
    seeds: Seeds | None,
    attempts: int | None,
    timeout: float | None,
    on: Place | None,
    dry_run: bool,
) -> Evaluation | None:
    """How candidates are to be evaluated; None if they are not.

    Raises:
        click.UsageError: for options that make no sense together.
    """
    if evaluate is None:
        given = {
            "--study": study,
            "--objective": objective,
            "--seeds": seeds,
            "--attempts": attempts,
            "--timeout": timeout,
            "--on": on,
            "--dry-run": dry_run,
            "--data": data,
        }
        options.refuse(given, "goes with --evaluate COMMAND")
        return None
    if study is None:
        raise click.UsageError("--evaluate needs --study FOLDER, where outcomes go")
    from effscale.study.run import template

    try:
        command = template(evaluate, data)
    except StudyError as error:
        raise click.BadParameter(str(error), param_hint="'--evaluate'") from None
    if seeds and seeds.most > 1 and "{seed}" not in command:
        message = f"expected a command with {{seed}} in it, got {evaluate!r}"
        raise click.BadParameter(message, param_hint="'--seeds'")
    return Evaluation(
        command=command,
        study=study,
        objective=objective or parsed(PAPER),
        on=on or _where("local"),
        seeds=seeds or Seeds(1, 1),
        attempts=attempts or 2,
        timeout=timeout,
        dry_run=dry_run,
    )


def evaluate(  # noqa: PLR0913 - what is evaluated, and how
    asked: Evaluation,
    baseline: Spec,
    table: Sequence[Data],
    *,
    budget: float,
    phi: float,
    request: Request,
) -> None:
    """Train the candidate of each row, and show how they stand.

    Exits 1 if a training has failed as often as it may.

    Raises:
        StudyError: if it cannot be done as asked.
    """
    from effscale.spec.dumping import dumps
    from effscale.study import engines
    from effscale.study.folder import Header, called, held, load
    from effscale.study.run import Plan, found, is_left

    made = Header(
        name=baseline.name,
        spec=dumps(baseline),
        budget=budget,
        phi=phi,
        command=asked.command,
        candidates=[{"name": called(row), **row} for row in table],
    )
    if asked.dry_run:
        trainings = made.trainings(asked.seeds.first)
        _dry_run(asked, made, trainings, quiet=request.quiet)
        return
    if asked.on.engine == "local":
        found(made.command)
    engines.check(asked.on)
    how = {"seeds": asked.seeds.most, "objective": asked.objective.text}
    how |= {"seeds_first": asked.seeds.first, "on": str(asked.on)}
    share = asked.objective.text == PAPER  # another may be of another number
    plan = Plan(_specs(baseline, made), asked.attempts, asked.timeout, share)
    with ExitStack() as stack:
        engine = None
        trainings = _due(asked, made)
        if is_left(asked.study, trainings, plan):  # before a folder is made in vain
            engine = stack.enter_context(engines.connect(asked.on, len(trainings)))
        study = stack.enter_context(held(asked.study, made, how))
        if changed := made.other_versions(study.header):
            options.note(f"the study began with {changed}", quiet=request.quiet)
        if engine is not None:
            _train(study, asked, plan, engine, request)
    deliver(load(asked.study), asked.objective, asked.seeds, request, command="grid")


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


def _due(asked: Evaluation, made: Header) -> list[Training]:
    """The trainings up to the next look at who may be best, by what the study has."""
    from effscale.study.folder import HEADER, Study, load
    from effscale.study.ranking import due

    begun = (asked.study / HEADER).is_file()
    study = load(asked.study) if begun else Study(asked.study, made, {})
    return due(study, asked.objective, asked.seeds)


def _dry_run(
    asked: Evaluation, made: Header, trainings: Sequence[Training], *, quiet: bool
) -> None:
    from effscale.study import engines
    from effscale.study.folder import Study
    from effscale.study.run import commands

    if asked.on.engine == "slurm":
        engines.installed(asked.on)
        from effscale.study.dask_engine import script

        click.echo(script(asked.on), nl=False)
    else:
        for words in commands(Study(asked.study, made, {}), trainings):
            click.echo(shlex.join(words))
    options.note(f"{len(trainings)} trainings, nothing is run", quiet=quiet)


def _train(
    study: Study,
    asked: Evaluation,
    plan: Plan,
    engine: Executor,
    request: Request,
) -> None:
    """Run the trainings that are left, with a bar and a line for each that fails."""
    from effscale.study.folder import is_good, training_of
    from effscale.study.ranking import due
    from effscale.study.run import in_a_line, run, wanted

    trainings = due(study, asked.objective, asked.seeds)
    left = sum(wanted(study, each, plan.attempts) for each in trainings)
    done = len(trainings) - left
    with Bar(len(trainings), quiet=request.quiet) as bar:

        def tick(amount: int = 0) -> None:
            bar.advance(amount, f"{done} of {len(trainings)} trainings")

        def further() -> list[Training]:
            """More of those that may be best, once all that was asked for has ended."""
            nonlocal trainings
            before, trainings = trainings, due(study, asked.objective, asked.seeds)
            bar.total = len(trainings)
            return [each for each in trainings if each not in set(before)]

        tick(done)
        heard = False
        try:
            for outcome in run(study, trainings, plan, engine, tick, further=further):
                ended = not wanted(study, training_of(outcome), plan.attempts)
                done += ended
                if is_good(outcome) and not heard:
                    heard = True
                    _check_names(study, asked.objective, bar)
                if request.verbose or not is_good(outcome):
                    bar.say(in_a_line(study, outcome, plan.attempts))
                tick(ended)
        except KeyboardInterrupt:
            kept = f"{done} of {len(trainings)} trainings are done and kept"
            options.note(
                f"{kept}; the same command goes on from there", quiet=request.quiet
            )
            raise


def _check_names(study: Study, aim: Objective, bar: Bar) -> None:
    """Say it at once if the command does not write what the objective asks for."""
    from effscale.study.ranking import unknown

    if absent := unknown(study, aim):
        bar.say(
            f"--objective: no {{out}} has a number called {', '.join(absent)} so far; "
            "effscale study ranks the same outcomes by another"
        )


def deliver(
    study: Study, aim: Objective, seeds: Seeds, request: Request, *, command: str
) -> None:
    """Show how the study stands; write the winner as coefficients, if a spec is asked.

    Exits 1 if a training has failed.
    """
    from effscale.report import study as report
    from effscale.study.ranking import axes, front, standings

    ranked = standings(study, aim, seeds)
    as_spec = request.wants_spec()
    answer = report.report(
        study, ranked, aim, seeds=seeds, command=command, units=request.units
    )
    image = b""
    if request.picture:
        from effscale.report.plots import study_accuracy

        along = axes(ranked, aim)
        image = study_accuracy(ranked, front(ranked, along), along, request.picture)
    request.deliver(answer, image, to_file=not as_spec)
    if as_spec:
        request.write(report.winner(study, ranked, aim))
    if any(each.failed for each in ranked):
        raise SystemExit(1)


@click.command("study", cls=Command)
@click.argument("folder", type=click.Path(path_type=Path), metavar="FOLDER")
@titled("What to show")
@objective_option
@options.plot_option("accuracy against α, β, γ and MACs")
@options.output_options
@options.verbosity
@options.gathered(request=Request)
def command(*, folder: Path, objective: Objective | None, request: Request) -> None:
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
    from effscale.study.ranking import names_of, unknown

    found = load(folder)
    aim = objective or found.objective
    if objective is not None and (absent := unknown(found, aim)):
        known = names_of(found)
        message = f"expected one of {', '.join(known)}, got {absent[0]!r}"
        message += did_you_mean(absent[0], known)
        raise click.BadParameter(message, param_hint="'--objective'")
    deliver(found, aim, found.plan, request, command="study")
