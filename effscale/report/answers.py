"""The answers of commands for Python: their rows, their tables, and their networks."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, overload

from effscale.arguments import number, one_of, whole
from effscale.choices import (
    BALANCE,
    BY,
    CONSTRAINTS,
    DEVICE_PATTERN,
    DEVICES,
    ELEMENT_BYTES,
    MAX_BATCH,
    MAX_NUMBER,
    MAX_PHI,
    MAX_PIXELS,
    MAX_THREADS,
    MOST,
    RUNTIMES,
    SORTS,
    STORED_BYTES,
    TOOLS,
    is_cuda,
    of_torch,
)
from effscale.cost.count import Counted, count
from effscale.errors import ScaleError, short
from effscale.growth.growth import growth_of
from effscale.growth.scale import load
from effscale.limit import FIGURES, parse
from effscale.markup import lines, table
from effscale.spec.builtin import by_name
from effscale.spec.models import Spec

if TYPE_CHECKING:
    from effscale.choices import By, Constraint, Runtime, Tool
    from effscale.cost.figures import Running
    from effscale.cost.latency_model import Device
    from effscale.growth.growth import Interval
    from effscale.limit import Figure, Limit
    from effscale.report.document import Report
    from effscale.report.grid import Searched
    from effscale.search.asked import Asked, Bounds, Held
    from effscale.search.fit import Answer as Fitted
    from effscale.search.networks import LeftOut

    #: A spec, or what names one: `b0`, `my.yaml`, `my.yaml@large`.
    Named = Spec | str | Path
Row = Mapping[str, Any]


class Limits(TypedDict, total=False):
    """What networks may cost, in the words of options, and how they run meanwhile."""

    macs: str | int  #: `<= 300M`; `1.5G` or an int is a cost to meet
    params: str | int
    activations: str | int
    memory: str | int  #: of inference, in bytes: `<= 64MB`
    training_memory: str | int
    latency: str  #: of a run on the device: `<= 20ms`
    batch: int  #: images at once, 1 unless given
    dtype: str  #: of weights and feature maps, float32 unless given
    device: str  #: what latency is of, `cpu` unless given
    threads: int  #: of the CPU, 1 unless given
    channels_last: bool
    compiled: bool
    cuda_graph: bool
    runtime: Runtime  #: torch unless given


class Wanted(Limits, total=False):
    """Limits, and where `fit` looks: pixels, multipliers, what is held."""

    max_resolution: int
    min_resolution: int
    min_depth: float
    max_depth: float
    min_width: float
    max_width: float
    hold: Held | Sequence[Held]


class Ranges(Limits, total=False):
    """Limits, and from where to where `grid` varies each coefficient."""

    alpha: tuple[float, float]
    beta: tuple[float, float]
    gamma: tuple[float, float]
    neck_width: tuple[float, float]


@dataclass(frozen=True, repr=False)
class Answer(Sequence[Row]):
    """A command's answer: a sequence of the rows that its JSON has.

    It prints as the table that the command prints, notebooks show the rows, and
    `pandas.DataFrame(answer)` takes them as they are.
    """

    data: Row  #: the whole JSON document
    key: str  #: of the rows in it
    #: The network of each row, best first, where the command answers with networks.
    networks: Sequence[Spec] = ()
    text: str = field(default="", compare=False)  #: the table

    @classmethod
    def of(cls, report: Report, key: str, networks: Sequence[Spec] = ()) -> Answer:
        """The answer that a report tells."""
        from effscale.report.render import text

        return cls(report.data, key, networks, text(report, "table"))

    @property
    def rows(self) -> list[Row]:
        """The rows, as plain data."""
        found: list[Row] = self.data[self.key]
        return found

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        return self.rows[index]

    def __repr__(self) -> str:
        return self.text.rstrip("\n")

    def _repr_html_(self) -> str:
        keys = dict.fromkeys(key for row in self.rows for key in row)
        told = [key for key in keys if any(_is_told(row.get(key)) for row in self.rows)]
        shown = [{key: row.get(key) for key in told} for row in self.rows]
        return table(f"effscale {self.data['command']}", shown)


def fit(
    spec: Named | Sequence[Named] = "b0",
    *,
    most: Figure | None = None,
    tolerance: float | None = None,
    strategy: str = "compound",
    free: bool = False,
    **wanted: Unpack[Wanted],
) -> Answer:
    """Find the network whose cost is nearest to what is asked, or the largest within.

    As `effscale fit`: `fit("b0", macs="1.5G")` is nearest to a cost,
    `fit("b0", macs="<= 300M", params="<= 4M", hold="resolution")` the largest network
    within limits, and `fit(["b0", "lcnet"], macs="<= 300M")` that of each baseline.
    `networks` of the answer has the best first, ready to build; of several baselines,
    the best of each.

    Args:
        spec: the baseline, or its name; or several.
        most: what the largest network is the largest in; MACs unless given.
        tolerance: how far from a cost to meet the nearest may be, as a share: 0.05.
        strategy: the scaling strategy that is followed.
        free: look at every depth, width and resolution, not at the strategy's alone.
        wanted: limits as `macs="<= 300M"`, the `batch` and `dtype` of memory, the
            `device` and `threads` of latency, and where to look: `max_resolution`,
            `min_depth`, `hold` and so on. A limit of latency runs networks, or, where
            `free`, those that a calibration of the device has predicted to be best.

    Raises:
        ScaleError: if a limit cannot be read, or nothing is limited from above.
        UnreachableError: if no network is within the limits, or as near as `tolerance`.
        MeasureError: if the device is not there, or is to predict and not calibrated.
    """
    from effscale.report import fit as report
    from effscale.search.asked import HELD, Bounds, asked

    if free and strategy != "compound":
        raise ScaleError("free looks beyond every strategy: name none")
    others = _checked(wanted, Wanted)
    limits, running = _limits(others, predicts=free)
    if most is not None:
        one_of("most", most, MOST)
    if tolerance is not None:
        number("tolerance", tolerance, 0, MAX_NUMBER)
    goal = asked(limits, most, tolerance, running)
    held = others.pop("hold", ())
    hold = frozenset([held] if isinstance(held, str) else held)
    if not hold <= set(HELD):
        raise ScaleError(f"hold: expected {', '.join(HELD)}, got {held!r}")
    for name, bound in others.items():
        if name.endswith("_resolution"):
            whole(name, bound, 1, MAX_PIXELS)
        else:
            number(name, bound, 0, math.inf)
    bounds = Bounds(**others, hold=hold)
    ways = goal, bounds, None if free else strategy
    if not isinstance(spec, Spec | str | Path):
        return _fit_each(_baselines(spec), *ways)
    baseline = _spec(spec)
    answers, searched, left = _fitted(baseline, *ways)
    report.refuse_unmet(answers)
    found = [each.variant.spec for each in report.shown(answers[0], answers)]
    shown = report.report(
        baseline,
        answers,
        searched=searched,
        left=left,
        measured=[None] * len(found),
        latency=next(iter(_times(found[:1], running)), None),
    )
    return Answer.of(shown, "rows", found)


def _fitted(
    baseline: Spec, goal: Asked, bounds: Bounds, strategy: str | None
) -> tuple[list[Fitted], str, LeftOut]:
    """What a search finds on the ray of a strategy; off every ray without one."""
    from effscale.report import fit as report

    if strategy is None:
        return report.off_ray(baseline, goal, bounds)
    if "latency" not in goal.figures:
        return report.on_ray(baseline, [goal], bounds, strategy)
    from effscale.module.calibrate import tries

    return report.timed(baseline, goal, bounds, strategy, tries)


def _fit_each(
    baselines: Mapping[str, Spec], goal: Asked, bounds: Bounds, strategy: str | None
) -> Answer:
    """The best network of each baseline.

    Raises:
        UnreachableError: if none of them has one.
    """
    from effscale.report import fit as report
    from effscale.report import left_out

    answers, missed = left_out.each_of(
        baselines, lambda each: _fitted(each, goal, bounds, strategy)[0][0]
    )
    if all(each.best is None for each in answers.values()):
        report.refuse_unmet([*answers.values()])
    first = [(each.found or each.misses)[:1] for each in answers.values()]
    found = [each.variant.spec for networks in first for each in networks]
    none = [None] * len(found)
    ran = _times(found, goal.running)
    shown = report.side_by_side(baselines, answers, missed, measured=none, ran=ran)
    return Answer.of(shown, "rows", found)


def grid(  # noqa: PLR0913 - as the command has them
    spec: Named | Sequence[Named] = "b0",
    *,
    target_ratio: float = 2.0,
    tolerance: float = 0.05,
    constraint: Constraint = "nominal",
    step: float = 0.05,
    phi: float | Sequence[float] = 1.0,
    sort: str | None = None,
    **ranges: Unpack[Ranges],
) -> Answer:
    """Find the coefficients that meet a target, best first.

    As `effscale grid`: each row is a network that is counted exactly, and the
    coefficients that make it. Of several baselines all rows stand in one order.

    Args:
        spec: the baseline, or its name; or several.
        target_ratio: MACs of one φ, as a multiple of the baseline's.
        tolerance: how far from the target, relative to it.
        constraint: what must meet the target, α·β²·γ² or the MACs of the network.
        step: of each coefficient.
        phi: where to count; several rank how well the family tracks the target.
        sort: what is best: `deviation`, `rms_error` over several φ, `macs` and so on.
        ranges: `alpha=(1, 2)` and so on, and limits as `macs="<= 1G"`. Latency is that
            which a calibration of the device predicts; the first networks are run.

    Raises:
        ScaleError: if no point meets the target, or a limit cannot be read.
        MeasureError: if latency is limited, and the device not calibrated.
    """
    from effscale.report import grid as report
    from effscale.report import left_out
    from effscale.search import grid as search

    several, baselines = not isinstance(spec, Spec | str | Path), _baselines(spec)
    others = _checked(ranges, Ranges)
    limits, running = _limits(others, predicts=True)
    if any(each.is_target for each in limits):
        raise ScaleError("grid: expected limits such as '<= 1G', got a cost to meet")
    phis = tuple(phi) if isinstance(phi, Sequence) else (phi,)
    for each in phis:
        number("phi", each, -MAX_PHI, MAX_PHI)
    number("target_ratio", target_ratio, 1, MAX_NUMBER)
    number("tolerance", tolerance, 0, MAX_NUMBER)
    number("step", step, 0, MAX_NUMBER)
    one_of("constraint", constraint, CONSTRAINTS)
    if sort is not None:
        one_of("sort", sort, SORTS)
    order = report.order(sort, phis)

    def searched(baseline: Spec) -> Searched:
        growth = growth_of(baseline)
        varied = _varied(baseline, others, target_ratio)
        asked = search.Grid(
            tuple(search.axes(varied, [Decimal(repr(step))] * len(varied))),
            target_ratio=target_ratio,
            tolerance=tolerance,
            constraint=constraint if growth.meets_target else None,
            phis=phis,
            limits=tuple(limits),
            running=running,
        )
        answer = search.search(baseline, asked)
        return report.Searched.by(order, baseline, asked, answer)

    time = partial(_times, running=running)
    if several:
        found, missed = left_out.each_of(baselines, searched)
        merged = report.merged(found, order)
        report.run_first([(each, row) for _, each, row in merged], time)
        every = baselines, found, missed, merged
        shown = report.side_by_side(*every, top=report.SHOWN)
        return Answer.of(shown, "candidates")
    (one,) = map(searched, baselines.values())
    report.run_first([(one, row) for row in one.rows], time)
    return Answer.of(report.report(one, top=report.SHOWN), "candidates")


def profile(  # noqa: PLR0913 - as the command has them
    spec: Named,
    *,
    by: By = "part",
    tool: Tool | None = None,
    memory: bool = False,
    batch: int = 1,
    dtype: str = "float32",
) -> Answer:
    """Show where the cost of a network is: a row for each part, layer or operator.

    As `effscale profile --measure none`; `measure` counts the built network.

    Args:
        spec: the network, or its name.
        by: what has a row: `part`, `layer`, `operator`, or `level` of a detector.
        tool: restate the cost as that tool prints it, `thop` for instance.
        memory: bytes as well, in `data["memory"]` and in the table.
        batch: images at once, for memory.
        dtype: of weights and feature maps, for memory.

    Raises:
        ScaleError: for a word or a number that there is not.
    """
    from effscale.report import profile as report

    network = _spec(spec)
    one_of("by", by, BY)
    if tool is not None:
        one_of("tool", tool, TOOLS)
    shown = report.report(Counted.of(network), by=by, tool=tool)
    whole("batch", batch, 1, MAX_BATCH)
    one_of("dtype", dtype, STORED_BYTES)
    if memory:
        from effscale.cost.memory import memory as bytes_of
        from effscale.network.network import network as layers
        from effscale.report.memory import by_part

        shown = by_part(shown, [bytes_of(layers(network), batch, dtype)], BALANCE)
    key = {"level": "levels"}.get(by, f"{by}s")
    return Answer.of(shown, key, [network])


def compare(*networks: Named, relative_to: str | None = None) -> Answer:
    """Show networks side by side, with ratios of MACs and params.

    As `effscale compare b0 b1 --measure none`; the name of a family stands for all its
    networks.

    Args:
        networks: specs, or names of networks or families.
        relative_to: the network that ratios are to, the first unless given; with
            `cheapest`, for each the cheapest here that is as accurate.

    Raises:
        ScaleError: if there is no network, one is no spec and no name, or `relative_to`
            names none of them.
    """
    from effscale.comparing.side_by_side import CHEAPEST, Entry, entries, expanded
    from effscale.report.compare import report

    found: list[Entry] = []
    for each in networks:
        if isinstance(each, Spec):
            found.append(Entry(each.name, each.name, each, count(each), None))
        elif not isinstance(each, str | Path):
            raise ScaleError(f"compare: expected specs or names, got {short(each)}")
        else:
            names = expanded([str(each)])
            found += entries(names, [load(name) for name in names])
    if not found:
        raise ScaleError("compare: expected networks, got none")
    known = {CHEAPEST, *(name for each in found for name in each.names)}
    if relative_to is not None and relative_to not in known:
        listed = ", ".join([*dict.fromkeys(each.name for each in found), CHEAPEST])
        raise ScaleError(f"relative_to: expected one of {listed}, got {relative_to!r}")
    shown = report(found, to=relative_to, measured=[None] * len(found))
    return Answer.of(shown, "rows", [each.spec for each in found])


def check(
    *paths: str | Path,
    select: str | Sequence[str] = (),
    ignore: str | Sequence[str] = (),
    **limits: Unpack[Limits],
) -> Answer:
    """Find everything that is wrong with spec files: a row for each finding.

    As `effscale check`: nothing is written, and `data["summary"]` has how many errors,
    warnings and notes there are.

    Args:
        paths: files, and folders for the specs below them; without any, the current.
        select: codes of rules to check, or their beginnings; all unless given.
        ignore: codes of rules not to check.
        limits: what every network is held to, as `macs="<= 400M"`; with
            `latency="<= 20ms"` each is run, and those that cannot be are warned of.

    Raises:
        ScaleError: if a limit cannot be read.
    """
    from effscale.checking.catalogue import chosen
    from effscale.checking.fix import checked
    from effscale.checking.run import listed, read
    from effscale.checking.verify import timed
    from effscale.report import findings

    held, running = _limits(_checked(limits, Limits), predicts=False)
    if any(each.is_target for each in held):
        raise ScaleError("check: expected limits such as '<= 1G', got a cost to meet")
    for each in paths:
        if not isinstance(each, str | Path):
            raise ScaleError(f"check: expected paths, got {short(each)}")
    files, left = listed(tuple(map(str, paths)))
    sources = [replace(read(e), limits=tuple(held), running=running) for e in files]
    outcome = replace(
        checked(sources, chosen(_codes(select), _codes(ignore)), set()), left=len(left)
    )
    if running.device is not None and outcome.unmeasured:
        from effscale.module.calibrate import tries

        outcome = timed(outcome, tries, warnings.warn, own=False)
    return Answer(outcome.data(), "findings", text=lines(findings.text(outcome)))


def _codes(given: str | Sequence[str]) -> Sequence[str]:
    return [given] if isinstance(given, str) else given


def _is_told(value: object) -> bool:
    """Whether a value fits into a cell: there, and not a list or mapping of others."""
    if isinstance(value, list):
        return bool(value) and not isinstance(value[0], dict)
    return value is not None and not isinstance(value, dict)


def _spec(named: Named) -> Spec:
    return named if isinstance(named, Spec) else load(named)


def _checked(given: Mapping[str, Any], kind: type) -> dict[str, Any]:
    """Keywords that the kind has, as Python has it of any function.

    Raises:
        TypeError: for another.
    """
    for name in given:
        if name not in kind.__annotations__ | Limits.__annotations__:
            raise TypeError(f"got an unexpected keyword argument {name!r}")
    return dict(given)


def _limits(given: dict[str, Any], *, predicts: bool) -> tuple[list[Limit], Running]:
    """The limits among these words, which are taken out, and how networks run.

    With what predicts latency, if `predicts` and it is limited.

    Raises:
        ScaleError: if one cannot be read, or nothing runs that way.
        MeasureError: if latency is to be predicted, and the device not calibrated.
    """
    from effscale.cost.figures import Running
    from effscale.cost.latency_model import load as calibrated

    found = []
    for figure in FIGURES:
        if figure in given:
            text = given.pop(figure)
            try:
                found.append(parse(figure, str(text)))
            except ValueError as error:
                raise ScaleError(f"{figure}: expected {error}, got {text!r}") from None
    dtype = one_of("dtype", given.pop("dtype", "float32"), STORED_BYTES)
    batch = whole("batch", given.pop("batch", 1), 1, MAX_BATCH)
    device = _device(given, batch, dtype)
    if all(each.figure != "latency" for each in found):
        return found, Running(batch, dtype)
    if dtype not in ELEMENT_BYTES:
        raise ScaleError(f"latency: nothing is run in {dtype} here")
    model = calibrated(device) if predicts else None
    return found, Running(batch, dtype, model, device)


def _device(given: dict[str, Any], batch: int, dtype: str) -> Device:
    """The device among these words, which are taken out, and how networks run on it.

    Raises:
        ScaleError: for one of no kind known, or a CUDA graph of another.
    """
    from effscale.cost.latency_model import Device

    ways = ("channels_last", "compiled", "cuda_graph")
    names = ("device", "threads", *ways, "runtime")
    words = {name: given.pop(name) for name in names if name in given}
    found = Device(batch=batch, dtype=dtype, **words)
    if not re.fullmatch(DEVICE_PATTERN, str(found.device)):
        raise ScaleError(f"device: expected {DEVICES}, got {short(found.device)}")
    whole("threads", found.threads, 1, MAX_THREADS)
    one_of("runtime", found.runtime, RUNTIMES)
    for name in ways:
        if not isinstance(value := getattr(found, name), bool):
            raise ScaleError(f"{name}: expected True or False, got {short(value)}")
    if found.cuda_graph and not is_cuda(found.device):
        raise ScaleError(f"cuda_graph: expected a device cuda, got {found.device!r}")
    used = {name: getattr(found, name) for name in ways}
    if found.runtime != "torch" and (name := of_torch(found.device, used)):
        expected = f"expected none that torch alone has beside {found.runtime}"
        raise ScaleError(f"{name}: {expected}, got {getattr(found, name)!r}")
    return found


def _baselines(given: Named | Sequence[Named]) -> dict[str, Spec]:
    """Baselines by their names.

    Raises:
        ScaleError: if there is none, or two of one name.
    """
    every = [given] if isinstance(given, Spec | str | Path) else given
    if not every:
        raise ScaleError("spec: expected baselines, got none")
    return by_name(
        [(e.name if isinstance(e, Spec) else str(e), _spec(e)) for e in every]
    )


def _times(specs: Sequence[Spec], running: Running) -> list[float]:
    """How long these take on the device, in seconds, if that was predicted so far."""
    if running.model is None or running.device is None:
        return []
    from effscale.module.calibrate import measured

    return [measured(each, running.device) for each in specs]


def _varied(
    baseline: Spec, given: Mapping[str, Any], target_ratio: float
) -> list[Interval]:
    """From where to where each axis of a baseline goes.

    Raises:
        ScaleError: for an axis that it does not have.
    """
    growth = growth_of(baseline)
    strange = [k for k in given if k.replace("_", "-") not in growth.options]
    if strange:
        named = ", ".join(strange)
        raise ScaleError(growth.refusal.format(options=named, name=baseline.name))
    return [
        _interval(name, given[name]) if name in given else default
        for name, default in zip(
            (axis.option.replace("-", "_") for axis in growth.axes),
            growth.ranges(target_ratio),
            strict=True,
        )
    ]


def _interval(name: str, given: tuple[float, float]) -> Interval:
    """From where to where an axis goes, to the digit.

    Raises:
        ScaleError: unless they are two numbers.
    """
    try:
        low, high = (float(number(name, each, 0, MAX_NUMBER)) for each in given)
    except (TypeError, ValueError):
        expected = "expected two numbers, from and to"
        raise ScaleError(f"{name}: {expected}, got {short(given)}") from None
    return Decimal(repr(low)), Decimal(repr(high))
