"""Runs a study, and shows how one stands."""

from __future__ import annotations

import shlex
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from effscale.cli import options
from effscale.cli.progress import Bar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from effscale.cli.evaluation import Asked
    from effscale.report.document import Units
    from effscale.report.rows import Data
    from effscale.spec.models import Spec
    from effscale.study.folder import Outcome, Study, Training
    from effscale.study.header import Header
    from effscale.study.objective import Objective
    from effscale.study.run import Recipe


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
    from effscale.study.command import found
    from effscale.study.folder import held, load
    from effscale.study.header import header
    from effscale.study.run import Recipe

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
    from effscale.report.resolved import resolved
    from effscale.scaling.family import Variant
    from effscale.scaling.multipliers import Multipliers
    from effscale.scaling.scale import scale

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
        from effscale.report.study_plot import accuracy

        options.write(shown.plot, accuracy(ranked, front(ranked), shown.picture))
    options.deliver(answer, shown.form, None if as_spec else shown.output)
    if as_spec and shown.output is not None:
        from effscale.report.winner import winner

        options.write(shown.output, winner(study, ranked, aim))
    if any(each.failed for each in ranked):
        raise SystemExit(1)
