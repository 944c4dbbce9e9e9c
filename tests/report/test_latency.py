"""Tests of `effscale.report.latency`: measured times as tables and as data."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import effscale as es
from effscale.comparing.side_by_side import entries
from effscale.cost.count import Counted
from effscale.module.latency import Latency, Setting, Timing
from effscale.report import compare, latency, profile
from effscale.report.render import text

if TYPE_CHECKING:
    from effscale.report.document import Report

pytestmark = pytest.mark.torch

SECOND = 1.0


def timed(setting: Setting, middle: float, parts: dict[str, float]) -> Latency:
    """A network that took a tenth more, a tenth less, or just so long."""

    def timing(value: float) -> Timing:
        runs = (0.9 * value, value, 1.1 * value)
        return Timing(runs, runs)

    return Latency(
        "x", setting, timing(middle), {k: timing(v) for k, v in parts.items()}
    )


def macs(answer: Report) -> dict[str, int]:
    return {row["part"]: row["macs"] for row in answer.data["parts"]}


def test_a_network_by_part(b0: es.Spec) -> None:
    cost = es.count(b0)
    answer = profile.report(Counted.of(b0))
    names = [row["part"] for row in answer.data["parts"]]
    times = dict(zip(names, [0.001] * 8 + [0.002], strict=True))
    found = [timed(Setting(batch=4, threads=2), 0.04, times)]
    report = latency.by_part(answer, found, macs(answer), "a machine")
    printed = text(report, "table").splitlines()
    assert "machine      a machine" in printed
    at = printed.index("Latency, batch 4, 2 threads, float32, cpu")
    assert printed[at + 1 : at + 4] == [
        " median     IQR  images/s  MACs/s",
        "─────────────────────────────────",
        "40.0 ms  10.0 %       100  38.6 G",
    ]
    assert "stage 6   1.00 ms  10.0 %   10.0 %   23.7 %   366 G" in printed
    assert "head      2.00 ms  10.0 %   20.0 %    5.5 %  42.7 G" in printed
    assert "together  10.0 ms          100.0 %  100.0 %" in printed
    assert printed[-1] == (
        "median of 3 runs; IQR: interquartile range over the median; parts run "
        "alone, on what the network gives them"
    )
    (entry,) = json.loads(text(report, "json"))["latency"]
    assert entry["seconds"] == 0.04
    assert entry["quartiles"] == pytest.approx([0.038, 0.042])
    assert entry["macs_per_second"] == 4 * int(cost.macs) / 0.04
    assert sum(part["share"] for part in entry["parts"]) == pytest.approx(SECOND)
    assert sum(part["macs_share"] for part in entry["parts"]) == pytest.approx(1)


def test_what_all_settings_share_is_in_the_title(b0: es.Spec) -> None:
    settings = [Setting(threads=n, dtype="bfloat16", compiled=True) for n in (1, 2)]
    found = [timed(each, 0.04, {"stem": 0.01}) for each in settings]
    answer = profile.report(Counted.of(b0))
    report = latency.by_part(answer, found, macs(answer), "a machine")
    titles = [section.title for section in report.sections[1:]]
    assert titles == [
        "Latency, batch 1, bfloat16, cpu, compiled",
        "Latency by part, 1 thread",
        "Latency by part, 2 threads",
    ]
    assert report.sections[1].columns[0].title == "threads"


def test_rows_of_parts_are_rows_of_a_csv_for_each_setting(b0: es.Spec) -> None:
    found = [timed(Setting(batch=n), 0.04, {"stem": n / 100}) for n in (1, 2)]
    answer = profile.report(Counted.of(b0))
    records = latency.by_part(answer, found, macs(answer), "a machine").records
    assert [
        (row["part"], row["latency_batch"], row["latency_seconds"]) for row in records
    ] == [("stem", 1, 0.01), ("stem", 2, 0.02)]
    by_operator = profile.report(Counted.of(b0), by="operator")
    report = latency.by_part(by_operator, found, macs(answer), "a machine")
    assert report.records == by_operator.records


def test_a_network_without_parts_has_no_table_of_them(b0: es.Spec) -> None:
    answer = profile.report(Counted.of(b0))
    report = latency.by_part(answer, [timed(Setting(), 0.04, {})], {}, "a machine")
    assert [section.title for section in report.sections[1:]] == [
        "Latency, batch 1, 1 thread, float32, cpu"
    ]
    assert report.data["latency"][0]["parts"] == []


def test_networks_side_by_side() -> None:
    names = ["b1", "resnet152"]
    compared = entries(names, [es.load(name) for name in names])
    answer = compare.report(compared, measured=[None, None])
    group = [timed(Setting(threads=1), each, {}) for each in (0.1, 0.57)]
    report = latency.beside(answer, [group], [0, 0], "a machine", units="flops")
    printed = text(report, "table").splitlines()
    at = printed.index("Latency, batch 1, 1 thread, float32, cpu")
    assert printed[at + 1 : at + 5] == [
        "network    median     IQR  images/s  FLOPs/s  time ×",
        "────────────────────────────────────────────────────",
        "b1         100 ms  10.0 %        10   13.7 G       1",
        "resnet152  570 ms  10.0 %      1.75   40.4 G     5.7",
    ]
    assert printed[-1].endswith(
        "; time ×: in the same round, and its quartiles; on a machine"
    )
    rows = json.loads(text(report, "json"))["rows"]
    assert rows[1]["latency"][0]["time_ratio"] == pytest.approx(5.7)
    assert [row["latency_time_ratio"] for row in report.records] == [
        1,
        pytest.approx(5.7),
    ]


def test_a_ratio_has_its_spread_and_may_be_missing() -> None:
    names = ["b0", "b1"]
    compared = entries(names, [es.load(name) for name in names])
    answer = compare.report(compared, measured=[None, None])
    steady = Latency("b0", Setting(), Timing((1.0,), (1.0, 1.0, 1.0)))
    unsteady = Latency("b1", Setting(), Timing((2.0,), (1.0, 2.0, 3.0)))
    report = latency.beside(answer, [[steady, unsteady]], [None, 0], "a machine")
    times = report.sections[-1].columns[-1]
    assert [times.cell(row) for row in report.sections[-1].rows] == [
        "",
        "2 (1.5 to 2.5)",
    ]
