"""The published detectors, part by part, three ways; and their law."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import effscale as es
from effscale.cost.count import part_costs
from effscale.growth.detector import Detector
from effscale.growth.growth import at_phi
from effscale.module.measure import difference, measure_spec
from effscale.network.network import network
from tests.examples import examples
from tests.strategies import detectors
from tests.test_golden import EFFICIENTNETS

if TYPE_CHECKING:
    from effscale.spec.models import Spec

pytestmark = pytest.mark.usefixtures("undrawn")

# Exact params of backbone, BiFPN, class and box head, and MACs of all four: as
# efficientdet-pytorch's tf_efficientdet_d0 … d7x count, and closed forms of
# automl/efficientdet/efficientdet_arch.py.
PARTS = {
    "d0": (3595388, 196281, 69354, 19044, 2492331520),
    "d1": (6101024, 390972, 101394, 32508, 6003416880),
    "d2": (7202562, 708159, 136890, 49428, 10832466688),
    "d3": (10103336, 1559474, 247050, 122436, 24568753664),
    "d4": (16742216, 3349829, 402890, 228740, 54583712096),
    "d5": (27288112, 5405893, 591498, 367812, 134133865152),
    "d6": (39403992, 10583808, 1090986, 792996, 224121477984),
    "d7": (39403992, 10583808, 1090986, 792996, 322731636576),
    "d7x": (62143440, 13112064, 1094826, 796836, 407628345344),
}
# Giga-MACs by part, rounded as the same closed forms were printed.
MACS = {
    "d0": ("1.901", "0.136", "0.362", "0.092"),
    "d1": ("4.468", "0.451", "0.833", "0.252"),
    "d2": ("7.430", "1.216", "1.625", "0.561"),
    "d3": ("14.888", "3.756", "3.997", "1.928"),
    "d4": ("30.503", "10.745", "8.560", "4.776"),
    "d5": ("75.039", "27.275", "19.710", "12.109"),
    "d6": ("107.284", "54.063", "36.455", "26.320"),
    "d7": ("154.486", "77.850", "52.495", "37.900"),
    "d7x": ("238.646", "78.520", "52.533", "37.928"),
}
GROUPS = {"neck": "neck", "class head": "class head", "box head": "box head"}
BACKBONES = ["b0", "b1", "b2", "b3", "b4", "b5", "b6", "b6", "b7"]


def by_part(spec: Spec, figure: str) -> dict[str, int]:
    """A figure of the backbone, the neck and either head."""
    found: Counter[str] = Counter()
    for each in part_costs(network(spec)):
        group = GROUPS.get(each.part.name, "backbone")
        found[group] += int(getattr(each.cost, figure))
    return dict(found)


@pytest.mark.parametrize("name", PARTS)
def test_a_published_detector_costs_what_its_parts_do(name: str) -> None:
    spec = es.load(name)
    *params, macs = PARTS[name]
    assert list(by_part(spec, "params").values()) == params
    found = es.count(spec)
    assert (found.params, found.macs) == (sum(params), macs)
    gigas = tuple(f"{each / 1e9:.3f}" for each in by_part(spec, "macs").values())
    assert gigas == MACS[name]


@pytest.mark.parametrize("name", PARTS)
def test_parts_are_named_and_hand_their_maps_on(name: str) -> None:
    net = network(es.load(name))
    assert [part.name for part in net.parts] == [
        "stem",
        *(f"stage {k}" for k in range(1, 8)),
        *GROUPS,
    ]
    assert [part.path for part in net.parts[-3:]] == ["neck", "class_head", "box_head"]
    assert [part.reads for part in net.parts[-3:]] == [(3, 5, 7), (8,), (8,)]
    *_, neck, classes, boxes = part_costs(net)
    side = int(net.image.height) // 8
    assert neck.output.height == classes.output.height == boxes.output.height == side
    assert (classes.output.channels, boxes.output.channels) == (9 * 90, 9 * 4)


@pytest.mark.parametrize(("name", "backbone"), [*zip(PARTS, BACKBONES, strict=True)])
def test_a_detector_s_backbone_is_its_classifier_without_the_head(
    name: str, backbone: str
) -> None:
    *parts, head = part_costs(network(es.load(backbone)))
    params = EFFICIENTNETS[backbone][0] - int(head.cost.params)
    assert by_part(es.load(name), "params")["backbone"] == params
    assert sum(int(each.cost.params) for each in parts) == params


@pytest.mark.torch
@pytest.mark.parametrize("name", PARTS)
def test_all_of_them_measure_what_we_count_on_meta(name: str) -> None:
    spec = es.load(name)
    measured = measure_spec(spec, "torch")
    assert difference(spec, measured) is None
    assert measured.macs == PARTS[name][-1]


# Exact params of efficientdet-pytorch's tf_efficientdet_lite0 … lite4, lite3x.
LITE = {
    "efficientdet-lite0": 3243470,
    "efficientdet-lite1": 4248318,
    "efficientdet-lite2": 5252334,
    "efficientdet-lite3": 8350862,
    "efficientdet-lite3x": 9280862,
    "efficientdet-lite4": 15130894,
}


@pytest.mark.torch
@pytest.mark.parametrize("name", LITE)
def test_the_lite_ones_have_the_published_params(name: str) -> None:
    spec = es.load(name)
    measured = measure_spec(spec, "torch")
    assert difference(spec, measured) is None
    assert measured.params == LITE[name]


def numbers(spec: Spec) -> tuple[int, ...]:
    """Side, channels and layers of the neck, layers of the heads."""
    assert spec.neck is not None
    assert spec.heads is not None
    found = spec.neck.channels, spec.neck.repeats, spec.heads.repeats
    return (int(spec.resolution[0]), *(int(each) for each in found))


# Tan, Pang & Le 2020, table 1: what is printed; and equations 1 to 3, rounded by ours.
TABLE_1 = {
    "d0": ((512, 64, 3, 3), (512, 64, 3, 3)),
    "d1": ((640, 88, 4, 3), (640, 88, 4, 3)),
    "d2": ((768, 112, 5, 3), (768, 120, 5, 3)),
    "d3": ((896, 160, 6, 4), (896, 160, 6, 4)),
    "d4": ((1024, 224, 7, 4), (1024, 216, 7, 4)),
    "d5": ((1280, 288, 7, 4), (1152, 288, 8, 4)),
    "d6": ((1280, 384, 8, 5), (1280, 384, 9, 5)),
    "d7": ((1536, 384, 8, 5), (1408, 520, 10, 5)),
}


@pytest.mark.parametrize("name", TABLE_1)
def test_the_law_and_the_published_differ_where_table_1_says(name: str) -> None:
    published, by_law = TABLE_1[name]
    phi = int(name[1])
    assert numbers(es.load(name)) == published
    d0 = es.load("d0")
    assert numbers(es.scale(d0, at_phi(d0, phi))) == by_law


def test_phi_0_is_the_detector_itself() -> None:
    d0 = es.load("d0")
    assert es.scale(d0, at_phi(d0, 0)) is d0


@examples(20)
@given(spec=detectors(), strategy=st.sampled_from(Detector.strategies))
def test_phi_0_is_any_detector_itself(spec: Spec, strategy: str) -> None:
    assert es.scale(spec, at_phi(spec, 0, strategy)) is spec


def test_d1_by_the_law_is_the_published_d1() -> None:
    d0 = es.load("d0")
    assert es.count(es.scale(d0, at_phi(d0, 1))) == es.count(es.load("d1"))


def test_d7x_has_a_level_more_than_d7() -> None:
    def levels(name: str) -> int:
        *_, neck, _, _ = network(es.load(name)).parts
        graph = dict(neck.layer.layers)["0"]
        return len(getattr(graph, "outputs", ()))

    assert (levels("d7"), levels("d7x")) == (5, 6)
