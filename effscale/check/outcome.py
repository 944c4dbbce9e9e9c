"""What became of the files that were checked."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from effscale.version import VERSION

if TYPE_CHECKING:
    from effscale.check.rule import Finding, Severity
    from effscale.check.source import Source

#: What a run is told to fail on, and the severities that then do.
FAILING: dict[str, tuple[Severity, ...]] = {
    "error": ("error",),
    "warning": ("error", "warning"),
}


@dataclass(frozen=True)
class Checked:
    """A file, what was found in it, and how much of that was mended."""

    source: Source
    findings: tuple[Finding, ...]
    fixed: int = 0


@dataclass(frozen=True)
class Outcome:
    """All files of a run, in order."""

    files: tuple[Checked, ...]

    @property
    def findings(self) -> list[Finding]:
        """All of them, file by file."""
        return [finding for each in self.files for finding in each.findings]

    @property
    def severities(self) -> Counter[str]:
        """How many findings there are of each severity."""
        return Counter(finding.severity for finding in self.findings)

    @property
    def fixable(self) -> Counter[str]:
        """How many findings the program could mend, by what has to be asked for."""
        return Counter(str(each.applies) for each in self.findings if each.applies)

    @property
    def fixed(self) -> int:
        """How many findings were mended."""
        return sum(each.fixed for each in self.files)

    def fails(self, on: str) -> bool:
        """Whether a run that fails `on` errors, or on warnings too, does."""
        return any(self.severities[severity] for severity in FAILING[on])

    def data(self) -> dict[str, Any]:
        """As plain data: the JSON of `check`."""
        counts, fixable = self.severities, self.fixable
        return {
            "effscale": VERSION,
            "command": "check",
            "findings": [_row(finding) for finding in self.findings],
            "summary": {
                "files": len(self.files),
                "errors": counts["error"],
                "warnings": counts["warning"],
                "notes": counts["note"],
                "fixed": self.fixed,
                "fixable": {name: fixable[name] for name in _APPLIES},
            },
        }


_APPLIES = ("safe", "unsafe", "update")


def _row(finding: Finding) -> dict[str, Any]:
    names = (
        *("path", "line", "column", "end_line", "end_column"),
        *("code", "severity", "message", "help"),
    )
    row = {name: getattr(finding, name) for name in names}
    return {**row, "fix": finding.applies}
