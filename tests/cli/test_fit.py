"""`effscale fit`, as its users see it."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest

import effscale as es
from effscale.report.rows import FIGURES

if TYPE_CHECKING:
    from pathlib import Path

    from syrupy.assertion import SnapshotAssertion

    from tests.conftest import Run

pytestmark = pytest.mark.slow

KEYS = {
    *("name", "strategy", "phi", "depth_multiplier", "width_multiplier"),
    *("resolution_multiplier", "resolution", "params", "macs", "activations"),
    *("products", "macs_ratio", "target_ratio", "deviation", "measured"),
}
#: Few networks off the ray: quick to count.
NARROW = ("--free", "--min-depth", "1", "--max-depth", "1.2", "--max-width", "1.1")


def rows(run: Run, *arguments: str) -> list[dict[str, Any]]:
    result = run("fit", *arguments, "--format", "json")
    assert (result.exit_code, result.stderr) == (0, "")
    data = json.loads(result.stdout)
    assert list(data)[:4] == ["effscale", "schema", "command", "spec"]
    found: list[dict[str, Any]] = data["rows"]
    return found


@pytest.mark.parametrize(
    "arguments",
    [
        ["--macs", "1.5G"],
        ["--macs", "1.5G", "--free", "--top", "4"],
        ["--macs", "0.4G,0.7G,1G,1.8G,4.4G,10G,19G,37G"],
        ["b1", "--macs", "500M", "--strategy", "wr", "--units", "flops"],
        ["--macs", "910M", "--resolution", "192x256", "--format", "markdown"],
        ["--macs", "1G", *NARROW, "--format", "csv"],
        ["--macs", "<= 1G", "--resolution", "192x320", "--hold", "resolution"],
        [
            *("--macs", "<= 300M", "--params", "<= 4M"),
            *("--memory", "<= 9MB", "--dtype", "int8"),
        ],
        ["d0", "--macs", "<= 2G,<= 4G", "--training-memory", "<= 500MB"],
    ],
    ids=" ".join,
)
def test_prints(run: Run, snapshot: SnapshotAssertion, arguments: list[str]) -> None:
    result = run("fit", *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == snapshot


def check(row: dict[str, Any], target: int) -> None:
    """A row's figures agree with each other, and with the network that it names."""
    names = ("depth_multiplier", "width_multiplier", "resolution_multiplier")
    scaled = es.scale(es.load("b0"), es.Multipliers(*(row[name] for name in names)))
    cost = es.count(scaled)
    assert (row["macs"], row["params"]) == (cost.macs, cost.params)
    assert row["activations"] == cost.activations
    assert row["resolution"] == list(scaled.resolution)
    assert row["macs_ratio"] == row["macs"] / 385814752
    assert row["target_ratio"] == target / 385814752
    assert row["deviation"] == pytest.approx(row["macs"] / target - 1, abs=1e-12)
    assert row["measured"] is None


def test_json_is_the_contract(run: Run) -> None:
    found = rows(run, "--macs", "1.5G")
    assert [row["role"] for row in found] == ["nearest", "above"]
    for row in found:
        assert set(row) >= KEYS
        check(row, 1_500_000_000)
        assert row["strategy"] == "compound"
        low, high = row["phi_range"]
        assert low <= row["phi"] < high
    assert found[0]["macs"] < 1_500_000_000 < found[1]["macs"]


def test_json_off_the_ray(run: Run) -> None:
    found = rows(run, "--macs", "1G", *NARROW)
    roles = [row["role"] for row in found]
    assert roles[0] == "nearest"
    assert roles.count("nearest compound") == 1
    assert roles.count("front") >= 2
    for row in found:
        assert set(row) >= KEYS
        check(row, 10**9)
        assert (row["strategy"], row["phi"], row["phi_range"]) == ("free", None, None)
        assert row["depth_multiplier"] <= 1.2
        assert row["width_multiplier"] <= 1.1
    front = [row for row in found if row["role"] == "front"]
    assert [row["params"] for row in front] == sorted(row["params"] for row in front)
    activations = [row["activations"] for row in front]
    assert activations == sorted(activations, reverse=True)


def test_the_baseline_s_own_cost_is_the_baseline(run: Run) -> None:
    nearest = rows(run, "--macs", "385814752")[0]
    assert (nearest["phi"], nearest["deviation"]) == (0, 0)
    assert (nearest["macs"], nearest["params"]) == (385814752, 5288548)
    free = rows(run, "--macs", "385814752", *NARROW)
    closest = next(row for row in free if row["role"] == "nearest compound")
    assert (closest["macs"], closest["params"]) == (385814752, 5288548)


def test_a_family_has_a_row_for_each_cost(run: Run) -> None:
    targets = [400_000_000, 1_000_000_000, 4_400_000_000]
    found = rows(run, "--macs", "0.4G,1G,4.4G")
    assert [row["target"] for row in found] == targets
    assert {row["role"] for row in found} == {"nearest"}
    for row, target in zip(found, targets, strict=True):
        check(row, target)


def test_csv_has_exact_integers(run: Run) -> None:
    result = run("fit", "--macs", "1.5G", "--format", "csv")
    nearest, above = csv.DictReader(io.StringIO(result.stdout))
    assert (nearest["role"], above["role"]) == ("nearest", "above")
    assert (nearest["macs"], nearest["resolution"]) == ("1491392208", "280x280")
    assert nearest["target"] == "1500000000"


@pytest.mark.parametrize(
    ("more", "comment"),
    [
        ([], "# compound, phi 1.67, alpha 1.2, beta 1.1, gamma 1.15"),
        (
            ["--hold", "depth"],
            "# compound, depth held, phi 2.8, alpha 1.2, beta 1.1, gamma 1.15",
        ),
        ([*NARROW, "--max-resolution", "400"], "# free"),
    ],
    ids=["ray", "held", "free"],
)
def test_output_writes_the_nearest_as_a_spec(
    run: Run, tmp_path: Path, more: list[str], comment: str
) -> None:
    path = tmp_path / "small.yaml"
    asked = ("--macs", "1.5G", *more, "--format", "json", "--output", str(path))
    result = run("fit", *asked)
    assert (result.exit_code, result.stderr) == (0, f"wrote {path}\n")
    nearest = json.loads(result.stdout)["rows"][0]
    spec = es.load(path)
    cost = es.count(spec)
    assert (cost.macs, cost.params) == (nearest["macs"], nearest["params"])
    assert spec.expected is not None
    assert (spec.expected.macs, spec.expected.params) == (cost.macs, cost.params)
    assert spec.name == "small"
    assert path.read_text("utf-8").splitlines()[1].startswith(comment)


def test_another_output_file_gets_the_answer(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "fit.json"
    result = run("fit", "--macs", "1.5G", "--output", str(path))
    assert (result.exit_code, result.output) == (0, f"wrote {path}\n")
    assert json.loads(path.read_text("utf-8"))["rows"] == rows(run, "--macs", "1.5G")
    refused = run("fit", "--macs", "1.5G", "--output", str(path))
    assert refused.exit_code == 2
    assert refused.stderr.splitlines()[-1] == (
        f"Error: Invalid value for '--output': {str(path)!r} exists; "
        "--force replaces it"
    )


LIMITS = {
    "params": "<= 8M",
    "activations": "<= 15M",
    "max-resolution": "271",
    "min-depth": "1.4",
    "max-depth": "1.355",
    "min-width": "1.2",
    "max-width": "1.1",
}


@pytest.mark.parametrize(
    ("name", "free"),
    [
        *((name, []) for name in LIMITS),
        # tests/search has the others
        *((name, ["--free"]) for name in ("params", "max-resolution", "max-width")),
    ],
)
def test_limits_hold(run: Run, name: str, free: list[str]) -> None:
    value, more = LIMITS[name], ["--max-depth", "1.4"] if free else []
    result = run(
        *("fit", "--macs", "1.5G", "--format", "json"),
        *(f"--{name}", value, *free, *more),
    )
    assert result.exit_code == 0
    side, _, dimension = name.partition("-")
    limit = float(value.removeprefix("<= ").replace("M", "e6"))
    for row in json.loads(result.stdout)["rows"]:
        found = {
            "resolution": max(row["resolution"]),
            "depth": row["depth_multiplier"],
            "width": row["width_multiplier"],
        }.get(dimension, row.get(name))
        assert found >= limit if side == "min" else found <= limit


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["--macs", "390M", "--tolerance", "1%"],
            (
                "no network has 390 M MACs within 1 %; the nearest: 385.8 M (-1.1 %), "
                "569.7 M (+46.1 %)"
            ),
        ),
        (
            ["--macs", "1G", "--max-resolution", "224", "--tolerance", "5%"],
            "no network has 1.00 G MACs within 5 %; the nearest: 569.9 M (-43.0 %)",
        ),
        (
            ["--macs", "= 100k within 5 %"],
            (
                "no network has 100 k MACs within 5 %; the nearest: 808.5 k (+708.5 %)"
                "; the strategy has none that is cheaper: try --free, or --strategy dw"
            ),
        ),
        (
            ["--macs", "1G", "--max-resolution", "4"],
            "no network is within the bounds of the search",
        ),
        (
            ["--macs", "<= 1G", "--params", "<= 9M", "--max-resolution", "4"],
            "no network is within the bounds of the search",
        ),
        (
            ["--macs", "1G", "--params", "<= 1M", *NARROW],
            (
                "no network is within <= 1.00 M params; nearest miss: "
                "b0-d1-w0.39-r0.42 has params 1.132 M (+13.1 %)"
            ),
        ),
    ],
    ids=str,
)
def test_nothing_within_tolerance_exits_1_in_one_line(
    run: Run, arguments: list[str], line: str
) -> None:
    result = run("fit", *arguments)
    assert (result.exit_code, result.stderr) == (1, f"{line}\n")
    assert result.stdout.startswith("asked ")
    printed = run("fit", *arguments, "--format", "json")
    near = [row["macs"] for row in json.loads(printed.stdout)["rows"]]
    assert len(near) == line.count("(")


def test_of_nothing_there_is_no_table(run: Run) -> None:
    result = run("fit", "--macs", "<= 1G", "--max-resolution", "4")
    assert [line.split()[0] for line in result.stdout.splitlines()] == [
        "asked",
        "searched",
    ]


def test_bounds_have_room(run: Run) -> None:
    result = run("fit", "--macs", "1G", "--min-depth", "2", "--max-depth", "1")
    assert result.exit_code == 2
    assert "multiplier of at least 2, and at most 1: there is none" in result.stderr


def test_nothing_within_tolerance_is_no_spec_to_write(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    result = run(*("fit", "--macs", "390M", "--tolerance", "1%", "--output", str(path)))
    assert result.exit_code == 1
    assert not path.exists()


def test_of_several_costs_each_says_what_is_cheaper_if_anything_is(run: Run) -> None:
    near = "0.56G"  # nearest is 569.7 M, and 385.8 M is cheaper
    result = run("fit", "--macs", f"{near},100k", "--tolerance", "1%")
    assert (result.exit_code, result.stderr.splitlines()) == (
        1,
        [
            (
                "no network has 560 M MACs within 1 %; the nearest: 569.7 M (+1.7 %), "
                "385.8 M (-31.1 %)"
            ),
            (
                "no network has 100 k MACs within 1 %; the nearest: 808.5 k (+708.5 %)"
                "; the strategy has none that is cheaper: try --free, or --strategy dw"
            ),
        ],
    )


def test_each_cost_that_is_not_met_has_its_line(run: Run) -> None:
    result = run("fit", "--macs", "0.3G,0.39G,1.5G", "--tolerance", "1%")
    assert result.exit_code == 1
    assert [line.partition(" within ")[0] for line in result.stderr.splitlines()] == [
        "no network has 300 M MACs",
        "no network has 390 M MACs",
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--macs", "lots"], 2, "'--macs': expected a limit such as <= 300M, = 300M"),
        (["--macs", "0"], 2, "'--macs': expected a limit such as <= 300M, = 300M"),
        (["--macs", "1G,"], 2, "'--macs': expected a limit such as <= 300M, = 300M"),
        (["--macs", ">= 1G"], 2, "Error: expected a cost to meet, --macs 1.5G, or"),
        (["--params", "1M"], 2, "Error: --macs and --params are both to be met: limit"),
        (["--most", "macs"], 2, "Error: --most is for limits, and there is a cost to"),
        (
            ["--macs", "<= 1G", "--tolerance", "1%"],
            2,
            "Error: --tolerance is for a cost to",
        ),
        (["--memory", "<= 64M"], 2, "'--memory': expected a limit such as <= 64MB"),
        (
            ["--tolerance", "few"],
            2,
            "'--tolerance': expected a share such as 5% or 0.05, at most 1000, got",
        ),
        (
            ["--hold", "height"],
            2,
            "'--hold': expected depth, width, resolution,",
        ),
        (["--hold", "depth,width,resolution"], 1, "hold: compound grows nothing else"),
        (["--strategy", "deep"], 2, "'--strategy': expected all, or one of compound"),
        (["--params", "x"], 2, "'--params': expected a limit such as <= 300M, = 300M"),
        (["--activations", "0"], 2, "'--activations': expected a limit such as"),
        (["--max-resolution", "0"], 2, "'--max-resolution': 0 is not in the range"),
        (["--min-depth", "-1"], 2, "'--min-depth': -1.0 is not in the range"),
        (["--max-depth", "x"], 2, "'--max-depth': 'x' is not a valid float"),
        (["--min-width", "-1"], 2, "'--min-width': -1.0 is not in the range"),
        (["--max-width", "nan"], 2, "'--max-width': expected a number, got 'nan'"),
        (["--top", "0"], 2, "'--top': 0 is not in the range"),
        (["--resolution", "x"], 2, "'--resolution': expected N or HxW in whole pixels"),
        (["--classes", "x"], 2, "'--classes': 'x' is not a valid integer range"),
        (["--measure", "yes"], 2, "'--measure': 'yes' is not one of"),
        (["--format", "xml"], 2, "'--format': 'xml' is not one of"),
        (["--output", "no/x"], 2, "'--output': expected a folder, found none at 'no'"),
        (
            ["--strategy", "all"],
            2,
            "Error: --strategy: expected one strategy, got several",
        ),
        (
            ["--free", "--strategy", "depth"],
            2,
            "Error: --free takes one cost, and no --strategy",
        ),
        (
            ["--free", "--macs", "1G,2G"],
            2,
            "Error: --free takes one cost, and no --strategy",
        ),
        (["nope.yaml"], 1, "nope.yaml: cannot be read: no such file or directory"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_is_one_clear_line(
    run: Run, arguments: list[str], code: int, message: str
) -> None:
    given = ["--macs", "1G"] if arguments and "--macs" not in arguments else []
    result = run("fit", *given, *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    line = result.stderr.splitlines()[-1]
    assert line.removeprefix("Error: Invalid value for ").startswith(message)
    assert len(result.stderr.splitlines()) == (1 if code == 1 else 4)


@pytest.mark.torch
def test_measures_what_it_finds(run: Run) -> None:
    found = rows(run, "--macs", "1G", "--measure", "torch")
    assert len(found) == 2
    for row in found:
        figures = {key: row[key] for key in FIGURES}
        assert row["measured"] == {"engine": "torch", "once": True, **figures}
        assert row["agrees"] is True


@pytest.mark.parametrize("baseline", ["b0", "mobilenetv3-small", "d0"])
def test_a_family_is_a_file_that_passes_every_check(
    run: Run, tmp_path: Path, baseline: str
) -> None:
    path = tmp_path / "family.yaml"
    base = int(es.count(es.load(baseline)).macs)
    most = ",".join(f"<= {int(base * times)}" for times in (0.5, 2, 3))
    limits = ("--macs", most, "--memory", "<= 1GB")
    assert run("fit", baseline, *limits, "--output", str(path), "-q").exit_code == 0
    family = es.load(path)
    assert len(family.variants) == 3
    for times, given in zip((0.5, 2, 3), family.variants.values(), strict=True):
        assert given.budget is not None
        assert given.budget.memory == "<= 1GB"
        assert given.expected is not None
        assert given.expected.macs is not None
        assert given.expected.macs <= base * times
    assert run("check", str(path), "--fail-on", "warning").exit_code == 0
    tight = path.read_text("utf-8").replace("<= 1GB", "<= 1MB")
    path.write_text(tight, "utf-8")
    broken = run("check", str(path), "--format", "json")
    assert broken.exit_code == 1
    codes = {each["code"] for each in json.loads(broken.stdout)["findings"]}
    assert codes == {"EFF302"}


def test_a_family_of_costs_to_meet_has_no_budgets(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "family.yaml"
    assert run("fit", "--macs", "200M,300M", "--output", str(path)).exit_code == 0
    family = es.load(path)
    assert [each.budget for each in family.variants.values()] == [None, None]
    assert "budget" not in path.read_text("utf-8")


def test_baselines_stand_side_by_side_with_what_is_published(run: Run) -> None:
    result = run("fit", "--macs", "<= 400M", "--from", "b0,resnet18", "--format=json")
    assert (result.exit_code, result.stderr) == (0, "")
    found = {row["baseline"]: row for row in json.loads(result.stdout)["rows"]}
    assert [*found] == ["b0", "resnet18"]
    assert all(row["macs"] <= 400_000_000 for row in found.values())
    assert found["b0"]["published"] == {"name": "b0", "score": 77.1}
    assert found["resnet18"]["published"] is None
    alone = rows(run, "resnet18", "--macs", "<= 400M")[0]
    assert found["resnet18"]["macs"] == alone["macs"]
    refused = run("fit", "--macs", "1G,2G", "--from", "b0,d0")
    assert "--from takes one cost" in refused.stderr


def test_a_baseline_that_cannot_be_searched_so_stands_beside_the_others(
    run: Run,
) -> None:
    asked = ("fit", "--macs", "1G", "--strategy", "depth")
    result = run(*asked, "--from", "b0,d0", "--format=json")
    assert result.exit_code == 0
    why = "strategy: expected one of compound, backbone"
    assert result.stderr.startswith(f"d0: {why}")
    data = json.loads(result.stdout)
    assert [row["baseline"] for row in data["rows"]] == ["b0"]
    found, missed = data["baselines"]
    assert found == {"name": "b0", "missed": None}
    assert missed["name"] == "d0"
    assert missed["missed"].startswith(why)
    refused = run(*asked, "--from", "d0,d1")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert [line[:4] for line in refused.stderr.splitlines()] == ["d0: ", "d1: "]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--batch", "8"], "--batch is for a limit of memory or --latency"),
        (["--dtype", "int8"], "--dtype is for a limit of memory or --latency"),
        (["--threads", "2"], "--threads is for a limit of --latency"),
        (["--memory", "<= 1GB", "--compile"], "--compile is for a limit of --latency"),
        (["--device", "cpu"], "--device is for a limit of --latency"),
        (["--top", "3"], "--top is for --free"),
        (["--from", "b0,d0", "--output", "b.yaml"], "there is no spec to write to"),
    ],
)
def test_what_would_be_left_aside_is_refused(
    run: Run, arguments: list[str], message: str
) -> None:
    result = run("fit", "--macs", "1G", *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
