"""Tests of `effscale.report.compare`, `parts` and `paper_tables`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import effscale as es
from effscale.comparing.paper_tables import table
from effscale.comparing.side_by_side import entries
from effscale.report import compare, paper_tables, parts, render
from tests.report.test_render import on_terminal

if TYPE_CHECKING:
    from effscale.report.document import Report


def beside(*names: str, to: str | None = None) -> Report:
    compared = entries(names, [es.load(name) for name in names])
    return compare.report(compared, to=to, measured=[None] * len(names))


def changed(old: es.Spec, new: es.Spec) -> Report:
    first, second = entries(["old.yaml", "new.yaml"], [old, new])
    return parts.report(first, second, measured=[None, None])


def alone(spec: es.Spec) -> es.Spec:
    """The baseline, without variants, whose loss would be a change."""
    return spec.model_copy(update={"variants": {}})


def edited(spec: es.Spec, index: int, **update: Any) -> es.Spec:  # noqa: ANN401
    stages = list(spec.stages)
    stages[index] = stages[index].model_copy(update=update)
    return spec.model_copy(update={"stages": tuple(stages), "variants": {}})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (0.016678, "0.0167"),
        (4.7358, "4.74"),
        (97.83, "97.8"),
        (1233.4, "1233"),
    ],
)
def test_ratios_have_three_digits(value: float, text: str) -> None:
    assert compare.times(value) == text


def test_networks_side_by_side_in_their_order() -> None:
    report = beside("resnet50", "b4", "b0")
    assert [row["name"] for row in report.data["rows"]] == ["resnet50", "b4", "b0"]
    assert report.data["rows"][2]["macs_ratio"] == 385814752 / 4089184256
    assert report.notes == [
        "×: as a multiple of resnet50; top-1, top-5: as published, in per cent"
    ]


def test_a_mark_has_its_reason_below() -> None:
    report = beside("b4", "b0")
    _, notes = report.sections
    assert notes.rows == [
        {"mark": "¹", "cells": "b4 4.2B MACs", "why": es.load("b4").published.note}  # type: ignore[union-attr]
    ]


def test_a_mark_without_a_reason_says_so() -> None:
    b4 = es.load("b4")
    assert b4.published is not None
    bare = b4.published.model_copy(update={"note": None})
    compared = entries(["b4"], [b4.model_copy(update={"published": bare})])
    (_, notes) = compare.report(compared, measured=[None]).sections
    assert notes.rows[0]["why"] == "the source gives no reason"


def test_without_accuracies_there_are_no_columns_of_them(b0: es.Spec) -> None:
    bare = b0.model_copy(update={"published": None})
    report = compare.report(entries(["b0"], [bare]), measured=[None])
    titles = [column.title for column in report.sections[0].columns]
    assert titles == [
        *("network", "input", "params", "params ×", "MACs", "MACs ×", "activ.")
    ]
    assert report.notes == ["×: as a multiple of b0"]


def test_each_rival_is_named() -> None:
    report = beside("b0", "b1", "resnet50", "resnet152", to="cheapest")
    assert [row["relative_to"] for row in report.data["rows"]] == [
        "b0",
        "b1",
        "b0",
        "b1",
    ]
    assert "relative to" in [column.title for column in report.sections[0].columns]


def test_what_changed_is_said_in_words(b0: es.Spec) -> None:
    report = changed(b0, edited(b0, 2, channels=48, kernel=7, se_ratio=0.0))
    rows = {row["part"]: row["changes"] for row in report.sections[0].rows}
    assert rows == {
        "stage 3": "kernel 5→7, channels 40→48, se_ratio 0.25→0",
        "stage 4": "c_in 40→48",
    }
    assert report.notes == ["7 parts are unchanged"]


def test_a_stage_that_moved_says_where_it_was(b0: es.Spec) -> None:
    one = b0.stages[2].model_copy(update={"repeats": 1, "stride": 1})
    stages = (*b0.stages[:2], one, *b0.stages[2:])
    new = b0.model_copy(update={"stages": stages, "variants": {}})
    names = [row["part"] for row in changed(b0, new).sections[0].rows]
    assert names == ["stage 3", "stage 4 (was 3)"]
    back = changed(new, b0.model_copy(update={"variants": {}})).sections[0].rows
    assert [row["changes"] for row in back] == [
        "removed: MBConv6 5×5, 40 channels",
        "c_in 40→24",
    ]


def test_the_parts_add_up_to_the_total(b0: es.Spec) -> None:
    report = changed(alone(b0), edited(b0, 4, repeats=5, channels=120))
    (section,) = report.sections
    assert section.total is not None
    for figure in ("macs", "params", "activations"):
        added = [row[f"{figure}_delta"] for row in section.rows]
        assert sum(added) == section.total[f"{figure}_delta"]


def test_another_activation_costs_nothing_and_is_said(b0: es.Spec) -> None:
    new = alone(b0).model_copy(update={"activation": "relu"})
    report = changed(alone(b0), new)
    assert report.heading == [("verdict", "b0: the cost is the same")]
    assert report.notes == ["9 parts are unchanged", "besides: activation silu→relu"]
    assert report.sections == []


def test_a_long_value_is_not_shown() -> None:
    old = es.load("inception-v3")
    stem = old.stem[:-1]
    report = changed(old, old.model_copy(update={"stem": stem}))
    assert report.sections[0].rows[0]["changes"] == "its layers differ"


def test_signs() -> None:
    assert [parts.signed(each) for each in (2300000, -2300000)] == [
        "+2.30 M",
        "-2.30 M",
    ]


@pytest.mark.parametrize("width", [60, 80, 140])
def test_fits_the_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    found = table("efficientnet-2")
    reports = [
        beside("efficientnetv2-xl", "inception-resnet-v2", "b4"),
        changed(es.load("b0"), es.load("b4")),
        paper_tables.report(found, measured=[None] * len(found.rows)),
    ]
    for report in reports:
        shown = on_terminal(report, width, monkeypatch)
        rules = [line for line in shown.splitlines() if set(line.strip()) == {"─"}]
        assert max(map(len, rules)) <= width


def test_a_table_of_the_paper_fits_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    found = table("efficientnet-2")
    report = paper_tables.report(found, measured=[None] * len(found.rows))
    shown = on_terminal(report, 80, monkeypatch)
    (section, _) = report.sections
    for row in section.rows:
        for column in section.columns[1:]:  # one name of a network folds
            assert column.cell(row) in shown


def test_a_difference_that_nobody_explained_is_marked_as_such() -> None:
    found = table("efficientnet-7")
    row = found.rows[1]
    cell = type(row.cells[0])("macs", "1.8B", row.cells[0].ours, None)
    bare = type(row)(**{**vars(row), "cells": (cell,)})
    unexplained = type(found)(**{**vars(found), "rows": (found.rows[0], bare)})
    report = paper_tables.report(unexplained, measured=[None, None])
    assert report.sections[1].rows == [{"mark": "¹", "cells": "", "why": "unexplained"}]


def test_markdown_is_a_table_that_renders(b0: es.Spec) -> None:
    text = render.text(changed(alone(b0), edited(b0, 2, channels=48)), "markdown")
    table_lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in table_lines}) == 1
