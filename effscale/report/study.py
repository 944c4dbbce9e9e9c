"""The answer of `study`: candidates by score, beside what they cost."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from effscale.errors import StudyError
from effscale.growth.growth import Classifier
from effscale.report import document, rows
from effscale.report.document import Column, Report, Section, duration, multiple
from effscale.spec.dumping import dumps
from effscale.spec.loading import loads
from effscale.spec.models import Coefficients
from effscale.study.folder import training_of
from effscale.study.forecast import forecast
from effscale.study.learning import importance
from effscale.study.ranking import (
    ERROR,
    all_at_chance,
    axes,
    front,
    may_be_best,
    tied,
    unknown,
)
from effscale.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from effscale.report.document import Row, Units
    from effscale.report.rows import Data
    from effscale.study.course import Course
    from effscale.study.folder import Outcome, Study
    from effscale.study.forecast import Forecast
    from effscale.study.objective import Objective
    from effscale.study.ranking import Standing


#: Accuracies above this are per cent, and shown with fewer decimals.
WHOLE = 1.5


def report(  # noqa: PLR0913 - what a study is, and how it is looked at
    study: Study,
    ranked: Sequence[Standing],
    objective: Objective,
    *,
    course: Course,
    command: str = "study",
    units: Units = "macs",
) -> Report:
    """The candidates, best first; those that failed below, each with its reason."""
    along = axes(ranked, objective)
    table = _rows(study, ranked, front(ranked, along), may_be_best(ranked, course))
    failed = [each for row in table for each in row["failed"]]
    ahead = forecast(study, objective, course)
    sections = [Section(_columns(units, table), table, emphasis=_emphasis)]
    if failed:
        sections.append(Section(_FAILED, failed, "Failed, the last attempt of each"))
    return Report(
        data={
            **rows.envelope(command, study.header.name),
            "study": str(study.folder),
            "created": study.header.created,
            "evaluate": study.header.command,
            "versions": study.header.versions,
            "objective": objective.text,
            "target_ratio": study.header.target_ratio,
            "phi": study.header.phi,
            "seeds": course.seeds.most,
            "seeds_first": course.seeds.first,
            "rungs": list(course.rungs),
            "halving": course.halving if course.below else None,
            "front": {
                name: "more" if sign > 0 else "less" for name, sign in along.items()
            },
            "training_runs": {
                "all": ahead.all,
                "done": ahead.done,
                "failed": len(failed),
                "left": ahead.left,
            },
            "importance": importance(study, course),
            "seconds_left": ahead.seconds,
            "ends": None if ahead.end is None else _at(ahead.end).isoformat(),
            "running": study.running,
            "candidates": table,
        },
        sections=sections,
        heading=_heading(study, objective, course, _stands(ahead, len(failed))),
        notes=[
            *_notes(study, objective, table, along, course),
            *_chosen(study, table, left=ahead.left),
            *_doubts(ranked),
        ],
        records=[_flat(row, each) for row, each in zip(table, ranked, strict=True)],
    )


def _rows(
    study: Study, ranked: Sequence[Standing], ahead: set[str], best: set[str] | None
) -> list[Data]:
    level, seen = tied(ranked, best), 0
    table = []
    for each in ranked:
        seen += each.score is not None
        table.append(
            {
                "rank": None if each.score is None else seen,
                **each.figures,
                "accuracy": each.mean,
                "accuracy_std": each.spread,
                "accuracy_error": each.accuracy_error,
                "accuracies": each.accuracies,
                "seeds": len(each.outcomes),
                "epochs": each.epochs or None,
                "score": each.score,
                "score_error": each.error,
                "tied": None
                if level is None or each.score is None or each.epochs < ranked[0].epochs
                else each.name in level,
                "pareto": each.name in ahead,
                "seconds": each.seconds,
                "failed": [_failure(study, one) for one in each.failed],
                "agrees": None,
            }
        )
    return table


def _failure(study: Study, outcome: Outcome) -> Data:
    training = training_of(outcome)
    log = study.log(training, outcome["attempt"])
    return {
        "name": outcome["candidate"],
        "seed": outcome["seed"],
        "attempts": len(study.trainings[training]),
        "reason": outcome["reason"],
        "log": str(log) if (study.folder / log).exists() else None,
    }


def _stands(ahead: Forecast, failed: int) -> str:
    stands = [f"{ahead.done} of {ahead.all} training runs done"]
    if failed:
        stands.append(f"{failed} failed")
    if ahead.left and ahead.seconds is not None:
        each = ahead.seconds / ahead.left
        stands.append(f"{ahead.left} left of about {duration(each)} each")
    if ahead.end is not None:
        stands.append(f"until {_at(ahead.end):%H:%M} or so")
    return ", ".join(stands)


def _at(when: float) -> datetime:
    return datetime.fromtimestamp(when).astimezone().replace(microsecond=0)


def _heading(
    study: Study, objective: Objective, course: Course, stands: str
) -> list[tuple[str, str]]:
    header = study.header
    what = document.several(len(header.candidates), "candidate")
    what += f" of {header.name}, "
    what += f"{header.target_ratio:g} × per φ, at φ {header.phi:g}"
    stands += f", {course.seeds} seeds each" if course.seeds.most > 1 else ""
    if study.running and study.last:
        stands += f", running (process {study.last.get('pid', '?')})"
    return [
        ("study", f"{study.folder}: {what}"),
        ("command", header.command),
        ("progress", stands),
        *([("rungs", _climb(course))] if course.below else []),
        ("objective", objective.text),
    ]


def _columns(units: Units, table: Sequence[Row]) -> list[Column]:
    def accuracy(row: Data) -> str:
        if row["accuracy"] is None:
            return ""
        places = 4 if row["accuracy"] <= WHOLE else 2
        error = row["accuracy_error"]
        around = "" if error is None else f" ± {error:.{places}f}"
        return f"{row['accuracy']:.{places}f}{around}"

    climbed = {row["epochs"] for row in table}
    done = {row["seeds"] for row in table}
    uneven = len(done) > 1 and max(done) > 1
    return [
        Column("", "rank"),
        document.marks_column(
            ("own_coefficients", "★"), ("pareto", "◆"), ("tied", "≈")
        ),
        *(Column(axis.title, axis.key, multiple) for axis in Classifier.axes),
        *document.costs(units, table),
        document.ACTIVATIONS,
        document.OFF_BY,
        Column("accuracy", "", accuracy),
        *([Column("seeds", "seeds")] if uneven else []),
        *([Column("epochs", "epochs")] if len(climbed) > 1 else []),
        Column("time", "seconds", lambda value: duration(value) if value else ""),
        Column("score", "score", lambda value: f"{value:#.5g}".removesuffix(".")),
    ]


def _climb(course: Course) -> str:
    after = " and ".join(
        filter(None, [", ".join(map(str, course.below[:-1])), str(course.below[-1])])
    )
    return f"after {after} epochs one in {course.halving} goes on, to {course.last}"


#: Words for names of an objective that are others in a table.
_TITLES = {"macs": "MACs", "alpha": "α", "beta": "β", "gamma": "γ"}
_ONE_SEED = "one seed cannot show what is chance: --seeds 3 can"
_ONE_SEED_YET = "one seed each so far, which cannot show what is chance"
_ALIKE = (
    "each candidate has the same score with all its seeds, which cannot show what is "
    "chance: does the command use {seed}?"
)
_FAILED = [
    Column.words("candidate", "name"),
    Column("seed", "seed"),
    Column("attempts", "attempts"),
    Column.words("reason", wraps=True),
    Column.words("log", wraps=True),
]


def _emphasis(row: Row) -> str:
    return "bold" if row["rank"] == 1 else ""


def _notes(
    study: Study,
    objective: Objective,
    table: Sequence[Data],
    along: Mapping[str, int],
    course: Course,
) -> list[str]:
    notes = [_legend(table, along)]
    climbed = {row["epochs"] or 0 for row in table}
    stayed = [row for row in table if 0 < (row["epochs"] or 0) < course.last]
    if stayed and course.last in climbed:
        notes.append(
            f"{len(stayed)} of {len(table)} candidates have not gone on from a rung: "
            "that is by rank there alone, and tells nothing apart"
        )
    first = table[0]
    if lacking := [row for row in table if row["seeds"] and row["score"] is None]:
        notes.append(
            f"{len(lacking)} of {len(table)} candidates have accuracies, but no "
            f"score: {_why(study, objective)}"
        )
    if first["score"] is None:
        return notes
    level = sum(row["tied"] or 0 for row in table)
    others = [row for row in table[1:] if row["epochs"] == first["epochs"]]
    if first["tied"] is None and others:
        notes.append(_untold(table, course))
    elif compared := [row for row in table[1:] if row["tied"] is not None]:
        among = "no other" if len(compared) == len(table) - 1 else "none of those"
        also = f"{level} more may be as good" if level else f"{among} is as good"
        more = ". More --seeds or longer training may separate them" if level else ""
        notes.append(
            f"{also} (Tukey and Kramer's test, variance pooled: at most "
            f"{100 * ERROR:g} % of studies of equals would tell any apart){more}"
        )
    return notes


def _untold(table: Sequence[Data], course: Course) -> str:
    """Why no candidate can be told apart."""
    if any(row["seeds"] > 1 for row in table):
        return _ALIKE
    return _ONE_SEED if course.seeds.most == 1 else _ONE_SEED_YET


def _chosen(study: Study, table: Sequence[Data], *, left: int) -> list[str]:
    """How the best becomes a spec's coefficients, if there is one."""
    if table[0]["score"] is None:
        return []
    which = "best so far" if left else "winner"
    how = f"effscale study {study.folder} --output found.yaml"
    return [f"the {which} as coefficients for every φ: {how}"]


def _legend(table: Sequence[Data], along: Mapping[str, int]) -> str:
    marks = ["★ the spec's own coefficients"]
    ways = [f"{_TITLES.get(name, name)} {'↓↑'[along[name] > 0]}" for name in along]
    if len(ways) > 1:
        marks.append(f"◆ on the front of {', '.join(ways[:-1])} and {ways[-1]}")
    elif ways:
        marks.append(f"◆ the best by {ways[0]}")
    marks.append("≈ not told apart from the best")
    if any(row["accuracy_error"] is not None for row in table):
        marks.append("± one standard error of the mean over seeds")
    return "  ".join(marks)


def _why(study: Study, objective: Objective) -> str:
    if absent := unknown(study, objective):
        return f"no {{out}} has a number called {', '.join(absent)}"
    return f"{objective.text} has no value for one of their seeds"


def _doubts(ranked: Sequence[Standing]) -> list[str]:
    if not all_at_chance(ranked):
        return []
    order = "the order above is chance too"
    hint = "longer training or another learning rate may separate the candidates"
    return [f"warning: all accuracies are those of chance, so {order}; {hint}"]


def _flat(row: Data, standing: Standing) -> Data:
    """A row for a CSV: `0.98;;0.97` are the accuracies of seeds 0 and 2."""
    reasons = "; ".join(each["reason"] for each in row["failed"])
    good = standing.outcomes
    seeds = range(max(good, default=-1) + 1)
    cells = (str(good[k]["accuracy"]) if k in good else "" for k in seeds)
    return {**row, "accuracies": ";".join(cells), "failed": reasons, "agrees": None}


def winner(study: Study, ranked: Sequence[Standing], objective: Objective) -> str:
    """YAML of the baseline, its `coefficients:` those of the best score.

    Raises:
        StudyError: if no candidate has a score yet.
    """
    best = ranked[0]
    if best.score is None or best.mean is None:
        raise StudyError(f"{study.folder}: no candidate has a score yet")
    found = Coefficients(
        **{axis.key: best.figures[axis.key] for axis in Classifier.axes}
    )
    baseline = loads(study.header.spec, str(study.folder))
    error = best.accuracy_error
    around = "" if error is None else f" ± {error:.4f}, its standard error,"
    seeds = document.several(len(best.outcomes), "seed")
    comment = (
        f"{baseline.name} with the coefficients found by effscale {VERSION}: of "
        f"{document.several(len(ranked), 'candidate')} the best by\n"
        f"{objective.text}\n"
        f"accuracy {best.mean:.4f}{around} of {seeds}, by\n"
        f"{study.header.command}"
    )
    return dumps(baseline.model_copy(update={"coefficients": found}), comment)
