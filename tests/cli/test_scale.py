"""`effscale scale`, as its users see it."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import pytest

import effscale as es

if TYPE_CHECKING:
    from pathlib import Path

    from syrupy.assertion import SnapshotAssertion

    from tests.conftest import Run


@pytest.mark.torch
def test_phi_4_measured(run: Run, snapshot: SnapshotAssertion) -> None:
    result = run("scale", "--phi", "4", "--measure", "torch")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == snapshot


@pytest.mark.parametrize(
    "arguments",
    [
        ["--phi", "4"],
        ["--phi", "0..7"],
        ["--phi", "2", "--strategy", "all"],
        ["--phi", "-1", "--units", "flops"],
        ["b3", "--phi", "1", "--resolution", "256x320", "--classes", "10"],
        ["--phi", "1,2", "--format", "markdown"],
        ["--phi", "0..2:0.5", "--format", "csv"],
    ],
    ids=" ".join,
)
def test_prints(run: Run, snapshot: SnapshotAssertion, arguments: list[str]) -> None:
    result = run("scale", "--measure", "none", *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == snapshot


def test_json_is_the_contract(run: Run) -> None:
    result = run("scale", "--phi", "4", "--measure", "none", "--format", "json")
    data = json.loads(result.stdout)
    assert list(data)[:4] == ["effscale", "schema", "command", "spec"]
    assert data["coefficients"] == {
        "alpha": 1.2,
        "beta": 1.1,
        "gamma": 1.15,
        "product": pytest.approx(1.92027),
    }
    baseline, variant = data["rows"]
    assert (
        baseline["macs_ratio"],
        baseline["target_ratio"],
        baseline["deviation"],
    ) == (1, 1, 0)
    assert list(variant)[:15] == [
        *("name", "strategy", "phi", "depth_multiplier", "width_multiplier"),
        *("resolution_multiplier", "resolution", "params", "macs", "activations"),
        *("products", "macs_ratio", "target_ratio", "deviation", "measured"),
    ]
    assert variant["resolution"] == [392, 392]
    assert (variant["params"], variant["macs"]) == (25916448, 6319727088)
    assert variant["macs_ratio"] == variant["macs"] / baseline["macs"]
    assert variant["deviation"] == variant["macs_ratio"] / 16 - 1
    assert variant["measured"] is None
    stages = variant["stages"]
    assert sum(each["macs"] for each in stages) == variant["macs"]
    assert sum(each["params"] for each in stages) == variant["params"]
    product = 1.0
    for factor in variant["explain"]:
        product *= factor["value"]
    assert product == pytest.approx(
        variant["macs_ratio"] / variant["target_ratio"], rel=1e-12
    )


@pytest.mark.torch
@pytest.mark.parametrize("engine", ["fvcore", "torch"])
def test_measures_baseline_and_variant(run: Run, engine: str) -> None:
    result = run("scale", "--phi", "-1", "--measure", engine, "--format", "json")
    assert (result.exit_code, result.stderr) == (0, "")
    for row in json.loads(result.stdout)["rows"]:
        assert row["measured"] == {
            "engine": engine,
            "once": True,
            "params": row["params"],
            "macs": row["macs"],
            "activations": row["activations"],
            "products": 0,
        }
        assert row["agrees"] is True


def test_csv_has_exact_integers(run: Run) -> None:
    result = run("scale", "--phi", "4", "--measure", "none", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["macs"] for row in rows] == ["385814752", "6319727088"]
    assert rows[1]["resolution"] == "392x392"


def test_output_writes_the_scaled_network_as_a_spec(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "scaled.yaml"
    options = ("--measure", "none", "--output", str(path))
    result = run("scale", "--phi", "4", *options)
    assert (result.exit_code, result.stderr) == (0, f"wrote {path}\n")
    text = path.read_text("utf-8")
    assert text.splitlines()[1:3] == [
        "# compound, phi 4, alpha 1.2, beta 1.1, gamma 1.15",
        (
            "# depth_multiplier 2.0736, width_multiplier 1.4641, "
            "resolution_multiplier 1.74900625"
        ),
    ]
    assert es.count(es.load(path)).macs == 6319727088
    again = run("profile", str(path), "--measure", "none", "--format", "json")
    assert again.exit_code == 0
    assert json.loads(again.stdout)["totals"] == {
        "params": 25916448,
        "macs": 6319727088,
        "activations": 65480688,
        "products": 0,
        "product_outputs": 0,
    }


@pytest.mark.parametrize("suffix", ["json", "csv", "md", "txt"])
def test_output_suffix_chooses_the_format(
    run: Run, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"out.{suffix}"
    result = run("scale", "--measure", "none", "--output", str(path))
    assert (result.exit_code, result.output) == (0, f"wrote {path}\n")
    form = {"json": "json", "csv": "csv", "md": "markdown", "txt": "table"}[suffix]
    printed = run("scale", "--measure", "none", "--format", form)
    assert path.read_text("utf-8") == printed.stdout


def test_output_is_not_overwritten_unless_forced(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "scaled.yaml"
    path.write_text("mine", "utf-8")
    arguments = ("scale", "--measure", "none", "--output", str(path))
    refused = run(*arguments)
    assert refused.exit_code == 2
    assert (
        f"Error: Invalid value for '--output': {str(path)!r} exists" in refused.stderr
    )
    assert path.read_text("utf-8") == "mine"
    assert run(*arguments, "--force").exit_code == 0
    assert es.load(path).name == "scaled"
    assert list(tmp_path.iterdir()) == [path]


def test_a_scaled_network_is_called_as_its_file(run: Run, tmp_path: Path) -> None:
    path, other = tmp_path / "my-net.yaml", tmp_path / "mein Netz.yaml"
    for each in (path, other):
        run("scale", "--measure", "none", "--output", str(each))
    assert es.load(path).name == "my-net"
    assert es.load(other).name == "b0-phi1"  # as the file's is no name of a network


def test_several_variants_are_those_of_the_baseline(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "family.yaml"
    result = run("scale", "--phi", "0..2", "--measure", "none", "--output", str(path))
    assert result.exit_code == 0
    assert result.stderr == (
        f"b0-phi0: not written, as the file has that network\nwrote {path}\n"
    )
    family = es.load(path)
    assert [*family.variants] == ["b0-phi1", "b0-phi2"]
    for name, given in family.variants.items():
        cost = es.count(es.load(f"{path}@{name}"))
        assert given.phi is not None
        alone = es.count(es.scale(es.load("b0"), es.compound(given.phi)))
        assert given.expected is not None
        assert cost == alone
        assert cost.macs == given.expected.macs
    checked = run("check", str(path), "--fail-on", "warning")
    assert (checked.exit_code, "EFF" in checked.stdout) == (0, False)
    shown = run("compare", str(path))
    assert [line.split()[0] for line in shown.stdout.splitlines()[2:5]] == [
        *("b0", "b0-phi1", "b0-phi2"),
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--phi", "abc"], 2, "expected a number, got 'abc'"),
        (["--phi", "1e9"], 2, "expected numbers from -50 to 50, got '1e9'"),
        (["--phi", "nan"], 2, "expected numbers from -50 to 50, got 'nan'"),
        (["--phi", "inf"], 2, "expected numbers from -50 to 50, got 'inf'"),
        (["--phi", ""], 2, "expected a number, got ''"),
        (["--phi", "0..7:0"], 2, "expected a step above 0, got '0..7:0'"),
        (["--phi", "7..0"], 2, "expected a range that rises, such as 0..7"),
        (["--phi", "0..7:0.00001"], 2, "expected at most 1000 values"),
        (["--strategy", "deep"], 2, "expected all, or one of compound, depth"),
        (["--resolution", "0"], 2, "expected N or HxW in whole pixels"),
        (["--resolution", "224x"], 2, "expected N or HxW in whole pixels"),
        (
            ["--resolution", "3"],
            1,
            "resolution: expected at least 32 (the network's total stride), got 3",
        ),
        (["--classes", "0"], 2, "0 is not in the range"),
        (
            ["--output", "nowhere/x.json"],
            2,
            "expected a folder, found none at 'nowhere'",
        ),
        (
            ["--phi", "50"],
            1,
            "repeats: expected at most 10000 after scaling, got 18200.9",
        ),
        (
            ["--phi", "-20"],
            1,
            "resolution: expected at least 32 (the network's total stride), got 16",
        ),
        (["nope.yaml"], 1, "nope.yaml: cannot be read: no such file or directory"),
        (
            ["bo"],
            1,
            "'bo': expected a file or a built-in spec; see effscale specs",
        ),
        (
            ["b0@b44"],
            1,
            (
                "'b0@b44': expected a variant of b0 (b1, b2, b3, b4, b5, b6, b7, "
                "b8, l2, tinynet-a, tinynet-b, tinynet-c, tinynet-d, tinynet-e), "
                "got 'b44'; did you mean 'b4'?"
            ),
        ),
        (["."], 1, ".: expected a file, found a folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_is_one_clear_line(
    run: Run, arguments: list[str], code: int, message: str
) -> None:
    result = run("scale", "--measure", "none", *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert message in result.stderr.splitlines()[-1]


def test_ten_million_channels_are_a_fault_of_the_file(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "wide.yaml"
    path.write_text(es.dumps(es.load("b0")).replace("1280", "10000000"), "utf-8")
    result = run("scale", str(path))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.endswith(
        "head.channels: expected a whole number from 1 to 1048576, got 10000000\n"
    )


@pytest.mark.slow
def test_draws_the_family_over_phi(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "family.svg"
    strategies = ("--strategy", "compound,width")
    arguments = ("--phi", "-1..3", *strategies, "--measure", "none")
    assert run("scale", *arguments, "--plot", str(path)).exit_code == 0
    picture = path.read_text("utf-8")
    for said in ("compound", "width", "2^φ", "deviation from 2^φ, %"):
        assert f">{said}</text>" in picture
    assert ">baseline</text>" not in picture
