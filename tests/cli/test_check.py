"""`effscale check`, as its users see it."""

from __future__ import annotations

import json
import os
import sys
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from effscale.module import measure
from effscale.report import findings
from tests.spec.small import TEXT as SMALL

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from effscale.cost.latency_model import Device
    from effscale.search.measured import Tries
    from effscale.spec.models import Spec
    from tests.conftest import Run

BAD = (
    SMALL.replace("resolution: 32", "resolution: 31")
    .replace("expand_ratio: 1, channels: 8", "channels: 8, expand_ratio: 1")
    .replace("head: {channels: 16}", "head: {channels: 12}")
    + "expected: {macs: 1}\n"
)
SPECS = str(Path(__file__).parents[2] / "specs")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a good spec and bad ones, outside of any CI."""
    for name in ("GITHUB_ACTIONS", "GITHUB_WORKFLOW", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    Path("good.yaml").write_text(SMALL, "utf-8")
    Path("bad.yaml").write_text(BAD, "utf-8")
    Path("typo.yaml").write_text(
        SMALL.replace("stem: {kernel", "stem: {kernal"), "utf-8"
    )
    Path("broken.yaml").write_text("name: [\n", "utf-8")
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["good.yaml"],
        ["bad.yaml", "--format", "concise"],
        ["typo.yaml", "--format", "github"],
        ["bad.yaml", "--format", "json"],
        ["bad.yaml", "typo.yaml", "--diff"],
        ["bad.yaml", "--diff", "--unsafe-fixes", "--update"],
        ["bad.yaml", "--diff", "--update"],
        [".", "broken.yaml", "-q", "--select", "EFF0,EFF301"],
    ],
    ids=" ".join,
)
def test_prints(
    run: Run, here: Path, snapshot: SnapshotAssertion, arguments: list[str]
) -> None:
    assert here
    result = run("check", *arguments)
    assert result.exit_code == (0 if "good.yaml" in arguments else 1)
    assert result.stderr == ""
    assert result.stdout == snapshot


def test_built_in_specs_are_good(run: Run, here: Path) -> None:
    """Two of them; tests/checking has all."""
    assert here
    result = run("check", f"{SPECS}/b0.yaml", f"{SPECS}/d0.yaml")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.endswith(" checked, nothing found\n")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["bad.yaml"], 1),
        (["bad.yaml", "--exit-zero"], 0),
        (["bad.yaml", "--ignore", "EFF301"], 0),
        (["bad.yaml", "--ignore", "EFF301", "--fail-on", "warning"], 1),
        (["bad.yaml", "--select", "EFF110", "--fail-on", "warning"], 0),
        (["good.yaml", "--fail-on", "warning"], 0),
        (["bad.yaml", "--diff", "--exit-zero"], 0),
        (["good.yaml", "--diff"], 0),
        (["good.yaml", "bad.yaml"], 1),
    ],
)
def test_exit_codes(run: Run, here: Path, arguments: list[str], code: int) -> None:
    assert here
    assert run("check", *arguments).exit_code == code


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.yaml"], "Path 'nowhere.yaml' does not exist."),
        (
            ["--select", "EFF9", "good.yaml"],
            "expected codes of rules such as EFF2,EFF3",
        ),
        (["--unsafe-fixes", "good.yaml"], "--unsafe-fixes goes with --fix or --diff"),
        (["empty"], "expected spec files in empty, found none"),
        (["good.yaml", "--output", "bad.yaml"], "'bad.yaml' exists; --force replaces"),
    ],
    ids=["path", "code", "unsafe", "folder", "output"],
)
def test_usage_errors(run: Run, here: Path, arguments: list[str], message: str) -> None:
    (here / "empty").mkdir()
    result = run("check", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_folder_without_specs_is_no_success(
    run: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "empty").mkdir()
    monkeypatch.chdir(here / "empty")
    result = run("check")
    assert result.exit_code == 2
    assert "expected spec files below the current folder, found none" in result.stderr


def test_syntax_errors_go_through_every_format(run: Run, here: Path) -> None:
    assert here
    for form in ("text", "concise", "json", "github", "sarif", "junit", "auto"):
        result = run("check", "broken.yaml", "--format", form)
        assert (result.exit_code, result.stderr) == (1, "")
        assert "EFF004" in result.stdout


def test_auto_is_github_under_actions(
    run: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKFLOW", "specs")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(here / "summary.md"))
    result = run("check", "typo.yaml")
    assert result.stdout.startswith("::error file=typo.yaml,line=3,")
    run("check", "good.yaml")
    written = (here / "summary.md").read_text("utf-8")
    assert "| typo.yaml:3:8 | error | EFF102 | stem: unknown key 'kernal' |" in written
    assert written.endswith("1 file checked, nothing found\n\n")
    assert run("check", "typo.yaml", "--format", "text").stdout.startswith("typo.yaml:")


@pytest.mark.parametrize(
    ("name", "begins"),
    [("x.json", "{"), ("x.sarif", "{"), ("x.xml", "<?xml"), ("x.txt", "bad.yaml:")],
)
def test_output_goes_to_a_file_of_the_format_its_name_says(
    run: Run, here: Path, name: str, begins: str
) -> None:
    result = run("check", "bad.yaml", "--output", name)
    assert (result.exit_code, result.stdout) == (1, "")
    found = "1 error, 2 warnings, 1 note in 1 file"
    assert result.stderr == f"wrote {name}\n{found}\n"
    assert (here / name).read_text("utf-8").startswith(begins)


def test_fix_mends_files_and_says_what_is_left(run: Run, here: Path) -> None:
    result = run("check", "typo.yaml", "bad.yaml", "--fix")
    assert result.exit_code == 1
    assert result.stdout.endswith(
        "1 error, 2 warnings in 1 of 2 files; 2 fixed\n"
        "fixable: 2 with --fix --unsafe-fixes, 1 with --update\n"
    )
    assert (here / "typo.yaml").read_text("utf-8") == SMALL
    again = run("check", "typo.yaml", "bad.yaml", "--fix")
    assert "fixed" not in again.stdout


def test_everything_can_be_mended_at_once(run: Run, here: Path) -> None:
    result = run("check", "bad.yaml", "--fix", "--unsafe-fixes", "--update")
    assert (result.exit_code, result.stdout) == (
        0,
        "1 file checked, nothing found; 4 fixed\n",
    )
    assert "head: {channels: 16}" in (here / "bad.yaml").read_text("utf-8")


def test_a_mended_file_keeps_what_it_is(run: Run, here: Path) -> None:
    path, link = here / "typo.yaml", here / "link.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    path.chmod(0o640)
    link.symlink_to(path)
    assert run("check", "link.yaml", "--fix").exit_code == 0
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.read_bytes() == b"\xef\xbb\xbf" + SMALL.encode().replace(b"\n", b"\r\n")


def test_a_diff_writes_nothing(run: Run, here: Path) -> None:
    before = (here / "bad.yaml").read_bytes()
    run("check", "bad.yaml", "--diff", "--unsafe-fixes", "--update")
    assert (here / "bad.yaml").read_bytes() == before


def test_standard_input_is_checked_and_mended(run: Run, here: Path) -> None:
    assert here
    result = run("check", "-", "--format", "concise", text=BAD)
    assert result.exit_code == 1
    assert result.stdout.startswith("<stdin>:2:13: warning EFF206 resolution: ")
    mended = run("check", "-", "--fix", text=BAD.replace("expected: {macs: 1}\n", ""))
    assert mended.exit_code == 0
    assert mended.stdout.splitlines()[1] == "resolution: 31"
    assert "expand_ratio: 1, channels: 8" in mended.stdout
    assert mended.stderr.startswith("<stdin>:2:13: warning EFF206 ")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is refused to root")
def test_a_file_that_cannot_be_read_is_a_finding(run: Run, here: Path) -> None:
    (here / "good.yaml").chmod(0)
    result = run("check", "good.yaml", "--format", "concise")
    assert (
        result.stdout == "good.yaml: error EFF001 cannot be read: permission denied\n"
    )


@pytest.mark.torch
def test_verify_measures_baseline_and_variants(
    run: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = SMALL + "variants:\n  large: {resolution: 64}\n"
    (here / "good.yaml").write_text(text, "utf-8")
    assert run("check", "good.yaml", "--verify").exit_code == 0
    monkeypatch.setattr(measure, "difference", lambda spec, _: f"{spec.name}: differs")
    result = run("check", "good.yaml", "--verify", "--format", "concise")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "good.yaml:1:1: error EFF307 small: differs",
        "good.yaml:1:1: error EFF307 small: differs",
        "good.yaml:8:3: error EFF307 variants.large: large: differs",
    ]


def test_on_a_terminal_a_long_line_is_cut_around_the_place(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from effscale.checking.run import Checked, Outcome, check, read

    source = read(str(here / "bad.yaml"))
    outcome = Outcome((Checked(source, tuple(check(source))),))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    for width in (40, 80, 140):
        lines = [
            "".join(piece for piece, _ in line)
            for line in findings._lines(outcome, width, quiet=False)  # noqa: SLF001
        ]
        for line, carets in pairwise(lines):
            if carets.endswith("^"):
                assert len(line) <= width
                marked = line[carets.index("^") : len(carets)]
                assert marked in {"31", "channels", "12", "1"}


@pytest.mark.parametrize("letters", ["宽", "e\u0301", "😀"])
def test_carets_stand_under_wide_letters_too(letters: str) -> None:
    from effscale.checking.run import Checked, Outcome, check
    from effscale.checking.source import Source

    text = SMALL.replace("stem: {", f"stem: {{{letters}: 1, ")
    source = Source.of("x.yaml", text)
    shown = findings.text(Outcome((Checked(source, tuple(check(source))),)))
    line, carets = shown.splitlines()[1:3]
    assert line.endswith("channels: 8}")
    cells = 1 if letters[0] == "e" else 2
    assert carets == " " * 6 + "| " + " " * 7 + "^" * cells


def test_json_is_the_contract(run: Run, here: Path) -> None:
    assert here
    data = json.loads(run("check", "bad.yaml", "--format", "json").stdout)
    assert list(data) == ["effscale", "schema", "command", "findings", "summary"]
    assert data["findings"][0]["path"] == "bad.yaml"


def test_every_network_is_held_to_limits_that_are_asked_for(run: Run) -> None:
    path = str(Path(__file__).parents[2] / "specs" / "b0.yaml")
    asked = ("--macs", "<= 10G", "--memory", "<= 64MB", "--dtype", "int8")
    result = run("check", path, *asked, "--format", "json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)["findings"]
    assert {each["code"] for each in found} == {"EFF302"}
    said = [each["message"].partition(", counted")[0] for each in found]
    assert "variants.b5: macs: expected at most 10.0 G (asked for)" in said
    assert any("memory: expected at most 64.0 MB (asked for)" in each for each in said)
    assert not any("b4: macs" in each for each in said)
    target = run("check", path, "--macs", "10G")
    assert "--macs is a limit here, as in '<= …'" in target.stderr


TIMED = (
    SMALL
    + "budget: {latency: <= 20ms, device: cpu, threads: 2}\n"
    + "variants: {large: {resolution: 64, budget: {latency: <= 1s, device: cpu}}}\n"
)


@pytest.fixture
def clock(here: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was run, in order, by a clock that shows less and less; in timed.yaml."""
    (here / "timed.yaml").write_text(TIMED, "utf-8")
    ran: list[str] = []

    def tries(spec: Spec, device: Device) -> Tries:
        def seconds() -> float:
            ran.append(f"{spec.name} on {device.said()}")
            return 0.1 / len(ran)

        return nullcontext(seconds)

    monkeypatch.setattr("effscale.module.calibrate.tries", tries)
    monkeypatch.setattr("effscale.checking.verify._measured", lambda *_: [])
    return ran


def test_a_latency_is_measured_where_that_is_asked_for(
    run: Run, clock: list[str]
) -> None:
    result = run("check", "timed.yaml")
    assert (result.exit_code, clock) == (0, [])
    assert result.stdout == (
        "1 file checked, nothing found; 2 limits of latency not measured: "
        "--verify does\n"
    )
    result = run("check", "timed.yaml", "--select", "EFF1")
    assert result.stdout == "1 file checked, nothing found\n"
    result = run("check", "timed.yaml", "--verify", "--format", "json")
    assert result.exit_code == 1
    data = json.loads(result.stdout)
    (finding,) = data["findings"]
    assert (finding["code"], finding["line"]) == ("EFF302", len(TIMED.splitlines()) - 1)
    assert finding["message"] == (
        "budget.latency: expected at most 20.0 ms on cpu, 2 threads, batch 1, float32, "
        "measured 33.3 ms (+67 %)"
    )
    assert data["summary"]["unmeasured"] == 0
    name = clock[0].partition(" on ")[0]
    assert clock == [
        *[f"{name} on cpu, 2 threads, batch 1, float32"] * 3,
        "large on cpu, 1 thread, batch 1, float32",
    ]


def test_what_is_fast_enough_once_is_fast_enough(run: Run, clock: list[str]) -> None:
    path = Path("timed.yaml")
    path.write_text(TIMED.replace("20ms", "60ms"), "utf-8")
    assert run("check", "timed.yaml", "--verify").exit_code == 0
    assert len(clock) == 3


@pytest.mark.usefixtures("clock")
def test_a_latency_that_the_run_asks_for_holds_for_every_network(run: Run) -> None:
    asked = ("--latency", "<= 60ms", "--threads", "4", "--dtype", "bfloat16")
    result = run("check", "timed.yaml", *asked, "--format", "concise")
    assert (result.exit_code, result.stdout) == (0, "")
    result = run("check", "timed.yaml", *asked[:1], "<= 1us", *asked[2:])
    assert result.exit_code == 1
    assert (
        "large: latency: expected at most 1.00 µs on cpu, 4 threads, batch 1, "
        "bfloat16 (asked for), measured 11.1 ms"
    ) in result.stdout
    assert "2 errors in 1 file; 2 limits of latency not measured" in result.stdout
    refused = run("check", "timed.yaml", "--latency", "20ms")
    assert refused.exit_code == 2
    assert refused.stderr.endswith("--latency is a limit here, as in '<= …'\n")
    refused = run("check", "timed.yaml", "--latency", "<= 1s", "--dtype", "int8")
    assert refused.stderr.endswith("--latency: nothing is run in int8 here\n")


@pytest.mark.torch
def test_a_device_that_is_not_there_leaves_its_limit_unmeasured(
    run: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("effscale.checking.verify._measured", lambda *_: [])
    (here / "xpu.yaml").write_text(
        f"{SMALL}budget: {{latency: <= 1s, device: xpu}}\n", "utf-8"
    )
    result = run("check", "xpu.yaml", "--verify")
    assert result.exit_code == 0
    assert "not timed: device: expected cpu, got 'xpu': torch finds none here" in (
        result.stderr
    )
    assert "1 limit of latency not measured" in result.stdout
