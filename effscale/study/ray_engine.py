"""Trainings on a Ray cluster: GPU shares, Kubernetes by KubeRay.

A file of its own, since it imports what the extra `ray` brings.
"""

from __future__ import annotations

import logging
import os
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from effscale.errors import StudyError, first_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from effscale.study.engines import Place

# Read when ray is imported. An address is given up after seconds, not tens of them; and
# what nodes have to say, of the death of one too, stays out of standard output.
os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "4")
os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", "^")

import ray
from ray import cloudpickle

T = TypeVar("T")

#: A worker that dies gives its training back so many times.
_RETRIES = 3


class Ray(Executor):
    """One Ray task a training, with a core and the resources of `--on`."""

    def __init__(self, place: Place) -> None:
        self._options = {"num_cpus": 1, "max_retries": _RETRIES, **place.options}
        try:
            with _hushed():
                ray.init(
                    address=place.address,
                    logging_level=logging.ERROR,
                    log_to_driver=False,
                )
            ray.remote(lambda: None).options(**self._options)  # or refuses them
        except (ConnectionError, ValueError, RuntimeError, TypeError) as error:
            raise StudyError(f"--on {place}: {first_line(error).lower()}") from None
        self._tasks: dict[Future[Any], Any] = {}

    def submit(
        self,
        fn: Callable[..., T],
        /,
        *args: Any,  # noqa: ANN401 - as Executor has them
        **kwargs: Any,  # noqa: ANN401
    ) -> Future[T]:
        cloudpickle.register_pickle_by_value(import_module(fn.__module__))
        reference = ray.remote(fn).options(**self._options).remote(*args, **kwargs)
        future: Future[T] = reference.future()
        self._tasks[future] = reference
        future.add_done_callback(lambda done: self._tasks.pop(done, None))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - Executor's own
        """Leave the cluster; what runs there ends with its driver."""
        del wait
        if cancel_futures:
            for reference in list(self._tasks.values()):
                ray.cancel(reference, force=True)
        ray.shutdown()


@contextmanager
def _hushed() -> Iterator[None]:
    """Nothing on standard error, where Ray's C++ writes past Python."""
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
