"""Tests of `effscale.report.fit`: what was found, its role beside it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import effscale as es
from effscale.report.fit import report
from effscale.report.render import text
from effscale.search.fit import Answer, Found, named, on_ray, ray
from effscale.search.networks import LeftOut
from effscale.search.off_ray import off_ray
from tests.search.drawn import Within, near

if TYPE_CHECKING:
    from effscale.limit import Figure
    from effscale.report.document import Report

pytestmark = pytest.mark.slow

KEYS = [
    *("role", "target", "name", "strategy", "phi", "depth_multiplier"),
    *("width_multiplier", "resolution_multiplier", "resolution", "params", "macs"),
    *("activations", "products", "macs_ratio", "target_ratio", "deviation", "measured"),
]
TARGET = 10**9


@pytest.fixture(scope="module")
def found(b0: es.Spec) -> list[Found]:
    """What is on the ray near a billion MACs."""
    return on_ray(ray(b0, [near(TARGET)]), near(TARGET)).found


@pytest.fixture(scope="module")
def free(b0: es.Spec) -> list[Found]:
    """What is off the ray there: nearest, other side, closest, and a front."""
    limits = Within(min_depth=1, max_depth=1.1, min_width=0.95, max_width=1.2)
    return off_ray(b0, near(TARGET), limits.bounds, 0.2).answer.found


def answered(spec: es.Spec, found: list[Found], **more: Any) -> Report:  # noqa: ANN401
    given = {
        "searched": "some",
        "left": LeftOut(),
        "measured": [None] * len(found),
    }
    answers = [Answer(near(TARGET), found, [])]
    return report(spec, answers, **{**given, **more})


def titles(found: Report, section: int = 0) -> list[str]:
    return [column.title for column in found.sections[section].columns]


def test_rows_are_the_contract(b0: es.Spec, found: list[Found]) -> None:
    shown = answered(b0, found)
    assert list(shown.data) == [
        *("effscale", "schema", "command", "spec"),
        *("rows", "limits", "left_out"),
    ]
    for row, each in zip(shown.data["rows"], found, strict=True):
        assert list(row)[: len(KEYS)] == KEYS
        assert row["macs"] == each.cost.macs
        assert row["target"] == TARGET
        assert row["target_ratio"] == TARGET / 385814752
        assert row["macs_ratio"] == row["macs"] / 385814752
        assert row["deviation"] == pytest.approx(each.deviation)
        assert row["phi_range"] == list(each.interval or ())
    assert [row["role"] for row in shown.data["rows"]] == ["nearest", "below"]


def test_the_heading_says_what_was_asked_and_searched(
    b0: es.Spec, found: list[Found]
) -> None:
    heading = answered(b0, found).heading
    assert heading == [("asked", "1.00 G MACs"), ("searched", "some")]


def test_the_nearest_alone_is_explained(b0: es.Spec, found: list[Found]) -> None:
    shown = answered(b0, found)
    assert len(shown.sections) == 2
    assert [row["name"] for row in shown.sections[1].rows] == [
        found[0].variant.spec.name
    ]
    emphasis = [shown.sections[0].emphasis(row) for row in shown.data["rows"]]
    assert emphasis == ["bold", ""]


def test_phi_and_its_interval_are_those_of_a_ray(
    b0: es.Spec, found: list[Found], free: list[Found]
) -> None:
    assert titles(answered(b0, found))[:3] == ["", "φ", "φ range"]
    assert "φ" not in titles(answered(b0, free))
    low, high = found[0].interval or (0, 0)
    assert f"{low:.3f} to {high:.3f}" in text(answered(b0, found), "table")


def test_several_targets_have_a_column(b0: es.Spec, found: list[Found]) -> None:
    more = on_ray(ray(b0, [near(2 * TARGET)]), near(2 * TARGET)).found[:1]
    both = answered(b0, [*found[:1], *more])
    assert "target" in titles(both)
    assert "target" not in titles(answered(b0, found))
    flops = text(answered(b0, [*found[:1], *more], units="flops"), "table")
    assert "2.00 G" in flops
    assert "4.00 G" in flops


@pytest.mark.parametrize(("top", "shown"), [(1, 1), (3, 3), (99, None)])
def test_of_a_front_a_few_are_shown_both_ends_among_them(
    b0: es.Spec, free: list[Found], top: int, shown: int | None
) -> None:
    front = [each.cost.params for each in free if each.role == "front"]
    assert len(front) >= 4
    answer = answered(b0, free, top=top)
    picked = [row["params"] for row in answer.sections[1].rows]
    assert len(picked) == (shown or len(front))
    assert picked == sorted(picked)
    assert picked[0] == front[0]
    assert top == 1 or picked[-1] == front[-1]
    note = f"{len(front)} on the front: --top {len(front)} shows all"
    assert answer.notes == ([note] if shown else [])
    assert len(answer.data["rows"]) == len(answer.records) == len(free)
    assert answer.sections[1].title == (
        "Pareto front within the tolerance: params against activations"
    )


def test_without_a_front_there_is_no_table_of_it(
    b0: es.Spec, found: list[Found]
) -> None:
    assert "Pareto" not in text(answered(b0, found), "table")


def test_measurements_are_marked(b0: es.Spec, found: list[Found]) -> None:
    counted = found[0].cost
    same = SimpleNamespace(engine="torch", once=False, **vars(counted))
    other = SimpleNamespace(engine="torch", once=False, **{**vars(counted), "macs": 7})
    shown = answered(b0, found, measured=[same, other])
    nearest, other = shown.data["rows"]
    assert (nearest["agrees"], other["agrees"]) == (True, False)
    printed = text(shown, "table")
    assert printed.count("✓") == printed.count("✗") == 1
    assert [each["measured"] for each in shown.records] == [counted.macs, 7]


def test_nothing_found_is_an_empty_table(b0: es.Spec) -> None:
    shown = answered(b0, [])
    assert shown.data["rows"] == []
    assert text(shown, "json").endswith(
        '"rows": [],\n  "limits": [],\n  "left_out": []\n}\n'
    )


def test_the_baseline_among_the_found_deviates_by_nothing(b0: es.Spec) -> None:
    asked = near(385814752)
    variant = named(b0, "b0-phi0", "compound", 0, es.Multipliers(), asked=asked)
    figures: dict[Figure, float] = {"macs": 385814752}
    itself = Found("nearest", variant, es.count(b0), asked.goal, figures, (0, 1))
    (row,) = answered(b0, [itself]).data["rows"]
    assert (row["macs_ratio"], row["target_ratio"], row["deviation"]) == (1, 1, 0)
    assert (row["phi"], row["phi_range"]) == (0, [0, 1])
