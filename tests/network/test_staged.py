"""Tests of `effscale.network.staged`: a spec's stages as parts of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings

import effscale as es
from effscale.network.blocks import Style, classifier, conv_norm_act, repeated
from effscale.network.layers import Conv, Shape
from effscale.network.staged import network
from tests.strategies import specs

if TYPE_CHECKING:
    from effscale.spec.models import Spec

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
    assert [part.stride for part in parts] == [2, 1, 2, 2, 2, 1, 2, 1, 1]
    assert [part.kernel for part in parts] == [3, 3, 3, 5, 3, 5, 5, 3, 1]


def test_parts_have_names_for_people_and_paths_for_modules(b0: Spec) -> None:
    named = [(part.name, part.path) for part in network(b0).parts]
    middle = [(f"stage {index + 1}", f"stages.{index}") for index in range(7)]
    assert named == [("stem", "stem"), *middle, ("head", "head")]


def test_a_network_keeps_name_image_and_stochastic_depth(b0: Spec) -> None:
    wide = b0.model_copy(update={"resolution": (64, 96), "image_channels": 1})
    found = network(wide)
    assert (found.name, found.image) == ("b0", Shape(1, 64, 96))
    assert found.stochastic_depth == 0.2


@settings(max_examples=25, deadline=None)
@given(spec=specs())
def test_each_part_takes_what_the_one_before_puts_out(spec: Spec) -> None:
    stem, *middle, head = network(spec).parts
    style, width = Style.of(spec), spec.stem.channels
    conv = Conv(spec.image_channels, width, spec.stem.kernel, spec.stem.stride)
    assert stem.layer == conv_norm_act(conv, style)
    for part, stage in zip(middle, spec.stages, strict=True):
        assert part.layer == repeated(width, stage, style)
        width = stage.channels
    assert head.layer == classifier(width, spec.head, style)


def test_arrays_reach_the_layers(b0: Spec) -> None:
    scaled = es.scale(b0, es.Multipliers(width=np.array([1.0, 2.0])))
    widths = [np.asarray(part.channels).tolist() for part in network(scaled).parts]
    assert widths[:2] == [[32, 64], [16, 32]]
    assert widths[-1] == [1280, 2560]
