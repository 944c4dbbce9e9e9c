"""Trainings on a Dask cluster, or on one that dask-jobqueue starts under SLURM.

A file of its own, since it imports what the extras `dask` and `slurm` bring.
"""

from __future__ import annotations

import logging
import pickle
import signal
import subprocess
from concurrent.futures import Executor, Future
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

import cloudpickle
from distributed import Client, get_worker

from effscale.errors import StudyError, first_line
from effscale.study.engines import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from effscale.study.engines import Place

T = TypeVar("T")

#: What a cluster says no with.
_REFUSALS = (OSError, ValueError, TypeError, RuntimeError, subprocess.SubprocessError)


class Dask(Executor):
    """One Dask task a training, with the worker resources of `--on`."""

    def __init__(
        self,
        client: Client,
        resources: dict[str, Any],
        cluster: Any = None,  # noqa: ANN401 - untyped
    ) -> None:
        self._client, self._cluster = client, cluster
        self._pool = client.get_executor(pure=False, resources=resources or None)

    def submit(
        self,
        fn: Callable[..., T],
        /,
        *args: Any,  # noqa: ANN401 - as Executor has them
        **kwargs: Any,  # noqa: ANN401
    ) -> Future[T]:
        travelling = ByValue(trained), ByValue(fn)
        future: Future[T] = self._pool.submit(*travelling, *args, **kwargs)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - Executor's own
        """Leave the cluster; end what runs there, where futures are to be cancelled."""
        self._pool.shutdown(wait=wait and not cancel_futures)
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()


class ByValue:
    """A function that unpickles as itself where effscale is not installed, too."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        cloudpickle.register_pickle_by_value(import_module(function.__module__))
        self.pickled: bytes = cloudpickle.dumps(function)

    def __call__(self, *args: Any) -> Any:  # noqa: ANN401
        return self.function(*args)

    def __reduce__(self) -> tuple[Callable[[bytes], Any], tuple[bytes]]:
        return pickle.loads, (self.pickled,)


def trained(run: Callable[..., T], job: dict[str, Any]) -> T:
    """What `run` makes of the job; ended once the scheduler asks for it no more.

    A thread of a worker cannot be stopped from outside. But the worker knows whether
    its task is still wanted: not when it was cancelled, nor when the client is gone.
    """
    worker = get_worker()
    key = worker.get_current_task()

    def wanted() -> bool:
        found = worker.state.tasks.get(key)
        return found is not None and found.state == "executing"

    return run(job, wanted)


def connected(place: Place) -> Dask:
    """The executor of a cluster that runs."""
    _quiet()
    try:
        client = Client(place.address, timeout=PATIENCE, set_as_default=False)
    except _REFUSALS as error:
        raise _refused(place, error) from None
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    offered = {name for each in workers for name in each["resources"]}
    if workers and (missing := sorted(set(place.options) - offered)):
        client.close()
        raise StudyError(f"--on {place}: no worker there offers {', '.join(missing)}")
    return Dask(client, place.options)


def submitted(place: Place) -> Dask:
    """The executor of workers that wait in SLURM's queue."""
    _quiet()
    cluster = slurm(place)
    try:
        _accepted(cluster.job_script(), place)
        jobs = place.options.get("jobs", 1)
        cluster.adapt(minimum_jobs=jobs, maximum_jobs=jobs)  # those that end, anew
        client = Client(cluster, timeout=PATIENCE, set_as_default=False)
    except BaseException as error:
        cluster.close()
        if isinstance(error, _REFUSALS):
            raise _refused(place, error) from None
        raise
    return Dask(client, {}, cluster)


def _accepted(text: str, place: Place) -> None:
    """Refuse a script that SLURM would refuse: dask-jobqueue would wait for ever."""
    test = ["sbatch", "--test-only"]
    done = subprocess.run(  # noqa: S603 - SLURM's own
        test, input=text, text=True, capture_output=True, timeout=60, check=False
    )
    if done.returncode:
        raise _refused(place, RuntimeError(done.stderr))


def script(place: Place) -> str:
    """What is submitted for each of the jobs: a script for `sbatch`."""
    cluster = slurm(place)
    try:
        text: str = cluster.job_script()
    finally:
        cluster.close()
    return text


def slurm(place: Place) -> Any:  # noqa: ANN401 - untyped
    """dask-jobqueue's cluster, with no job yet; the site's own defaults are its file's.

    Raises:
        StudyError: with what it says of the options.
    """
    ours = signal.getsignal(signal.SIGINT)
    from dask_jobqueue import SLURMCluster

    signal.signal(signal.SIGINT, ours)  # Ctrl-C is no success, as it has it on import
    given = {key: value for key, value in place.options.items() if key != "jobs"}
    try:
        return SLURMCluster(**given)
    except _REFUSALS as error:
        raise _refused(place, error) from None


def _quiet() -> None:
    """Workers that come and go are the cluster's matter; effscale logs nothing."""
    logging.disable(logging.ERROR)


def _refused(place: Place, error: Exception) -> StudyError:
    said = first_line(error).lower().removesuffix(", for example:")
    return StudyError(f"--on {place}: {said}")
