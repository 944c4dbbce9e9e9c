"""Tests of `effscale.spec.structure`: what stages and resolutions are to each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from effscale.spec.structure import faults, too_small

if TYPE_CHECKING:
    from effscale.spec.nodes import Place

KEYS = ["stem", "stages", "variants", "resolution", "stride", "channels", "c_in", "b1"]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(KEYS),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5)
    ),
    max_leaves=20,
)


def network(resolution: object = 32, **changes: object) -> dict[str, Any]:
    """A stem of 8 channels and stride 2, stages of 16, 24 and 24, total stride 16."""
    stages = [
        {"stride": 2, "channels": 16},
        {"stride": 2, "channels": 24},
        {"stride": 2, "channels": 24},
    ]
    stem = {"stride": 2, "channels": 8}
    return {"resolution": resolution, "stem": stem, "stages": stages, **changes}


@pytest.mark.parametrize("side", [16, 17, 1000])
def test_a_side_of_the_total_stride_or_more_is_right(side: int) -> None:
    assert too_small(side, 16) is None


@pytest.mark.parametrize("side", [15, 1, 0, -16])
def test_a_side_below_the_total_stride_is_too_small(side: int) -> None:
    message = f"expected at least 16 (the network's total stride), got {side}"
    assert too_small(side, 16) == message


def test_one_candidate_that_is_too_small_spoils_them_all() -> None:
    assert too_small(np.array([16, 32]), 16) is None
    message = "expected at least 16 (the network's total stride), got 14"
    assert too_small(np.array([16, 15, 14, 32]), 16) == message


@pytest.mark.parametrize("resolution", [16, 32, [16, 16], [64, 16]])
def test_a_network_that_fits_together_has_no_faults(resolution: object) -> None:
    variants = {"b1": {"resolution": resolution}}
    assert list(faults(network(resolution, variants=variants))) == []


@pytest.mark.parametrize(
    ("resolution", "places"),
    [
        (15, [()]),
        ([15, 16], [(0,)]),
        ([16, 15], [(1,)]),
        ([1, 2], [(0,), (1,)]),
        ([16, 16, 15], [(2,)]),
    ],
)
def test_each_side_is_held_against_the_total_stride(
    resolution: Any,  # noqa: ANN401 - one side or several
    places: list[Place],
) -> None:
    variants = {"b1": {"resolution": resolution}, "b2": {"resolution": 32}}
    found = list(faults(network(resolution, variants=variants)))
    starts: list[Place] = [("resolution",), ("variants", "b1", "resolution")]
    assert [place for place, _ in found] == [
        (*start, *place) for start in starts for place in places
    ]
    side = resolution[places[0][0]] if places[0] else resolution
    assert found[0][1] == too_small(side, 16)


def test_stated_input_channels_are_those_of_the_block_before() -> None:
    data = network()
    for stage, c_in in zip(data["stages"], (8, 16, 24), strict=True):
        stage["c_in"] = c_in
    assert list(faults(data)) == []
    for stage, c_in in zip(data["stages"], (16, 8, 16), strict=True):
        stage["c_in"] = c_in
    assert list(faults(data)) == [
        (("stages", 0, "c_in"), "expected 8 (the channels of stem), got 16"),
        (("stages", 1, "c_in"), "expected 16 (the channels of stages[0]), got 8"),
        (("stages", 2, "c_in"), "expected 24 (the channels of stages[1]), got 16"),
    ]


@pytest.mark.parametrize("value", [True, 2.5, "2", None, 0, -2, [True]])
def test_what_the_schema_refuses_is_not_refused_again(value: object) -> None:
    data = network(value, stem={"stride": value, "channels": value})
    data["stages"][0].update(stride=value, c_in=8)
    data["stages"][1].update(c_in=value)
    assert list(faults(data)) == []


@settings(max_examples=40, deadline=None)
@given(ANYTHING)
def test_no_data_is_too_odd_to_look_at(data: object) -> None:
    for place, message in faults(data):
        assert place
        assert message.startswith("expected ")


@pytest.mark.parametrize("key", ["c_in", "channels"])
def test_a_width_too_long_to_print_is_no_surprise(key: str) -> None:
    data = network()
    data["stages"][1].update({"c_in": 16, key: 16**5000})
    data["stages"][2].update(c_in=24)
    place = ("stages", 1 if key == "c_in" else 2, "c_in")
    assert {found for found, _ in faults(data)} <= {place}


def test_a_total_stride_too_long_to_print_is_too_much_too() -> None:
    stages = [{"stride": 8, "channels": 8}] * 5000
    message = "expected at least 655360 (the network's total stride), got 32"
    assert list(faults(network(stages=stages))) == [(("resolution",), message)]
