"""Tests of `effscale.checking.catalogue`: rules are documented, and chosen."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from effscale.checking.catalogue import (
    FAMILIES,
    RULES,
    UnknownRuleError,
    chosen,
    matching,
)
from effscale.checking.rule import Rule
from effscale.checking.run import check, read
from effscale.spec.names import folder
from tests.each import of_each

PACKAGE = Path(__file__).parents[2] / "effscale"


@pytest.mark.parametrize("code", RULES)
def test_a_rule_says_what_why_and_what_instead(code: str) -> None:
    rule = RULES[code]
    assert re.fullmatch(r"EFF[0-4]\d\d", code)
    assert code[:4] in FAMILIES
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", rule.name)
    assert rule.what.endswith((".", ")."))
    assert rule.what[0].isupper() or rule.what[0] in "αs"
    assert len(rule.why) > 60
    assert rule.why.endswith(".")
    assert rule.bad
    assert rule.good


def test_codes_and_names_are_each_of_one_rule() -> None:
    assert list(RULES) == sorted(RULES)
    assert len({rule.name for rule in RULES.values()}) == len(RULES)


def test_every_code_that_a_fault_is_born_with_has_its_rule() -> None:
    born = set()
    for path in (PACKAGE / "errors.py", *(PACKAGE / "spec").glob("*.py")):
        born |= set(re.findall(r'"(EFF\d+)"', path.read_text("utf-8")))
    assert born <= set(RULES)
    assert len(born) >= 15


def test_every_rule_that_a_module_names_is_in_the_catalogue() -> None:
    modules = [
        import_module(f"effscale.checking.{path.stem}")
        for path in sorted((PACKAGE / "checking").glob("[a-z]*.py"))
    ]
    named = [each for module in modules for each in vars(module).values()]
    rules = [each for each in named if isinstance(each, Rule)]
    assert len(rules) >= 10
    assert all(RULES[rule.code] is rule for rule in rules)


@of_each(sorted(folder().glob("*.yaml")), shares=4)
def test_a_built_in_spec_breaks_no_rule(path: Path) -> None:
    assert check(read(str(path))) == []


@pytest.mark.parametrize(
    ("select", "ignore", "codes"),
    [
        (["EFF301"], [], {"EFF301"}),
        (["EFF30"], ["EFF301"], {f"EFF30{n}" for n in range(2, 8)}),
        ([], ["EFF"], set()),
        (["EFF301"], ["EFF3"], {"EFF301"}),
        (["EFF1", "EFF301"], ["EFF10"], {"EFF110", "EFF301"}),
        ([], [], set(RULES)),
    ],
)
def test_rules_are_chosen_by_how_their_codes_begin(
    select: list[str], ignore: list[str], codes: set[str]
) -> None:
    assert chosen(select, ignore) == codes


def test_a_rule_has_a_name_too() -> None:
    assert matching("over-budget") == [RULES["EFF302"]]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("EFF999", "expected a rule's code, got 'EFF999'; see effscale rule --all"),
        ("", "expected a rule's code, got ''; see effscale rule --all"),
        (
            "over-bugdet",
            "expected a rule's code, got 'over-bugdet'; did you mean 'over-budget'?",
        ),
    ],
)
def test_a_code_of_no_rule_is_refused(code: str, message: str) -> None:
    with pytest.raises(UnknownRuleError) as caught:
        matching(code)
    assert str(caught.value) == message
