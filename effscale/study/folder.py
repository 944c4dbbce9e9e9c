"""A study on disk: a header that never changes, and outcomes that are only added.

An outcome counts once its line is on the disk. A line that a crash has torn has no end,
and is cut off when the study goes on.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import socket
import time
from collections import defaultdict
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from effscale.atomic_write import remains, sync, whole
from effscale.errors import OutputError, StudyError, refusal, short
from effscale.study.objective import PAPER, Objective, objective
from effscale.study.seeds import Seeds
from effscale.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO

Outcome = dict[str, Any]
Training = tuple[str, int]  #: a candidate's name, and a seed

HEADER, OUTCOMES, LOCK, RUNS = "study.json", "outcomes.jsonl", "lock", "runs"
FORMAT = 1
#: Seconds before a lock that is held is taken for another run's.
PATIENCE = 0.3
#: What two candidates of one name must agree in to be the same network.
_FIGURES = ("alpha", "beta", "gamma", "resolution", "params", "macs", "activations")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _versions() -> dict[str, str]:
    found = {"effscale": VERSION, "python": platform.python_version()}
    with suppress(PackageNotFoundError):
        found["torch"] = version("torch")
    return found


@dataclass(frozen=True, kw_only=True)
class Header:
    """The spec, its candidates, the command that evaluates them, and the versions."""

    format: int = FORMAT
    #: Of this study alone: a node knows its folder by it.
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    created: str = field(default_factory=_now)
    name: str  #: the spec's
    spec: str  #: as YAML
    budget: float
    phi: float
    command: str
    candidates: list[dict[str, Any]]  #: rows of `grid`, each with a name
    versions: dict[str, str] = field(default_factory=_versions)

    @property
    def names(self) -> list[str]:
        return [each["name"] for each in self.candidates]

    def trainings(self, seeds: int) -> list[Training]:
        """Every candidate with the first seed, then the second: halves compare."""
        return [(name, seed) for seed in range(seeds) for name in self.names]

    def other_versions(self, begun: Header) -> str:
        """In what versions this header is not that of the study as it began."""
        return "; ".join(
            f"{name} {begun.versions.get(name, 'none')}, now {self.versions.get(name)}"
            for name in {**begun.versions, **self.versions}
            if begun.versions.get(name) != self.versions.get(name)
        )

    def dumps(self) -> str:
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"


def called(row: dict[str, Any]) -> str:
    """What a candidate is called, after its coefficients: `a1.2-b1.1-g1.15`."""
    letters = zip("abg", ("alpha", "beta", "gamma"), strict=True)
    return "-".join(f"{letter}{row[key]:.12g}" for letter, key in letters)


def read_header(path: Path) -> Header:
    """The header in the file at `path`.

    Raises:
        StudyError: if there is none that this version reads.
    """
    try:
        data = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise StudyError(f"{path}: cannot be read: {refusal(error)}") from None
    except ValueError:
        raise StudyError(f"{path}: expected the header of a study as JSON") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        found = short(data.get("format") if isinstance(data, dict) else data)
        raise StudyError(f"{path}: expected a study of format {FORMAT}, got {found}")
    missing = [each.name for each in fields(Header) if each.name not in data]
    if missing:
        raise StudyError(f"{path}: missing {', '.join(missing)}")
    return Header(**{each.name: data[each.name] for each in fields(Header)})


def difference(made: Header, asked: Header) -> str:
    """In what a study is another than the one asked for; empty where it is the same."""
    for what in ("name", "phi", "budget", "command"):
        old, new = getattr(made, what), getattr(asked, what)
        if old != new:
            label = "spec" if what == "name" else what
            return f"made for {label} {_quoted(old)}, got {_quoted(new)}"
    if made.spec != asked.spec:
        return f"made for another spec of the name {made.name!r}"
    if sorted(made.names) != sorted(asked.names):
        ours, theirs = set(made.names), set(asked.names)
        apart = min(ours ^ theirs)
        where = "its own" if apart in ours else "asked for"
        return (
            f"made for {len(ours)} candidates, got {len(theirs)}: {apart} is among "
            f"those {where} alone"
        )
    by_name = {each["name"]: each for each in made.candidates}
    for each in asked.candidates:
        for key in _FIGURES:
            if by_name[each["name"]].get(key) != each[key]:
                return f"made for another {each['name']}: its {key} differ"
    return ""


def _quoted(value: object) -> str:
    return repr(value) if isinstance(value, str) else f"{value:g}"


def _lock(file: IO[str], path: Path, how: dict[str, Any]) -> None:
    """Hold the open lock at `path` for as long as it is open, and say so in it.

    The system lets go of it when the process ends, however that may be.

    Raises:
        StudyError: if another process holds it.
    """
    taken = _taken(file)
    if not taken:
        time.sleep(PATIENCE)  # someone may but look at the study
        taken = _taken(file)
    if not taken:
        found = _last_run(path)
        who = f"process {found['pid']} on {found['host']}" if found else "a process"
        raise StudyError(f"{path.parent}: {who} is running this study")
    mine = {"pid": os.getpid(), "host": socket.gethostname(), "since": _now()}
    file.seek(0)
    file.truncate()
    file.write(json.dumps({**mine, **how}) + "\n")
    file.flush()


def _last_run(path: Path) -> dict[str, Any]:
    """What the last process that held the lock has said; nothing if none did."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and {"pid", "host"} <= set(found) else {}


def _is_locked(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8") as file:
            return not _taken(file)
    except OSError:
        return False


def _taken(file: IO[str]) -> bool:
    try:
        import fcntl
    except ImportError:  # pragma: no cover - Windows
        raise StudyError("study: needs a POSIX system: Linux, macOS, WSL") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
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
        try:
            while left:
                left = left[self._file.write(left) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            raise _refused(self.folder / OUTCOMES, error) from None
        self.trainings[training_of(outcome)].append(outcome)

    @property
    def seeds(self) -> int:
        """How many seeds its last run was to do, or have outcomes."""
        seen = [seed + 1 for (_, seed), outcomes in self.trainings.items() if outcomes]
        asked = self.last.get("seeds")
        return max(seen + ([asked] if isinstance(asked, int) else []), default=1)

    @property
    def plan(self) -> Seeds:
        """How many seeds its last run gave to all, and to those that may be best."""
        most, first = self.seeds, self.last.get("seeds_first")
        if not isinstance(first, int) or not 1 < first < most:
            first = most
        return Seeds(first, most)

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
    made, path, lock = read_header(folder / HEADER), folder / OUTCOMES, folder / LOCK
    try:
        trainings, _ = _outcomes(path, made)
    except OSError as error:
        raise StudyError(f"{path}: cannot be read: {refusal(error)}") from None
    running = _is_locked(lock)
    return Study(folder, made, trainings, last=_last_run(lock), running=running)


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
            _lock(held_open, path, how)
            made = _begun(folder, asked)
            trainings, good = _outcomes(folder / OUTCOMES, made)
            opened = (folder / OUTCOMES).open("ab", buffering=0)
            file = stack.enter_context(opened)
            file.truncate(good)
            os.fsync(file.fileno())
            sync(folder)
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
    made = read_header(path)
    if differs := difference(made, asked):
        raise StudyError(f"{folder}: {differs}; name another --study")
    return made


def _refused(path: Path, error: OSError) -> StudyError:
    where = error.filename or path
    return StudyError(f"{where}: cannot be written: {refusal(error)}")


def _check_folder(folder: Path) -> None:
    """Refuse a folder of something else."""
    ours = {folder / LOCK, *remains(folder / HEADER)}
    others = sorted(set(folder.iterdir()) - ours)
    if others and not (folder / HEADER).exists():
        found = repr(others[0].name)
        raise StudyError(
            f"{folder}: expected a study or an empty folder, found {found} in it"
        )


def _outcomes(path: Path, made: Header) -> tuple[dict[Training, list[Outcome]], int]:
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
            training, good = training_of(outcome), is_good(outcome)
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


def training_of(outcome: Outcome) -> Training:
    return outcome["candidate"], outcome["seed"]
