"""The examples of README.md and docs/: found, run, written back by `make shown`."""

from __future__ import annotations

import ast
import contextlib
import json
import re
import shlex
import tempfile
from pathlib import Path
from typing import Any

from click.testing import CliRunner

import effscale as es
from effscale import glossary
from effscale.checking.catalogue import RULES
from effscale.cli import COMMANDS, main
from effscale.quantity import human
from effscale.report import specs
from effscale.spec.names import folder

ROOT = Path(__file__).parents[1]
#: README.md and every page of docs/.
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
#: Notebooks of docs/.
NOTEBOOKS = sorted((ROOT / "docs").rglob("*.ipynb"))
_CONSOLE = re.compile(r"```console\n\$ (.*)\n((?:.*\n)*?)```\n")
_FILE = re.compile(r"<!-- file: (.*) -->\n```yaml\n((?:.*\n)*?)```\n")
_RULES = re.compile(r"(<!-- rules:.*-->\n)(?:.*\n)*?(<!-- end -->\n)")
_HELP = re.compile(r"(<!-- commands:.*-->\n)(?:.*\n)*?(<!-- end -->\n)")
_NAMES = re.compile(r"(<!-- api:.*-->\n)(?:.*\n)*?(<!-- end -->\n)")
_WORDS = re.compile(r"(<!-- words:.*-->\n)(?:.*\n)*?(<!-- end -->\n)")
_JSON = re.compile(r"(<!-- json:.*-->\n)(?:.*\n)*?(<!-- end -->\n)")
_TABLE = re.compile(r"(<!-- b-series:.*-->\n)(?:.*\n)*?(<!-- end -->\n)")


def examples(text: str) -> list[tuple[str, str]]:
    """Every command that the text shows, and what it is shown to print."""
    return [(match[1], match[2]) for match in _CONSOLE.finditer(text)]


def write_files(text: str, folder: Path) -> None:
    """The files that the text shows, for its commands to read."""
    for match in _FILE.finditer(text):
        (folder / match[1]).write_text(match[2], encoding="utf-8")


def printed(command: str) -> str:
    """What a command of ours prints in the folder that is current."""
    program, *arguments = shlex.split(command)
    environment = dict.fromkeys(("GITHUB_ACTIONS", "FORCE_COLOR", "COLUMNS"))
    runner = CliRunner(env=environment)  # else findings may be annotations
    done = runner.invoke(main, arguments, prog_name=program)
    return done.stdout + done.stderr


def refreshed(text: str) -> str:
    """The text with each command's true output, and its tables as they are."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        write_files(text, Path(folder))
        text = _CONSOLE.sub(
            lambda match: f"```console\n$ {match[1]}\n{printed(match[1])}```\n", text
        )
    return with_tables(text)


def with_tables(text: str) -> str:
    """The text with what is generated of it: rules, commands, names, the B-series."""
    text = _RULES.sub(lambda match: match[1] + _rules() + match[2], text)
    text = _HELP.sub(lambda match: match[1] + _commands() + match[2], text)
    text = _NAMES.sub(lambda match: match[1] + _names() + match[2], text)
    text = _WORDS.sub(lambda match: match[1] + glossary.page() + match[2], text)
    text = _JSON.sub(lambda match: match[1] + glossary.json_page() + match[2], text)
    return _TABLE.sub(lambda match: match[1] + _b_series() + match[2], text)


def executed(notebook: str) -> str:
    """The text of a notebook with what its cells answer, each run after the last."""
    found, scope = json.loads(notebook), dict[str, Any]()
    cells = [each for each in found["cells"] if each["cell_type"] == "code"]
    for number, cell in enumerate(cells, 1):
        cell["execution_count"] = number
        answer = _answer("".join(cell["source"]), scope)
        cell["outputs"] = [] if answer is None else [_output(answer, number)]
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def _answer(source: str, scope: dict[str, Any]) -> object:
    """What the last line of a cell says, where it is an expression."""
    *statements, last = ast.parse(source).body
    if not isinstance(last, ast.Expr):
        statements, last = [*statements, last], ast.Expr(ast.Constant(value=None))
    whole = ast.Module(statements, type_ignores=[])
    exec(compile(whole, "<cell>", "exec"), scope)  # noqa: S102 - our own notebook
    asked = ast.Expression(last.value)
    return eval(compile(asked, "<cell>", "eval"), scope)  # noqa: S307 - the same


def _output(answer: object, number: int) -> dict[str, Any]:
    """An answer as text alone: what a table of HTML adds is the reader's colours."""
    return {
        "data": {"text/plain": repr(answer).splitlines(keepends=True)},
        "execution_count": number,
        "metadata": {},
        "output_type": "execute_result",
    }


def _rules() -> str:
    head = "| rule | | finds | fixed by |\n|---|---|---|---|\n"
    option = {"safe": "`--fix`", "unsafe": "`--unsafe-fixes`", "update": "`--update`"}
    return head + "".join(
        f"| {rule.code} | {rule.name} | {rule.what} "
        f"| {option.get(str(rule.applies), '')} |\n"
        for rule in RULES.values()
    )


def _commands() -> str:
    """Each command's help, under its name."""
    helps = (f"## {name}\n\n```text\n{_help(name)}```\n" for name in COMMANDS)
    return "\n" + "\n".join(helps)


def _help(name: str) -> str:
    text = printed(f"effscale {name} --help")
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def _names() -> str:
    """What `import effscale` has, for mkdocstrings to explain."""
    names = [name for name in es.__all__ if not name.startswith("__")]
    homes = {name: getattr(es, name).__module__ for name in names}
    return "".join(f"\n::: {home}.{name}\n" for name, home in homes.items())


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
    (folder() / specs.KEPT).write_text(specs.kept_text(), encoding="utf-8")
    for page in PAGES:
        page.write_text(refreshed(page.read_text("utf-8")), encoding="utf-8")
    for page in NOTEBOOKS:
        page.write_text(executed(page.read_text("utf-8")), encoding="utf-8")
