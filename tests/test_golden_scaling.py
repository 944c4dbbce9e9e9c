"""Figures of B0 scaled by a law: the paper's, and Dollár, Singh & Girshick's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import effscale as es
from effscale.spec.models import POLICIES
from tests.parts import head_of, stages, stem

if TYPE_CHECKING:
    from effscale.spec.models import Spec

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
    ratios = tuple(round(after[each] / before[each], 3) for each in before)
    assert (scaled.resolution[0], *ratios) == PYCLS_SCALED[name]


def test_fast_scaling_has_pycls_s_stages(b0: Spec) -> None:
    policy = b0.model_copy(update={"rounding": POLICIES["pycls"]})
    scaled = es.scale(policy, es.strategy("fast", 2))
    assert (stem(scaled).channels, head_of(scaled).channels) == (56, 2232)
    widths = [stage.channels for stage in stages(scaled)]
    assert widths == [24, 40, 72, 136, 192, 336, 560]
    assert [stage.repeats for stage in stages(scaled)] == [1, 2, 2, 3, 3, 5, 1]
    assert es.count(scaled) == es.Cost(1381104800, 15824374, 13328046)
