"""`effscale compare`, as its users see it."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import click
import pytest

import effscale as es
from effscale.choices import TABLES
from effscale.cli import compare, types
from effscale.cost.memory import memory
from effscale.network.network import network

if TYPE_CHECKING:
    from pathlib import Path

    from syrupy.assertion import SnapshotAssertion

    from tests.conftest import Run


@pytest.fixture
def versions(
    b0: es.Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, str]:
    """B0, and B0 with a wider third stage, a new sixth one and another activation."""
    monkeypatch.chdir(tmp_path)
    old = es.dumps(b0.model_copy(update={"variants": {"b1": b0.variants["b1"]}}))
    lines = old.replace("activation: silu", "activation: relu").splitlines()
    stage = next(k for k, line in enumerate(lines) if "channels: 112" in line)
    again = lines[stage].replace("channels: 112", "channels: 128")
    lines.insert(stage + 1, again.replace("kernel: 5", "kernel: 3"))
    new = "\n".join(lines).replace(
        "channels: 40, repeats: 2", "channels: 48, repeats: 3"
    )
    (tmp_path / "old.yaml").write_text(old, "utf-8")
    (tmp_path / "new.yaml").write_text(new, "utf-8")
    return "old.yaml", "new.yaml"


@pytest.mark.parametrize(
    "arguments",
    [
        ["b0", "b4", "resnet50", "senet154", "pnasnet-5-large"],
        ["efficientnet", "resnet", "--relative-to", "cheapest"],
        ["resnet50", "b4", "--relative-to", "b4", "--units", "flops"],
        ["b0", "resnet50", "--resolution", "192x256", "--classes", "10"],
        ["b4", "inception-v4", "--format", "markdown"],
        ["b4", "b0", "--format", "csv"],
        ["b0", "b1", "--parts"],
        ["--table", "efficientnet-2"],
        ["--table", "efficientnet-3"],
        ["--table", "efficientnet-7"],
        ["--table", "efficientdet-1"],
        ["--table", "efficientdet-2"],
        ["--table", "efficientdet-4"],
        ["--table", "efficientdet-5"],
        ["--table", "efficientdet-1", "--format", "csv"],
        ["--table", "efficientnet-7", "--format", "markdown"],
        ["--table", "efficientnet-7", "--format", "csv"],
    ],
    ids=" ".join,
)
def test_prints(run: Run, snapshot: SnapshotAssertion, arguments: list[str]) -> None:
    result = run("compare", *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == snapshot


@pytest.mark.parametrize("form", ["table", "markdown", "csv", "json"])
def test_a_change_of_a_file_is_shown_part_by_part(
    run: Run, snapshot: SnapshotAssertion, versions: tuple[str, str], form: str
) -> None:
    result = run("compare", *versions, "--format", form)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == snapshot


def test_a_comment_begins_with_the_verdict(run: Run, versions: tuple[str, str]) -> None:
    shown = run("compare", *versions, "--format", "markdown").stdout.splitlines()
    assert shown[0] == (
        "b0: MACs 386 M → 544 M (+41.0 %), params 5.29 M → 6.13 M (+16.0 %), "
        "activations 6.75 M → 8.34 M (+23.6 %)"
    )
    assert shown[2].startswith("| part ")


def test_nothing_changed_is_said(run: Run, versions: tuple[str, str]) -> None:
    result = run("compare", versions[0], versions[0], "--format", "markdown")
    assert (
        result.stdout
        == "- verdict: b0: the cost is the same\n\n9 parts are unchanged\n"
    )


def test_two_networks_of_one_name_are_versions_unless_told(
    run: Run, versions: tuple[str, str]
) -> None:
    assert run("compare", "b0", versions[0]).stdout.startswith("verdict  b0: the cost")
    beside = run("compare", "b0", versions[0], "--no-parts").stdout
    assert [line.split()[0] for line in beside.splitlines()[2:4]] == ["b0", "old.yaml"]
    assert "top-1" in run("compare", *versions, "--relative-to", "old.yaml").stdout


def test_json_is_the_contract(run: Run) -> None:
    data = json.loads(run("compare", "b0", "b4", "resnet50", "--format", "json").stdout)
    assert list(data)[1:] == ["schema", "command", "spec", "rows"]
    assert (data["command"], data["spec"]) == ("compare", "b0")
    b4 = data["rows"][1]
    assert list(b4)[:15] == [
        *("name", "strategy", "phi"),
        *("depth_multiplier", "width_multiplier", "resolution_multiplier"),
        *("resolution", "params", "macs", "activations"),
        *("products", "macs_ratio", "target_ratio", "deviation", "measured"),
    ]
    assert {key: b4[key] for key in list(b4)[1:7]} == {
        "strategy": None,
        "phi": None,
        "depth_multiplier": 1.8,
        "width_multiplier": 1.4,
        "resolution_multiplier": 380 / 224,
        "resolution": [380, 380],
    }
    assert (b4["macs_ratio"], b4["params_ratio"], b4["relative_to"]) == (
        4393771024 / 385814752,
        19341616 / 5288548,
        "b0",
    )
    assert (b4["top1"], b4["top5"], b4["published_differs"]) == (82.9, 96.4, ["macs"])
    assert b4["published"]["macs"] == "4.2B"
    assert data["rows"][2]["depth_multiplier"] is None


@pytest.mark.parametrize("name", TABLES)
def test_json_of_a_table_has_every_cell(run: Run, name: str) -> None:
    data = json.loads(run("compare", "--table", name, "--format", "json").stdout)
    assert data["table"] == name
    assert data["source"].startswith("Tan, Pang & Le" if "det" in name else "Tan & Le")
    cells = [cell for row in data["rows"] for cell in row["cells"].values()]
    assert all(cell["equal"] or cell["reason"] for cell in cells)
    assert {type(row["macs"]) for row in data["rows"]} == {int}


def test_csv_of_a_change_has_a_row_a_part(run: Run, versions: tuple[str, str]) -> None:
    text = run("compare", *versions, "--format", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["change"] for row in rows].count("same") == 6
    total = sum(int(row["macs_delta"]) for row in rows)
    counts = [int(es.count(es.load(each)).macs) for each in versions]
    assert total == counts[1] - counts[0]


@pytest.mark.torch
def test_measures_when_asked(run: Run, versions: tuple[str, str]) -> None:
    beside = run("compare", "b0", "mobilenetv2", "--measure", "torch")
    assert beside.exit_code == 0
    assert "386 M ✓" in beside.stdout
    assert "✓ torch measured the same MACs, params and activations" in beside.stdout
    apart = run("compare", *versions, "--measure", "torch", "--resolution", "64", "-v")
    assert apart.stdout.endswith("params and activations, equal blocks once\n")
    assert apart.stderr.startswith("torch, by operator: ")
    table = ("--table", "efficientnet-7", "--measure", "torch")
    assert "✓ torch measured" in run("compare", *table).stdout


def test_reads_standard_input_once(run: Run) -> None:
    text = es.dumps(es.load("b0"))
    assert "the cost is the same" in run("compare", "b0", "-", text=text).stdout
    twice = run("compare", "-", "-", text=text)
    assert twice.exit_code == 2
    assert "- is read once: name a file for the other network" in twice.stderr


@pytest.mark.slow
def test_draws_what_is_compared(run: Run, tmp_path: Path) -> None:
    picture = tmp_path / "a.svg"
    options = ("--plot", str(picture), "--x", "params")
    assert run("compare", "b0", "b1", *options).exit_code == 0
    drawn = picture.read_text("utf-8")
    assert drawn.startswith("<?xml")
    assert ">params<" in drawn
    again = run("compare", "--table", "efficientnet-3", *options)
    assert "exists; --force replaces it" in again.stderr
    assert (
        run("compare", "--table", "efficientnet-3", *options, "--force").exit_code == 0
    )
    assert ">ResNet-50 by width<" in picture.read_text("utf-8")


@pytest.mark.slow
def test_says_what_is_not_drawn(run: Run, b0: es.Spec, tmp_path: Path) -> None:
    path = tmp_path / "bare.yaml"
    bare = b0.model_copy(update={"name": "bare", "published": None})
    path.write_text(es.dumps(bare), "utf-8")
    options = ("--plot", str(tmp_path / "a.svg"), "--force")
    shown = run("compare", "b0", str(path), *options)
    said = "not drawn, no accuracy published by that measure: bare"
    assert shown.stderr == f"{said}\nwrote {tmp_path / 'a.svg'}\n"
    assert run("compare", "b0", str(path), *options, "-q").stderr == ""


def test_nothing_to_draw_writes_nothing(run: Run, tmp_path: Path) -> None:
    picture, answer = tmp_path / "a.png", tmp_path / "a.json"
    files = ("--plot", str(picture), "--output", str(answer))
    # at another size no published accuracy holds
    result = run("compare", "b0", "b1", "--resolution", "64", *files)
    assert (result.exit_code, result.stdout) == (1, "")
    message = "--plot: no accuracy is published of any of these networks\n"
    assert result.stderr == message
    assert not picture.exists()
    assert not answer.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing argument '[SPEC]...', or --table."),
        (
            ["b0", "b1", "--relative-to", "b2"],
            "expected one of b0, b1, cheapest, got 'b2'",
        ),
        (["b0", "--parts"], "--parts compares two networks, got 1"),
        (["b0", "b1", "b2", "--parts"], "--parts compares two networks, got 3"),
        (
            ["b0", "b1", "--parts", "--relative-to", "b0"],
            "--relative-to is for networks side by side, not for --parts",
        ),
        (["b0", "--table", "efficientnet-2"], "--table takes no SPEC"),
        (
            ["--table", "efficientnet-2", "--units", "flops"],
            "--units is not for --table",
        ),
        (["--since", "HEAD", "--resolution", "64"], "--resolution is not for --since"),
        (["--since", "HEAD", "--measure", "torch"], "--measure is not for --since"),
        (["b0", "b1", "--x", "params"], "--x is for --plot"),
        (["--table", "efficientnet-4"], "'efficientnet-4' is not one of"),
    ],
)
def test_usage_errors(run: Run, arguments: list[str], message: str) -> None:
    result = run("compare", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_an_unknown_network_is_refused(run: Run) -> None:
    result = run("compare", "b0", "resnet5O")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("'resnet5O': expected a file or a built-in spec")


def test_specs_complete_to_families_too() -> None:
    context = click.Context(compare.command)
    argument = compare.command.params[0]
    kind = types.SpecOrFamily()
    found = [
        each.value for each in kind.shell_complete(context, argument, "squeezenet")
    ]
    assert found == ["squeezenet-1.0", "squeezenet-1.1", "squeezenet"]


def test_energy_is_macs_and_bytes_times_what_each_takes(run: Run) -> None:
    result = run("compare", "b0", "resnet18", "--energy", "1,100", "--format", "json")
    assert result.exit_code == 0
    first = json.loads(result.stdout)["energy"][0]
    held = memory(network(es.load("b0")))
    assert first["computed"] == pytest.approx(held.macs * 1e-12)
    assert first["moved"] == pytest.approx(held.moved * 100e-12)
    assert first["energy"] == first["computed"] + first["moved"]
    assert "4.6 pJ a MAC" in run("compare", "b0", "--energy", "45nm").stdout
    # 37.75 G MACs at 100 pJ, and no bytes
    assert "3.77 J" in run("compare", "b7", "--energy", "100,0").stdout
    refused = run("compare", "b0", "--energy", "7nm")
    assert "45nm, or picojoules for a MAC and for a byte" in refused.stderr
