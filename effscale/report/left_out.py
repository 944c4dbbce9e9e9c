"""Candidates that are no network, in the answer of a search: how many, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from effscale.report.document import Column, Section, several

if TYPE_CHECKING:
    from effscale.report.document import Row
    from effscale.report.rows import Data
    from effscale.search.networks import LeftOut


def rows(left: LeftOut) -> list[Data]:
    """A row for each reason, the most frequent first."""
    ordered = sorted(left.reasons.values(), key=lambda each: -each.number)
    return [
        {"candidates": each.number, "example": each.example, "why": each.text}
        for each in ordered
    ]


def sections(left: LeftOut, of: str = "") -> list[Section]:
    """A table of them; none where every candidate is a network.

    `of` is the baseline, where there are several.
    """
    columns = [
        Column("candidates", "candidates", lambda number: f"{number:,}"),
        Column("such as", "", _example, justify="left", wraps=True),
        Column.words("why", wraps=True),
    ]
    whose = f" of {of}" if of else ""
    number = several(left.number, "candidate")
    title = f"Left out{whose}: {number} that {_verb(left)}"
    return [Section(columns, rows(left), title)] if left.reasons else []


def _verb(left: LeftOut) -> str:
    return "is no network" if left.number == 1 else "are no networks"


def _example(row: Row) -> str:
    said = {name: f"{value:.6g}" for name, value in row["example"].items()}
    return ", ".join(f"{name} {value}" for name, value in said.items() if value != "1")
