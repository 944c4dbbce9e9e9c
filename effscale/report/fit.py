"""The answer of `fit`: the variants that meet a cost, or come nearest to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from effscale.cost.count import Counted
from effscale.cost.latency_model import Device
from effscale.errors import UnreachableError
from effscale.glossary import word
from effscale.growth.growth import growth_of
from effscale.limit import UNITS, exactly, title
from effscale.quantity import in_bytes, in_seconds
from effscale.report import document, left_out, published, rows
from effscale.report.calibrate import known, predicted, setting
from effscale.report.document import Column, Report, Section, several
from effscale.report.published import Relatives
from effscale.report.scaling import (
    reasons,
    scaled,
    unexplained,
    variant_row,
    warnings,
)
from effscale.search.fit import on_ray as along
from effscale.search.fit import ray
from effscale.search.grid import pareto_front
from effscale.search.measured import timed_ray
from effscale.search.off_ray import off_ray as free

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from effscale.arrays import IntArray
    from effscale.cost.figures import Running
    from effscale.growth.growth import Growth
    from effscale.limit import Figure
    from effscale.module.measure import Measurement
    from effscale.report.document import Row, Units
    from effscale.report.rows import Data
    from effscale.search.asked import Asked, Bounds
    from effscale.search.fit import Answer, Found
    from effscale.search.measured import Clock, Tries
    from effscale.search.networks import LeftOut
    from effscale.spec.models import Spec

#: How far from a target networks off the ray are looked at, unless that is said.
NEAR = 0.05


def on_ray(
    baseline: Spec, asked: Sequence[Asked], bounds: Bounds, strategy: str
) -> tuple[list[Answer], str, LeftOut]:
    """Search a strategy's networks: the answers, where was searched, what was left."""
    path = ray(baseline, asked, bounds, strategy)
    answers = [along(path, each) for each in asked]
    low, high = path.phi[0], path.end[-1]
    networks = several(len(path.phi), "network")
    text = f"{networks} of {strategy}, φ {low:.3g} to {high:.3g}"
    if bounds.hold:
        text += f"; {', '.join(sorted(bounds.hold))} held"
    return answers, text, path.left


def timed(
    baseline: Spec,
    asked: Asked,
    bounds: Bounds,
    strategy: str,
    clock: Clock,
) -> tuple[list[Answer], str, LeftOut]:
    """The same within a limit of latency, some of the networks run by `clock`."""
    device, ran = asked.running.device or Device(), list[str]()

    def built(spec: Spec) -> Tries:
        ran.append(spec.name)
        return clock(spec, device)

    path, answer = timed_ray(baseline, asked, bounds, strategy, built)
    networks = several(len(path.phi), "network")
    text = f"{networks} of {strategy}, {len(ran)} measured"
    return [answer], f"{text}, on {device.said()}", path.left


def off_ray(
    baseline: Spec,
    asked: Asked,
    bounds: Bounds,
    advance: Callable[[float], None] = lambda _share: None,
) -> tuple[list[Answer], str, LeftOut]:
    """The same of every network within the bounds; `advance` hears of progress."""
    near = NEAR if asked.within is None else asked.within
    found = free(baseline, asked, bounds, near, advance)
    names = ("depth", "width", "resolution")
    where = ", ".join(
        f"{name} × {low:.3g} to {high:.3g}" if low < high else f"{name} × {low:g}"
        for name, (low, high) in zip(names, found.ranges, strict=True)
    )
    text = f"every network of {where}: {found.enumerated:,}"
    if asked.goal.target is not None:
        text += f", {found.within:,} within {100 * near:g} %"
    kept = growth_of(baseline).kept
    text += f"; {kept}" if kept else ""
    return [found.answer], text, found.left


def refuse_unmet(answers: Sequence[Answer], elsewhere: str = "") -> None:
    """Raise if limits leave nothing, or a target has nothing as close as it is to be.

    `elsewhere` are the options that may find a cheaper one, if there are any.

    Raises:
        UnreachableError: with a line for each answer that misses something.
    """
    lines = [line for each in answers if (line := _missed(each, elsewhere))]
    if lines:
        raise UnreachableError("\n".join(lines))


def _missed(answer: Answer, elsewhere: str) -> str:
    """What an answer misses, and by how much; nothing if it is as it was to be."""
    goal, within = answer.asked.goal, answer.asked.within
    show = UNITS[goal.figure].show
    if answer.best is None:
        return _misses(answer)
    off = answer.best.deviation
    if goal.target is None or off is None or within is None or abs(off) <= within:
        return ""
    sides = [
        each for each in answer.found if each.role in {"nearest", "below", "above"}
    ]
    near = ", ".join(
        f"{exactly(goal.figure, each.figures[goal.figure])} "
        f"({100 * (each.deviation or 0):+.1f} %)"
        for each in sides
    )
    what = f"the nearest: {near}"
    if elsewhere and all((each.deviation or 0) > 0 for each in sides):
        what += f"; the strategy has none that is cheaper: try {elsewhere}"
    wanted = f"{show(goal.target)} {title_of(goal.figure)} within {100 * within:g} %"
    limits = ", ".join(map(str, answer.asked.limits))
    meeting = f" with {limits}" if limits else ""
    return f"no network{meeting} has {wanted}; {what}"


def _misses(answer: Answer) -> str:
    """That nothing is within the limits, and the nearest miss of each."""
    limits = answer.asked.limits
    if not answer.misses:  # the bounds leave nothing that could miss a limit
        return "no network is within the bounds of the search"
    lines = [f"no network is within {', '.join(map(str, limits))}"]
    for each in answer.misses:
        beyond = [m for m in limits if not m.admits(each.figures[m.figure])]
        said = ", ".join(
            f"{title(m.figure)} {m.beside(each.figures[m.figure])}" for m in beyond
        )
        lines.append(f"nearest miss: {each.variant.spec.name} has {said}")
    return "; ".join(lines)


def report(  # noqa: PLR0913 - what was asked, and what was found
    spec: Spec,
    answers: Sequence[Answer],
    *,
    searched: str,
    left: LeftOut,
    measured: Sequence[Measurement | None],
    units: Units = "macs",
    top: int = 10,
    latency: float | None = None,
) -> Report:
    """Each network found, its role beside it; of the front, `top` in the table.

    `measured` has an entry for each that is `shown`; `latency` is that of the best, in
    seconds, where it was predicted and then measured.
    """
    table = _table(spec, answers, measured)
    if latency is not None:
        table[0]["measured_latency"] = latency
    limits = [row for answer in answers for row in _limits(answer)]
    sections, notes = _networks(spec, answers, table, units, top)
    if table:
        sections += limits_section(limits)
    if all(answer.asked.budgets_macs for answer in answers):
        chosen = [row for row in table if row["role"] in {"nearest", "most"}]
        sections += reasons(growth_of(spec), chosen)
    running = answers[0].asked.running
    return Report(
        data={
            **rows.envelope("fit", spec.name),
            **setting(running),
            "rows": table,
            "limits": limits,
            "left_out": left_out.rows(left),
        },
        sections=[*sections, *left_out.sections(left)],
        heading=[
            ("asked", said([each.asked for each in answers])),
            ("searched", searched),
        ],
        notes=[*notes, *_predicted(table, running), *unexplained(table)],
        records=[_flat(row) for row in table],
        warnings=warnings(table),
    )


def _table(
    spec: Spec, answers: Sequence[Answer], measured: Sequence[Measurement | None]
) -> list[Data]:
    """A row for each network that is shown."""
    baseline = Counted.of(spec)
    networks = [each for answer in answers for each in shown(answer, answers)]
    return [
        _row(baseline, each, measurement)
        for each, measurement in zip(networks, measured, strict=True)
    ]


def _networks(
    spec: Spec, answers: Sequence[Answer], table: list[Data], units: Units, top: int
) -> tuple[list[Section], list[str]]:
    """The networks as tables, those of the front apart, and what is said of these."""
    growth, off_by = growth_of(spec), _off_by(answers)
    front = [row for row in table if row["role"] == "front"]
    others = [row for row in table if row["role"] != "front"]
    sections, notes = [], []
    if others:
        columns = _columns(growth, units, others, off_by)
        sections.append(Section(columns, others, emphasis=_emphasis))
    if front:
        heading = "Pareto front within the tolerance: params against activations"
        columns = _columns(growth, units, front, off_by)
        sections.append(Section(columns, _spread(front, top), heading))
    if len(front) > top:
        notes.append(f"{len(front)} on the front: --top {len(front)} shows all")
    return sections, notes


def _predicted(table: Sequence[Data], running: Running) -> list[str]:
    """How far the predicted latency of the best is from the measured one, if it ran."""
    first = table[0] if table else {}
    if running.model is None or "measured_latency" not in first:
        return []
    expected, latency = first["latency"], first["measured_latency"]
    off = f"{100 * (expected / latency - 1):+.1f} %"
    times = f"predicted {in_seconds(expected)}, measured {in_seconds(latency)} ({off})"
    return [f"latency of {first['name']}: {times}; {predicted(running.model)}"]


def side_by_side(  # noqa: PLR0913 - what was asked, and what was found
    baselines: Mapping[str, Spec],
    answers: Mapping[str, Answer],
    missed: Mapping[str, str],
    *,
    measured: Sequence[Measurement | None],
    ran: Sequence[float] = (),
    units: Units = "macs",
) -> Report:
    """The best network of each baseline, beside what is published of its size.

    `missed` says of each baseline without an answer why it has none. `measured` has an
    entry for each answer that has a network, and so has `ran`: the seconds that it
    takes, where latency was predicted and then measured.
    """
    table: list[Data] = []
    given, took = iter(measured), iter(ran)
    for name, answer in answers.items():
        spec = baselines[name]
        counted = Counted.of(spec)
        for each in (answer.found or answer.misses)[:1]:
            row = {"baseline": name, **_row(counted, each, next(given))}
            near = Relatives(spec).near(int(each.cost.macs))
            timed = {"measured_latency": next(took)} if ran else {}
            table.append(row | timed | {"published": near})
    front = pareto_front(*(_column(table, key) for key in ("params", "activations")))
    for row, best in zip(table, front.tolist(), strict=True):
        row["pareto"] = best and not row["role"].startswith("misses")
    keys = {key for row in table for key in row}
    columns = [
        document.marks_column(("pareto", "◆")),
        Column.words("baseline"),
        Column.words("", "role"),
        *document.costs(units, table),
        document.ACTIVATIONS,
        *(column for column in FIGURE_COLUMNS if column.key in keys),
        *_off_by([*answers.values()]),
        *published.columns(table),
    ]
    first = next(iter(answers.values())).asked
    bases = [{"name": name, "missed": missed.get(name)} for name in baselines]
    mark = "◆ on the front of params against activations"
    return Report(
        data={
            **rows.envelope("fit"),
            **setting(first.running),
            "baselines": bases,
            "rows": table,
        },
        sections=[Section(columns, table, emphasis=_emphasis)],
        heading=[("asked", said([first])), *known(first.running)],
        notes=["  ".join([mark, *published.legend(table)])],
        records=[published.flat(_flat(row)) for row in table],
        warnings=[*left_out.warnings(missed), *warnings(table)],
    )


def _column(table: Sequence[Data], key: str) -> IntArray:
    return np.array([row[key] for row in table], dtype=np.int64)


def shown(answer: Answer, answers: Sequence[Answer]) -> list[Found]:
    """The networks of an answer that are shown: of several answers the best alone."""
    found = answer.found or answer.misses
    return found[:1] if len(answers) > 1 else found


def said(asked: Sequence[Asked]) -> str:
    """What was asked for, in a line."""
    first = asked[0]
    unit = UNITS[first.goal.figure]
    goals = [
        unit.show(each.goal.target) for each in asked if each.goal.target is not None
    ]
    if goals:
        what = title_of(first.goal.figure)
        within = "" if first.within is None else f" within {100 * first.within:g} %"
        words = [f"{', '.join(goals)} {what}{within}"]
    else:
        words = [f"most {title_of(first.goal.figure)}"]
    limits = dict.fromkeys(str(limit) for each in asked for limit in each.limits)
    return "; ".join([*words, *limits])


def title_of(figure: Figure) -> str:
    """A figure's name as units have it: `MACs`, `training memory`."""
    return UNITS[figure].name.strip() or title(figure)


def _limits(answer: Answer) -> list[Data]:
    """How the best network, or what misses a limit by least, stands to each limit."""
    best = answer.best
    found = []
    for limit in answer.asked.limits:
        misses = [e for e in answer.misses if e.role == f"misses {title(limit.figure)}"]
        judged = best or (misses[0] if misses else None)
        value = None if judged is None else judged.figures[limit.figure]
        found.append(
            {
                "limit": str(limit),
                "figure": limit.figure,
                "value": limit.value,
                "network": None if judged is None else judged.variant.spec.name,
                "found": value,
                "deviation": None if value is None else value / limit.value - 1,
                "binds": limit in answer.binding,
            }
        )
    return found


def limits_section(table: Sequence[Data]) -> list[Section]:
    """A table of limits, which of them bind, and what is nearest to each."""

    def shown(row: Row) -> str:
        return "" if row["found"] is None else UNITS[row["figure"]].show(row["found"])

    columns = [
        Column.words("limit"),
        Column("found", "", shown),
        Column(word("deviation"), "deviation", document.signed_percent),
        Column("", "binds", lambda binds: "binds" if binds else "", justify="left"),
        Column.words("network"),
    ]
    return [Section(columns, table, "Limits")] if table else []


def _row(baseline: Counted, found: Found, measurement: Measurement | None) -> Data:
    row = variant_row(baseline, found.variant, measurement)
    interval = None if found.interval is None else list(found.interval)
    if found.goal.figure != "macs" and found.deviation is not None:
        row["deviation"] = found.deviation
    figures: Data = {k: n for k, n in found.figures.items() if k not in row}
    return {
        "role": found.role,
        "target": found.goal.target,
        **row,
        **figures,
        "phi_range": interval,
    }


def _flat(row: Data) -> Data:
    """A row for a CSV, the interval in two cells."""
    low, high = row["phi_range"] or (None, None)
    flat = {**rows.flat(row), "phi_from": low, "phi_to": high}
    del flat["phi_range"]
    return flat


def _spread(front: list[Data], top: int) -> list[Data]:
    """At most `top` of the front, evenly spread along it, both ends among them."""
    if len(front) <= top:
        return front
    last = len(front) - 1
    picked = [round(k * last / max(top - 1, 1)) for k in range(top)]
    return [front[index] for index in dict.fromkeys(picked)]


def _interval(value: Sequence[float]) -> str:
    low, high = value
    return f"{low:.3f} to {high:.3f}"


_PHI = [
    Column("φ", "phi", lambda phi: f"{phi:g}"),
    Column("φ range", "phi_range", _interval),
]


def _columns(
    growth: Growth, units: Units, table: list[Data], off_by: Sequence[Column]
) -> list[Column]:
    several = len({row["target"] for row in table}) > 1
    targets = [document.macs_column(units, "target", title="target")]
    asked = {key for row in table for key in row}
    ray = any(row["phi_range"] for row in table)
    return [
        Column.words("", "role"),
        *(targets if several else []),
        *(_PHI if ray else []),
        *scaled(growth),
        *document.costs(units, table),
        document.ACTIVATIONS,
        *(column for column in FIGURE_COLUMNS if column.key in asked),
        *off_by,
    ]


def _off_by(answers: Sequence[Answer]) -> list[Column]:
    """How far from what was asked, where there is something to be far from."""
    asked = [each.asked for each in answers]
    some = any(e.budgets_macs or e.goal.target is not None for e in asked)
    return [document.OFF_BY] if some else []


#: Figures that a table has where limits speak of them.
FIGURE_COLUMNS = [
    Column("memory", "memory", in_bytes),
    Column("training", "training_memory", in_bytes),
    Column("latency", "latency", in_seconds),
    Column("measured", "measured_latency", in_seconds),
]


def _emphasis(row: Row) -> str:
    return "bold" if row["role"] in {"nearest", "most"} else ""
