"""The loop of a study: trainings to an engine, outcomes to disk, failures again."""

from __future__ import annotations

import math
import shlex
import shutil
import time
from concurrent.futures import CancelledError
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from effscale.errors import StudyError, refusal
from effscale.study import guard, task
from effscale.study.course import WHOLE
from effscale.study.folder import home, is_good, training_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Executor, Future

    from effscale.study.folder import Outcome, Study, Training

#: What a template cannot do without.
NEEDED = ("{spec}", "{out}")
#: effscale's own trainer, by the Python that runs the study or a node's work.
TRAIN = "{python} -m effscale train {spec} --output {out} --seed {seed}"
#: What a template has where candidates climb rungs.
EPOCHS = "{epochs}"
#: Seconds between two signs of life while nothing ends.
TICK = 0.5


@dataclass(frozen=True)
class Plan:
    """How the trainings of one run are done."""

    specs: Mapping[str, str]  #: each candidate's network, as YAML
    attempts: int = 2
    timeout: float | None = None  #: seconds of one attempt
    share: bool = False  #: whether an accuracy is one: from 0 to 1
    start_before: float = math.inf  #: in seconds of `time.time`

    @property
    def is_over(self) -> bool:
        """Whether nothing is started any more."""
        return time.time() > self.start_before


def template(text: str, data: str | None, rungs: Sequence[int] = ()) -> str:
    """The command that `text` stands for; `train` and its options are effscale's own.

    On `rungs` that is trained up to `{epochs}`; its schedule is that of `--epochs`, or
    of the last rung.

    Raises:
        StudyError: if it cannot be split, has no place for the spec, the answer or the
            epochs, or is of fewer epochs than the last rung.
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
        climbs = _schedule(words, rungs) if rungs else []
        return " ".join([TRAIN, shlex.join([*words[1:], *given, *climbs])]).strip()
    if data is not None:
        raise StudyError("expected train where --data is given, got another command")
    for needed in (*NEEDED, *([EPOCHS] if rungs else [])):
        if needed not in text:
            raise StudyError(f"expected a command with {needed} in it, got {text!r}")
    if not rungs and EPOCHS in text:
        raise StudyError(f"expected --rungs for {EPOCHS}, got none")
    return text


def _schedule(words: Sequence[str], rungs: Sequence[int]) -> list[str]:
    """Options of `train` by which it stops on a rung of one schedule.

    Raises:
        StudyError: if its own are of another.
    """
    split = [part for each in words for part in each.split("=", 1)]
    if "--until" in split:
        raise StudyError("expected no --until beside --rungs, got one")
    if "--epochs" not in split:
        return ["--epochs", str(rungs[-1]), "--until", EPOCHS]
    found = split[len(split) - split[::-1].index("--epochs") :][:1]
    if not found or not found[0].isdecimal() or int(found[0]) < rungs[-1]:
        expected = f"expected at least the {rungs[-1]} epochs of the last rung"
        raise StudyError(f"{expected}, got --epochs {' '.join(found)}")
    return ["--until", EPOCHS]


def check_program(command: str) -> None:
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


def run(
    study: Study,
    due: Callable[[], Iterable[Training]],
    plan: Plan,
    engine: Executor,
    tick: Callable[[], None] = lambda: None,
) -> Iterator[Outcome]:
    """Each outcome, once it is on the disk, until all trainings are done or given up.

    What is `due` is asked after each outcome. What was done before is not done again; a
    failure is tried as often as the plan says. Leaving early, by Ctrl-C too, ends the
    trainings that run.
    """
    ended: SimpleQueue[tuple[Training, Future[Outcome | None]]] = SimpleQueue()
    known: set[Training] = set()
    running = 0

    def fresh() -> list[Training]:
        named = [each for each in due() if each not in known]
        known.update(named)
        return named

    def start(training: Training) -> None:
        nonlocal running
        if plan.is_over or not study.wants(training, plan.attempts):
            return
        future = engine.submit(task.run, job(study, training, plan))
        future.add_done_callback(lambda done: ended.put((training, done)))
        running += 1

    completed = False
    try:
        more = fresh()
        while more or running:
            for training in more:
                if kept := _unheard(study, training):
                    study.add(kept)
                    yield kept
                start(training)
            more = []
            if running:
                try:
                    training, future = ended.get(timeout=TICK)
                except Empty:
                    tick()
                    continue
                running -= 1
                if outcome := _outcome(study, training, future):
                    study.add(outcome)
                    yield outcome
                    start(training)
            more = fresh()
        completed = True
    finally:
        engine.shutdown(wait=True, cancel_futures=not completed)


def in_a_line(study: Study, outcome: Outcome, attempts: int) -> str:
    training = training_of(outcome)
    who = f"{training.candidate} seed {training.seed}: "
    if training.epochs:
        who = f"{training.candidate} seed {training.seed} epoch {training.epochs}: "
    if "accuracy" in outcome:
        return f"{who}accuracy {outcome['accuracy']:g} in {outcome['seconds']:g} s"
    log = study.folder / study.log(training, outcome["attempt"])
    where = f"; {log}" if log.exists() else ""
    which = f"attempt {outcome['attempt']} of {attempts}"
    return f"{who}{which} failed: {outcome['reason']}{where}"


def job(study: Study, training: Training, plan: Plan) -> dict[str, Any]:
    """All that a node needs to know of a training, as plain data."""
    limit = plan.start_before
    return {
        **_known(study, training),
        "study": str(study.folder.resolve()),
        "id": study.header.id,
        "home": str(home(training)),
        "spec": plan.specs[training.candidate],
        "words": shlex.split(study.header.command),
        "folder": str(Path.cwd()),
        "timeout": plan.timeout,
        "share": plan.share,
        "start_before": None if math.isinf(limit) else limit,
        "guard": Path(guard.__file__).read_text("utf-8"),
    }


def _known(study: Study, training: Training) -> dict[str, Any]:
    """What an outcome of the next attempt at a training begins with."""
    epochs = {"epochs": training.epochs} if training.epochs != WHOLE else {}
    attempt = len(study.trainings[training]) + 1
    known = {"candidate": training.candidate, "seed": training.seed}
    return {**known, **epochs, "attempt": attempt}


def commands(study: Study, trainings: Iterable[Training]) -> Iterator[list[str]]:
    """What would be run, word by word, with the files as they would be called."""
    split = shlex.split(study.header.command)
    for training in trainings:
        folder = study.folder.resolve() / home(training)
        files = {"spec": folder / guard.SPEC, "out": folder / guard.ANSWER}
        given = {"dir": folder, "seed": training.seed, "epochs": training.epochs}
        yield guard.fill(split, {**files, **given})


def _unheard(study: Study, training: Training) -> Outcome | None:
    """The outcome of a training that ended well after its run was gone."""
    if any(map(is_good, study.trainings[training])):
        return None
    kept = study.folder / home(training) / guard.KEPT
    return guard.kept_outcome(kept, _known(study, training))


def _outcome(
    study: Study, training: Training, future: Future[Outcome | None]
) -> Outcome | None:
    """What the engine brings, or why it brings nothing; None of what it did not start.

    Raises:
        StudyError: if the engine has dropped a training that nobody has taken back, or
            it is the disk that has failed.
    """
    failed = {**_known(study, training), "status": "failed"}
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
    if outcome["status"] == task.LATE:
        return None
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
