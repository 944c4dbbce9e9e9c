"""Which files to check."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

from effscale.check.source import Source
from effscale.errors import SpecError
from effscale.spec.files import label, read_bytes

SUFFIXES = (".yaml", ".yml")
#: What a file is called that says it is a spec.
SPEC_SUFFIXES = tuple(f".effscale{suffix}" for suffix in SUFFIXES)
#: Folders that hold what others wrote, beside those that are hidden.
FOREIGN = {"node_modules", "site-packages", "venv", "__pycache__"}
#: What a spec has at its first level: two of these are no chance.
_KEYS = re.compile(rb"^(?:stem|stages|head|variants|expected)[ \t]*:", re.MULTILINE)
_HEAD = 2**16


def read(path: str) -> Source:
    """The file at `path`, `-` for standard input, whatever is wrong with it."""
    name = _printable(label(path))
    try:
        return Source.of_bytes(name, read_bytes(path), path)
    except SpecError as error:
        return Source.unread(name, error.faults, path)


def _printable(path: str) -> str:
    """A path in one line of what can be shown."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "replace").decode()
        for c in path
    )


def below(folder: str | Path) -> Iterator[str]:
    """Every YAML file in `folder` and the folders in it, sorted; hidden ones not."""
    for top, folders, names in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if name[0] != "." and name not in FOREIGN
        )
        for name in sorted(names):
            if name.endswith(SUFFIXES) and name[0] != ".":
                yield os.path.normpath(os.path.join(top, name))  # noqa: PTH118


def listed(paths: tuple[str, ...]) -> list[str]:
    """The files that `paths` name, each once, in order; folders stand for those below.

    No path stands for the specs below the current folder: other YAML files are left
    out, which no folder that is named does.
    """
    if not paths:
        return [path for path in below(".") if looks_like_a_spec(path)]
    found: list[str] = []
    for path in paths:
        found += below(path) if Path(path).is_dir() else [path]
    return list(dict.fromkeys(found))


def looks_like_a_spec(path: str) -> bool:
    """Whether a file is called a spec, or has keys of one at its first level."""
    if path.endswith(SPEC_SUFFIXES):
        return True
    try:
        with Path(path).open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    return len(set(_KEYS.findall(head))) > 1
