"""Tests of `effscale.report.document`: values as people read them, and footnotes."""

from __future__ import annotations

import pytest

from effscale.quantity import human, in_seconds
from effscale.report import document
from effscale.report.document import Column, Footnotes, marked, raised


@pytest.mark.parametrize(
    ("show", "value", "text"),
    [
        (document.percent, 0.1234, "12.3 %"),
        (document.signed_percent, 0.0238, "+2.4 %"),
        (document.signed_percent, -0.15, "-15.0 %"),
        (document.signed_percent, 0.0, "0"),
        (document.signed_percent, (2**0.5) ** 2 / 2 - 1, "0"),
        (document.signed_percent, 0.0001, "+0.01 %"),
        (document.multiplier, 2.0736, "2.07"),
        (document.multiplier, 1.0, "1.00"),
        (document.multiplier, 16.0, "16.0"),
        (document.multiple, 16.0, "16"),
        (document.multiple, 16.380211, "16.38"),
        (document.sides, [392, 392], "392"),
        (document.sides, [256, 320], "256×320"),
        (document.change, [4, 9], "4→9"),
        (document.change, [1, 1], "1"),
        (human, 385814752, "386 M"),
    ],
)
def test_shows(show: document.Show, value: float, text: str) -> None:
    assert show(value) == text


def test_a_column_shows_nothing_where_there_is_nothing() -> None:
    column = Column("top-1", "top1", document.percent)
    assert column.cell({"top1": None}) == ""
    assert column.cell({}) == ""
    assert column.cell({"top1": 0.5}) == "50.0 %"


def test_a_column_without_a_key_has_the_whole_row() -> None:
    column = Column("sum", "", lambda row: str(row["a"] + row["b"]))
    assert column.cell({"a": 1, "b": 2}) == "3"


def test_units() -> None:
    assert document.unit_of("macs") == ("MACs", 1)
    assert document.unit_of("flops") == ("FLOPs", 2)


def test_macs_are_shown_in_their_unit() -> None:
    row = {"macs": 1500, "macs_per_second": 2e9}
    macs = document.macs_column("macs")
    assert (macs.title, macs.cell(row)) == ("MACs", "1.50 k")
    flops = document.macs_column("flops", "macs_per_second", suffix="/s")
    assert (flops.title, flops.cell(row)) == ("FLOPs/s", "4.00 G")


def test_one_is_not_several() -> None:
    assert document.several(1, "epoch") == "1 epoch"
    assert document.several(3, "epoch") == "3 epochs"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (3600, "3600 s"),
        (99.96, "100 s"),
        (12.34, "12.3 s"),
        (0.99951, "1.00 s"),
        (0.0602, "60.2 ms"),
        (0.00999, "9.99 ms"),
        (0.000981, "981 µs"),
        (2e-6, "2.00 µs"),
        (1e-9, "0.00 µs"),
    ],
)
def test_times_have_three_digits(value: float, said: str) -> None:
    assert in_seconds(value) == said


def test_footnotes_count_texts_once_in_order() -> None:
    notes = Footnotes()
    assert [notes.mark(text, text.upper()) for text in "abab"] == ["¹", "²", "¹", "²"]
    (section,) = notes.section("Why", "cells")
    assert [column.title for column in section.columns] == ["", "cells", "why"]
    assert section.rows == [
        {"mark": "¹", "cells": "A, A", "why": "a"},
        {"mark": "²", "cells": "B, B", "why": "b"},
    ]
    assert Footnotes().section("Why") == []


def test_marks_stand_before_what_they_mark() -> None:
    assert raised(120) == "¹²⁰"
    assert (marked(["²"], "4.39 G"), marked([], "4.39 G")) == ("² 4.39 G", "4.39 G")
