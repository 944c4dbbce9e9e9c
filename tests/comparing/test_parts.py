"""Tests of `effscale.comparing.parts`: what is whose next version, and what changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given

import effscale as es
from effscale.comparing import parts
from effscale.comparing.parts import Difference
from effscale.cost.count import Cost
from tests.parts import head_of
from tests.strategies import mobiles

if TYPE_CHECKING:
    from effscale.spec.models import Spec


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


def test_parts_of_detectors_are_matched_by_what_they_are() -> None:
    old, new = es.load("d0"), es.load("d1")
    found = {(c.after or c.before).part.name: c for c in parts.changes(old, new)}  # type: ignore[union-attr]
    assert [*found][-3:] == ["neck", "class head", "box head"]
    assert [(d.place, d.before, d.after) for d in found["neck"].differences] == [
        ("channels", 64, 88),
        ("repeats", 3, 4),
        ("input", [64, 64], [80, 80]),
    ]
    assert [d.place for d in found["box head"].differences] == ["input", "c_in"]
    assert sum(c.delta.macs for c in found.values()) == int(es.count(new).macs) - int(
        es.count(old).macs
    )
    assert [d.place for d in parts.aside(old, new)] == ["backbone", "resolution"]


def test_a_classifier_made_a_detector_has_other_ends() -> None:
    found = parts.changes(es.load("b0"), es.load("d0"))
    kinds = {(c.after or c.before).part.name: c.kind for c in found}  # type: ignore[union-attr]
    assert kinds["head"] == "removed"
    assert [kinds[name] for name in ("neck", "class head", "box head")] == ["added"] * 3
