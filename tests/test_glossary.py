"""Tests of `effscale.glossary`: every key of an answer says what it means."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

import pytest

from effscale import glossary
from effscale.choices import TOOLS
from tests.explained import unexplained

if TYPE_CHECKING:
    from tests.conftest import Run


@pytest.mark.parametrize(
    "command",
    [
        "scale tinynet-e --phi 1 --measure none",
        "scale tinynet-e --sweep resolution=100..112",
        "scale efficientdet-lite0 --phi 1 --measure none",
        "fit tinynet-e --macs '<= 30M' --params '<= 3M'",
        "fit --from tinynet-e,mobilenetv3-small --macs '<= 60M'",
        "grid tinynet-e --step 0.2 --tolerance 0.1 --measure none",
        "profile tinynet-e --memory --as ptflops --measure none",
        "profile tinynet-e --by layer --measure none",
        "profile tinynet-e --by operator --measure none",
        "profile efficientdet-lite0 --by level --measure none",
        "compare tinynet-e tinynet-d",
        "compare tinynet-e tinynet-d --parts",
        "compare --table efficientdet-1",
        "rule EFF301",
        "specs tinynet",
        "check specs/digits.yaml",
        "profile torch.nn:Flatten --input 1x1x8x8",
    ],
)
def test_every_key_of_json_says_what_it_means(run: Run, command: str) -> None:
    # `run` itself looks for keys without a meaning, in this test as in all others.
    done = run(*shlex.split(command), "--format", "json")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith('{\n  "effscale"')


def test_a_key_without_a_meaning_is_found() -> None:
    rows = [{"macs": 1, "fvcore": 1, "conventions": {"thop": 1}}, {"dearest": 1}]
    printed = json.dumps({"effscale": "0", "rows": rows}, indent=2)
    assert unexplained(printed) == {"dearest"}


def test_a_meaning_is_a_sentence() -> None:
    said = [*glossary.KEYS.values(), *(each.means for each in glossary.TERMS.values())]
    for each in said:
        assert each[0].isupper() or each[0].isdigit(), each
        assert each.endswith((".", "…")), each


def test_tools_have_no_key_of_their_own() -> None:
    assert not set(TOOLS) & set(glossary.KEYS)
