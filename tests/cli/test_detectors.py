"""Commands on detectors, as their users see them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import effscale as es
from effscale.growth.detector import Detector

if TYPE_CHECKING:
    from pathlib import Path

    from syrupy.assertion import SnapshotAssertion

    from tests.conftest import Run


@pytest.mark.parametrize(
    "arguments",
    [
        ["scale", "d0", "--phi", "5", "--measure", "none"],
        ["scale", "d0", "--phi", "0..7", "--measure", "none"],
        ["scale", "d0", "--phi", "1", "--strategy", "all", "--measure", "none"],
        ["scale", "d0", "--phi", "-1", "--measure", "none", "--format", "csv"],
        ["profile", "d0", "--measure", "none"],
        ["profile", "d7x", "--by", "level", "--measure", "none"],
        ["profile", "d1", "--by", "operator", "--measure", "none"],
        ["fit", "d0", "--macs", "20G"],
        ["fit", "d0", "--macs", "3G,10G"],
        ["fit", "d0", "--macs", "6G", "--strategy", "neck_width"],
        ["grid", "d0"],
        ["grid", "d0", "--phi", "1..7", "--step", "0.01", "--top", "5"],
        ["compare", "d0", "d3", "b3", "--relative-to", "cheapest"],
    ],
    ids=" ".join,
)
def test_prints(run: Run, snapshot: SnapshotAssertion, arguments: list[str]) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == snapshot


@pytest.mark.torch
def test_what_is_counted_is_what_is_measured(run: Run) -> None:
    result = run("scale", "d0", "--phi", "1", "--measure", "torch", "--format", "json")
    assert (result.exit_code, result.stderr) == (0, "")
    rows = json.loads(result.stdout)["rows"]
    assert [row["name"] for row in rows] == ["d0", "d0-phi1", "d1"]
    assert all(row["agrees"] for row in rows)


def test_json_has_the_law_and_the_departures(run: Run) -> None:
    result = run(
        *("scale", "d0", "--phi", "5", "--measure", "none", "--format", "json")
    )
    baseline, law, published = json.loads(result.stdout)["rows"]
    assert (law["strategy"], published["strategy"]) == ("compound", "published")
    assert (law["backbone"], law["neck_channels"], law["levels"]) == ("b5", 288, [3, 7])
    assert [each["dimension"] for each in published["departures"]] == [
        "resolution",
        "neck repeats",
    ]
    assert published["departures"][0]["rule"] == [1152, 1152]
    assert published["macs"] == 134133865152
    assert baseline["explain"][0] == {
        "factor": "target",
        "value": 1.0,
        "reason": "1 / target ratio: where the other factors multiply to the target, "
        "the deviation is 0",
    }


def test_levels_and_groups_add_up(run: Run) -> None:
    result = run(
        *("profile", "d4", "--by", "level", "--measure", "none", "--format", "json")
    )
    data = json.loads(result.stdout)
    totals = data["totals"]
    for table in (data["levels"], data["groups"]):
        for figure in ("macs", "activations"):
            assert sum(row[figure] for row in table) == totals[figure]
    assert sum(row["params"] for row in data["groups"]) == totals["params"]
    # FACTS of the released network: efficientdet-pytorch counts the same
    assert {row["group"]: row["params"] for row in data["groups"]} == {
        "backbone": 16742216,
        "neck": 3349829,
        "class head": 402890,
        "box head": 228740,
    }
    heads = {row["level"]: row["size"] for row in data["levels"]}
    assert (heads["backbone"], heads["P3"], heads["P7"]) == (None, [128] * 2, [8] * 2)


def test_a_scaled_detector_is_a_file_of_its_own(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "d0-2.yaml"
    result = run(
        *("scale", "d0", "--phi", "2", "--measure", "none", "--output", str(file))
    )
    assert (result.exit_code, result.stderr) == (0, f"wrote {file}\n")
    d0, found = es.load("d0"), es.load(file)
    scaled = es.scale(d0, es.at_phi(d0, 2))
    same = {"name": "d0-2", "expected": found.expected}
    assert found == scaled.model_copy(update=same)
    how, multipliers = file.read_text("utf-8").splitlines()[1:3]
    assert how == "# compound, phi 2"
    assert multipliers == (
        "# depth_multiplier 1.2, width_multiplier 1.1, resolution_multiplier 1.5, "
        "neck_width_multiplier 1.8225, "
        "neck_depth_multiplier 1.66666666667, head_depth_multiplier 1.0"
    )


def test_classes_are_those_of_the_class_head(run: Run) -> None:
    result = run(
        *("profile", "d0", "--classes", "20", "--measure", "none", "--format", "json")
    )
    parts = {row["part"]: row for row in json.loads(result.stdout)["parts"]}
    assert (parts["class head"]["channels"], parts["box head"]["channels"]) == (180, 36)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (
            ["profile", "b0", "--by", "level", "--measure", "none"],
            1,
            "level: b0 has none; a detector has\n",
        ),
        (
            ["scale", "d0", "--strategy", "dw", "--measure", "none"],
            1,
            (
                f"strategy: expected one of {', '.join(Detector.strategies)} for d0, "
                "a detector, got 'dw'\n"
            ),
        ),
        (
            ["grid", "d0", "--alpha", "1:2", "--constraint", "realised"],
            2,
            "constraint: of classifiers alone; a detector's grid varies --neck-width\n",
        ),
        (
            ["grid", "b0", "--neck-width", "1.2:1.3"],
            2,
            "Error: --neck-width is of a file with a neck; b0 has none\n",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_not_of_a_detector_is_refused(
    run: Run, arguments: list[str], code: int, said: str
) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.endswith(said)
