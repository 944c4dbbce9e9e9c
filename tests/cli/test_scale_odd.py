"""`effscale scale` of networks that fractions, or windows, make odd."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Run

HALVES = """\
name: halves
resolution: 64
stem: {kernel: 3, stride: 2, channels: 24}
blocks:
  halves:
  - block: residual
    layers: [{block: concat, branches: [[{kernel: 1, ratio: 0.25}], [{kernel: 3, ratio: 0.75}]]}]
stages:
- {block: halves, channels: 24, repeats: 3}
- {kernel: 1, channels: 48, groups: 8, block: conv}
head: {classes: 5}
"""  # noqa: E501
APART = """\
name: apart
resolution: 64
stem: {kernel: 3, channels: 8}
stages:
- block: concat
  branches:
  - [{kernel: 5, padding: valid, channels: 8}, {block: max_pool, kernel: 3, stride: 2}]
  - [{kernel: 5, padding: valid, stride: 2, channels: 8}]
- {block: basic, kernel: 3, stride: 1, channels: 8, repeats: 1}
head: {classes: 5}
"""


WINDOW = """\
name: window
resolution: 64
stem: {kernel: 3, stride: 4, channels: 8}
stages:
- {block: conv, kernel: 7, padding: valid, channels: 8}
- {block: basic, kernel: 3, stride: 1, channels: 8, repeats: 1}
head: {classes: 5}
"""


@pytest.fixture
def text(tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """A file of the text that a test is of."""
    path = tmp_path / "net.yaml"
    path.write_text(request.param, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("text", [HALVES], indirect=True)
@pytest.mark.parametrize("phi", ["1", "-2", "5.5"])
def test_shares_of_channels_are_explained(run: Run, text: str, phi: str) -> None:
    json_of = ("--measure", "none", "--format", "json")
    result = run("scale", text, "--phi", phi, *json_of)
    assert (result.exit_code, result.stderr) == (0, "")
    row = json.loads(result.stdout)["rows"][1]
    assert len(row["explain"]) == 6
    assert "unexplained" not in row


@pytest.mark.parametrize("name", ["pnasnet-5-large", "nasnet-a-large", "amoebanet-a"])
def test_parts_of_cells_are_explained(run: Run, name: str) -> None:
    result = run("scale", name, "--phi", "-4", "--measure", "none", "--format", "json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert len(json.loads(result.stdout)["rows"][1]["explain"]) == 6


@pytest.mark.parametrize("text", [APART], indirect=True)
@pytest.mark.parametrize("phi", ["1", "1,2"])
def test_what_is_not_explained_is_said(run: Run, text: str, phi: str) -> None:
    result = run("scale", text, "--phi", phi, "--measure", "none")
    assert (result.exit_code, result.stderr) == (0, "")
    for each in phi.split(","):
        assert f"apart-phi{each}: no explanation, as unrounded" in result.stdout
    assert "Why" not in result.stdout


@pytest.mark.parametrize("text", [APART], indirect=True)
def test_json_says_what_is_not_explained(run: Run, text: str) -> None:
    result = run("scale", text, "--measure", "none", "--format", "json")
    assert result.exit_code == 0
    baseline, row = json.loads(result.stdout)["rows"]
    assert (row["explain"], "unexplained" in row) == ([], True)
    assert baseline["deviation"] == 0


NOTHING = """\
name: pools
resolution: 64
stem: {block: max_pool, kernel: 3, stride: 2}
stages: [{block: avg_pool, kernel: 3}]
head: {classifier: false}
"""


@pytest.mark.parametrize("text", [NOTHING], indirect=True)
@pytest.mark.parametrize(
    "options",
    [["--strategy", "resolution"], ["--sweep", "resolution=64..128"]],
    ids=["scale", "sweep"],
)
def test_nothing_has_no_multiple(run: Run, text: str, options: list[str]) -> None:
    result = run("scale", text, "--measure", "none", *options)
    assert result.exit_code == 1
    assert result.stderr == "pools: expected MACs to scale, counted 0\n"


READERS = [
    ("profile", "--measure", "none"),
    ("scale", "--measure", "none"),
    ("check",),
    ("compare", "--measure", "none"),
]


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader[0])
def test_every_command_reads_what_scale_writes(
    run: Run, tmp_path: Path, reader: tuple[str, ...]
) -> None:
    path = str(tmp_path / "deep.yaml")
    options = ("--phi", "12", "--measure", "none", "--output", path)
    assert run("scale", "polynet", *options).exit_code == 0
    command, *more = reader
    result = run(command, path, *more)
    assert (result.exit_code, result.stderr) == (0, "")


def test_what_none_would_read_is_not_written(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "deep.yaml"
    options = ("--phi", "24", "--measure", "none", "--output", str(path))
    result = run("scale", "polynet", *options)
    assert result.exit_code == 1
    assert result.stderr == (
        "deep: cannot be written, as no command would read it: expected at most "
        "50,000 lines, blocks and repeats written out\n"
    )
    assert "MACs ratio 6.338e+06 / target 1.678e+07" in result.stdout
    assert not path.exists()


POOLED = """\
name: pooled
resolution: 64
stem: {kernel: 3, stride: 2, channels: 8}
blocks:
  end: [{block: residual, layers: [{kernel: 1}]}, {block: avg_pool, kernel: 16, padding: valid}]
stages:
- {block: basic, kernel: 3, stride: 2, channels: 8, repeats: 1}
- {block: end}
head: {classes: 5}
"""  # noqa: E501
WARNING = (
    "warning: pooled-phi{}: stages[1][1]: its 16×16 window covered the whole map, and "
    "at {} px no longer does\n"
)


@pytest.mark.parametrize("text", [POOLED], indirect=True)
@pytest.mark.parametrize("form", ["table", "json", "csv", "markdown"])
def test_a_window_that_covers_its_map_no_more_is_warned_of(
    run: Run, text: str, form: str
) -> None:
    result = run("scale", text, "--phi", "1,3", "--measure", "none", "--format", form)
    said = WARNING.format(1, "72×72") + WARNING.format(3, "96×96")
    assert (result.exit_code, result.stderr) == (0, said)
    if form == "json":
        first, *scaled = json.loads(result.stdout)["rows"]
        assert [len(row["warnings"]) for row in scaled] == [1, 1]
        assert "warnings" not in first


@pytest.mark.parametrize("text", [POOLED], indirect=True)
def test_fit_warns_of_it_too(run: Run, text: str) -> None:
    result = run("fit", text, "--macs", "3M", "--measure", "none")
    assert result.exit_code == 0
    assert "window covered the whole map" in result.stderr


@pytest.mark.parametrize("text", [POOLED], indirect=True)
def test_a_map_of_the_same_size_is_covered_still(run: Run, text: str) -> None:
    result = run("scale", text, "--strategy", "width", "--measure", "none")
    assert (result.exit_code, result.stderr) == (0, "")


MISFIT = """\
name: net
resolution: 64
norm: {kind: group, groups: 8}
stem: {kernel: 3, stride: 2, channels: 16}
stages: [{block: basic, kernel: 3, stride: 1, channels: 16, repeats: 1}]
head: {classes: 4}
rounding: {channel_divisor: 4}
variants: {odd: {width_multiplier: 1.2, resolution: 64}}
"""
OVER_IT = """\
name: over
resolution: 64
backbone: net.yaml
neck: {levels: [1, 2], channels: 16, wiring: fpn}
heads: {repeats: 1, classes: 4}
"""


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["scale", "net.yaml", "--phi", "1.5"], "net.yaml:4:7: net scaled: stem: "),
        (["profile", "net.yaml@odd"], "net.yaml:4:7: odd at 64×64 px: stem: "),
        (["compare", "b0", "net.yaml@odd"], "net.yaml:4:7: odd at 64×64 px: stem: "),
        (
            ["fit", "net.yaml@odd", "--macs", "9M"],
            "net.yaml:4:7: odd at 64×64 px: stem",
        ),
        (["scale", "over.yaml", "--phi", "1.5"], "over.yaml:3:11: over scaled: stem"),
    ],
)
def test_what_no_longer_fits_is_said_at_its_line(
    run: Run,
    command: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.yaml").write_text(MISFIT)
    (tmp_path / "over.yaml").write_text(OVER_IT)
    result = run(*command)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert result.stderr.startswith(said)
    assert result.stderr.endswith("expected a divisor of 20 channels, got 8 groups\n")


def test_a_family_of_any_multipliers_is_written_and_read(
    run: Run, tmp_path: Path
) -> None:
    path = str(tmp_path / "family.yaml")
    options = ("--strategy", "all", "--measure", "none", "--output", path)
    assert run("scale", "b0", "--phi", "8", *options).exit_code == 0
    assert "depth_multiplier: 256.0" in (tmp_path / "family.yaml").read_text("utf-8")
    result = run("check", path)
    assert (result.exit_code, result.stderr) == (0, "")
    result = run("scale", "yolov8s-cls", "--phi", "11", *options, "--force")
    assert result.exit_code == 1
    assert result.stderr == (
        "yolov8s-cls: cannot be written, as no command would read it: variants: "
        "expected at most 50,000 lines in all variants together\n"
    )


@pytest.mark.parametrize("text", [WINDOW], indirect=True)
def test_variants_that_are_no_networks_take_no_others_down(
    run: Run, text: str, tmp_path: Path
) -> None:
    given = ("scale", text, "--measure", "none")
    result = run(*given, "--phi", "-9,1", "--format", "json")
    answer = json.loads(result.stdout)
    assert [row["name"] for row in answer["rows"]] == ["window", "window-phi1"]
    (left,) = answer["left_out"]
    assert left["name"] == "window-phi-9"
    assert left["why"].startswith(f"{text}:2:13: window scaled: resolution: expected")
    assert (result.exit_code, result.stderr) == (0, f"window-phi-9: {left['why']}\n")
    written = tmp_path / "family.yaml"
    run(*given, "--phi", "-9,1,2", "--output", str(written))
    assert run("profile", f"{written}@window-phi2", "--measure", "none").exit_code == 0
    none = run(*given, "--phi", "-9,-8")
    assert (none.exit_code, none.stdout) == (1, "")
    assert len(none.stderr.splitlines()) == 2
