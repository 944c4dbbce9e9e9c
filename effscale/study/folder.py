"""A study on disk: a header that may but grow, and outcomes that are only added.

An outcome counts once its line is on the disk. What a crash has left of a line is no
outcome, and is cut off when the study goes on; a whole one that an editor has left
without its end counts.
"""

from __future__ import annotations

import json
import os
import platform
import re
import secrets
import socket
import time
from collections import defaultdict
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from effscale.atomic_write import sync, whole
from effscale.errors import OutputError, StudyError, refusal, short
from effscale.study import guard
from effscale.study.course import WHOLE, Course, Seeds
from effscale.study.objective import PAPER, Objective, objective
from effscale.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO

Outcome = dict[str, Any]


class Training(NamedTuple):
    """Of a candidate by its name, from a seed, up to so many epochs."""

    candidate: str
    seed: int
    epochs: int = WHOLE


HEADER, OUTCOMES, LOCK, RUNS = "study.json", "outcomes.jsonl", "lock", "runs"
FORMAT = 1
#: Seconds before a lock that is held is taken for another run's.
PATIENCE = 0.3
#: What a candidate may be called: a folder has its name.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,199}")
#: No figure of a network is larger; it is a float, too.
_LARGEST = 1e300
#: Seconds in which who holds a lock has said so in it.
_SAYING = 2.0
#: The least that candidates may be divided by from rung to rung.
_FEWEST = 2
#: Seeds that a study may have, and epochs.
_SEEDS, _EPOCHS = 1000, 10**6
_COEFFICIENTS = ("alpha", "beta", "gamma")
#: What two candidates of one name must agree in to be the same network.
_FIGURES = (*_COEFFICIENTS, "resolution", "params", "macs", "activations")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _versions() -> dict[str, str]:
    return {"effscale": VERSION, "python": platform.python_version(), **_of_torch()}


@cache
def _of_torch() -> dict[str, str]:
    with suppress(PackageNotFoundError):
        return {"torch": version("torch")}
    return {}


@dataclass(frozen=True, kw_only=True)
class Header:
    """The spec, its candidates, the command that evaluates them, and the versions."""

    format: int = FORMAT
    #: Of this study alone: a node knows its folder by it.
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    created: str = field(default_factory=_now)
    name: str  #: the spec's
    spec: str  #: as YAML
    target_ratio: float
    phi: float
    command: str
    candidates: list[dict[str, Any]]  #: rows of `grid`, each with a name
    versions: dict[str, str] = field(default_factory=_versions)

    @property
    def names(self) -> list[str]:
        return [each["name"] for each in self.candidates]

    def trainings(self, seeds: int, epochs: int = WHOLE) -> list[Training]:
        """Every candidate with the first seed, then the second: halves compare."""
        return [
            Training(name, seed, epochs) for seed in range(seeds) for name in self.names
        ]

    def grown(self, asked: Header) -> Header:
        """With the candidates asked for that are networks of no candidate yet."""
        known = {_network(each) for each in self.candidates}
        more = [each for each in asked.candidates if _network(each) not in known]
        return replace(self, candidates=[*self.candidates, *more])

    def other_versions(self, begun: Header) -> str:
        """In what versions this header is not that of the study as it began."""
        return "; ".join(
            f"{name} {begun.versions.get(name, 'none')}, now {self.versions.get(name)}"
            for name in {**begun.versions, **self.versions}
            if begun.versions.get(name) != self.versions.get(name)
        )

    def dumps(self) -> str:
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"


def candidate_name(row: dict[str, Any]) -> str:
    """What a candidate is called, after its coefficients: `a1.2-b1.1-g1.15`."""
    letters = zip("abg", _COEFFICIENTS, strict=True)
    return "-".join(f"{letter}{row[key]:.12g}" for letter, key in letters)


def read_header(path: Path) -> Header:
    """The header in the file at `path`.

    Raises:
        StudyError: if there is none that this version reads.
    """
    try:
        data = _parsed(path.read_bytes())
    except OSError as error:
        raise StudyError(f"{path}: cannot be read: {refusal(error)}") from None
    except (ValueError, RecursionError):
        raise StudyError(f"{path}: expected the header of a study as JSON") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        found = short(data.get("format") if isinstance(data, dict) else data)
        raise StudyError(f"{path}: expected a study of format {FORMAT}, got {found}")
    missing = [each.name for each in fields(Header) if each.name not in data]
    if missing:
        raise StudyError(f"{path}: missing {', '.join(missing)}")
    for each in fields(Header):
        if each.name not in {"format", "candidates"}:
            _check_kind(path, each.name, data[each.name])
    _check_candidates(path, data["candidates"])
    return Header(**{each.name: data[each.name] for each in fields(Header)})


def _parsed(text: bytes | str) -> Any:  # noqa: ANN401 - JSON
    """JSON, of finite numbers, and each key once.

    Raises:
        ValueError, RecursionError: for anything else.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError("a key twice")
        return dict(pairs)

    return json.loads(text, object_pairs_hook=once, parse_constant=_refuse)


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _check_kind(path: Path, name: str, value: object) -> None:
    if name == "versions":
        good = isinstance(value, dict) and all(
            isinstance(each, str) for each in value.values()
        )
        expected = "names and versions"
    elif name in {"target_ratio", "phi"}:
        good, expected = _is_number(value), "a number"
    else:
        good, expected = isinstance(value, str), "a text"
    if not good:
        raise StudyError(f"{path}: {name}: expected {expected}, got {short(value)}")


def _check_candidates(path: Path, candidates: object) -> None:
    """Refuse rows that `grid` has not made: names are those of folders, too."""
    if not isinstance(candidates, list):
        found = short(candidates)
        raise StudyError(f"{path}: candidates: expected a list, got {found}")
    names = set()
    for index, row in enumerate(candidates):
        where = f"{path}: candidates[{index}]"
        if not isinstance(row, dict):
            raise StudyError(f"{where}: expected a candidate, got {short(row)}")
        name = row.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            expected = "a name of letters, digits and signs"
            raise StudyError(f"{where}.name: expected {expected}, got {short(name)}")
        if name in names:
            raise StudyError(f"{where}.name: {name} is there twice")
        names.add(name)
        for key in (*_FIGURES, "macs_ratio"):
            _check_figure(f"{where}.{key}", key, row.get(key))


def _check_figure(where: str, key: str, value: object) -> None:
    if key == "resolution":
        good = isinstance(value, list) and [*map(type, value)] == [int, int]
        expected = "two sides in pixels"
    else:
        good, expected = _is_number(value), "a number"
    if not good:
        raise StudyError(f"{where}: expected {expected}, got {short(value)}")


def _is_number(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and abs(value) <= _LARGEST  # type: ignore[arg-type]


def difference(made: Header, asked: Header) -> str:
    """In what a study is another than the one asked for; empty where it is the same."""
    for what in ("name", "phi", "target_ratio", "command"):
        old, new = getattr(made, what), getattr(asked, what)
        if old != new:
            label = {"name": "spec", "target_ratio": "target ratio"}.get(what, what)
            return f"made for {label} {_quoted(old)}, got {_quoted(new)}"
    if made.spec != asked.spec:
        return f"made for another spec of the name {made.name!r}"
    by_name = {each["name"]: each for each in made.candidates}
    for each in asked.candidates:
        ours = by_name.get(each["name"], each)
        for key in _FIGURES:
            if ours.get(key) != each[key]:
                return f"made for another {each['name']}: its {key} differ"
    return ""


def _network(row: dict[str, Any]) -> tuple[Any, ...]:
    """What no two networks of one study have in common, whatever they are called."""
    return tuple(map(str, (row[key] for key in _FIGURES if key not in _COEFFICIENTS)))


def _quoted(value: object) -> str:
    return repr(value) if isinstance(value, str) else f"{value:g}"


def _lock(file: IO[str], path: Path, how: dict[str, Any]) -> None:
    """Hold the open lock at `path` for as long as it is open, and say so in it.

    The system lets go of it when the process ends, however that may be.

    Raises:
        StudyError: if another process holds it.
    """
    end = time.monotonic() + PATIENCE
    while not (taken := _taken(file)) and time.monotonic() < end:
        time.sleep(PATIENCE / 10)  # someone may but look at the study
    if not taken:
        end = time.monotonic() + _SAYING
        while not (found := _last_run(path)) and time.monotonic() < end:
            time.sleep(PATIENCE / 10)
        who = f"process {found['pid']} on {found['host']}" if found else "a process"
        raise StudyError(f"{path.parent}: {who} is running this study")
    mine = {"pid": os.getpid(), "host": socket.gethostname(), "since": _now()}
    mine |= {"began": round(time.time(), 3)}
    file.seek(0)
    file.truncate()
    file.write(json.dumps({**mine, **how}) + "\n")
    file.flush()


def _last_run(path: Path) -> dict[str, Any]:
    """What the last process that held the lock has said; nothing if none did."""
    try:
        found = _parsed(path.read_bytes()) if path.is_file() else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) and {"pid", "host"} <= set(found) else {}


def _is_locked(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8") as file:
            return not _taken(file, alone=False)
    except OSError:
        return False


def _taken(file: IO[str], *, alone: bool = True) -> bool:
    try:
        import fcntl
    except ImportError:  # pragma: no cover - Windows
        raise StudyError("study: needs a POSIX system: Linux, macOS, WSL") from None
    try:
        how = fcntl.LOCK_EX if alone else fcntl.LOCK_SH  # those who look share it
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


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
        path = self.folder / OUTCOMES
        try:
            ours = os.fstat(self._file.fileno())
            if not path.exists() or not os.path.samestat(ours, path.stat()):
                hint = "what has ended since is not kept"
                raise StudyError(f"{self.folder}: the folder is gone; {hint}")
            while left:
                left = left[self._file.write(left) :]
            # What was said to be done stays done, also where the machine loses power: a
            # training may have taken days, and this line takes milliseconds.
            os.fsync(self._file.fileno())
        except OSError as error:
            raise _refused(path, error) from None
        except KeyboardInterrupt:
            if not left:  # it is in the file, and a later run counts it
                self.trainings[training_of(outcome)].append(outcome)
            raise
        self.trainings[training_of(outcome)].append(outcome)

    @property
    def seeds(self) -> int:
        """How many seeds its last run was to do, or have outcomes."""
        trainings = self.trainings.items()
        seen = [each.seed + 1 for each, outcomes in trainings if outcomes]
        asked = self.last.get("seeds")
        if type(asked) is int and 0 < asked <= _SEEDS:
            seen.append(asked)
        return max(seen, default=1)

    @property
    def course(self) -> Course:
        """The seeds and epochs that its last run was to give, or that there are."""
        most, first = self.seeds, self.last.get("seeds_first")
        rungs, halving = self._rungs, self.last.get("halving")
        if type(first) is not int or not (1 if rungs else 2) <= first < most:
            first = most
        if type(halving) is not int or halving < _FEWEST:
            halving = Course.halving
        attempts = self.last.get("attempts")
        if type(attempts) is not int or attempts < 1:
            attempts = Course.attempts
        return Course(Seeds(first, most), rungs, halving, attempts)

    @property
    def _rungs(self) -> tuple[int, ...]:
        asked = self.last.get("rungs")
        numbers = asked if isinstance(asked, list) else [None]
        known = [each for each in numbers if type(each) is int and each > WHOLE]
        if numbers == known == sorted(set(known)):
            return tuple(known)
        seen = {each.epochs for each, outcomes in self.trainings.items() if outcomes}
        return tuple(sorted(seen - {WHOLE}))

    @property
    def objective(self) -> Objective:
        """By which its last run ranks, or else the paper's."""
        return objective(str(self.last.get("objective", PAPER)))

    def wants(self, training: Training, attempts: int) -> bool:
        """Whether the training is neither done nor given up after so many attempts."""
        outcomes = self.trainings.get(training, [])
        return not any(map(is_good, outcomes)) and len(outcomes) < attempts

    def log(self, training: Training, attempt: int) -> Path:
        """What the command printed in that attempt, from the study's own folder."""
        return home(training) / guard.log_of(attempt, training.epochs)


def home(training: Training) -> Path:
    """The folder of a training, from its study's own: up to all epochs the same."""
    return Path(RUNS, training.candidate, f"seed-{training.seed}")


def load(folder: Path) -> Study:
    """The study in `folder`, to be looked at: it may be running.

    Raises:
        StudyError: if there is none.
    """
    _check_files(folder)
    if not (folder / HEADER).is_file():
        raise StudyError(f"{folder}: expected a study, found no {HEADER} in it")
    made, path, lock = read_header(folder / HEADER), folder / OUTCOMES, folder / LOCK
    try:
        trainings, _ = _outcomes(path, made)
    except OSError as error:
        raise StudyError(f"{path}: cannot be read: {refusal(error)}") from None
    running = _is_locked(lock)
    return Study(folder, made, trainings, last=_last_run(lock), running=running)


@contextmanager
def hold(
    folder: Path, asked: Header, how: dict[str, Any], *, grow: bool = False
) -> Iterator[Study]:
    """The study that was asked for, begun or gone on with, for this run alone.

    Candidates that it does not have yet are added where it is to `grow`.

    Raises:
        StudyError: if the folder has another study or something else, if another run
            holds it, or the system refuses.
    """
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _check_folder(folder)
            _check_files(folder)
            path = folder / LOCK
            held_open = stack.enter_context(path.open("a+", encoding="utf-8"))
            _lock(held_open, path, how)
            made = _begun(folder, asked, grow=grow)
            trainings, good = _outcomes(folder / OUTCOMES, made)
            opened = (folder / OUTCOMES).open("ab", buffering=0)
            file = stack.enter_context(opened)
            file.truncate(good)
            if good and not _ends_a_line(folder / OUTCOMES):
                file.write(b"\n")
            os.fsync(file.fileno())
            sync(folder)
        except OutputError:
            raise
        except OSError as error:
            raise _refused(folder, error) from None
        yield Study(folder, made, trainings, last=how, running=True, _file=file)


def _begun(folder: Path, asked: Header, *, grow: bool) -> Header:
    """The header that is there, if it is of what was asked for; or else a new one."""
    path = folder / HEADER
    if not path.exists():
        return _written(path, asked)
    made = read_header(path)
    if differs := difference(made, asked):
        raise StudyError(f"{folder}: {differs}; name another --study")
    larger = made.grown(asked)
    more = larger.names[len(made.names) :]
    if not more:
        return made
    if not grow:
        count = f"made for {len(made.names)} candidates, got {len(more)} others"
        hint = "--grow adds them, or name another --study"
        raise StudyError(f"{folder}: {count}, such as {more[0]}; {hint}")
    return _written(path, larger)


def _written(path: Path, header: Header) -> Header:
    with whole(path) as file:
        file.write(header.dumps().encode())
    return header


def _refused(path: Path, error: OSError) -> StudyError:
    where = error.filename or path
    return StudyError(f"{where}: cannot be written: {refusal(error)}")


def _check_folder(folder: Path) -> None:
    """Refuse a folder of something else."""
    others = sorted(
        each
        for each in folder.iterdir()
        if each.name != LOCK and not each.name.startswith(f".{HEADER}.")  # begun
    )
    if others and not (folder / HEADER).exists():
        found = repr(others[0].name)
        raise StudyError(
            f"{folder}: expected a study or an empty folder, found {found} in it"
        )


def _check_files(folder: Path) -> None:
    """Refuse what would be waited for, without end."""
    for path in (folder / HEADER, folder / OUTCOMES, folder / LOCK):
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise StudyError(f"{path}: expected a file, got a pipe or a device")


def _outcomes(path: Path, made: Header) -> tuple[dict[Training, list[Outcome]], int]:
    """The outcomes of each training up to its first good one; the bytes of all lines.

    Raises:
        StudyError: if a line is no outcome of this study.
    """
    text = path.read_bytes() if path.exists() else b""
    *lines, last = text.split(b"\n")
    found: dict[Training, list[Outcome]] = defaultdict(list)
    names = set(made.names)
    is_whole = bool(last) and _outcome(last, names) is not None
    for number, line in enumerate([*lines, last] if is_whole else lines, 1):
        outcome = _outcome(line, names)
        if outcome is None:
            raise StudyError(f"{path}:{number}: expected an outcome of this study")
        training = training_of(outcome)
        if not any(map(is_good, found[training])):
            found[training].append(outcome)
    return found, len(text) if is_whole else len(text) - len(last)


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _outcome(line: bytes, names: set[str]) -> Outcome | None:
    """The outcome of a study of these candidates that a line is, if it is one."""
    try:
        found = _parsed(line)
    except (ValueError, RecursionError):
        return None
    return found if _is_outcome(found, names) else None


def _is_outcome(outcome: Any, names: set[str]) -> bool:  # noqa: ANN401 - JSON
    """Whether all of it that is ever read is of its kind."""
    match outcome:
        case {"candidate": str(name), "seed": int(seed), "attempt": int(attempt)}:
            known = name in names and 0 <= seed < _SEEDS and attempt > 0
            if not known or type(seed) is bool or type(attempt) is bool:
                return False
        case _:
            return False
    epochs = outcome.get("epochs", WHOLE)
    if type(epochs) is not int or not WHOLE <= epochs <= _EPOCHS:
        return False
    measured = ("seconds", "ended", "peak_memory")
    if not all(_is_number(outcome.get(key, 0)) for key in measured):
        return False
    match outcome:
        case {"status": "ok", "accuracy": accuracy}:
            return _is_number(accuracy)
        case {"status": "failed", "reason": str()}:
            return True
        case _:
            return False


def is_good(outcome: Outcome) -> bool:
    """Whether it has an accuracy, rather than a reason for having none."""
    return bool(outcome["status"] == "ok")


def training_of(outcome: Outcome) -> Training:
    return Training(outcome["candidate"], outcome["seed"], outcome.get("epochs", WHOLE))
