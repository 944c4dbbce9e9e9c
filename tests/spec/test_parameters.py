"""Tests of `effscale.spec.parameters`: what `$name` stands for in a block."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import effscale as es
from effscale.growth.scale import numbers
from effscale.spec.geometry import expanded
from effscale.spec.loading import loads
from effscale.spec.parameters import Spot, spots, wrong
from effscale.spec.steps import Conv, Depthwise, SqueezeExcite, Use

if TYPE_CHECKING:
    from effscale.spec.line import Lines
    from effscale.spec.models import Spec

TEXT = """\
name: small
resolution: 32
blocks:
  inner:
    parameters: {size: 5, width: 16}
    layers: [{kernel: $size, channels: $width}]
  unit:
    parameters: {start: 0, kernel: 3, stride: 1, wide: 24, se: 0.25, times: 2}
    layers:
      - {block: depthwise, kernel: $start}
      - {kernel: $kernel, stride: $stride, channels: $wide}
      - {block: squeeze_excite, se_ratio: $se}
      - {block: inner, size: $kernel, width: $wide, repeats: $times}
      - {kernel: 1}
stem: {kernel: 3, stride: 2, channels: 8}
stages:
  - {block: unit, LINE channels: 32, repeats: 3}
head: {classes: 10}
"""


def spec(line: str = "") -> Spec:
    return loads(TEXT.replace("LINE", line))


def steps(line: str = "", index: int = 0) -> Lines:
    found = spec(line)
    (use,) = found.stages
    assert isinstance(use, Use)
    return expanded(use, found.blocks, index)


def test_a_parameter_is_what_the_line_gives_or_its_default() -> None:
    conv, se, inner, last = steps("kernel: 5, se: 0.5, times: 3,")
    assert isinstance(conv, Conv)
    assert (conv.kernel, conv.stride, conv.channels) == ((5, 5), (1, 1), 24)
    assert isinstance(se, SqueezeExcite)
    assert se.se_ratio == 0.5
    assert isinstance(inner, Use)
    assert (inner.arguments, inner.repeats) == (
        {"size": 5, "width": 24, "channels": 32},
        3,
    )
    assert last == Conv(kernel=(1, 1), channels=32)


@pytest.mark.parametrize(("key", "rest"), [("start", 4), ("se", 3), ("times", 3)])
def test_a_zero_leaves_its_step_out(key: str, rest: int) -> None:
    assert len(steps(f"{key}: 0,")) == rest
    there = {"start": 5, "se": 4, "times": 4}
    assert len(steps(f"{key}: 1,")) == there[key]


def test_a_stride_is_of_the_first_block_alone() -> None:
    found = [steps("stride: 2,", index)[0] for index in range(3)]
    strides = [each.stride for each in found if isinstance(each, Conv)]
    assert strides == [(2, 2), (1, 1), (1, 1)]


def test_a_list_is_one_for_each_block() -> None:
    found = [steps("wide: [8, 16],", index)[0] for index in range(3)]
    assert [each.channels for each in found if isinstance(each, Conv)] == [8, 16, 16]


def test_a_parameter_stands_where_used_blocks_have_it() -> None:
    found = spots(spec().blocks)["unit"]
    assert found["kernel"] == [Spot(Conv, "kernel")]
    assert found["wide"] == [Spot(Conv, "channels")]
    assert found["times"] == [Spot(Use, "repeats")]
    assert set(found) == {"start", "kernel", "stride", "wide", "se", "times"}


@pytest.mark.parametrize(
    ("spot", "value", "expected"),
    [
        (Spot(Depthwise, "kernel"), 0, ""),
        (Spot(Depthwise, "kernel"), [1, 7], ""),
        (Spot(Depthwise, "stride"), 0, "a whole number from 1 to 64, or [rows, col"),
        (Spot(Conv, "bias"), 1, "true or false"),
        (Spot(Conv, "bias"), True, ""),
        (Spot(Conv, "channels"), True, "a whole number from 1 to 1048576"),
    ],
)
def test_a_value_is_judged_where_it_stands(
    spot: Spot, value: object, expected: str
) -> None:
    given = tuple(value) if isinstance(value, list) else value
    assert wrong(spot, given).startswith(expected)
    assert bool(wrong(spot, given)) == bool(expected)


def test_numbers_scale_by_where_their_parameter_stands() -> None:
    found = spec("wide: 40, times: 3,")
    scaled = es.scale(found, es.Multipliers(depth=2, width=2))
    (use,) = scaled.stages
    assert isinstance(use, Use)
    given = {"wide": 80, "times": 6, "channels": 64}
    assert (use.arguments, use.repeats) == (given, 6)
    defaults = scaled.blocks["unit"].parameters
    assert (defaults["wide"], defaults["times"]) == (48, 4)
    assert (defaults["kernel"], defaults["start"]) == (3, 0)
    assert scaled.blocks["inner"].parameters == {"size": 5, "width": 32}


def test_a_step_that_is_left_out_stays_out() -> None:
    scaled = es.scale(spec("times: 0,"), es.Multipliers(depth=2))
    (use,) = scaled.stages
    assert isinstance(use, Use)
    assert use.arguments["times"] == 0


def test_arrays_of_multipliers_count_as_each_of_them() -> None:
    found, factors = spec("wide: 40, stride: 2,"), (0.5, 1.0, 1.7)
    array = np.array(factors)
    many = es.count(es.scale(found, es.Multipliers(array, array, array)))
    for index, each in enumerate(factors):
        one = es.count(es.scale(found, es.Multipliers(each, each, each)))
        assert (many.macs[index], many.params[index]) == (one.macs, one.params)  # type: ignore[index]


def test_a_spec_with_parameters_is_written_and_read() -> None:
    found = spec("wide: [8, 16], kernel: [1, 3],")
    assert loads(es.dumps(found)) == found
    assert "wide: [8, 16]" in es.dumps(found)


def test_every_number_of_a_role_is_found() -> None:
    assert numbers(spec("times: 4,"), "repeats") == [3, 4, 2]


def test_a_block_within_has_the_channels_of_the_one_around_it() -> None:
    """Where it says none itself, in a branch too: its `$channels` are those."""
    inner = "inner: [{kernel: 1, channels: $channels, groups: 4}, {kernel: 1}]"
    around = "[{block: residual, layers: [{kernel: 3}, {block: inner WITHIN}]}]"
    text = TEXT[: TEXT.index("blocks:")] + (
        f"blocks:\n  {inner}\n  outer: {around}\n"
        "stem: {kernel: 3, channels: 16}\n"
        "stages: [{block: outer, channels: 16, repeats: 2}]\nhead: {}\n"
    )
    said = loads(text.replace("WITHIN", ", channels: 16"))
    unsaid = loads(text.replace("WITHIN", ""))
    wider = es.Multipliers(width=1.6)
    assert es.count(unsaid) == es.count(said)
    assert es.count(es.scale(unsaid, wider)) == es.count(es.scale(said, wider))
