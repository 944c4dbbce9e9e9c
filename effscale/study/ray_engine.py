"""Trainings on a Ray cluster: GPU shares, Kubernetes by KubeRay.

A file of its own, since it imports what the extra `ray` brings.
"""

from __future__ import annotations

import atexit
import logging
import os
import socket
import threading
import time
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

#: Seconds between two looks at the head, and of silence that mean it is gone.
_LOOK, _SILENCE = 1.0, 4.0
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
        self._ended, self._gone = threading.Event(), False
        head = str(ray.get_runtime_context().gcs_address)
        threading.Thread(target=self._watch, args=[head], daemon=True).start()

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
        self._ended.set()
        if self._gone:
            # To take leave of it Ray would wait a minute; without, its C++ crashes as
            # Python ends. So nothing of either is left to end.
            atexit.register(os._exit, 1)
            return
        if cancel_futures:
            for reference in list(self._tasks.values()):
                ray.cancel(reference, force=True)
        ray.shutdown()

    def _watch(self, head: str) -> None:
        """Cancel all once the head has been silent for a while.

        Ray itself waits for a minute, and then ends this process.
        """
        heard = time.monotonic()
        while not self._ended.wait(_LOOK):
            if _answers(head):
                heard = time.monotonic()
            elif time.monotonic() - heard > _SILENCE:
                self._gone = True
                for future in list(self._tasks):
                    future.cancel()
                return


def _answers(head: str) -> bool:
    host, _, port = head.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _LOOK).close()
    except (OSError, ValueError):
        return False
    return True


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
