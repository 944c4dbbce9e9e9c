"""Tests of `effscale.cli.options`: what commands share, and files written whole."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from effscale import extras
from effscale.cli import grid, options, types
from effscale.cli import grid as points
from effscale.errors import OutputError, ScaleError, SpecError
from effscale.growth.multipliers import MAX_PHI, SHARES
from effscale.report.document import Column, Report, Section
from effscale.search.grid import SORTS
from tests.search.drawn import network

if TYPE_CHECKING:
    import effscale as es

REPORT = Report(
    data={"effscale": "0", "rows": [{"name": "b0"}]},
    sections=[Section([Column("network", "name")], [{"name": "b0"}])],
    records=[{"name": "b0"}],
)


def test_read_is_the_spec_as_it_is(b0: es.Spec) -> None:
    assert options.read("b0", None, None) == b0
    # what it has already changes nothing: its figures stay
    assert options.read("b0", (224, 224), 1000) == b0


def test_read_changes_what_is_asked_for(b0: es.Spec) -> None:
    found = options.read("b0", (256, 320), 10)
    assert network(found)[:-2] == network(b0)[:-2]
    assert (found.resolution, found.classes) == ((256, 320), 10)
    assert (found.expected, found.variants) == (None, {})


def test_read_refuses_what_is_no_network() -> None:
    with pytest.raises(ScaleError, match=r"^resolution: expected at least 32 "):
        options.read("b0", (31, 224), None)
    with pytest.raises(SpecError, match=r"^'nope': expected a file or a built-in spec"):
        options.read("nope", None, None)


@pytest.mark.parametrize("option", ["--output", "--plot"])
def test_a_file_that_is_there_is_replaced_by_force_alone(
    tmp_path: Path, option: str
) -> None:
    there = tmp_path / "there"
    options.unused(None, force=False)
    options.unused(there, force=False)
    there.write_text("mine", "utf-8")
    options.unused(there, force=True)
    with pytest.raises(click.BadParameter) as caught:
        options.unused(there, force=False, option=option)
    assert caught.value.message == f"{str(there)!r} exists; --force replaces it"
    assert caught.value.param_hint == f"'{option}'"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.yaml", True), ("a.yml", True), ("a.json", False), ("yaml", False)],
)
def test_a_yaml_file_is_to_be_a_spec(name: str, *, expected: bool) -> None:
    assert options.wants_spec(Path(name), count=1) is expected


def test_a_spec_is_one_variant() -> None:
    assert options.wants_spec(None, count=7) is False
    assert options.wants_spec(Path("a.json"), count=7) is False
    for count in (0, 2):
        with pytest.raises(click.BadParameter) as caught:
            options.wants_spec(Path("a.yaml"), count=count)
        message = f"expected one variant to write, got {count}"
        assert (caught.value.message, caught.value.param_hint) == (
            message,
            "'--output'",
        )


def test_a_picture_needs_a_name_of_its_kind(tmp_path: Path) -> None:
    assert options.drawable(None, force=False) == ""
    assert options.drawable(tmp_path / "a.svg", force=False) == "svg"
    with pytest.raises(OutputError, match=r"a\.pdf: expected a name that ends in"):
        options.drawable(tmp_path / "a.pdf", force=False)
    (tmp_path / "a.png").touch()
    with pytest.raises(click.BadParameter, match="exists; --force replaces it"):
        options.drawable(tmp_path / "a.png", force=False)


def test_a_picture_needs_matplotlib(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda _name: None)
    with pytest.raises(OutputError, match=r"pip install 'effscale\[plot\]' brings it$"):
        options.drawable(tmp_path / "a.png", force=False)


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
    options.deliver(REPORT, form, path)
    assert path.read_text("utf-8").lstrip("\n").startswith(begins)


def test_without_a_file_the_answer_is_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    options.deliver(REPORT, "csv", None)
    assert capsys.readouterr().out.splitlines() == ["name", "b0"]
    options.deliver(REPORT, None, None)
    assert capsys.readouterr().out.split() == ["network", "───────", "b0"]


@pytest.mark.parametrize("content", ["φ × 2\n", b"\x89PNG\r\n\x1a\n"])
def test_a_file_is_written_byte_by_byte(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "a"
    path.write_text("something else, and longer than that", "utf-8")
    options.write(path, content)
    expected = content.encode("utf-8") if isinstance(content, str) else content
    assert path.read_bytes() == expected
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_has_the_mode_that_the_mask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        options.write(tmp_path / "a", "")
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
        options.write(path, "yours")
    assert str(caught.value) == f"{path}: cannot be written: no space left on device"
    assert path.read_text("utf-8") == "mine"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "no" / "a"
    with pytest.raises(OutputError) as caught:
        options.write(path, "")
    assert str(caught.value) == (
        f"{path}: cannot be written: no such file or directory"
    )


def test_what_the_command_line_says_without_importing_is_what_is_meant() -> None:
    sort = next(each for each in grid.command.params if each.name == "sort")
    assert isinstance(sort.type, click.Choice)
    assert tuple(sort.type.choices) == SORTS
    assert types.MAX_PHI == MAX_PHI
    varied = {name: tuple(map(bool, shares)) for name, shares in SHARES.items()}
    assert varied == {**points.DIMENSIONS, "dwr": (True, True, True)}
