"""Strategies as a whole: the exponents published for each, and what they spend."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import effscale as es
from effscale.errors import ScaleError
from effscale.growth.multipliers import SINGLE, STRATEGIES, shares, strategy
from tests.examples import examples

some = examples(50)
GROWTH = 16.0  #: s, so that halves and quarters of its exponents are whole
PHI = 4  #: 2^4 = 16

# Dollár, Singh & Girshick 2021, arXiv:2103.06877: powers of s by which depth, width,
# resolution, params and activations grow; d, w, r, dw … of table 2, α of table 4.
POWERS = {
    "depth": (1, 0, 0, 1, 1),
    "width": (0, 1 / 2, 0, 1, 1 / 2),
    "resolution": (0, 0, 1 / 2, 0, 1),
    "dw": (1 / 2, 1 / 4, 0, 1, 3 / 4),
    "dr": (1 / 2, 0, 1 / 4, 1 / 2, 1),
    "wr": (0, 1 / 4, 1 / 4, 1 / 2, 3 / 4),
    "dwr": (1 / 3, 1 / 6, 1 / 6, 2 / 3, 5 / 6),
    "fast": (0.1, 0.4, 0.05, 0.9, 0.6),
    "fast:0.5": (0.25, 0.25, 0.125, 0.75, 0.75),
    "d1_w8_r1": (0.1, 0.4, 0.05, 0.9, 0.6),
}


@pytest.mark.parametrize("name", POWERS)
def test_exponents_are_the_published_ones(name: str) -> None:
    depth, width, resolution, params, activations = POWERS[name]
    found = strategy(name, PHI)
    assert found.depth == pytest.approx(GROWTH**depth)
    assert found.width == pytest.approx(GROWTH**width)
    assert found.resolution == pytest.approx(GROWTH**resolution)
    grown = found.depth * found.width**2, found.nominal / found.width
    assert grown == pytest.approx((GROWTH**params, GROWTH**activations))


def test_every_strategy_but_compound_is_published() -> None:
    assert set(STRATEGIES) - set(POWERS) == {"compound"}
    assert set(SINGLE) <= set(STRATEGIES)


def test_fast_scaling_is_a_tenth_eight_tenths_a_tenth() -> None:
    # the paper's dWr is α = 0.8, which its code calls d1_w8_g8_r1
    assert shares("fast") == shares("fast:0.8") == pytest.approx(shares("d1_w8_r1"))
    assert shares("d1_w8_r1") == (0.1, 0.8, 0.1)
    assert shares("fast:0.333333333") == pytest.approx(shares("dwr"))
    assert shares("fast:1") == shares("width")
    assert shares("fast:0") == shares("dr")


@given(
    st.tuples(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99)).filter(any),
    st.floats(-20, 20),
)
@some
def test_weights_share_the_growth_as_pycls_does(
    weights: tuple[int, int, int], phi: float
) -> None:
    # pycls/models/scaler.py:17-46: s^(weight / sum), its root for w and r
    depth, width, resolution = weights
    found = strategy(f"d{depth}_w{width}_r{resolution}", phi)
    s, total = 2.0**phi, sum(weights)
    assert found.depth == pytest.approx(s ** (depth / total))
    assert found.width == pytest.approx(s ** (width / total / 2))
    assert found.resolution == pytest.approx(s ** (resolution / total / 2))


@given(
    st.sampled_from([*POWERS, "fast:.25", "d2_r1", "w7"]),
    st.floats(-30, 30),
    st.floats(1, 10),
)
@some
def test_a_strategy_spends_just_the_target(
    name: str, phi: float, target: float
) -> None:
    spent = strategy(name, phi, target=target).nominal
    assert spent == pytest.approx(target**phi, rel=1e-9)


def test_only_compound_reads_the_coefficients() -> None:
    given = es.Coefficients(alpha=1.3, beta=1.2, gamma=1.1)
    assert strategy("compound", 2, given) == es.Multipliers(1.3**2, 1.2**2, 1.1**2)
    for name in POWERS:
        assert strategy(name, 2, given) == strategy(name, 2)


@pytest.mark.parametrize("name", ["Depth", "fast:1.5", "w8_d1", "d1_w8_r1_", "wg"])
def test_no_other_name_is_a_strategy(name: str) -> None:
    with pytest.raises(ScaleError) as caught:
        shares(name)
    assert str(caught.value) == (
        "strategy: expected one of compound, depth, width, resolution, dw, dr, wr, dwr,"
        f" fast, fast:ALPHA, or weights such as d1_w8_r1, got {name!r}"
    )


@pytest.mark.parametrize("name", ["compound", *POWERS])
def test_more_is_never_smaller(b0: es.Spec, name: str) -> None:
    macs = [es.count(es.scale(b0, strategy(name, phi))).macs for phi in range(-2, 5)]
    assert macs == sorted(macs)
