"""Tests of `effscale.network.cells`: the published cells, one by one.

Params and MACs of each cell by arithmetic on the released wirings: lists of operators
of tpu/models/official/amoeba_net/model_specs.py:27-84, TensorFlow's
research/slim/nets/nasnet; those of NASNet-A and PNASNet-5 are as well what
timm/models/nasnet.py and pnasnet.py have.
"""

from __future__ import annotations

from itertools import groupby

import pytest

import effscale as es
from effscale.cost.count import Cost, layer_costs
from effscale.network.network import network
from tests.spec.small import lines

#: Stem's cells, then three stacks, each but the last with its reduction: params, MACs
#: and how many such cells there are.
CELLS = {
    "amoebanet-a": [
        (36170, 287813402, 1),
        (133609, 379326400, 1),
        (447260, 782263440, 1),
        (547010, 958222440, 1),
        (601160, 1053743040, 4),
        (2028440, 1730389185, 1),
        (2213120, 972634320, 1),
        (2501920, 1099995120, 1),
        (2357520, 1036314720, 4),
        (7919580, 1769441120, 1),
        (8758240, 1057907840, 1),
        (9913440, 1197687040, 1),
        (9335840, 1127797440, 4),
    ],
    "amoebanet-c": [
        (66807, 484760751, 1),
        (252852, 658507548, 1),
        (779760, 1365844032, 1),
        (961704, 1686793248, 1),
        (1065672, 1870192800, 4),
        (3907920, 3092856480, 1),
        (3898800, 1714544496, 1),
        (4418640, 1943793936, 1),
        (4210704, 1852094160, 4),
        (15301536, 3178965696, 1),
        (15491232, 1871790624, 1),
        (17570592, 2123393184, 1),
        (16738848, 2022752160, 4),
    ],
    "gpipe-amoebanet-b": [
        (97824, 1599749120, 1),
        (492800, 2731622400, 1),
        (2519040, 9031680000, 1),
        (3173376, 11390976000, 1),  # state 1 is as wide as the cell: taken as it is
        (4222976, 15165849600, 4),
        (10638336, 21591244800, 1),
        (12640256, 11357798400, 1),
        (14737408, 13245235200, 1),
        (16834560, 15132672000, 4),
        (42379264, 21559910400, 1),
        (50446336, 11341209600, 1),
        (58834944, 13228646400, 1),
        (67223552, 15116083200, 4),
    ],
    "nasnet-a-large": [
        (49230, 414774786, 1),
        (121128, 323765568, 1),
        (396816, 692870976, 1),
        (537936, 941806656, 1),
        (650832, 1140955200, 4),
        (1919904, 1739289888, 1),
        (1979040, 869200416, 1),
        (2317728, 1018561824, 1),
        (2543520, 1118136096, 4),
        (7452480, 1766839872, 1),
        (7796544, 941430336, 1),
        (9151296, 1105355328, 1),
        (10054464, 1214638656, 4),
    ],
    "pnasnet-5-large": [
        (69468, 572826696, 1),
        (221616, 587796264, 1),
        (795312, 1392261696, 1),
        (970272, 1700891136, 1),
        (1086912, 1906644096, 2),
        (3481056, 2763948096, 1),
        (3760128, 1652882112, 1),
        (4226688, 1858635072, 2),
        (13680576, 2846606976, 1),
        (14798592, 1787702400, 1),
        (16664832, 2013517440, 2),
    ],
}


def by_cell(spec: es.Spec) -> list[tuple[int, int]]:
    """Params and MACs of each cell, in order."""
    found = []
    costs = [
        each
        for each in layer_costs(network(spec))
        if each.visit.path.startswith("stages.")
    ]
    for _, group in groupby(costs, lambda each: each.visit.path.split(".")[1:3]):
        cost = sum((each.cost for each in group), Cost())
        found.append((int(cost.params), int(cost.macs)))
    return found


@pytest.mark.parametrize("name", CELLS)
def test_each_cell_costs_what_its_wiring_does(name: str) -> None:
    expected = [(p, macs) for p, macs, times in CELLS[name] for _ in range(times)]
    assert by_cell(es.load(name)) == expected


#: Of each operator from 48 to 64 channels of 9×7 px, by the formulas of
#: network_utils.py:208-481: with k the kernel, c and F the channels, q = F/4.
C, F, Q = 48, 64, 16
HERE, HALF = 9 * 7, 5 * 4


def sep(k: int, here: int) -> tuple[int, int]:
    weights = k * k * C + C * F + k * k * F + F * F
    return weights + 4 * F, weights * here


OPERATORS = {
    ("sep_3x3", 1): sep(3, HERE),
    ("sep_5x5", 1): sep(5, HERE),
    ("sep_7x7", 2): sep(7, HALF),
    ("identity", 1): (C * F + 2 * F, C * F * HERE),
    ("identity", 2): (C * F + 2 * F, C * F * HALF),
    ("conv_1x1", 2): (C * F + 2 * F, C * F * HALF),
    ("avg_pool_3x3", 1): (C * F + 2 * F, C * F * HERE),
    ("max_pool_3x3", 2): (C * F + 2 * F, C * F * HALF),
    ("max_pool_2x2", 2): (C * F + 2 * F, C * F * HALF),
    ("conv_3x3", 1): (
        C * Q + 9 * Q * Q + Q * F + 4 * Q + 2 * F,
        (C * Q + 9 * Q * Q + Q * F) * HERE,
    ),
    ("conv_3x3", 2): (
        C * Q + 9 * Q * Q + Q * F + 4 * Q + 2 * F,
        C * Q * HERE + (9 * Q * Q + Q * F) * HALF,
    ),
    # the 1×7 strides along the rows' length alone: 9×4 positions, then 5×4
    ("conv_1x7_7x1", 2): (
        C * Q + 14 * Q * Q + Q * F + 6 * Q + 2 * F,
        C * Q * HERE + 7 * Q * Q * 9 * 4 + (7 * Q * Q + Q * F) * HALF,
    ),
    ("conv_1x3_3x1", 1): (
        C * Q + 6 * Q * Q + Q * F + 6 * Q + 2 * F,
        (C * Q + 6 * Q * Q + Q * F) * HERE,
    ),
}


@pytest.mark.parametrize(("name", "stride"), OPERATORS)
def test_an_operator_costs_what_its_layers_do(name: str, stride: int) -> None:
    # state 1 of a first cell is what comes in, as it is: 48 channels
    spec = lines(
        f"{{block: cell, cell: a, channels: {F}, stride: {stride}}}",
        stem=f"{{kernel: 1, channels: {C}}}",
        resolution="[9, 7]",
        cells=f"{{a: {{nodes: [[[{name}, 1], [identity, 0]]], concat: [2]}}}}",
    )
    costs = layer_costs(network(spec))
    found = sum((c.cost for c in costs if ".state2_0." in c.visit.path), Cost())
    assert (found.params, found.macs) == OPERATORS[name, stride]


@pytest.mark.parametrize(
    ("name", "stage", "closed"),
    [  # normal cells within a stack, whose inputs are both outputs of such cells
        ("amoebanet-a", 2, lambda f: 16 * f * f + 124 * f),
        ("amoebanet-c", 2, lambda f: 20 * f * f + 114 * f),
        ("gpipe-amoebanet-b", 2, lambda f: 16 * f * f + 56 * f),
        ("nasnet-a-large", 2, lambda f: 22 * f * f + 178 * f),
    ],
)
@pytest.mark.parametrize("channels", [8, 40, 100])
def test_a_cell_within_a_stack_has_its_closed_form(
    name: str, stage: int, closed: object, channels: int
) -> None:
    spec = es.load(name)
    line = spec.stages[stage].model_copy(update={"channels": channels, "repeats": 3})
    only = spec.model_copy(update={"stages": (line,), "resolution": (32, 32)})
    assert callable(closed)
    assert by_cell(only)[2][0] == closed(channels)


#: Liu et al. 2018, DARTS V2 (quark0/darts, cnn/genotypes.py:74): its inputs
#: are numbered the other way round, and both go through a 1×1 convolution everywhere.
DARTS = """
  normal:
    fit: always
    nodes:
      - [[sep_3x3, 1], [sep_3x3, 0]]
      - [[sep_3x3, 1], [sep_3x3, 0]]
      - [[sep_3x3, 0], [identity, 1]]
      - [[identity, 1], [dil_3x3, 2]]
    concat: [2, 3, 4, 5]
  reduction:
    fit: always
    nodes:
      - [[max_pool_3x3, 1], [max_pool_3x3, 0]]
      - [[identity, 2], [max_pool_3x3, 0]]
      - [[max_pool_3x3, 1], [identity, 2]]
      - [[identity, 2], [max_pool_3x3, 0]]
    concat: [2, 3, 4, 5]
"""


def darts(stem: str, stages: str, classes: int, resolution: int) -> Cost:
    text = (
        f"name: darts\nresolution: {resolution}\nactivation: relu\ncells:{DARTS}"
        "blocks: {stem1: [{block: activation}, {kernel: 3, stride: 2, channels: 48, "
        "activation: none}]}\n"
        f"stem: {stem}\nstages: {stages}\nhead: {{classes: {classes}}}\n"
    )
    return es.count(es.loads(text))


def test_darts_on_images_reads_the_two_stems() -> None:
    # 14 cells of 48 channels; 4,718,752 is what its author's code has
    cells = [
        "{block: stem1}",
        "{block: cell, cell: normal, channels: 48, repeats: 4}",
        "{block: cell, cell: reduction, stride: 2, channels: 96}",
        "{block: cell, cell: normal, channels: 96, repeats: 4}",
        "{block: cell, cell: reduction, stride: 2, channels: 192}",
        "{block: cell, cell: normal, channels: 192, repeats: 4}",
    ]
    stem = (
        "[{kernel: 3, stride: 2, channels: 24}, "
        "{kernel: 3, stride: 2, channels: 48, activation: none}]"
    )
    assert darts(stem, f"[{', '.join(cells)}]", 1000, 224).params == 4_718_752


def test_darts_on_small_images_makes_both_inputs_of_its_one_stem() -> None:
    # 20 cells of 36 channels on CIFAR-10: 3.35M in the paper, table 1 (3.3)
    cells = [
        "{block: cell, cell: normal, channels: 36, repeats: 6}",
        "{block: cell, cell: reduction, stride: 2, channels: 72}",
        "{block: cell, cell: normal, channels: 72, repeats: 6}",
        "{block: cell, cell: reduction, stride: 2, channels: 144}",
        "{block: cell, cell: normal, channels: 144, repeats: 6}",
    ]
    stem = "{kernel: 3, channels: 108, activation: none}"
    assert darts(stem, f"[{', '.join(cells)}]", 10, 32).params == 3_349_342
