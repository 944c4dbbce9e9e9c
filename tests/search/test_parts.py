"""Tests of `effscale.search.parts`: what is whose next version, and what changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import effscale as es
from effscale.cost.count import Cost
from effscale.search import parts
from effscale.search.parts import Difference
from tests.parts import head_of
from tests.strategies import mobiles

if TYPE_CHECKING:
    from effscale.spec.models import Spec

words = st.lists(st.sampled_from("abc"), max_size=6)


def same(one: str, other: str) -> float:
    return float(one == other)


def edited(spec: Spec, **update: Any) -> Spec:  # noqa: ANN401 - fields of a spec
    """A spec as a file that says so would be read."""
    return es.loads(es.dumps(spec.model_copy(update=update)))


def with_stage(spec: Spec, index: int, **update: Any) -> Spec:  # noqa: ANN401
    stages = list(spec.stages)
    stages[index] = stages[index].model_copy(update=update)
    return edited(spec, stages=tuple(stages), expected=None, variants={})


@pytest.fixture
def base(b0: Spec) -> Spec:
    return edited(b0, expected=None, variants={})


@given(words, words)
def test_alignment_keeps_order_and_leaves_nothing_out(
    old: list[str], new: list[str]
) -> None:
    pairs = parts.aligned(old, new, same)
    assert [i for i, _ in pairs if i is not None] == list(range(len(old)))
    assert [j for _, j in pairs if j is not None] == list(range(len(new)))
    assert all(old[i] == new[j] for i, j in pairs if i is not None and j is not None)


def longest(old: list[str], new: list[str]) -> int:
    """The length of the longest common subsequence, by its definition."""
    if not old or not new:
        return 0
    if old[0] == new[0]:
        return 1 + longest(old[1:], new[1:])
    return max(longest(old[1:], new), longest(old, new[1:]))


@given(words, words)
def test_alignment_has_as_many_pairs_as_there_can_be(
    old: list[str], new: list[str]
) -> None:
    pairs = [pair for pair in parts.aligned(old, new, same) if None not in pair]
    assert len(pairs) == longest(old, new)


@given(words, st.integers(0, 6), st.sampled_from("xyz"))
def test_an_insertion_leaves_all_others_with_theirs(
    old: list[str], at: int, word: str
) -> None:
    new = [*old[:at], word, *old[at:]]
    pairs = parts.aligned(old, new, same)
    assert sum(i is None for i, _ in pairs) == 1
    assert all(j is not None for _, j in pairs)


def test_of_equals_the_last_is_the_new_one() -> None:
    assert parts.aligned("aa", "aaa", same) == [(0, 0), (1, 1), (None, 2)]


def test_what_is_too_unlike_is_gone_and_new() -> None:
    assert parts.aligned("a", "b", lambda *_: 0.2) == [(0, None), (None, 0)]
    assert parts.aligned("a", "b", lambda *_: 0.3) == [(0, 0)]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"block": "a"}, {"block": "a"}, 1),
        ({"block": "a"}, {"block": "b"}, 0),
        ({"block": "a", "channels": 40}, {"block": "a", "channels": 48}, 17 / 18),
        ({"block": "a", "channels": 40}, {"block": "a"}, 2 / 3),
        ({"block": "a", "se_ratio": 0.0}, {"block": "a", "se_ratio": 0.25}, 2 / 3),
    ],
)
def test_lines_are_as_alike_as_what_they_say(
    old: dict[str, Any], new: dict[str, Any], expected: float
) -> None:
    assert parts.alike(old, new) == pytest.approx(expected)
    assert parts.alike(new, old) == pytest.approx(expected)


def test_differences_name_the_place() -> None:
    old = {"a": 1, "b": {"c": [1, 2]}, "d": [1], "e": 0}
    new = {"a": 1, "b": {"c": [1, 3]}, "d": [1, 2], "f": 0}
    assert parts.differences(old, new) == [
        Difference("b.c[1]", 2, 3),
        Difference("d", [1], [1, 2]),
        Difference("e", 0, None),
        Difference("f", None, 0),
    ]


def test_nothing_changed_is_every_part_the_same(base: Spec) -> None:
    found = parts.changes(base, base)
    assert len(found) == 9
    assert {each.kind for each in found} == {"same"}
    assert parts.aside(base, base) == []


def test_a_wider_stage_changes_the_next_one_and_no_other(base: Spec) -> None:
    new = with_stage(base, 2, channels=48)
    found = parts.changes(base, new)
    assert [each.kind for each in found].count("same") == 7
    assert found[3].differences == (Difference("channels", 40, 48),)
    assert found[4].differences == (Difference("c_in", 40, 48),)


def test_an_inserted_stage_is_one_change(base: Spec) -> None:
    again = base.stages[4].model_copy(update={"repeats": 1})
    stages = (*base.stages[:5], again, *base.stages[5:])
    found = parts.changes(base, edited(base, stages=stages))
    # its neighbour takes in the same channels and the same map as before
    assert [each.kind for each in found] == [*["same"] * 6, "added", *["same"] * 3]
    assert parts.changes(edited(base, stages=stages), base)[6].kind == "removed"


def test_another_image_changes_what_each_part_takes_in(base: Spec) -> None:
    new = edited(base, resolution=(240, 224))
    found = parts.changes(base, new)
    assert found[0].differences == (Difference("input", [224, 224], [240, 224]),)
    assert parts.aside(base, new) == [Difference("resolution", 224, [240, 224])]


def test_what_costs_nothing_is_said_too(base: Spec) -> None:
    head = head_of(base).model_copy(update={"dropout": 0.5})
    new = edited(base, head=head, activation="relu", name="other", source="a thesis")
    assert parts.aside(base, new) == [Difference("activation", "silu", "relu")]
    assert parts.changes(base, new)[-1].differences == (
        Difference("dropout", 0.2, 0.5),
    )


def test_a_cell_wired_otherwise_changes_the_stages_of_it() -> None:
    old = es.load("amoebanet-c")
    cell = old.cells["normal"]
    wired = cell.model_copy(update={"concat": (1, 2, 3, 4, 5, 6)})
    new = old.model_copy(update={"cells": {**old.cells, "normal": wired}})
    kinds = [each.kind for each in parts.changes(old, new)]
    assert kinds[3:] == ["changed"] * 6
    assert [each.place for each in parts.aside(old, new)] == ["cells.normal.concat"]


@given(mobiles(), mobiles())
def test_deltas_add_up_to_the_difference(old: Spec, new: Spec) -> None:
    total = parts.less(es.count(new), es.count(old))
    assert sum((each.delta for each in parts.changes(old, new)), Cost()) == total


def test_variants_that_changed_are_counted(b0: Spec) -> None:
    given = b0.variants
    wider = given["b1"].model_copy(update={"width_multiplier": 1.1})
    kept = {name: each for name, each in given.items() if name != "b2"}
    new = b0.model_copy(update={"variants": {**kept, "b1": wider, "b9": given["b2"]}})
    found = parts.of_variants(b0, new)
    b2 = es.count(es.load("b2"))
    assert list(found) == ["b1", "b2", "b9"]
    assert found["b1"][0] == es.count(es.load("b1")) != found["b1"][1]
    assert (found["b2"], found["b9"]) == ((b2, None), (None, b2))
    assert parts.of_variants(b0, es.load("b1")) == {}
