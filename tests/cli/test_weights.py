"""`effscale weights`, as its users see it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch

import effscale as es
from tests.spec.small import TEXT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Run

pytestmark = pytest.mark.torch
RUNS = (
    "padding: centred, ε of norms 0.001, as small has it; no file of weights says them"
)


@pytest.fixture
def small(tmp_path: Path) -> str:
    path = tmp_path / "small.yaml"
    path.write_text(TEXT, "utf-8")
    return str(path)


@pytest.fixture
def weights(tmp_path: Path) -> str:
    path = tmp_path / "w.pth"
    state = es.build(es.loads(TEXT)).state_dict()
    torch.save({f"net.{name}": each for name, each in state.items()}, path)
    return str(path)


def test_shows_what_is_which(run: Run, small: str, weights: str) -> None:
    result = run("weights", weights, "--to", small)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[:4] == [
        f"file       {weights}, a state dict",
        "mapped     22 tensors by order and shape",
        f"runs with  {RUNS}",
        "",
    ]
    assert [line.split() for line in lines[4:] if "─" not in line][:3] == [
        ["file", "small", "shape"],
        ["net.stem.conv.weight", "stem.conv.weight", "8×3×3×3"],
        ["net.stem.norm.weight", "stem.norm.weight", "8"],
    ]


def test_says_what_is_drawn_anew(run: Run, small: str, weights: str) -> None:
    asked = ("weights", weights, "--to", small, "--classes", "5")
    data = json.loads(run(*asked, "--format", "json").stdout)
    # By order and shape alone, a matrix of another size is a classifier's.
    assert sorted(data["classifier"]) == [
        "head.classifier.bias",
        "head.classifier.weight",
    ]
    assert (data["whole"], data["misfits"]) == (False, [])
    assert run(*asked).exit_code == 0


def test_exits_1_where_something_does_not_fit(run: Run, weights: str) -> None:
    result = run("weights", weights, "--to", "resnet18")
    assert result.exit_code == 1
    assert "misfit" in result.stdout
    assert result.stderr.startswith(f"{weights}: expected resnet18's weights, ")


def test_warns_of_padding_that_is_known_to_be_another(
    run: Run, tmp_path: Path, small: str
) -> None:
    path = tmp_path / "w.pth"
    state = es.build(es.loads(TEXT)).state_dict()
    state = {
        name.replace("stages.0.", "_blocks.").replace("stem.conv", "_conv_stem"): each
        for name, each in state.items()
    }
    torch.save(state, path)
    result = run("weights", str(path), "--to", small)
    assert result.exit_code == 0
    assert result.stderr == (
        "warning: efficientnet_pytorch's names are of networks with padding: "
        "tensorflow, small has centred: outputs will differ\n"
    )


@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04"])
def test_what_is_no_file_of_weights_is_one_line(
    run: Run, tmp_path: Path, small: str, content: bytes
) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    result = run("weights", str(path), "--to", small)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith(f"{path}: expected ")


def test_times_are_of_the_weights_that_are_given(
    run: Run, small: str, weights: str
) -> None:
    asked = ("profile", small, "--measure", "none", "--weights")
    timed = ("--latency", "--seconds", "0.01", "--threads", "1", "-q")
    assert run(*asked, weights, *timed).exit_code == 0
    other = run("profile", "resnet18", *asked[2:], weights, *timed)
    assert other.exit_code == 1
    assert other.stderr.startswith(f"{weights}: expected this network's weights, got ")
    alone = run(*asked, weights)
    assert alone.exit_code == 2
    assert "--weights goes with --latency of a SPEC" in alone.stderr
