"""Tests of `effscale.checking.run`: which files are checked, and reading them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from effscale.checking.run import check, listed, looks_like_a_spec, read
from tests.spec.small import TEXT as SMALL


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in {
        "b.yaml": SMALL,
        "a/c.yml": SMALL,
        "a/other.yaml": "on: push\njobs: {}\n",
        "a/detector.yaml": "name: d\nbackbone: b0\nneck: {}\nheads: {}\n",
        "a/notes.txt": SMALL,
        ".hidden/d.yaml": SMALL,
        "node_modules/e.yaml": SMALL,
        "a/.f.yaml": SMALL,
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_no_path_is_the_specs_below(tree: Path) -> None:
    assert tree
    specs = [Path("b.yaml"), Path("a", "c.yml"), Path("a", "detector.yaml")]
    for paths in ((), (".",)):
        files, left = listed(paths)
        assert sorted(files) == sorted(map(str, specs))
        assert left == [str(Path("a", "other.yaml"))]


def test_a_pipe_or_device_in_a_folder_is_no_file(tree: Path) -> None:
    os.mkfifo(tree / "a" / "pipe.effscale.yaml")
    (tree / "a" / "zeros.effscale.yaml").symlink_to("/dev/zero")
    (tree / "a" / "gone.effscale.yaml").symlink_to("nowhere")
    files, left = listed(("a",))
    gone = str(Path("a", "gone.effscale.yaml"))
    assert {Path(each).name for each in files if "effscale" in each} == {
        Path(gone).name
    }
    assert [each.code for each in read(gone).faults] == ["EFF001"]
    assert left == [str(Path("a", "other.yaml"))]


def test_a_file_that_is_named_is_checked_whatever_it_holds(tree: Path) -> None:
    assert tree
    other = str(Path("a", "other.yaml"))
    files, left = listed(("a", other))
    assert (other in files, left) == (True, [])


def test_a_file_is_checked_once_whatever_it_is_called(tree: Path) -> None:
    assert tree
    files, left = listed(("a/notes.txt", "-", "a/notes.txt"))
    assert (files, left) == (["a/notes.txt", "-"], [])


@pytest.mark.parametrize(
    ("text", "is_spec"),
    [
        (SMALL, True),
        ("stem: 3\nstages: [\n", True),
        ("stages:\n  - build\n  - test\n", False),  # another tool's
        ("", False),
        ("  stem: 3\n  stages: 4\n", False),
        ("name: d\nbackbone: b0\nneck: {levels: [3, 7]}\n", True),
        ("'neck': 1\n\"heads\": 2\n", True),
        ("nc: 80\nbackbone:\n  - [-1, 1]\nhead:\n  - [-1, 1]\n", False),  # YOLO's
        ("# yaml-language-server: $schema=../effscale.schema.json\nname: [\n", True),
        ("# yaml-language-server: $schema=other.json\nname: x\n", False),
    ],
)
def test_a_spec_is_known_by_its_keys(
    tmp_path: Path, text: str, *, is_spec: bool
) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text, "utf-8")
    assert looks_like_a_spec(str(path)) == is_spec
    assert looks_like_a_spec(str(tmp_path / "x.effscale.yaml"))


@pytest.mark.parametrize(
    ("raw", "code", "message"),
    [
        (b"\x89PNG", "EFF002", "expected UTF-8 text, found byte 0x89 in it"),
        (b"#" * (2**20 + 1), "EFF003", "expected at most 1,048,576 bytes, found more"),
    ],
)
def test_what_cannot_be_a_text_is_a_finding_of_the_file(
    tmp_path: Path, raw: bytes, code: str, message: str
) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(raw)
    (finding,) = check(read(str(path)))
    assert (finding.line, finding.code, finding.said) == (0, code, message)


def test_what_cannot_be_read_is_a_finding(tmp_path: Path) -> None:
    (finding,) = check(read(str(tmp_path / "x.yaml")))
    assert finding.code == "EFF001"
    assert finding.said == "cannot be read: no such file or directory"


def test_a_name_that_is_no_line_is_shown_as_one(tmp_path: Path) -> None:
    path = tmp_path / "a\nb\udcff.yaml"
    path.write_text(SMALL, "utf-8")
    source = read(str(path))
    assert source.path.endswith("a\\nb\\udcff.yaml")
    assert source.file == str(path)


def test_a_byte_order_mark_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + SMALL.encode())
    source = read(str(path))
    assert source.text == SMALL
    assert source.raw == path.read_bytes()
