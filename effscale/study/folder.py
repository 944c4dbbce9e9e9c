"""A study on disk: a header that never changes, and outcomes that are only added.

An outcome counts once its line is on the disk. A line that a crash has torn has no end,
and is cut off when the study goes on.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from effscale.errors import OutputError, StudyError
from effscale.study import lock
from effscale.study.header import Header, difference, read
from effscale.study.objective import PAPER, Objective, objective
from effscale.whole import remains, whole

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO

HEADER, OUTCOMES, LOCK, RUNS = "study.json", "outcomes.jsonl", "lock", "runs"

Outcome = dict[str, Any]
Training = tuple[str, int]  #: a candidate's name, and a seed


@dataclass
class Study:
    """A header, and the outcomes so far of each training: of a candidate and a seed."""

    folder: Path
    header: Header
    trainings: dict[Training, list[Outcome]]
    last: dict[str, Any] = field(default_factory=dict)  #: how it was last run
    running: bool = False
    _file: FileIO | None = None  #: where outcomes are added, while a run holds it

    def add(self, outcome: Outcome) -> None:
        """Write the outcome to the disk, and only then count it.

        Raises:
            StudyError: if the system refuses.
        """
        if self._file is None:
            raise StudyError(f"{self.folder}: is not held by this run")
        line = json.dumps(outcome, allow_nan=False) + "\n"
        left = memoryview(line.encode())
        try:
            while left:
                left = left[self._file.write(left) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            raise _refused(self.folder / OUTCOMES, error) from None
        self.trainings[_training(outcome)].append(outcome)

    @property
    def seeds(self) -> int:
        """How many seeds its last run was to do, or have outcomes."""
        seen = [seed + 1 for (_, seed), outcomes in self.trainings.items() if outcomes]
        asked = self.last.get("seeds")
        return max(seen + ([asked] if isinstance(asked, int) else []), default=1)

    @property
    def objective(self) -> Objective:
        """By which its last run ranks, or else the paper's."""
        return objective(str(self.last.get("objective", PAPER)))

    def log(self, training: Training, attempt: int) -> Path:
        """What the command printed in that attempt, from the study's own folder."""
        return home(training) / f"attempt-{attempt}.log"


def home(training: Training) -> Path:
    """The folder of a training, from its study's own."""
    candidate, seed = training
    return Path(RUNS, candidate, f"seed-{seed}")


def load(folder: Path) -> Study:
    """The study in `folder`, to be looked at: it may be running.

    Raises:
        StudyError: if there is none.
    """
    if not (folder / HEADER).is_file():
        raise StudyError(f"{folder}: expected a study, found no {HEADER} in it")
    made = read(folder / HEADER)
    try:
        trainings, _ = _read(folder / OUTCOMES, made)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StudyError(f"{folder / OUTCOMES}: cannot be read: {reason}") from None
    path = folder / LOCK
    running = lock.is_held(path)
    return Study(folder, made, trainings, last=lock.last(path), running=running)


@contextmanager
def held(folder: Path, asked: Header, how: dict[str, Any]) -> Iterator[Study]:
    """The study that was asked for, begun or gone on with, for this run alone.

    Raises:
        StudyError: if the folder has another study or something else, if another run
            holds it, or the system refuses.
    """
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _check_folder(folder)
            path = folder / LOCK
            held_open = stack.enter_context(path.open("a+", encoding="utf-8"))
            lock.hold(held_open, path, how)
            made = _begun(folder, asked)
            trainings, good = _read(folder / OUTCOMES, made)
            opened = (folder / OUTCOMES).open("ab", buffering=0)
            file = stack.enter_context(opened)
            file.truncate(good)
            os.fsync(file.fileno())
            _sync(folder)
        except OutputError:
            raise
        except OSError as error:
            raise _refused(folder, error) from None
        yield Study(folder, made, trainings, last=how, running=True, _file=file)


def _begun(folder: Path, asked: Header) -> Header:
    """The header that is there, if it is of what was asked for; or else a new one."""
    path = folder / HEADER
    if not path.exists():
        with whole(path) as file:
            file.write(asked.dumps().encode())
        return asked
    made = read(path)
    if differs := difference(made, asked):
        raise StudyError(f"{folder}: {differs}; name another --study")
    return made


def _refused(path: Path, error: OSError) -> StudyError:
    where, reason = error.filename or path, error.strerror or str(error)
    return StudyError(f"{where}: cannot be written: {reason.lower()}")


def _sync(folder: Path) -> None:
    """Have the names of the folder's files on the disk, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _check_folder(folder: Path) -> None:
    """Refuse a folder of something else."""
    ours = {folder / LOCK, *remains(folder / HEADER)}
    others = sorted(set(folder.iterdir()) - ours)
    if others and not (folder / HEADER).exists():
        found = repr(others[0].name)
        raise StudyError(
            f"{folder}: expected a study or an empty folder, found {found} in it"
        )


def _read(path: Path, made: Header) -> tuple[dict[Training, list[Outcome]], int]:
    """The outcomes of each training up to its first good one; the bytes of all lines.

    Raises:
        StudyError: if a line is no outcome of this study.
    """
    text = path.read_bytes() if path.exists() else b""
    whole = text.rfind(b"\n") + 1
    found: dict[Training, list[Outcome]] = defaultdict(list)
    names = set(made.names)
    for number, line in enumerate(text[:whole].splitlines(), 1):
        try:
            outcome = json.loads(line)
            training, good = _training(outcome), is_good(outcome)
            known = (
                training[0] in names and ("accuracy" if good else "reason") in outcome
            )
        except (ValueError, KeyError, TypeError):
            known = False
        if not known:
            raise StudyError(f"{path}:{number}: expected an outcome of this study")
        if not any(map(is_good, found[training])):
            found[training].append(outcome)
    return found, whole


def is_good(outcome: Outcome) -> bool:
    """Whether it has an accuracy, rather than a reason for having none."""
    return bool(outcome["status"] == "ok")


def _training(outcome: Outcome) -> Training:
    return outcome["candidate"], outcome["seed"]
