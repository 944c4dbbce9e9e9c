"""Tests of `effscale.report.rows`: the keys that JSON promises, with plain values."""

from __future__ import annotations

from dataclasses import replace

import effscale as es
from effscale.cost.count import Cost, count, layer_costs, part_costs
from effscale.network.network import network
from effscale.report import rows


def test_envelope() -> None:
    assert rows.envelope("specs") == {
        "effscale": es.__version__,
        "schema": 1,
        "command": "specs",
    }
    assert rows.envelope("scale", "b0")["spec"] == "b0"


def test_part_row_of_a_stage(b0: es.Spec) -> None:
    each = part_costs(network(b0))[2]
    row = rows.part_row(each, count(b0))
    assert row == {
        "part": "stage 2",
        "operator": "MBConv6 3×3",
        "kernel": 3,
        "stride": 2,
        "input": [112, 112],
        "output": [56, 56],
        "channels": 24,
        "repeats": 2,
        "params": 16714,
        "macs": 54945216,
        "activations": 2559226,
        "products": 0,
        "share": 54945216 / 385814752,
    }


def test_layer_row_of_the_classifier(b0: es.Spec) -> None:
    each = layer_costs(network(b0))[-1]
    row = rows.layer_row(each, count(b0), "linear")
    assert (row["layer"], row["macs"]) == ("head.classifier", 1280000)
    assert (row["params"], row["activations"]) == (1281000, 1000)


def test_shares_of_nothing_are_nothing() -> None:
    each = part_costs(network(es.load("b0")))[0]
    assert rows.part_row(replace(each, cost=Cost()), Cost())["share"] == 0


def test_nothing_measured_neither_agrees_nor_differs() -> None:
    assert rows.agrees(Cost(1, 2, 3), None) is None
    assert rows.measured(None) is None


def test_rows_of_parts_are_there_once_for_each_entry() -> None:
    records = [{"part": "stem", "macs": 1}, {"part": "head", "macs": 2}]
    parts = [{"part": "head", "seconds": 3}, {"part": "stem", "seconds": 4}]
    entries = [{"batch": n, "parts": parts} for n in (1, 8)]
    found = rows.by_part(
        records,
        entries,
        lambda entry, part: {"batch": entry["batch"], "seconds": part["seconds"]},
    )
    assert [[*row.values()] for row in found] == [
        ["stem", 1, 1, 4],
        ["head", 2, 1, 3],
        ["stem", 1, 8, 4],
        ["head", 2, 8, 3],
    ]


def test_rows_of_no_parts_stay_as_they_are() -> None:
    records = [{"layer": "stem.conv"}]
    assert rows.by_part(records, [{"parts": []}], lambda _entry, _part: {}) == records
