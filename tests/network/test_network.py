"""Tests of `effscale.network.network`: a spec's stages as parts of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given

import effscale as es
from effscale.network.blocks import Style
from effscale.network.cells import Ends
from effscale.network.combinators import Graph, Sequential, seq
from effscale.network.heads import classifier
from effscale.network.network import network, stage
from effscale.network.operators.convolution import Conv, Linear
from effscale.network.operators.elementwise import Act, Dropout, Flatten
from effscale.network.operators.norm import BatchNorm
from effscale.network.operators.pooling import GlobalPool
from effscale.network.shapes import Shape
from effscale.network.steps import chain
from effscale.spec.models import Squeeze
from effscale.spec.norm import Norm
from effscale.spec.outputs import Head
from tests.examples import examples
from tests.parts import head_of
from tests.spec.small import lines
from tests.strategies import mobiles

if TYPE_CHECKING:
    from effscale.spec.models import Spec

STYLE = Style("silu", Norm(), Squeeze())

# Tan & Le 2019, arXiv:1905.11946v5, table 1
B0_OPERATORS = [
    "Conv 3×3",
    "MBConv1 3×3",
    "MBConv6 3×3",
    "MBConv6 5×5",
    "MBConv6 3×3",
    "MBConv6 5×5",
    "MBConv6 5×5",
    "MBConv6 3×3",
    "Conv 1×1, FC",
]


def test_b0_reads_as_the_table_of_the_paper(b0: Spec) -> None:
    parts = network(b0).parts
    assert [part.operator for part in parts] == B0_OPERATORS
    assert [part.channels for part in parts] == [
        *(32, 16, 24, 40, 80, 112, 192, 320, 1280)
    ]
    assert [part.repeats for part in parts] == [1, 1, 2, 2, 3, 3, 4, 1, 1]
    strides, kernels = (2, 1, 2, 2, 2, 1, 2, 1, 1), (3, 3, 3, 5, 3, 5, 5, 3, 1)
    assert [part.stride for part in parts] == [(s, s) for s in strides]
    assert [part.kernel for part in parts] == [(k, k) for k in kernels]


def test_a_block_of_the_file_s_own_may_be_told_its_kernel() -> None:
    parts = network(es.load("lcnet")).parts
    assert [part.kernel for part in parts[1:8]] == [(3, 3)] * 4 + [(5, 5)] * 3


def test_parts_have_names_for_people_and_paths_for_modules(b0: Spec) -> None:
    named = [(part.name, part.path) for part in network(b0).parts]
    middle = [(f"stage {index + 1}", f"stages.{index}") for index in range(7)]
    assert named == [("stem", "stem"), *middle, ("head", "head")]


def test_a_network_keeps_name_image_and_stochastic_depth(b0: Spec) -> None:
    wide = b0.model_copy(update={"resolution": (64, 96), "image_channels": 1})
    found = network(wide)
    assert (found.name, found.image) == ("b0", Shape(1, 64, 96))
    assert found.stochastic_depth == 0.2


@examples(25)
@given(spec=mobiles())
def test_each_part_takes_what_the_one_before_puts_out(spec: Spec) -> None:
    stem, *middle, head = network(spec).parts
    style = Style.of(spec)
    assert (stem.layer, stem.channels) == chain(spec.stem, spec.image_channels, style)
    ends = Ends(stem.channels)
    for part, line in zip(middle, spec.stages, strict=True):
        layer, ends = stage(line, ends, spec, style)
        assert (part.layer, part.channels) == (layer, ends.newest)
    assert (head.layer, head.channels) == classifier(head_of(spec), ends.newest, style)


def test_arrays_reach_the_layers(b0: Spec) -> None:
    scaled = es.scale(b0, es.Multipliers(width=np.array([1.0, 2.0])))
    widths = [np.asarray(part.channels).tolist() for part in network(scaled).parts]
    assert widths[:2] == [[32, 64], [16, 32]]
    assert widths[-1] == [1280, 2560]


def test_the_head_is_convolution_pooling_and_classifier() -> None:
    head = Head(channels=1280, classes=10, dropout=0.2)
    assert classifier(head, 320, STYLE) == (
        seq(
            conv=Conv(320, 1280),
            norm=BatchNorm(1280, 1e-3, 0.01),
            act=Act("silu"),
            pool=GlobalPool(),
            flatten=Flatten(),
            dropout=Dropout(0.2),
            classifier=Linear(1280, 10),
        ),
        1280,
    )


def test_a_head_may_be_its_classifier_alone() -> None:
    assert classifier(Head(classes=10), 512, STYLE) == (
        seq(
            pool=GlobalPool(),
            flatten=Flatten(),
            dropout=Dropout(0.0),
            classifier=Linear(512, 10),
        ),
        512,
    )


def test_a_head_may_end_in_its_pooling() -> None:
    layer, pooled = classifier(Head(channels=10, classifier=False), 8, STYLE)
    assert [name for name, _ in layer.layers] == [
        *("conv", "norm", "act", "pool", "flatten"),
    ]
    assert pooled == 10


def test_a_hidden_layer_comes_after_pooling_without_a_norm() -> None:
    # MobileNetV3's efficient last stage (Howard et al. 2019, figure 5)
    layer, pooled = classifier(Head(channels=960, hidden=1280), 160, STYLE)
    assert pooled == 960
    assert layer.layers[3:] == (
        ("pool", GlobalPool()),
        ("flatten", Flatten()),
        ("hidden", Linear(960, 1280)),
        ("hidden_act", Act("silu")),
        ("dropout", Dropout(0.0)),
        ("classifier", Linear(1280, 1000)),
    )


def test_steps_of_a_head_come_first() -> None:
    head = head_of(lines(head="{layers: [{block: norm}, {block: activation}]}"))
    layer, _ = classifier(head, 8, STYLE)
    steps = Sequential((("0", BatchNorm(8, 1e-3, 0.01)), ("1", Act("silu"))))
    assert layer.layers[0] == ("layers", steps)


@pytest.mark.parametrize(
    ("stages", "reading"),
    [(["{block: norm}"], [False, False, True, False]), ([], [False, False, True])],
)
def test_what_is_no_cell_reads_the_newest_of_two_outputs(
    stages: list[str], reading: list[bool]
) -> None:
    cell = "{block: cell, cell: a, channels: 4, repeats: 2}"
    cells = "{a: {nodes: [[[identity, 0], [identity, 1]]], concat: [2]}}"
    parts = network(lines(cell, *stages, cells=cells)).parts
    newest = ("newest", Graph(2, (), (0,)))
    assert [part.layer.layers[0] == newest for part in parts] == reading
