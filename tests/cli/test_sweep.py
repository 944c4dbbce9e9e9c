"""`effscale scale --sweep`, as its users see it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

import effscale as es

if TYPE_CHECKING:
    from pathlib import Path

    from syrupy.assertion import SnapshotAssertion

    from tests.conftest import Run

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "sweep", ["resolution=216..262", "depth=1..2", "width=1..1.03"]
)
def test_prints(run: Run, snapshot: SnapshotAssertion, sweep: str) -> None:
    result = run("scale", "--sweep", sweep)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == snapshot


def test_json_has_every_step(run: Run) -> None:
    result = run("scale", "--sweep", "resolution=223..226", "--format", "json")
    data = json.loads(result.stdout)
    assert data["sweep"] == "resolution"
    first, second = data["rows"]
    assert (first["from"], first["to"], first["macs"]) == (223, 224, 385814752)
    assert (second["from"], second["to"], second["jump"]) == (225, 226, True)
    assert second["rise"] == second["macs"] / first["macs"] - 1
    assert first["rounding_overhead"] == pytest.approx(0)


def test_draws_itself(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "sweep.svg"
    result = run("scale", "--sweep", "resolution=200..300", "--plot", str(path))
    assert result.exit_code == 0
    texts = [each.text or "" for each in ET.parse(path).getroot().iter()]  # noqa: S314
    assert any("257" in text for text in texts)


def test_output_takes_the_answer(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "sweep.csv"
    run("scale", "--sweep", "resolution=223..226", "--output", str(path))
    assert (
        path.read_text("utf-8").splitlines()[1].startswith("223,224,5288548,385814752")
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--sweep", "height=1..2"], 2, "expected depth, width or resolution as"),
        (["--sweep", "depth=1"], 2, "expected depth, width or resolution as"),
        (["--sweep", "depth=0..1"], 2, "expected numbers above 0 and below 65536"),
        (["--sweep", "depth=2..1"], 2, "expected a range that rises, such as resol"),
    ],
)
def test_bad_input_is_one_clear_line(
    run: Run, arguments: list[str], code: int, message: str
) -> None:
    result = run("scale", *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert message in result.stderr.splitlines()[-1]


def test_follows_the_spec_it_is_given(run: Run) -> None:
    options = ("--sweep", "resolution=380..380", "--format", "json")
    data = json.loads(run("scale", "b4", *options).stdout)
    assert data["rows"][0]["macs"] == es.count(es.load("b4")).macs


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--phi", "3"], "--phi is not for --sweep"),
        (["--strategy", "depth"], "--strategy is not for --sweep"),
        (["--measure", "torch"], "--measure is not for --sweep"),
        (["--output", "b0.yaml"], "a sweep is of many networks"),
    ],
)
def test_what_would_be_left_aside_is_refused(
    run: Run, arguments: list[str], message: str
) -> None:
    result = run("scale", "--sweep", "depth=1..2", *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
