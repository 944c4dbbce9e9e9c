"""`effscale study`, and the options of `effscale grid` that make one."""

from __future__ import annotations

import math
import shlex
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from effscale.cli import options
from effscale.cli.help import Command, titled
from effscale.cli.options import Request
from effscale.cli.progress import Bar
from effscale.cli.types import DURATION, Parsed, Whole
from effscale.errors import StudyError, did_you_mean
from effscale.study.course import Course, Seeds, check
from effscale.study.course import rungs as read_rungs
from effscale.study.course import seeds as read_seeds
from effscale.study.objective import PAPER, Objective
from effscale.study.objective import objective as parsed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Executor

    from effscale.report.document import Report
    from effscale.report.rows import Data
    from effscale.spec.models import Spec
    from effscale.study.engines import Place
    from effscale.study.folder import Header, Study, Training
    from effscale.study.forecast import Forecast
    from effscale.study.run import Plan

_COEFFICIENTS = ("alpha", "beta", "gamma")
#: Characters of a name.
_LONGEST = 80
#: Seconds between two looks at a study that runs.
LOOK = 2.0


@dataclass(frozen=True)
class Effort:
    """What may be spent on candidates, as it was asked for."""

    seeds: Seeds | None
    rungs: tuple[int, ...] | None
    halving: int | None
    attempts: int | None
    timeout: float | None
    time_limit: float | None

    @property
    def given(self) -> dict[str, object]:
        """By option."""
        names = ("seeds", "rungs", "halving", "attempts", "timeout")
        given = {f"--{name}": getattr(self, name) for name in names}
        return {**given, "--time-limit": self.time_limit}

    def course(self) -> Course:
        """The course of the study.

        Raises:
            click.UsageError: for options that make no sense together.
        """
        if self.halving is not None and not (self.rungs and len(self.rungs) > 1):
            raise click.UsageError("--halving needs --rungs, such as --rungs 2,4,8")
        asked = Course(
            self.seeds or Seeds(1, 1),
            self.rungs or (),
            self.halving or Course.halving,
            self.attempts or Course.attempts,
        )
        try:
            check(asked)
        except ValueError as error:
            message = f"expected {error}, got {str(asked.seeds)!r}"
            raise click.BadParameter(message, param_hint="'--seeds'") from None
        return asked


@dataclass(frozen=True)
class Evaluation:
    """How candidates are to be evaluated."""

    command: str  #: a template, with {spec} and {out} in it
    study: Path
    objective: Objective
    on: Place
    course: Course
    timeout: float | None
    time_limit: float | None
    grow: bool
    refine: bool
    dry_run: bool


def _where(text: str) -> Place:
    from effscale.study.engines import where

    return where(text)


objective_option = click.option(
    "--objective",
    type=Parsed("EXPRESSION", parsed),
    help="Expression to maximise. Names: accuracy, macs, params, activations, "
    "macs_ratio, alpha, beta, gamma, image_height, image_width, seconds, peak_memory "
    "in bytes, and any number that the command writes to {out}. Operators: + - * / "
    "**, log, exp, sqrt, min, max, abs.  "
    f"[default: {PAPER}]",
)

evaluation_options = options.every(
    click.option(
        "--evaluate",
        metavar="COMMAND",
        help="Train each candidate by this command. It reads the spec from the file "
        '{spec} and writes {"accuracy": 0.93} to {out}; {seed}, {dir}, {python} and, '
        "with --rungs, {epochs} are filled in, too. 'train', with or without options, "
        "is effscale train.",
    ),
    click.option("--data", metavar="DATA", help="With --evaluate train: its --data."),
    click.option(
        "--study",
        type=click.Path(path_type=Path),
        metavar="FOLDER",
        help="Folder of the results; the same command again resumes from it.",
    ),
    objective_option,
    click.option(
        "--seeds",
        type=Parsed("N[..M]", read_seeds),
        help="Training runs of each candidate, with seeds 0 to N-1. 3..10: three of "
        "each, and up to ten of those that are not yet told apart from the best.  "
        "[default: 1]",
    ),
    click.option(
        "--rungs",
        type=Parsed("EPOCHS,…", read_rungs),
        help="Train all candidates up to the first of these epochs, the best of them "
        "up to the next: 2,4,8. {epochs} tells a command how far.",
    ),
    click.option(
        "--halving",
        type=Whole(2, 1000),
        help="With --rungs: one in this many candidates goes on to the next rung.  "
        "[default: 3]",
    ),
    click.option(
        "--attempts",
        type=Whole(1, 100),
        help="How often a training run is tried before it counts as failed.  "
        "[default: 2]",
    ),
    click.option(
        "--timeout",
        type=DURATION,
        help="End an attempt that takes longer: 90s, 30m, 2h.  [default: none]",
    ),
    click.option(
        "--on",
        type=Parsed("WHERE", _where),
        help="Where to train: local, local:jobs=4, ray:ADDRESS?num_gpus=0.5, "
        "dask:tcp://HOST:8786?GPU=1, slurm:queue=gpu&cores=4&memory=16GB&jobs=8.  "
        "[default: local]",
    ),
    click.option(
        "--time-limit",
        type=DURATION,
        help="Start no further training run after 90s, 30m or 2h.",
    ),
    click.option(
        "--grow",
        is_flag=True,
        help="Add these candidates to a study that has others already.",
    ),
    click.option(
        "--refine",
        is_flag=True,
        help="Once the study has ended, add the candidates around the best, at half "
        "of --step.",
    ),
    click.option(
        "--dry-run",
        is_flag=True,
        help="Print the commands that would be run, or the script for SLURM; do "
        "nothing.",
    ),
    title="Accuracy, with --evaluate",
)


def evaluation(  # noqa: PLR0913 - options
    *,
    evaluate: str | None,
    data: str | None,
    study: Path | None,
    objective: Objective | None,
    effort: Effort,
    on: Place | None,
    grow: bool,
    refine: bool,
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
            **effort.given,
            "--on": on,
            "--grow": grow,
            "--refine": refine,
            "--dry-run": dry_run,
            "--data": data,
        }
        options.refuse(given, "goes with --evaluate COMMAND")
        return None
    if study is None:
        raise click.UsageError("--evaluate needs --study FOLDER, where outcomes go")
    from effscale.study.run import template

    asked = effort.course()
    try:
        command = template(evaluate, data, asked.rungs)
    except StudyError as error:
        raise click.BadParameter(str(error), param_hint="'--evaluate'") from None
    if asked.seeds.most > 1 and "{seed}" not in command:
        message = f"expected a command with {{seed}} in it, got {evaluate!r}"
        raise click.BadParameter(message, param_hint="'--seeds'")
    return Evaluation(
        command=command,
        study=study,
        objective=objective or parsed(PAPER),
        on=on or _where("local"),
        course=asked,
        timeout=effort.timeout,
        time_limit=effort.time_limit,
        grow=grow,
        refine=refine,
        dry_run=dry_run,
    )


def around(asked: Evaluation) -> tuple[float, ...] | None:
    """The best α, β, γ of the study; None where it has trainings left.

    So a run that was cut short goes on with what it has added, and adds no more.

    Raises:
        StudyError: if there is none.
    """
    from effscale.study.folder import load
    from effscale.study.ranking import due, standings

    study = load(asked.study)
    named = due(study, asked.objective, asked.course)
    if any(study.wants(each, asked.course.attempts) for each in named):
        return None
    best = standings(study, asked.objective, asked.course)[0]
    if best.score is None:
        raise StudyError(f"{asked.study}: no candidate has a score yet")
    return tuple(float(best.figures[key]) for key in _COEFFICIENTS)


def evaluate(  # noqa: PLR0913 - what is evaluated, and how
    asked: Evaluation,
    baseline: Spec,
    table: Sequence[Data],
    *,
    target_ratio: float,
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
    from effscale.study.folder import Header, candidate_name, hold, load
    from effscale.study.run import Plan, check_program

    made = Header(
        name=baseline.name,
        spec=dumps(baseline),
        target_ratio=target_ratio,
        phi=phi,
        command=asked.command,
        candidates=[{"name": candidate_name(row), **row} for row in table],
    )
    begun = _begun(asked.study, made)
    left = _left(begun, asked)
    if asked.refine:
        options.note(_refined(begun, table, left), quiet=request.quiet)
    if asked.dry_run:
        _dry_run(asked, begun, left, quiet=request.quiet)
        return
    if asked.on.engine == "local":
        check_program(made.command)
    engines.check(asked.on)
    plan = Plan(
        _specs(baseline, begun.header),
        asked.course.attempts,
        asked.timeout,
        share=asked.objective.text == PAPER,  # another may be of another number
        start_before=time.time() + (asked.time_limit or math.inf),
    )
    with ExitStack() as stack:
        engine = None
        if left:  # before a folder is made in vain
            engine = stack.enter_context(engines.connect(asked.on, len(left)))
        grow = asked.grow or asked.refine
        how = _how(asked, engine)
        study = stack.enter_context(hold(asked.study, made, how, grow=grow))
        if changed := made.other_versions(study.header):
            options.note(f"the study began with {changed}", quiet=request.quiet)
        if engine is not None:
            _train(study, asked, plan, engine, request)
    deliver(load(asked.study), asked.objective, asked.course, request, command="grid")


def _begun(folder: Path, made: Header) -> Study:
    """The study with what it has, if it has begun, and the candidates asked for."""
    from effscale.study.folder import HEADER, Study, load

    if not (folder / HEADER).is_file():
        return Study(folder, made, {})
    study = load(folder)
    return replace(study, header=study.header.grown(made))


def _refined(study: Study, table: Sequence[Data], left: Sequence[Training]) -> str:
    """What --refine adds: none to a study that has trainings left of its own."""
    trained = {each.candidate for each, ended in study.trainings.items() if ended}
    added = [name for name in study.header.names if name not in trained]
    if table and added:
        what = "candidate is" if len(added) == 1 else "candidates are"
        return f"{len(added)} {what} added around the best"
    if left:
        return "what is left comes first; --refine adds candidates once that has ended"
    return "nothing new to refine; a smaller --step may find it"


def _left(study: Study, asked: Evaluation) -> list[Training]:
    """The trainings to do up to the next look at who may be best."""
    from effscale.study.ranking import due

    named = due(study, asked.objective, asked.course)
    return [each for each in named if study.wants(each, asked.course.attempts)]


def _how(asked: Evaluation, engine: Executor | None) -> dict[str, Any]:
    """What the study notes of this run, for who looks at it."""
    course = asked.course
    return {
        "seeds": course.seeds.most,
        "seeds_first": course.seeds.first,
        "rungs": list(course.rungs),
        "halving": course.halving,
        "attempts": course.attempts,
        "objective": asked.objective.text,
        "on": str(asked.on),
        "jobs": getattr(engine, "jobs", None),
    }


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
        variant = Variant(spec, how, made.phi, given, made.target_ratio**made.phi)
        found[row["name"]] = resolved(baseline, variant)
    return found


def _dry_run(
    asked: Evaluation, study: Study, trainings: Sequence[Training], *, quiet: bool
) -> None:
    from effscale.report.document import several
    from effscale.study import engines
    from effscale.study.run import commands

    if asked.on.engine == "slurm":
        engines.installed(asked.on)
        from effscale.study.dask_engine import script

        click.echo(script(asked.on), nl=False)
    else:
        for words in commands(study, trainings):
            click.echo(shlex.join(words))
    number = several(len(trainings), "training run")
    options.note(f"{number}, none started", quiet=quiet)


def _train(
    study: Study,
    asked: Evaluation,
    plan: Plan,
    engine: Executor,
    request: Request,
) -> None:
    """Run the trainings that are left, with a bar and a line for each that fails."""
    from effscale.study.folder import is_good
    from effscale.study.forecast import forecast
    from effscale.study.ranking import due
    from effscale.study.run import in_a_line, run

    ahead = forecast(study, asked.objective, asked.course)
    with Bar(ahead.all, quiet=request.quiet) as bar:

        def named() -> list[Training]:
            return due(study, asked.objective, asked.course)

        shown = 0

        def tick() -> None:
            nonlocal shown
            before, shown = shown, ahead.all - ahead.left
            bar.total = ahead.all
            what = f"{shown} of {ahead.all} training runs{_until(ahead.end)}"
            bar.advance(shown - before, what)

        tick()
        heard = False
        try:
            for outcome in run(study, named, plan, engine, tick):
                ahead = forecast(study, asked.objective, asked.course)
                if is_good(outcome) and not heard:
                    heard = True
                    _check_names(study, asked.objective, bar)
                if request.verbose or not is_good(outcome):
                    bar.say(in_a_line(study, outcome, plan.attempts))
                tick()
        except KeyboardInterrupt:
            # An outcome may have been kept just now, before it was handed on.
            ahead = forecast(study, asked.objective, asked.course)
            _say_kept("", ahead, quiet=request.quiet)
            raise
    if plan.is_over and ahead.left:
        _say_kept("time is over: ", ahead, quiet=request.quiet)


def _until(end: float | None) -> str:
    return (
        "" if end is None else f", until {time.strftime('%H:%M', time.localtime(end))}"
    )


def _say_kept(why: str, ahead: Forecast, *, quiet: bool) -> None:
    kept = f"{ahead.all - ahead.left} of {ahead.all} training runs are done and kept"
    options.note(f"{why}{kept}; the same command goes on from there", quiet=quiet)


def _check_names(study: Study, aim: Objective, bar: Bar) -> None:
    """Say it at once if the command does not write what the objective asks for."""
    from effscale.study.ranking import unknown

    if absent := unknown(study, aim):
        bar.say(
            f"--objective: no {{out}} has a number called {', '.join(absent)} so far; "
            "effscale study ranks the same outcomes by another"
        )


def deliver(
    study: Study, aim: Objective, course: Course, request: Request, *, command: str
) -> None:
    """Show how the study stands; write the winner as coefficients, if a spec is asked.

    Exits 1 if a training has failed.
    """
    from effscale.report import study as report
    from effscale.study.ranking import axes, front, standings

    ranked = standings(study, aim, course)
    as_spec = request.wants_spec
    answer = report.report(
        study, ranked, aim, course=course, command=command, units=request.units
    )
    image = b""
    if request.picture:
        from effscale.report.study_plot import picture

        along = axes(ranked, aim)
        ahead = front(ranked, along)
        image = picture(study, ranked, ahead, along, request.picture)
    request.deliver(answer, image, to_file=not as_spec)
    if as_spec:
        request.write(report.winner(study, ranked, aim))
    if any(each.failed for each in ranked):
        raise SystemExit(1)


@click.command("study", cls=Command)
@click.argument("folder", type=click.Path(path_type=Path), metavar="FOLDER")
@titled("What to show")
@objective_option
@click.option(
    "--watch",
    is_flag=True,
    help="Refresh the answer while the study runs, on a terminal.",
)
@options.plot_option("accuracy against α, β, γ and MACs, what matters, and curves")
@options.output_options(spec=True)
@options.verbosity
@options.gathered(request=Request)
def command(
    *, folder: Path, objective: Objective | None, watch: bool, request: Request
) -> None:
    """Show the progress and the ranking of the study in FOLDER.

    \b
      effscale study pets --watch
      effscale study pets --objective accuracy --plot pets.svg
      effscale study pets --output found.yaml

    grid --evaluate makes a study. While it runs, its end is estimated from the time of
    the training runs so far. Another --objective ranks the same results again. Exits 1
    if a training run has failed.

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
    if watch:
        found = _watched(found, aim, request)
    deliver(found, aim, found.course, request, command="study")


def _watched(study: Study, aim: Objective, request: Request) -> Study:
    """The study once it runs no more, shown until then where there is a terminal."""
    from effscale.report.render import shown_anew
    from effscale.report.study import report
    from effscale.study.folder import load
    from effscale.study.ranking import standings

    def looks() -> Iterator[Report]:
        nonlocal study
        while study.running:
            ranked = standings(study, aim, study.course)
            yield report(study, ranked, aim, course=study.course, units=request.units)
            time.sleep(LOOK)
            study = load(study.folder)

    shown_anew(looks())
    return study
