"""Calibration: what this device takes for what, by networks that are run on it.

Networks of several families, scaled at random, are run as wholes, so that operators
meet the caches as they do in use. On a CPU each operator is timed within them, by hooks
in every other run; what is left of the whole is that of sums, products and rows of
feature maps between them. A reference network runs in turn with each, and times are
multiples of it: what slows the machine for a while slows both. Elsewhere operators
cannot be timed so, and the times of the wholes are explained.

Non-negative least squares of relative errors finds the coefficients.
"""

from __future__ import annotations

import math
import random
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import nnls

from effscale.cost.count import visited
from effscale.cost.latency_model import (
    LEAST_SEEN,
    Error,
    Kind,
    Model,
    Work,
    joined,
    kind_of,
    known_as,
    like,
    work_of,
)
from effscale.errors import CandidateError, MeasureError
from effscale.growth.multipliers import Multipliers
from effscale.growth.scale import load, scale
from effscale.module.latency import (
    Ready,
    Setting,
    latencies,
    machine,
    ready,
    running,
    spec_subjects,
)
from effscale.network.network import network

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from effscale.cost.count import Join
    from effscale.cost.latency_model import Device
    from effscale.network.parts import Network
    from effscale.spec.models import Spec

#: Baselines of the families that a calibration runs.
FAMILIES = (
    *("b0", "mobilenetv3-large", "resnet18", "regnety-400mf"),
    *("efficientnet-lite0", "mnasnet-a1", "resnet50", "mobilenetv2"),
    *("convnext-atto", "ghostnet", "yolov8n-cls", "mobilevit-xxs"),
)
#: Networks of each family at least, without which nothing can be said of its error.
LEAST = 2
#: The network that runs beside each other one, at 160 px.
REFERENCE, SMALLER = "mobilenetv2", Multipliers(resolution=160 / 224)
#: Runs of a network beside the reference at least, at most, and for so many seconds.
ROUNDS, MOST_ROUNDS, SECONDS = 5, 40, 0.5
#: Two times this far apart are of a machine that has not settled.
SETTLED = 0.03
#: How a network is timed alone: seconds for each try, and tries until two agree.
TRY, TRIES = 0.15, 8


@dataclass(frozen=True)
class Timed:
    """A network that was run: what it does, and how long that took."""

    family: str
    work: list[tuple[str, Work]]  #: each operator, and all joins of a kind
    whole: float
    #: Of each operator that was timed alone; None of others, and of joins.
    each: list[float | None]

    @property
    def rest(self) -> float:
        """What the whole took beside the operators that were timed."""
        return self.whole - sum(each or 0.0 for each in self.each)


def setting_of(device: Device) -> Setting:
    """The way in which networks are run on a device."""
    return Setting(
        device.batch,
        device.threads,
        device.dtype,
        device.device,
        device.channels_last,
        device.compiled,
    )


def measured(spec: Spec, device: Device) -> float:
    """Seconds that a network takes, once two tries in a row agree.

    The first rounds after compiling, and on a device that is still cold, are slower.
    """
    setting = setting_of(device)
    (subject,) = spec_subjects([spec], [setting])
    before = math.inf
    for _ in range(TRIES):
        (found,) = latencies([subject], setting, seconds=TRY, rounds=3)
        now = found.whole.median
        if abs(now / before - 1) <= SETTLED:
            return min(now, before)
        before = now
    return before


def as_whole(family: str, spec: Spec, device: Device) -> Timed:
    """A network timed as nothing but a whole."""
    work = [each for each, _ in _work(network(spec), device)]
    return Timed(family, work, measured(spec, device), [None] * len(work))


def _work(net: Network, device: Device) -> list[tuple[tuple[str, Work], str]]:
    """What each operator does, and the path of its module; then the joins of a kind."""
    joins: list[Join] = []
    visits = [
        step for each in visited(net, unroll=True, joins=joins) for step in each.visits
    ]
    of_operators = [
        ((kind_of(step.leaf), work_of(step, device.batch)), step.path)
        for step in visits
    ]
    return of_operators + [(each, "") for each in joined(joins, device.batch)]


class Bench:
    """The reference, ready to run beside each network; and how long its runs took."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.setting = setting_of(device)
        self.runs: list[float] = []
        self._reference = self._ready(scale(load(REFERENCE), SMALLER))

    def _ready(self, spec: Spec) -> Ready:
        (subject,) = spec_subjects([spec], [self.setting])
        return ready(subject, self.setting)

    @property
    def unit(self) -> float:
        """Seconds that the reference takes: the median of all its runs."""
        return median(self.runs)

    def ratio(self, spec: Spec) -> float:
        """How long a network takes, as a multiple of the reference."""
        whole, _ = self._beside(self._ready(spec), [])
        return whole

    def by_operator(self, family: str, spec: Spec) -> Timed:
        """A network and its operators, timed as multiples of the reference."""
        work = _work(network(spec), self.device)
        whole, found = self._beside(self._ready(spec), [path for _, path in work])
        return Timed(family, [each for each, _ in work], whole, found)

    def _beside(
        self, subject: Ready, paths: Sequence[str]
    ) -> tuple[float, list[float | None]]:
        """The whole, and the modules at these paths: medians of the rounds' ratios."""
        clocks = _clocks(subject, paths)
        whole: list[float] = []
        each: list[list[float | None]] = []
        with running(self.setting):
            _seconds(subject)
            end = time.perf_counter() + SECONDS
            while len(whole) < ROUNDS or (
                time.perf_counter() < end and len(whole) < MOST_ROUNDS
            ):
                reference = _seconds(self._reference)
                self.runs.append(reference)
                whole.append(_seconds(subject) / reference)
                for clock in clocks.values():
                    clock.start()
                _seconds(subject)
                for clock in clocks.values():
                    clock.stop()
                each.append(
                    [
                        seconds and seconds / reference
                        for seconds in _taken(clocks, paths)
                    ]
                )
        return median(whole), [_median(found) for found in zip(*each, strict=True)]


def _seconds(subject: Ready) -> float:
    start = time.perf_counter()
    subject.module(*subject.inputs)
    return time.perf_counter() - start


def _median(found: Sequence[float | None]) -> float | None:
    known = [each for each in found if each is not None]
    return median(known) if len(known) == len(found) and known else None


class _Clock:
    """Times each call of a module, between `start` and `stop`."""

    def __init__(self, module: Any) -> None:  # noqa: ANN401 - a module
        self._module, self._hooks = module, list[Any]()
        self.calls: list[float] = []

    def start(self) -> None:
        self.calls = []
        module = self._module
        self._hooks = [
            module.register_forward_pre_hook(self._before),
            module.register_forward_hook(self._after),
        ]

    def stop(self) -> None:
        for each in self._hooks:
            each.remove()

    def _before(self, *_: object) -> None:
        self.calls.append(-time.perf_counter())

    def _after(self, *_: object) -> None:
        self.calls[-1] += time.perf_counter()


def _clocks(subject: Ready, paths: Iterable[str]) -> dict[str, _Clock]:
    """A clock for each module that is an operator's; a few go by another name."""
    found = {}
    for path in dict.fromkeys(paths):
        try:
            module = subject.plain.get_submodule(path) if path else None
        except AttributeError:
            continue
        if module is not None:
            found[path] = _Clock(module)
    return found


def _taken(
    clocks: Mapping[str, _Clock], paths: Sequence[str]
) -> Iterator[float | None]:
    """Of each path in turn, the next call of its module."""
    calls = {path: iter(clock.calls) for path, clock in clocks.items()}
    for path in paths:
        yield next(calls[path], None) if path in calls else None


def drawn(seed: int = 0) -> Iterator[tuple[str, Spec]]:
    """Networks to run, without end: each family in turn, scaled at random."""
    generator = random.Random(seed)  # noqa: S311 - no secret
    baselines = {name: load(name) for name in FAMILIES}
    while True:
        for name, spec in baselines.items():
            given = Multipliers(
                generator.uniform(0.5, 1.6),
                generator.uniform(0.4, 1.4),
                generator.uniform(0.4, 1.1),
            )
            try:
                yield name, scale(spec, given)
            except CandidateError:
                continue


def calibrate(  # noqa: PLR0913 - a clock, and what times, for tests
    device: Device,
    *,
    seconds: float,
    bench: Bench | None = None,
    timed: Callable[[str, Spec], Timed] | None = None,
    clock: Callable[[], float] = time.monotonic,
    progress: Callable[[float, str], None] = lambda _share, _what: None,
) -> Model:
    """The model of a device, from as many networks as fit into so many seconds.

    At least two of each family are run, whatever they take: by `timed`, or beside the
    reference of `bench`, or as the device has it.
    """
    start, found = clock(), list[Timed]()
    if timed is None:
        bench = bench or (Bench(device) if by_operator(device) else None)
        timed = bench.by_operator if bench else partial(as_whole, device=device)
    for name, spec in drawn():
        enough = len(found) >= LEAST * len(FAMILIES)
        if enough and clock() - start >= seconds:
            break
        found.append(timed(name, spec))
        progress((clock() - start) / seconds, f"{spec.name}, {len(found)} networks")
    unit = bench.unit if bench else 1.0
    return fitted(device, found, machine(device.device), unit)


def by_operator(device: Device) -> bool:
    """Whether operators run one after the other, each done when it returns."""
    return device.device == "cpu" and not device.compiled


def fitted(
    device: Device, found: Sequence[Timed], name: str, unit: float = 1.0
) -> Model:
    """The model that explains these times best, and how it does without each family.

    `unit` is what times are multiples of, in seconds.

    Raises:
        MeasureError: if there is nothing to learn from.
    """
    if not found:
        raise MeasureError("calibrate: expected networks to have been run, got none")
    errors: dict[str, list[float]] = {}
    for family in dict.fromkeys(each.family for each in found):
        own = [each for each in found if each.family == family]
        kinds = learnt([each for each in found if each.family != family] or found)
        errors[family] = [abs(_sum(kinds, each) / each.whole - 1) for each in own]
    kinds = {
        name: replace(kind, seconds=tuple(unit * each for each in kind.seconds))
        for name, kind in learnt(found).items()
    }
    together = _error([*chain.from_iterable(errors.values())])
    by_family = {family: _error(each) for family, each in errors.items()}
    return Model(device, name, kinds, by_family, together)


def _sum(kinds: Mapping[str, Kind], timed: Timed) -> float:
    together = _together(timed.work)
    return sum(
        float(known_as(kind, kinds).of(work).sum()) for kind, work in together.items()
    )


def _together(work: Iterable[tuple[str, Work]]) -> dict[str, Work]:
    """The work of all operators of a kind, in arrays."""
    kinds: dict[str, list[Work]] = defaultdict(list)
    for kind, each in work:
        kinds[kind].append(each)
    return {
        kind: Work(
            *(np.array(column, np.float64) for column in zip(*each, strict=True))
        )
        for kind, each in kinds.items()
    }


def _error(errors: Sequence[float]) -> Error:
    near = sum(each <= 0.1 for each in errors)  # noqa: PLR2004 - a tenth
    return Error(median(errors), near / len(errors), len(errors))


def learnt(found: Sequence[Timed]) -> dict[str, Kind]:
    """What operators of each kind take: of those timed alone, then of the rest.

    A kind's like, `act` of `act relu`, is learnt as well, and all operators together,
    for kinds that are met for the first time.
    """
    kinds: dict[str, list[tuple[Work, float]]] = defaultdict(list)
    for each in found:
        for (kind, work), taken in zip(each.work, each.each, strict=True):
            if taken is not None and taken > 0:
                kinds[kind].append((work, taken))
    alike: dict[str, list[tuple[Work, float]]] = defaultdict(list)
    for kind, samples in kinds.items():
        for name in {"", like(kind)} - {kind}:
            alike[name] += samples
    alone = {kind: _kind(samples) for kind, samples in kinds.items()}
    alone |= {name: Kind(_kind(each).seconds) for name, each in alike.items()}
    return _of_rest(found) | alone


def _kind(samples: Sequence[tuple[Work, float]]) -> Kind:
    """What explains operators that were timed alone; of equal ones, their median."""
    work = _together(("", each) for each, _ in samples)[""]
    places, first, which = np.unique(
        work.place(), axis=0, return_index=True, return_inverse=True
    )
    groups: list[list[float]] = [[] for _ in places]
    for index, (_, taken) in zip(which.ravel().tolist(), samples, strict=True):
        groups[index].append(taken)
    times = np.array([median(each) for each in groups])
    rows = work.linear()[first]
    seconds = _coefficients(rows, times, times)
    thought = np.maximum(rows @ np.array(seconds), 1e-12)
    if len(times) < LEAST_SEEN:
        return Kind(seconds)
    off = np.log(times / thought)
    return Kind(seconds, tuple(map(tuple, places.tolist())), tuple(off.tolist()))


def _of_rest(found: Sequence[Timed]) -> dict[str, Kind]:
    """What explains what is left of the wholes: joins, and what is not timed alone."""
    alone = {
        kind
        for each in found
        for (kind, _), taken in zip(each.work, each.each, strict=True)
        if taken is not None
    }
    left = [
        _together((like(kind), work) for kind, work in each.work if kind not in alone)
        for each in found
    ]
    names = sorted({kind for each in left for kind in each})
    if not names:
        return {}
    none = np.zeros(len(Work._fields[:4]))
    rows = np.array(
        [
            np.concatenate(
                [each[k].linear().sum(axis=0) if k in each else none for k in names]
            )
            for each in left
        ]
    )
    rest = np.array([each.rest for each in found])
    solved = _coefficients(rows, rest, np.array([each.whole for each in found]))
    wide = len(none)
    return {
        kind: Kind(solved[wide * k : wide * (k + 1)]) for k, kind in enumerate(names)
    }


def _coefficients(rows: Any, times: Any, of: Any) -> tuple[float, ...]:  # noqa: ANN401
    """Non-negative ones that explain `times` by rows, missed least relative to `of`."""
    scales = np.maximum(np.abs(rows).max(axis=0), 1e-30)
    solved, _ = nnls(rows / scales / of[:, None], times / of)
    return tuple((solved / scales).tolist())
