"""One attempt at one training: a process between whoever asked for it and the command.

A file of its own, since its text is sent to where a training runs and run by the Python
there; so it keeps to the standard library. When whoever asked is gone its standard
input ends, and with it the command and all that the command has started; on Linux also
what has made itself a daemon.
"""

from __future__ import annotations

import json
import math
import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

Outcome = dict[str, Any]

#: Of what a command writes: bytes of its answer, and of its log where that travels.
MOST_JSON, MOST_LOG, MOST_LINE = 2**20, 2**16, 200
MOST_ACCURATE = 1e9
SPEC, ANSWER, KEPT = "spec.yaml", "out.json", "outcome.json"
#: By what an outcome is of its training and attempt; epochs where they are set.
KNOWN = ("candidate", "seed", "epochs", "attempt")
#: Linux's prctl: orphans of this process's children become its own.
PR_SET_CHILD_SUBREAPER = 36
#: Seconds in which those that were killed are gone.
MOST_DYING = 5.0
#: What a system says, and programs repeat, of a disk that takes no more.
FULL = ("no space left on device", "disk quota exceeded")


def log_of(attempt: int, epochs: int) -> str:
    """The file of what the command prints in that attempt."""
    up_to = f"epochs-{epochs}-" if epochs else ""
    return f"{up_to}attempt-{attempt}.log"


def main(job: Outcome) -> None:
    """Write the job's outcome to standard output, in a line of its own."""
    adopt()
    outcome = attempt(job)
    if outcome is not None:
        sys.stdout.write(json.dumps(outcome) + "\n")


def attempt(job: Outcome) -> Outcome | None:
    """What became of the training; None if it was ended because nobody waits for it."""
    said: Outcome = {key: job[key] for key in KNOWN if key in job}
    home, shared = _home(job)
    try:
        return _attempt(job, home, shared=shared, said=said)
    except OSError as error:
        what = (error.strerror or str(error)).lower()
        reason = f"{error.filename}: {what}" if error.filename else what
        return {**said, "status": "failed", "reason": reason, "of_the_disk": True}
    finally:
        if not shared:
            import shutil

            shutil.rmtree(home, ignore_errors=True)


def _attempt(
    job: Outcome, home: Path, *, shared: bool, said: Outcome
) -> Outcome | None:
    kept = home / KEPT
    if found := kept_outcome(kept, job):  # it ended well when nobody listened any more
        return found
    answer, log = home / ANSWER, home / log_of(job["attempt"], job.get("epochs", 0))
    for each in (home / SPEC, answer, log):
        if each == answer or not each.is_file():  # a pipe would be waited for
            each.unlink(missing_ok=True)
    (home / SPEC).write_text(job["spec"], encoding="utf-8")
    began = time.time()
    reason, alone = _run(job, home, log)
    ended = time.time()
    said |= {"host": os.uname().nodename, "seconds": round(ended - began, 3)}
    said |= {"ended": round(ended, 3), "peak_memory": _peak_memory()}
    if not reason:
        try:
            said |= {"status": "ok", **_answer(answer, share=bool(job.get("share")))}
        except ValueError as error:
            reason = str(error)
    if reason:
        if alone:
            return None
        said |= {"status": "failed", "reason": reason}
        if any(each in _tail(log).lower() for each in FULL):
            said["of_the_disk"] = True
    elif shared:
        _write(kept, json.dumps(said))
    if not shared:
        said["output"] = _tail(log)
    return said


def kept_outcome(kept: Path, job: Outcome) -> Outcome | None:
    """The good outcome of this training that is in the file; none if there is none."""
    try:
        found = json.loads(_read(kept, MOST_JSON))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or found.get("status") != "ok":
        return None
    of = KNOWN[:-1]
    known = all(found.get(key) == job.get(key) for key in of)
    numbers = all(_is_number(found.get(key, 0)) for key in ("seconds", "accuracy"))
    good = known and numbers and "accuracy" in found
    return found if good and type(found.get("attempt")) is int else None


def _home(job: Outcome) -> tuple[Path, bool]:
    """The training's own folder: within the study if that is there, or else aside."""
    study = Path(job["study"])
    with suppress(OSError, ValueError):
        if json.loads((study / "study.json").read_text("utf-8"))["id"] == job["id"]:
            home = study / job["home"]
            home.mkdir(parents=True, exist_ok=True)
            return home, True
    import tempfile  # what is imported takes as long as all else that a guard does

    return Path(tempfile.mkdtemp(prefix="effscale-")), False


def _run(job: Outcome, home: Path, log: Path) -> tuple[str, bool]:
    """Why the command failed, empty if it did not; and whether nobody waits for it."""
    values: Outcome = {"spec": home / SPEC, "out": home / ANSWER, "dir": home}
    values |= {"seed": job["seed"], "epochs": job.get("epochs", 0)}
    words = fill(job["words"], values)
    where = job["folder"] if Path(job["folder"]).is_dir() else home
    with log.open("ab") as output:
        try:
            child = subprocess.Popen(  # noqa: S603 - the user's own command
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=where,
                env=environment(job),
                start_new_session=True,
            )
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            return f"{words[0]}: cannot be run: {reason}", False
    with suppress(BrokenPipeError):  # of one who is gone, standard input ends as well
        sys.stdout.write(f"{child.pid}\n")  # whom to end, should this process be
        sys.stdout.flush()
    ended = _Ended(child.pid)
    threading.Thread(target=ended.when_alone, daemon=True).start()
    limit = min(job["timeout"] or threading.TIMEOUT_MAX, threading.TIMEOUT_MAX)
    clock = threading.Timer(limit, ended.when_late)
    clock.daemon = True
    clock.start()
    code = child.wait()
    end(child.pid)  # what it has left running
    end_orphans()
    if ended.late and code:
        return f"over its time limit of {job['timeout']:g} s", ended.alone
    return _reason(code, log), ended.alone


def _peak_memory() -> int:
    """Bytes that the largest process of the command has had."""
    import resource

    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


class _Ended:
    """Ends a group of processes, and knows why it did."""

    def __init__(self, group: int) -> None:
        self.group, self.alone, self.late = group, False, False

    def when_alone(self) -> None:
        """End it once standard input has ended."""
        while os.read(0, 2**16):
            pass
        self.alone = True
        end(self.group)

    def when_late(self) -> None:
        self.late = True
        end(self.group)


def end(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def adopt() -> None:
    """Have daemons of the command become children of this process, where one can."""
    if sys.platform == "linux":
        with suppress(ImportError, OSError, AttributeError):
            import ctypes

            ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_orphans() -> None:
    """Kill all children, and theirs, which become this process's when they are."""
    until = time.monotonic() + MOST_DYING
    while time.monotonic() < until:
        for process in _children(os.getpid()):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.01)
        except ChildProcessError:
            return


def _children(of: int) -> list[int]:
    found = []
    for each in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            # A name in brackets, which may hold brackets; behind it: state, parent.
            if int(each.read_bytes().rpartition(b")")[2].split()[1]) == of:
                found.append(int(each.parent.name))
    return found


def fill(words: list[str], values: dict[str, object]) -> list[str]:
    """The words of a command, each `{name}` that is known replaced."""
    values = {"python": sys.executable, **values}
    name = re.compile("{(" + "|".join(values) + ")}")
    return [name.sub(lambda match: str(values[match[1]]), word) for word in words]


def environment(job: Outcome) -> dict[str, str]:
    """The variables that a training sees.

    Its output comes at once. Threads are as many as its share of the machine: two
    trainings of two threads each on two cores are ten times as slow, since OpenMP
    spins. Dask's workers set a threshold by which torch takes 2.6 times as long.
    """
    variables = {**os.environ, "PYTHONUNBUFFERED": "1", **job.get("variables", {})}
    variables.pop("MALLOC_TRIM_THRESHOLD_", None)
    if threads := job.get("threads"):
        variables.setdefault("OMP_NUM_THREADS", str(threads))
    return variables


def _reason(code: int, log: Path) -> str:
    if code == 0:
        return ""
    if code < 0:
        memory = ", as by a machine out of memory" if -code == signal.SIGKILL else ""
        return f"killed by signal {-code}{memory}"
    text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", _tail(log))  # colours
    lines = [
        "".join(filter(str.isprintable, line)).strip() for line in text.splitlines()
    ]
    last = next((f": {line[:MOST_LINE]}" for line in reversed(lines) if line), "")
    return f"exit {code}{last}"


def _tail(log: Path) -> str:
    try:
        return _read(log, MOST_LOG, end=True).decode("utf-8", "replace")
    except (OSError, ValueError):  # the command has removed it, or put a pipe there
        return ""


def _read(path: Path, most: int, *, end: bool = False) -> bytes:
    """The start of a file, or its end, and no more: what is none is not waited for.

    Raises:
        ValueError: if it is no file, or has more to be read from its start.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as file:
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode):
            raise ValueError("expected a file, got a pipe or a device")
        if end:
            file.seek(max(0, about.st_size - most))
            return file.read(most)
        text = file.read(most + 1)
    if len(text) > most:
        raise ValueError(f"expected at most {most:,} bytes of JSON")
    return text


def _answer(path: Path, *, share: bool) -> Outcome:
    """What the command has written, and the accuracy in it: a `share` is 0 to 1.

    Raises:
        ValueError: with what is wrong with it.
    """
    try:
        text = _read(path, MOST_JSON)
    except FileNotFoundError:
        raise ValueError("exit 0, but nothing is written to {out}") from None
    except IsADirectoryError:
        raise ValueError("{out}: expected a file, got a folder") from None
    except ValueError as error:
        raise ValueError(f"{{out}}: {error}") from None
    try:
        result = json.loads(text, parse_constant=str, parse_float=_finite)
    except (ValueError, RecursionError):
        start = text[:40].decode("utf-8", "replace")
        raise ValueError(f"{{out}}: expected JSON, got {start!r}") from None
    accuracy: Any = result.get("accuracy") if isinstance(result, dict) else None
    found = repr(accuracy)[:MOST_LINE]
    if not _is_number(accuracy):
        raise ValueError(f"{{out}}: expected a number as accuracy, got {found}")
    if share and not 0 <= accuracy <= 1:
        hint = "an --objective of your own takes any number"
        raise ValueError(
            f"{{out}}: expected an accuracy from 0 to 1, got {found}; {hint}"
        )
    return {"accuracy": float(accuracy), "result": result}


def _is_number(value: Any) -> bool:  # noqa: ANN401 - of JSON
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and abs(value) <= MOST_ACCURATE


def _finite(text: str) -> float | str:
    return number if math.isfinite(number := float(text)) else text


def _write(path: Path, text: str) -> None:
    """Write a file whole, or not at all, to the disk."""
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
