"""`compare --since`: what changed of the spec files, in one comment."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.spec.small import TEXT as SMALL

if TYPE_CHECKING:
    from tests.conftest import Run


def git(*arguments: str) -> None:
    identity = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)


def named(name: str) -> str:
    return SMALL.replace("name: small", f"name: {name}")


@pytest.fixture
def branch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A branch that has changed, added, renamed, removed and broken files of main."""
    monkeypatch.chdir(tmp_path)
    git("init", "-q", "-b", "main")
    Path("specs").mkdir()
    variants = "variants:\n  s: {resolution: 64}\n"
    for name, text in {
        "specs/wider.yaml": named("wider"),
        "specs/gone.yaml": named("gone") + "source: one that goes\n",
        "specs/old.yaml": named("moved"),
        "variants.yaml": named("variants") + variants,
        "broken.yaml": named("broken"),
        "other.yaml": "on: push\n",
    }.items():
        Path(name).write_text(text, "utf-8")
    git("add", "-A")
    git("commit", "-qm", "one")
    git("checkout", "-qb", "work")
    Path("specs/wider.yaml").write_text(
        named("wider").replace("channels: 16", "channels: 32")
        + "budget: {macs: <= 1k}\n",
        "utf-8",
    )
    git("rm", "-q", "specs/gone.yaml")
    git("mv", "specs/old.yaml", "specs/new.yaml")
    Path("variants.yaml").write_text(
        named("variants") + variants.replace("s: ", "m: "), "utf-8"
    )
    Path("broken.yaml").write_text(named("broken").replace("head", "haed"), "utf-8")
    Path("other.yaml").write_text("on: pull_request\n", "utf-8")
    git("add", "-A")
    git("commit", "-qm", "two")
    Path("fresh.yaml").write_text(named("fresh"), "utf-8")
    return tmp_path


def test_says_of_each_file_what_became_of_it(branch: Path, run: Run) -> None:
    assert branch
    result = run("compare", "--since", "main", "--format", "json")
    data = json.loads(result.stdout)
    assert result.exit_code == 1  # one does not load
    assert [(row["file"], row["change"], row["was"]) for row in data["files"]] == [
        ("broken.yaml", "changed", "broken.yaml"),
        ("fresh.yaml", "added", None),
        ("specs/gone.yaml", "removed", "specs/gone.yaml"),
        ("specs/new.yaml", "renamed", "specs/old.yaml"),
        ("specs/wider.yaml", "changed", "specs/wider.yaml"),
        ("variants.yaml", "changed", "variants.yaml"),
    ]
    broken, fresh, gone, moved, wider, variants = data["files"]
    assert broken["faults"] == ["broken.yaml:6:1: unknown key 'haed'"]
    assert broken["macs_delta"] == 0
    assert broken["macs_before"] is None
    assert fresh["macs_delta"] == fresh["macs_after"] == -gone["macs_delta"] > 0
    assert (moved["macs_delta"], moved["parts"][0]["change"]) == (0, "same")
    assert wider["macs_delta"] > 0
    assert wider["over_budget"]
    assert [row["variant"] for row in variants["variants"]] == ["s", "m"]


def test_is_one_comment(branch: Path, run: Run) -> None:
    assert branch
    paths = ("specs", "variants.yaml")
    result = run("compare", "--since", "main", *paths, "--format", "markdown")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "- since: main: 4 spec files changed"
    assert [line for line in lines if line.startswith("| specs/new.yaml")]
    assert "specs/wider.yaml: wider: MACs" in result.stdout
    assert "variants.yaml: Variants of the file" in lines
    assert lines[-1].startswith("over budget: specs/wider.yaml:7:16: budget.macs: ")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["specs"], 1), (["variants.yaml"], 0), (["other.yaml"], 0)],
)
def test_fails_on_a_budget(
    branch: Path, run: Run, arguments: list[str], code: int
) -> None:
    assert branch
    result = run("compare", "--since", "main", "--fail-on", "budget", *arguments)
    assert result.exit_code == code


def test_a_shallow_clone_is_told_what_it_lacks(
    branch: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    shallow = branch / "shallow"
    git("clone", "-q", "--depth", "1", f"file://{branch}", str(shallow))
    monkeypatch.chdir(shallow)
    result = run("compare", "--since", "origin/main")
    assert result.exit_code == 1
    hint = "the clone is shallow: check out with fetch-depth: 0"
    assert result.stderr.endswith(f"; {hint}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--since", "main", "--parts"],
        ["--since", "main", "--energy", "45nm"],
        ["--fail-on", "budget", "b0"],
    ],
)
def test_options_that_do_not_go_together(run: Run, arguments: list[str]) -> None:
    assert run("compare", *arguments).exit_code == 2


def test_a_latency_is_not_judged_and_that_is_said(branch: Path, run: Run) -> None:
    path = branch / "specs" / "timed.yaml"
    path.write_text(f"{SMALL}budget: {{latency: <= 1us, device: cpu}}\n", "utf-8")
    result = run("compare", "--since", "main", "specs/timed.yaml")
    assert result.exit_code == 0
    assert result.stdout.endswith(
        "specs/timed.yaml: 1 limit of latency not measured: check --verify does\n"
    )
