"""Findings as JUnit's XML, which build servers read."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

from effscale.check.formats import where

if TYPE_CHECKING:
    from effscale.check.outcome import Checked, Outcome


def junit(outcome: Outcome) -> str:
    """A suite for each file, a case for each finding; a file without any passes."""
    bad = [each for each in outcome.findings if each.severity != "note"]
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
        failures=str(sum(each.severity != "note" for each in findings)),
        errors="0",
    )
    if not findings:
        ET.SubElement(suite, "testcase", name="effscale check", classname=path)
    for each in findings:
        name = f"{each.code} {each.line}:{each.column}"
        case = ET.SubElement(suite, "testcase", name=name, classname=path)
        if each.line:
            case.set("line", str(each.line))
        said = _printable(f"{where(each)}: {each.message}")
        if each.severity == "note":
            ET.SubElement(case, "system-out").text = said
            continue
        failure = ET.SubElement(case, "failure", type=each.severity, message=said)
        failure.text = _printable(each.help)


def _printable(text: str) -> str:
    """Text without what XML cannot hold, not even escaped."""
    kept = (
        c if c in "\t\n\r" or c.isprintable() or c == " " else "\ufffd" for c in text
    )
    return "".join(kept)
