"""Latency: how long networks take, measured side by side on this machine.

Networks are timed in turn, round by round, so that whatever slows the machine for a
while slows all of them; ratios are of the same round. `torch.utils.benchmark` warms up,
waits for the device and holds the threads.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

from torch.utils.benchmark import Timer

from effscale.module.running import check, compiled, part_calls, ready, running

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import nn

    from effscale.module.running import Setting, Subject

    #: Told what is being done, and how many more networks have been timed in a round.
    Progress = Callable[[str, int], None]

#: Rounds, in each of which every network and part is timed once.
ROUNDS = 10


@dataclass(frozen=True)
class Timing:
    """Seconds of a run, many times over; `rounds` has the median of each round."""

    runs: tuple[float, ...]
    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Half of the runs took no longer."""
        return median(self.runs)

    @property
    def quartiles(self) -> tuple[float, float]:
        """What a quarter of the runs stayed below, and what three quarters did."""
        return quartiles(self.runs)

    @property
    def spread(self) -> float:
        """The interquartile range over the median."""
        low, high = self.quartiles
        return (high - low) / self.median


@dataclass(frozen=True)
class Latency:
    """A network's timing as a whole, and of its parts each run alone."""

    name: str
    setting: Setting
    whole: Timing
    parts: Mapping[str, Timing] = field(default_factory=dict)

    @property
    def images_per_second(self) -> float:
        """Images of a batch over the median."""
        return self.setting.batch / self.whole.median

    def ratio(self, other: Latency) -> tuple[float, float, float]:
        """How many times as long as `other`: median of the rounds, and quartiles."""
        pairs = zip(self.whole.rounds, other.whole.rounds, strict=True)
        ratios = [ours / theirs for ours, theirs in pairs]
        return (median(ratios), *quartiles(ratios))


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """The first and third quartile, values between those that are there included."""
    if len(values) == 1:
        return values[0], values[0]
    low, _, high = quantiles(values, n=4, method="inclusive")
    return low, high


def latencies(
    subjects: Sequence[Subject],
    setting: Setting,
    *,
    seconds: float,
    rounds: int = ROUNDS,
    progress: Progress = lambda _what, _done: None,
) -> list[Latency]:
    """How long each subject takes, run as `setting` says, all in the same rounds.

    Each is run for `seconds` at least, its parts together for as long again, a run of
    each in every round. The modules are left as they are.

    Raises:
        MeasureError: if there is no such device, or torch cannot run it so.
    """
    check(setting)
    with running(setting):
        timers = []
        for subject in subjects:
            what = "compiling" if setting.compiled else "preparing"
            progress(f"{what} {subject.name}", 0)
            timers.append(_timers(subject, setting))
        found = [{name: _Runs() for name in group} for group in timers]
        for _round in range(rounds):
            for subject, group, into in zip(subjects, timers, found, strict=True):
                progress(f"timing {subject.name}", 0)
                for name, timer in group.items():
                    share = 1 if name is None else len(group) - 1
                    into[name].add(timer, seconds / rounds / share)
                progress(f"timing {subject.name}", 1)
    return [
        Latency(
            subject.name,
            setting,
            whole=runs[None].timing(),
            parts={name: each.timing() for name, each in runs.items() if name},
        )
        for subject, runs in zip(subjects, found, strict=True)
    ]


@dataclass
class _Runs:
    """What has been timed so far, round by round."""

    rounds: list[list[float]] = field(default_factory=list)

    def add(self, timer: Timer, least: float) -> None:
        """One more round, of a run or as many as take `least` seconds."""
        measured = timer.blocked_autorange(min_run_time=least)
        self.rounds.append(list(measured.times))

    def timing(self) -> Timing:
        """All of it."""
        runs = tuple(run for each in self.rounds for run in each)
        return Timing(runs, tuple(map(median, self.rounds)))


def _timers(subject: Subject, setting: Setting) -> dict[str | None, Timer]:
    """A timer of the whole, None, and of each part by its name; all run once."""
    prepared = ready(subject, setting)

    def whole() -> None:
        prepared.module(*prepared.inputs)

    runs: dict[str | None, Callable[[], None]] = {None: whole}
    for name, (part, calls) in part_calls(subject, prepared).items():
        runs[name] = _calling(part, calls, setting)
    for run in runs.values():
        run()
    return {
        name: Timer("run()", globals={"run": run}, num_threads=setting.threads)
        for name, run in runs.items()
    }


def _calling(
    part: nn.Module, calls: Sequence[tuple[Any, ...]], setting: Setting
) -> Callable[[], None]:
    """All calls of a part that one run of the whole makes."""
    called = compiled(part, setting)

    def run() -> None:
        for each in calls:
            called(*each)

    return run
