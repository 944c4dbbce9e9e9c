"""Any text has findings or none, each in its place; mending it comes to an end."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from effscale.checking.catalogue import RULES
from effscale.checking.fix import fixed
from effscale.checking.formats import concise, junit
from effscale.checking.run import Checked, Outcome, check
from effscale.checking.source import Source
from effscale.report.findings import text as shown
from tests.checking.corpus import FILES, source
from tests.examples import examples
from tests.spec.test_any_text import FRAGMENTS

if TYPE_CHECKING:
    from effscale.checking.rule import Applies

pytestmark = pytest.mark.slow

EVERYTHING: set[Applies] = {"safe", "unsafe", "update"}
TEXTS = st.sampled_from(FILES).map(lambda name: source(name).text)


def judge(text: str) -> None:
    """Findings within the text, in every format; what is mended stays so."""
    before = Source.of("x.yaml", text)
    findings = tuple(check(before))
    for each in findings:
        assert 1 <= each.line <= len(before.starts) + 1
        assert (each.line, each.column) <= (each.end_line, each.end_column)
        assert len(each.said.splitlines()) == 1
    outcome = Outcome((Checked(before, findings),))
    assert len(concise(outcome).splitlines()) == len(findings)
    assert shown(outcome)
    ET.fromstring(junit(outcome))  # noqa: S314 - our own
    after, _ = fixed(before, RULES, EVERYTHING)
    assert number(after) <= number(before)
    assert fixed(after, RULES, EVERYTHING) == (after, 0)


def number(source: Source) -> int:
    """Faults, and those that follow from them and are not said until they are mended.

    An unknown `kernel:ride` stands for a kernel that is missing as well.
    """
    return sum(1 + each.implies for each in source.faults)


@examples(100)
@given(st.text(max_size=80) | st.lists(FRAGMENTS, max_size=20).map("".join))
def test_any_text(text: str) -> None:
    judge(text)


@examples(100)
@given(TEXTS, st.data())
def test_any_mutation_of_a_bad_file(text: str, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        length = data.draw(st.integers(0, 40))
        text = text[:start] + data.draw(FRAGMENTS) + text[start + length :]
    judge(text)
