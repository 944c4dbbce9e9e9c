"""Places where trainings run: an executor for each `--on`, this machine's here."""

from __future__ import annotations

import os
import socket
import threading
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl

from effscale.errors import StudyError, refusal, short

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
Options = dict[str, Any]

#: What each engine needs beside effscale: the extra of the same name brings it.
NEEDS = {"local": "", "ray": "ray", "dask": "distributed", "slurm": "dask_jobqueue"}
FORMS = "local, ray:ADDRESS, dask:ADDRESS or slurm:OPTIONS"
#: Ray's addresses that name no host: the cluster of this machine, or one of its own.
NAMES = {"auto", "local"}
#: Seconds in which an address must answer.
PATIENCE = 5.0


@dataclass(frozen=True)
class Place:
    """An engine, the address of its cluster, and its options."""

    engine: str
    address: str
    options: Options

    def __str__(self) -> str:
        place = f"{self.engine}:{self.address}" if self.address else self.engine
        given = "&".join(f"{key}={value}" for key, value in self.options.items())
        mark = "?" if self.address else ":"
        return f"{place}{mark}{given}" if given else place


def where(text: str) -> Place:
    """What `--on` says: `local:jobs=4`, `ray:HOST:6379?num_gpus=0.5`, `slurm:queue=q`.

    Raises:
        StudyError: for anything else.
    """
    engine, _, rest = text.partition(":")
    if engine not in NEEDS:
        raise StudyError(f"expected {FORMS}, got {short(text)}")
    address, mark, query = rest.partition("?")
    if engine in {"local", "slurm"}:
        address, query = ("", f"{address}{mark}{query}")
    try:
        given = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        message = "options as key=value, with & between them"
        raise StudyError(f"expected {message}, got {short(query)}") from None
    if engine in {"ray", "dask"} and not address:
        raise StudyError(f"expected {engine}:ADDRESS, got {short(text)}")
    options = {key: _number(value) for key, value in given}
    if engine == "local":
        _check_local(options)
    return Place(engine, address, options)


def installed(place: Place) -> None:
    """Refuse a place whose library is not installed.

    Raises:
        StudyError: naming the extra that brings it.
    """
    needed = NEEDS[place.engine]
    if needed and find_spec(needed) is None:
        brings = f"pip install 'effscale[{place.engine}]' brings it"
        raise StudyError(f"--on {place.engine} needs {needed}; {brings}")


def check(place: Place) -> None:
    """Refuse a place whose library is not installed, or that nobody answers at.

    Raises:
        StudyError: within ten seconds, where engines themselves take minutes.
    """
    installed(place)
    from shutil import which

    if place.engine == "slurm" and which("sbatch") is None:
        raise StudyError("--on slurm: expected sbatch on this machine, found none")
    if place.address and place.address not in NAMES:
        _reach(place.address, place)


def connect(place: Place, trainings: int) -> Executor:
    """The executor at that place, for so many trainings.

    Raises:
        StudyError: if it cannot be had: within ten seconds.
    """
    match place.engine:
        case "ray":
            from effscale.study.ray_engine import Ray

            return Ray(place)
        case "dask":
            from effscale.study.dask_engine import connected

            return connected(place)
        case "slurm":
            from effscale.study.dask_engine import submitted

            return submitted(place)
        case _:
            return local(place, trainings)


def local(place: Place, trainings: int) -> Local:
    """This machine: as many trainings at once as it has GPUs, or else cores.

    Or as many as have that many GPUs `each`, as `train --devices` takes.
    """
    gpus = devices()
    if "gpus" in place.options:
        gpus = [str(index) for index in range(place.options["gpus"])]
    if (each := place.options.get("each", 1)) > 1:
        starts = range(0, len(gpus) - each + 1, each)
        gpus = [",".join(gpus[first : first + each]) for first in starts]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    cores = cores or os.cpu_count() or 1
    jobs = place.options.get("jobs") or len(gpus) or cores
    jobs = max(1, min(jobs, trainings))
    return Local(jobs, max(1, cores // jobs), gpus)


def _check_local(options: Options) -> None:
    for key, value in options.items():
        if key not in {"jobs", "gpus", "each"}:
            raise StudyError(f"expected local:jobs=N, got {short(key)}")
        if not isinstance(value, int) or value < (key != "gpus"):
            raise StudyError(f"expected a whole number of {key}, got {value!r}")


def devices() -> list[str]:
    """The GPUs that trainings may use, as `CUDA_VISIBLE_DEVICES` names them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [each for each in visible.split(",") if each not in {"", "-1"}]
    here = Path("/proc/driver/nvidia/gpus")
    return [str(n) for n, _ in enumerate(here.iterdir())] if here.is_dir() else []


class Local(Executor):
    """Threads of this process, each waiting for one training, with a GPU if any."""

    def __init__(self, jobs: int, threads: int, gpus: list[str]) -> None:
        self.jobs, self._threads = jobs, threads
        self._pool = ThreadPoolExecutor(jobs, thread_name_prefix="training")
        self._ending = threading.Event()
        self._slots: SimpleQueue[dict[str, str]] = SimpleQueue()
        for index in range(jobs):
            own = {"CUDA_VISIBLE_DEVICES": gpus[index % len(gpus)]} if gpus else {}
            self._slots.put(own)

    def submit(
        self,
        fn: Callable[..., T],
        /,
        *args: Any,  # noqa: ANN401 - as Executor has them
        **kwargs: Any,  # noqa: ANN401
    ) -> Future[T]:
        return self._pool.submit(self._run, fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - Executor's own
        """Wait for what runs; or end it, where futures are to be cancelled."""
        if cancel_futures:
            self._ending.set()
        self._pool.shutdown(wait, cancel_futures=cancel_futures)

    def _run(self, fn: Callable[..., T], job: Options) -> T:
        slot = self._slots.get()
        try:
            given = {**job, "threads": self._threads, "variables": slot}
            return fn(given, lambda: not self._ending.is_set())
        finally:
            self._slots.put(slot)


def _reach(address: str, place: Place) -> None:
    host, _, port = address.rpartition("://")[2].rpartition(":")
    try:
        socket.create_connection((host, int(port)), PATIENCE).close()
    except (OSError, ValueError, OverflowError) as error:
        message = f"--on {place.engine}: expected a cluster at {address}, found none"
        raise StudyError(f"{message}: {refusal(error)}") from None


def _number(text: str) -> Any:  # noqa: ANN401 - a number where it reads as one
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
