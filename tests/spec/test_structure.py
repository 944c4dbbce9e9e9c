"""Tests of `effscale.spec.structure`: what lines and resolutions are to each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import effscale as es
from effscale.errors import ScaleError
from effscale.spec.models import Spec
from effscale.spec.structure import faults
from tests.examples import examples
from tests.spec.small import lines
from tests.strategies import detectors, specs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from effscale.errors import Fault

STAGE = "{{block: basic, kernel: 3, stride: 2, channels: {}, repeats: 1}}"


def network(resolution: object = 32, **changes: object) -> Spec:
    """A stem of 8 channels and stride 2, stages of 16, 24 and 24, total stride 16."""
    spec = lines(*map(STAGE.format, (16, 24, 24)))
    return Spec.model_validate(
        {**spec.model_dump(), "resolution": resolution, **changes}
    )


@pytest.mark.parametrize("resolution", [16, 32, [16, 16], [64, 16]])
def test_a_network_that_fits_together_has_no_faults(resolution: object) -> None:
    variants = {"b1": {"resolution": resolution}}
    assert told(faults(network(resolution, variants=variants))) == []


@pytest.mark.parametrize(
    ("resolution", "axes"), [(15, [0, 1]), ([15, 16], [0]), ([16, 15], [1])]
)
def test_each_side_is_held_against_the_total_stride(
    resolution: object, axes: list[int]
) -> None:
    variants = {"b1": {"resolution": resolution}, "b2": {"resolution": 32}}
    message = "expected at least 16 (the network's total stride), got 15"
    starts: list[tuple[str, ...]] = [("resolution",), ("variants", "b1", "resolution")]
    assert told(faults(network(resolution, variants=variants))) == [
        ((*start, axis), message) for start in starts for axis in axes
    ]


def test_stated_input_channels_are_those_of_the_block_before() -> None:
    def stating(*channels: int) -> Spec:
        stages: list[Any] = network().model_dump()["stages"]
        for stage, c_in in zip(stages, channels, strict=True):
            stage["c_in"] = c_in
        return network(stages=stages)

    assert told(faults(stating(8, 16, 24))) == []
    before = "the channels of the line before"
    assert told(faults(stating(16, 8, 16))) == [
        (("stages", 0, "c_in"), f"expected 8 ({before}), got 16"),
        (("stages", 1, "c_in"), f"expected 16 ({before}), got 8"),
        (("stages", 2, "c_in"), f"expected 24 ({before}), got 16"),
    ]


def told(findings: Iterable[Fault]) -> list[tuple[tuple[str | int, ...], str]]:
    """Place and message of each."""
    return [(each.place, each.message) for each in findings]


def found(*stages: str, **more: str) -> list[tuple[tuple[str | int, ...], str]]:
    """What is wrong with these stages after a stem of 8 channels at 16×16 px."""
    return told(faults(lines(*stages, **more)))


def test_faults_are_found_in_each_line_however_deep() -> None:
    steps = (
        "[{block: concat, branches: [[{kernel: 2, channels: 8}], [{block: residual, "
        "layers: [{kernel: 1, channels: 8, groups: 3}], "
        "shortcut: [{block: max_pool, kernel: 4}]}]]}]"
    )
    inside = ("branches", 1, 0)
    expected = [
        (
            ("branches", 0, 0, "kernel"),
            "expected odd sides, or padding: valid, got 2×2",
        ),
        (
            (*inside, "layers", 0, "groups"),
            "expected a divisor of 8 channels, got 3",
        ),
        (
            (*inside, "shortcut", 0, "kernel"),
            "expected odd sides, or padding: valid, got 4×4",
        ),
    ]
    head = f"{{layers: {steps}}}"
    stem = "{kernel: 3, stride: 2, channels: 8}"
    at = {
        ("head", "layers", 0): found(head=head),
        ("stages", 0): found(steps[1:-1]),
        ("stem", 1): found(stem=f"[{stem}, {steps[1:]}"),
    }
    for start, got in at.items():
        assert got == [((*start, *place), message) for place, message in expected]


def test_what_is_wrong_in_a_block_of_the_file_is_said_where_it_is_used() -> None:
    blocks = "{inner: [{kernel: 2}], own: [{block: norm}, {block: inner}]}"
    message = "block own: [1].kernel: expected odd sides, or padding: valid, got 2×2"
    assert found("{block: norm}", "{block: own}", blocks=blocks) == [
        (("stages", 1), message)
    ]


def test_later_blocks_of_a_stage_are_looked_at_too() -> None:
    # the first takes 8 channels, the second what the first puts out
    blocks = (
        "{own: [{block: depthwise, kernel: 1}, "
        "{kernel: 1, channels: [12, 9, 8], groups: 4}]}"
    )
    messages = {
        message for _, message in found("{block: own, repeats: 3}", blocks=blocks)
    }
    assert messages == {
        "block own: [1].groups: expected a divisor of 9 channels, got 4"
    }


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{block: dense, growth: 4, repeats: 3}", "20"),
        ("{block: transition, compression: 0.4}", "3"),
        ("{block: concat, branches: [[], [{kernel: 1, channels: 5}], []]}", "21"),
        ("{block: residual, layers: [{kernel: 1, ratio: 0.5}, {kernel: 3}]}", "8"),
        ("{block: own, channels: 11, repeats: 2}", "22"),
        ("{block: cell, cell: a, channels: 7}", "14"),
        ("{block: max_pool, kernel: 3}", "8"),
        ("{block: separable, kernel: 3, stride: 2, channels: 9, repeats: 2}", "9"),
    ],
)
def test_channels_are_followed_through_each_kind_of_line(
    line: str, message: str
) -> None:
    last = "{block: basic, kernel: 3, stride: 1, channels: 8, c_in: 1, repeats: 1}"
    place = ("stages", 1, "c_in")
    said = f"expected {message} (the channels of the line before), got 1"
    assert found(
        line,
        last,
        blocks="{own: [{kernel: 1}, {block: concat, branches: [[{kernel: 1}], []]}]}",
        cells="{a: {nodes: [[[identity, 0], [identity, 1]]], concat: [1, 2]}}",
    ) == [(place, said)]


def test_the_image_s_channels_are_those_before_the_first_line() -> None:
    basic = "{block: basic, kernel: 3, stride: 1, channels: 8, c_in: 1, repeats: 1}"
    stem = "{kernel: 3, channels: 4, groups: 2}"
    message = "expected a divisor of 3 channels, got 2"
    assert found(basic, stem=stem) == [
        (("stem", 0, "groups"), message),
        (("stages", 0, "c_in"), "expected 4 (the channels of the line before), got 1"),
    ]


@examples(25)
@given(spec=specs(), data=st.data())
def test_what_has_no_faults_can_be_counted(spec: Spec, data: st.DataObject) -> None:
    """Also where a line is missing, or twice, or before the other."""
    order = st.lists(st.sampled_from(spec.stages), min_size=1, max_size=4)
    other = spec.model_copy(update={"stages": tuple(data.draw(order))})
    if not told(faults(other)):
        assert es.count(other).params > 0


@examples(25)
@given(spec=specs(), width=st.floats(0.1, 3), depth=st.floats(0.1, 3))
def test_what_is_scaled_can_be_counted_or_is_refused(
    spec: Spec, width: float, depth: float
) -> None:
    try:
        scaled = es.scale(spec, es.Multipliers(width=width, depth=depth))
    except ScaleError:
        return
    assert es.count(scaled).params > 0
    assert es.loads(es.dumps(scaled)) == scaled


@examples(25)
@given(spec=detectors(), other=detectors())
def test_what_has_no_faults_can_be_counted_of_detectors(
    spec: Spec, other: Spec
) -> None:
    """Also where a neck is of another backbone."""
    mixed = spec.model_copy(update={"neck": other.neck})
    if not told(faults(mixed)):
        assert es.count(mixed).params > 0


FACTORS = st.floats(0.3, 3)


@examples(25)
@given(spec=detectors(), factors=st.tuples(*[FACTORS] * 5))
def test_a_scaled_detector_can_be_counted_or_is_refused(
    spec: Spec, factors: tuple[float, ...]
) -> None:
    assume(not told(faults(spec)))
    width, resolution, *neck = factors
    multipliers = es.Multipliers(1.0, width, resolution, None, *neck)
    try:
        scaled = es.scale(spec, multipliers)
    except ScaleError:
        return
    assert es.count(scaled).params > 0
    assert es.loads(es.dumps(scaled)) == scaled
