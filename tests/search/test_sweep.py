"""The staircase of cost along one dimension."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

import effscale as es
from effscale.errors import ScaleError
from effscale.growth.scale import at_resolution
from effscale.search import sweep as module
from effscale.search.sweep import Step, sweep
from effscale.spec.geometry import least_sides
from tests.examples import examples
from tests.strategies import mobiles


def macs(spec: es.Spec, height: int, width: int) -> int:
    return int(es.count(at_resolution(spec, (height, width))).macs)


def test_every_size_costs_what_its_step_says(b0: es.Spec) -> None:
    steps = sweep(b0, "resolution", 200, 300).steps
    sizes = {
        size: step.cost.macs
        for step in steps
        for size in range(int(step.low), int(step.high) + 1)
    }
    assert sizes == {size: macs(b0, size, size) for size in range(200, 301)}
    assert all(a.cost.macs < b.cost.macs for a, b in itertools.pairwise(steps))


def test_one_pixel_more_than_a_multiple_of_32_is_a_cliff(b0: es.Spec) -> None:
    # 257 px cost 15 % more than 256: every map of the network grows by a row
    cliffs = {
        step.low: step.rise
        for step in sweep(b0, "resolution", 200, 300).steps
        if step.is_cliff
    }
    assert set(cliffs) >= {225, 257, 289}
    assert cliffs[257] == macs(b0, 257, 257) / macs(b0, 256, 256) - 1


def test_no_pixel_is_wasted_where_all_strides_divide(b0: es.Spec) -> None:
    free = [
        step.high
        for step in sweep(b0, "resolution", 200, 300).steps
        if step.waste is not None and abs(step.waste) < 1e-12
    ]
    assert free == [224, 256, 288]


@examples(10)
@given(mobiles(), st.integers(0, 20))
def test_nothing_is_wasted_less_than_nothing(spec: es.Spec, more: int) -> None:
    least = max(least_sides(spec))
    height, width = (int(side) for side in spec.resolution)
    low = -(-least * height // min(height, width))  # so that the width is enough too
    for step in sweep(spec, "resolution", low, low + more).steps:
        assert step.waste is not None
        assert step.waste > -1e-9
        across = round(step.high * width / height)
        assert step.cost.macs == macs(spec, int(step.high), across)


def test_depth_rises_where_repeats_do(b0: es.Spec) -> None:
    steps = sweep(b0, "depth", 1, 2).steps
    assert [round(step.low, 6) for step in steps] == pytest.approx(
        [1, 1, 1.25, 1.333333, 1.5, 1.666667, 1.75], abs=1e-5
    )
    assert steps[0].cost == es.count(b0)
    assert steps[-1].cost == es.count(es.scale(b0, es.Multipliers(depth=2.0)))
    assert {step.waste for step in steps} == {None}


def test_width_rises_where_channels_do(b0: es.Spec) -> None:
    steps = sweep(b0, "width", 1.0, 1.1).steps
    assert steps[-1].cost == es.count(es.scale(b0, es.Multipliers(width=1.1)))
    costs = [step.cost.params for step in steps]
    assert costs == sorted(set(costs))


@pytest.mark.parametrize(
    ("low", "high", "message"),
    [
        (300, 200, "resolution: expected 0 < LOW <= HIGH, got 300..200"),
        (
            3,
            31,
            (
                "no size is a network: b0: resolution: expected at least 32 (the "
                "network's total stride), got 3"
            ),
        ),
        (32, 6000, "resolution: expected at most 5000 sizes"),
    ],
)
def test_a_range_that_is_none_is_refused(
    b0: es.Spec, low: float, high: float, message: str
) -> None:
    with pytest.raises(ScaleError) as caught:
        sweep(b0, "resolution", low, high)
    assert str(caught.value) == message


def test_a_step_is_a_cliff_from_five_per_cent() -> None:
    cost = es.Cost(1, 1, 1)
    assert Step(1, 2, cost, module.CLIFF).is_cliff
    assert not Step(1, 2, cost, module.CLIFF - 1e-9).is_cliff


def test_what_is_no_network_is_left_out_of_a_sweep(b0: es.Spec) -> None:
    found = sweep(b0, "resolution", 3, 40)
    assert (found.steps[0].low, found.left.number) == (32, 29)


def test_both_sides_of_a_detector_grow_by_as_many_pixels() -> None:
    d0 = es.load("d0")
    wide = d0.model_copy(update={"resolution": (256, 512)})
    (step,) = sweep(wide, "resolution", 320, 320).steps
    assert step.cost == es.count(d0.model_copy(update={"resolution": (320, 576)}))
