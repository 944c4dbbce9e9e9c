"""The answer of `study`: candidates by reward, beside what they cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.errors import StudyError
from effscale.growth.growth import Classifier
from effscale.report import document, rows
from effscale.report.document import Column, Report, Section, multiple
from effscale.spec.dumping import dumps
from effscale.spec.loading import loads
from effscale.spec.models import Coefficients
from effscale.study.ranking import all_at_chance, front, tied
from effscale.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.report.document import Row, Units
    from effscale.report.rows import Data
    from effscale.study.folder import Outcome, Study
    from effscale.study.objective import Objective
    from effscale.study.ranking import Standing


#: Accuracies above this are per cent, and shown with fewer decimals.
WHOLE = 1.5


def report(  # noqa: PLR0913 - what a study is, and how it is looked at
    study: Study,
    ranked: Sequence[Standing],
    objective: Objective,
    *,
    seeds: int,
    command: str = "study",
    units: Units = "macs",
) -> Report:
    """The candidates, best first; those that failed below, each with its reason."""
    table = _rows(study, ranked)
    failed = [each for row in table for each in row["failed"]]
    done = sum(row["seeds"] for row in table)
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
            "budget": study.header.budget,
            "phi": study.header.phi,
            "seeds": seeds,
            "trainings": {
                "all": len(table) * seeds,
                "done": done,
                "failed": len(failed),
            },
            "running": study.running,
            "candidates": table,
        },
        sections=sections,
        heading=_heading(study, objective, seeds, done, len(failed)),
        notes=[*_notes(study, table), *_doubts(ranked)],
        records=[_flat(row) for row in table],
    )


def _rows(study: Study, ranked: Sequence[Standing]) -> list[Data]:
    best, level, seen = front(ranked), tied(ranked), 0
    table = []
    for each in ranked:
        seen += each.reward is not None
        table.append(
            {
                "rank": None if each.reward is None else seen,
                **each.figures,
                "accuracy": each.mean,
                "spread": each.spread,
                "accuracies": each.accuracies,
                "seeds": len(each.outcomes),
                "reward": each.reward,
                "reward_error": each.error,
                "tied": each.name in level,
                "pareto": each.name in best,
                "seconds": each.seconds,
                "failed": [_failure(study, one) for one in each.failed],
                "agrees": None,
            }
        )
    return table


def _failure(study: Study, outcome: Outcome) -> Data:
    training = outcome["candidate"], outcome["seed"]
    log = study.log(training, outcome["attempt"])
    return {
        "name": outcome["candidate"],
        "seed": outcome["seed"],
        "attempts": len(study.trainings[training]),
        "reason": outcome["reason"],
        "log": str(log) if (study.folder / log).exists() else None,
    }


def _heading(
    study: Study, objective: Objective, seeds: int, done: int, failed: int
) -> list[tuple[str, str]]:
    header = study.header
    every = len(header.candidates) * seeds
    what = f"{len(header.candidates)} candidates of {header.name}, "
    what += f"{header.budget:g} × per φ, at φ {header.phi:g}"
    stands = f"{done} of {every} trainings done"
    stands += f", {seeds} seeds each" if seeds > 1 else ""
    stands += f", {failed} failed" if failed else ""
    if study.running and study.last:
        stands += f", process {study.last.get('pid', '?')} is at it"
    return [
        ("study", f"{study.folder}: {what}"),
        ("command", header.command),
        ("stands", stands),
        ("reward", objective.text),
    ]


def _columns(units: Units, table: Sequence[Row]) -> list[Column]:
    def accuracy(row: Data) -> str:
        if row["accuracy"] is None:
            return ""
        places = 4 if row["accuracy"] <= WHOLE else 2
        around = "" if row["spread"] is None else f" ± {row['spread']:.{places}f}"
        return f"{row['accuracy']:.{places}f}{around}"

    done = {row["seeds"] for row in table}
    uneven = len(done) > 1 and max(done) > 1
    return [
        Column("", "rank"),
        document.marks_column(("own", "★"), ("pareto", "◆"), ("tied", "≈")),
        *(Column(axis.title, axis.key, multiple) for axis in Classifier.axes),
        *document.costs(units),
        document.ACTIVATIONS,
        document.OFF_BY,
        Column("accuracy", "", accuracy),
        *([Column("seeds", "seeds")] if uneven else []),
        Column("reward", "reward", lambda value: f"{value:.5g}"),
    ]


_LEGEND = (
    "★ the spec's own coefficients  ◆ on the front of accuracy against MACs, params "
    "and activations  ≈ not told apart from the best"
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


def _notes(study: Study, table: Sequence[Data]) -> list[str]:
    notes = [_LEGEND]
    first = table[0]
    if first["reward"] is None:
        return notes
    level = sum(row["tied"] for row in table)
    if level:
        notes.append(
            f"{level} more may be as good: within two standard errors of the best. "
            "More --seeds or longer trainings tell more"
        )
    elif first["reward_error"] is None:
        notes.append("one seed says nothing of chance: --seeds 3 does")
    best = f"effscale study {study.folder} --output found.yaml"
    return [*notes, f"the winner as coefficients for every φ: {best}"]


def _doubts(ranked: Sequence[Standing]) -> list[str]:
    if not all_at_chance(ranked):
        return []
    order = "the order above is chance too"
    hint = "longer trainings, or another learning rate, may tell"
    return [f"warning: all accuracies are those of chance, so {order}; {hint}"]


def _flat(row: Data) -> Data:
    reasons = "; ".join(each["reason"] for each in row["failed"])
    return {**row, "accuracies": None, "failed": reasons, "agrees": None}


def winner(study: Study, ranked: Sequence[Standing], objective: Objective) -> str:
    """YAML of the baseline, its `coefficients:` those of the best reward.

    Raises:
        StudyError: if no candidate has a reward yet.
    """
    best = ranked[0]
    if best.reward is None or best.mean is None:
        raise StudyError(f"{study.folder}: no candidate has a reward yet")
    found = Coefficients(
        **{axis.key: best.figures[axis.key] for axis in Classifier.axes}
    )
    baseline = loads(study.header.spec, str(study.folder))
    spread = "" if best.spread is None else f" ± {best.spread:.4f}"
    seeds = document.several(len(best.outcomes), "seed")
    comment = (
        f"{baseline.name} with the coefficients found by effscale {VERSION}: of "
        f"{len(ranked)} candidates the best by\n"
        f"{objective.text}\n"
        f"accuracy {best.mean:.4f}{spread} of {seeds}, by\n"
        f"{study.header.command}"
    )
    return dumps(baseline.model_copy(update={"coefficients": found}), comment)
