"""Tests of networks in fractions, against arithmetic of their own."""

from __future__ import annotations

from fractions import Fraction
from math import prod
from typing import TYPE_CHECKING

import pytest
import yaml
from hypothesis import assume, given, reject
from hypothesis import strategies as st

import effscale as es
from effscale.errors import LayerError, ScaleError, SpecError, UnexplainedError
from effscale.growth.growth import at_phi
from effscale.growth.rounding import EXACT
from effscale.growth.scale import scale
from effscale.search.explain import explain, macs
from effscale.spec.loading import loads
from tests.drawn_lines import blocks, files, lines, residuals
from tests.examples import examples
from tests.search.on_paper import Paper, TooSmallError, knows

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

    from effscale.spec.models import Spec
    from tests.drawn_lines import Data

SIDES = st.integers(40, 90)
#: Exact in binary, as multipliers are floats.
FACTORS = st.integers(33, 300).map(lambda number: number / 128)
CLASSES = 3


def spec_of(data: Data, resolution: object = 64) -> Spec:
    """The spec of a file of these data."""
    return loads(yaml.safe_dump({"name": "m", "resolution": resolution, **data}))


def on_paper(spec: Spec, given: es.Multipliers) -> Spec:
    """`spec` at these multipliers, without any rounding at all."""
    scaled = scale(spec, given, rules=EXACT)
    height, width = (Fraction(int(each)) for each in spec.resolution)
    r = Fraction(given.resolution)  # type: ignore[arg-type]
    return scaled.model_copy(update={"resolution": (height * r, width * r)})


@st.composite
def shares(draw: DrawFn) -> Data:
    """Branches that share the channels that come in, in tenths, and add up to them."""
    first = draw(st.integers(1, 9))
    kernel = draw(st.sampled_from([1, 3]))
    ways = [[{"kernel": kernel, "ratio": part / 10}] for part in (first, 10 - first)]
    return {"block": "residual", "layers": [{"block": "concat", "branches": ways}]}


@st.composite
def rows(draw: DrawFn) -> Data:
    """A small network of lines of any kind but cells."""
    found: Data = {"stem": {"kernel": 3, "channels": 20 * draw(st.integers(1, 2))}}
    kinds = st.one_of(blocks(), lines(), shares(), residuals().map(lambda one: one[0]))
    kinds = kinds.filter(knows)
    found["stages"] = [
        {"block": "conv", **line}
        for line in draw(st.lists(kinds, min_size=1, max_size=4))
    ]
    return {**found, "head": {"classes": CLASSES}}


@examples(60)
@given(data=rows(), side=SIDES, w=FACTORS, d=FACTORS, r=FACTORS)
def test_every_line_is_counted_in_fractions(
    data: Data, side: int, w: float, d: float, r: float
) -> None:
    assume(w != 1)
    try:
        spec = spec_of(data, [side, side + 7])
        given = es.Multipliers(d, w, r)
        paper = on_paper(spec, given)
    except (SpecError, ScaleError):  # groups that divide nothing, nothing that repeats
        reject()
    width, depth, sides = Fraction(w), Fraction(d), [Fraction(side), Fraction(side + 7)]
    image = [each * Fraction(r) for each in sides]
    told = Paper(width, depth, Fraction(3), image, {})
    try:
        told.through([data["stem"]])
        for line in data["stages"]:
            told.stage(line)
    except TooSmallError:
        with pytest.raises(LayerError, match="expected at least"):
            macs(paper)
        return
    assert macs(paper) == told.macs + told.channels * CLASSES


@examples(40)
@given(
    data=files(),
    side=SIDES,
    phi=st.floats(-3, 4),
    name=st.sampled_from(["compound", "width", "depth", "dwr", "d1_w2_g1_r1"]),
)
def test_what_is_scaled_is_explained_or_said_not_to_be(
    data: Data, side: int, phi: float, name: str
) -> None:
    try:
        spec = spec_of(data, side)
        given = at_phi(spec, phi, name)
        scaled = scale(spec, given)
    except (SpecError, ScaleError):
        reject()
    ratio = Fraction(int(es.count(scaled).macs), int(es.count(spec).macs))
    try:
        found = explain(spec, given, 2.0**phi)
    except UnexplainedError:
        return
    assert prod(each.value for each in found) == ratio / Fraction(2.0**phi)


CELLS: Data = {
    "stem": {"kernel": 3, "channels": 8},
    "cells": {"a": {"nodes": [[["sep_3x3", 0], ["max_pool_3x3", 1]]], "concat": [2]}},
    "stages": [
        {"block": "cell", "cell": "a", "channels": 8, "stride": 2, "repeats": 5},
        {"block": "cell", "cell": "a", "channels": 16, "stride": 2, "repeats": 5},
        {"block": "cell", "cell": "a", "channels": 32, "stride": 2, "repeats": 5},
    ],
    "head": {"classes": CLASSES},
}


def test_part_of_a_second_cell_is_that_much_between_one_and_two() -> None:
    spec = spec_of(CELLS)
    third = on_paper(spec, es.Multipliers(depth=0.25))  # 1.25 cells

    def of(*cells: int) -> Fraction:
        stages = [
            {**line, "repeats": each}
            for line, each in zip(CELLS["stages"], cells, strict=True)
        ]
        return Fraction(int(es.count(spec_of({**CELLS, "stages": stages})).macs))

    weighed = {
        cells: prod(Fraction(3 if each == 1 else 1, 4) for each in cells)
        for cells in [(a, b, c) for a in (1, 2) for b in (1, 2) for c in (1, 2)]
    }
    assert macs(third) == sum(part * of(*cells) for cells, part in weighed.items())


def test_what_does_not_meet_in_fractions_is_said_to_be_unexplained() -> None:
    """Whole sides agree, whatever they are; in fractions one is half a pixel less."""
    valid = {"kernel": 3, "padding": "valid", "channels": 8}
    halve = {"block": "max_pool", "kernel": 3, "stride": 2}
    ways = [[valid, halve], [{**valid, "stride": 2}]]
    data = {
        "stem": {"kernel": 3, "channels": 8},
        "stages": [
            {"block": "concat", "branches": ways},
            {"block": "basic", "kernel": 3, "stride": 1, "channels": 8, "repeats": 1},
        ],
        "head": {"classes": CLASSES},
    }
    with pytest.raises(UnexplainedError) as caught:
        explain(spec_of(data), es.compound(1), 2.0)
    assert str(caught.value) == (
        "m: no explanation, as unrounded its layers do not meet: stages.0.0.concat: "
        "expected 8 channels of 31×31 px, got 8 channels of 31.5×31.5 px"
    )


def test_shares_cut_alike_add_up_only_where_they_are_cut() -> None:
    """Thirds, written as 0.334, are 16 of 48 channels."""
    ways = [[{"kernel": 1, "ratio": 0.334}]] * 3
    line = {"block": "residual", "layers": [{"block": "concat", "branches": ways}]}
    blocks = {"b": [line]}
    stages = [{"block": "b", "repeats": 1}]
    spec = spec_of(
        {
            "stem": {"kernel": 3, "channels": 48},
            "blocks": blocks,
            "stages": stages,
            "head": {"classes": CLASSES},
        }
    )
    with pytest.raises(UnexplainedError, match=r"expected 72 channels, got 72\.144"):
        explain(spec, es.Multipliers(width=1.5), 2.0)
