"""`effscale rule`, as its users see it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from effscale.checking.catalogue import RULES

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from tests.conftest import Run


@pytest.mark.parametrize(
    "arguments",
    [["EFF301"], ["over-budget"], ["--all"], ["EFF11", "--format", "markdown"]],
    ids=" ".join,
)
def test_prints(run: Run, snapshot: SnapshotAssertion, arguments: list[str]) -> None:
    result = run("rule", *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == snapshot


def test_json_has_everything(run: Run) -> None:
    data = json.loads(run("rule", "--all", "--format", "json").stdout)
    assert [rule["code"] for rule in data["rules"]] == list(RULES)
    assert set(data["rules"][0]) == {
        *("code", "name", "severity", "what", "why", "bad", "good", "fix"),
    }


@pytest.mark.parametrize("arguments", [[], ["EFF301", "--all"]])
def test_takes_a_code_or_all(run: Run, arguments: list[str]) -> None:
    result = run("rule", *arguments)
    assert result.exit_code == 2
    assert "expected a rule's code, or --all" in result.stderr


def test_a_code_of_no_rule_is_refused(run: Run) -> None:
    result = run("rule", "EFF999")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.endswith(
        "expected a rule's code, got 'EFF999'; see effscale rule --all\n"
    )
