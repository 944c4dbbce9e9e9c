"""A prediction of latency from what a network's operators do, for one device.

What is known of an operator without running it: its MACs, the elements that it reads
and makes, its params and its kernel. A calibration (`effscale.module.calibrate`) finds
what operators of each kind take on a device: seconds for a MAC, an element, a param and
a call, none below 0; and, where operators were timed one by one, how far off that is
for those that were, between which is interpolated. The same sums take one network or
arrays of candidates.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from effscale.arrays import ONE
from effscale.atomic_write import whole
from effscale.cost.count import Join, leaf_cost, visited
from effscale.errors import MeasureError
from effscale.network.network import network
from effscale.network.operators.convolution import Conv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import NDArray

    from effscale.arrays import Int, Real
    from effscale.choices import Runtime
    from effscale.cost.count import Visit
    from effscale.network.operators.operator import Operator
    from effscale.spec.models import Spec

#: Of the file's form and of the features; another version is calibrated anew.
VERSION = 3
#: Operators timed one by one, below which nothing is interpolated between them.
LEAST_SEEN = 12
#: Those nearest to an operator, between which is interpolated.
NEIGHBORS = 40


@dataclass(frozen=True)
class Device:
    """What is run on, and how: one calibration each."""

    device: str = "cpu"
    threads: int = 1
    batch: int = 1
    dtype: str = "float32"
    channels_last: bool = False
    compiled: bool = False
    cuda_graph: bool = False
    runtime: Runtime = "torch"

    def said(self) -> str:
        """In a line: `cpu, 1 thread, batch 1, float32`."""
        threads = f"{self.threads} thread{'s' * (self.threads != 1)}"
        ways = {
            "channels last": self.channels_last,
            "compiled": self.compiled,
            "CUDA graph": self.cuda_graph,
            self.runtime: self.runtime != "torch",
        }
        more = [name for name, each in ways.items() if each]
        return ", ".join(
            [self.device, threads, f"batch {self.batch}", self.dtype, *more]
        )


@dataclass(frozen=True)
class Error:
    """How far predictions were from what was measured, of networks not calibrated on.

    Relative to the measured time.
    """

    median: float
    within_tenth: float  #: share of networks within 10 %
    networks: int

    def said(self) -> str:
        """In words: `median 4.1 %, 92 % within 10 %, of 60 networks`."""
        near = f"{100 * self.within_tenth:.0f} % within 10 %"
        of = f"of {self.networks} networks"
        return f"median {100 * self.median:.1f} %, {near}, {of}"


class Work(NamedTuple):
    """What an operator does, for a batch; of candidates, in arrays."""

    macs: Int | Real
    moved: Int | Real  #: elements read and made
    params: Int | Real
    calls: Int | Real = 1
    read: Int | Real = 0
    made: Int | Real = 0
    kernel: Int | Real = 1  #: its longer side

    def linear(self) -> NDArray[np.float64]:
        """What the time is linear in, a row each."""
        return _rows(self.macs, self.moved, self.params, self.calls)

    def place(self) -> NDArray[np.float64]:
        """Where it is among others of its kind, in logarithms, a row each."""
        rows = _rows(self.macs, self.params, self.read, self.made, self.kernel)
        return np.asarray(np.log(np.maximum(rows, 1)))


def _rows(*columns: Int | Real) -> NDArray[np.float64]:
    found = np.broadcast_arrays(*(np.asarray(each, np.float64) for each in columns))
    return np.stack([each.ravel() for each in found], axis=1)


@dataclass(frozen=True)
class Kind:
    """What operators of one kind take on a device."""

    #: For a MAC, an element moved, a param and a call.
    seconds: tuple[float, ...]
    #: Where those are that were timed one by one, as `Work.place` has it.
    seen: tuple[tuple[float, ...], ...] = ()
    #: How far off `seconds` is for each of them: the logarithm of the ratio.
    off: tuple[float, ...] = ()

    def of(self, work: Work) -> NDArray[np.float64]:
        """Seconds of one such operator, or of each candidate's."""
        linear: NDArray[np.float64] = work.linear() @ np.array(self.seconds)
        if self._correction is None:
            return linear
        places, back = np.unique(work.place(), axis=0, return_inverse=True)
        off = np.clip(self._correction(places), min(self.off), max(self.off))
        return np.asarray(linear * np.exp(off)[back.ravel()])

    @cached_property
    def _correction(self) -> Callable[[Any], Any] | None:
        if len(self.seen) < LEAST_SEEN:
            return None
        from scipy.interpolate import RBFInterpolator

        near = min(NEIGHBORS, len(self.seen))
        found: Callable[[Any], Any] = RBFInterpolator(
            np.array(self.seen),
            np.array(self.off),
            neighbors=near,
            smoothing=1.0,
            kernel="linear",
            degree=0,
        )
        return found


@dataclass(frozen=True)
class Model:
    """What one device takes for what, and how well that predicts."""

    device: Device
    machine: str  #: the name that its maker has given to it
    kinds: Mapping[str, Kind]
    #: Of each family of networks, predicted by all others.
    errors: Mapping[str, Error]
    #: Of all of these together.
    error: Error
    #: Seconds in which a call of each kind is handed to the device, which takes as long
    #: as the longer of that and of the work does; empty where it takes none.
    handing: Mapping[str, float] = field(default_factory=dict)
    _known: dict[str, Kind] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def latency(self, spec: Spec) -> Real:
        """Seconds that `spec` takes; of arrays in the spec, an array."""
        joins: list[Join] = []
        net = network(spec)
        visits = [step for each in visited(net, joins=joins) for step in each.visits]
        works, handed = self._sum(visits, joins)
        seconds: Real = np.maximum(works, handed) if self.handing else works
        return seconds

    def parts(self, spec: Spec) -> dict[str, float]:
        """Seconds of each part of one network, which add up to those of the whole."""
        net = network(spec)
        found = dict[str, tuple[float, float]]()
        joins: list[Join] = []
        for each in visited(net, joins=joins):
            works, handed = self._sum(each.visits, joins)
            found[each.part.name] = float(works), float(handed)
            joins.clear()
        works, handed = (sum(each) for each in zip(*found.values(), strict=True))
        return {name: each[handed > works] for name, each in found.items()}

    def _sum(self, visits: Iterable[Visit], joins: Iterable[Join]) -> tuple[Any, Any]:
        """Seconds of the work, and those in which it is handed to the device."""
        works: Any = 0.0
        hands: Any = 0.0
        for step in visits:
            work = work_of(step, self.device.batch)
            for kind, which in kinds_of(step.leaf):
                times = step.times * which
                works = works + times * self._seconds(kind, work)
                hands = hands + times * hand_over(kind, self.handing)
        for kind, work in joined(joins, self.device.batch):
            works = works + self._seconds(kind, work)
            hands = hands + work.calls * hand_over(kind, self.handing)
        return works, hands

    def _seconds(self, kind: str, work: Work) -> Any:  # noqa: ANN401 - seconds
        if kind not in self._known:
            self._known[kind] = known_as(kind, self.kinds)
        shape = np.broadcast_shapes(*(np.shape(each) for each in work))
        found = self._known[kind].of(work)
        return found.reshape(shape) if shape else float(found[0])


def known_as(kind: str, kinds: Mapping[str, Kind]) -> Kind:
    """What a kind takes; of one that is not known, what its like do: `act` for `act x`.

    What has no like takes what all operators together do.
    """
    for name in (kind, like(kind), ""):
        if name in kinds:
            return kinds[name]
    return Kind((0.0,) * 4)


def hand_over(kind: str, handing: Mapping[str, float]) -> float:
    """Seconds in which a call is handed over; of what is not known, those of any."""
    return handing.get(like(kind), handing.get("", 0.0))


def like(kind: str) -> str:
    """The name of what is like a kind: `act` of `act relu`."""
    return kind.split(maxsplit=1)[0]


def work_of(step: Visit, batch: int) -> Work:
    """What one of the operators of a visit does."""
    cost = leaf_cost(step)
    read, made = batch * step.input.elements, batch * step.output.elements
    kernel = max(getattr(step.leaf, "kernel", (1,)))
    moved = read + made
    return Work(batch * cost.macs, moved, cost.params, 1, read, made, kernel)


def joined(joins: Iterable[Join], batch: int) -> list[tuple[str, Work]]:
    """What combinators do between operators, all of a kind together."""
    moved: dict[str, Any] = defaultdict(int)
    calls: dict[str, Any] = defaultdict(int)
    for each in joins:
        moved[each.kind] = moved[each.kind] + batch * each.moved
        calls[each.kind] = calls[each.kind] + each.calls
    return [(kind, Work(0, moved[kind], 0, calls[kind])) for kind in moved]


def kind_of(leaf: Operator) -> str:
    """The kind of an operator of one network."""
    ((kind, _),) = kinds_of(leaf)
    return kind


def kinds_of(leaf: Operator) -> list[tuple[str, Int]]:
    """The kinds of an operator, and whether a candidate's is of each, 1 or 0.

    What is grouped for one candidate may be in one group for another.
    """
    if not isinstance(leaf, Conv):
        detail = getattr(leaf, "function", getattr(leaf, "kind", ""))
        return [(f"{type(leaf).__name__.lower()} {detail}".strip(), 1)]
    whole_kind = "pointwise" if leaf.kernel == (1, 1) else "conv"
    if leaf.groups is ONE:
        return [(whole_kind, 1)]
    one, each = leaf.groups == 1, leaf.groups == leaf.c_in
    of_kind = {whole_kind: one, "depthwise": each > one, "grouped": each + one < 1}
    return [(kind, 1 * which) for kind, which in of_kind.items() if np.any(which)]


def file_of(device: Device) -> Path:
    """Where the calibration of a device is kept, in the user's cache folder."""
    home = os.environ.get("EFFSCALE_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(home) if home else Path(base) / "effscale"
    named = json.dumps([VERSION, asdict(device)], sort_keys=True)
    short = hashlib.sha256(named.encode()).hexdigest()[:12]
    return folder / f"latency-{device.device.replace(':', '')}-{short}.json"


def save(model: Model) -> Path:
    """Keep a calibration; where it is."""
    path = file_of(model.device)
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in asdict(model).items() if name[0] != "_"}
    with whole(path) as file:
        file.write(json.dumps({"version": VERSION, **kept}).encode())
    return path


def load(device: Device) -> Model:
    """The calibration of a device.

    Raises:
        MeasureError: if there is none, or another version's.
    """
    path = file_of(device)
    hint = "effscale calibrate makes one"
    try:
        data = json.loads(path.read_text("utf-8"))
        if data.pop("version") != VERSION:
            raise MeasureError(f"{path}: expected version {VERSION}; {hint}")
        return Model(
            Device(**data["device"]),
            data["machine"],
            {name: _kind(**each) for name, each in data["kinds"].items()},
            {name: Error(**each) for name, each in data["errors"].items()},
            Error(**data["error"]),
            {str(name): float(each) for name, each in data["handing"].items()},
        )
    except FileNotFoundError:
        message = f"expected a calibration of {device.said()}, found none; {hint}"
        raise MeasureError(message) from None
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise MeasureError(f"{path}: no calibration: {error}; {hint}") from None


def _kind(seconds: list[float], seen: list[list[float]], off: list[float]) -> Kind:
    """A kind as it is kept.

    Raises:
        ValueError: if it is none.
    """
    width = len(Work(0, 0, 0).place()[0])
    if len(seconds) != len(Work._fields[:4]) or {width} < {*map(len, seen)}:
        raise ValueError("expected four coefficients, and five numbers an operator")
    if len(seen) != len(off):
        raise ValueError(f"expected {len(seen)} ratios, got {len(off)}")
    return Kind(tuple(seconds), tuple(map(tuple, seen)), tuple(off))
