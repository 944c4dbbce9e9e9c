"""Tests of `effscale.search.networks`: candidates that are none are left out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import effscale as es
from effscale.errors import CandidateError, ScaleError
from effscale.growth.scale import numbers
from effscale.search.networks import LeftOut, scaled, spread
from tests.examples import examples
from tests.strategies import specs

pytestmark = pytest.mark.slow

FACTORS = st.floats(0.2, 3)

GROUPS = """
name: groups
resolution: 32
norm: {kind: group, groups: 3}
stem: {kernel: 3, stride: 2, channels: 48}
stages:
- {block: basic, kernel: 3, stride: 1, channels: 48, repeats: 2}
head: {classes: 10}
"""


@given(specs(), st.lists(st.tuples(FACTORS, FACTORS, FACTORS), min_size=1, max_size=6))
@examples(40)
def test_what_is_left_out_is_what_alone_is_refused(
    spec: es.Spec, points: list[tuple[float, float, float]]
) -> None:
    assume(numbers(spec, "repeats"))  # else depth is refused of all together
    expected = {}
    for index, point in enumerate(points):
        try:
            expected[index] = es.count(es.scale(spec, es.Multipliers(*point)))
        except CandidateError:
            continue
    left = LeftOut()
    columns = np.array(points).T
    try:
        found = scaled(spec, es.Multipliers(*columns), left)
    except CandidateError:  # of all of them
        assert not expected
        return
    assert left.number == len(points) - len(expected)
    if found is None:
        assert not expected
        return
    macs = np.broadcast_to(found.cost.macs, len(found.kept)).tolist()
    assert dict(zip(found.kept.tolist(), macs, strict=True)) == {
        index: cost.macs for index, cost in expected.items()
    }


def test_along_axes_what_is_left_out_costs_nothing() -> None:
    spec = es.loads(GROUPS)
    depth, width = np.array([[1.0], [2.0]]), np.array([0.5, 1.0, 1.25])
    left = LeftOut()
    found = spread(spec, es.Multipliers(depth=depth, width=width), left)
    assert found.exists.tolist() == [[True, True, False]] * 2
    for (row, column), exists in np.ndenumerate(found.exists):
        one = es.Multipliers(depth=depth[row, 0], width=width[column])
        macs = np.broadcast_to(found.figures["macs"], (2, 3))[row, column]
        if exists:
            assert macs == es.count(es.scale(spec, one)).macs
        else:
            assert macs == 0
            with pytest.raises(CandidateError):
                es.count(es.scale(spec, one))
    assert [each.text for each in left.reasons.values()] == [
        "stem: norm: expected a divisor of 64 channels, got 3 groups"
    ]


def test_none_at_all_is_an_error() -> None:
    left = LeftOut()
    left.refuse_all("point")
    left.add(ScaleError("resolution: too small"), 3, {"depth": 1.0})
    with pytest.raises(ScaleError) as caught:
        left.refuse_all("point")
    assert str(caught.value) == "no point is a network: resolution: too small"
