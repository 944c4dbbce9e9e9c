"""Tests of `effscale.search.fit` for detectors, along their law: brute force."""

from __future__ import annotations

import numpy as np
import pytest

import effscale as es
from effscale.growth.detector import Detector
from effscale.search.fit import on_ray, ray
from tests.search.drawn import near

pytestmark = pytest.mark.slow


def macs(spec: es.Spec, phi: float, name: str) -> int:
    return int(es.count(es.scale(spec, es.at_phi(spec, phi, name))).macs)


@pytest.mark.parametrize("name", Detector.strategies)
def test_the_nearest_is_as_near_as_any_phi(name: str) -> None:
    d0 = es.load("d0")
    base = int(es.count(d0).macs)
    phis = np.linspace(-3, 6, 61)
    sampled = [macs(d0, phi, name) for phi in phis.tolist()]
    targets = (base // 2, base, 5 * base // 4, 3 * base)
    along = ray(d0, [near(each) for each in targets], name=name)
    for target in targets:
        nearest, *_ = on_ray(along, near(target)).found
        best = min(abs(each - target) for each in sampled)
        assert abs(int(nearest.cost.macs) - target) <= best
        assert nearest.variant.phi is not None
        assert macs(d0, nearest.variant.phi, name) == nearest.cost.macs


def test_the_published_cost_of_d3_is_phi_3() -> None:
    # d3 is as the law gives it
    found, *_ = on_ray(
        ray(es.load("d0"), [near(24_568_753_664)]), near(24_568_753_664)
    ).found
    assert found.variant.phi == 3
    assert found.deviation == 0
    assert found.variant.spec.backbone == "b3"
