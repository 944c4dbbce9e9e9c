"""Clocks: of runs, each of which ends when the device is done, and of modules within.

A device beside the CPU works off what it was handed while Python goes on. A stopwatch
waits for it before it reads the host's clock; CUDA's events are read by the device.
"""

from __future__ import annotations

import math
import time
from contextlib import contextmanager, nullcontext
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

import torch

from effscale.choices import is_cuda

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

#: Runs are timed in blocks of so many seconds at least, so that waiting does not count.
BLOCK = 1e-3
#: Two tries this far apart are of a machine that has not settled; tries at most.
SETTLED, TRIES = 0.03, 8
#: Runs before a capture, in which libraries choose and allocate.
WARM = 3
#: Cycles in a second in which a device is kept from work: about those of an H100.
CYCLES = 1.8e9
#: Modules of which a device takes the events, beside all else, before it has to work.
AT_ONCE = 120


def is_there(kind: str) -> bool:
    """Whether torch finds a device of this kind here: `cpu`, `cuda`, `mps`, `xpu`."""
    if kind == "cpu":
        return True
    backend = torch.backends.mps if kind == "mps" else getattr(torch, kind, None)
    return backend is not None and bool(backend.is_available())


def waiting(device: str) -> Callable[[], None]:
    """What waits until a device has done all that it was handed."""
    kind = device.partition(":")[0]
    match kind:
        case "cpu":
            return _nothing
        case "mps":
            return torch.mps.synchronize
        case _:
            return partial(getattr(torch, kind).synchronize, device)


def _nothing() -> None:
    """A CPU is done when the call returns."""


def chosen(device: str) -> AbstractContextManager[Any]:
    """The device as the one that streams and events are of, where there are several."""
    if is_cuda(device):
        return torch.cuda.device(device)
    return nullcontext()


class Stopwatch:
    """Times calls of `run` in blocks; the device is done at the end of each."""

    def __init__(self, run: Callable[[], object], device: str) -> None:
        self._run, self._wait = run, waiting(device)
        self._number = 1

    def block(self) -> float:
        """Seconds that a run takes, of a block of them."""
        run = self._run
        self._wait()
        start = time.perf_counter()
        for _ in range(self._number):
            run()
        self._wait()
        return (time.perf_counter() - start) / self._number

    def settle(self, seconds: float) -> float:
        """Run until runs take what they took before, for some `seconds` at most.

        The first ones, after compiling and on a device that is cold, take longer. A try
        is the median of its runs; of two that agree the shorter is given.
        """
        before = math.inf
        self.block()
        for _ in range(TRIES):
            now = median(self.runs(seconds / TRIES, least=3))
            self._number = max(1, math.ceil(BLOCK / max(now, 1e-9)))
            if abs(now / before - 1) <= SETTLED:
                return min(now, before)
            before = now
        return before

    def runs(self, seconds: float, *, least: int = 1) -> list[float]:
        """Seconds of a run, of each block that goes into so many seconds."""
        found = list[float]()
        end = time.perf_counter() + seconds
        while len(found) < least or time.perf_counter() < end:
            found.append(self.block())
        return found


def captured(run: Callable[[], object]) -> Callable[[], None]:
    """A replay of all that one call hands to CUDA, as one graph: one launch for all.

    Raises:
        RuntimeError: if something in it cannot be captured.
    """
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM):
            run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    numbers = torch.cuda.default_generators[torch.cuda.current_device()]
    before = numbers.clone_state()
    # A capture that fails would keep the stream, and random numbers to itself.
    with torch.cuda.stream(torch.cuda.current_stream()):
        try:
            with torch.cuda.graph(graph):
                run()
        except RuntimeError:
            numbers.graphsafe_set_state(before)
            raise
    return graph.replay


class Hooks:
    """Notes the moments at which modules are called and return, while it is open."""

    def __init__(
        self, modules: Iterable[torch.nn.Module], moment: Callable[[], Any]
    ) -> None:
        self._modules, self._moment = list(modules), moment

    @contextmanager
    def open(self) -> Iterator[list[list[Any]]]:
        """For each module, the moments of its calls: before and after each."""
        calls: list[list[Any]] = [[] for _ in self._modules]
        hooks = []
        for module, into in zip(self._modules, calls, strict=True):
            note = partial(_note, into, self._moment)
            hooks.append(module.register_forward_pre_hook(note))
            hooks.append(module.register_forward_hook(note))
        try:
            yield calls
        finally:
            for each in hooks:
                each.remove()


def _note(into: list[Any], moment: Callable[[], Any], *_: object) -> None:
    into.append(moment())


def on_host(
    run: Callable[[], object], modules: Sequence[torch.nn.Module]
) -> tuple[float, list[list[float]]]:
    """Seconds of a run by the host's clock, and of each call of the modules."""
    with Hooks(modules, time.perf_counter).open() as calls:
        start = time.perf_counter()
        run()
        whole = time.perf_counter() - start
    return whole, [
        [end - begin for begin, end in zip(each[::2], each[1::2], strict=True)]
        for each in calls
    ]


def on_cuda(
    run: Callable[[], object], modules: Sequence[torch.nn.Module], ahead: float
) -> tuple[float, list[list[float]]]:
    """Seconds of a run by the device's own clock, and of each call of the modules.

    The device waits for `ahead` seconds, while it is handed all of the run, so that it
    never waits within. It is handed only so much at once: few modules are timed in one
    run.
    """
    whole, _ = _by_events(run, [], ahead)
    found = list[list[float]]()
    for first in range(0, len(modules), AT_ONCE):
        _, taken = _by_events(run, modules[first : first + AT_ONCE], ahead)
        found += taken
    return whole, found


def _by_events(
    run: Callable[[], object], modules: Sequence[torch.nn.Module], ahead: float
) -> tuple[float, list[list[float]]]:
    with Hooks(modules, _event).open() as calls:
        torch.cuda._sleep(int(CYCLES * ahead))  # noqa: SLF001 - torch's own tests do
        start = _event()
        run()
        end = _event()
    torch.cuda.synchronize()
    return _between(start, end), [
        [_between(*pair) for pair in zip(each[::2], each[1::2], strict=True)]
        for each in calls
    ]


def _event() -> torch.cuda.Event:
    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return event


def _between(start: torch.cuda.Event, end: torch.cuda.Event) -> float:
    return float(start.elapsed_time(end)) / 1000
