"""What attention's widths become: whole heads, whatever the multiplier."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import effscale as es
from effscale.errors import LayerError
from effscale.growth.scale import numbers
from effscale.search.explain import explain
from effscale.spec.heads import most_heads
from tests.examples import examples
from tests.spec.small import lines

LAYERS = "[{{block: residual, layers: [{{block: norm}}, {{block: attention, {0}}}]}}]"


def of(attention: str, **more: str) -> es.Spec:
    """A network of 48 channels with attention in a block of its own."""
    more = {"resolution": "32", "head": "{}", **more}
    return lines(
        "{block: own, repeats: 2}",
        blocks=f"{{own: {LAYERS.format(attention)}}}",
        stem="{kernel: 4, stride: 4, padding: valid, channels: 48}",
        **more,
    )


@pytest.mark.parametrize(
    ("attention", "unit"),
    [
        ("head_width: 12", 24),
        ("heads: 3", 24),
        ("heads: 3, key_width: 5", 24),
        ("least_head_width: 12", 8),
        ("least_head_width: 9, key_ratio: 0.5", 8),
        ("head_width: 12, key_ratio: 0.5", 24),
        ("heads: 3, key_width: 5, value_width: 7", 8),
        ("head_width: 12, over: window, size: 3, shift: true", 24),
    ],
)
@examples(20)
@given(width=st.floats(0.2, 4))
def test_widths_are_whole_heads(attention: str, unit: int, width: float) -> None:
    scaled = es.scale(of(attention), es.Multipliers(width=width))
    (channels,) = numbers(scaled, "channels")
    assert width == 1 or channels % unit == 0
    assert es.count(scaled).products > 0


@pytest.mark.parametrize(
    "attention",
    [
        "head_width: 12",
        "least_head_width: 10, key_ratio: 0.5, areas: 4",
        "heads: 3, kind: covariance",
        "heads: 4, kind: linear, over: window, size: 3",
        "heads: 3, position: relative",
        "heads: 2, kind: cosine, position: continuous, over: grid, size: 2",
        "heads: 3, multi_query: true, keys: [{block: max_pool, kernel: 2, stride: 2}]",
    ],
)
def test_arrays_of_candidates_cost_what_each_does(attention: str) -> None:
    spec = of(attention)
    widths, sizes = np.array([0.5, 1.0, 1.7]), np.array([1.0, 1.3, 2.0])
    depths = np.array([1.0, 2.0, 1.5])
    found = es.count(es.scale(spec, es.Multipliers(depths, widths, sizes)))
    for k, given_ in enumerate(zip(depths, widths, sizes, strict=True)):
        plain: Any = es.count(es.scale(spec, es.Multipliers(*map(float, given_))))
        for name, figure in vars(plain).items():
            assert type(figure) is int
            assert getattr(found, name)[k] == figure


@pytest.mark.parametrize(
    "attention",
    [
        "head_width: 12",
        "least_head_width: 20, key_ratio: 0.5",
        "heads: 4, kind: linear, over: window, size: 3",
    ],
)
def test_explanations_are_exact(attention: str) -> None:
    spec = of(attention)
    factors = explain(spec, es.compound(1), 2.0)
    scaled = es.scale(spec, es.compound(1))
    ratio = math.prod(each.value for each in factors) * 2
    assert ratio == Fraction(int(es.count(scaled).macs), int(es.count(spec).macs))


@pytest.mark.parametrize(
    ("channels", "heads"), [(48, 4), (56, 4), (44, 2), (8, 1), (36, 3), (120, 10)]
)
def test_heads_are_as_many_as_are_whole_and_wide_enough(
    channels: int, heads: int
) -> None:
    assert most_heads(channels, 12, 2) == heads
    found: Any = most_heads(np.array([channels, 48]), 12, 2)
    assert found.tolist() == [heads, 4]


def test_stated_widths_that_are_no_whole_heads_are_refused() -> None:
    spec = of("head_width: 12")
    wide = spec.stem[0].model_copy(update={"channels": 56})
    with pytest.raises(LayerError, match="head_width: expected a divisor of 56"):
        es.count(spec.model_copy(update={"stem": (wide,)}))


def test_deeper_networks_of_tokens_have_more_blocks() -> None:
    spec = of("head_width: 12")
    assert es.scale(spec, es.Multipliers(depth=2)).stages[0].times == 4
