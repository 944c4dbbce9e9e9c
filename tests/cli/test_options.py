"""Tests of `effscale.cli.options`: options as objects, and requests of them."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest
from click.testing import CliRunner

from effscale import extras
from effscale.cli import options
from effscale.cli.options import Request, write
from effscale.errors import OutputError, ScaleError, SpecError
from effscale.report.document import Column, Report, Section
from tests.search.drawn import network

if TYPE_CHECKING:
    import effscale as es
    from tests.conftest import Run

REPORT = Report(
    data={"effscale": "0", "rows": [{"name": "b0"}]},
    sections=[Section([Column("network", "name")], [{"name": "b0"}])],
    records=[{"name": "b0"}],
)


@dataclass(frozen=True)
class Box:
    """Some sides."""

    width: int
    height: int
    depth: int = 3


def volume(*, width: int, height: int) -> int:
    """Of a box as deep as high; it has none if it is as high as 9."""
    if height == 9:
        raise click.UsageError("too high")
    return width * height**2


@click.command()
@options.every(
    click.option("--width", type=int, default=1),
    click.option("--height", type=int, default=2),
    title="Size",
)
@click.option("--name", default="box")
@options.gathered(volume=volume, box=Box)
def command(*, name: str, width: int, volume: int, box: Box) -> None:
    """Show what it gets."""
    click.echo(f"{name} {width} {volume} {box}")


def test_options_are_handed_on_as_what_is_made_of_them() -> None:
    result = CliRunner().invoke(command, ["--width", "5"])
    assert result.output == "box 5 20 Box(width=5, height=2, depth=3)\n"


def test_who_makes_an_object_may_refuse_its_options() -> None:
    result = CliRunner().invoke(command, ["--height", "9"])
    assert (result.exit_code, result.output.splitlines()[-1]) == (2, "Error: too high")


def test_options_stand_in_the_order_of_the_code() -> None:
    assert [each.name for each in command.params] == ["width", "height", "name"]


def test_read_is_the_spec_as_it_is(b0: es.Spec) -> None:
    assert Request().read("b0") == b0
    # what it has already changes nothing: its figures stay
    assert Request(resolution=(224, 224), classes=1000).read("b0") == b0


def test_read_changes_what_is_asked_for(b0: es.Spec) -> None:
    found = Request(resolution=(256, 320), classes=10).read("b0")
    assert network(found)[:-2] == network(b0)[:-2]
    assert (found.resolution, found.classes) == ((256, 320), 10)
    assert (found.expected, found.variants) == (None, {})


def test_read_refuses_what_is_no_network() -> None:
    with pytest.raises(
        ScaleError, match=r"^b0 at 31×224 px: resolution: expected at least 32 "
    ):
        Request(resolution=(31, 224)).read("b0")
    with pytest.raises(SpecError, match=r"^'nope': expected a file or a built-in spec"):
        Request().read("nope")


@pytest.mark.parametrize("option", ["output", "plot"])
def test_a_file_that_is_there_is_replaced_by_force_alone(
    tmp_path: Path, option: str
) -> None:
    there = tmp_path / "there.png"
    asked: dict[str, Any] = {option: there}
    Request(**asked)
    there.write_text("mine", "utf-8")
    Request(**asked, force=True)
    with pytest.raises(click.BadParameter) as caught:
        Request(**asked)
    assert caught.value.message == f"{str(there)!r} exists; --force replaces it"
    assert caught.value.param_hint == f"'--{option}'"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.yaml", True), ("a.yml", True), ("a.json", False), ("yaml", False)],
)
def test_a_yaml_file_is_to_be_a_spec(name: str, *, expected: bool) -> None:
    assert Request(output=Path(name)).wants_spec is expected


def test_a_picture_is_of_the_kind_that_its_name_says(tmp_path: Path) -> None:
    assert Request().picture == ""
    assert Request(plot=tmp_path / "a.svg").picture == "svg"


def test_a_picture_needs_matplotlib(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda _name: None)
    with pytest.raises(OutputError, match=r"pip install 'effscale\[plot\]' brings it$"):
        Request(plot=tmp_path / "a.png")


@pytest.mark.parametrize(
    ("name", "form", "begins"),
    [
        ("a.json", None, "{"),
        ("a.csv", None, "name\n"),
        ("a.md", None, "| network |"),
        ("a.txt", None, "network\n"),
        ("a", None, "network\n"),
        ("a.json", "csv", "name\n"),
        ("a.csv", "markdown", "| network |"),
    ],
)
def test_the_suffix_chooses_unless_the_format_is_said(
    tmp_path: Path, name: str, form: str | None, begins: str
) -> None:
    path = tmp_path / name
    Request(form=form, output=path).deliver(REPORT)
    assert path.read_text("utf-8").lstrip("\n").startswith(begins)


def test_without_a_file_the_answer_is_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Request(form="csv").deliver(REPORT)
    assert capsys.readouterr().out.splitlines() == ["name", "b0"]
    Request().deliver(REPORT)
    assert capsys.readouterr().out.split() == ["network", "───────", "b0"]


def test_a_file_of_something_else_leaves_the_answer_to_the_screen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, plot = tmp_path / "a.yaml", tmp_path / "a.png"
    request = Request(output=path, plot=plot)
    request.deliver(REPORT, b"picture", to_file=False)
    assert (path.exists(), plot.read_bytes()) == (False, b"picture")
    assert capsys.readouterr().out.split() == ["network", "───────", "b0"]
    request.write("name: b0\n")
    assert path.read_text("utf-8") == "name: b0\n"


@pytest.mark.parametrize("content", ["φ × 2\n", b"\x89PNG\r\n\x1a\n"])
def test_a_file_is_written_byte_by_byte(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "a"
    path.write_text("something else, and longer than that", "utf-8")
    write(path, content, quiet=True)
    expected = content.encode("utf-8") if isinstance(content, str) else content
    assert path.read_bytes() == expected
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_has_the_mode_that_the_mask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(tmp_path / "a", "", quiet=True)
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_what_cannot_be_written_whole_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_text("mine", "utf-8")

    def full(_path: Path, _target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError) as caught:
        write(path, "yours", quiet=True)
    assert str(caught.value) == f"{path}: cannot be written: no space left on device"
    assert path.read_text("utf-8") == "mine"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "no" / "a"
    with pytest.raises(OutputError) as caught:
        write(path, "", quiet=True)
    assert str(caught.value) == (
        f"{path}: cannot be written: no such file or directory"
    )


def test_a_window_that_no_longer_covers_its_map_is_warned_of(
    run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "pooled.yaml"
    path.write_text(
        "name: pooled\nresolution: 32\nstem: {kernel: 3, stride: 4, channels: 8}\n"
        "stages: [{block: conv, kernel: 3, channels: 8}]\n"
        "head: {layers: [{block: avg_pool, kernel: 8, padding: valid}], classes: 4}\n",
        "utf-8",
    )
    result = run("profile", str(path), "--measure", "none", "--resolution", "64")
    assert (result.exit_code, result.stderr) == (
        0,
        (
            "warning: pooled: head.layers[0]: its 8×8 window covered the whole map, "
            "and at 64×64 px no longer does\n"
        ),
    )
