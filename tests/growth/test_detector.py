"""Tests of `effscale.growth.detector`: images that are not square."""

from __future__ import annotations

from fractions import Fraction
from math import floor
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import effscale as es
from effscale.growth.growth import at_phi, growth_of
from effscale.growth.scale import at_resolution
from effscale.search.fit import on_ray, ray
from effscale.search.grid import Grid, search
from effscale.spec.neck import Scaling
from tests.examples import examples
from tests.search.drawn import near
from tests.strategies import detectors

if TYPE_CHECKING:
    from effscale.spec.models import Spec

#: Exact in floats, so that what is expected is too.
PHIS = st.integers(0, 32).map(lambda eighths: eighths / 8)


def by_law(spec: Spec, phi: float) -> tuple[int, ...]:
    """Each side and so many pixels for each φ, to the nearest multiple, halves up."""
    assert spec.scaling is not None
    more, multiple = spec.scaling.resolution, spec.rounding.resolution_multiple
    sides = [int(side) for side in spec.resolution]
    if not more * phi:
        return tuple(sides)
    exact = (side + more * Fraction(phi) for side in sides)
    return tuple(max(1, floor(x / multiple + Fraction(1, 2))) * multiple for x in exact)


@examples(30)
@given(
    spec=detectors(),
    phi=PHIS,
    pixels=st.integers(0, 24).map(lambda eighths: 8 * eighths),
    strategy=st.sampled_from(["compound", "resolution"]),
)
def test_each_side_follows_the_law(
    spec: Spec, phi: float, pixels: int, strategy: str
) -> None:
    # Channels and repeats stay, of which drawn networks have little to spare.
    law = Scaling(channels=1, repeats=0, heads_every=0, resolution=pixels)
    flat = es.Coefficients(alpha=1, beta=1, gamma=1)
    spec = spec.model_copy(update={"scaling": law, "coefficients": flat})
    scaled = es.scale(spec, at_phi(spec, phi, strategy))
    assert scaled.resolution == by_law(spec, phi)
    turned = spec.model_copy(update={"resolution": spec.resolution[::-1]})
    expected = at_phi(turned, phi, strategy)
    assert (expected.resolution, expected.factor("image_width")) == (
        at_phi(spec, phi, strategy).factor("image_width"),
        at_phi(spec, phi, strategy).resolution,
    )


@pytest.fixture(scope="module")
def wide() -> Spec:
    """D0 of images four times as wide as high."""
    return at_resolution(es.load("d0"), (256, 1024))


@pytest.mark.parametrize(
    ("image", "phi", "scaled"),
    [
        ((256, 1024), 2, (512, 1280)),
        ((512, 768), 2, (768, 1024)),
        ((768, 512), 2, (1024, 768)),
        ((512, 1024), -1, (384, 896)),
        ((512, 1024), 1.5, (768, 1280)),  # 704 and 1216 are half-way
        ((512, 512), 1, (640, 640)),
    ],
)
def test_d0_gains_128_pixels_a_side(
    image: tuple[int, int], phi: float, scaled: tuple[int, int]
) -> None:
    spec = at_resolution(es.load("d0"), image)
    assert es.scale(spec, at_phi(spec, phi)).resolution == scaled


def test_a_square_s_width_has_no_multiplier_of_its_own() -> None:
    assert at_phi(es.load("d0"), 3).image_width is None


def test_the_law_says_that_it_is_of_each_side(wide: Spec) -> None:
    assert growth_of(wide).law[1].endswith("; 256×1024 + 128·φ px, each side")
    assert growth_of(es.load("d0")).law[1].endswith("; 512 + 128·φ px")


def test_fit_finds_what_the_law_gives(wide: Spec) -> None:
    phis = np.linspace(-0.5, 2, 41).tolist()
    sampled = {
        phi: int(es.count(es.scale(wide, at_phi(wide, phi))).macs) for phi in phis
    }
    for target in (4 * 10**9, 10**10):
        nearest, *_ = on_ray(ray(wide, [near(target)]), near(target)).found
        best = min(abs(macs - target) for macs in sampled.values())
        assert abs(int(nearest.cost.macs) - target) <= best
        phi = nearest.variant.phi
        assert phi is not None
        assert nearest.variant.spec.resolution == by_law(wide, phi)


def test_a_grid_is_of_the_law_s_images(wide: Spec) -> None:
    found = search(wide, Grid((np.array([1.2, 1.4]),), constraint=None, phis=(2,)))
    rows = found.candidates
    assert [set(map(int, side.flat)) for side in (rows.height, rows.width)] == [
        {512},
        {1280},
    ]


def test_factors_multiply_to_the_ratio(wide: Spec) -> None:
    given_ = at_phi(wide, 2)
    ratio = Fraction(
        int(es.count(es.scale(wide, given_)).macs), int(es.count(wide).macs)
    )
    product = Fraction(1)
    for each in es.explain(wide, given_, target_ratio=4):
        product *= each.value
    assert product == ratio / 4


def test_a_classifier_s_sides_may_part_too(b0: Spec) -> None:
    given_ = es.Multipliers(resolution=1.5, image_width=2)
    scaled = es.scale(b0, given_)
    assert scaled.resolution == (336, 448)
    assert given_.nominal == 3
    product = Fraction(1)
    for each in es.explain(b0, given_, target_ratio=1):
        product *= each.value
    assert product == Fraction(int(es.count(scaled).macs), int(es.count(b0).macs))
