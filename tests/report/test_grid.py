"""Tests of `effscale.report.grid`: candidates in order, as rows, as a table."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

import effscale as es
from effscale.choices import SORTS
from effscale.growth.growth import growth_of
from effscale.report.grid import Searched, candidate_rows, report
from effscale.report.render import text
from effscale.report.rows import FIGURES
from effscale.search.grid import Answer, Grid, axis, best_first, counted, search

if TYPE_CHECKING:
    from effscale.module.measure import Measurement
    from effscale.report.document import Report
    from effscale.report.rows import Data

# b0's own (★) and three others; the last two are one network
POINTS = [(1.2, 1.1, 1.15), (1.0, 1.4, 1.0), (2.0, 1.0, 1.0), (1.95, 1.0, 1.0)]
KEYS = [
    *("alpha", "beta", "gamma", "product", "depth_multiplier", "width_multiplier"),
    *("resolution_multiplier", "resolution", "params", "macs", "activations"),
    *("products", "macs_ratio", "deviation", "rms_error"),
    *("grid_points", "pareto", "own_coefficients"),
]


def table_of(spec: es.Spec, phi: float = 1, by: str = "deviation") -> list[Data]:
    columns = [np.array(each) for each in zip(*POINTS, strict=True)]
    grid = Grid((), phis=(phi,))
    found = counted(spec, columns, grid)
    return candidate_rows(spec, best_first(growth_of(spec), found, by), grid)


def answered(spec: es.Spec, top: int = 2, **more: Any) -> Report:  # noqa: ANN401
    """The report on POINTS, in a grid of them."""
    columns = [np.array(each) for each in zip(*POINTS, strict=True)]
    asked = Grid(tuple(columns), **more.pop("asked", {}))
    found = counted(spec, columns, asked)
    answer = Answer(asked.points, len(POINTS), found)
    return report(Searched.by("deviation", spec, asked, answer), top=top, **more)


@pytest.mark.parametrize("by", SORTS)
def test_the_smallest_comes_first(b0: es.Spec, by: str) -> None:
    one = Decimal(1)
    root = axis(one, Decimal("1.4"), Decimal("0.1"))
    asked = Grid((axis(one, Decimal(2), Decimal("0.1")), root, root), phis=(1.0, 2.0))
    found = search(b0, asked).candidates
    table = candidate_rows(b0, best_first(growth_of(b0), found, by), asked)
    keys = [
        row["resolution"][0] * row["resolution"][1]
        if by == "resolution"
        else abs(row[by])
        for row in table
    ]
    assert len(table) > 10
    assert keys == sorted(keys)


def test_of_equals_the_smaller_deviation_then_the_smaller_alpha_comes_first(
    b0: es.Spec,
) -> None:
    points = [(2.5, 1.1, 1.15), (1.2, 1.3, 1.15), (1.2, 1.1, 1.15)]  # all of 256 px
    columns = [np.array(each) for each in zip(*points, strict=True)]
    found = best_first(
        growth_of(b0),
        counted(b0, columns, Grid((), target_ratio=2.0, phis=(1,))),
        "resolution",
    )
    assert found.height.tolist() == [256] * 3
    assert abs(found.deviation).tolist() == sorted(abs(found.deviation))
    alike = replace(found.take(np.array([2, 1, 0])), deviation=np.full(3, -0.1))
    ordered = best_first(growth_of(b0), alike, "resolution")
    assert ordered.coefficients[0].tolist() == [1.2, 1.2, 2.5]
    assert ordered.coefficients[1].tolist() == [1.1, 1.3, 1.1]


def test_rows_are_plain_python(b0: es.Spec) -> None:
    table = table_of(b0)
    assert [list(row) for row in table] == [KEYS] * 3
    assert json.loads(json.dumps(table)) == table
    own = next(row for row in table if row["own_coefficients"])
    assert (own["alpha"], own["beta"], own["gamma"]) == (1.2, 1.1, 1.15)
    # the network of B2, at 256 px
    assert (own["params"], own["macs"]) == (9109994, 859853760)
    assert (own["resolution"], own["grid_points"]) == ([256, 256], 1)
    assert sum(row["own_coefficients"] for row in table) == 1
    assert sorted(row["grid_points"] for row in table) == [1, 1, 2]


def test_multipliers_are_those_of_phi(b0: es.Spec) -> None:
    own = next(row for row in table_of(b0, phi=3) if row["own_coefficients"])
    names = ("depth_multiplier", "width_multiplier", "resolution_multiplier")
    assert [own[each] for each in names] == pytest.approx([1.2**3, 1.1**3, 1.15**3])
    assert own["product"] == pytest.approx(1.92027)


def test_the_spec_s_own_is_shown_even_below_the_top(b0: es.Spec) -> None:
    shown = answered(b0, top=1).sections[0].rows
    assert [row["own_coefficients"] for row in shown] == [False, True]
    assert not answered(b0, top=1).sections[0].rows[0]["own_coefficients"]
    assert len(answered(b0, top=3).sections[0].rows) == 3


def test_the_rest_is_promised(b0: es.Spec) -> None:
    promised = "2 more networks: --top 3, or --format csv"
    assert promised in answered(b0, top=1).notes
    assert len(answered(b0, top=3).notes) == 1


def test_data_and_records_have_every_network(b0: es.Spec) -> None:
    found = answered(b0, top=1)
    data = found.data
    assert list(data) == [
        *(
            "effscale",
            "schema",
            "command",
            "spec",
            "enumerated",
            "feasible",
            "distinct",
        ),
        *("candidates", "left_out"),
    ]
    counts = data["enumerated"], data["feasible"], data["distinct"]
    assert counts == (64, 4, 3)
    assert len(data["candidates"]) == len(found.records) == 3
    assert {row["target_ratio"] for row in data["candidates"]} == {2}
    assert {row["measured"] for row in data["candidates"]} == {None}


def test_the_target_is_that_of_the_first_phi(b0: es.Spec) -> None:
    found = answered(b0, asked={"phis": (3.0, 1.0)})
    for row in found.data["candidates"]:
        assert row["target_ratio"] == 8
        assert row["deviation"] == pytest.approx(row["macs_ratio"] / 8 - 1)
    assert "rms error" in [column.title for column in found.sections[0].columns]
    assert (
        "rms error: root mean square over φ of log(MACs ratio / target)"
        in found.notes[0]
    )


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ({}, "2 × b0 per φ, by α·β²·γ² within 5 %, φ 1"),
        ({"phis": (1, 2, 7)}, "2 × b0 per φ, by α·β²·γ² within 5 %, φ 1 to 7"),
        (
            {"constraint": "realised", "target_ratio": 2.5, "tolerance": 0.125},
            "2.5 × b0 per φ, by realised MACs within 12.5 %, φ 1",
        ),
        ({"tolerance": 0.0}, "2 × b0 per φ, by α·β²·γ² within 0 %, φ 1"),
        ({"tolerance": 0.2}, "2 × b0 per φ, by α·β²·γ² within 20 %, φ 1"),
        ({"tolerance": 10.0}, "2 × b0 per φ, by α·β²·γ² within 1000 %, φ 1"),
        ({"tolerance": 1e-10}, "2 × b0 per φ, by α·β²·γ² within 1e-08 %, φ 1"),
    ],
    ids=str,
)
def test_the_heading_says_what_was_asked(
    b0: es.Spec, asked: dict[str, Any], line: str
) -> None:
    target, grid = answered(b0, asked=asked).heading
    assert target == ("target", line)
    assert grid[0] == "grid"
    assert grid[1].startswith("64 points, 4 feasible, ")


def test_marks_and_measurements(b0: es.Spec) -> None:
    first = table_of(b0)[0]
    figures = {key: first[key] for key in FIGURES}
    same = SimpleNamespace(engine="torch", once=False, **figures)
    other = SimpleNamespace(engine="torch", once=False, **{**figures, "macs": 7})
    measured = cast("list[Measurement]", [same, other])
    found = answered(b0, top=3, measured=measured)
    (section,) = found.sections
    macs = next(each for each in section.columns if each.title == "MACs")
    cells = [macs.cell(row) for row in section.rows]
    assert cells == ["782 M ✓", "744 M ✗", "860 M"]
    assert [section.columns[0].cell(row) for row in section.rows] == ["", "◆", "★◆"]
    assert [section.emphasis(row) for row in section.rows] == ["", "", "bold"]
    assert [each["measured"] for each in found.records] == [first["macs"], 7, None]
    assert found.data["candidates"][0]["measured"] == {
        "engine": "torch",
        "once": False,
        **figures,
    }


def test_units_are_of_the_table_alone(b0: es.Spec) -> None:
    macs, flops = (answered(b0, units=units) for units in ("macs", "flops"))
    assert "FLOPs" in text(flops, "table")
    assert "1.72 G" in text(flops, "table")  # twice 860 M
    assert text(flops, "json") == text(macs, "json")
    assert text(flops, "csv") == text(macs, "csv")


def test_rows_of_a_detector_have_the_powers_that_it_is_scaled_by() -> None:
    d0 = es.load("d0")
    asked = Grid((np.arange(120, 150) / 100,), constraint=None, phis=(3.0,))
    table = candidate_rows(d0, search(d0, asked).candidates, asked)
    found = [(row["neck_growth"], row["neck_width_multiplier"]) for row in table]
    assert found == [(growth, growth**3.0) for growth, _ in found]
    assert {row["alpha"] for row in table} == {row["pareto"] for row in table} == {None}
