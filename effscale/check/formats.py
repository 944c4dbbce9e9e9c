"""Findings for programs: concise lines, JSON, GitHub's annotations and summary."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from effscale.check.catalogue import RULES

if TYPE_CHECKING:
    from effscale.check.outcome import Outcome
    from effscale.check.rule import Finding


def where(finding: Finding) -> str:
    """`path:line:column`, or the path alone of what concerns a whole file."""
    place = (finding.path, finding.line, finding.column)
    return ":".join(map(str, place)) if finding.line else finding.path


def concise(outcome: Outcome) -> str:
    """A line for each finding, as editors and problem matchers read them."""
    return "".join(
        f"{where(each)}: {each.severity} {each.code} {each.message}\n"
        for each in outcome.findings
    )


def as_json(outcome: Outcome) -> str:
    """One object."""
    return json.dumps(outcome.data(), indent=2, ensure_ascii=False) + "\n"


def github(outcome: Outcome) -> str:
    """Workflow commands, which GitHub shows beside the lines of a pull request."""
    return "".join(map(_annotation, outcome.findings))


def _annotation(finding: Finding) -> str:
    properties: dict[str, object] = {"file": finding.path}
    if finding.line:
        properties |= {"line": finding.line, "endLine": finding.end_line}
        if finding.line == finding.end_line:
            properties |= {"col": finding.column, "endColumn": finding.end_column}
    properties["title"] = f"{finding.code} {RULES[finding.code].name}"
    listed = ",".join(f"{name}={_escaped(v)}" for name, v in properties.items())
    kind = "notice" if finding.severity == "note" else finding.severity
    said = f"{where(finding)}: {finding.message}"
    text = f"{said}\nhelp: {finding.help}" if finding.help else said
    return f"::{kind} {listed}::{_escaped(text, of_property=False)}\n"


def _escaped(value: object, *, of_property: bool = True) -> str:
    """Text in a workflow command (actions/toolkit, core/src/command.ts)."""
    text = str(value).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if of_property else text


def summary(outcome: Outcome) -> str:
    """A table in Markdown, for the summary of a step."""
    head = f"### effscale check\n\n{counted(outcome)}\n"
    if not outcome.findings:
        return f"{head}\n"
    rows = [
        f"| {_cell(where(each))} | {each.severity} | {each.code} "
        f"| {_cell(each.message)} | {_cell(each.help)} |\n"
        for each in outcome.findings
    ]
    return f"{head}\n| place | | rule | finding | help |\n|---|---|---|---|---|\n" + (
        "".join(rows) + "\n"
    )


def _cell(text: str) -> str:
    for sign in "\\`*_|<>[]":
        text = text.replace(sign, f"\\{sign}")
    return text


def counted(outcome: Outcome) -> str:
    """`3 errors, 1 warning in 2 of 5 files`, in a sentence."""
    files = _several(len(outcome.files), "file")
    if not outcome.findings:
        return f"{files} checked, nothing found"
    of_kind = [
        _several(outcome.severities[kind], kind)
        for kind in ("error", "warning", "note")
        if outcome.severities[kind]
    ]
    bad = sum(bool(each.findings) for each in outcome.files)
    of_all = files if len(outcome.files) == bad else f"{bad:,} of {files}"
    return f"{', '.join(of_kind)} in {of_all}"


def _several(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("s" if number != 1 else "")
