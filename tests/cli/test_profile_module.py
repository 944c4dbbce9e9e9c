"""`effscale profile` of modules of other code, as its users see it."""

from __future__ import annotations

import json
import sys
import warnings
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from effscale.module import any_module

if TYPE_CHECKING:
    from pathlib import Path

    from syrupy.assertion import SnapshotAssertion

    from tests.conftest import Run

pytestmark = pytest.mark.torch

NETS = """
import torch
from torch import nn

print("imported")
made = nn.Conv2d(3, 4, 1)
number = 3

class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(100, 16)
        self.conv = nn.Conv2d(3, 16, 3, padding="same")

    def forward(self, image, tokens):
        gate = self.tokens(tokens).mean(1)[:, :, None, None]
        return {"gated": self.conv(image) * gate, "image": [image]}

class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.linear = nn.LSTM(8, 16), nn.Linear(16, 3)

    def forward(self, x):
        return self.linear(self.lstm(x)[0])

def make(width=4, name=""):
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.ReLU(), nn.Conv2d(width, 2, 1))

def fails():
    raise ValueError("first line\\nsecond line")

def a_list():
    return [1]
"""


@pytest.fixture(autouse=True)
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with nets.py in it, to work in."""
    (tmp_path / "nets.py").write_text(NETS, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "nets", raising=False)


@pytest.mark.parametrize(
    "arguments",
    [
        ["nets:make", "--arg", "width=8", "--arg", "name=abc", "--resolution", "10x12"],
        ["nets:Two", "--input", "1x3x8x8", "--input", "1x7:int64"],
        ["nets:made"],
        ["nets:make", "--by", "operator", "--units", "flops", "--as", "torch"],
        ["nets:make", "--measure", "torch", "--format", "csv"],
    ],
    ids=" ".join,
)
def test_prints(run: Run, snapshot: SnapshotAssertion, arguments: list[str]) -> None:
    result = run("profile", *arguments)
    assert (result.exit_code, result.stderr) == (0, "imported\n")
    assert result.stdout == snapshot


def test_json_has_both_counters(run: Run) -> None:
    result = run("profile", "nets:make", "--resolution", "10", "--format", "json")
    data = json.loads(result.stdout)
    assert data["totals"]["macs"] == 27 * 4 * 64 + 8 * 64
    assert [each["engine"] for each in data["measured"]] == ["fvcore", "torch"]
    assert [each["macs"] for each in data["measured"]] == [data["totals"]["macs"]] * 2
    assert (data["agrees"], data["faults"]) == (True, [])
    assert data["inputs"] == ["1x3x10x10"]
    assert sum(row["macs"] for row in data["modules"]) == data["totals"]["macs"]


def test_what_one_counter_misses_is_an_error(run: Run) -> None:
    result = run("profile", "nets:Recurrent", "--input", "5x1x8")
    assert result.exit_code == 1
    assert "fvcore 1 of 2 multiplying calls (50.0 %), lstm ×1 left out" in result.stdout
    assert "counted   7,920 MACs" in result.stdout.replace("  7,920", " 7,920")
    assert result.stderr.splitlines() == [
        "imported",
        "nets:Recurrent: fvcore cannot count aten::lstm ×1: its MACs would be wrong",
        "nets:Recurrent: fvcore and torch differ in matrix product: 240 and 7,920 MACs",
    ]
    alone = run("profile", "nets:Recurrent", "--input", "5x1x8", "--measure", "torch")
    assert alone.exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["nets:make", "--arg", "wdth=8"],
            (
                "nets:make: calling it with (wdth=8) raised TypeError: make() got an "
                "unexpected keyword argument 'wdth'"
            ),
        ),
        (
            ["nets:fails"],
            "nets:fails: calling it with () raised ValueError: first line",
        ),
        (["nets:a_list"], "nets:a_list: expected a torch.nn.Module, got list"),
        (
            ["nets:number"],
            "nets:number: expected a callable or a torch.nn.Module, got 3",
        ),
        (
            ["nets:mke"],
            (
                "nets:mke: expected a callable or module of nets, found no 'mke'; "
                "did you mean 'make'?"
            ),
        ),
        (
            ["nets:made", "--arg", "width=3"],
            "nets:made: expected no --arg: it is a module already",
        ),
        (
            ["nets:Two"],
            (
                "nets:Two: with 1x3x224x224: running it raised TypeError: "
                "Two.forward() missing 1 required positional argument: 'tokens'"
            ),
        ),
        (
            ["HEAD:b0"],
            (
                "HEAD:b0: cannot be imported: no module named 'HEAD'; a file "
                "of git's is HEAD:./b0"
            ),
        ),
        (
            ["nets.py:make"],
            (
                "nets.py:make: expected a module's name, got a file's; did you mean "
                "'nets:make'?"
            ),
        ),
        (["no.pt2"], "no.pt2: expected a file, found none"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_what_is_wrong_is_said_in_a_line(
    run: Run, arguments: list[str], message: str
) -> None:
    result = run("profile", *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.removeprefix("imported\n") == f"{message}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["b0", "--depth", "2"], "--depth is for modules (MODULE:CALLABLE, .pt2)"),
        (["nets:make", "--classes", "3"], "--classes is for specs, not for a module"),
        (
            ["nets:make", "--as", "thop"],
            (
                "expected paper, fvcore, torch for a module, got 'thop': its rules are "
                "known of a spec's layers alone"
            ),
        ),
        (["nets:make", "--input", "3y4"], "expected sides such as 1x3x224x224"),
        (["nets:make", "--input", "3:int63"], "expected sides such as 1x3x224x224"),
        (["nets:make", "--input", "0x3"], "expected sides such as 1x3x224x224"),
        (["nets:make", "--arg", "3=4"], "expected KEY=VALUE such as num_classes=10"),
        (["nets:make", "--measure", "none"], "a module is counted by running it"),
        (
            ["nets:make", "--resolution", "8", "--input", "1x3x8x8"],
            "--resolution and --input both say what goes in",
        ),
        (
            ["nets:make", "--as", "fvcore", "--measure", "torch"],
            "--as fvcore asks fvcore, --measure torch does not",
        ),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_usage(run: Run, arguments: list[str], message: str) -> None:
    result = run("profile", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_other_commands_take_no_modules(run: Run) -> None:
    result = run("scale", "nets:make")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "'nets:make': expected a spec, got a callable's name: profile alone takes "
        "modules\n"
    )


def test_a_spec_names_no_code(run: Run, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("name: nets:make\n", "utf-8")
    assert "imported" not in run("profile", "own.yaml").stderr
    assert "nets" not in sys.modules


def conv() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 1)).eval()


@pytest.mark.slow
def test_files_of_torch_are_loaded(run: Run, tmp_path: Path) -> None:
    image, macs = torch.zeros(2, 3, 10, 10), 2 * (27 * 4 * 64 + 8 * 64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(conv(), (image,)), tmp_path / "net.pt2")
        torch.jit.script(conv()).save(str(tmp_path / "net.ts"))
        torch.save(conv().state_dict(), tmp_path / "net.pth")
    exported = run("profile", "net.pt2", "--format", "json")
    assert (exported.exit_code, exported.stderr) == (0, "")
    data = json.loads(exported.stdout)
    assert (data["totals"]["macs"], data["inputs"]) == (macs, ["2x3x10x10:float32"])
    assert [row["module"] for row in data["modules"]] == ["0", "2"]
    script = run("profile", "net.ts", "--input", "2x3x10x10")
    assert (script.exit_code, script.stderr) == (0, "")
    assert f"{macs:,} MACs" in script.stdout
    assert "fvcore cannot trace TorchScript" in script.stdout
    weights = run("profile", "net.pth")
    assert (weights.exit_code, weights.stdout) == (1, "")
    assert weights.stderr == (
        "net.pth: expected a module, found weights alone; MODULE:CALLABLE makes the "
        "module that they are of\n"
    )


def test_arguments_are_literals_or_text() -> None:
    assert any_module.literal("[1, 2]") == [1, 2]
    assert any_module.literal("None") is None
    assert any_module.literal("relu") == "relu"
    assert any_module.literal("a(") == "a("
