"""Tests of `effscale.search.explain`: what makes one detector another."""

from __future__ import annotations

from fractions import Fraction
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

import effscale as es
from effscale.growth.detector import Detector
from effscale.growth.growth import at_phi, growth_of
from effscale.search.explain import macs, published
from tests.examples import examples

NAMES = ["d1", "d2", "d3", "d4", "d5", "d6", "d7", "d7x"]

#: Where the published detectors leave the paper's equations: Tan, Pang & Le 2020,
#: table 1, beside automl/efficientdet/hparams_config.py:301-389.
DEPARTURES: dict[int, list[tuple[str, object, object]]] = {
    1: [],
    2: [("neck channels", 120, 112)],
    3: [],
    4: [("neck channels", 216, 224)],
    5: [("resolution", (1152, 1152), (1280, 1280)), ("neck repeats", 8, 7)],
    6: [("neck repeats", 9, 8), ("fusion", "fast", "sum")],
    7: [
        ("backbone", "b7", "b6"),
        ("resolution", (1408, 1408), (1536, 1536)),
        ("neck channels", 520, 384),
        ("neck repeats", 10, 8),
        ("fusion", "fast", "sum"),
        ("anchor scale", 4.0, 5.0),
    ],
}


@pytest.fixture(scope="module")
def d0() -> es.Spec:
    """EfficientDet-D0, as built in."""
    return es.load("d0")


@pytest.mark.parametrize("phi", DEPARTURES)
def test_every_departure_is_found(d0: es.Spec, phi: int) -> None:
    (found,) = published(d0, phi)
    assert found.variant.spec == es.load(f"d{phi}")
    assert [(s.dimension, s.before, s.after) for s in found.steps] == DEPARTURES[phi]
    assert prod(s.factor for s in found.steps) == Fraction(
        macs(found.variant.spec), macs(es.scale(d0, at_phi(d0, phi)))
    )


def test_what_no_phi_is_meant_for_is_not_set_beside_one(
    d0: es.Spec, b0: es.Spec
) -> None:
    assert published(d0, 2.5) == []
    assert published(b0, 1) == []
    assert all(each.variant.spec.name != "d7x" for each in published(d0, 7))


@pytest.mark.parametrize("name", NAMES)
def test_the_way_to_a_published_detector_is_its_ratio(d0: es.Spec, name: str) -> None:
    spec = es.load(name)
    found = growth_of(d0).steps(spec, macs)
    assert prod(s.factor for s in found) == Fraction(macs(spec), macs(d0))
    assert len({s.dimension for s in found}) == len(found)


def test_a_sixth_level_is_a_step_of_its_own(d0: es.Spec) -> None:
    found = {s.dimension: s for s in growth_of(d0).steps(es.load("d7x"), macs)}
    assert (found["levels"].before, found["levels"].after) == ((3, 7), (3, 8))
    assert found["levels"].factor > 1
    assert found["fusion"].factor == 1


def test_the_same_detector_is_no_way_at_all(d0: es.Spec) -> None:
    assert growth_of(d0).steps(d0, macs) == []


@examples(25)
@given(phi=st.floats(-3, 6), name=st.sampled_from(Detector.strategies))
def test_the_reasons_multiply_to_the_ratio(phi: float, name: str) -> None:
    d0 = es.load("d0")
    multipliers, target = at_phi(d0, phi, name), 2.0**phi
    factors = es.explain(d0, multipliers, target)
    realised = Fraction(macs(es.scale(d0, multipliers)), macs(d0))
    assert prod(each.value for each in factors) == realised / Fraction(target)
    assert next(each.name for each in factors) == "target"


def test_multipliers_of_a_published_detector_are_its_numbers(d0: es.Spec) -> None:
    # B6, 1536 of 512 px, 384 of 64 channels, 8 of 3 and 5 of 3 repeats
    found = growth_of(d0).published(7)["d7"].given
    assert found == {
        "depth": 2.6,
        "width": 1.8,
        "resolution": 3.0,
        "neck_width": 6.0,
        "neck_depth": 8 / 3,
        "head_depth": 5 / 3,
    }
