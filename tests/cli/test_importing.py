"""`effscale import`: the file, the names of its weights, and what is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

import effscale as es
from effscale.cli import main

if TYPE_CHECKING:
    from pathlib import Path

NET = "tests.importing.nets:basic"
SIDES = "--input", "1x3x32x32"


def test_it_writes_the_spec_and_the_names_of_its_weights(tmp_path: Path) -> None:
    output = tmp_path / "my.yaml"
    arguments = ["import", NET, *SIDES, "--output", str(output), "--format", "json"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0
    answer = json.loads(result.stdout)
    assert answer["proved"]
    assert answer["outputs_apart"] < 1e-12
    assert {row["figure"] for row in answer["figures"]} == {
        "params",
        "macs",
        "products",
        "activations",
    }
    assert all(row["same"] for row in answer["figures"])
    assert es.load(output).name == "basic"
    assert output.read_text().startswith(f"# Imported from {NET}.\n# Proved: params, ")
    named = json.loads((tmp_path / "my.weights.json").read_text())
    assert named["from"] == NET
    assert named["tensors"] == answer["mapping"]


def test_it_prints_the_spec_where_there_is_no_output() -> None:
    result = CliRunner().invoke(main, ["import", NET, *SIDES, "--name", "mine"])
    assert result.exit_code == 0
    assert es.loads(result.stdout).name == "mine"


def test_it_replaces_nothing_unasked(tmp_path: Path) -> None:
    (tmp_path / "my.weights.json").write_text("{}")
    arguments = ["import", NET, *SIDES, "--output", str(tmp_path / "my.yaml")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert "my.weights.json' exists; --force replaces it" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tests.importing.nets:nothing"], "found no 'nothing'"),
        ([NET, "--input", "1x3x4"], "expected one image that goes in"),
        (
            [NET, "--input", "1x3x8x8", "--input", "1x4"],
            "expected one image that goes in",
        ),
        (
            ["torch.nn:Identity"],
            "expected a classifier (a mean of all positions, linear layers)",
        ),
    ],
)
def test_what_cannot_be_is_said_in_a_line(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(main, ["import", *arguments])
    assert result.exit_code == 1
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
