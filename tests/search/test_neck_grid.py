"""Tests of `effscale.search.neck_grid`: growths of a neck's channels."""

from __future__ import annotations

import math

import pytest

import effscale as es
from effscale.search.neck_grid import search

#: Tan, Pang & Le 2020, section 4.2.
LISTED = [1.2, 1.25, 1.3, 1.35, 1.4, 1.45]


@pytest.fixture(scope="module")
def d0() -> es.Spec:
    """EfficientDet-D0, as built in."""
    return es.load("d0")


def test_growths_that_round_alike_are_one(d0: es.Spec) -> None:
    found = search(d0, LISTED, [1], 2)
    # 64·1.2 is 76.8, 64·1.3 83.2, 64·1.35 86.4, 64·1.4 89.6, 64·1.45 92.8
    assert [(each.channels, each.points) for each in found] == [
        ((80,), 3),
        ((88,), 2),
        ((96,), 1),
    ]
    assert [each.growth for each in found] == [1.2, 1.35, 1.45]
    assert [each.own for each in found] == [False, True, False]


def test_a_family_keeps_them_apart(d0: es.Spec) -> None:
    found = search(d0, LISTED, range(1, 8), 2)
    assert len(found) == len(LISTED)
    own = next(each for each in found if each.own)
    assert own.channels == (88, 120, 160, 216, 288, 384, 520)


def test_each_is_what_scaling_by_it_gives(d0: es.Spec) -> None:
    assert d0.scaling is not None
    for each in search(d0, LISTED, [2, 3], 2):
        law = d0.scaling.model_copy(update={"channels": each.growth})
        grown = d0.model_copy(update={"scaling": law})
        specs = [es.scale(grown, es.at_phi(grown, phi)) for phi in (2, 3)]
        ratios = [int(es.count(s).macs) / int(es.count(d0).macs) for s in specs]
        assert each.cost == es.count(specs[0])
        assert (each.ratio, each.budget) == (ratios[0], 4)
        assert each.deviation == ratios[0] / 4 - 1
        logs = [math.log(ratios[0] / 4), math.log(ratios[1] / 8)]
        assert each.tracking == pytest.approx(math.hypot(*logs) / math.sqrt(2))


def test_a_detector_that_states_no_law_has_efficientdets(d0: es.Spec) -> None:
    alone = d0.model_copy(update={"scaling": None})
    found = search(alone, [1.3, 1.35], [1], 2)
    assert [(each.growth, each.own) for each in found] == [(1.3, False), (1.35, True)]
