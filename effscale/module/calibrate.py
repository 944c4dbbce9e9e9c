"""Calibration: what this device takes for what, by networks that are run on it.

Networks of several families, scaled at random, are run as wholes, so that operators
meet the caches as they do in use. Each operator is timed within them, by hooks in every
other run; what is left of the whole is that of sums, products and rows of feature maps
between them, and what a call takes more or less than the clock shows. On a CPU a
reference network runs in turn with each, and times are multiples of it: what slows the
machine for a while slows both. On CUDA the device reads the clock, while it is handed
all of a run at once; how long it takes to hand it over is learnt beside that, unless a
CUDA graph does it. ONNX Runtime itself notes what each of its nodes takes. Compiled,
and on other devices, operators cannot be timed so, and the times of the wholes are
explained.

Non-negative least squares of relative errors finds the coefficients.
"""

from __future__ import annotations

import random
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
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
    hand_over,
    joined,
    kind_of,
    known_as,
    like,
    work_of,
)
from effscale.errors import CandidateError, MeasureError
from effscale.growth.multipliers import Multipliers
from effscale.growth.scale import load, scale
from effscale.module.clocks import Stopwatch, on_cuda, on_host, waiting
from effscale.module.latency import (
    Ready,
    Setting,
    machine,
    prepared,
    ready,
    running,
    spec_subjects,
)
from effscale.network.network import network

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import torch

    from effscale.cost.count import Join, Visit
    from effscale.cost.latency_model import Device
    from effscale.network.parts import Network
    from effscale.spec.models import Spec

#: Baselines of the families that a calibration runs: what each is made of, another has
#: as well, so that the error without a family is not that of something new.
FAMILIES = (
    *("b0", "mobilenetv3-large", "resnet18", "regnety-400mf"),
    *("efficientnet-lite0", "mnasnet-a1", "resnet50", "mobilenetv2"),
    *("convnext-atto", "ghostnet", "yolov8n-cls", "mobilevit-xxs"),
    *("edgenext-xx-small", "deit-ti-distilled"),
)
#: Networks of each family at least, without which nothing can be said of its error.
LEAST = 2
#: The network that runs beside each other one, at 160 px.
REFERENCE, SMALLER = "mobilenetv2", Multipliers(resolution=160 / 224)
#: Runs of a network beside the reference at least, at most, and for so many seconds.
ROUNDS, MOST_ROUNDS, SECONDS = 5, 40, 0.5
#: What a clock may show too much is this much of what it shows at most.
LEAST_SHARE = 0.2
#: A network that is timed alone runs for so many seconds at most until it settles.
SETTLING = 1.2


@dataclass(frozen=True)
class Timed:
    """A network that was run: what it does, and how long that took."""

    family: str
    work: list[tuple[str, Work]]  #: each operator, and all joins of a kind
    whole: float
    #: Of each operator that was timed alone; None of others, and of joins.
    each: list[float | None]
    #: What these are parts of, where that is less than the whole: a device's own time.
    device: float | None = None
    #: How long it took to hand all of it to the device, where that takes time as well.
    handed: float | None = None

    @property
    def rest(self) -> float:
        """What all took beside the operators that were timed."""
        of = self.whole if self.device is None else self.device
        return of - sum(each or 0.0 for each in self.each)


def setting_of(device: Device) -> Setting:
    """The way in which networks are run on a device."""
    return Setting(**asdict(device))


def measured(spec: Spec, device: Device) -> float:
    """Seconds that a network takes, once two runs of it in a row agree."""
    with tries(spec, device) as seconds:
        return seconds()


@contextmanager
def tries(spec: Spec, device: Device) -> Iterator[Callable[[], float]]:
    """What measures a network at each call; within the block it is built once.

    Exported and compiled once as well, for whichever runtime runs it. The first rounds
    after that, and on a device that is still cold, are slower.
    """
    setting = setting_of(device)
    (subject,) = spec_subjects([spec], [setting])
    with running(setting):
        watch = Stopwatch(ready(subject, setting).run, setting.torch_device)
        yield partial(watch.settle, SETTLING)


def as_whole(family: str, spec: Spec, device: Device) -> Timed:
    """A network timed as nothing but a whole."""
    work = [each for each, _ in _work(network(spec), device)]
    return Timed(family, work, measured(spec, device), [None] * len(work))


def _work(net: Network, device: Device) -> list[tuple[tuple[str, Work], Visit | None]]:
    """What each operator does, and which it is; then the joins of a kind."""
    joins: list[Join] = []
    visits = [
        step for each in visited(net, unroll=True, joins=joins) for step in each.visits
    ]
    of_operators = [
        ((kind_of(step.leaf), work_of(step, device.batch)), step) for step in visits
    ]
    of_joins = [(each, None) for each in joined(joins, device.batch)]
    return [*of_operators, *of_joins]


class Bench:
    """Networks and their operators, timed on a device where they run."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.setting = setting_of(device)
        self.runs: list[float] = []
        self._wait = waiting(device.device)
        self._reference: Ready | None = None
        if device.device == "cpu":
            self._reference = self._ready(scale(load(REFERENCE), SMALLER))

    def _ready(self, spec: Spec) -> Ready:
        (subject,) = spec_subjects([spec], [self.setting])
        with running(self.setting):
            return ready(subject, self.setting)

    @property
    def unit(self) -> float:
        """Seconds that times are multiples of: what the reference takes, or one."""
        return median(self.runs)

    def ratio(self, spec: Spec) -> float:
        """How long a network takes, as a multiple of the reference."""
        return self._timed("", self._ready(spec), [], []).whole

    def by_operator(self, family: str, spec: Spec) -> Timed:
        """A network and its operators, timed as multiples of the reference."""
        pieces = _work(network(spec), self.device)
        work, steps = [each for each, _ in pieces], [step for _, step in pieces]
        if self.device.runtime != "torch":
            return self._by_node(family, spec, work, steps)
        paths = [step.path if step else "" for step in steps]
        return self._timed(family, self._ready(spec), work, paths)

    def _timed(
        self,
        family: str,
        subject: Ready,
        work: list[tuple[str, Work]],
        paths: Sequence[str],
    ) -> Timed:
        """What took how long: in each round it runs once, and again by operator."""
        modules = _modules(subject, paths)
        with running(self.setting):
            once = partial(self._round, subject, modules, paths)
            return _medians(family, work, self._rounds(subject.run, once))

    def _by_node(
        self,
        family: str,
        spec: Spec,
        work: list[tuple[str, Work]],
        steps: Sequence[Visit | None],
    ) -> Timed:
        """The same by what ONNX Runtime notes of nodes, which it tells at the end."""
        from effscale.module.onnx_nodes import in_order, profiled

        (subject,) = spec_subjects([spec], [self.setting])
        module, inputs = prepared(subject, self.setting)
        with running(self.setting), profiled(module, inputs, self.setting) as found:

            def once() -> _Round:
                unit = self._beside()
                whole = self._seconds(found.run)
                found.noted()
                return _Round(whole, []).over(unit)

            whole = median(each.whole for each in self._rounds(found.run, once))
            rounds = found.rounds()
        units = self.runs[-len(rounds) :]
        nodes = []
        for same in zip(*rounds, strict=True):
            taken = median(
                n.seconds / unit for n, unit in zip(same, units, strict=True)
            )
            nodes.append(same[0]._replace(seconds=taken))
        return Timed(family, work, whole, in_order(steps, nodes, self.device.batch))

    def _rounds(
        self, run: Callable[[], object], once: Callable[[], _Round]
    ) -> list[_Round]:
        """What `once` has found, again and again, where `run` has settled."""
        found = list[_Round]()
        Stopwatch(run, self.device.device).settle(SECONDS / 2)
        end = time.perf_counter() + SECONDS
        while len(found) < ROUNDS or (
            time.perf_counter() < end and len(found) < MOST_ROUNDS
        ):
            found.append(once())
        return found

    def _beside(self) -> float:
        """Seconds of a run of the reference; one where there is none."""
        reference = self._reference
        self.runs.append(1.0 if reference is None else self._seconds(reference.run))
        return self.runs[-1]

    def _round(
        self,
        subject: Ready,
        modules: Mapping[str, torch.nn.Module],
        paths: Sequence[str],
    ) -> _Round:
        plain = partial(subject.plain, *subject.inputs)
        unit = self._beside()
        whole = self._seconds(subject.run)
        if self._reference is not None:
            taken = on_host(plain, [*modules.values()])[1] if modules else []
            return _Round(whole, _in_order(modules, taken, paths)).over(unit)
        handed, _ = on_host(plain, [])
        self._wait()
        device, taken = on_cuda(plain, [*modules.values()], 3 * handed)
        each = _in_order(modules, taken, paths)
        if self.device.cuda_graph:
            return _Round(whole, each)
        return _Round(whole, each, device, handed)

    def _seconds(self, run: Callable[[], object]) -> float:
        start = time.perf_counter()
        run()
        self._wait()
        return time.perf_counter() - start


@dataclass(frozen=True)
class _Round:
    """What one run of a network took, as `Timed` has it."""

    whole: float
    each: list[float | None]
    device: float | None = None
    handed: float | None = None

    def over(self, unit: float) -> _Round:
        each = [taken and taken / unit for taken in self.each]
        return _Round(self.whole / unit, each)


def _medians(
    family: str, work: list[tuple[str, Work]], rounds: Sequence[_Round]
) -> Timed:
    """A network whose times are the medians of some rounds."""
    each = [_median(calls) for calls in zip(*(r.each for r in rounds), strict=True)]
    whole = median(r.whole for r in rounds)
    device = _median([r.device for r in rounds])
    return Timed(family, work, whole, each, device, _median([r.handed for r in rounds]))


def _median(found: Sequence[float | None]) -> float | None:
    known = [each for each in found if each is not None]
    return median(known) if len(known) == len(found) and known else None


def _modules(subject: Ready, paths: Iterable[str]) -> dict[str, torch.nn.Module]:
    """The module of each operator that has one; a few go by another name."""
    found = {}
    for path in dict.fromkeys(paths):
        try:
            module = subject.plain.get_submodule(path) if path else None
        except AttributeError:
            continue
        if module is not None:
            found[path] = module
    return found


def _in_order(
    modules: Iterable[str], taken: Iterable[Sequence[float]], paths: Sequence[str]
) -> list[float | None]:
    """Of each path in turn, the next call of its module."""
    calls = {path: iter(each) for path, each in zip(modules, taken, strict=True)}
    return [next(calls[path], None) if path in calls else None for path in paths]


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
    """Whether operators run one by one, and a clock tells when each is done."""
    if device.runtime != "torch":  # its nodes note when they are handed to a GPU
        return device.device == "cpu"
    return device.device.partition(":")[0] in {"cpu", "cuda"} and not device.compiled


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
        others = [each for each in found if each.family != family] or found
        kinds, handing = learnt(others), handed(others)
        errors[family] = [
            abs(predicted(each.work, kinds, handing) / each.whole - 1) for each in own
        ]
    kinds = {
        name: replace(kind, seconds=tuple(unit * each for each in kind.seconds))
        for name, kind in learnt(found).items()
    }
    handing = {name: unit * each for name, each in handed(found).items()}
    together = _error([*chain.from_iterable(errors.values())])
    by_family = {family: _error(each) for family, each in errors.items()}
    return Model(device, name, kinds, by_family, together, handing)


def predicted(
    work: Iterable[tuple[str, Work]],
    kinds: Mapping[str, Kind],
    handing: Mapping[str, float],
) -> float:
    """The time of all that a network does, by what is known of its operators."""
    together = _together(work)
    runs = sum(
        float(known_as(kind, kinds).of(work).sum()) for kind, work in together.items()
    )
    hands = sum(
        hand_over(kind, handing) * float(np.sum(work.calls))
        for kind, work in together.items()
    )
    return max(runs, hands)


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
    rest, unseen = _of_rest(found)
    kinds: dict[str, list[tuple[Work, float]]] = defaultdict(list)
    for each in found:
        for (kind, work), taken in zip(each.work, each.each, strict=True):
            if taken is not None:
                seen = max(taken + unseen, LEAST_SHARE * taken) if taken else taken
                kinds[kind].append((work, seen))
    alike: dict[str, list[tuple[Work, float]]] = defaultdict(list)
    for kind, samples in kinds.items():
        if like(kind) != kind:
            alike[like(kind)] += samples
        alike[""] += [each for each in samples if each[1]]
    alone = {kind: _kind(samples) for kind, samples in kinds.items()}
    alone |= {name: Kind(_kind(each).seconds) for name, each in alike.items()}
    return rest | alone


def handed(found: Sequence[Timed]) -> dict[str, float]:
    """What a call of each kind takes to be handed to a device; of most alike, ``.

    Empty where that takes no time of its own.
    """
    timed = [each for each in found if each.handed is not None]
    if not timed:
        return {}
    calls = [
        _together((like(kind), work) for kind, work in each.work) for each in timed
    ]
    names = sorted({kind for each in calls for kind in each})
    rows = np.array(
        [
            [float(np.sum(each[name].calls)) if name in each else 0.0 for name in names]
            for each in calls
        ]
    )
    took = np.array([each.handed for each in timed], np.float64)
    each = dict(zip(names, _coefficients(rows, took, took), strict=True))
    return each | {"": float(took.sum() / rows.sum())}


def _kind(samples: Sequence[tuple[Work, float]]) -> Kind:
    """What explains operators that were timed alone; of equal ones, their median.

    Of those that take nothing, as some are merged into others, only how many there are
    counts: any takes as much less.
    """
    several = len(samples)
    samples = [(work, taken) for work, taken in samples if taken > 0]
    if not samples:
        return Kind((0.0,) * 4)
    share = len(samples) / several
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
    less = tuple(share * each for each in seconds)
    if len(times) < LEAST_SEEN:
        return Kind(less)
    off = np.log(times / thought)
    return Kind(less, tuple(map(tuple, places.tolist())), tuple(off.tolist()))


def _of_rest(found: Sequence[Timed]) -> tuple[dict[str, Kind], float]:
    """What explains what is left of the wholes: joins, and what is not timed alone.

    And what each call that was timed takes beside what the clock has shown; of a clock
    that takes time itself it is below 0.
    """
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
    wide = len(Work._fields[:4])
    none = np.zeros(wide)
    timed = np.array([sum(bool(each) for each in f.each) for f in found])
    of_clock = np.stack([timed, -timed], axis=1)
    of_left = [
        np.concatenate(
            [each[k].linear().sum(axis=0) if k in each else none for k in names]
            or [none[:0]]
        )
        for each in left
    ]
    rows = np.concatenate([np.array(of_left), of_clock], axis=1)
    rest = np.array([each.rest for each in found])
    solved = _coefficients(rows, rest, np.array([each.whole for each in found]))
    kinds = {
        kind: Kind(solved[wide * k : wide * (k + 1)]) for k, kind in enumerate(names)
    }
    return kinds, solved[-2] - solved[-1]


def _coefficients(rows: Any, times: Any, of: Any) -> tuple[float, ...]:  # noqa: ANN401
    """Non-negative ones that explain `times` by rows, missed least relative to `of`."""
    scales = np.maximum(np.abs(rows).max(axis=0), 1e-30)
    solved, _ = nnls(rows / scales / of[:, None], times / of)
    return tuple((solved / scales).tolist())
