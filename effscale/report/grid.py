"""The answer of `grid`: coefficients that meet a target, best first."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from effscale.cost.count import Cost, count
from effscale.glossary import word
from effscale.growth.growth import at_phi, growth_of
from effscale.growth.scale import scale
from effscale.limit import UNITS, title
from effscale.quantity import in_seconds
from effscale.report import document, left_out, published, rows
from effscale.report.calibrate import known, setting
from effscale.report.document import Column, Report, Section, multiple, percent
from effscale.report.published import Relatives
from effscale.search.grid import best_first, pareto_front

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from effscale.growth.growth import Growth
    from effscale.module.measure import Measurement
    from effscale.report.document import Row, Units
    from effscale.report.rows import Data
    from effscale.search.grid import Answer, Candidates, Grid
    from effscale.spec.models import Spec


#: Rows of the printed table, unless others are asked for.
SHOWN = 20
#: Networks of a table that are run, where latency is predicted to choose them.
FINALISTS = 3


def candidate_rows(spec: Spec, candidates: Candidates, grid: Grid) -> list[Data]:
    """A row for each candidate, in order, as plain Python numbers."""
    growth, size, phi = growth_of(spec), len(candidates), grid.phis[0]
    axes = [*zip(growth.axes, candidates.coefficients, growth.own, strict=True)]
    given = growth.at(candidates.coefficients, phi).given
    figures = {
        **{axis.key: each for axis, each, _ in axes},
        **{f"{name}_multiplier": each for name, each in given.items()},
        **vars(candidates.cost),
        "product": candidates.product,
        "resolution": np.stack([candidates.height, candidates.width], axis=1),
        "channels": candidates.numbers,
        "macs_ratio": candidates.ratio,
        "deviation": candidates.deviation,
        "rms_error": candidates.tracking,
        "grid_points": candidates.same,
        "pareto": candidates.pareto,
        **_figures(grid, candidates),
        "own_coefficients": np.all([each == own for _, each, own in axes], axis=0),
    }
    said = [key for key in (*growth.candidate, *grid.figures) if key in figures]
    lists = [_plain(figures[key], size) for key in said]
    table = [dict(zip(said, row, strict=True)) for row in zip(*lists, strict=True)]
    return [row | dict.fromkeys(growth.unsaid) for row in table]


def _figures(grid: Grid, candidates: Candidates) -> Data:
    """What limits speak of: whole bytes, seconds as they are."""
    columns = zip(grid.figures, candidates.figures.T, strict=True)
    return {k: v if k == "latency" else v.astype(np.int64) for k, v in columns}


def _plain(column: Any, size: int) -> list[Any]:  # noqa: ANN401 - an array, or a number
    found: list[Any] = (
        np.asarray(column).tolist() if np.ndim(column) else [column] * size
    )
    return found


@dataclass(frozen=True)
class Searched:
    """The grid of a baseline, searched: its candidates, best first, a row of each."""

    spec: Spec
    grid: Grid
    answer: Answer
    candidates: Candidates
    rows: list[Data]

    @classmethod
    def by(cls, order: str, spec: Spec, grid: Grid, answer: Answer) -> Searched:
        """The answer in this order."""
        found = best_first(growth_of(spec), answer.candidates, order)
        return cls(spec, grid, answer, found, candidate_rows(spec, found, grid))

    def network(self, row: Data) -> Spec:
        """The network of a row, at the first φ; what no row says is that of φ."""
        end = "_multiplier"
        given = {key.removesuffix(end): row[key] for key in row if key.endswith(end)}
        whole = at_phi(self.spec, self.grid.phis[0])
        return scale(self.spec, replace(whole, **given))

    def judged(self, row: Data, measured: Measurement | None) -> Data:
        """A row with all its keys: what it was to be, and what was measured of it."""
        cost = Cost(**{name: row[name] for name in rows.FIGURES})
        row["target_ratio"] = self.grid.target_ratio ** self.grid.phis[0]
        row["measured"] = rows.measured(measured)
        row["agrees"] = rows.agrees(cost, measured)
        ran = ["measured_latency"] if "latency" in self.grid.figures else []
        keys = (*growth_of(self.spec).candidate, *self.grid.figures, *ran)
        return {key: row.get(key) for key in keys}


def run_first(
    chosen: Sequence[tuple[Searched, Data]],
    time: Callable[[Sequence[Spec]], Iterable[float]],
) -> None:
    """Put into the very first rows how long their networks take, in seconds.

    `time` may run none of them, where nothing was predicted.
    """
    first = chosen[:FINALISTS]
    took = time([each.network(row) for each, row in first])
    for (_, row), seconds in zip(first, took, strict=False):
        row["measured_latency"] = seconds


def order(sort: str | None, phis: Sequence[float]) -> str:
    """What is best, unless that is said: close to the target, over several φ to all."""
    return sort or ("rms_error" if len(phis) > 1 else "deviation")


def report(
    searched: Searched,
    *,
    top: int,
    measured: Sequence[Measurement | None] = (),
    units: Units = "macs",
) -> Report:
    """The feasible networks; `top` of them shown, all of them in JSON and CSV.

    `measured` has an entry for each of the first rows, as far as it goes.
    """
    spec, grid, answer = searched.spec, searched.grid, searched.answer
    growth = growth_of(spec)
    pairs = zip_longest(searched.rows, measured)
    table = [searched.judged(row, found) for row, found in pairs]
    shown = _shown(table, top)
    return Report(
        data={
            **rows.envelope("grid", spec.name),
            **setting(grid.running),
            "enumerated": answer.enumerated,
            "feasible": answer.feasible,
            "distinct": len(table),
            "candidates": table,
            "left_out": left_out.rows(answer.left),
        },
        sections=[
            Section(
                _columns([growth], grid, units, shown),
                shown,
                emphasis=_emphasis,
            ),
            *left_out.sections(answer.left),
        ],
        heading=_heading(growth, grid, answer, len(table)),
        notes=[_legend(growth, grid), *_more(len(table), top)],
        records=[_record(row) for row in table],
    )


def merged(found: Mapping[str, Searched], by: str) -> list[tuple[str, Searched, Data]]:
    """The rows of all baselines in one order, each with its baseline.

    What none of all of them beats is on the front; a published relative of about its
    cost stands beside it.
    """
    known = {name: Relatives(each.spec) for name, each in found.items()}
    together = [
        (name, each, {**row, "published": known[name].near(row["macs"])})
        for name, each in found.items()
        for row in each.rows
    ]
    front = pareto_front(
        *(np.array([row[k] for *_, row in together]) for k in ("params", "activations"))
    )
    for (*_, row), best in zip(together, front.tolist(), strict=True):
        row["pareto"] = best
    return sorted(together, key=lambda each: _badness(each[2], by))


def _badness(row: Data, by: str) -> float:
    value = row[by]
    return float(math.prod(value) if by == "resolution" else abs(value))


def side_by_side(  # noqa: PLR0913 - what searches were, and what they found
    baselines: Mapping[str, Spec],
    found: Mapping[str, Searched],
    missed: Mapping[str, str],
    merged: Sequence[tuple[str, Searched, Data]],
    *,
    top: int,
    measured: Sequence[Measurement | None] = (),
    units: Units = "macs",
) -> Report:
    """The candidates of several baselines in one table.

    `missed` says of each of the others why it has none.
    """
    table = [
        {
            "baseline": name,
            **each.judged(row, measurement),
            **{key: row[key] for key in ("pareto", "published")},
        }
        for (name, each, row), measurement in zip_longest(merged, measured)
    ]
    grids = [each.grid for each in found.values()]
    grid = next((each for each in grids if each.constraint), grids[0])
    shown = _shown(table, top)
    growths = [growth_of(each.spec) for each in found.values()]
    bases = [
        _baseline(name, spec, found.get(name), missed.get(name))
        for name, spec in baselines.items()
    ]
    left = {name: each.answer.left for name, each in found.items()}
    return Report(
        data={
            **rows.envelope("grid"),
            **setting(grid.running),
            "baselines": bases,
            "candidates": table,
            "left_out": [
                {"baseline": name, **row}
                for name, each in left.items()
                for row in left_out.rows(each)
            ],
        },
        sections=[
            Section(_columns(growths, grid, units, shown), shown, emphasis=_emphasis),
            Section(_baseline_columns(units), bases, "Baselines"),
            *(s for name, each in left.items() for s in left_out.sections(each, name)),
        ],
        heading=_asked("each baseline", grid),
        notes=[
            "  ".join([_MARKS, *_tracking(growths[0], grid), *published.legend(shown)]),
            *_more(len(table), top),
        ],
        records=[published.flat(_record(row)) for row in table],
        warnings=left_out.warnings(missed),
    )


_MARKS = (
    "★ a baseline's own coefficients  ◆ on the front of params against activations, of "
    "all baselines"
)


def _baseline(
    name: str, spec: Spec, found: Searched | None, missed: str | None
) -> Data:
    """A baseline, how much of its grid was feasible, and how many networks are left."""
    cost, answer = count(spec), None if found is None else found.answer
    return {
        "name": name,
        "params": int(cost.params),
        "macs": int(cost.macs),
        "enumerated": answer and answer.enumerated,
        "feasible": answer and answer.feasible,
        "distinct": 0 if found is None else len(found.rows),
        "missed": missed,
    }


def _shown(table: list[Data], top: int) -> list[Data]:
    """The first rows, and those of own coefficients wherever they stand."""
    return [*table[:top], *(row for row in table[top:] if row["own_coefficients"])]


def _more(networks: int, top: int) -> list[str]:
    """How to see what is not shown, if something is not."""
    left = networks - top
    if left <= 0:
        return []
    all_of = f"--top {networks}, or --format csv"
    return [f"{document.several(left, 'more network')}: {all_of}"]


def _record(row: Data) -> Data:
    """A row for a CSV; of what is shown φ by φ, the first."""
    first = {key: row[key][0] for key in ("channels",) if key in row}
    return rows.flat({**row, **first})


def _heading(
    growth: Growth, grid: Grid, answer: Answer, networks: int
) -> list[tuple[str, str]]:
    found = [f"{answer.enumerated:,} {growth.points}"]
    if grid.constraint is not None:
        found.append(f"{answer.feasible:,} feasible")
    found.append(document.several(networks, "network"))
    target, *others = _asked(growth.spec.name, grid)
    return [target, ("grid", ", ".join(found)), *others]


def _asked(base: str, grid: Grid) -> list[tuple[str, str]]:
    """What is asked of the networks of a baseline."""
    low, high = grid.phis[0], grid.phis[-1]
    target = [f"{grid.target_ratio:g} × {base} per φ"]
    if grid.constraint is not None:
        what = "α·β²·γ²" if grid.constraint == "nominal" else "realised MACs"
        target.append(f"by {what} within {100 * grid.tolerance:g} %")
    target.append(f"φ {low:g}" if low == high else f"φ {low:g} to {high:g}")
    limits = [("limits", "; ".join(map(str, grid.limits)))]
    said = known(grid.running)
    return [("target", ", ".join(target)), *(limits if grid.limits else []), *said]


#: How long the first networks took when they were run, where latency is predicted.
_RAN = Column("measured", "measured_latency", in_seconds)
#: Columns beside the coefficients, of the growths whose candidates have them.
_BESIDE = {
    "product": Column("product", "product", lambda value: f"{value:.3f}"),
    "channels": Column(
        "neck channels", "channels", lambda each: " ".join(map(str, each))
    ),
}


def _columns(
    growths: Sequence[Growth], grid: Grid, units: Units, shown: list[Data]
) -> list[Column]:
    """Those of all these growths; of several, the baseline and what is published."""
    family, several = len(grid.phis) > 1, any("baseline" in row for row in shown)
    said = [
        key
        for growth in growths
        for key in growth.candidate
        if key not in growth.unsaid
    ]
    axes = dict.fromkeys(axis for growth in growths for axis in growth.axes)
    return [
        document.marks_column(
            *((key, word(key)) for key in ("own_coefficients", "pareto"))
        ),
        *([Column.words("baseline")] if several else []),
        *(Column(axis.title, axis.key, multiple) for axis in axes),
        *(_BESIDE[key] for key in dict.fromkeys(said) if key in _BESIDE),
        *document.costs(units, shown),
        document.ACTIVATIONS,
        *(Column(title(name), name, UNITS[name].show) for name in grid.figures),
        *([_RAN] if any(row.get(_RAN.key) for row in shown) else []),
        document.RATIO,
        document.OFF_BY,
        *([Column(word("rms_error"), "rms_error", percent)] if family else []),
        Column(word("grid_points"), "grid_points"),
        *(published.columns(shown) if several else []),
    ]


def _baseline_columns(units: Units) -> list[Column]:
    numbers = {"points": "enumerated", "feasible": "feasible", "networks": "distinct"}
    return [
        Column.words("baseline", "name"),
        document.PARAMS,
        document.macs_column(units),
        *(Column(title, key, lambda n: f"{n:,}") for title, key in numbers.items()),
    ]


def _emphasis(row: Row) -> str:
    return "bold" if row["own_coefficients"] else ""


def _legend(growth: Growth, grid: Grid) -> str:
    return "  ".join([growth.marks, *_tracking(growth, grid)])


def _tracking(growth: Growth, grid: Grid) -> list[str]:
    """What the error over several φ is, where there are several."""
    return [growth.tracking] if len(grid.phis) > 1 and growth.tracking else []
