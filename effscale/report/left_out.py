"""Candidates and baselines that a search leaves out, and what is said of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from effscale.errors import CandidateError, CountError, ScaleError
from effscale.report.document import Column, Section, several

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from effscale.report.document import Row
    from effscale.report.rows import Data
    from effscale.search.networks import LeftOut

S = TypeVar("S")
T = TypeVar("T")


def each_of(
    baselines: Mapping[str, S], searched: Callable[[S], T]
) -> tuple[dict[str, T], dict[str, str]]:
    """What is found of each baseline, or variant, and why nothing of the others is.

    Raises:
        ScaleError: if there is nothing of any, with a line for each.
    """
    found, missed = {}, {}
    for name, each in baselines.items():
        try:
            found[name] = searched(each)
        except (CandidateError, CountError) as error:
            missed[name] = str(error)
    if not found:
        raise ScaleError("\n".join(warnings(missed)))
    return found, missed


def warnings(missed: Mapping[str, str]) -> list[str]:
    """A line for each that is left out."""
    return [f"{name}: {why}" for name, why in missed.items()]


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
