"""A run of checks: the files that are read, what is found in them, the outcome."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from effscale.checking import ignores, reading
from effscale.checking.catalogue import FINDERS, RULES, applies_to, help_on, severity
from effscale.checking.cost import DIFFERS
from effscale.checking.rule import Applies
from effscale.checking.source import Source
from effscale.choices import SPECS
from effscale.errors import SpecError
from effscale.spec.loading import FOREIGN
from effscale.spec.nodes import label, read_bytes
from effscale.version import STAMP

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from effscale.checking.rule import Severity
    from effscale.errors import Fault


#: Rules that no finder looks for, but a measurement.
VERIFIED = {DIFFERS.code}


def check(source: Source, enabled: Collection[str] = frozenset(RULES)) -> list[Fault]:
    """Everything that the `enabled` rules find in a file, in its order.

    A model of ultralytics is of another language: whether it can be read is all.
    """
    finders = [reading] if FOREIGN.search(source.text) else FINDERS
    found = (each for finder in finders for each in finder.findings(source))
    looked_for = sorted(each for each in found if each.code in enabled)
    left = ignores.applied(source, looked_for, RULES, {*enabled} - VERIFIED)
    return sorted(each for each in left if each.code in enabled)


#: What a run is told to fail on, and the severities that then do.
FAILING: dict[str, tuple[Severity, ...]] = {
    "error": ("error",),
    "warning": ("error", "warning"),
}


@dataclass(frozen=True)
class Checked:
    """A file, what was found in it, and how much of that was mended."""

    source: Source
    findings: tuple[Fault, ...]
    fixed: int = 0


@dataclass(frozen=True)
class Outcome:
    """All files of a run, in order."""

    files: tuple[Checked, ...]
    left: int = 0  #: YAML files of its folders that are no specs
    unmeasured: int = 0  #: limits of latency that nobody has measured

    @property
    def findings(self) -> list[Fault]:
        return [finding for each in self.files for finding in each.findings]

    @property
    def severities(self) -> Counter[Severity]:
        return Counter(map(severity, self.findings))

    @property
    def fixable(self) -> Counter[Applies]:
        """How many findings the program could mend, by what has to be asked for."""
        return Counter(filter(None, map(applies_to, self.findings)))

    @property
    def fixed(self) -> int:
        return sum(each.fixed for each in self.files)

    def fails(self, on: str) -> bool:
        return any(self.severities[each] for each in FAILING[on])

    def data(self) -> dict[str, Any]:
        """As plain data: the JSON of `check`."""
        counts, fixable = self.severities, self.fixable
        return {
            **STAMP,
            "command": "check",
            "findings": [_row(finding) for finding in self.findings],
            "summary": {
                "files": len(self.files),
                "left": self.left,
                "errors": counts["error"],
                "warnings": counts["warning"],
                "notes": counts["note"],
                "unmeasured": self.unmeasured,
                "fixed": self.fixed,
                "fixable": {name: fixable[name] for name in get_args(Applies)},
            },
        }


def _row(finding: Fault) -> dict[str, Any]:
    ends = ("path", "line", "column", "end_line", "end_column", "code")
    return {
        **{name: getattr(finding, name) for name in ends},
        "severity": severity(finding),
        "message": finding.said,
        "help": help_on(finding),
        "fix": applies_to(finding),
    }


#: What a file is called that says it is a spec.
SPEC_SUFFIXES = tuple(f".effscale{suffix}" for suffix in SPECS)
#: Folders that hold what others wrote, beside those that are hidden.
OTHERS = {"node_modules", "site-packages", "venv", "__pycache__"}
#: What a spec has at its first level. One of the first kind and another are no chance:
#: other tools have stages of a build, or a backbone and a head.
_TELLING = {b"stem", b"stages", b"neck"}
_KEYS = re.compile(
    rb"""^(["']?)(stem|stages|neck|head|heads|backbone|resolution|variants|expected)"""
    rb"""\1[ \t]*:""",
    re.MULTILINE,
)
#: What editors are told by, in a comment.
_MODELINE = re.compile(rb"^#[ \t]*yaml-language-server:.*effscale", re.MULTILINE)
_HEAD = 2**16


def read(path: str) -> Source:
    """The file at `path`, `-` for standard input, whatever is wrong with it."""
    name = _printable(label(path))
    try:
        return Source.of_bytes(name, read_bytes(path), path)
    except SpecError as error:
        return Source.unread(name, error.faults, path)


def _printable(path: str) -> str:
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "replace").decode()
        for c in path
    )


def below(folder: str | Path) -> Iterator[str]:
    """Every YAML file in `folder` and the folders in it, sorted; hidden ones not.

    A pipe or a device is no file, whatever its name; a link to nothing is one.
    """
    for top, folders, names in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if name[0] != "." and name not in OTHERS
        )
        for name in sorted(names):
            path = os.path.normpath(os.path.join(top, name))  # noqa: PTH118
            is_file = Path(path).is_file() or not Path(path).exists()
            if name.endswith(SPECS) and name[0] != "." and is_file:
                yield path


def listed(paths: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """The files that `paths` name, each once, in order, and those that are left alone.

    A folder, the current one where no path is given, stands for the specs below it;
    other YAML files there are left alone.
    """
    found: dict[str, bool] = {}
    for path in paths or (".",):
        if Path(path).is_dir():
            for each in below(path):
                found[each] = found.get(each) or looks_like_a_spec(each)
        else:
            found[path] = True
    files = [path for path, wanted in found.items() if wanted]
    return files, [path for path, wanted in found.items() if not wanted]


def looks_like_a_spec(path: str) -> bool:
    """Whether a file is a spec by its name, its keys, or what editors are told."""
    if path.endswith(SPEC_SUFFIXES):
        return True
    try:
        with Path(path).open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    keys = {key for _, key in _KEYS.findall(head)}
    telling = bool(keys & _TELLING) and len(keys) > 1
    return telling or bool(_MODELINE.search(head))
