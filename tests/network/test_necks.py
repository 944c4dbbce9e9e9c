"""Tests of `effscale.network.necks`: closed forms, and what nodes are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from effscale.cost.count import Cost, Visit, leaf_cost, walk
from effscale.network.blocks import Style
from effscale.network.combinators import Graph, Repeat, Sequential
from effscale.network.necks import neck
from effscale.network.operators.fusion import Attend, Fuse, Resize
from effscale.network.operators.pooling import Pool
from effscale.network.shapes import Shape
from effscale.spec.models import Squeeze
from effscale.spec.neck import Neck
from effscale.spec.norm import Norm
from tests.examples import examples

if TYPE_CHECKING:
    from effscale.network.combinators import Layer
    from effscale.network.shapes import Flow

STYLE = Style("silu", Norm(), Squeeze())
WIDE = 8
WIDTHS = st.integers(1, 40)


def given_neck(**changes: Any) -> Neck:  # noqa: ANN401 - as a file would write them
    first = {"levels": [3, 7], "channels": WIDE, "wiring": "bifpn"}
    if "nodes" in changes:
        del first["wiring"]
    return Neck.model_validate({**first, **changes})


def visits(found: Neck, taps: list[int], side: int = 128) -> tuple[list[Visit], Flow]:
    """Every leaf of a neck on the levels of a square image, and what it puts out."""
    low, _ = found.levels
    levels = enumerate(taps, low)
    maps = tuple(Shape(c, *[-(-side // 2**level)] * 2) for level, c in levels)
    layer = neck(found, taps, STYLE)
    return walk(layer, maps if len(maps) > 1 else maps[0], "neck", unroll=True)


def cost(steps: list[Visit], *starts: str) -> tuple[int, int]:
    """Params and MACs of the leaves below some path."""
    total = Cost()
    for step in steps:
        if step.path.startswith(starts):
            total += leaf_cost(step)
    return int(total.params), int(total.macs)


def positions(side: int, level: int) -> int:
    return (side >> level) ** 2


@examples(60)
@given(
    taps=st.tuples(WIDTHS, WIDTHS, WIDTHS),
    wide=WIDTHS,
    high=st.integers(6, 9),
    side=st.integers(1, 3).map(lambda n: 512 * n),
    repeats=st.integers(1, 4),
    fusion=st.sampled_from(["sum", "fast", "softmax", "unbounded"]),
    per_channel=st.booleans(),
)
def test_a_bifpn_costs_what_its_closed_form_does(  # noqa: PLR0913, PLR0917
    taps: tuple[int, int, int],
    wide: int,
    high: int,
    side: int,
    repeats: int,
    fusion: str,
    *,
    per_channel: bool,
) -> None:
    """The reference's nodes, written out: resampling once, and cells alike."""
    assume(wide not in taps)  # else nothing is to be fitted
    found = given_neck(
        levels=[3, high],
        channels=wide,
        repeats=repeats,
        fusion=fusion,
        per_channel=per_channel,
    )
    steps, _ = visits(found, list(taps), side)
    c3, c4, c5 = taps
    n3, n4, n5 = (positions(side, level) for level in (3, 4, 5))
    count = high - 2
    fits = [step for step in steps if "lateral" in step.path]
    # p3 is fitted once, p4 for the ways down and up, p5 for these and for p6: 1×1 with
    # bias, batch norm
    assert cost(fits, "neck") == (
        wide * (c3 + 2 * c4 + 3 * c5) + 6 * 3 * wide,
        wide * (c3 * n3 + 2 * c4 * n4 + 3 * c5 * n5),
    )
    others = [step for step in steps if "lateral" not in step.path]
    weights = 0 if fusion == "sum" else 2 * (count - 1) + 3 * (count - 2) + 2
    weights *= wide if per_channel else 1
    down = sum(positions(side, level) for level in range(3, high))
    up = sum(positions(side, level) for level in range(4, high + 1))
    cell = (
        (2 * count - 2) * (9 * wide + wide**2 + 3 * wide) + weights,
        (9 * wide + wide**2) * (down + up),
    )
    for index in range(repeats):
        assert cost(others, f"neck.{index}.") == cell
    assert cost(others, "neck") == tuple(repeats * each for each in cell)


#: Separable nodes alone: how many, and at which levels, of P3 to P7.
NODES = {
    "fpn": [3, 4, 5, 6, 7],
    "panet": [3, 4, 5, 6, 7] * 2,
    "simplified_panet": [3, 4, 5, 6, 4, 5, 6, 7],
    "bifpn": [3, 4, 5, 6, 4, 5, 6, 7],
    "nas_fpn": [4, 4, 3, 4, 5, 7, 6],
    "fully_connected": [3, 4, 5, 6, 7],
}


@pytest.mark.parametrize("wiring", NODES)
def test_a_cell_costs_its_nodes_at_their_levels(wiring: str) -> None:
    found = given_neck(wiring=wiring, repeats=2, fusion="sum")
    steps, _ = visits(found, [WIDE] * 5, 256)
    node = 9 * WIDE + WIDE**2
    macs = sum(node * positions(256, level) for level in NODES[wiring])
    params = (node + 3 * WIDE) * len(NODES[wiring])
    assert cost(steps, "neck.0.") == cost(steps, "neck.1.") == (params, macs)


def test_retinanet_costs_its_laterals_and_3x3s() -> None:
    # torchvision: 1×1 with bias of C3 to C5, 3×3 with bias, P6 of P5 and P7 of P6
    lateral = [{"kernel": 1, "bias": True, "norm": False, "activation": "none"}]
    found = given_neck(wiring="retinanet", lateral=lateral)
    steps, flow = visits(found, [16, 24, 32], 256)
    ns = {level: positions(256, level) for level in range(3, 8)}
    assert cost(steps, "neck") == (
        WIDE * (16 + 24 + 32) + 3 * WIDE + 5 * (9 * WIDE**2 + WIDE),
        WIDE * (16 * ns[3] + 24 * ns[4] + 32 * ns[5]) + 9 * WIDE**2 * sum(ns.values()),
    )
    assert flow == tuple(Shape(WIDE, side, side) for side in (32, 16, 8, 4, 2))


@pytest.mark.parametrize("wiring", [*NODES, "retinanet"])
@pytest.mark.parametrize("side", [128, 100, 37, 3, 1])
def test_each_level_is_as_large_as_the_image_over_its_stride(
    wiring: str, side: int
) -> None:
    found = given_neck(wiring=wiring, repeats=1 + (wiring != "retinanet"))
    _, flow = visits(found, [4, 12, 20], side)
    sides = [-(-side // 2**level) for level in range(3, 8)]
    assert flow == tuple(Shape(WIDE, each, each) for each in sides)


def test_a_neck_s_layers_follow_those_levels_that_the_backbone_has_not() -> None:
    layer = neck(given_neck(repeats=3), [4, 12, 20], STYLE)
    names = [name for name, _ in layer.layers]
    assert names == ["levels", "0", "1"]
    more, first, rest = (each for _, each in layer.layers)
    assert isinstance(more, Graph)
    assert [node.name for node in more.nodes] == ["p6", "p7"]
    assert isinstance(first, Graph)
    assert isinstance(rest, Repeat)
    assert rest.times == 2
    enough = neck(given_neck(levels=[3, 5]), [4, 12, 20], STYLE)
    assert [name for name, _ in enough.layers] == ["0", "1"]


def wired(**changes: Any) -> dict[str, tuple[list[str], Layer]]:  # noqa: ANN401
    """By name: what each node of a neck's first layer reads, and its layer."""
    found = given_neck(levels=[3, 5], **changes)
    layer = dict(neck(found, [4, WIDE, 12], STYLE).layers)["0"]
    assert isinstance(layer, Graph)
    names = ["p3", "p4", "p5", *(node.name for node in layer.nodes)]
    return {
        node.name: ([names[k] for k in node.reads], node.layer) for node in layer.nodes
    }


def test_what_a_node_reads_is_fitted_then_brought_to_its_level_then_fused() -> None:
    found = wired()
    assert {name: reads for name, (reads, _) in found.items()} == {
        "p4_td_lateral_p5": ["p5"],
        "p4_td_from_p5": ["p4_td_lateral_p5", "p4"],  # at the size of p4
        "p4_td": ["p4", "p4_td_from_p5"],
        "p3_out_lateral_p3": ["p3"],
        "p3_out_from_p4_td": ["p4_td", "p3"],
        "p3_out": ["p3_out_lateral_p3", "p3_out_from_p4_td"],
        "p4_out_from_p3_out": ["p3_out"],
        "p4_out": ["p4", "p4_td", "p4_out_from_p3_out"],
        "p5_out_lateral_p5": ["p5"],
        "p5_out_from_p4_out": ["p4_out"],
        "p5_out": ["p5_out_lateral_p5", "p5_out_from_p4_out"],
    }
    assert found["p4_td_from_p5"][1] == Resize()
    assert found["p5_out_from_p4_out"][1] == Pool("max", (3, 3), (2, 2))
    assert isinstance(found["p4_out"][1], Sequential)
    assert found["p4_out"][1].layers[0] == ("fuse", Fuse(3, "fast"))


def test_laterals_once_fit_each_input_for_all_who_read_it() -> None:
    found = wired(laterals="once", wiring="simplified_panet")
    names = [name for name in found if "lateral" in name]
    assert names == ["lateral_p3", "lateral_p5"]  # p4 is as wide as the neck
    assert found["p5_out"][0] == ["lateral_p5", "p5_out_from_p4_out"]


def test_pools_apart_have_kernels_of_their_strides() -> None:
    assert wired(pools="apart")["p5_out_from_p4_out"][1] == Pool("max", (2, 2), (2, 2))
    both = {"a": {"level": 5, "reads": ["p3", "p4", "p5"]}}
    apart = wired(nodes=both, pools="apart")["a_from_p3"][1]
    assert apart == Pool("max", (4, 4), (4, 4))
    assert wired(nodes=both)["a_from_p3"][1] == Pool("max", (5, 5), (4, 4))


def test_a_level_that_no_node_makes_is_fitted_and_put_out() -> None:
    found = given_neck(levels=[3, 5], nodes={"a": {"level": 4, "reads": ["p4", "p3"]}})
    steps, flow = visits(found, [4, WIDE, 12], 64)
    assert flow == tuple(Shape(WIDE, side, side) for side in (8, 4, 2))
    fits = [step.path for step in steps if step.path.endswith("conv")]
    assert "neck.0.lateral_p5.lateral.conv" in fits


def test_an_attention_is_by_the_coarser_map_and_sums_have_no_weights() -> None:
    nodes = {
        "a": {"level": 3, "reads": ["p3", "p5"], "merge": "attention", "layers": []},
        "b": {"level": 4, "reads": ["p4", "a"], "merge": "sum", "adds": ["p4_x"]},
    }
    nodes["p4_x"] = {"level": 4, "reads": ["p4"], "layers": []}
    ordered = {name: nodes[name] for name in ("a", "p4_x", "b")}
    found = wired(nodes=ordered)
    reads, layer = found["a"]
    assert reads == ["a_from_p5", "a_lateral_p3"]  # p5 first: what is attended by
    assert layer == Sequential((("fuse", Attend()),))
    assert found["b"][0] == ["p4", "b_from_a", "p4_x"]
    assert isinstance(found["b"][1], Sequential)
    assert "fuse" not in dict(found["b"][1].layers)


def test_what_is_added_is_added_to_what_is_fused() -> None:
    nodes = {"a": {"level": 4, "reads": ["p5", "p3"], "adds": ["p4"], "layers": []}}
    found = wired(nodes=nodes, fusion="softmax")
    assert found["a_fuse"] == (["a_from_p5", "a_from_p3"], Fuse(2, "softmax"))
    assert found["a"] == (["a_fuse", "p4"], Sequential(()))


@pytest.mark.parametrize("per_channel", [False, True])
def test_fusions_learn_a_weight_for_each_input_or_each_channel(
    *, per_channel: bool
) -> None:
    fuse = dict(wired(per_channel=per_channel)["p4_out"][1].layers)["fuse"]  # type: ignore[union-attr]
    assert fuse == Fuse(3, "fast", WIDE if per_channel else None)
    assert fuse.weights == (3 * WIDE if per_channel else 3)


def test_a_node_that_strides_is_fed_from_the_level_below() -> None:
    down = [{"kernel": 3, "stride": 2}]
    nodes = {
        "a": {"level": 5, "reads": ["p4", "p3"], "layers": down},
        **{f"p{k}_out": {"level": k, "reads": [f"p{k}"]} for k in (3, 4)},
        "b": {"level": 5, "reads": ["a", "p5"]},
    }
    assert wired(nodes=nodes)["a"][0] == ["p4", "a_from_p3"]


def test_a_node_of_one_map_has_nothing_to_weigh() -> None:
    steps, _ = visits(given_neck(wiring="panet"), [WIDE] * 5)
    weights = [step.leaf.weights for step in steps if isinstance(step.leaf, Fuse)]
    assert weights == [2] * 8  # of ten nodes: p7's first and p3's second read one
