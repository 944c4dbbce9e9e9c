"""Tests of `effscale.network.heads`: the parts behind a backbone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

import effscale as es
from effscale.cost.count import part_costs
from effscale.errors import LayerError
from effscale.network.combinators import Sequential
from effscale.network.network import network
from effscale.network.shapes import Shape

if TYPE_CHECKING:
    from effscale.spec.models import Spec

TEXT = """\
name: small
resolution: 64
cells:
  a: {nodes: [[[sep_3x3, 0], [identity, 1]]], concat: [2]}
stem: {kernel: 3, stride: 2, channels: 4}
stages:
  - {block: conv, kernel: 3, stride: 2, channels: 6}
  - {block: conv, kernel: 3, stride: 2, channels: 8}
  - {block: conv, kernel: 3, stride: 1, channels: 10}
  - {block: conv, kernel: 3, stride: 2, channels: 12}
neck: {levels: [2, 4], channels: 8, wiring: fpn}
heads: {classes: 5}
"""


def detector(**changes: Any) -> Spec:  # noqa: ANN401 - as a file would write them
    data = yaml.safe_load(TEXT)
    for key, value in changes.items():
        data[key] = {**data[key], **value} if isinstance(value, dict) else value
    return es.loads(yaml.safe_dump(data, sort_keys=False))


def test_neck_and_heads_read_what_they_are_behind() -> None:
    parts = network(detector()).parts
    assert [(part.name, part.reads) for part in parts[-3:]] == [
        ("neck", (1, 3, 4)),  # stage 1, 3 and 4: the last of each stride
        ("class head", (5,)),
        ("box head", (5,)),
    ]


def test_stages_beyond_the_highest_tap_are_no_part_of_a_detector() -> None:
    names = [part.name for part in network(detector(neck={"levels": [2, 3]})).parts]
    expected = ["stem", "stage 1", "stage 2", "stage 3"]
    assert names == [*expected, "neck", "class head", "box head"]
    own = network(detector(neck={"levels": [2, 4], "taps": [1, 2]})).parts
    assert [part.name for part in own][:3] == ["stem", "stage 1", "stage 2"]
    assert own[3].reads == (1, 2)


def test_parts_say_what_they_put_out_at_their_lowest_level() -> None:
    *_, neck, classes, boxes = part_costs(network(detector()))
    assert neck.input == Shape(6, 16, 16)
    assert neck.output == Shape(8, 16, 16)
    assert classes.output == Shape(9 * 5, 16, 16)
    assert boxes.output == Shape(9 * 4, 16, 16)


@pytest.mark.parametrize("levels", [[4, 5], [3, 5]])
def test_a_tapped_cell_hands_on_its_newest_map(levels: list[int]) -> None:
    cell = {"block": "cell", "cell": "a", "stride": 2, "channels": 12}
    stages = [*yaml.safe_load(TEXT)["stages"][:3], cell]
    spec = detector(stages=stages, neck={"levels": levels})
    *_, neck, _, _ = part_costs(network(spec))
    assert neck.part.reads == ((4,) if levels[0] == 4 else (3, 4))
    assert neck.output == Shape(8, *[64 // 2 ** levels[0]] * 2)
    first = dict(neck.part.layer.layers)
    assert ("newest" in first) == (levels[0] == 4)


def test_what_cannot_be_a_neck_is_said_to_be_the_neck_s() -> None:
    spec = detector()
    assert spec.neck is not None
    wrong = spec.neck.model_copy(update={"levels": (6, 8)})
    with pytest.raises(LayerError) as caught:
        network(spec.model_copy(update={"neck": wrong}))
    assert str(caught.value) == "neck: expected a stage of stride 64 (P6), got none"
    conv = spec.neck.layers[-1].model_copy(update={"groups": 3})
    wrong = spec.neck.model_copy(update={"layers": (conv,)})
    with pytest.raises(LayerError) as caught:
        network(spec.model_copy(update={"neck": wrong}))
    message = "neck: groups: expected a divisor of 8 channels, got 3"
    assert str(caught.value) == message


def test_classes_anchors_and_channels_are_told_by_the_parts() -> None:
    spec = detector(heads={"anchors": {"scales": 2, "ratios": [1.0]}, "repeats": 4})
    *_, neck, classes, boxes = network(spec).parts
    assert (neck.channels, neck.repeats) == (8, 1)
    assert (classes.channels, classes.repeats) == (2 * 5, 4)
    assert (boxes.channels, boxes.repeats) == (2 * 4, 4)
    assert all(isinstance(part.layer, Sequential) for part in (neck, classes, boxes))
