"""`effscale grid`, as its users see it."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

import effscale as es
from effscale import extras
from effscale.report.rows import FIGURES

if TYPE_CHECKING:
    from pathlib import Path

    from syrupy.assertion import SnapshotAssertion

    from tests.conftest import Run

pytestmark = pytest.mark.slow

QUICK = ("--step", "0.2", "--tolerance", "0.1")


def answer(run: Run, *arguments: str) -> dict[str, Any]:
    result = run("grid", *arguments, "--format", "json")
    assert (result.exit_code, result.stderr) == (0, "")
    data: dict[str, Any] = json.loads(result.stdout)
    return data


@pytest.mark.parametrize(
    "arguments",
    [
        ["--top", "5"],
        ["--phi", "1..7", "--top", "3"],
        ["--constraint", "realised", "--step", "0.01", "--top", "5"],
        ["--strategy", "dr", "--sort", "activations", "--units", "flops"],
        ["b3", "--target-ratio", "1.5", "--resolution", "224x288", "--top", "3"],
        [*QUICK, "--top", "2", "--format", "markdown"],
        [*QUICK, "--format", "csv"],
    ],
    ids=" ".join,
)
def test_prints(run: Run, snapshot: SnapshotAssertion, arguments: list[str]) -> None:
    result = run("grid", *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == snapshot


def test_a_budget_is_a_target_ratio(run: Run) -> None:
    asked = ("--step", "0.2", "--tolerance", "0.1", "--format", "csv")
    for ratio in ("1.5", "2"):
        named = run("grid", "--target-ratio", ratio, *asked)
        assert run("grid", "--budget", ratio, *asked).stdout == named.stdout != ""
    refused = run("grid", "--budget", "0.9")
    assert refused.exit_code == 2
    assert "'--budget': expected a number from 1 to 1000" in refused.stderr


def test_json_is_the_contract(run: Run) -> None:
    data = answer(run)
    assert list(data)[:4] == ["effscale", "schema", "command", "spec"]
    assert (data["command"], data["spec"]) == ("grid", "b0")
    assert (data["enumerated"], data["feasible"]) == (1701, 109)
    candidates = data["candidates"]
    assert len(candidates) == data["distinct"]
    assert sum(row["grid_points"] for row in candidates) == 109
    for row in candidates:
        assert set(row) >= {
            *("alpha", "beta", "gamma", "product", "depth_multiplier"),
            *("width_multiplier", "resolution_multiplier", "resolution", "params"),
            *(
                "macs",
                "activations",
                "macs_ratio",
                "target_ratio",
                "deviation",
                "pareto",
            ),
        }
        product = row["alpha"] * row["beta"] ** 2 * row["gamma"] ** 2
        assert row["product"] == pytest.approx(product)
        assert abs(product / 2 - 1) <= 0.05 + 1e-9
        assert row["macs_ratio"] == row["macs"] / 385814752
        assert row["target_ratio"] == 2
        assert row["deviation"] == row["macs_ratio"] / 2 - 1
    deviations = [abs(row["deviation"]) for row in candidates]
    assert deviations == sorted(deviations)
    own = next(row for row in candidates if row["own_coefficients"])
    assert (own["alpha"], own["beta"], own["gamma"]) == (1.2, 1.1, 1.15)
    assert (own["resolution"], own["params"]) == ([256, 256], 9109994)
    assert own["macs"] == 859853760


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        (["--sort", "params"], "params"),
        (["--sort", "activations"], "activations"),
        (["--sort", "macs"], "macs"),
        (["--phi", "1,2"], "rms_error"),
        (["--phi", "1", "--sort", "rms_error"], "rms_error"),
    ],
    ids=str,
)
def test_sorts(run: Run, arguments: list[str], key: str) -> None:
    figures = [row[key] for row in answer(run, *QUICK, *arguments)["candidates"]]
    assert figures == sorted(figures)
    assert len(figures) > 3


def test_a_strategy_varies_its_own_coefficients(run: Run) -> None:
    data = answer(run, "--strategy", "wr", "--step", "0.1,0.01,0.01")
    assert data["enumerated"] == 43 * 43
    assert {row["alpha"] for row in data["candidates"]} == {1}
    alone = answer(run, "--strategy", "depth", "--tolerance", "0")
    (row,) = alone["candidates"]
    assert (row["alpha"], row["beta"], row["gamma"]) == (2, 1, 1)


def test_a_tolerance_is_a_share_or_per_cent(run: Run) -> None:
    wide, same = (
        answer(run, "--step", "0.2", "--tolerance", n) for n in ("0.1", "10%")
    )
    assert wide == same
    narrow = answer(run, "--step", "0.2", "--tolerance", "1%")
    assert len(wide["candidates"]) > len(narrow["candidates"])


def test_ranges_are_those_asked_for(run: Run) -> None:
    ranges = ("--alpha", "1.2", "--beta", "1.1", "--gamma", "1.1:1.2")
    data = answer(run, *ranges, "--step", "0.1,0.1,0.05")
    assert data["enumerated"] == 3
    assert {row["gamma"] for row in data["candidates"]} == {1.15, 1.2}


def test_what_nothing_follows_is_not_varied(run: Run) -> None:
    data = answer(run, "unet", "--step", "0.1")
    assert {row["alpha"] for row in data["candidates"]} == {1}
    assert len({row["beta"] for row in data["candidates"]}) > 1
    refused = run("grid", "unet", "--strategy", "depth")
    said = "--strategy depth: no number of unet follows it\n"
    assert (refused.exit_code, refused.stderr) == (1, said)
    refused = run("grid", "unet", "--alpha", "1:1.2")
    assert refused.stderr.startswith("depth: unet has no stage that repeats; ")


def test_csv_has_exact_integers_and_every_network(run: Run) -> None:
    result = run("grid", "--format", "csv", "--top", "1")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    own = next(row for row in rows if row["own_coefficients"] == "True")
    assert (own["macs"], own["resolution"]) == ("859853760", "256x256")
    assert (own["alpha"], own["beta"], own["gamma"]) == ("1.2", "1.1", "1.15")
    assert len(rows) == len(answer(run)["candidates"])


def test_output_writes_a_file(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "grid.csv"
    result = run("grid", *QUICK, "--output", str(path))
    assert (result.exit_code, result.output) == (0, f"wrote {path}\n")
    assert path.read_text("utf-8") == run("grid", *QUICK, "--format", "csv").stdout


def test_verbose_says_how_long_it_took(run: Run) -> None:
    result = run("grid", *QUICK, "-v")
    assert result.stderr.startswith("b0: searched 54 points in 0.")
    assert result.stderr.endswith(" s\n")


def test_plots_a_png(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "grid.PNG"
    result = run("grid", *QUICK, "--plot", str(path))
    assert (result.exit_code, result.stderr) == (0, f"wrote {path}\n")
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert result.stdout == run("grid", *QUICK).stdout


def test_plots_an_svg_whose_text_is_text(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "grid.svg"
    path.write_text("mine", "utf-8")
    refused = run("grid", *QUICK, "--plot", str(path))
    assert (refused.exit_code, path.read_text("utf-8")) == (2, "mine")
    assert refused.stderr.splitlines()[-1] == (
        f"Error: Invalid value for '--plot': {str(path)!r} exists; --force replaces it"
    )
    assert run("grid", *QUICK, "--plot", str(path), "--force").exit_code == 0
    root = ET.fromstring(path.read_bytes())  # noqa: S314 - drawn just now
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "feasible networks" in " ".join(root.itertext())
    assert list(tmp_path.iterdir()) == [path]


def test_plots_nothing_else(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "grid.pdf"
    result = run("grid", *QUICK, "--plot", str(path))
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"expected a name that ends in .png or .svg, got {str(path)!r}" in (
        result.stderr
    )
    assert not path.exists()


def test_without_matplotlib_says_what_to_install(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda _name: None)
    path = tmp_path / "grid.png"
    result = run("grid", *QUICK, "--plot", str(path))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"{path}: needs matplotlib; pip install 'effscale[plot]' brings it\n"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ["--target-ratio", "0.9"],
            2,
            "'--target-ratio': expected a number from 1 to 1000",
        ),
        (
            ["--target-ratio", "two"],
            2,
            "'--target-ratio': expected a number from 1 to 1000",
        ),
        (
            ["--target-ratio", "nan"],
            2,
            "'--target-ratio': expected a number from 1 to 1000",
        ),
        (["--tolerance", "-0.1"], 2, "'--tolerance': expected a share such as 5% or 0"),
        (["--tolerance", "nan"], 2, "'--tolerance': expected a share such as 5% or 0"),
        (
            ["--tolerance", "5%x"],
            2,
            (
                "'--tolerance': expected a share such as 5% or 0.05, at most 1000, "
                "got '5%x'"
            ),
        ),
        (
            ["--tolerance", "100001%"],
            2,
            (
                "'--tolerance': expected a share such as 5% or 0.05, at most 1000, "
                "got '100001%'"
            ),
        ),
        (["--constraint", "exact"], 2, "'--constraint': 'exact' is not one of"),
        (["--step", "0"], 2, "'--step': expected numbers above 0 and below 1000"),
        (["--step", "1,2"], 2, "'--step': expected one step, or one for each of"),
        (["--step", "1e-10"], 2, "'--step': expected at most 9 decimals"),
        (["--strategy", "fast"], 2, "'--strategy': 'fast' is not one of"),
        (["--alpha", "0:1"], 2, "'--alpha': expected numbers above 0 and below 1000"),
        (["--alpha", "2:1"], 2, "'--alpha': expected "),
        (["--beta", "x"], 2, "'--beta': expected a number, got 'x'"),
        (["--gamma", "1:"], 2, "'--gamma': expected a number, got '1:'"),
        (["--phi", "51"], 2, "'--phi': expected numbers from -50 to 50, got '51'"),
        (["--sort", "alpha"], 2, "'--sort': 'alpha' is not one of"),
        (["--top", "0"], 2, "'--top': 0 is not in the range"),
        (["--resolution", "0"], 2, "'--resolution': expected N or HxW in whole pixels"),
        (["--classes", "0"], 2, "'--classes': 0 is not in the range"),
        (["--measure", "yes"], 2, "'--measure': 'yes' is not one of"),
        (["--format", "xml"], 2, "'--format': 'xml' is not one of"),
        (["--units", "gigs"], 2, "'--units': 'gigs' is not one of"),
        (["--plot", "no/x.png"], 2, "'--plot': expected a folder, found none at 'no'"),
        (["--output", "no/x"], 2, "'--output': expected a folder, found none at 'no'"),
        (
            ["--target-ratio", "900"],
            1,
            "grid: expected at most 1,000,000,000 points, got 6,",
        ),
        (
            ["--target-ratio", "1"],
            1,
            "target ratio: expected above 1, or ranges such as --alpha 0.8:1.2",
        ),
        (
            ["--step", "0.5", "--tolerance", "0.01", "--target-ratio", "2.1"],
            1,
            (
                "no coefficients cost 2.079 to 2.121 times the baseline (nominal); "
                "nearest is alpha 2, beta 1, gamma 1, off by 4.8 %; try --tolerance "
                "0.048"
            ),
        ),
        (
            ["--phi", "50"],
            1,
            "resolution: expected at most 65536 after scaling, got 4.53576e+09",
        ),
        (["nope.yaml"], 1, "nope.yaml: cannot be read: no such file or directory"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_is_one_clear_line(
    run: Run, arguments: list[str], code: int, message: str
) -> None:
    result = run("grid", *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    line = result.stderr.splitlines()[-1]
    assert line.removeprefix("Error: Invalid value for ").startswith(message)
    assert len(result.stderr.splitlines()) == (1 if code == 1 else 4)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--step", "0.5", "--tolerance", "0.01", "--target-ratio", "2.1"],
        ["--alpha", "1.5", "--beta", "1.5", "--gamma", "1.5"],
        ["--alpha", "100", "--beta", "1", "--gamma", "1"],
    ],
    ids=" ".join,
)
def test_the_suggested_tolerance_admits_a_network(
    run: Run, arguments: list[str]
) -> None:
    refused = run("grid", *arguments)
    assert refused.exit_code == 1
    tolerance = refused.stderr.rpartition("--tolerance ")[2].strip()
    assert run("grid", *arguments, "--tolerance", tolerance).exit_code == 0


@pytest.mark.parametrize("step", ["0.000000001", "0.000000002", "1,0.000000001,1"])
def test_a_grid_too_fine_for_memory_is_refused(
    run: Run, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.delattr("numpy.arange")  # which would need some gigabytes
    result = run("grid", "--step", step, "--beta", "1:3")
    assert (result.exit_code, result.stdout) == (1, "")
    assert ": expected at most 1,000,000,000 " in result.stderr


@pytest.mark.parametrize("tolerance", ["0", "10", "1e-9"])
def test_any_tolerance_is_said_as_it_is(run: Run, tolerance: str) -> None:
    result = run("grid", "--tolerance", tolerance, "--top", "1")
    assert result.exit_code == 0
    assert f" within {100 * float(tolerance):g} %, φ 1\n" in result.stdout


@pytest.mark.torch
def test_measures_the_rows_that_it_shows(run: Run) -> None:
    data = answer(run, *QUICK, "--top", "2", "--measure", "torch")
    first, second, *others = data["candidates"]
    for row in (first, second):
        figures = {key: row[key] for key in FIGURES}
        assert row["measured"] == {"engine": "torch", "once": True, **figures}
    assert others
    assert {row["measured"] for row in others} == {None}


@pytest.mark.torch
def test_a_measurement_that_differs_exits_1(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from effscale.module import measure

    other = measure.measure_spec(es.load("b1"), "torch")
    monkeypatch.setattr(measure, "measure_spec", lambda *_, **_k: other)
    arguments = ("--alpha", "2", "--beta", "1", "--gamma", "1")
    result = run("grid", *arguments, "--measure", "torch")
    assert result.exit_code == 1
    assert "782 M ✗" in result.stdout
    assert result.stderr.startswith("b0: counted 782,")
    assert "but torch measured 686,802,832; first difference in " in result.stderr


def test_baselines_stand_side_by_side(run: Run) -> None:
    limits = ("--macs", "<= 800M", "--params", "<= 9M")
    result = run(
        *("grid", "--from", "b0,mobilenetv3-large,resnet18", *QUICK, *limits),
        *("--format", "json"),
    )
    assert result.exit_code == 0
    assert result.stderr == (
        "resnet18: no candidate of 2 × the baseline is within all limits; "
        "<= 800 M MACs: 3.437 G (+329.7 %) comes nearest; "
        "<= 9.00 M params: 11.69 M (+29.9 %) comes nearest\n"
    )
    data = json.loads(result.stdout)
    candidates = data["candidates"]
    for name in ("b0", "mobilenetv3-large"):
        alone = answer(run, name, *QUICK, *limits)
        (base,) = (each for each in data["baselines"] if each["name"] == name)
        counts = ("enumerated", "feasible", "distinct")
        assert {k: base[k] for k in counts} == {k: alone[k] for k in counts}
        ours = [each for each in candidates if each["baseline"] == name]
        mine = ("baseline", "published", "pareto")
        assert [{k: n for k, n in each.items() if k not in mine} for each in ours] == [
            {k: n for k, n in each.items() if k != "pareto"}
            for each in alone["candidates"]
        ]
    deviations = [abs(each["deviation"]) for each in candidates]
    assert deviations == sorted(deviations)
    for each in candidates:
        beaten = any(
            o["params"] <= each["params"]
            and o["activations"] <= each["activations"]
            and (o["params"], o["activations"]) != (each["params"], each["activations"])
            for o in candidates
        )
        assert each["pareto"] is not beaten
    assert data["baselines"][-1]["missed"] in result.stderr


def test_baselines_of_two_kinds_and_of_one_name(run: Run, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(es.dumps(es.load("b0")).replace("classes: 1000", "classes: 10"))
    asked = ("--from", f"b0,{mine},d0", *QUICK, "--phi", "1,2", "--format", "csv")
    result = run("grid", *asked)
    assert (result.exit_code, result.stderr) == (0, "")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert {row["baseline"] for row in rows} == {"b0", str(mine), "d0"}
    assert {row["neck_growth"] for row in rows if row["baseline"] == "b0"} == {""}
    assert {row["alpha"] for row in rows if row["baseline"] == "d0"} == {""}
    of_d0 = [row for row in rows if row["baseline"] == "d0"]
    known = {row["published"]: row["published_score"] for row in of_d0}
    assert known.pop("d1") == "40.5"
    errors = [float(row["rms_error"]) for row in rows]
    assert errors == sorted(errors)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["b1", "--from", "b0,d0"], "--from stands instead of SPEC: give one of them"),
        (
            ["--from", "b0,d0", "--plot", "x.png"],
            "--plot is of one baseline: it does not go with --from",
        ),
        (
            ["--from", "b0", "--evaluate", "train", "--study", "x"],
            "--evaluate is of one baseline: it does not go with --from",
        ),
        (
            ["--from", "b0,d0", "--beta", "1.1"],
            "--beta: of classifiers alone; a detector's grid varies --neck-width",
        ),
        (["--from", "b0,,d0"], "expected specs with commas between them, got 'b0,,d0'"),
    ],
    ids=str,
)
def test_what_does_not_go_with_several_baselines_is_refused(
    run: Run, arguments: list[str], message: str
) -> None:
    result = run("grid", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1].endswith(message)


def test_of_baselines_that_have_no_candidate_each_has_its_line(run: Run) -> None:
    result = run("grid", "--from", "b0,d0", *QUICK, "--params", "<= 1M")
    assert (result.exit_code, result.stdout) == (1, "")
    names = [line.partition(":")[0] for line in result.stderr.splitlines()]
    assert names == ["b0", "d0"]


@pytest.mark.torch
def test_baselines_side_by_side_are_measured_and_timed(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from effscale.cost.latency_model import Device, Error, Kind, Model, save

    monkeypatch.setenv("EFFSCALE_CACHE", str(tmp_path))
    kinds = {"": Kind((1e-12, 0.0, 0.0, 0.0))}
    save(Model(Device(), "x", kinds, {}, Error(0.0, 1.0, 1)))
    monkeypatch.setattr("effscale.module.calibrate.measured", lambda *_: 0.5)
    few = ("--alpha", "2", "--beta", "1", "--gamma", "1")
    both = ("--from", "mobilenetv3-small,lcnet-0.5", *few, "--latency", "<= 1s")
    data = answer(run, *both, "--measure", "torch", "-q")
    assert len(data["candidates"]) == 2
    for row in data["candidates"]:
        assert row["measured"] == {
            "engine": "torch",
            "once": True,
            **{k: row[k] for k in FIGURES},
        }
        assert row["latency"] == pytest.approx(row["macs"] * 1e-12)
        assert row["measured_latency"] == 0.5


def test_there_is_no_spec_of_many_candidates(run: Run) -> None:
    result = run("grid", *QUICK, "--output", "found.yaml")
    assert result.exit_code == 2
    assert "there is no spec to write to 'found.yaml': --evaluate" in result.stderr
