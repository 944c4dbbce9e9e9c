"""Tests of `effscale.spec.neck`: what a detector's file says, or leaves out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import effscale as es
from effscale.spec.neck import Anchors, Heads, Neck, Scaling
from effscale.spec.schema import schema


def test_a_neck_is_efficientdet_s_where_a_file_says_no_more() -> None:
    neck = Neck(channels=64)
    assert (neck.levels, neck.taps, neck.repeats) == ((3, 7), None, 1)
    assert (neck.fusion, neck.per_channel) == ("fast", False)
    assert (neck.laterals, neck.pools) == ("each", "overlapping")
    # efficientdet_arch.py:508-533: swish, depthwise, pointwise with bias, batch norm
    assert [line.model_dump() for line in neck.layers] == [
        {"block": "activation"},
        {"block": "depthwise", "kernel": 3, "norm": False, "activation": "none"},
        {"block": "conv", "kernel": 1, "bias": True, "activation": "none"},
    ]
    assert [line.model_dump() for line in neck.lateral] == [
        {"block": "conv", "kernel": 1, "bias": True, "activation": "none"}
    ]


def test_heads_are_efficientdet_s_where_a_file_says_no_more() -> None:
    heads = Heads()
    assert (heads.repeats, heads.classes, heads.prior) == (3, 90, 0.01)
    assert [line.model_dump() for line in heads.layers] == [
        {"block": "depthwise", "kernel": 3, "norm": False, "activation": "none"},
        {"block": "conv", "kernel": 1, "bias": True},
    ]


@given(st.integers(1, 16), st.lists(st.floats(0.1, 10), min_size=1, max_size=5))
def test_there_is_an_anchor_for_each_scale_and_ratio(
    scales: int, ratios: list[float]
) -> None:
    assert Anchors(scales=scales, ratios=tuple(ratios)).each == scales * len(ratios)
    assert Anchors().each == 9


def test_the_law_is_the_paper_s_where_a_file_says_no_more() -> None:
    law = Scaling()  # Tan, Pang & Le 2020, section 4.2
    assert (law.channels, law.repeats) == (1.35, 1.0)
    assert (law.heads_every, law.resolution) == (3, 128)
    assert law.backbones == {}


def test_a_detector_tells_apart_its_heads_classes() -> None:
    assert es.load("d0").classes == 90
    assert es.load("b0").classes == 1000


@pytest.mark.parametrize("section", ["neck", "heads", "scaling", "backbone"])
def test_an_editor_knows_the_sections_of_a_detector(section: str) -> None:
    assert section in schema()["properties"]
