"""Tests of `effscale.checking.formats`, `sarif` and `junit`: findings for programs."""

from __future__ import annotations

import json
from functools import cache
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from junitparser import JUnitXml
from sarif_pydantic import Sarif

from effscale.checking import formats
from effscale.checking.catalogue import RULES, severity
from effscale.checking.formats import junit, sarif
from effscale.checking.run import Checked, Outcome, check
from effscale.checking.source import Source
from tests.checking.corpus import FILES, findings, source
from tests.spec.small import TEXT as SMALL

if TYPE_CHECKING:
    from collections.abc import Callable


def outcome(*texts: str) -> Outcome:
    sources = [Source.of(f"{k}.yaml", text) for k, text in enumerate(texts)]
    return Outcome(tuple(Checked(each, tuple(check(each))) for each in sources))


GOOD, ODD = SMALL, SMALL.replace("32", "31").replace("kernel: 3,", "kernal: 3,", 1)
ODD = ODD.replace("resolution: 31", "resolution: none")
BOTH = outcome(GOOD, ODD)


@cache
def corpus() -> Outcome:
    return Outcome(tuple(Checked(source(each), findings(each)) for each in FILES))


def test_concise_is_a_line_for_each() -> None:
    assert formats.concise(BOTH) == (
        "1.yaml:2:13: error EFF104 resolution: expected a whole number "
        "from 1 to 65536, got 'none'\n"
        "1.yaml:3:8: error EFF102 stem: unknown key 'kernal'\n"
    )
    assert len(formats.concise(corpus()).splitlines()) == len(corpus().findings)


def test_json_is_the_contract() -> None:
    data = json.loads(formats.as_json(BOTH))
    assert (data["effscale"], data["command"]) == ("0.2.0", "check")
    assert data["findings"][1] == {
        "path": "1.yaml",
        "line": 3,
        "column": 8,
        "end_line": 3,
        "end_column": 14,
        "code": "EFF102",
        "severity": "error",
        "message": "stem: unknown key 'kernal'",
        "help": "did you mean 'kernel'?",
        "fix": "safe",
    }
    assert data["summary"] == {
        "files": 2,
        "left": 0,
        "errors": 2,
        "warnings": 0,
        "notes": 0,
        "unmeasured": 0,
        "fixed": 0,
        "fixable": {"safe": 1, "unsafe": 0, "update": 0},
    }


def test_github_is_a_command_for_each() -> None:
    assert formats.github(BOTH).splitlines()[1] == (
        "::error file=1.yaml,line=3,endLine=3,col=8,endColumn=14,"
        "title=EFF102 unknown-key::1.yaml:3:8: stem: unknown key 'kernal'"
        "%0Ahelp: did you mean 'kernel'?"
    )
    for line in formats.github(corpus()).splitlines():
        assert line.startswith(("::error file=", "::warning file=", "::notice file="))


def test_github_escapes_what_would_end_a_property() -> None:
    found = Source.unread("a,b:c%.yaml", Source.of("a,b:c%.yaml", "").faults, "x")
    text = formats.github(Outcome((Checked(found, tuple(check(found))),)))
    assert text.startswith("::error file=a%2Cb%3Ac%25.yaml,")


def test_the_summary_is_a_table() -> None:
    table = formats.summary(BOTH)
    assert table.startswith("### effscale check\n\n2 errors in 1 of 2 files\n\n| place")
    said = "stem: unknown key 'kernal' | did you mean 'kernel'?"
    assert f"| 1.yaml:3:8 | error | EFF102 | {said} |\n" in table
    assert formats.summary(outcome(GOOD)) == (
        "### effscale check\n\n1 file checked, nothing found\n\n"
    )


@pytest.mark.parametrize(
    "make", [lambda: BOTH, corpus, lambda: Outcome(())], ids=["two", "all", "0"]
)
def test_sarif_is_what_the_standard_s_model_reads(make: Callable[[], Outcome]) -> None:
    found = make()
    document = json.loads(sarif(found))
    read = Sarif.model_validate(document)
    assert len(read.runs) == 1
    results = read.runs[0].results or []
    assert [each.rule_id for each in results] == [f.code for f in found.findings]


def test_sarif_holds_to_what_the_model_does_not_ask() -> None:
    """SARIF 2.1.0, sections 3.13, 3.19.23, 3.27.6, 3.30 and 3.49.3."""
    document = json.loads(sarif(corpus()))
    assert document["version"] == "2.1.0"
    (run,) = document["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in {"error", "warning", "note"}
        assert result["message"]["text"]
        (location,) = result["locations"]
        physical = location["physicalLocation"]
        assert not set(physical["artifactLocation"]["uri"]) & set(" \\%")
        region = physical["region"]
        assert min(region.values()) >= 1
        start, end = (
            (region[f"{what}Line"], region[f"{what}Column"])
            for what in ("start", "end")
        )
        assert start <= end


def test_junit_is_read_by_a_parser() -> None:
    suites = JUnitXml.fromstring(junit(corpus()).encode())
    cases = [case for suite in suites for case in suite]
    assert len(suites) == len(FILES)
    assert len(cases) == len(corpus().findings)
    failed = [case for case in cases if case.result]
    notes = [f for f in corpus().findings if severity(f) == "note"]
    assert len(failed) == len(cases) - len([*notes]) + len(
        [case for case in failed if case.result[0].__class__.__name__ == "SystemOut"]
    )
    assert suites.tests == len(cases)
    assert suites.failures == len(cases) - len(notes)


def test_junit_passes_a_file_without_findings() -> None:
    (suite,) = JUnitXml.fromstring(junit(outcome(GOOD)).encode())
    (case,) = suite
    assert (case.name, case.classname, case.result) == ("effscale check", "0.yaml", [])


def test_junit_holds_no_character_that_xml_cannot() -> None:
    found = outcome('name: "\\x01\\uFFFE\\e"\n' + SMALL.partition("\n")[2])
    text = junit(found)
    JUnitXml.fromstring(text.encode())
    assert StringIO(text).read().isprintable() or "\n" in text


def test_every_rule_of_the_corpus_is_described() -> None:
    (run,) = json.loads(sarif(corpus()))["runs"]
    for rule in run["tool"]["driver"]["rules"]:
        assert rule["shortDescription"]["text"] == RULES[rule["id"]].what
