"""Rooms: arrows point one way, a heavy library has its home, a module its reason."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections import defaultdict
from configparser import ConfigParser
from functools import cache
from pathlib import Path

import pytest

from effscale.spec.schema import subclasses
from effscale.spec.values import Model

PACKAGE = Path(__file__).parents[1] / "effscale"
#: Each room may import those before it, and the files that lie beside the rooms.
ROOMS = (
    *("spec", "network", "growth", "cost", "module", "importing", "train"),
    *("search", "comparing", "study", "checking", "report", "cli"),
)
BESIDE = {
    "arguments",
    "arithmetic",
    "arrays",
    "atomic_write",
    "choices",
    "data",
    "errors",
    "extras",
    "glossary",
    "markup",
    "limit",
    "quantity",
    "version",
}
#: Libraries that take long to load, or are not there for everyone, and where they live.
HOMES = {
    "spec": {"pydantic"},
    "module": {"torch", "fvcore", "onnx", "onnxruntime", "onnxscript"},
    "importing": {"torch"},
    "train": {"torch", "kornia", "PIL"},
    "study": {"ray", "dask", "distributed", "dask_jobqueue", "cloudpickle"},
    "report": {"rich", "matplotlib", "jinja2"},
    "cli": {"rich", "click"},
}
HEAVY = set().union(*HOMES.values())
#: Modules that one other module imports, of the same room, and why they are not in it.
REASONS = {
    "checking.structure": "a family of rules",
    "cli.compare": "a command, whose networks a page shows too",
    "cli.study": "a study's own options and course, beside those of the grid it is of",
    "growth.detector": "a kind of growth",
    "importing.blocks": "what papers' blocks look like, without what is made of them",
    "importing.merging": "calls that make one map of several, without those of one",
    "importing.own": "what blocks of the file's own are, without where lines come from",
    "importing.pycls": "another's files, read without torch",
    "module.meta": "shapes that torch's kernels would say, without the counting",
    "module.naming": "what libraries call things, as data, without the walk over it",
    "module.fvcore_trace": "fvcore's trace, without what measures by it",
    "module.onnx_nodes": "what another runtime has made of operators",
    "network.necks": "a part that some networks have",
    "network.outputs": "parts that some networks have",
    "report.plain": "text, without the formats that are no text",
    "report.terminal": "what needs rich",
    "spec.meanings": "a glossary, without the schema that says it",
    "spec.ultralytics": "another language of files",
    "study.ray_engine": "imports what only effscale[ray] has",
    "study.task": "sent by value to where there is no effscale",
    "train.transfer": "what a training may begin with, and what of it then stays",
    "train.checkpoint": "files of any training, without what a training does",
}
#: Lines of the longest file that one still reads in one sitting.
LONGEST = 700


@cache
def imports(path: Path) -> frozenset[str]:
    """Every module that a file imports, wherever in it, and every name from one."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def room_of(name: str) -> str:
    return name.partition(".")[0]


FILES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def ours(name: str) -> set[str]:
    """The modules of the package that a file imports, `a.b` for `effscale.a.b`."""
    found = set()
    for each in imports(FILES[name]):
        inner = each.removeprefix("effscale.")
        if inner != each:
            found.add(inner if inner in FILES else inner.rpartition(".")[0])
    return found - {name}


def test_every_folder_is_a_room() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
    assert folders - {"__pycache__"} == set(ROOMS)


def test_every_folder_is_in_the_wheel() -> None:
    written = ConfigParser()
    written.read(PACKAGE.parent / "setup.cfg", encoding="utf-8")
    listed = written["options"]["packages"].split()
    found = {path.parent for path in PACKAGE.rglob("__init__.py")}
    names = {".".join(path.relative_to(PACKAGE.parent).parts) for path in found}
    assert set(listed) == {*names, "effscale.specs"}


def allowed(name: str) -> set[str]:
    """The rooms that a file may import, and the files beside them."""
    room = room_of(name)
    if room in {"__init__", "__main__"}:
        return {*ROOMS, *BESIDE}
    return BESIDE.union(ROOMS[: ROOMS.index(room) + 1] if room in ROOMS else ())


def test_arrows_point_one_way() -> None:
    used = {name: {room_of(each) for each in ours(name)} for name in FILES}
    wrong = {name: found - allowed(name) for name, found in used.items()}
    assert {name: found for name, found in wrong.items() if found} == {}
    assert {room_of(name) for name in FILES} == {
        *ROOMS,
        *BESIDE,
        "__init__",
        "__main__",
    }


def test_heavy_libraries_have_their_homes() -> None:
    used = {
        name: HEAVY & {each.partition(".")[0] for each in imports(path)}
        for name, path in FILES.items()
    }
    wrong = {
        name: each - HOMES.get(room_of(name), set()) for name, each in used.items()
    }
    assert {name: found for name, found in wrong.items() if found} == {}


def test_a_module_for_one_other_has_a_reason() -> None:
    users: dict[str, set[str]] = defaultdict(set)
    for name in FILES:
        for each in ours(name):
            users[each].add(name)
    alone = {
        name
        for name, (user, *more) in users.items()
        if not more and "." in name and room_of(name) == room_of(user)
    }
    assert alone - REASONS.keys() == set()  # else: merge, or say why not
    assert REASONS.keys() - alone == set()  # else: no reason is needed any more


def test_files_are_read_in_one_sitting() -> None:
    lines = {
        name: len(path.read_text("utf-8").splitlines()) for name, path in FILES.items()
    }
    assert {name: count for name, count in lines.items() if count > LONGEST} == {}


def test_models_state_types_rather_than_their_texts() -> None:
    """Pydantic would compile the text of every field each time that it is imported."""
    modules = {each.__module__ for each in subclasses(Model)}
    texts = {name for name in modules if hasattr(sys.modules[name], "annotations")}
    assert modules >= {"effscale.spec.models", "effscale.spec.steps"}
    assert texts == set()


#: Runs each command in one program; what each says and has loaded goes to stderr.
PROGRAM = """
import contextlib, io, json, sys
from effscale.cli import main

HEAVY = {"torch", "fvcore", "matplotlib", "numpy", "pandas", "rich"}
for arguments in json.load(sys.stdin):
    before, said = set(sys.modules), io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        try:
            main(arguments, prog_name="effscale")
        except SystemExit as stop:
            code = stop.code
    loaded = HEAVY & (set(sys.modules) - before)
    print(json.dumps([code or 0, said.getvalue(), sorted(loaded)]))
"""
#: The last two search among arrays of candidates, and need numpy.
COMMANDS = [
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
    [
        "check",
        *(str(PACKAGE.parent / "specs" / f"{name}.yaml") for name in ("b0", "d0")),
    ],
    ["rule", "--all"],
    ["schema"],
    ["train", "--help"],
    ["grid"],
    ["fit", "--macs", "1G"],
]


@pytest.fixture(scope="module")
def answers() -> list[list[object]]:
    """Exit code, words on stderr, and heavy libraries that each command loaded."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(COMMANDS),
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda each: " ".join(each[:3]))
def test_loads_no_torch(answers: list[list[object]], arguments: list[str]) -> None:
    code, said, loaded = answers[COMMANDS.index(arguments)]
    assert (code, said) == (0, "")
    assert loaded == (["numpy"] if arguments == ["grid"] else [])
