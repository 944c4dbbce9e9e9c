"""`effscale specs`, as its users see it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from effscale.report import specs
from effscale.spec.builtin import builtin
from effscale.spec.names import folder

if TYPE_CHECKING:
    import pytest
    from syrupy.assertion import SnapshotAssertion

    from tests.conftest import Run


def test_prints(run: Run, snapshot: SnapshotAssertion) -> None:
    result = run("specs")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == snapshot


def test_what_is_kept_is_what_is_counted() -> None:
    """`make shown` writes it anew."""
    assert (folder() / specs.KEPT).read_text("utf-8") == specs.kept_text()


def test_another_text_is_counted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder() / "b0.yaml"
    kept = json.loads(run("specs", "--format", "json").stdout)["specs"]
    own = [{**kept[0], "macs": 1}]
    monkeypatch.setattr(specs, "counted", lambda: own)
    monkeypatch.setattr(specs, "files", lambda: {"b0": path})
    assert json.loads(run("specs", "--format", "json").stdout)["specs"] == own


def test_json_is_the_contract(run: Run) -> None:
    data = json.loads(run("specs", "--format", "json").stdout)
    rows = {row["name"]: row for row in data["specs"]}
    assert len(rows) == len(data["specs"])
    files = builtin().items()
    assert rows.keys() == {
        name for stem, each in files for name in (stem, *each.variants)
    }
    assert {name for name, row in rows.items() if row["file"] == "b0.yaml"} >= {
        *(f"b{n}" for n in range(9)),
        "l2",
    }
    assert (rows["d7x"]["ap"], rows["d7x"]["top1"]) == (55.1, None)
    assert rows["b4"] == {
        "name": "b4",
        "file": "b0.yaml",
        "family": "efficientnet",
        "resolution": [380, 380],
        "params": 19341616,
        "macs": 4393771024,
        "activations": 49489032,
        "products": 0,
        "top1": 82.9,
        "top5": 96.4,
        "ap": None,
        "miou": None,
    }


def test_an_unknown_family_is_named_with_what_is_meant(run: Run) -> None:
    result = run("specs", "yolov88")
    assert result.exit_code == 2
    told = "expected a family of those that effscale specs lists, got 'yolov88'"
    assert result.stderr.endswith(f"{told}; did you mean 'yolov8'?\n")
