"""With click, pydantic and pyyaml alone: what runs, and what names what it lacks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
#: Runs commands where only these libraries, and Python's own, are found.
PROGRAM = """
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder
import importlib.metadata

KEPT = {*sys.stdlib_module_names, "effscale", "click", "pydantic", "pydantic_core",
        "yaml", "_yaml", "annotated_types", "typing_extensions", "typing_inspection"}

class Light:
    @staticmethod
    def find_spec(name, path=None, target=None):
        first = name.partition(".")[0]
        kept = first in KEPT or first.startswith("_sysconfigdata")
        return PathFinder.find_spec(name, path, target) if kept else None

    @staticmethod
    def find_distributions(context):
        kept = context.name is None or context.name in KEPT
        return PathFinder.find_distributions(context) if kept else []

sys.meta_path = [BuiltinImporter, FrozenImporter, Light]
from effscale.cli import main
answers = []
for arguments in json.load(sys.stdin):
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main(arguments)
            code = None
        except SystemExit as end:
            code = end.code
    answers.append([code, out.getvalue(), err.getvalue()])
assert not {"torch", "numpy", "rich", "fvcore"} & sys.modules.keys()
print(json.dumps(answers))
"""
RUNS = (
    "--version",
    "--help",
    "check specs/b0.yaml specs/d0.yaml",
    "check specs/b0.yaml --format sarif",
    "compare specs/b0.yaml specs/b0.yaml@b1 --format markdown",
    "compare b0 b4",
    "profile b0 --measure none",
    "profile d0 --measure none --by level --format json",
    "profile b0 --measure none --as ptflops",
    "scale --phi 1 --measure none",
    "specs",
    "specs --format csv",
    "rule --all",
    "schema",
)
LACKS = {
    "check specs/b0.yaml --verify": "torch",
    "profile b0": "torch",
    "profile b0 --latency": "torch",
    "profile torchvision.models:resnet50": "torch",
    "compare b0 b4 --measure torch": "torch",
    "scale --phi 1": "torch",
    "train specs/b0.yaml": "torch",
    "export b0 --output b0.pt": "torch",
    "grid": "numpy",
    "fit --macs 1G --measure none": "numpy",
    "scale --sweep resolution=200..220 --measure none": "numpy",
}


@cache
def answers() -> dict[str, tuple[int, str, str]]:
    """The exit code, output and errors of each command."""
    commands = [*RUNS, *LACKS]
    told = json.dumps([command.split() for command in commands])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=told,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "100"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(commands, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("command", RUNS)
def test_runs(command: str) -> None:
    code, out, err = answers()[command]
    assert (code, err) == (0, "")
    assert out


@pytest.mark.parametrize("command", LACKS)
def test_says_what_it_lacks(command: str) -> None:
    library = LACKS[command]
    message = f"needs {library}; pip install {library} brings it\n"
    assert tuple(answers()[command]) == (1, "", message)
