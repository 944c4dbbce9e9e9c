"""One report in four formats, and in terminals of every width."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import pytest
from rich.text import Text

from effscale.cost.count import Counted
from effscale.growth.growth import family
from effscale.markup import LEGIBLE
from effscale.report import profile, render, scaling
from effscale.report.document import Column, Report, Section

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    import effscale as es


class Terminal(io.StringIO):
    """A file that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def profiled(b0: es.Spec) -> Report:
    return profile.report(Counted.of(b0))


@pytest.fixture
def scaled(b0: es.Spec) -> Report:
    variants = family(b0, [4])
    return scaling.report(b0, variants, measured=[None, None])


def on_terminal(report: Report, width: int, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in (("COLUMNS", str(width)), ("LINES", "50"), ("NO_COLOR", "1")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    file = Terminal()
    render.show(report, "table", file)
    return file.getvalue()


def test_columns_stay_in_line_where_signs_are_spelled(scaled: Report) -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors=LEGIBLE)
    render.show(scaled, "table", file)
    file.seek(0)
    tables = [each.splitlines() for each in file.read().split("\n\n")]
    assert "compound  alpha 1.2  beta 1.1  gamma 1.15" in tables[0][1]
    title, head, rule, first = tables[2][:4]
    assert title.startswith("b0-phi4, stage by stage")
    assert len(head) == len(rule) == len(first)


def test_a_number_stays_in_the_line_of_its_unit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = "within some limits of memory that are said <= 64.0 MB and 12.5 M pooling"
    report = Report({}, [], heading=[("asked", line)], notes=[line])
    for width in range(32, 80):
        told = on_terminal(report, width, monkeypatch).splitlines()
        assert sum("<= 64.0 MB" in each for each in told) == 2
        assert sum("12.5 M" in each for each in told) == 2


def test_each_part_of_a_wide_table_tells_its_rows_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = ["alpha", "beta", *(f"a long title {k}" for k in range(3))]
    rows = [dict.fromkeys(names, 7) | {"beta": k} for k in (1, 2)]
    section = Section([Column(name, name) for name in names], rows)
    told = Text.from_ansi(on_terminal(Report({}, [section]), 40, monkeypatch)).plain
    assert not told.startswith("\n")
    parts = told.strip().split("\n\n")
    assert len(parts) > 1
    assert all(part.split()[:2] == names[:2] for part in parts)


@pytest.mark.parametrize("width", [60, 80, 140])
def test_fits_the_terminal(
    scaled: Report,
    profiled: Report,
    width: int,
    snapshot: SnapshotAssertion,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = on_terminal(scaled, width, monkeypatch)
    shown += on_terminal(profiled, width, monkeypatch)
    plain = Text.from_ansi(shown).plain
    assert max(map(len, plain.splitlines())) <= width
    assert shown == snapshot


def test_nothing_is_cut_at_80_columns(
    scaled: Report, profiled: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    for report in (scaled, profiled):
        shown = on_terminal(report, 80, monkeypatch)
        for section in report.sections:
            for row in section.rows:
                for column in section.columns:
                    assert column.cell(row) in shown


@pytest.mark.parametrize("width", [40, 60])
def test_numbers_are_not_broken_where_a_table_is_too_wide(
    scaled: Report, profiled: Report, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its columns stand in several tables, each with the first column."""
    for report in (scaled, profiled):
        shown = on_terminal(report, width, monkeypatch)
        for section in report.sections:
            for row in section.rows:
                for column in section.columns:
                    assert column.wraps or column.cell(row) in shown


def test_off_a_terminal_lines_are_as_long_as_they_are(profiled: Report) -> None:
    lines = render.text(profiled, "table").splitlines()
    assert max(map(len, lines)) == 88
    assert [line for line in lines if line != line.rstrip()] == []


def test_json_is_the_data(profiled: Report) -> None:
    assert json.loads(render.text(profiled, "json")) == profiled.data


def test_csv_has_a_row_a_record(profiled: Report) -> None:
    rows = list(csv.DictReader(io.StringIO(render.text(profiled, "csv"))))
    assert len(rows) == len(profiled.records) == 9
    assert sum(int(row["macs"]) for row in rows) == 385814752


def test_markdown_tables_are_tables(profiled: Report) -> None:
    lines = render.text(profiled, "markdown").splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 2 + 9 + 1
    assert {line.count("|") for line in table} == {11}
    assert set(table[1]) == {"|", "-"}
    assert table[-1].startswith("| total ")
