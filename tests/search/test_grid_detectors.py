"""Tests of `effscale.search.grid` of detectors: growths of a neck's channels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

import effscale as es
from effscale.search.grid import Grid, search

if TYPE_CHECKING:
    from collections.abc import Iterable

    from effscale.search.grid import Candidates

#: Tan, Pang & Le 2020, section 4.2.
LISTED = [1.2, 1.25, 1.3, 1.35, 1.4, 1.45]


@pytest.fixture(scope="module")
def d0() -> es.Spec:
    """EfficientDet-D0, as built in."""
    return es.load("d0")


def ranked(spec: es.Spec, growths: list[float], phis: Iterable[float]) -> Candidates:
    """All the networks of these growths."""
    grid = Grid((np.array(growths),), constraint=None, phis=tuple(phis))
    return search(spec, grid).candidates


def test_growths_that_round_alike_are_one(d0: es.Spec) -> None:
    found = ranked(d0, LISTED, [1])
    # 64·1.2 is 76.8, 64·1.3 83.2, 64·1.35 86.4, 64·1.4 89.6, 64·1.45 92.8
    assert found.numbers.tolist() == [[80], [88], [96]]
    assert found.same.tolist() == [3, 2, 1]
    assert found.coefficients[0].tolist() == [1.2, 1.35, 1.45]  # 1.35 is its own


def test_a_family_keeps_them_apart(d0: es.Spec) -> None:
    found = ranked(d0, LISTED, range(1, 8))
    assert found.coefficients[0].tolist() == LISTED
    assert found.numbers[3].tolist() == [88, 120, 160, 216, 288, 384, 520]


def test_each_is_what_scaling_by_it_gives(d0: es.Spec) -> None:
    assert d0.scaling is not None
    found = ranked(d0, LISTED, [2, 3])
    for k, growth in enumerate(found.coefficients[0].tolist()):
        law = d0.scaling.model_copy(update={"channels": growth})
        grown = d0.model_copy(update={"scaling": law})
        specs = [es.scale(grown, es.at_phi(grown, phi)) for phi in (2, 3)]
        ratios = [int(es.count(s).macs) / int(es.count(d0).macs) for s in specs]
        one = found.take(np.array([k]))
        assert one.cost == es.count(specs[0])
        assert (one.ratio[0], one.deviation[0]) == (ratios[0], ratios[0] / 4 - 1)
        logs = [math.log(ratios[0] / 4), math.log(ratios[1] / 8)]
        assert one.tracking[0] == pytest.approx(math.hypot(*logs) / math.sqrt(2))


def test_a_detector_that_states_no_law_has_efficientdets(d0: es.Spec) -> None:
    alone = d0.model_copy(update={"scaling": None})
    # At φ 0.1 the two round to one network: that of the law's own growth.
    found = ranked(alone, [1.3, 1.35], [0.1])
    assert found.coefficients[0].tolist() == [1.35]
