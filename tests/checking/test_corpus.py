"""Every file of the corpus is answered with its findings, and with nothing else."""

from __future__ import annotations

from effscale.checking.catalogue import RULES
from tests.checking.corpus import FILES, expected, findings, line, source
from tests.each import of_each

#: Rules that no text can break alone: a file must be unreadable, huge or measured.
BEYOND = {"EFF001", "EFF002", "EFF307"}


def test_there_are_enough_with_one_fault_each() -> None:
    assert len([name for name in FILES if len(expected(name)) == 1]) >= 150


@of_each(FILES, shares=4)
def test_what_is_found_is_what_is_expected(name: str) -> None:
    assert [line(finding) for finding in findings(name)] == expected(name)


def test_those_load_that_lie_with_those_that_do() -> None:
    assert [name for name in FILES if not source(name).faults] == [
        name for name in FILES if name.startswith("loads")
    ]


def test_every_rule_has_a_file_that_breaks_it() -> None:
    found = {finding.code for name in FILES for finding in findings(name)}
    assert found == set(RULES) - BEYOND
