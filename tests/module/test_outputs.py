"""Networks that branch and come back, against torch written by hand."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal

import pytest
import torch
from torch import nn
from torch.utils._pytree import tree_leaves

import effscale as es
from effscale.growth.scale import with_classes
from effscale.module.build import Detections
from effscale.module.measure import measure_spec
from effscale.spec.loading import loads

pytestmark = pytest.mark.torch

SMALL = """
name: small
resolution: [64, 96]
stem: {kernel: 3, stride: 2, channels: 8}
stages:
- {name: p2, block: conv, kernel: 3, stride: 2, channels: 8}
- {name: p3, block: conv, kernel: 3, stride: 2, channels: 16}
outputs:
"""


def double(c_in: int, c_out: int) -> nn.Sequential:
    """Two 3×3 convolutions with batch norm and ReLU."""
    layers: list[nn.Module] = []
    for before in (c_in, c_out):
        conv = nn.Conv2d(before, c_out, 3, padding=1, bias=False)
        layers += [conv, nn.BatchNorm2d(c_out, eps=1e-5), nn.ReLU()]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """Figure 1 of the paper, padded."""

    def __init__(self, base: int) -> None:
        super().__init__()
        wide = [base << level for level in range(5)]
        self.first = double(3, base)
        self.down = nn.ModuleList(map(double, wide, wide[1:]))
        pairs = [(b, a) for a, b in pairwise(wide)][::-1]
        self.up = nn.ModuleList(
            nn.ModuleList([nn.ConvTranspose2d(b, a, 2, 2), double(b, a)])
            for b, a in pairs
        )
        self.last = nn.Conv2d(base, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of each pixel."""
        maps = [self.first(x)]
        for each in self.down:
            maps.append(each(nn.functional.max_pool2d(maps[-1], 2)))
        y = maps.pop()
        for up in self.up:
            transposed, both = [*up.children()]
            y = both(torch.cat([maps.pop(), transposed(y)], dim=1))
        return self.last(y)  # type: ignore[no-any-return]


@pytest.mark.parametrize(("name", "base"), [("unet", 64), ("unet-32", 32)])
def test_unet_is_the_one_written_by_hand(name: str, base: int) -> None:
    ours, theirs = es.build(es.load(name)).eval(), UNet(base).eval()
    pairs = zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True)
    assert all(a.shape == b.shape for a, b in pairs)
    names = theirs.state_dict().keys()
    state = dict(zip(names, ours.state_dict().values(), strict=True))
    theirs.load_state_dict(state)
    image = torch.randn(1, 3, 32, 48)
    with torch.no_grad():
        assert torch.equal(ours(image), theirs(image))


def outputs(text: str) -> Any:  # noqa: ANN401 - by its kind
    """What the small network with these outputs makes of an image."""
    return es.build(loads(SMALL + text)).eval()(torch.randn(2, 3, 64, 96))


def test_a_single_output_is_what_the_network_puts_out() -> None:
    assert outputs("  sort: {kind: classify, classes: 7}").shape == (2, 7)


def test_segments_are_of_the_size_of_the_image() -> None:
    assert outputs("  mask: {kind: segment, classes: 4}").shape == (2, 4, 64, 96)


def test_several_outputs_go_by_their_names() -> None:
    found = outputs("  mask: {kind: segment}\n  sort: {kind: classify, reads: p2}")
    assert [*found] == ["mask", "sort"]


def test_yolo_puts_out_classes_and_boxes_by_level() -> None:
    found = outputs("  find: {kind: yolo, reads: [p2, p3], classes: 5, bins: 4}")
    assert isinstance(found, Detections)
    assert [each.shape[1:] for each in found.classes] == [(5, 16, 24), (5, 8, 12)]
    assert [each.shape[1:] for each in found.boxes] == [(16, 16, 24), (16, 8, 12)]


def test_one_box_an_object_is_told_beside_many() -> None:
    many, one = outputs("  find: {kind: yolo, reads: p3, one_to_one: true}")
    assert all(map(torch.equal, many.boxes, one.boxes)) is False
    assert [each.shape for each in many.boxes] == [each.shape for each in one.boxes]


def test_what_is_told_beside_boxes_goes_by_its_name() -> None:
    found = outputs(
        "  find: {kind: yolo, reads: [p2, p3], angle: true, keypoints: [5, 2], "
        "masks: 6, channels: 8}"
    )
    assert [*found] == [
        *("classes", "boxes", "coefficients", "keypoints", "angles", "prototypes")
    ]
    widths = {name: found[name][1].shape[1] for name in [*found][2:5]}
    assert widths == {"coefficients": 6, "keypoints": 10, "angles": 1}
    assert found["prototypes"].shape == (2, 6, 32, 48)


def test_masks_of_one_box_an_object_are_of_the_same_prototypes() -> None:
    one = "one_to_one: true, masks: 6, channels: 8"
    many, one = outputs(f"  find: {{kind: yolo, reads: p3, {one}}}")
    assert many["prototypes"] is one["prototypes"]
    assert not torch.equal(many["coefficients"][0], one["coefficients"][0])


def test_bins_are_fixed_and_the_same_for_all_levels() -> None:
    net = es.build(loads(f"{SMALL}  find: {{kind: yolo, reads: [p2, p3], bins: 4}}"))
    fixed = [each for each in net.parameters() if not each.requires_grad]
    assert [each.flatten().tolist() for each in fixed] == [[0, 1, 2, 3]]


LEVELS = """
resolution: [64, 96]
stem: {kernel: 3, stride: 2, channels: 8}
stages:
- {name: p2, block: conv, kernel: 3, stride: 2, channels: 8}
- {name: p3, block: conv, kernel: 3, stride: 2, channels: 8}
outputs:
  find:
    kind: detect
    reads: [p2, p3]
    classes: 5
    anchors: 3
    repeats: 2
    layers: [{kernel: 3}, {block: norm, norm: {kind: group, groups: 2}}]
"""


@pytest.mark.parametrize("engine", ["fvcore", "torch"])
@pytest.mark.parametrize(
    "more", ["", "shared: false", "centerness: true", "objectness: true"]
)
def test_levels_share_heads_or_have_their_own(
    more: str, engine: Literal["fvcore", "torch"]
) -> None:
    spec = loads(f"name: levels{LEVELS}    {more}")
    cost, found = es.count(spec), measure_spec(spec, engine)
    assert (found.macs, found.params) == (cost.macs, cost.params)
    made = es.build(spec).eval()(torch.randn(2, 3, 64, 96))
    maps = made if isinstance(made, dict) else made._asdict()
    wide = {"classes": 15, "boxes": 12, "centerness": 3, "objectness": 3}
    assert [*maps][2:] == [name for name in wide if more.startswith(name)]
    for name, levels in maps.items():
        assert [x.shape[1:] for x in levels] == [
            (wide[name], 16, 24),
            (wide[name], 8, 12),
        ]


def test_heads_of_their_own_have_weights_for_each_level() -> None:
    shared, own = (
        int(es.count(loads(f"name: levels{LEVELS}    {more}")).params)
        for more in ("", "shared: false")
    )
    layers = 9 * 8 * 8 + 2 * 8  # 3×3 and group norm; batch norms are by level in both
    predict = (9 * 8 + 1) * (15 + 12)
    assert own - shared == 2 * 2 * layers + predict


def test_anchors_are_told_of_by_level() -> None:
    found = outputs("  find: {kind: yolo_anchors, reads: [p2, p3], classes: 5}")
    assert [each.shape[1:] for each in found] == [(30, 16, 24), (30, 8, 12)]


def test_keypoints_are_a_heatmap_sizes_and_offsets() -> None:
    found = outputs("  peaks: {kind: keypoints, reads: p3, classes: 2}")
    assert {name: each.shape[1] for name, each in found.items()} == {
        "heatmap": 2,
        "sizes": 2,
        "offsets": 2,
    }


def test_what_outputs_are_made_of_scales_and_their_classes_do_not() -> None:
    text = f"{SMALL}  peaks: {{kind: keypoints, classes: 3, channels: 8}}\n"
    wide = es.scale(loads(text), es.Multipliers(width=2))
    (peaks,) = wide.outputs.values()
    assert (peaks.classes, getattr(peaks, "channels", None)) == (3, 16)
    agreed = measure_spec(wide, "torch")
    assert agreed.macs == es.count(wide).macs


def test_another_number_of_classes_is_that_of_every_output() -> None:
    text = f"{SMALL}  mask: {{kind: segment}}\n  sort: {{kind: classify, reads: p2}}\n"
    found = with_classes(loads(text), 7)
    assert [each.classes for each in found.outputs.values()] == [7, 7]


STEP = f"""{SMALL}
  sort: {{kind: classify, reads: p3, classes: 3}}
  mask: {{kind: segment, classes: 3}}
  level: {{kind: detect, reads: p2, centerness: true, layers: [{{kernel: 3}}]}}
  there: {{kind: detect, reads: [p2, p3], shared: false, objectness: true}}
  sides: {{kind: yolo, reads: [p2, p3], classes: 2, bins: 4, one_to_one: true,
    angle: true, keypoints: [3, 2], masks: 4, channels: 8}}
  old: {{kind: yolo_anchors, reads: [p2, p3], classes: 2}}
  peaks: {{kind: keypoints, classes: 2, channels: 4}}
"""


def test_a_step_of_training_reaches_every_weight_of_every_kind_of_output() -> None:
    torch.manual_seed(0)
    net = es.build(loads(STEP))
    before = [each.detach().clone() for each in net.parameters()]
    step = torch.optim.SGD(net.parameters(), lr=0.1)
    made = tree_leaves(net(torch.randn(2, 3, 64, 96)))
    sum(each.square().mean() for each in made).backward()
    step.step()
    for (name, each), old in zip(net.named_parameters(), before, strict=True):
        moved = not torch.equal(each, old)
        assert moved is each.requires_grad, name
