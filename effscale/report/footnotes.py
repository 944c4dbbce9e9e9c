"""Marks in a table's cells, and the table that says what they mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from effscale.report.document import Column, Section

if TYPE_CHECKING:
    from collections.abc import Sequence

_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass
class Footnotes:
    """Texts numbered in the order in which they first come up, each once."""

    #: For each text, what is said of the cells that are marked with it.
    texts: dict[str, list[str]] = field(default_factory=dict)

    def mark(self, text: str, cell: str = "") -> str:
        """The sign that stands for `text`; `cell` is what to say of its cell."""
        self.texts.setdefault(text, []).append(cell)
        return raised(list(self.texts).index(text) + 1)

    def section(self, title: str, cells: str = "") -> list[Section]:
        """What the marks mean, as a table; nothing where there is none.

        What is said of cells has a column of that name.
        """
        columns = [
            Column("", "mark"),
            *([Column(cells, "cells", justify="left", wraps=True)] if cells else []),
            Column("why", "why", justify="left", wraps=True),
        ]
        rows = [
            {"mark": raised(k), "cells": ", ".join(said), "why": text}
            for k, (text, said) in enumerate(self.texts.items(), 1)
        ]
        return [Section(columns, rows, title)] if rows else []


def raised(number: int) -> str:
    """A number as a mark: 12 → `¹²`."""
    return str(number).translate(_RAISED)


def marked(marks: Sequence[str], text: str) -> str:
    """`text` behind its mark, so that figures stay under each other: `² 4.39 G`."""
    return " ".join([*marks, text])
