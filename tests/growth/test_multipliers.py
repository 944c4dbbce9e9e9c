"""Tests of `effscale.growth.multipliers`: how each strategy spends a target."""

from __future__ import annotations

import math

import numpy as np
import pytest

import effscale as es
from effscale.choices import SHARES
from effscale.errors import ScaleError
from effscale.growth.multipliers import STRATEGIES, shares, strategy


@pytest.mark.parametrize("name", ["depth", "width", "resolution"])
@pytest.mark.parametrize("wrong", [0, -1.5, math.inf, math.nan])
def test_what_scales_to_nothing_is_refused(name: str, wrong: float) -> None:
    with pytest.raises(ScaleError) as caught:
        es.Multipliers(**{name: wrong})
    assert str(caught.value) == f"{name}: expected a number above 0, got {wrong!r}"


@pytest.mark.parametrize("wrong", [0, -1.5, math.inf, math.nan])
def test_one_candidate_that_scales_to_nothing_is_refused(wrong: float) -> None:
    with pytest.raises(ScaleError, match=r"^depth: expected a number above 0, got "):
        es.Multipliers(depth=np.array([1.2, wrong]))


@pytest.mark.parametrize(
    ("multipliers", "expected"),
    [
        (es.Multipliers(), True),
        (es.Multipliers(1, 1, 1), True),
        (es.Multipliers(depth=1.1), False),
        (es.Multipliers(resolution=0.9), False),
        (es.Multipliers(width=np.array([1.0])), False),
    ],
)
def test_only_plain_ones_are_the_identity(
    multipliers: es.Multipliers, *, expected: bool
) -> None:
    assert multipliers.is_identity is expected


def test_nominal_is_depth_times_squared_width_and_resolution() -> None:
    assert es.Multipliers(2, 3, 5).nominal == 2 * 3**2 * 5**2


@pytest.mark.parametrize(
    ("phi", "expected"),
    [
        (0, (1, 1, 1)),
        (1, (1.2, 1.1, 1.15)),
        (2, (1.2**2, 1.1**2, 1.15**2)),
        (-1, (1.2**-1, 1.1**-1, 1.15**-1)),
        (0.5, (1.2**0.5, 1.1**0.5, 1.15**0.5)),
    ],
)
def test_compound_grows_by_the_papers_coefficients(
    phi: float, expected: tuple[float, float, float]
) -> None:
    # Tan & Le 2019, section 3.3: α = 1.2, β = 1.1, γ = 1.15
    assert es.compound(phi) == es.Multipliers(*expected)


def test_the_paper_s_product_is_not_quite_two() -> None:
    assert es.compound(1).nominal == pytest.approx(1.92027, abs=5e-6)


def test_compound_takes_other_coefficients() -> None:
    given = es.Coefficients(alpha=2, beta=3, gamma=5)
    assert es.compound(2, given) == es.Multipliers(4, 9, 25)
    assert strategy("compound", 2, given) == es.Multipliers(4, 9, 25)


def test_compound_of_an_array_is_an_array_of_compounds() -> None:
    phis = [-1.0, 0.0, 2.5]
    together = es.compound(np.array(phis)).given
    assert list(together) == ["depth", "width", "resolution"]
    for name, values in together.items():
        alone = [getattr(es.compound(phi), name) for phi in phis]
        assert np.asarray(values).tolist() == pytest.approx(alone, rel=1e-15)


@pytest.mark.parametrize(
    ("name", "expected"),
    [  # Tan & Le 2019, table 7: d = 4, w = 2, r = 2 for four times the cost
        ("depth", (4, 1, 1)),
        ("width", (1, 2, 1)),
        ("resolution", (1, 1, 2)),
    ],
)
def test_a_single_dimension_takes_it_all(
    name: str, expected: tuple[float, float, float]
) -> None:
    assert strategy(name, 2) == es.Multipliers(*expected)


@pytest.mark.parametrize(
    ("name", "expected"),
    [  # Dollár, Singh & Girshick 2021, arXiv:2103.06877, table 2 and section 4
        ("dw", (4**0.5, 4**0.25, 1)),
        ("dr", (4**0.5, 1, 4**0.25)),
        ("wr", (1, 4**0.25, 4**0.25)),
        ("dwr", (4 ** (1 / 3), 4 ** (1 / 6), 4 ** (1 / 6))),
        ("fast", (4**0.1, 4**0.4, 4**0.05)),
        ("fast:0.5", (4**0.25, 4**0.25, 4**0.125)),
        ("fast:1", (1, 2, 1)),
        ("fast:0", (2, 1, 4**0.25)),
        ("d1_w8_r1", (4**0.1, 4**0.4, 4**0.05)),
        ("d3", (4, 1, 1)),
        ("w1_r3", (1, 4**0.125, 4**0.375)),
    ],
)
def test_a_growth_of_four_is_shared(
    name: str, expected: tuple[float, float, float]
) -> None:
    found = strategy(name, 2)
    assert (found.depth, found.width, found.resolution) == pytest.approx(expected)


@pytest.mark.parametrize("name", [*SHARES, "fast", "fast:0.3", "d1_w8_r1", "w2_r5"])
def test_shares_spend_the_whole_target(name: str) -> None:
    assert sum(shares(name)) == pytest.approx(1)
    for phi in (-3.5, 0.5, 40.0):
        assert strategy(name, phi).nominal == pytest.approx(2**phi)
        assert strategy(name, phi, target=1.9).nominal == pytest.approx(1.9**phi)


@pytest.mark.parametrize("name", STRATEGIES)
def test_phi_zero_is_the_identity(name: str) -> None:
    assert strategy(name, 0).is_identity


@pytest.mark.parametrize(
    "name",
    ["deep", "", "fast:", "fast:2", "fast:-1", "d", "d0", "d0_w0_r0", "w1_d1", "d1 w1"],
)
def test_an_unknown_strategy_is_refused(name: str) -> None:
    with pytest.raises(ScaleError) as caught:
        strategy(name, 1)
    assert str(caught.value) == (
        "strategy: expected one of compound, depth, width, resolution, dw, dr, wr, dwr,"
        f" fast, fast:ALPHA, or weights such as d1_w8_r1, got {name!r}"
    )


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("phi", [50.5, -51, math.inf, math.nan])
def test_a_phi_beyond_all_networks_is_refused(name: str, phi: float) -> None:
    with pytest.raises(ScaleError) as caught:
        strategy(name, phi)
    assert str(caught.value) == f"phi: expected from -50 to 50, got {phi!r}"
