"""Values as people read them."""

from __future__ import annotations

import pytest

from effscale.report import document
from effscale.report.document import Column


@pytest.mark.parametrize(
    ("show", "value", "text"),
    [
        (document.percent, 0.1234, "12.3 %"),
        (document.signed_percent, 0.0238, "+2.4 %"),
        (document.signed_percent, -0.15, "-15.0 %"),
        (document.signed_percent, 0.0, "0"),
        (document.signed_percent, (2**0.5) ** 2 / 2 - 1, "0"),
        (document.signed_percent, 0.0001, "+0.0 %"),
        (document.multiplier, 2.0736, "2.07"),
        (document.multiplier, 1.0, "1.00"),
        (document.multiplier, 16.0, "16.0"),
        (document.multiple, 16.0, "16"),
        (document.multiple, 16.380211, "16.38"),
        (document.sides, [392, 392], "392"),
        (document.sides, [256, 320], "256×320"),
        (document.change, [4, 9], "4→9"),
        (document.change, [1, 1], "1"),
        (document.quantity, 385814752, "386 M"),
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
