"""README.md's examples: found, run, and written back by `make docs`."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import effscale as es
from effscale.check.catalogue import RULES
from effscale.quantity import human

README = Path(__file__).parents[1] / "README.md"
_CONSOLE = re.compile(r"```console\n\$ (.*)\n((?:.*\n)*?)```\n")
_FILE = re.compile(r"<!-- file: (.*) -->\n```yaml\n((?:.*\n)*?)```\n")
_RULES = re.compile(r"(<!-- rules:.*-->\n)(?:.*\n)*?(<!-- end -->\n)")
_TABLE = re.compile(r"(<!-- b-series:.*-->\n)(?:.*\n)*?(<!-- end -->\n)")


def commands(text: str) -> list[str]:
    """Every command that the text shows with its output."""
    return [match[1] for match in _CONSOLE.finditer(text)]


def refreshed(text: str) -> str:
    """The text with each command's true output, and the B-series as counted."""
    with tempfile.TemporaryDirectory() as folder:
        for match in _FILE.finditer(text):
            Path(folder, match[1]).write_text(match[2], encoding="utf-8")
        text = _CONSOLE.sub(lambda match: _console(match[1], folder), text)
    text = _RULES.sub(lambda match: match[1] + _rules() + match[2], text)
    return _TABLE.sub(lambda match: match[1] + _b_series() + match[2], text)


def _console(command: str, folder: str) -> str:
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    environment.pop("GITHUB_ACTIONS", None)  # findings would be annotations
    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(command)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return f"```console\n$ {command}\n{done.stdout}{done.stderr}```\n"


def _rules() -> str:
    head = "| rule | | finds | mended by |\n|---|---|---|---|\n"
    option = {"safe": "`--fix`", "unsafe": "`--unsafe-fixes`", "update": "`--update`"}
    return head + "".join(
        f"| {rule.code} | {rule.name} | {rule.what} "
        f"| {option.get(str(rule.applies), '')} |\n"
        for rule in RULES.values()
    )


def _b_series() -> str:
    rows = [
        "| | params | published | MACs | published | top-1 |\n",
        "|---|---|---|---|---|---|\n",
    ]
    for index in range(8):
        spec = es.load(f"b{index}")
        cost, printed = es.count(spec), spec.published
        assert printed is not None
        params, macs = human(int(cost.params)), human(int(cost.macs))
        rows.append(
            f"| B{index} | {params} | {printed.params} | {macs} | {printed.macs} "
            f"| {printed.top1} |\n"
        )
    return "".join(rows)


if __name__ == "__main__":
    README.write_text(refreshed(README.read_text("utf-8")), encoding="utf-8")
