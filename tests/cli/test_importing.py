"""`effscale import`: the file, the names of its weights, and what is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch
from click.testing import CliRunner

import effscale as es
from effscale.cli import main
from tests.explained import unexplained
from tests.importing import nets, nets_tokens

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NET = "tests.importing.nets:basic"
SIDES = "--input", "1x3x32x32"


def test_it_writes_the_spec_and_the_names_of_its_weights(tmp_path: Path) -> None:
    output = tmp_path / "my.yaml"
    arguments = ["import", NET, *SIDES, "--output", str(output), "--format", "json"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0
    assert unexplained(result.stdout) == set()
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
        ([NET, "--name", "a b"], "name: expected a name of letters, digits and"),
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


@pytest.mark.parametrize(
    ("where", "module"),
    [("nets:swapped", nets.swapped), ("nets_tokens:windowed", nets_tokens.windowed)],
)
def test_weights_of_the_original_load_by_the_names_beside_the_spec(
    where: str, module: Callable[[], torch.nn.Module], tmp_path: Path
) -> None:
    """Shortcuts are listed after what they run beside, so that no order fits.

    Queries, tables and neighbours lie otherwise than ours.
    """
    net, spec = module(), tmp_path / "my.yaml"
    torch.save(net.state_dict(), tmp_path / "original.pth")
    run("import", f"tests.importing.{where}", *SIDES, "--output", str(spec))
    weights = "--weights", str(tmp_path / "original.pth")
    run(*("weights", weights[1], "--to", str(spec)))
    output = tmp_path / "my.pth"
    run("export", str(spec), *weights, "--output", str(output))
    ours = es.build(es.load(spec)).double().eval()
    ours.load_state_dict(torch.load(output))
    image = torch.rand(1, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        theirs = net.double().eval()(image)
        assert torch.allclose(ours(image), theirs, rtol=1e-12)


def test_a_scaled_spec_says_which_of_the_originals_weights_do_not_fit(
    tmp_path: Path,
) -> None:
    spec = tmp_path / "my.yaml"
    torch.save(nets.swapped().state_dict(), tmp_path / "original.pth")
    run("import", "tests.importing.nets:swapped", *SIDES, "--output", str(spec))
    wide = str(tmp_path / "wide.yaml")
    run("scale", str(spec), "--phi", "4", "--measure", "none", "--output", wide)
    weights = str(tmp_path / "original.pth")
    result = CliRunner().invoke(main, ["weights", weights, "--to", wide])
    assert result.exit_code == 1
    assert "expected wide's weights, " in result.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read: "),
        ("[]", "expected names by names under tensors"),
        ('{"tensors": {"a": 3}}', "expected names by names under tensors"),
        (
            '{"tensors": {"a": {"of": ["b"], "shape": [3], "order": [1], "into": []}}}',
            "expected names by names under tensors",
        ),
    ],
)
def test_names_that_are_damaged_are_said(
    content: str, message: str, tmp_path: Path
) -> None:
    spec, weights = tmp_path / "my.yaml", tmp_path / "original.pth"
    spec.write_text(es.dumps(es.load("b0")))
    torch.save(nets.plain().state_dict(), weights)
    (tmp_path / "my.weights.json").write_text(content)
    result = CliRunner().invoke(main, ["weights", str(weights), "--to", str(spec)])
    assert result.exit_code == 1
    assert f"my.weights.json: {message}" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def run(*arguments: str) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.stderr
