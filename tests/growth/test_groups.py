"""Groups that scale, and the ends that do not, beside executed references."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import effscale as es
from effscale.cost.count import layer_costs
from effscale.growth.growth import at_phi
from effscale.growth.rounding import in_groups, round_group_width
from effscale.growth.scale import numbers
from effscale.network.network import network
from effscale.network.operators.convolution import Conv, Linear
from tests.parts import head_of

if TYPE_CHECKING:
    from effscale.arrays import Int
    from effscale.growth.scale import Role

# Radosavovic et al. 2020, RegNetY-4.0GF; pycls,
# configs/dds_baselines/regnety/RegNetY-4.0GF_dds_8gpu.yaml
REGNET = """\
name: regnety
resolution: 224
activation: relu
stem: {kernel: 3, stride: 2, channels: 32}
stages:
  - {block: bottleneck, stride: 2, channels: 128, group_width: 64, se_ratio: 0.25, repeats: 2}
  - {block: bottleneck, stride: 2, channels: 192, group_width: 64, se_ratio: 0.25, repeats: 6}
  - {block: bottleneck, stride: 2, channels: 512, group_width: 64, se_ratio: 0.25, repeats: 12}
  - {block: bottleneck, stride: 2, channels: 1088, group_width: 64, se_ratio: 0.25, repeats: 2}
head: {}
rounding: {stem: fixed, max_channel_loss: 1, ties: even, repeats: round, resolution_multiple: 4}
"""  # noqa: E501 - a stage a line

# pycls/models/scaler.py run with MODEL.SCALING_FACTOR 4: side; flops, params and
# activations as multiples of the baseline's. Its flops have the biases' additions.
RATIOS = {
    "d1": (224, 3.837, 3.919, 3.213),
    "w1": (224, 3.084, 3.343, 1.967),  # groups as they are: they become more
    "w1_g1": (224, 3.959, 3.886, 1.967),
    "width": (224, 3.959, 3.886, 1.967),  # and groups follow where nothing is said
    "r1": (448, 3.997, 1.000, 3.997),
    "d1_w1": (224, 3.265, 3.475, 2.424),
    "d1_r1": (316, 3.951, 1.973, 3.513),
    "w1_r1": (316, 3.407, 1.747, 2.813),
    "d1_w1_r1": (284, 3.549, 2.251, 2.797),
    "d1_w2_r1": (268, 3.475, 2.516, 2.670),
    "d1_w8_g8_r1": (240, 3.928, 3.301, 2.160),
}


def flops(spec: es.Spec) -> int:
    """MACs, and an addition for each element that has a bias."""
    total = 0
    for each in layer_costs(network(spec)):
        leaf, out = each.visit.leaf, each.visit.output
        biased = isinstance(leaf, Linear) or (isinstance(leaf, Conv) and leaf.bias)
        total += int(each.cost.macs) + (int(out.elements) if biased else 0)
    return total


def test_the_baseline_is_pycls_s() -> None:
    spec = es.loads(REGNET)
    cost = es.count(spec)
    found = flops(spec), cost.params, cost.activations
    assert found == (3973301344, 20646656, 12287200)


def ratios(spec: es.Spec, scaled: es.Spec) -> tuple[int, float, float, float]:
    """Side, and MACs with biases, params and activations over the baseline's."""
    before, after = es.count(spec), es.count(scaled)
    return (
        int(scaled.resolution[0]),
        round(flops(scaled) / flops(spec), 3),
        round(int(after.params) / int(before.params), 3),
        round(int(after.activations) / int(before.activations), 3),
    )


@pytest.mark.parametrize("name", RATIOS)
def test_pycls_s_ratios_are_reproduced(name: str) -> None:
    spec = es.loads(REGNET)
    scaled = es.scale(spec, es.strategy(name, 2))
    assert ratios(spec, scaled) == RATIOS[name]


def test_pycls_s_16gf_network_is_reproduced() -> None:
    # "4GF to 16GF" by dWr: d 2 7 14 2, w 224 336 896 1904, g 112; 15.608 B, 68.14 M
    scaled = es.scale(es.loads(REGNET), es.strategy("d1_w8_g8_r1", 2))
    assert numbers(scaled, "repeats") == [2, 7, 14, 2]
    assert numbers(scaled, "channels") == [224, 336, 896, 1904]
    assert numbers(scaled, "group_width") == [112] * 4
    assert round(flops(scaled) / 1e9, 3) == 15.608
    assert round(int(es.count(scaled).params) / 1e6, 2) == 68.14


@pytest.mark.parametrize(
    ("exact", "rounded"),
    [  # pycls/models/scaler.py:84-90: 1 and 2 stay, to 5 it is 4, else eights
        *((0.2, 1), (1.4, 1), (1.6, 2), (2.4, 2), (2.6, 4), (4, 4), (5.4, 4)),
        *((5.6, 8), (8, 8), (11.4, 8), (11.6, 16), (12, 16), (20, 16), (112.3, 112)),
    ],
)
def test_the_channels_of_a_group_are_few_or_eights(exact: float, rounded: int) -> None:
    assert round_group_width(10, exact / 10) == rounded
    found = round_group_width(np.array([10, 20]), exact / 10)
    assert np.asarray(found)[0] == rounded


def test_a_factor_of_1_leaves_a_group_as_it_is() -> None:
    assert round_group_width(5, 1.0) == 5
    both = round_group_width(5, np.array([1.0, 1.01]))
    assert np.asarray(both).tolist() == [5, 4]


@pytest.mark.parametrize(
    ("channels", "group", "found"),
    [
        (128, 64, (128, 64)),
        (136, 64, (128, 64)),
        (160, 64, (128, 64)),  # 2.5 groups: halves to even
        (224, 64, (256, 64)),
        (24, 64, (24, 24)),  # none is wider than all channels
        (72, 64, (64, 64)),
    ],
)
def test_channels_are_whole_groups(
    channels: int, group: int, found: tuple[int, int]
) -> None:
    # adjust_block_compatibility, pycls/models/blocks.py:215-226
    assert in_groups(channels, group) == found
    several = in_groups(np.array([channels, 64]), np.array([group, 64]))
    assert tuple(np.asarray(each)[0] for each in several) == found


SMALL = """\
name: small
resolution: 64
stem: [{{kernel: 3, stride: 2, channels: 16}}, {{kernel: 3, channels: 24}}]
blocks: {{own: [{{kernel: 3, channels: [40, 48]}}, {{kernel: 1, channels: 56}}]}}
cells: {{a: {{nodes: [[[identity, 0], [identity, 1]]], concat: [2]}}}}
stages:
  - {{block: mbconv, kernel: 3, stride: 1, expand_ratio: 2, channels: 64, repeats: 3}}
  - {{block: own, channels: 72, repeats: 3}}
  - {{block: concat, branches: [[{{kernel: 1, channels: 80}}], [{{block: norm}}]]}}
  - {{block: dense, growth: 88, repeats: 3}}
  - {{block: transition}}
  - {{block: cell, cell: a, channels: 96, repeats: 3}}
  - {{block: cell, cell: a, channels: 104, stride: 2}}
  - {{block: bottleneck, stride: 1, channels: 112, c_mid: 120, group_width: 8, repeats: 3}}
head: {{layers: [{{kernel: 1, channels: 128}}], channels: 136, hidden: 144, classes: 10}}
rounding: {rounding}
"""  # noqa: E501 - a stage a line
STEM, HEAD = [16, 24], [128, 136, 144]
STAGES = [64, 72, 80, 88, 96, 104, 112, 120, 40, 48, 56]
REPEATS = [3] * 5


def roles(rounding: str) -> dict[Role, list[Int]]:
    """The numbers of each role, sorted as they stand above."""
    spec = es.loads(SMALL.format(rounding=rounding))
    every: tuple[Role, ...] = ("channels", "grown", "group_width", "repeats")
    return {role: numbers(spec, role) for role in every}


@pytest.mark.parametrize(
    ("rounding", "channels", "grown", "repeats"),
    [
        ("{}", STEM + STAGES + HEAD, [], REPEATS),
        ("{stem: fixed}", STAGES + HEAD, [], REPEATS),
        ("{head: fixed}", STEM + STAGES, [], REPEATS),
        ("{head: grows}", STEM + STAGES, HEAD, REPEATS),
        ("{ends: fixed}", STEM + STAGES + HEAD, [], REPEATS[:3]),
        ("lite", STAGES, [], REPEATS[:3]),
        ("tinynet", STAGES, HEAD, REPEATS),
    ],
)
def test_what_scales_is_what_the_rounding_says(
    rounding: str, channels: list[int], grown: list[int], repeats: list[int]
) -> None:
    found = roles(rounding)
    assert sorted(found["channels"]) == sorted(channels)
    assert sorted(found["grown"]) == sorted(grown)
    assert found["group_width"] == [8]
    assert found["repeats"] == repeats


@pytest.mark.parametrize(
    ("head", "width", "found"),
    [
        ("scaled", 0.5, [64, 72, 72]),
        ("fixed", 0.5, HEAD),
        ("grows", 0.5, HEAD),
        ("scaled", 2, [256, 272, 288]),
        ("fixed", 2, HEAD),
        ("grows", 2, [256, 272, 288]),
        ("grows", np.array([0.5, 2.0]), [[128, 256], [136, 272], [144, 288]]),
    ],
)
def test_a_head_grows_but_does_not_shrink(
    head: str,
    width: Any,  # noqa: ANN401 - a number, or an array
    found: list[Any],
) -> None:
    spec = es.loads(SMALL.format(rounding=f"{{head: {head}}}"))
    scaled = head_of(es.scale(spec, es.Multipliers(width=width)))
    layers: Any = scaled.layers[0]
    widths = (layers.channels, scaled.channels, scaled.hidden)
    assert [np.asarray(each).tolist() for each in widths] == found


def test_a_stem_that_is_fixed_stays() -> None:
    spec = es.loads(SMALL.format(rounding="{stem: fixed}"))
    assert es.scale(spec, es.Multipliers(width=2)).stem == spec.stem


def test_the_first_and_the_last_stage_that_repeats_may_keep_their_repeats() -> None:
    spec = es.loads(SMALL.format(rounding="{ends: fixed}"))
    deeper = es.scale(spec, es.Multipliers(depth=2))
    repeats = [getattr(each, "repeats", None) for each in deeper.stages]
    assert repeats == [3, 6, None, 6, None, 6, None, 3]


def as_pycls(text: str) -> es.Spec:
    """The spec of a text, by the policy of that name."""
    lines = [each for each in text.splitlines() if not each.startswith("rounding")]
    return es.loads("\n".join([*lines, "rounding: pycls"]))


@pytest.mark.parametrize("name", RATIOS)
def test_the_policy_by_name_says_all_of_pycls_s_rules(name: str) -> None:
    spec = as_pycls(REGNET)
    # the strategy w of pycls leaves groups as they are (scaler.py:17-46)
    expected = RATIOS["w1" if name == "width" else name]
    scaled = es.scale(spec, es.strategy(name, 2))
    assert ratios(spec, scaled) == expected


RESNEXT = """\
name: resnext
resolution: 224
activation: relu
stem: [{kernel: 7, stride: 2, channels: 64}, {block: max_pool, kernel: 3, stride: 2}]
stages:
  - {block: bottleneck, stride: 1, c_mid: 128, channels: 256, group_width: 4, repeats: 3}
  - {block: bottleneck, stride: 2, c_mid: 256, channels: 512, group_width: 8, repeats: 4}
  - {block: bottleneck, stride: 2, c_mid: 512, channels: 1024, group_width: 16, repeats: 6}
  - {block: bottleneck, stride: 2, c_mid: 1024, channels: 2048, group_width: 32, repeats: 3}
head: {}
"""  # noqa: E501 - a stage a line


@pytest.mark.parametrize(
    ("name", "phi", "channels", "groups", "repeats", "side"),
    [  # pycls/models/scaler.py, of widths, ratios of ½ inside, and groups
        ("width", 1, [360, 736, 1440, 2880], [4, 8, 16, 32], [3, 4, 6, 3], 224),
        ("width", 2, [512, 1024, 2048, 4096], [4, 8, 16, 32], [3, 4, 6, 3], 224),
        ("dwr", 1, [288, 576, 1152, 2304], [4, 8, 16, 32], [4, 5, 8, 4], 252),
        ("dwr", 2, [320, 640, 1280, 2560], [4, 8, 16, 32], [5, 6, 10, 5], 284),
        ("d1_w8_g8_r1", 1, [336, 672, 1344, 2720], [4, 8, 24, 40], [3, 4, 6, 3], 232),
        ("d1_w8_g8_r1", 2, [448, 896, 1792, 3584], [8, 16, 32, 56], [3, 5, 7, 3], 240),
        ("w1_g1", 1, [352, 736, 1440, 2880], [8, 8, 24, 48], [3, 4, 6, 3], 224),
        ("w1_g1", 2, [512, 1024, 2048, 4096], [8, 16, 32, 64], [3, 4, 6, 3], 224),
    ],
)
def test_pycls_s_bottlenecks_keep_their_ratio(  # noqa: PLR0913, PLR0917
    name: str,
    phi: int,
    channels: list[int],
    groups: list[int],
    repeats: list[int],
    side: int,
) -> None:
    scaled = es.scale(as_pycls(RESNEXT), es.strategy(name, phi))
    inside = [each // 2 for each in channels]
    widths = [wide for pair in zip(channels, inside, strict=True) for wide in pair]
    assert numbers(scaled, "channels") == widths  # and none of the stem, which stays
    assert scaled.stem == as_pycls(RESNEXT).stem
    assert numbers(scaled, "group_width") == groups
    assert numbers(scaled, "repeats") == repeats
    assert scaled.resolution == (side, side)


def test_a_stem_before_mobile_blocks_is_scaled_by_pycls() -> None:
    b0 = es.load("b0").model_copy(update={"rounding": as_pycls(REGNET).rounding})
    wide = es.scale(b0, es.Multipliers(width=2.0))
    assert numbers(wide, "channels")[:2] == [2560, 64]


def test_a_grid_and_a_fit_keep_groups_as_the_policy_does() -> None:
    spec = as_pycls(REGNET)
    assert at_phi(spec, 1.0, "dwr").group_width == 1.0
    assert at_phi(spec, 1.0, "d1_w1_g1").group_width == 2**0.25
    assert at_phi(es.loads(REGNET), 1.0, "dwr").group_width is None
