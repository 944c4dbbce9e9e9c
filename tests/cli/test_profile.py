"""`effscale profile`, as its users see it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

import effscale as es
from effscale.choices import TOOLS
from effscale.cost.conventions import amounts
from effscale.cost.count import visited
from effscale.module import measure
from effscale.network.network import network
from effscale.report.profile import heading
from effscale.report.rows import FIGURES
from effscale.spec.names import names
from tests.cost.test_conventions import B0

if TYPE_CHECKING:
    from pathlib import Path

    from syrupy.assertion import SnapshotAssertion

    from tests.conftest import Run


@pytest.mark.parametrize(
    "arguments",
    [
        ["b0"],
        ["b4", "--units", "flops"],
        ["b0", "--by", "layer"],
        ["b0", "--by", "operator"],
        ["b0", "--resolution", "33x65", "--classes", "10", "--format", "markdown"],
        ["b0", "--format", "csv"],
        ["polynet", "--as", "calflops"],
        ["b0", "--as", "thop", "--by", "operator"],
    ],
    ids=" ".join,
)
def test_prints(run: Run, snapshot: SnapshotAssertion, arguments: list[str]) -> None:
    result = run("profile", "--measure", "none", *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == snapshot


@pytest.mark.torch
def test_measures_by_default(run: Run) -> None:
    result = run("profile", "b0", "-v")
    assert result.exit_code == 0
    assert "the same ✓, by fvcore" in result.stdout
    assert result.stderr.splitlines() == [
        (
            "fvcore, by operator: conv 384,534,752, batch_norm 13,475,392, "
            "adaptive_avg_pool2d 2,369,248, linear 1,280,000"
        ),
        (
            "fvcore leaves out by convention: aten::pad ×5, aten::silu ×49, "
            "aten::sigmoid ×16, aten::mul ×16, aten::add ×9"
        ),
    ]


@pytest.mark.parametrize("by", ["part", "layer", "operator"])
def test_every_table_adds_up_to_the_total(run: Run, by: str) -> None:
    options = ("--by", by, "--measure", "none", "--format", "json")
    data = json.loads(run("profile", "b2", *options).stdout)
    rows = data[f"{by}s"]
    for figure in FIGURES:
        assert sum(row[figure] for row in rows) == data["totals"][figure]
    assert sum(row["share"] for row in rows) == pytest.approx(1)


def test_json_is_the_contract(run: Run) -> None:
    result = run("profile", "b0", "--measure", "none", "--format", "json")
    data = json.loads(result.stdout)
    assert data["totals"] == {
        "params": 5288548,
        "macs": 385814752,
        "activations": 6748036,
        "products": 0,
        "product_outputs": 0,
    }
    assert set(data["parts"][0]) >= {
        *("part", "operator", "input", "output", "channels", "repeats"),
        *("params", "macs", "activations", "share"),
    }
    assert data["measured"] is None
    assert data["conventions"] == B0


@pytest.mark.parametrize("by", ["part", "layer", "operator"])
def test_restated_rows_add_up(run: Run, by: str) -> None:
    options = ("--as", "ptflops", "--by", by, "--measure", "none", "--format", "json")
    data = json.loads(run("profile", "b0", *options).stdout)
    assert sum(row["restated"] for row in data[f"{by}s"]) == B0["ptflops"]
    assert data["restated"] == {
        "tool": "ptflops",
        "version": "0.7.5",
        "total": B0["ptflops"],
        "terms": [
            {"name": "MACs", "times": 1, "elements": 385814752},
            {"name": "bias", "times": 1, "elements": 10340},
            {"name": "batch norm", "times": 1, "elements": 13475392},
            {"name": "activation functions", "times": 1, "elements": 6157916},
            {"name": "pooling", "times": 2, "elements": 2369248},
        ],
    }


@pytest.mark.slow
@pytest.mark.parametrize("step", [6, pytest.param(1, marks=pytest.mark.long)])
def test_reconciling_lines_add_up_as_printed(step: int) -> None:
    for name in [*names()][::step]:
        found = amounts(
            step for part in visited(network(es.load(name))) for step in part.visits
        )
        for tool in TOOLS:
            _, line = heading(found, tool)
            total, _, sum_ = line.partition(" ")[2].partition(" = ")
            terms = [each.partition(" × ") for each in sum_.split(" + ")]
            made = [
                int(times) * figure_of(rest) if rest else figure_of(times)
                for times, _, rest in terms
            ]
            assert sum(made) == figure_of(total), line
            assert all(made), line


def figure_of(text: str) -> Decimal:
    """The number that a term begins with, `13.5 M batch norm`."""
    return Decimal(text.split(maxsplit=1)[0].replace(",", ""))


def test_reads_standard_input(run: Run) -> None:
    text = es.dumps(es.load("b0"))
    result = run("profile", "-", "--measure", "none", text=text)
    assert result.exit_code == 0
    assert "385,814,752 MACs" in result.stdout
    broken = run("profile", "-", "--measure", "none", text="name: [")
    assert broken.exit_code == 1
    assert broken.stderr.startswith("<stdin>:2:1: not YAML: ")


def test_a_file_that_expects_other_figures_is_noted(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "off.yaml"
    path.write_text(es.dumps(es.load("b0")).replace("385814752", "385814753"), "utf-8")
    result = run("profile", str(path), "--measure", "none")
    assert result.exit_code == 0
    assert "385,814,752 MACs" in result.stdout
    assert run("profile", str(path), "--measure", "none", "-q").stderr == ""
    assert result.stderr == (
        "b0: expected.macs: expected 385,814,753 (the file's own figure), "
        "counted 385,814,752\n"
    )


@pytest.mark.torch
def test_a_measurement_that_differs_exits_1(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = measure.measure_spec(es.load("b1"), "torch")
    monkeypatch.setattr(measure, "measure_spec", lambda *_, **_k: other)
    result = run("profile", "b0", "--measure", "torch")
    assert result.exit_code == 1
    assert "686,802,832 MACs ✗, by torch" in result.stdout
    assert result.stderr == (
        "b0: counted 385,814,752 macs but torch measured 686,802,832; "
        "first difference in stem\n"
    )


@pytest.mark.torch
def test_a_network_larger_than_memory_is_refused(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "vast.yaml"
    text = es.dumps(es.load("b0")).replace("channels: 320", "channels: 1000000")
    path.write_text(text.replace("channels: 1280", "channels: 1000000"), "utf-8")
    result = run("profile", str(path))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("b0: running it once takes about 4.0")
    assert result.stderr.endswith("; --measure torch needs none\n")
    counted = run("profile", str(path), "--measure", "torch")
    assert "the same ✓, by torch" in counted.stdout


def test_needs_a_spec(run: Run) -> None:
    result = run("profile")
    assert result.exit_code == 2
    assert "Missing argument" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["b0", "--memory", "--batch", "8", "--balance", "3"],
        ["b0", "--memory", "--batch", "1,64", "--dtype", "float32,bfloat16"],
        ["b0", "--memory", "--format", "csv"],
    ],
    ids=" ".join,
)
def test_prints_memory(
    run: Run, snapshot: SnapshotAssertion, arguments: list[str]
) -> None:
    result = run("profile", "--measure", "none", *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == snapshot


def test_memory_of_int8_is_a_byte_for_each_number(run: Run) -> None:
    options = ("--memory", "--dtype", "float32,int8", "--measure", "none")
    data = json.loads(run("profile", "b0", *options, "--format", "json").stdout)
    whole, quarter = data["memory"]
    assert whole["weight_bytes"] == 4 * quarter["weight_bytes"]
    assert whole["peak_bytes"] == 4 * quarter["peak_bytes"]


def test_memory_in_json(run: Run) -> None:
    options = ("--memory", "--batch", "1,2", "--measure", "none", "--format", "json")
    data = json.loads(run("profile", "b0", *options).stdout)
    assert [each["batch"] for each in data["memory"]] == [1, 2]
    one = data["memory"][0]
    assert one["weight_bytes"] == 4 * (5_288_548 + 42_016)
    assert sum(part["bytes_moved"] for part in one["parts"]) == one["bytes_moved"]
    assert all(part["memory_bound"] for part in one["parts"])
    assert data["machine_balance"] == 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--batch", "4"], "--batch is for --memory and --latency"),
        (["--dtype", "bfloat16"], "--dtype is for --memory and --latency"),
        (["--balance", "4"], "--balance is for --memory, which was not asked for"),
        (["--memory", "--balance", "-1"], "-1.0 is not in the range"),
        (["--memory", "--batch", "0"], "expected whole numbers from 1 to"),
        (["--memory", "--dtype", "int4"], "expected float32, bfloat16, float16, int8"),
        (["--latency", "--dtype", "int8"], "--latency: nothing is run in int8 here"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_refuses_options_of_memory(
    run: Run, arguments: list[str], message: str
) -> None:
    result = run("profile", "b0", "--measure", "none", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_a_source_without_figures_is_no_line(run: Run) -> None:
    printed = run("profile", "fastvit-t8", "--measure", "none").stdout
    assert "counted" in printed
    assert "published" not in printed
