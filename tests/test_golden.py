"""Figures of the EfficientNets that others published, and of B0 scaled by a law."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import effscale as es
from effscale import quantity
from effscale.cost.count import layer_costs, part_costs
from effscale.growth.scale import at_resolution
from effscale.network.network import network
from effscale.network.operators.convolution import Conv, Linear
from effscale.spec.models import POLICIES
from tests.parts import head_of, stages, stem

if TYPE_CHECKING:
    from effscale.spec.models import Spec

# params: torchvision/models/efficientnet.py, num_params. Activations of B0-B5: pycls,
# dev/model_complexity.json, acts. MACs: its flops less the biases, see below; of B6 and
# B7 as torchvision's _ops, 19.068 and 37.746. All: pytorch-image-models, convolutions
# and linear layers of efficientnet_b0 … b7 at the published sizes.
EFFICIENTNETS = {
    "b0": (5288548, 385814752, 6748036),
    "b1": (7794184, 686802832, 10884328),
    "b2": (9109994, 993561872, 13832834),
    "b3": (12233232, 1827141392, 23831296),
    "b4": (19341616, 4393771024, 49489032),
    "b5": (30389784, 10266384752, 98857400),
    "b6": (43040704, 19067593536, 167393400),
    "b7": (66347960, 37745884192, 289939464),
}

# pycls, dev/model_complexity.json, configs/dds_baselines/effnet/EN-B*_dds_8gpu.yaml
PYCLS_FLOPS = {
    "b0": 385825092,
    "b1": 686817992,
    "b2": 993578282,
    "b3": 1827162472,
    "b4": 4393801064,
    "b5": 10266426072,
}

# stem, widths, head; depths; sides after the strides. B0-B5: pycls,
# configs/dds_baselines/effnet (STEM_W, WIDTHS, HEAD_W, DEPTHS).
STAGES = {
    "b1": (
        (32, 16, 24, 40, 80, 112, 192, 320, 1280),
        (2, 3, 3, 4, 4, 5, 2),
        (120, 60, 30, 15, 8),
    ),
    "b2": (
        (32, 16, 24, 48, 88, 120, 208, 352, 1408),
        (2, 3, 3, 4, 4, 5, 2),
        (130, 65, 33, 17, 9),
    ),
    "b3": (
        (40, 24, 32, 48, 96, 136, 232, 384, 1536),
        (2, 3, 3, 5, 5, 6, 2),
        (150, 75, 38, 19, 10),
    ),
    "b4": (
        (48, 24, 32, 56, 112, 160, 272, 448, 1792),
        (2, 4, 4, 6, 6, 8, 2),
        (190, 95, 48, 24, 12),
    ),
    "b5": (
        (48, 24, 40, 64, 128, 176, 304, 512, 2048),
        (3, 5, 5, 7, 7, 9, 3),
        (228, 114, 57, 29, 15),
    ),
    "b6": (
        (56, 32, 40, 72, 144, 200, 344, 576, 2304),
        (3, 6, 6, 8, 8, 11, 3),
        (264, 132, 66, 33, 17),
    ),
    "b7": (
        (64, 32, 48, 80, 160, 224, 384, 640, 2560),
        (4, 7, 7, 10, 10, 13, 4),
        (300, 150, 75, 38, 19),
    ),
}

# Where a source prints what its network does not have, and why.
DEPARTURES = {
    ("b1", "macs"): "table 2 prints 0.70B; pycls and torchvision have 0.687 as we do",
    ("b2", "params"): "table 2 prints 9.2M; 9.18 with batch norm's running statistics",
    ("b4", "macs"): "table 2 prints 4.2B, which a 364 px image would have",
    ("b5", "macs"): "table 2 prints 9.9B; pycls and torchvision have 10.27 as we do",
}


def figures(spec: Spec) -> tuple[int, int, int]:
    """Params, MACs and activations of `spec`."""
    cost = es.count(spec)
    return int(cost.params), int(cost.macs), int(cost.activations)


@pytest.mark.parametrize("name", EFFICIENTNETS)
def test_published_variants_cost_what_others_count(name: str) -> None:
    assert figures(es.load(name)) == EFFICIENTNETS[name]


@pytest.mark.parametrize("name", PYCLS_FLOPS)
def test_macs_and_biases_are_pycls_flops(name: str) -> None:
    macs = biases = 0
    for each in layer_costs(network(es.load(name))):
        macs += int(each.cost.macs)
        leaf, out = each.visit.leaf, each.visit.output
        if isinstance(leaf, Linear) or (isinstance(leaf, Conv) and leaf.bias):
            biases += int(out.elements)
    assert macs + biases == PYCLS_FLOPS[name]


def test_torchvision_reports_b2_for_a_larger_crop() -> None:
    # torchvision/models/efficientnet.py: crop_size=288, _ops 1.088
    b2 = at_resolution(es.load("b2"), (288, 288))
    assert round(figures(b2)[1] / 1e9, 3) == 1.088


@pytest.mark.parametrize("name", STAGES)
def test_published_variants_have_the_published_stages(name: str) -> None:
    widths, depths, sides = STAGES[name]
    parts = part_costs(network(es.load(name)))
    assert tuple(each.part.channels for each in parts) == widths
    assert tuple(each.part.repeats for each in parts[1:-1]) == depths
    after = [parts[index].output for index in (0, 2, 3, 5, 7)]  # of 2, 4, 8, 16, 32
    assert [(each.height, each.width) for each in after] == [(s, s) for s in sides]


def test_published_variants_have_the_published_multipliers(b0: Spec) -> None:
    # width, depth, resolution, dropout, in the words of
    # tpu/models/official/efficientnet/efficientnet_builder.py, lines 37 to 49
    assert {
        name: (
            each.width_multiplier,
            each.depth_multiplier,
            each.resolution,
            each.dropout,
        )
        for name, each in b0.variants.items()
        if each.family is None  # and so EfficientNet
    } == {
        "b1": (1.0, 1.1, (240, 240), 0.2),
        "b2": (1.1, 1.2, (260, 260), 0.3),
        "b3": (1.2, 1.4, (300, 300), 0.3),
        "b4": (1.4, 1.8, (380, 380), 0.4),
        "b5": (1.6, 2.2, (456, 456), 0.4),
        "b6": (1.8, 2.6, (528, 528), 0.5),
        "b7": (2.0, 3.1, (600, 600), 0.5),
        "b8": (2.2, 3.6, (672, 672), 0.5),
        "l2": (4.3, 5.3, (800, 800), 0.5),
    }


def test_published_figures_agree_but_for_known_departures() -> None:
    found = set()
    for name in ["b0", *STAGES, "b8", "l2"]:
        spec, cost = es.load(name), es.count(es.load(name))
        for what in ("params", "macs"):
            printed = getattr(spec.published, what, None)
            if printed and not quantity.agrees(printed, getattr(cost, what)):
                found.add((name, what))
    assert found == set(DEPARTURES)


# What pycls/models/scaler.py makes of configs/dds_baselines/effnet/EN-B0_dds_8gpu.yaml
# with MODEL.SCALING_FACTOR 4: side, then MACs, params and activations over B0's.
# pycls calls the last "d1_w8_g8_r1"; B0 has no groups that g could scale.
PYCLS_SCALED = {
    "depth": (224, 4.083, 3.799, 3.376),
    "width": (224, 3.758, 3.427, 2.000),
    "resolution": (448, 3.985, 1.000, 3.995),
    "dw": (224, 3.913, 3.688, 2.527),
    "dr": (316, 4.111, 1.933, 3.606),
    "wr": (316, 3.914, 1.838, 2.864),
    "dwr": (284, 4.397, 2.502, 3.193),
    "d1_w2_r1": (268, 4.001, 2.406, 2.726),
    "d1_w8_r1": (240, 3.580, 2.992, 1.975),
}


@pytest.mark.parametrize(
    ("phi", "side", "params", "macs"),
    [  # α, β, γ of Tan & Le 2019, section 3.3, with its rounding and sides in eights
        (-1, 192, 4548152, 253866880),
        (0, 224, 5288548, 385814752),
        (1, 256, 9109994, 859853760),  # B2's architecture
        (2, 296, 12255408, 1810522464),
        (4, 392, 25916448, 6319727088),
        (7, 592, 68741810, 38761717264),
    ],
)
def test_compound_scaling_of_b0(
    b0: Spec, phi: float, side: int, params: int, macs: int
) -> None:
    scaled = es.scale(b0, es.compound(phi))
    cost = es.count(scaled)
    assert scaled.resolution == (side, side)
    assert (cost.params, cost.macs) == (params, macs)


def test_phi_zero_is_b0_itself(b0: Spec) -> None:
    assert es.scale(b0, es.compound(0)) is b0


@pytest.mark.parametrize(
    ("multipliers", "cost"),
    [  # Tan & Le 2019, table 7, prints 1.8B, 1.8B and 1.9B
        (es.Multipliers(depth=4), es.Cost(1575132640, 20091856, 22784704)),
        (es.Multipliers(width=2), es.Cost(1449958848, 18122720, 13495072)),
        (es.Multipliers(resolution=2), es.Cost(1537537408, 5288548, 26961124)),
    ],
)
def test_single_dimensions_of_table_seven(
    b0: Spec, multipliers: es.Multipliers, cost: es.Cost
) -> None:
    assert es.count(es.scale(b0, multipliers)) == cost


def test_table_seven_s_compound_network_is_b3_s(b0: Spec) -> None:
    # d = 1.4, w = 1.2, r = 1.3
    scaled, b3 = es.scale(b0, es.Multipliers(1.4, 1.2, 1.3)), es.load("b3")
    assert es.count(scaled).params == es.count(b3).params == 12233232
    assert scaled.stages == b3.stages


@pytest.mark.parametrize("name", PYCLS_SCALED)
def test_strategies_cost_what_pycls_s_do(b0: Spec, name: str) -> None:
    policy = b0.model_copy(update={"rounding": POLICIES["pycls"]})
    scaled = es.scale(policy, es.strategy(name, 2))
    before, after = vars(es.count(b0)), vars(es.count(scaled))
    ratios = tuple(
        round(after[each] / before[each], 3)
        for each in ("macs", "params", "activations")
    )
    assert (scaled.resolution[0], *ratios) == PYCLS_SCALED[name]


def test_fast_scaling_has_pycls_s_stages(b0: Spec) -> None:
    policy = b0.model_copy(update={"rounding": POLICIES["pycls"]})
    scaled = es.scale(policy, es.strategy("fast", 2))
    assert (stem(scaled).channels, head_of(scaled).channels) == (56, 2232)
    widths = [stage.channels for stage in stages(scaled)]
    assert widths == [24, 40, 72, 136, 192, 336, 560]
    assert [stage.repeats for stage in stages(scaled)] == [1, 2, 2, 3, 3, 5, 1]
    assert es.count(scaled) == es.Cost(1381104800, 15824374, 13328046)
