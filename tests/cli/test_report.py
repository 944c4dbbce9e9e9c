"""`effscale report`, as its users see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from effscale import extras

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Run

pytestmark = pytest.mark.slow


def test_writes_a_page_and_says_so(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    result = run("report", "b0", "b4", "--output", str(path))
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"wrote {path}\n"
    page = path.read_text("utf-8")
    assert "<title>b0, b4</title>" in page
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]
    again = run("report", "b0", "--output", str(path))
    assert again.exit_code == 2
    assert again.stderr.endswith(f"'{path}' exists; --force replaces it\n")
    assert path.read_text("utf-8") == page


def test_goes_into_a_pipe(run: Run) -> None:
    result = run("report", "b0", "--title", "One & only")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("<!DOCTYPE html>")
    assert "<title>One &amp; only</title>" in result.stdout


def test_a_family_is_its_networks(run: Run) -> None:
    result = run(
        "report", "squeezenet", "--relative-to", "cheapest", "--units", "flops"
    )
    assert result.exit_code == 0
    assert "<title>squeezenet-1.1, squeezenet-1.0</title>" in result.stdout
    assert "FLOPs" in result.stdout
    assert "the cheapest network here that is as accurate" in result.stdout


def test_speaks_of_the_network_that_is_asked_for(run: Run) -> None:
    result = run("report", "b0", "--resolution", "128", "--classes", "10")
    assert "3×128×128 px" in result.stdout


@pytest.mark.torch
def test_has_what_was_measured_and_timed(run: Run) -> None:
    options = ("--measure", "torch", "--latency", "--seconds", "0.01", "--threads", "1")
    result = run("report", "b0", "--resolution", "64", *options, "-q")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "the same ✓, by torch" in result.stdout
    assert "Latency, batch 1, 1 thread, float32, cpu" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "Missing argument 'SPEC...'."),
        (["nope"], 1, "'nope': expected a file or a built-in spec; see effscale specs"),
        (["b0", "--relative-to", "b1"], 2, "expected one of b0, cheapest, got 'b1'"),
        (
            ["b0", "--threads", "1"],
            2,
            "--threads is for --latency, which was not asked for",
        ),
        (["b0", "--output", "no/x.html"], 2, "expected a folder, found none at 'no'"),
    ],
)
def test_bad_input_is_one_clear_line(
    run: Run, arguments: list[str], code: int, message: str
) -> None:
    result = run("report", *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.splitlines()[-1].endswith(message)


def test_says_what_to_install(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda _name: None)
    result = run("report", "b0", "--output", "x.html")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "x.html: needs jinja2; pip install 'effscale[report]' brings it\n"
    )
