"""Tests of `effscale.spec.references`: names of blocks and cells that there are not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from effscale.spec.lines import STAGES
from effscale.spec.references import UNSAID, unknown
from effscale.spec.steps import STEPS
from tests.examples import examples

if TYPE_CHECKING:
    from collections.abc import Iterable

    from effscale.errors import Fault

KEYS = [
    *("stem", "stages", "blocks", "cells", "head", "layers", "shortcut", "branches"),
    *("block", "cell", "conv", "mbconv", "own"),
]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(KEYS),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5)
    ),
    max_leaves=30,
)
A_STEP, A_STAGE = "a step (conv, residual, …)", "a stage's block (mbconv, …)"


def an_own(name: str) -> str:
    return f"one of the file's blocks ({name})"


def data(**changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """A file of one convolution in each place, with changes."""
    conv = {"kernel": 3}
    return {"stem": conv, "stages": [{"block": "conv"}], "head": {}, **changes}


def told(findings: Iterable[Fault]) -> list[tuple[tuple[str | int, ...], str]]:
    """Place of each, and message with its hint."""
    return [
        (each.place, each.message + (did_you(each.suggestion))) for each in findings
    ]


def did_you(word: str) -> str:
    return f"; did you mean {word!r}?" if word else ""


def test_every_block_of_the_language_may_be_a_stage() -> None:
    stages = [{"block": name} for name in STAGES]
    assert told(unknown(data(stages=stages))) == []


@pytest.mark.parametrize("name", sorted(STAGES.keys() - STEPS.keys()))
def test_blocks_of_stages_are_no_steps(name: str) -> None:
    message = f"expected {A_STEP}, got '{name}'"
    line = {"block": name}
    wrong: dict[tuple[str | int, ...], dict[str, Any]] = {
        ("stem", "block"): {"stem": line},
        ("stem", 1, "block"): {"stem": [{}, line]},
        ("head", "layers", 0, "block"): {"head": {"layers": [line]}},
        ("blocks", "own", 0, "block"): {"blocks": {"own": [line]}},
        ("stages", 0, "branches", 1, 0, "block"): {
            "stages": [{"block": "sum", "branches": [[], [line]]}]
        },
        ("stages", 0, "layers", 0, "shortcut", 0, "block"): {
            "stages": [
                {
                    "block": "residual",
                    "layers": [{"block": "residual", "shortcut": [line]}],
                }
            ]
        },
    }
    for place, changes in wrong.items():
        ((found, said),) = told(unknown(data(**changes)))
        assert found == place
        assert said.split("; ")[0] == message


def test_a_block_of_the_file_is_known_to_those_below_it_and_everywhere_else() -> None:
    use = {"block": "b"}
    blocks = {"a": [{}], "b": [{"block": "a"}, {"block": "sum", "branches": [[use]]}]}
    inside = ("blocks", "b", 1, "branches", 0, 0, "block")
    found = told(unknown(data(blocks=blocks, stages=[use], stem=[use])))
    assert found == [(inside, f"expected {A_STEP} or {an_own('a')}, got 'b'")]
    above = {"b": [{"block": "a"}], "a": [{}]}
    found = told(unknown(data(blocks=above, head={"layers": [{"block": "a"}]})))
    place = ("blocks", "b", 0, "block")
    assert found == [(place, f"expected {A_STEP}, got 'a'")]


def test_a_block_is_not_named_as_one_that_there_is() -> None:
    found = told(unknown(data(blocks={"cell": [{}], "conv": [{}]})))
    message = "expected a name that no block has, got"
    assert found == [
        (("blocks", "cell"), f"{message} 'cell'"),
        (("blocks", "conv"), f"{message} 'conv'"),
    ]


def test_an_unknown_block_is_answered_with_those_there_are_and_a_near_one() -> None:
    found = told(unknown(data(blocks={"mine": [{}]}, stages=[{"block": "mnie"}])))
    message = f"expected {A_STAGE} or {A_STEP} or {an_own('mine')}, got 'mnie'"
    message += "; did you mean 'mine'?"
    assert found == [(("stages", 0, "block"), message)]


@pytest.mark.parametrize(
    ("cells", "listed", "hint"),
    [
        ({}, "none", ""),
        ({"a": {}, "b": {}}, "a, b", ""),
        ({"normal": {}}, "normal", "; did you mean 'normal'?"),
    ],
)
def test_a_stage_names_a_cell_of_the_file(
    cells: dict[str, object], listed: str, hint: str
) -> None:
    stages = [{"block": "cell", "cell": "norml"}]
    message = f"expected one of the file's cells ({listed}), got 'norml'{hint}"
    found = told(unknown(data(cells=cells, stages=stages)))
    assert found == [(("stages", 0, "cell"), message)]
    assert told(unknown(data(cells={**cells, "norml": {}}, stages=stages))) == []


@examples(60)
@given(ANYTHING)
def test_no_data_is_too_odd_to_look_at(found: object) -> None:
    for place, message in told(unknown(found)):
        assert place
        assert message.startswith(("expected ", "unknown key "))


@pytest.mark.parametrize("word", ["cond_conv", "lstm", "deformable"])
def test_a_network_that_cannot_be_said_is_shown_the_way_out(word: str) -> None:
    (fault,) = unknown(data(stages=[{"block": word}]))
    assert fault.help == UNSAID
    assert "effscale profile MODULE:CALLABLE" in str(fault)
    assert "effscale import MODULE:CALLABLE" in str(fault)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (data(stages=[{"block": "residul"}]), "near to a known word"),
        (data(stem={"block": "mbconv"}), "a word of the language, elsewhere"),
        (data(blocks={"a": [{"block": "b"}], "b": [{}]}), "the file's, further down"),
        (data(stages=[{"block": "two words"}]), "no word"),
        (data(stages=[{"block": {"conv": 1}}]), "no text"),
    ],
)
def test_what_the_language_can_say_is_not_sent_away(
    given: dict[str, object], why: str
) -> None:
    (fault,) = unknown(given)
    assert not fault.help, why
