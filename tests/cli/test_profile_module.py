"""`effscale profile` of modules of other code, as its users see it."""

from __future__ import annotations

import json
import sys
import warnings
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from effscale.module import any_module, formulas

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

class Fourier(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1, bias=False)

    def forward(self, x):
        return torch.fft.rfft(self.conv(x))

class Named(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1, bias=False)

    def forward(self, batch):
        return self.conv(batch["image"] if isinstance(batch, dict) else batch[0])

class Adapted(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(8, 6))
        self.low, self.high = (nn.Parameter(torch.zeros(s)) for s in ((8, 2), (2, 6)))

    def forward(self, x):
        return self.layers(x) + x @ self.low @ self.high

def frozen():
    return nn.Conv2d(3, 4, 1, bias=False).requires_grad_(False)

def quantized():
    import warnings
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.ao.quantization import quantize_dynamic
        net = nn.Sequential(nn.Linear(4, 4))
        return quantize_dynamic(net, {nn.Linear}, dtype=torch.qint8)

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


@pytest.mark.parametrize("by", ["part", "layer"])
def test_what_no_module_within_computes_has_a_row(run: Run, by: str) -> None:
    asked = "profile", "nets:Adapted", "--input", "3x8", "--by", by, "--format", "json"
    data = json.loads(run(*asked).stdout)
    own = data["modules"][-1]
    assert (own["module"], own["type"], own["params"]) == ("(own)", "Adapted", 28)
    assert own["macs"] == own["fvcore"] == own["torch"] == 3 * 28
    for figure in ("macs", "params"):
        found = sum(row[figure] for row in data["modules"])
        assert found == data["totals"][figure]


def test_where_one_counter_knows_it_all_the_answer_is_its_own(run: Run) -> None:
    result = run("profile", "nets:Recurrent", "--input", "5x1x8")
    assert (result.exit_code, result.stderr) == (0, "imported\n")
    assert (
        "fvcore 1 of 2 conv and matmul calls (50.0 %), lstm ×1 unknown" in result.stdout
    )
    assert "counted      7,920 MACs" in result.stdout
    assert "✓" not in result.stdout
    assert (
        "answer       fvcore does not know lstm ×1 in lstm; the answer is torch's, "
        "which knows it all" in " ".join(result.stdout.split("\n"))
    )
    alone = run("profile", "nets:Recurrent", "--input", "5x1x8", "--measure", "torch")
    assert alone.exit_code == 0


def test_where_nobody_knows_it_all_there_is_no_answer(run: Run) -> None:
    arguments = ["profile", "nets:Fourier", "--input", "1x3x8x8"]
    result = run(*arguments)
    assert result.exit_code == 1
    assert "no answer: not every operator is known; 12 params" in result.stdout
    assert "complex" in result.stdout
    assert "✓" not in result.stdout
    assert result.stderr.splitlines()[1:] == [
        "nets:Fourier: fvcore does not know fft_rfft ×1: there may be more MACs",
        "nets:Fourier: torch does not know _fft_r2c ×1: there may be more MACs",
        (
            "nets:Fourier: --operator aten::_fft_r2c=MACS says what it multiplies, "
            "such as 2*prod(x[0])*x[1][-2] of the shapes x that go in; or from Python, "
            "effscale.teach('aten::_fft_r2c', function)"
        ),
    ]
    assert run(*arguments, "--latency").exit_code == 1
    assert run(*arguments, "--by", "operator", "--format", "csv").exit_code == 1
    data = json.loads(run(*arguments, "--format", "json").stdout)
    assert data["totals"] == {
        "params": 12,
        "macs": None,
        "activations": None,
        "products": None,
        "trainable": 12,
    }
    assert (data["agrees"], data["answer"]) == (False, None)


def test_an_operator_is_taught_by_an_option(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formulas, "_taught", {})
    result = run(
        *("profile", "nets:Fourier", "--input", "1x3x8x8"),
        *("--operator", "aten::_fft_r2c=prod(x[0])*3 + y[0][-1] - 5"),
    )
    assert result.exit_code == 0
    assert f"{4 * 3 * 64 + 4 * 64 * 3:,} MACs" in result.stdout


def test_frozen_parameters_are_parameters(run: Run) -> None:
    result = run("profile", "nets:frozen", "--resolution", "4")
    assert result.exit_code == 0
    assert "12 params (0 trainable)" in result.stdout
    data = json.loads(
        run("profile", "nets:frozen", "--resolution", "4", "--format", "json").stdout
    )
    assert (data["totals"]["params"], data["totals"]["trainable"]) == (12, 0)
    assert sum(row["params"] for row in data["modules"]) == 12


def test_a_batch_is_said_in_the_heading(run: Run) -> None:
    result = run("profile", "nets:made", "--input", "2x3x4x4")
    assert "2x3x4x4 (a batch of 2: the figures are of all)" in result.stdout


def test_inputs_have_names_and_lists(run: Run) -> None:
    result = run("profile", "nets:Named", "--input", "image=1x3x4x4")
    assert (result.exit_code, result.stderr) == (0, "imported\n")
    assert "input     image=1x3x4x4" in result.stdout
    assert f"{12 * 16} MACs" in result.stdout
    assert "✓" in result.stdout
    timed = run("profile", "nets:Named", "--input", "image=1x3x4x4", "--latency")
    assert (timed.exit_code, timed.stdout) == (1, "")
    assert timed.stderr == (
        "nets:Named: --latency expected tensors in order, got them by name or in a "
        "list\n"
    )
    listed = run("profile", "nets:Named", "--input", "1x3x4x4,")
    assert (listed.exit_code, listed.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["nets:make", "--arg", "wdth=8"],
            (
                "nets:make: calling it with (wdth=8) raised TypeError: make() got an "
                "unexpected keyword argument 'wdth'; did you mean 'width'?"
            ),
        ),
        (
            ["nets:fails"],
            (
                "nets:fails: calling it with () raised ValueError: first line "
                "second line"
            ),
        ),
        (
            ["torch.nn:Linear", "--arg", "in_features=8"],
            (
                "torch.nn:Linear: calling it with (in_features=8) raised TypeError: "
                "Linear.__init__() missing 1 required positional argument: "
                "'out_features'; --arg out_features=VALUE says it"
            ),
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
                "Two.forward() missing 1 required positional argument: 'tokens'; "
                "--input tokens=SIDES says what goes in"
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
        (
            ["nets:quantized"],
            (
                "nets:quantized: expected weights of floating point, found quantized "
                "ones (Linear of 0); profile the float model that it was made from"
            ),
        ),
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
        (
            ["b0", "--tree-depth", "2"],
            "--tree-depth is for modules (MODULE:CALLABLE, .pt2)",
        ),
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
        (["nets:make", "--input", "3=1x3"], "expected NAME=SIDES such as image="),
        (["nets:make", "--input", ","], "expected sides such as 1x3x224x224"),
        (["nets:make", "--operator", "f=3"], "expected ns::name=MACS such as"),
        (["nets:make", "--operator", "a::f=x+1"], "expected arithmetic on shapes"),
        (["nets:make", "--operator", "a::f=x[0]"], "expected arithmetic on shapes"),
        (["nets:make", "--operator", "a::f=2**9"], "expected arithmetic on shapes"),
        (["b0", "--operator", "a::f=1"], "--operator is for modules"),
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
    result = run("compare", "nets:make")
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
        frozen = torch.jit.freeze(torch.jit.script(conv()))
        torch.jit.save(frozen, str(tmp_path / "frozen.ts"))
        torch.save(conv().state_dict(), tmp_path / "net.pth")
    exported = run("profile", "net.pt2", "--format", "json")
    assert (exported.exit_code, exported.stderr) == (0, "")
    data = json.loads(exported.stdout)
    assert (data["totals"]["macs"], data["inputs"]) == (macs, ["2x3x10x10:float32"])
    assert [row["module"] for row in data["modules"]] == ["0", "2"]
    script = run("profile", "net.ts", "--input", "2x3x10x10")
    assert (script.exit_code, script.stderr) == (0, "")
    assert f"{macs:,} MACs, 122 params, " in script.stdout  # 3·4·9 + 4, 4·2 + 2
    assert "fvcore cannot trace TorchScript" in script.stdout
    constants = run("profile", "frozen.ts", "--input", "2x3x10x10")
    assert constants.exit_code == 0
    assert constants.stderr == (
        "no params: 122 numbers are constants of its code, as torch.jit.freeze makes "
        "weights\n"
    )
    torch.save(conv(), tmp_path / "whole.pth")
    pickled = run("profile", "whole.pth")
    assert (pickled.exit_code, pickled.stdout) == (1, "")
    assert pickled.stderr == (
        "whole.pth: expected a file of torch.export or TorchScript, found a whole "
        "pickled module: it could run any code and is not opened; save it by "
        "torch.export\n"
    )
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
