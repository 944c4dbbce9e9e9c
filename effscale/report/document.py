"""Answers of commands as plain data: reports, their tables, columns and footnotes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self, TypeAlias

from effscale.data import data
from effscale.glossary import word
from effscale.markup import spelled
from effscale.quantity import human

Row: TypeAlias = Mapping[str, Any]
Show: TypeAlias = Callable[[Any], str]
Format = Literal["table", "json", "csv", "markdown"]
Units = Literal["macs", "flops"]

#: A deviation below this is shown as 0: (2^½)² is 2.0000000000000004.
FLOAT_NOISE = 1e-9
#: Deviations up to the first are green, up to the second yellow.
GOOD, FAIR = 0.05, 0.15


@data
class Column:
    """A column: its title, the row's key, and how the value is shown."""

    title: str
    key: str
    show: Show = str
    justify: Literal["left", "right"] = "right"
    style: Show = lambda _value: ""
    wraps: bool = False

    @classmethod
    def words(cls, title: str, key: str | None = None, *, wraps: bool = False) -> Self:
        """A column of words, flush left; its key is its title, unless given."""
        return cls(title, title if key is None else key, justify="left", wraps=wraps)

    def cell(self, row: Row) -> str:
        """The text of this column in `row`; nothing for a value that is not there."""
        value = self.value(row)
        return "" if value is None else self.show(value)

    def value(self, row: Row) -> Any:  # noqa: ANN401 - plain data
        """The value of this column in `row`; a column without a key has the row."""
        if not self.key:
            return row
        return row.get(self.key)


@data
class Section:
    """A table: rows under columns, with a title, and a total that stands apart."""

    columns: Sequence[Column]
    rows: Sequence[Row]
    title: str = ""
    total: Row | None = None
    emphasis: Callable[[Row], str] = lambda _row: ""


@data
class Report:
    """A command's answer; `data` is its JSON, exact and stable."""

    data: Mapping[str, Any]
    sections: Sequence[Section]
    heading: Sequence[tuple[str, str]] = ()  #: label and text, line by line
    notes: Sequence[str] = ()
    #: What a CSV holds: the first section's rows, flat.
    records: Sequence[Row] = ()
    #: Said on stderr, whatever the format.
    warnings: Sequence[str] = ()

    def spelled(self, encoding: str) -> Report:
        """What tables show of it, in signs that an encoding has, columns in line."""

        def said(text: str) -> str:
            return spelled(text, encoding)

        def column(each: Column) -> Column:
            show = each.show
            return replace(
                each, title=said(each.title), show=lambda value: said(show(value))
            )

        sections = [
            replace(each, columns=[*map(column, each.columns)], title=said(each.title))
            for each in self.sections
        ]
        heading = [(said(label), said(line)) for label, line in self.heading]
        return replace(
            self, sections=sections, heading=heading, notes=[*map(said, self.notes)]
        )


def unit_of(units: Units) -> tuple[str, int]:
    """The title of a column of MACs in `units`, and the operations in each MAC."""
    return ("FLOPs", 2) if units == "flops" else ("MACs", 1)


def duration(value: float) -> str:
    """A time that one waits: 7.25 → `7.2 s`, 400 → `6.7 min`, 9000 → `2.5 h`."""
    scales = (("h", 3600.0), ("min", 60.0), ("s", 1.0))
    unit, scale = next((each for each in scales if value >= each[1]), scales[-1])
    return f"{value / scale:.1f} {unit}"


def percent(value: float) -> str:
    """A share with one decimal: 0.1234 → `12.3 %`."""
    return f"{100 * value:.1f} %"


def signed_percent(value: float) -> str:
    """A deviation with its sign: 0.0238 → `+2.4 %`, 0.0001 → `+0.01 %`; `0` is none."""
    if abs(value) <= FLOAT_NOISE:
        return "0"
    said = f"{100 * value:+.1f} %"
    return f"{100 * value:+.1g} %" if said[1:] == "0.0 %" else said


def deviation_style(value: float) -> str:
    if abs(value) <= GOOD:
        return "green"
    return "yellow" if abs(value) <= FAIR else "red"


def multiplier(value: float) -> str:
    """A factor on depth, width or resolution: 2.0736 → `2.07`."""
    return f"{value:#.3g}"


def multiple(value: float) -> str:
    """A cost over another, or a budget: 16.38, 16, 0.6598."""
    return f"{value:.4g}"


def several(number: int, what: str) -> str:
    """A number of things: `1 epoch`, `3 epochs`."""
    return f"{number:,} {what}{'s' * (number != 1)}"


def sides(value: Sequence[int]) -> str:
    """A feature map or image: one number for a square, height×width otherwise."""
    height, width = value
    return str(height) if height == width else f"{height}×{width}"


def extents(numbers: Iterable[object]) -> str:
    """Sizes, or the numbers of a shape: `3×224×224`."""
    return "×".join(map(str, numbers))


def change(value: Sequence[Any]) -> str:
    """Before and after: `4→9`, or the one number where nothing changed."""
    before, after = value
    return str(after) if before == after else f"{before}→{after}"


def marks_column(*marks: tuple[str, str]) -> Column:
    """A column of the marks of those keys that hold for a row."""

    def show(row: Row) -> str:
        return "".join(mark for key, mark in marks if row.get(key))

    return Column("", "", show, justify="left")


#: How a network was scaled.
MULTIPLIERS = [
    Column(word("depth_multiplier"), "depth_multiplier", multiplier),
    Column(word("width_multiplier"), "width_multiplier", multiplier),
    Column(word("resolution_multiplier"), "resolution_multiplier", multiplier),
]
IMAGE = Column(word("resolution"), "resolution", sides)
PARAMS = Column(word("params"), "params", human)
ACTIVATIONS = Column(word("activations"), "activations", human)
SHARE = Column(word("share"), "share", percent)
RATIO = Column(word("macs_ratio"), "macs_ratio", multiple)
TARGET_RATIO = Column(word("target_ratio"), "target_ratio", multiple)
OFF_BY = Column(word("deviation"), "deviation", signed_percent, style=deviation_style)

#: Published accuracies, in per cent, by the titles of their columns.
SCORES = {"top-1": "top1", "top-5": "top5", "AP": "ap", "mIoU": "miou"}


def scored(table: Sequence[Row]) -> dict[str, str]:
    """Published accuracies that a row has, keys by titles."""
    return {
        title: key
        for title, key in SCORES.items()
        if any(row[key] is not None for row in table)
    }


def as_published(scores: Iterable[str]) -> list[str]:
    """What to say of columns of published accuracies, where there are some."""
    named = ", ".join(scores)
    return [f"{named}: as published, in per cent"] if named else []


#: Behind MACs that were measured: whether they are the counted ones.
MARKS = {None: "", True: " ✓", False: " ✗"}


def macs_column(
    units: Units, key: str = "macs", *, title: str = "", suffix: str = ""
) -> Column:
    """MACs of a row, or FLOPs, under their unit; what is for a second has a `/s`."""
    unit, factor = unit_of(units)
    return Column(title or f"{unit}{suffix}", key, lambda macs: human(factor * macs))


def products(table: Iterable[Row], units: Units) -> list[Column]:
    """MACs of products, a column where a row has some."""
    some = any(row.get("products") for row in table)
    return [macs_column(units, "products", title=word("products"))] if some else []


def costs(units: Units, table: Iterable[Row]) -> list[Column]:
    """Image, params and MACs, marked where they were measured; those of products."""
    unit, factor = unit_of(units)

    def macs(row: Row) -> str:
        return human(factor * row["macs"]) + MARKS[row["agrees"]]

    return [IMAGE, PARAMS, Column(unit, "", macs), *products(table, units)]


def agreement(table: Sequence[Row]) -> list[str]:
    """The note on rows that were measured, where each is the counted one."""
    if not all(row["agrees"] for row in table):
        return []
    engine = table[0]["measured"]["engine"]
    once = once_said(once=any(row["measured"]["once"] for row in table))
    return [f"✓ {engine} measured the same MACs, params and activations{once}"]


def once_said(*, once: bool) -> str:
    """What is said behind a measurement in which one of equal blocks stood for all."""
    return ", equal blocks once" if once else ""


_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass
class Footnotes:
    """Texts behind the marks of a table's cells, numbered as they first come up."""

    #: By text, a word for each cell that is marked with it.
    texts: dict[str, list[str]] = field(default_factory=dict)

    def mark(self, text: str, cell: str = "") -> str:
        """The mark of `text`; `cell` is the word for the cell that it stands in."""
        self.texts.setdefault(text, []).append(cell)
        return raised(list(self.texts).index(text) + 1)

    def section(self, title: str, cells: str = "") -> list[Section]:
        """A table of the marks and their texts; none where there is no mark.

        `cells` is the title of the column that says which cells are marked.
        """
        columns = [
            Column("", "mark"),
            *([Column(cells, "cells", justify="left", wraps=True)] if cells else []),
            Column.words("why", wraps=True),
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
