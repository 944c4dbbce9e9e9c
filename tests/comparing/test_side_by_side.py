"""Tests of `effscale.comparing.side_by_side`: who is compared, and what is marked."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

import effscale as es
from effscale.comparing import side_by_side
from effscale.comparing.side_by_side import Entry, Mark, Point
from effscale.growth.multipliers import Multipliers

if TYPE_CHECKING:
    from pathlib import Path

#: Table 2 of Tan & Le 2019: each network under the EfficientNet that the paper sets
#: it against.
GROUPS = {
    "b0": ["resnet50", "densenet169"],
    "b1": ["resnet152", "densenet264", "inception-v3", "xception"],
    "b2": ["inception-v4", "inception-resnet-v2"],
    "b3": ["resnext101-64x4d", "polynet"],
    "b4": ["senet154", "nasnet-a-large", "amoebanet-a", "pnasnet-5-large"],
    "b5": ["amoebanet-c"],
    "b6": [],
    "b7": ["gpipe-amoebanet-b"],
}


def entries(*references: str) -> list[Entry]:
    return side_by_side.entries(references, [es.load(each) for each in references])


def test_a_network_goes_by_its_own_name() -> None:
    (entry,) = entries("efficientnet-b4")
    assert (entry.name, entry.reference) == ("b4", "efficientnet-b4")
    assert entry.names == {"b4", "efficientnet-b4"}
    assert (entry.cost.macs, entry.score) == (4393771024, ("top1", 82.9))


def test_networks_of_one_name_go_by_what_was_asked_for(b0: es.Spec) -> None:
    found = side_by_side.entries(["old.yaml", "new.yaml"], [b0, b0])
    assert [each.name for each in found] == ["old.yaml", "new.yaml"]


@pytest.mark.parametrize(
    ("reference", "multipliers"),
    [
        ("b4", Multipliers(1.8, 1.4, 380 / 224)),
        ("efficientnet-b4", Multipliers(1.8, 1.4, 380 / 224)),
        ("b0@b4", Multipliers(1.8, 1.4, 380 / 224)),
        ("b0", None),  # a baseline
        ("resnet152", None),  # repeats by hand: no multiplier gives them
    ],
)
def test_variants_have_their_multipliers(
    reference: str, multipliers: Multipliers | None
) -> None:
    (entry,) = entries(reference)
    assert entry.multipliers == multipliers


def test_variants_of_a_file_have_theirs(b0: es.Spec, tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text(es.dumps(b0), "utf-8")
    (entry,) = entries(f"{path}@b1")
    assert entry.multipliers == Multipliers(1.1, 1.0, 240 / 224)
    assert entries(str(path))[0].multipliers is None
    # what is neither built in nor a file is not looked up again
    (other,) = side_by_side.entries(["HEAD@{1}:b0.yaml"], [b0])
    assert other.multipliers is None


def test_multipliers_that_differ_by_side_are_none() -> None:
    spec = es.load("b4").model_copy(update={"resolution": (380, 400)})
    (entry,) = side_by_side.entries(["b4"], [spec])
    assert entry.multipliers is None


def test_a_family_is_its_networks_from_the_cheapest() -> None:
    found = side_by_side.expanded(["resnet"])
    assert found == [f"resnet{n}" for n in (18, 26, 34, 50, 101, 152, 200)]
    macs = [es.count(es.load(name)).macs for name in side_by_side.members("regnety")]
    assert len(macs) == 17
    assert all(one < other for one, other in pairwise(macs))


def test_a_familys_name_is_not_part_of_anothers() -> None:
    assert "efficientnet-lite0" not in side_by_side.members("efficientnet")
    assert "b0" not in side_by_side.members("tinynet")
    assert side_by_side.members("tinynet")[-1] == "tinynet-a"


def test_a_name_is_a_networks_before_it_is_a_familys() -> None:
    assert side_by_side.expanded(["mobilenetv1", "xception"]) == [
        "mobilenetv1",
        "xception",
    ]


def test_what_is_built_in_is_compared_once_and_files_as_often_as_named() -> None:
    assert side_by_side.expanded(["resnet50", "resnet", "resnet18"]) == [
        *("resnet50", "resnet18", "resnet26", "resnet34"),
        *("resnet101", "resnet152", "resnet200"),
    ]
    assert side_by_side.expanded(["a.yaml", "a.yaml"]) == ["a.yaml", "a.yaml"]


@pytest.mark.parametrize("reference", ["", " ", "/", "-", "no-such", "../b0.yaml"])
def test_what_is_no_family_is_left_for_the_loader(reference: str) -> None:
    assert side_by_side.expanded([reference]) == [reference]


def test_ratios_are_to_the_first_or_to_the_one_named() -> None:
    compared = entries("b0", "efficientnet-b4", "resnet50")
    assert side_by_side.rivals(compared) == [compared[0]] * 3
    for name in ("b4", "efficientnet-b4"):
        assert side_by_side.rivals(compared, name) == [compared[1]] * 3


def test_the_cheapest_as_accurate_are_the_papers_own_groups() -> None:
    expected = {name: lead for lead, group in GROUPS.items() for name in [lead, *group]}
    compared = entries(*expected)
    found = side_by_side.rivals(compared, "cheapest")
    assert {
        each.name: rival and rival.name
        for each, rival in zip(compared, found, strict=True)
    } == expected


def test_without_an_accuracy_there_is_no_rival() -> None:
    bare = es.load("b0").model_copy(update={"published": None, "name": "bare"})
    compared = side_by_side.entries(["bare.yaml", "b1"], [bare, es.load("b1")])
    assert side_by_side.rivals(compared, "cheapest") == [None, compared[1]]
    assert side_by_side.points(compared) == [
        Point("b1", "efficientnet", 79.1, 7794184, 686802832)
    ]


@pytest.mark.parametrize(
    ("references", "expected"),
    [
        (["b0", "b1"], False),
        (["b0", "my.yaml"], True),  # the file calls its network b0
        (["old.yaml", "new.yaml"], True),
        (["HEAD~1:b0.yaml", "-"], True),
        (["old.yaml", "new.yaml", "b0"], False),
        (["old.yaml"], False),
    ],
)
def test_two_files_or_two_of_a_name_are_versions(
    references: list[str], *, expected: bool
) -> None:
    known = {"b0": es.load("b0"), "b1": es.load("b1")}
    specs = [known.get(each, known["b0"]) for each in references]
    assert side_by_side.versions(side_by_side.entries(references, specs)) is expected


def test_files_of_other_names_are_versions_too() -> None:
    specs = [es.load("b0"), es.load("b1")]
    assert side_by_side.versions(side_by_side.entries(["old.yaml", "new.yaml"], specs))
    assert not side_by_side.versions(side_by_side.entries(["old.yaml", "b1"], specs))


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("b0", []),
        ("b7", []),  # 37.7G is printed as 37B: cut
        ("b4", [Mark("macs", "4.2B", 4393771024)]),
        ("b8", []),  # no cost is published
        (
            "inception-v4",
            [Mark("params", "48M", 42679816), Mark("macs", "13B", 12253974624)],
        ),
    ],
)
def test_published_costs_that_are_not_ours_are_marked(
    reference: str, expected: list[Mark]
) -> None:
    (entry,) = entries(reference)
    assert side_by_side.marks(entry) == expected
