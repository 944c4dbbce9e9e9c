"""Tests of `effscale.spec.neck`: each against what its source wires."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from effscale.spec.neck import WIRINGS, Neck, made, nodes, outputs

if TYPE_CHECKING:
    from effscale.spec.neck import Wiring

LEVELS = st.integers(1, 6).flatmap(
    lambda low: st.tuples(st.just(low), st.integers(low + 1, min(low + 6, 12)))
)


def wired(wiring: Wiring, low: int = 3, high: int = 7) -> list[tuple[Any, ...]]:
    """Name, level, and what is read of each node, in order."""
    neck = Neck(levels=(low, high), channels=8, wiring=wiring)
    return [(name, node.level, *node.reads) for name, node in nodes(neck).items()]


def test_bifpn_is_that_of_the_reference() -> None:
    # automl/efficientdet/tf2/fpn_configs.py:24-72: nodes 5 to 12, in its order; inputs
    # 0 to 4 are p3 to p7
    assert wired("bifpn") == [
        ("p6_td", 6, "p6", "p7"),  # 3, 4
        ("p5_td", 5, "p5", "p6_td"),  # 2, 5
        ("p4_td", 4, "p4", "p5_td"),  # 1, 6
        ("p3_out", 3, "p3", "p4_td"),  # 0, 7
        ("p4_out", 4, "p4", "p4_td", "p3_out"),  # 1, 7, 8
        ("p5_out", 5, "p5", "p5_td", "p4_out"),  # 2, 6, 9
        ("p6_out", 6, "p6", "p6_td", "p5_out"),  # 3, 5, 10
        ("p7_out", 7, "p7", "p6_out"),  # 4, 11
    ]


@given(LEVELS)
def test_bifpn_of_any_levels_has_two_nodes_for_each_but_the_ends(
    levels: tuple[int, int],
) -> None:
    low, high = levels
    count = high - low + 1
    found = wired("bifpn", low, high)
    assert len(found) == 2 * count - 2
    sizes = [len(reads) for _, _, *reads in found]
    assert sizes == [2] * (count - 1) + [3] * (count - 2) + [2]
    # so each cell has 2·(2 + (L − 2)) + 3·(L − 2) weights: 19 of five levels
    assert sum(sizes) == 2 * count + 3 * (count - 2)


def test_simplified_panet_leaves_out_the_inputs_of_the_way_up() -> None:
    assert wired("simplified_panet") == [
        *wired("bifpn")[:4],
        ("p4_out", 4, "p4_td", "p3_out"),
        ("p5_out", 5, "p5_td", "p4_out"),
        ("p6_out", 6, "p6_td", "p5_out"),
        ("p7_out", 7, "p7", "p6_out"),
    ]


def test_fpn_goes_from_the_top_down() -> None:
    assert wired("fpn") == [
        ("p7_out", 7, "p7"),
        ("p6_out", 6, "p6", "p7_out"),
        ("p5_out", 5, "p5", "p6_out"),
        ("p4_out", 4, "p4", "p5_out"),
        ("p3_out", 3, "p3", "p4_out"),
    ]


def test_panet_goes_down_and_up_again() -> None:
    # effdet/config/fpn_config.py:41-78: ten nodes, p7's first and p3's second of one
    assert wired("panet") == [
        ("p7_td", 7, "p7"),
        ("p6_td", 6, "p6", "p7_td"),
        ("p5_td", 5, "p5", "p6_td"),
        ("p4_td", 4, "p4", "p5_td"),
        ("p3_td", 3, "p3", "p4_td"),
        ("p3_out", 3, "p3_td"),
        ("p4_out", 4, "p4_td", "p3_out"),
        ("p5_out", 5, "p5_td", "p4_out"),
        ("p6_out", 6, "p6_td", "p5_out"),
        ("p7_out", 7, "p7_td", "p6_out"),
    ]


def test_nas_fpn_is_the_found_cell() -> None:
    # tpu/models/official/detection/modeling/architecture/nasfpn.py:39-50: level,
    # operator, inputs of nodes 5 to 11; :324-335: what none reads, p5 and p7, is added
    neck = Neck(levels=(3, 7), channels=8, wiring="nas_fpn")
    found = [
        (name, node.level, node.merge, node.reads, node.adds)
        for name, node in nodes(neck).items()
    ]
    assert found == [
        ("p4_a", 4, "attention", ("p4", "p6"), ()),
        ("p4_b", 4, "sum", ("p4", "p4_a"), ()),
        ("p3_out", 3, "sum", ("p3", "p4_b"), ()),
        ("p4_out", 4, "sum", ("p4_b", "p3_out"), ()),
        ("p5_out", 5, "attention", ("p3_out", "p4_out"), ("p5",)),
        ("p7_out", 7, "attention", ("p4_b", "p5_out"), ("p7",)),
        ("p6_out", 6, "attention", ("p5_out", "p7_out"), ()),
    ]


def test_nas_fpn_of_other_levels_is_the_same_higher_up() -> None:
    assert wired("nas_fpn", 2, 6)[2] == ("p2_out", 2, "p2", "p3_b")


def test_a_fully_connected_network_reads_all_inputs_at_each_level() -> None:
    everything = ("p3", "p4", "p5", "p6", "p7")
    expected = [(f"p{level}_out", level, *everything) for level in (7, 6, 5, 4, 3)]
    assert wired("fully_connected") == expected


def test_retinanet_merges_three_levels_and_strides_to_those_above() -> None:
    # torchvision/ops/feature_pyramid_network.py, and LastLevelP6P7 on P5
    assert wired("retinanet") == [
        ("p5_td", 5, "p5"),
        ("p4_td", 4, "p4", "p5_td"),
        ("p3_td", 3, "p3", "p4_td"),
        ("p3_out", 3, "p3_td"),
        ("p4_out", 4, "p4_td"),
        ("p5_out", 5, "p5_td"),
        ("p6_out", 6, "p5_out"),
        ("p7_out", 7, "p6_out"),
    ]
    neck = Neck(levels=(3, 7), channels=8, wiring="retinanet")
    blocks = {
        name: [(line.block, line.window[0], line.window[1]) for line in node.layers]
        for name, node in nodes(neck).items()
        if node.layers is not None
    }
    smooth, halve = ("conv", (3, 3), (1, 1)), ("conv", (3, 3), (2, 2))
    assert blocks == {
        **{f"p{level}_td": [] for level in (5, 4, 3)},
        **{f"p{level}_out": [smooth] for level in (3, 4, 5)},
        "p6_out": [halve],
        "p7_out": [("activation", (1, 1), (1, 1)), halve],
    }


@pytest.mark.parametrize("wiring", WIRINGS)
@given(data=st.data())
def test_any_wiring_reads_what_is_there_and_puts_out_every_level(
    wiring: Wiring, data: st.DataObject
) -> None:
    low = data.draw(st.integers(1, 5))
    most = 5 if wiring == "nas_fpn" else 7
    least = {"nas_fpn": 5, "retinanet": 3}.get(wiring, 2)
    high = low - 1 + data.draw(st.integers(least, most))
    neck = Neck(levels=(low, high), channels=8, wiring=wiring)
    known = {f"p{level}" for level in range(low, high + 1)}
    for name, node in nodes(neck).items():
        assert {*node.reads, *node.adds} <= known
        assert name not in known
        known.add(name)
    assert list(outputs(neck)) == list(range(low, high + 1))
    ends = [f"p{level}_out" for level in range(low, high + 1)]
    assert list(outputs(neck).values()) == ends
    assert not known & made(neck)


def test_a_file_s_own_nodes_are_its_wiring_and_a_level_without_one_is_its_input() -> (
    None
):
    own = {"a": {"level": 4, "reads": ["p4", "p3"]}, "b": {"level": 4, "reads": ["a"]}}
    neck = Neck.model_validate({"levels": [3, 5], "channels": 8, "nodes": own})
    assert list(nodes(neck)) == ["a", "b"]
    assert outputs(neck) == {3: "p3", 4: "b", 5: "p5"}
