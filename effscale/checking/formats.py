"""Findings for programs: concise lines, JSON, GitHub's, JUnit and SARIF."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

from effscale.checking.catalogue import RULES, help_on, severity
from effscale.version import VERSION

if TYPE_CHECKING:
    from effscale.checking.rule import Rule
    from effscale.checking.run import Checked, Outcome
    from effscale.errors import Fault


def concise(outcome: Outcome) -> str:
    """A line for each finding, as editors and problem matchers read them."""
    return "".join(
        f"{each.where}: {severity(each)} {each.code} {each.said}\n"
        for each in outcome.findings
    )


def as_json(outcome: Outcome) -> str:
    return json.dumps(outcome.data(), indent=2, ensure_ascii=False) + "\n"


def github(outcome: Outcome) -> str:
    """Workflow commands, which GitHub shows beside the lines of a pull request."""
    return "".join(map(_annotation, outcome.findings))


def _annotation(finding: Fault) -> str:
    properties: dict[str, object] = {"file": finding.path}
    if finding.line:
        properties |= {"line": finding.line, "endLine": finding.end_line}
        if finding.line == finding.end_line:
            properties |= {"col": finding.column, "endColumn": finding.end_column}
    properties["title"] = f"{finding.code} {RULES[finding.code].name}"
    listed = ",".join(f"{name}={_escaped(v)}" for name, v in properties.items())
    kind = "notice" if severity(finding) == "note" else severity(finding)
    said = f"{finding.where}: {finding.said}"
    text = f"{said}\nhelp: {help_on(finding)}" if help_on(finding) else said
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
        f"| {_cell(each.where)} | {severity(each)} | {each.code} "
        f"| {_cell(each.said)} | {_cell(help_on(each))} |\n"
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
    left = ""
    if outcome.left:
        others = _several(outcome.left, "other YAML file")
        left = f"; {others} left alone"
    if outcome.unmeasured:
        limits = _several(outcome.unmeasured, "limit")
        left += f"; {limits} of latency not measured: --verify does"
    if not outcome.findings:
        return f"{files} checked, nothing found{left}"
    of_kind = [
        _several(outcome.severities[kind], kind)
        for kind in ("error", "warning", "note")
        if outcome.severities[kind]
    ]
    bad = sum(bool(each.findings) for each in outcome.files)
    of_all = files if len(outcome.files) == bad else f"{bad:,} of {files}"
    return f"{', '.join(of_kind)} in {of_all}{left}"


def _several(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("s" if number != 1 else "")


def junit(outcome: Outcome) -> str:
    """JUnit's XML, for build servers: a suite for each file, a case for each finding.

    A file without any passes.
    """
    bad = [each for each in outcome.findings if severity(each) != "note"]
    suites = ET.Element(
        "testsuites",
        name="effscale check",
        tests=str(sum(max(1, len(each.findings)) for each in outcome.files)),
        failures=str(len(bad)),
        errors="0",
    )
    for each in outcome.files:
        _suite(suites, each)
    ET.indent(suites)
    body = ET.tostring(suites, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _suite(suites: ET.Element, checked: Checked) -> None:
    findings, path = checked.findings, _printable(checked.source.path)
    suite = ET.SubElement(
        suites,
        "testsuite",
        name=path,
        tests=str(max(1, len(findings))),
        failures=str(sum(severity(each) != "note" for each in findings)),
        errors="0",
    )
    if not findings:
        ET.SubElement(suite, "testcase", name="effscale check", classname=path)
    for each in findings:
        name = f"{each.code} {each.line}:{each.column}"
        case = ET.SubElement(suite, "testcase", name=name, classname=path)
        if each.line:
            case.set("line", str(each.line))
        said = _printable(f"{each.where}: {each.said}")
        if severity(each) == "note":
            ET.SubElement(case, "system-out").text = said
            continue
        failure = ET.SubElement(case, "failure", type=severity(each), message=said)
        failure.text = _printable(help_on(each))


def _printable(text: str) -> str:
    """Text without what XML cannot hold, not even escaped."""
    kept = (
        c if c in "\t\n\r" or c.isprintable() or c == " " else "\ufffd" for c in text
    )
    return "".join(kept)


SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/"
    "sarif-schema-2.1.0.json"
)


def sarif(outcome: Outcome) -> str:
    """SARIF 2.1.0 (OASIS), for code scanning: a run, and the rules it found broken."""
    used = sorted({each.code for each in outcome.findings})
    driver = {
        "name": "effscale",
        "version": VERSION,
        "rules": [_descriptor(RULES[code]) for code in used],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(each, used) for each in outcome.findings],
    }
    document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _descriptor(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": rule.what},
        "fullDescription": {"text": rule.why},
        "help": {"text": f"{rule.why}\n\nInstead of\n\n{rule.bad}\n\n{rule.good}\n"},
        "defaultConfiguration": {"level": rule.severity},
    }


def _result(finding: Fault, used: list[str]) -> dict[str, Any]:
    from urllib.parse import quote

    uri = quote(finding.path.replace("\\", "/"))
    physical: dict[str, Any] = {"artifactLocation": {"uri": uri}}
    if finding.line:
        physical["region"] = {
            "startLine": finding.line,
            "startColumn": finding.column,
            "endLine": finding.end_line,
            "endColumn": finding.end_column,
        }
    hint = f" ({help_on(finding)})" if help_on(finding) else ""
    return {
        "ruleId": finding.code,
        "ruleIndex": used.index(finding.code),
        "level": severity(finding),
        "message": {"text": f"{finding.said}{hint}"},
        "locations": [{"physicalLocation": physical}],
    }
