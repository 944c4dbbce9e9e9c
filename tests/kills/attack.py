"""Commands ended while they write: by signals at many points, and by a full disk.

A command runs up to where it begins to write; from there it is forked, once for each
way to end it, so that what comes before is done once.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shlex
import shutil
import signal
import stat
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from effscale import atomic_write
from effscale.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import FrameType

    from tests.kills.cases import Case

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP)
#: Contents of files that are written whole, by the functions whose blocks these are.
_BLOCKS = {
    getattr(each, "__wrapped__").__code__  # noqa: B009
    for each in (atomic_write.whole, atomic_write.replacing)
}
#: Sizes at which a disk is full, as shares of what is written.
FULL = 8
#: Times that a command is run anew over what killed ones left.
ANEW = 3


@dataclass
class Found:
    """What became of a case."""

    name: str
    events: int = 0  #: calls and returns while it writes
    ended: Counter[str] = field(default_factory=Counter)  #: runs, by how they end
    left: int = 0  #: runs of SIGKILL that left a temporary file, as they may
    wrong: list[str] = field(default_factory=list)


class _Watch:
    """Counts calls and returns while a file is written, and ends the run at one."""

    def __init__(self, first: Callable[[], None], *, always: bool = False) -> None:
        self.first: Callable[[], None] | None = first
        self.always = always
        self.open = set[int]()
        self.events = 0
        self.ended = False
        self.end: tuple[int, signal.Signals] | None = None

    def __call__(self, frame: FrameType, event: str, arg: Any) -> None:  # noqa: ANN401
        if frame.f_code in _BLOCKS:
            if event == "return" and arg is None:
                self.open.discard(id(frame))
            elif event == "call":
                self.open.add(id(frame))
                if self.first is not None:
                    first, self.first = self.first, None
                    first()
        begun = self.first is None
        if self.open or (self.always and begun):
            self.events += 1
            if self.end is not None and self.events == self.end[0]:
                self.ended = True
                sys.setprofile(None)
                os.kill(os.getpid(), self.end[1])


@dataclass(frozen=True)
class _Way:
    """How a run ends: by a signal at an event, by a full disk, or by itself."""

    end: tuple[int, signal.Signals] | None = None
    limit: int | None = None  #: bytes that a file may have
    anew: bool = False  #: over what a killed run has left

    @property
    def signal(self) -> signal.Signals | None:
        return None if self.end is None else self.end[1]

    def __str__(self) -> str:
        if self.end is not None:
            return f"{self.end[1].name} at {self.end[0]}"
        return "anew" if self.anew else "whole" if self.limit is None else "full disk"


@dataclass
class _Attack:
    """A command, forked from where it begins to write."""

    case: Case
    folder: Path
    points: int
    piped: bool = False  #: whether the file is a pipe, which is to stay one
    watch: _Watch = field(init=False)
    found: Found = field(init=False)
    telling: int = -1  #: where a run tells how many events it has met
    base: frozenset[str] = frozenset()
    new: dict[str, bytes] = field(default_factory=dict)
    used: frozenset[str] = frozenset()  #: what a whole run leaves in the folder
    left: bool = False

    def __post_init__(self) -> None:
        self.watch = _Watch(self.begin, always=self.case.is_folder)
        self.found = Found(f"{self.case.name}{' into a pipe' if self.piped else ''}")

    @property
    def target(self) -> Path:
        return self.folder / self.case.target.rstrip("/")

    def begin(self) -> None:
        """Go on in forks alone, each to end in its way; tell what became of them."""
        self.base = self.names()
        for way in self.ways():
            if not way.anew:
                self.restore()
            told, telling = os.pipe()
            heard, saying = os.pipe()
            child = os.fork()
            if not child:
                os.close(told)
                os.dup2(saying, 2)
                self.become(way, telling)
                return
            os.close(telling)
            os.close(saying)
            self.judge(way, child, _read(told), _read(heard).decode(errors="replace"))
        with os.fdopen(self.telling, "wb") as file:
            file.write(json.dumps(vars(self.found)).encode())
        os._exit(0)

    def become(self, way: _Way, telling: int) -> None:
        """In a fork: end in that way."""
        self.telling, self.watch.end = telling, way.end
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
        _hear_signals()
        if way.limit is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (way.limit, way.limit))

    def ways(self) -> Iterator[_Way]:
        """A whole run, then signals at points of it, then full disks."""
        yield _Way()
        events, again = self.found.events, 0
        for number in SIGNALS:
            for k in range(self.points):
                yield _Way((1 + (events - 1) * k // max(1, self.points - 1), number))
                if self.left and again < ANEW:
                    again += 1
                    yield _Way(anew=True)
        most = max(map(len, self.new.values()), default=0)
        if not (self.piped or self.case.is_folder):
            for k in range(FULL):
                yield _Way(limit=most * k // FULL)
        yield _Way(anew=True)

    def content(self) -> dict[str, bytes]:
        """What is in the files that the command writes."""
        found = dict[str, bytes]()
        for each in () if self.piped else self.case.written:
            path = self.folder / each
            files = sorted(path.rglob("*")) if path.is_dir() else [path]
            for file in filter(os.path.isfile, files):
                found[str(file.relative_to(self.folder))] = file.read_bytes()
        return found

    def names(self) -> frozenset[str]:
        """Every path in the folder."""
        found = (str(each.relative_to(self.folder)) for each in self.folder.rglob("*"))
        return frozenset(found)

    def restore(self) -> None:
        """The folder as it was."""
        own = {*self.case.written} - {*self.base}
        for each in sorted({*self.names()} - self.base | own, reverse=True):
            path = self.folder / each
            if path.is_dir():
                shutil.rmtree(path)
            elif not path.is_fifo():
                path.unlink(missing_ok=True)
        self.case.lay(self.folder, piped=self.piped)

    def judge(self, way: _Way, child: int, events: bytes, said: str) -> None:
        """Note how a run has ended, and what is wrong with it."""
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        if not self.found.events:
            self.found.events = int(events or b"0")
            self.new, self.used = self.content(), self.names()
        name = "whole" if code in self.case.exits else str(way).partition(" at")[0]
        self.found.ended[name] += 1
        wrong = [*self._exit(way, code, said), *self._files(), *self._left(way)]
        self.found.wrong += [f"{way}: exit {code}: {each}" for each in wrong]

    def _exit(self, way: _Way, code: int, said: str) -> Iterator[str]:
        allowed = {*self.case.exits}
        if way.signal is signal.SIGKILL:
            allowed |= {-way.signal}
        elif way.signal is not None:
            allowed |= {128 + way.signal, -way.signal}  # or when it was over
        elif way.limit is not None:
            allowed |= {1}
        if code not in allowed or "Traceback" in said:
            yield said.strip()[-300:] or "ended so"
        if way.limit is not None and code == 1 and len(said.splitlines()) > 1:
            yield f"expected a line, got {said!r}"

    def _files(self) -> Iterator[str]:
        if self.piped:
            if not stat.S_ISFIFO(self.target.lstat().st_mode):
                yield "the pipe is none any more"
            return
        old = self.case.before
        for name, content in self.content().items():
            known = {self.new.get(name), None if old is None else old.encode()}
            if content not in known and not self.case.is_whole(name, content):
                yield f"{name} is torn: {len(content)} bytes"
        if old is not None and not self.target.exists():
            yield "the file is gone"

    def _left(self, way: _Way) -> Iterator[str]:
        more = {each for each in self.names() - self.used if not self._is_ours(each)}
        self.left = bool(more)
        if more and way.signal is signal.SIGKILL:
            self.found.left += 1
        elif more:
            yield f"left {', '.join(sorted(more))}"

    def _is_ours(self, name: str) -> bool:
        """Whether it is of a study's folder, of which each run has its own."""
        return self.case.is_folder and name.startswith(self.case.target)


def _read(handle: int) -> bytes:
    with os.fdopen(handle, "rb") as file:
        return file.read()


def _hear_signals() -> None:
    """Hear signals as the program does that was not forked."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        handler: Any = signal.getsignal(number)
        if callable(handler):
            cells = zip(
                handler.__code__.co_freevars, handler.__closure__ or (), strict=True
            )
            for name, cell in cells:
                if name == "ours":
                    cell.cell_contents = os.getpid()


def _watched(watch: _Watch) -> None:
    """Have the program watched from where it begins to write; before, it is quick."""
    for each in (atomic_write.whole, atomic_write.replacing):
        for cell in getattr(each, "__closure__"):  # noqa: B009
            cell.cell_contents = _from_here(watch, cell.cell_contents)


def _from_here(
    watch: _Watch, block: Callable[..., Iterator[Any]]
) -> Callable[..., Iterator[Any]]:
    def watched(*given: Any) -> Iterator[Any]:  # noqa: ANN401
        if not watch.ended:
            sys.setprofile(watch)
        yield from block(*given)

    return watched


def _start(attack: _Attack, telling: int) -> NoReturn:
    """In a fork: run the command, which is forked again where it begins to write."""
    code = 70
    try:
        os.chdir(attack.folder)
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        attack.telling = telling
        arguments = [
            attack.case.target.rstrip("/") if each == "OUT" else each
            for each in shlex.split(attack.case.arguments)
        ]
        _watched(attack.watch)
        try:
            main(args=arguments, prog_name="effscale")
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 70
        except KeyboardInterrupt:  # heard when the program was at its end
            code = 128 + (attack.watch.end or (0, 0))[1]
        finally:
            sys.setprofile(None)
        with contextlib.suppress(OSError):
            os.write(attack.telling, str(attack.watch.events).encode())
    finally:
        os._exit(code)


def attacked(case: Case, folder: Path, points: int, *, piped: bool = False) -> Found:
    """What becomes of a case: so many points of each signal, and full disks."""
    attack = _Attack(case, folder, points, piped)
    case.lay(folder, piped=piped)
    told, telling = os.pipe()
    with _drained(attack.target if piped else None):
        child = os.fork()
        if not child:
            os.close(told)
            _start(attack, telling)
        os.close(telling)
        text = _read(told)
        os.waitpid(child, 0)
    try:
        given = json.loads(text)
        return Found(**{**given, "ended": Counter(given["ended"])})
    except (ValueError, TypeError):
        return Found(attack.found.name, wrong=[f"never wrote: {text[:200]!r}"])


@contextlib.contextmanager
def _drained(pipe: Path | None) -> Iterator[None]:
    """Read all that is written to a pipe."""
    if pipe is None:
        yield
        return
    handle, done = os.open(pipe, os.O_RDWR | os.O_NONBLOCK), threading.Event()

    def drain() -> None:
        while not done.wait(0.002):
            with contextlib.suppress(BlockingIOError):
                while os.read(handle, 2**16):
                    pass

    reader = threading.Thread(target=drain)
    reader.start()
    try:
        yield
    finally:
        done.set()
        reader.join()
        os.close(handle)
