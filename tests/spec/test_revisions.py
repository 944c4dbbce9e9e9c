"""Tests of `effscale.spec.builtin`: specs as git has them."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from effscale.errors import SpecError
from effscale.spec.builtin import find, is_revision
from effscale.spec.nodes import MAX_BYTES
from tests.spec.small import TEXT as SMALL

if TYPE_CHECKING:
    from pathlib import Path

GIT = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com"]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two commits of a spec: 32 pixels, then 64 and a variant."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    subprocess.run([*GIT, "init", "-q"], check=True)
    (tmp_path / "specs").mkdir()
    (tmp_path / "large.yaml").write_text("#" * (4 * MAX_BYTES), "utf-8")
    wider = SMALL.replace("32", "64") + "variants: {large: {resolution: 96}}\n"
    for text in (SMALL, wider):
        (tmp_path / "specs" / "b.yaml").write_text(text, "utf-8")
        subprocess.run([*GIT, "add", "."], check=True)
        subprocess.run([*GIT, "commit", "-qm", "x"], check=True)
    return tmp_path


def message(reference: str) -> str:
    with pytest.raises(SpecError) as caught:
        find(reference)
    return str(caught.value)


def test_a_revision_is_read(repository: Path) -> None:
    assert repository
    assert find("HEAD~1:specs/b.yaml")[0].resolution == (32, 32)
    assert find("HEAD:specs/b.yaml")[0].resolution == (64, 64)
    assert find("@:specs/b.yaml@large")[1] == "large"
    assert find("HEAD@{0}:specs/b.yaml@large")[1] == "large"


def test_a_path_is_from_the_root_or_from_here(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository / "specs")
    assert find("HEAD:specs/b.yaml") == find("HEAD:./b.yaml")


def test_a_file_of_that_name_comes_first(repository: Path) -> None:
    (repository / "HEAD:b.yaml").write_text(SMALL, "utf-8")
    assert find("HEAD:b.yaml")[0].resolution == (32, 32)


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("HEAD:b.yaml", "cannot be read: git: path 'b.yaml' does not exist in 'HEAD'"),
        ("v9:specs/b.yaml", "cannot be read: git: invalid object name 'v9'."),
        ("HEAD:specs", "cannot be read: git: git cat-file HEAD:specs: bad file"),
        ("HEAD:large.yaml", "expected at most 1,048,576 bytes, found more"),
    ],
)
def test_what_git_does_not_have_is_a_fault(
    repository: Path, reference: str, said: str
) -> None:
    assert repository
    assert message(reference) == f"{reference}: {said}"


def test_an_option_is_no_revision(repository: Path) -> None:
    assert repository
    assert message("--textconv:specs/b.yaml").startswith("--textconv:specs/b.yaml: ")
    assert "git" not in message("--textconv:specs/b.yaml")


def test_without_git_it_says_so(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(repository))
    assert message("HEAD:specs/b.yaml") == (
        "HEAD:specs/b.yaml: expected git to read a revision with, found none"
    )


def test_outside_of_a_repository_git_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert ": cannot be read: git: not a git repository" in message("HEAD:b.yaml")


@pytest.mark.parametrize("path", ["C:\\specs\\b0.yaml", "d:/b0.yaml"])
def test_a_path_of_windows_is_no_revision(path: str) -> None:
    assert not is_revision(path)
    with pytest.raises(SpecError) as caught:
        find(path)
    assert "git" not in str(caught.value)
