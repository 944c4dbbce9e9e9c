"""Arrows point one way, and torch is loaded by those alone who need it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "effscale"
#: Each room may import those before it, and the files that lie beside the rooms.
ROOMS = (
    *("spec", "network", "growth", "cost", "module", "train"),
    *("search", "compare", "study", "check", "report", "cli"),
)
BESIDE = {
    "arrays",
    "choices",
    "errors",
    "extras",
    "markup",
    "quantity",
    "version",
    "atomic_write",
}
TORCH = {"torch", "fvcore", "kornia", "PIL"}
ENGINES = {"ray", "dask", "distributed", "dask_jobqueue", "cloudpickle"}
SHOWS = {"rich", "matplotlib", "jinja2"}


def imports(path: Path) -> set[str]:
    """Every module that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def files() -> list[Path]:
    return [path for room in ROOMS for path in sorted((PACKAGE / room).rglob("*.py"))]


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0]


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def test_every_folder_is_a_room() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
    assert folders - {"__pycache__"} == set(ROOMS)


@pytest.mark.parametrize("path", files(), ids=name_of)
def test_arrows_point_one_way(path: Path) -> None:
    allowed = set(ROOMS[: ROOMS.index(room_of(path)) + 1]) | BESIDE
    ours = {
        name.split(".")[1] for name in imports(path) if name.startswith("effscale.")
    }
    assert ours <= allowed


@pytest.mark.parametrize("path", files(), ids=name_of)
def test_heavy_libraries_have_one_home_each(path: Path) -> None:
    others = {name.split(".")[0] for name in imports(path)}
    assert room_of(path) in {"module", "train"} or not others & TORCH
    assert room_of(path) == "study" or not others & ENGINES
    assert room_of(path) in {"report", "cli"} or not others & SHOWS


def test_files_are_read_in_one_sitting() -> None:
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in files()}
    assert {path: n for path, n in lengths.items() if n > 700} == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["specs"],
        ["profile", "b0", "--measure", "none"],
        ["scale", "--phi", "0..2", "--measure", "none"],
        ["compare", "b0", "b1", "resnet"],
        ["compare", "b0", "b1", "--parts"],
        ["compare", "--table", "efficientnet-3"],
        ["scale", "--help"],
        ["report", "--help"],
        ["export", "--help"],
        ["profile", "--help"],
        ["check", str(PACKAGE.parent / "specs")],
        ["rule", "--all"],
        ["schema"],
        ["train", "--help"],
    ],
    ids=" ".join,
)
def test_loads_no_torch(arguments: list[str]) -> None:
    """Nor numpy, which only arrays of candidates need."""
    code = (
        "import sys; from effscale.cli import main\n"
        "try: main()\n"
        "except SystemExit as stop: code = stop.code\n"
        "heavy = {'torch', 'fvcore', 'numpy', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(code or ', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
