"""Tests of `effscale.spec.geometry`: which stages of a backbone are which level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import effscale as es
from effscale.spec.geometry import tapped, totals
from effscale.spec.neck import Neck, entered
from tests.spec.small import lines

if TYPE_CHECKING:
    from effscale.spec.models import Spec
    from effscale.spec.neck import Wiring

B0_TOTALS = [(2, 2), (4, 4), (8, 8), (16, 16), (16, 16), (32, 32), (32, 32)]


def detector(backbone: Spec, *levels: int, **neck: Any) -> Spec:  # noqa: ANN401
    """A detector of these levels on a backbone."""
    given = {"levels": levels, "channels": 8, "wiring": "bifpn", **neck}
    update = {"neck": Neck.model_validate(given), "heads": None, "head": None}
    return backbone.model_copy(update=update)


@pytest.mark.parametrize("name", ["b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7"])
def test_efficientnets_are_tapped_after_their_stages_3_5_and_7(name: str) -> None:
    # automl/efficientdet taps the last block before each change of size
    spec = detector(es.load(name), 3, 7)
    assert totals(spec) == B0_TOTALS
    assert [index + 1 for index in tapped(spec)] == [3, 5, 7]


#: Channels of P3, P4, P5: efficientdet's backbones, ResNet's C3 to C5, MobileNetV2's.
WIDTHS = {
    "b0": (40, 112, 320),
    "b2": (48, 120, 352),
    "b3": (48, 136, 384),
    "b4": (56, 160, 448),
    "b5": (64, 176, 512),
    "b6": (72, 200, 576),
    "b7": (80, 224, 640),
    "resnet50": (512, 1024, 2048),
    "mobilenetv2": (32, 96, 320),
    "mobilenetv1": (256, 512, 1024),
}


@pytest.mark.parametrize("name", WIDTHS)
def test_levels_are_as_wide_as_published(name: str) -> None:
    spec = detector(es.load(name), 3, 7)
    found = tuple(getattr(spec.stages[index], "channels", 0) for index in tapped(spec))
    assert found == WIDTHS[name]


@pytest.mark.parametrize(
    ("levels", "stages"),
    [
        ((3, 7), [3, 5, 7]),
        ((2, 6), [2, 3, 5, 7]),
        ((1, 5), [1, 2, 3, 5, 7]),
        ((3, 4), [3, 5]),
        ((5, 7), [7]),
        ((6, 8), []),  # of stride 64: B0 has none
    ],
)
def test_as_many_levels_are_tapped_as_the_backbone_has(
    b0: es.Spec, levels: tuple[int, int], stages: list[int]
) -> None:
    found = tapped(detector(b0, *levels))
    assert [index + 1 for index in found] == stages


def test_levels_that_a_file_taps_itself_are_those(b0: es.Spec) -> None:
    spec = detector(b0, 3, 7, taps=[3, 4, 6])
    assert tapped(spec) == [2, 3, 5]


def test_a_classifier_has_no_taps(b0: es.Spec) -> None:
    assert tapped(b0) == []


def test_a_gap_between_strides_ends_the_taps() -> None:
    stage = "{{block: basic, kernel: 3, stride: {}, channels: 8, repeats: 1}}"
    spec = lines(*map(stage.format, (2, 4, 2)))  # of stride 4, 16, 32
    assert totals(spec) == [(4, 4), (16, 16), (32, 32)]
    assert tapped(detector(spec, 2, 5)) == [0]
    assert tapped(detector(spec, 3, 5)) == []
    assert tapped(detector(spec, 4, 6)) == [1, 2]


def test_a_stage_of_unlike_strides_is_no_level() -> None:
    wide = "{block: conv, kernel: 3, stride: [1, 2], channels: 8}"
    back = "{block: conv, kernel: 3, stride: [2, 1], channels: 8}"
    spec = lines(wide, back)
    assert totals(spec) == [(2, 4), (4, 4)]
    assert tapped(detector(spec, 1, 3)) == []
    assert tapped(detector(spec, 2, 3)) == [1]


def test_strides_within_branches_and_own_blocks_count() -> None:
    spec = lines(
        "{block: own}",
        (
            "{block: concat, branches: [[{block: max_pool, kernel: 3, stride: 2}], "
            "[{kernel: 3, stride: 2, channels: 8}]]}"
        ),
        blocks="{own: [{kernel: 3, stride: 2, channels: 8}]}",
    )
    assert totals(spec) == [(4, 4), (8, 8)]
    assert tapped(detector(spec, 2, 3)) == [0, 1]


@pytest.mark.parametrize(
    ("wiring", "highest"),
    [
        *(("bifpn", 7), ("fpn", 7), ("panet", 7), ("simplified_panet", 7)),
        *(("nas_fpn", 7), ("fully_connected", 7)),
        ("retinanet", 5),  # those above are made by nodes
    ],
)
def test_levels_are_made_up_to_the_highest_that_is_read(
    wiring: Wiring, highest: int
) -> None:
    assert entered(Neck(levels=(3, 7), channels=8, wiring=wiring)) == highest


@pytest.mark.parametrize(
    ("nodes", "highest"),
    [
        ({"a": {"level": 3, "reads": ["p3"]}}, 5),  # p4 and p5 are put out as they are
        ({f"n{k}": {"level": k, "reads": ["p3"]} for k in (3, 4, 5)}, 3),
        ({f"n{k}": {"level": k, "reads": ["p4"]} for k in (3, 4, 5)}, 4),
        (  # n3 is brought to the size of p4's input
            {
                **{f"n{k}": {"level": k, "reads": ["p3"]} for k in (3, 5)},
                "n4": {"level": 4, "reads": ["n5"]},
            },
            4,
        ),
    ],
)
def test_a_file_s_own_nodes_say_which_levels_they_need(
    nodes: dict[str, Any], highest: int
) -> None:
    given = {"levels": [3, 5], "channels": 8, "nodes": nodes}
    assert entered(Neck.model_validate(given)) == highest
