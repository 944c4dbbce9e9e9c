"""Rounding policies, from a spec's text to the figures that their namesakes have."""

from __future__ import annotations

import pytest
from hypothesis import given

import effscale as es
from effscale.cost.count import layer_costs
from effscale.growth.scale import numbers
from effscale.network.network import network
from effscale.network.operators.convolution import Conv, Linear
from effscale.spec.models import POLICIES
from tests.examples import examples
from tests.parts import head_of, stages, stem
from tests.strategies import specs

SPEC = """\
name: small
resolution: 64
stem: {{kernel: 3, stride: 2, channels: 16}}
stages:
  - {{block: mbconv, kernel: 3, stride: 1, expand_ratio: 2, channels: 40, repeats: 3}}
head: {{channels: 80, classes: 10}}
rounding: {rounding}
"""


def small(rounding: str) -> es.Spec:
    return es.loads(SPEC.format(rounding=rounding))


def thrice(rounding: str) -> es.Spec:
    """The same with three such stages."""
    spec = small(rounding)
    return spec.model_copy(update={"stages": spec.stages * 3})


# pycls/models/scaler.py run on configs/dds_baselines/effnet/EN-B0_dds_8gpu.yaml with
# MODEL.SCALING_FACTOR 4, by MODEL.SCALING_TYPE: side, params, activations, "flops".
PYCLS = {
    "depth": (224, 20091856, 22784704, 1575176640),  # d
    "width": (224, 18122720, 13495072, 1449978528),  # w; wg
    "resolution": (448, 5288548, 26961124, 1537547748),  # r
    "dw": (224, 19501522, 17052298, 1509751514),
    "dr": (316, 10222984, 24335272, 1586243976),
    "wr": (316, 9720946, 19327250, 1510132882),
    "dwr": (284, 13234516, 21548476, 1696567884),
    "d1_w2_r1": (268, 12725956, 18392204, 1543609652),
    "d1_w8_r1": (240, 15824374, 13328046, 1381124070),  # d1_w8_g8_r1: B0 has no groups
}


def biased(spec: es.Spec) -> int:
    """Elements to which a bias is added, which pycls counts as flops."""
    return sum(
        int(each.cost.activations)
        for each in layer_costs(network(spec))
        if isinstance(each.visit.leaf, Linear)
        or (isinstance(each.visit.leaf, Conv) and each.visit.leaf.bias)
    )


def rounded_as(spec: es.Spec, policy: str) -> es.Spec:
    """`spec` read again from its text, `rounding: policy` in it."""
    lines = es.dumps(spec).splitlines()
    said = [
        f"rounding: {policy}" if line.startswith("rounding:") else line
        for line in lines
    ]
    assert said != lines
    return es.loads("\n".join(said))


@pytest.mark.parametrize("name", PYCLS)
def test_pycls_s_figures_are_reproduced_exactly(b0: es.Spec, name: str) -> None:
    scaled = es.scale(rounded_as(b0, "pycls"), es.strategy(name, 2))
    cost = es.count(scaled)
    flops = cost.macs + biased(scaled)
    found = scaled.resolution[0], cost.params, cost.activations, flops
    assert found == PYCLS[name]


def test_pycls_s_baseline(b0: es.Spec) -> None:
    # pycls/dev/model_complexity.json, EN-B0: flops 385,825,092
    assert es.count(b0).macs + biased(b0) == 385825092


def test_efficientnetv2_drops_the_rule_of_the_tenth() -> None:
    # 16 × 1.2 = 19.2 is nearest to 16, which is more than a tenth less
    wider = es.Multipliers(width=1.2)
    assert stem(es.scale(small("efficientnet"), wider)).channels == 24
    assert stem(es.scale(small("efficientnetv2"), wider)).channels == 16
    assert stem(es.scale(small("timm"), wider)).channels == 24


def test_timm_rounds_depth_to_the_nearest() -> None:
    found = {
        policy: numbers(es.scale(thrice(policy), es.Multipliers(depth=1.1)), "repeats")
        for policy in POLICIES
    }
    assert found == {
        "efficientnet": [4, 4, 4],
        "efficientnetv2": [4, 4, 4],
        "pycls": [3, 3, 3],
        "ultralytics": [3, 3, 3],
        "timm": [3, 3, 3],
        "lite": [4],  # the first and the last stage keep theirs
        "tinynet": [3, 3, 3],
    }


@pytest.mark.parametrize(
    ("ties", "width", "resolution", "channels", "side"),
    [  # 40 × 1.5 = 60 = 7.5 × 8; 80 × 1.25 = 100 = 12.5 × 8; 64 × 1.1875 = 76 = 9.5 × 8
        ("up", 1.5, 1.1875, 64, 80),
        ("even", 1.5, 1.1875, 64, 80),
        ("up", 1.25, 1.0625, 104, 72),
        ("even", 1.25, 1.0625, 96, 64),
    ],
)
def test_ties_go_up_or_to_the_even_neighbour(
    ties: str, width: float, resolution: float, channels: int, side: int
) -> None:
    spec = small(f"{{ties: {ties}, max_channel_loss: 1}}")
    scaled = es.scale(spec, es.Multipliers(width=width, resolution=resolution))
    layer = stages(scaled)[0] if width == 1.5 else head_of(scaled)
    assert (layer.channels, scaled.resolution) == (channels, (side, side))


@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_survives_being_written(b0: es.Spec, policy: str) -> None:
    spec = rounded_as(b0, policy)
    assert spec.rounding == POLICIES[policy]
    assert es.loads(es.dumps(spec)) == spec
    scaled = es.scale(spec, es.compound(1.5))
    assert es.loads(es.dumps(scaled)) == scaled
    again, deeper = es.loads(es.dumps(scaled)), es.compound(0.5)
    assert es.scale(again, deeper) == es.scale(scaled, deeper)


@given(specs())
@examples(10)
def test_any_spec_survives_being_written_under_any_policy(spec: es.Spec) -> None:
    for rounding in POLICIES.values():
        ruled = spec.model_copy(update={"rounding": rounding})
        assert es.loads(es.dumps(ruled)) == ruled


def test_keys_say_what_differs_from_the_reference() -> None:
    spec = small("{ties: even, repeats: round}")
    assert spec.rounding.model_dump() == {
        **POLICIES["efficientnet"].model_dump(),
        "ties": "even",
        "repeats": "round",
    }


@pytest.mark.parametrize(
    ("wrong", "hint"), [("keras", ""), ("Timm", "; did you mean 'timm'?")]
)
def test_no_other_name_is_a_policy(wrong: str, hint: str) -> None:
    with pytest.raises(es.SpecError) as caught:
        small(wrong)
    assert str(caught.value) == (
        "<text>:7:11: rounding: expected one of efficientnet, efficientnetv2, pycls, "
        f"ultralytics, timm, lite, tinynet, or keys and values, got {wrong!r}{hint}"
    )
