"""The loop of a study: trainings to an engine, outcomes to disk, failures again."""

from __future__ import annotations

import shlex
import shutil
from concurrent.futures import CancelledError
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from effscale.errors import StudyError, refusal
from effscale.study import guard, task
from effscale.study.folder import HEADER, home, is_good, load, training_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from concurrent.futures import Executor, Future

    from effscale.study.folder import Outcome, Study, Training

#: What a template cannot do without.
NEEDED = ("{spec}", "{out}")
#: effscale's own trainer, by the Python that runs the study or a node's work.
TRAIN = "{python} -m effscale train {spec} --output {out} --seed {seed}"
#: Seconds between two signs of life while nothing ends.
TICK = 0.5


@dataclass(frozen=True)
class Plan:
    """How the trainings of one run are done."""

    specs: Mapping[str, str]  #: each candidate's network, as YAML
    attempts: int = 2
    timeout: float | None = None  #: seconds of one attempt
    share: bool = False  #: whether an accuracy is one: from 0 to 1


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


def found(command: str) -> None:
    """Refuse a command whose program is not on this machine.

    Raises:
        StudyError: naming it.
    """
    program = shlex.split(command)[0]
    if not program.startswith("{") and shutil.which(program) is None:
        raise StudyError(
            "--evaluate: expected a program that can be run, found none called "
            f"{program!r}"
        )


def _absolute(data: str) -> str:
    """A folder by its whole path: a node may start the command elsewhere."""
    return str(Path(data).resolve()) if Path(data).is_dir() else data


def run(  # noqa: PLR0913 - what is run, how, and who watches
    study: Study,
    trainings: Iterable[Training],
    plan: Plan,
    engine: Executor,
    tick: Callable[[], None] = lambda: None,
    *,
    further: Callable[[], Iterable[Training]] = tuple,
) -> Iterator[Outcome]:
    """Each outcome, once it is on the disk, until all trainings are done or given up.

    What was done before is not done again; a failure is tried as often as the plan
    says. Once all have ended, `further` trainings are run, until it names none. Leaving
    early, by Ctrl-C too, ends the trainings that run.
    """
    ended: SimpleQueue[tuple[Training, Future[Outcome | None]]] = SimpleQueue()
    running = 0

    def start(training: Training) -> None:
        nonlocal running
        future = engine.submit(task.run, job(study, training, plan))
        future.add_done_callback(lambda done: ended.put((training, done)))
        running += 1

    whole = False
    try:
        asked = list(trainings)
        while asked:
            for training in asked:
                if kept := _unheard(study, training):
                    study.add(kept)
                    yield kept
                elif wanted(study, training, plan.attempts):
                    start(training)
            while running:
                try:
                    training, future = ended.get(timeout=TICK)
                except Empty:
                    tick()
                    continue
                running -= 1
                outcome = _outcome(study, training, future)
                study.add(outcome)
                yield outcome
                if wanted(study, training, plan.attempts):
                    start(training)
            asked = list(further())
        whole = True
    finally:
        engine.shutdown(wait=True, cancel_futures=not whole)


def wanted(study: Study, training: Training, attempts: int) -> bool:
    """Whether the training is neither done nor given up."""
    outcomes = study.trainings[training]
    return not any(map(is_good, outcomes)) and len(outcomes) < attempts


def is_left(folder: Path, trainings: Iterable[Training], plan: Plan) -> bool:
    """Whether the study, if it is there, has anything to train yet."""
    if not (folder / HEADER).exists():
        return True
    study = load(folder)
    return any(wanted(study, each, plan.attempts) for each in trainings)


def in_a_line(study: Study, outcome: Outcome, attempts: int) -> str:
    candidate, seed = training = training_of(outcome)
    who = f"{candidate} seed {seed}: "
    if "accuracy" in outcome:
        return f"{who}accuracy {outcome['accuracy']:g} in {outcome['seconds']:g} s"
    log = study.folder / study.log(training, outcome["attempt"])
    where = f"; {log}" if log.exists() else ""
    which = f"attempt {outcome['attempt']} of {attempts}"
    return f"{who}{which} failed: {outcome['reason']}{where}"


def job(study: Study, training: Training, plan: Plan) -> dict[str, Any]:
    """All that a node needs to know of a training, as plain data."""
    candidate, seed = training
    return {
        "candidate": candidate,
        "seed": seed,
        "attempt": len(study.trainings[training]) + 1,
        "study": str(study.folder.resolve()),
        "id": study.header.id,
        "home": str(home(training)),
        "spec": plan.specs[candidate],
        "words": shlex.split(study.header.command),
        "folder": str(Path.cwd()),
        "timeout": plan.timeout,
        "share": plan.share,
        "guard": Path(guard.__file__).read_text("utf-8"),
    }


def commands(study: Study, trainings: Iterable[Training]) -> Iterator[list[str]]:
    """What would be run, word by word, with the files as they would be called."""
    split = shlex.split(study.header.command)
    for training in trainings:
        folder = study.folder.resolve() / home(training)
        files = {"spec": folder / guard.SPEC, "out": folder / guard.ANSWER}
        yield guard.filled(split, {**files, "dir": folder, "seed": training[1]})


def _unheard(study: Study, training: Training) -> Outcome | None:
    """The outcome of a training that ended well after its run was gone."""
    if any(map(is_good, study.trainings[training])):
        return None
    candidate, seed = training
    kept = study.folder / home(training) / guard.KEPT
    return guard.heard(kept, {"candidate": candidate, "seed": seed})


def _outcome(
    study: Study, training: Training, future: Future[Outcome | None]
) -> Outcome:
    """What the engine brings, or why it brings nothing for this training.

    Raises:
        StudyError: if the engine has dropped a training that nobody has taken back, or
            it is the disk that has failed.
    """
    candidate, seed = training
    attempt = len(study.trainings[training]) + 1
    known = {"candidate": candidate, "seed": seed, "attempt": attempt}
    failed = {**known, "status": "failed"}
    try:
        outcome = future.result()
    except CancelledError:
        message = "the cluster is gone; the same command goes on once it is back"
        raise StudyError(f"{study.folder}: {message}") from None
    except Exception as error:  # noqa: BLE001 - whatever an engine may raise
        said = str(error).strip() or "no more is known"
        reason = f"{type(error).__name__}: {said.splitlines()[0]}"
        return {**failed, "reason": reason[: guard.MOST_LINE]}
    if outcome is None:
        return {**failed, "reason": "ended from outside"}
    if outcome.pop("of_the_disk", False):
        hint = "it is no failure of a training; the same command goes on from there"
        raise StudyError(f"{study.folder}: {outcome['reason']}; {hint}")
    if (output := outcome.pop("output", None)) is not None:
        log = study.folder / study.log(training, outcome["attempt"])
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text(output, encoding="utf-8")
        except OSError as error:
            reason = refusal(error)
            raise StudyError(f"{log}: cannot be written: {reason}") from None
    return outcome
