"""Findings as SARIF 2.1.0 (OASIS), which code scanning reads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from effscale.check.catalogue import RULES
from effscale.version import VERSION

if TYPE_CHECKING:
    from effscale.check.outcome import Outcome
    from effscale.check.rule import Finding, Rule

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/"
    "sarif-schema-2.1.0.json"
)


def sarif(outcome: Outcome) -> str:
    """One run, with the rules that it found broken."""
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


def _result(finding: Finding, used: list[str]) -> dict[str, Any]:
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
    hint = f" ({finding.help})" if finding.help else ""
    return {
        "ruleId": finding.code,
        "ruleIndex": used.index(finding.code),
        "level": finding.severity,
        "message": {"text": f"{finding.message}{hint}"},
        "locations": [{"physicalLocation": physical}],
    }
