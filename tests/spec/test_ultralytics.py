"""Model files of ultralytics, read as specs; what no spec can say, at its layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import effscale as es
from effscale.checking.run import check, read
from effscale.errors import SpecError
from effscale.module.measure import measure_spec
from effscale.spec.dumping import dumps
from effscale.spec.loading import loads
from effscale.spec.ultralytics import MODULES

if TYPE_CHECKING:
    from pathlib import Path

#: Every module that can be said, at sides and widths that are small.
EVERY = """\
nc: 3
activation: nn.ReLU()
scales: # depth, width, most channels
  n: [0.5, 0.25, 64]
  s: [1.0, 0.5, 48]

backbone:
  - [-1, 1, Conv, [32, 6, 2, 2]] # 0
  - [-1, 1, Conv, [64, 3, 2]]
  - [-1, 3, C2f, [64, True]]
  - [-1, 2, C3, [64]]
  - [-1, 2, Bottleneck, [64]]
  - [-1, 2, Conv, [64, 3, 1]] # 5
  - [-1, 1, SCDown, [96, 3, 2]]
  - [-1, 1, ELAN1, [64, 32, 16]]
  - [-1, 1, RepNCSPELAN4, [64, 32, 16, 2]]
  - [-1, 1, AConv, [64]]
  - [-1, 1, SPPELAN, [64, 16]] # 10
  - [-1, 1, SPPF, [64, 5]]

head:
  - [-1, 1, nn.Upsample, [None, 2, "nearest"]]
  - [[-1, 8], 1, Concat, [1]]
  - [-1, 3, C2f, [64]]
  - [-1, 1, nn.ConvTranspose2d, [64, 2, 2, 0]] # 15
  - [[-1, 5], 1, Concat, [1]]
  - [-1, 2, C3, [32, False]]
  - [-1, 1, ADown, [64]]
  - [-2, 1, Bottleneck, [32, False]]
  - [[19, 18, 11], 1, Detect, [nc]] # 20
"""


#: More of them, and layers that are several lines.
MORE = """\
backbone:
  - [-1, 1, nn.Identity, []] # 0
  - [-1, 1, Conv, [16, 3, 2]]
  - [-1, 1, GhostConv, [32, 3, 2]]
  - [-1, 2, C3Ghost, [32]]
  - [-1, 1, nn.MaxPool2d, [2, 2, 0]]
  - [-1, 2, C2, [32, False]] # 5
  - [1, 1, CBLinear, [[16]]]
  - [5, 1, CBLinear, [[16, 32]]]
  - [0, 1, Conv, [16, 3, 2]]
  - [[6, 7, -1], 1, CBFuse, [[0, 0]]]
  - [-1, 1, Conv, [32, 3, 2]] # 10
  - [[7, -1], 1, CBFuse, [[1]]]
  - [-1, 1, Conv, [32, 3, 2]]
  - [-1, 1, SPP, [64, [5, 9, 13]]]

head:
  - [[11, 13], 1, Detect, [nc]]
"""


def every(scale: str | None = None) -> es.Spec:
    spec = loads(EVERY, "nets/mine.yaml", scale=scale)
    return spec.model_copy(update={"resolution": (96, 96)})


def test_every_module_is_tried() -> None:
    wide = {"C3k2", "C2PSA", "C2fCIB", "PSA", "A2C2f"}  # of YOLO11, 12 and v10, below
    wide |= {"ResNetLayer"}
    assert all(name in wide or f", {name}, [" in EVERY + MORE for name in MODULES)


@pytest.mark.torch
@pytest.mark.parametrize("scale", ["n", "s"])
def test_what_is_read_measures_what_we_count(scale: str) -> None:
    spec, counted = every(scale), es.count(every(scale))
    measured = measure_spec(spec, "torch")
    assert (measured.macs, measured.params) == (counted.macs, counted.params)


def test_the_first_scale_is_read_where_none_is_asked_for() -> None:
    assert every() == every("n")
    assert [every("n").name, every("s").name] == ["minen", "mines"]


def test_depth_width_and_the_most_channels_are_those_of_the_scale() -> None:
    widths = {
        scale: [getattr(line, "channels", None) for line in every(scale).stages[:6]]
        for scale in ("n", "s")
    }
    assert widths == {"n": [16] * 6, "s": [24] * 6}


@pytest.mark.torch
def test_layers_of_several_lines_measure_what_we_count() -> None:
    spec = loads(MORE, "more.yaml").model_copy(update={"resolution": (96, 64)})
    measured, counted = measure_spec(spec, "torch"), es.count(spec)
    assert (measured.macs, measured.params) == (counted.macs, counted.params)


def test_layers_of_several_lines_have_the_numbers_of_the_file() -> None:
    spec = loads(MORE, "more.yaml")
    named = {line.name: line.reads for line in spec.stages}
    assert named["layer7b"] == ("layer5",)
    assert named["layer9"] == ("layer9a", "layer9b", "layer8")
    assert named["layer8"] == ("image",)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[[0, 0]]", "[[0, 1]]", "11:34: backbone[9][3][0][1]: expected a part of 16"),
        ("[[0, 0]]", "[[0]]", "11:30: backbone[9][3][0]: expected 2 numbers, got "),
        ("[[16, 32]]", "[[x]]", "9:23: backbone[7][3][0]: expected a list of channels"),
        ("[11, 13]", "[11, 7]", "18:6: head[0][0]: expected a layer of one map"),
    ],
)
def test_parts_that_do_not_meet_are_named_at_their_layer(
    old: str, new: str, message: str
) -> None:
    with pytest.raises(SpecError) as caught:
        loads(MORE.replace(old, new), "more.yaml")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("head", "told"),
    [
        ("Segment, [nc, 8, 16]", {"masks": 8, "channels": 8}),
        ("Pose, [nc, kpt_shape]", {"keypoints": (5, 2)}),
        ("OBB, [nc, 1]", {"angle": True}),
        ("Detect, [2]", {"classes": 2, "bins": 4, "one_to_one": True}),
    ],
)
def test_heads_tell_of_boxes_what_the_file_says(
    head: str, told: dict[str, object]
) -> None:
    text = EVERY.replace("Detect, [nc]", head)
    text += "kpt_shape: [5, 2]\nreg_max: 4\nend2end: true\n"
    spec = loads(text, "mine.yaml")
    assert {key: getattr(spec.outputs["boxes"], key) for key in told} == told
    assert loads(dumps(spec)) == spec


@pytest.mark.parametrize("text", [EVERY, MORE])
def test_it_can_be_written_as_a_spec(text: str) -> None:
    spec = loads(text, "mine.yaml")
    assert loads(dumps(spec)) == spec


SIX_LEVELS = """\
backbone:
  - [-1, 1, Conv, [8, 6, 2, 2]] # 0, halves as pixels do
  - [-1, 1, Conv, [8, 3, 2]]
  - [-1, 1, AConv, [8]]
  - [-1, 1, Conv, [8, 3, 2]]
  - [-1, 1, ADown, [8]]
  - [-1, 1, nn.MaxPool2d, [2, 2]] # 5, a 64th
head:
  - [-1, 1, nn.Upsample, [None, 2, nearest]]
  - [[-1, 4], 1, Concat, [1]]
  - [-1, 1, nn.ConvTranspose2d, [8, 2, 2, 0]]
  - [[-1, 3], 1, Concat, [1]]
  - [[9, 7, 5], 1, Detect, [nc]]
"""


def test_sides_are_multiples_of_the_largest_step_of_its_maps() -> None:
    spec = loads(SIX_LEVELS, "six.yaml")
    scaled = es.scale(spec, es.Multipliers(resolution=1.15))
    assert scaled.resolution == (768, 768)  # 736 is no multiple of 64


def test_it_scales_as_any_baseline() -> None:
    wide = es.scale(every("n"), es.Multipliers(width=2))
    assert es.count(wide).params > es.count(every("n")).params


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "C2f, [64, True]",
            "C2g, [64, True]",
            "10:13: backbone[2][2]: expected a module of YOLOv3 to YOLO12 (Conv, …)",
        ),
        (
            "[-1, 3, C2f",
            "[-1, 0, C2f",
            "10:10: backbone[2][1]: expected a whole number",
        ),
        ("[[-1, 8], 1", "[[-1, 30], 1", "23:11: head[1][0][1]: expected a layer below"),
        (
            "[[-1, 8], 1",
            "[[-1, 4], 1",
            "23:5: head[1]: expected 80×80 px (of stage 12), got 160×160 px",
        ),
        ("SPPF, [64, 5]", "SPPF, [64, 7]", "19:24: backbone[11][3][1]: expected 5"),
        ("SCDown, [96, 3, 2]", "SCDown, [x, 3, 2]", "14:22: backbone[6][3][0]: "),
        ("1, Detect, [nc]", "1, Detect9, [nc]", "30:23: head[8][2]: expected a mod"),
        ("1, Detect, [nc]", "1, Detect, [ns]", "30:32: head[8][3][0]: expected a whol"),
        (
            "1, Detect, [nc]",
            "1, Detect, [nc, 3]",
            "30:36: head[8][3][1]: expected 1 arguments of Detect at most",
        ),
        ("1, Detect, [nc]", "1, OBB, [nc, 2]", "30:33: head[8][3][1]: expected 1, got"),
        ("1, Detect, [nc]", "1, Pose, [nc, 3]", "30:34: head[8][3][1]: expected [poin"),
        (
            "nc: 3",
            "nc: 3\nreg_max: x",
            "2:10: reg_max: expected a whole number, got 'x'",
        ),
        ("nc: 3", "nc: 3\nend2end: 1", "2:10: end2end: expected true or false, got 1"),
        (
            "[nc]] # 20",
            "[nc]]\n  - [-1, 1, AConv, [8]]",
            "31:13: head[9][2]: expected the",
        ),
        ("nn.ReLU()", "nn.Foo()", "2:13: activation: expected one of SiLU"),
        ("[-1, 1, AConv, [64]]", "AConv", "17:5: backbone[9]: expected [from, repeats"),
    ],
)
def test_what_cannot_be_said_is_named_at_its_layer(
    old: str, new: str, message: str
) -> None:
    with pytest.raises(SpecError) as caught:
        loads(EVERY.replace(old, new), "mine.yaml")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("stated", "found"),
    [("nn.LeakyReLU(0.1)", "leaky_relu(0.1)"), ("nn.LeakyReLU()", "leaky_relu")],
)
def test_a_leaky_relu_has_its_slope(stated: str, found: str) -> None:
    spec = loads(EVERY.replace("nn.ReLU()", stated), "mine.yaml")
    assert spec.activation == found


LAYERS = """\
nc: 1000
backbone:
  - [-1, 1, ResNetLayer, [3, 64, 1, True, 1]]
  - [-1, 1, ResNetLayer, [64, 64, 1, False, 3]]
  - [-1, 1, ResNetLayer, [256, 128, 2, False, 4]]
  - [-1, 1, ResNetLayer, [512, 256, 2, False, 6]]
  - [-1, 1, ResNetLayer, [1024, 512, 2, False, 3]]
head:
  - [-1, 1, Classify, [nc]]
"""


def test_layers_of_resnet_are_those_of_yolov8_cls_resnet50() -> None:
    cost = es.count(loads(LAYERS, "resnet.yaml"))
    assert (cost.params, cost.macs) == (27413032, 4216866816)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[256, 128", "[128, 128", "backbone[2][3][0]: expected 256, which com"),
        ("2, False, 4", "2, True, 4", "backbone[2][3][3]: expected false behind"),
        ("False, 4]", "False, 1]", "backbone[2][3][4]: expected one layer of 2"),
        ("Classify, [nc]", "Classify, [nc, 3]", "head[0][3][1]: expected 1 arg"),
        ("[-1, 1, Classify", "[3, 1, Classify", "head[0][0]: expected the layer"),
    ],
)
def test_layers_that_do_not_follow_are_named(old: str, new: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        loads(LAYERS.replace(old, new), "resnet.yaml")
    assert message in str(caught.value)


def test_a_scale_that_there_is_not_is_named() -> None:
    with pytest.raises(SpecError) as caught:
        every("q")
    assert str(caught.value) == (
        "nets/mine.yaml:4:3: scales: expected one of n, s, got 'q'"
    )


def test_a_file_is_read_at_its_scale_and_checked(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text(EVERY, encoding="utf-8")
    assert es.load(f"{path}@s").name == "mys"
    assert check(read(str(path))) == []


# yolo.yaml of the project's shared figures, counted by torch of what ultralytics builds
EXACT = {
    "yolov5n": (2654816, 3861913600),
    "yolov5s": (9153152, 11997184000),
    "yolov5l": (53225024, 67493888000),
    "yolov5x": (97276448, 123195904000),
    "yolov8n": (3157200, 4371456000),
    "yolov8s": (11166560, 14300774400),
    "yolov8m": (25902640, 39467827200),
    "yolov8l": (43691520, 82573721600),
    "yolov8x": (68229648, 128901632000),
    "yolov9t": (2128720, 4154982400),
    "yolov10n": (2775520, 4282688000 + 30720000),  # products of attention
    "yolo11n": (2624080, 3239993600 + 30720000),
    "yolo11s": (9458752, 10794342400),
    "yolo11m": (20114688, 33990246400 + 61440000),
    "yolo11l": (25372160, 43454566400 + 122880000),
    "yolo11x": (56966176, 97635686400),
    "yolo12n": (2602288, 3243424000 + 491520000),
    "yolo12s": (9284096, 11670374400),
    "yolo12m": (20199168, 35361075200),
    "yolo12l": (26450784, 47715020800),
    "yolo12x": (59210784, 104424499200),
    "yolov9e": (58206592, 95831654400),
    "yolov10s": (8128272, 12453990400),
    "yolov10m": (16576768, 32026099200),
    "yolov10b": (20574384, 49362841600),
    "yolov10l": (25888688, 63555481600),
    "yolov10x": (31808960, 85384576000),
    "yolo11s-cls": (6724008, 735687296),
    "yolo11x-cls": (29637064, 6761285504),
    "yolov3": (103754144, 141274316800),
    "yolov8n-cls": (2719288, 202586112),
    "yolov8s-cls": (6361736, 763553792),
}


@pytest.mark.parametrize("name", EXACT)
def test_built_in_yolos_are_those_that_ultralytics_builds(name: str) -> None:
    cost = es.count(es.load(name))
    assert (cost.params, cost.macs) == EXACT[name]


# counted so of what ultralytics builds of its files of -seg, -pose and -obb
BESIDE = {
    ("yolov8n", "seg"): (3409968, 6000844800),
    ("yolov8x", "seg"): (71827888, 164177920000),
    ("yolo11n", "seg"): (2876848, 4900102400),
    ("yolov8n", "pose"): (3295470, 4588327200),
    ("yolo11x", "pose"): (58889881, 101824012800),
    ("yolov8m", "obb"): (26463235, 40538208000),
    ("yolo11n", "obb"): (2695747, 3393420800),
}


@pytest.mark.parametrize(("name", "kind"), BESIDE)
def test_what_is_told_beside_boxes_costs_what_it_does_there(
    name: str, kind: str
) -> None:
    spec = es.load(name)
    more: dict[str, dict[str, object]] = {
        "seg": {"masks": 32, "channels": 320 if name.endswith("x") else 64},
        "pose": {"classes": 1 if "v8" in name else 80, "keypoints": (17, 3)},
        "obb": {"angle": True},
    }
    told = spec.outputs["boxes"].model_copy(update=more[kind])
    cost = es.count(spec.model_copy(update={"outputs": {"boxes": told}}))
    assert (cost.params, cost.macs) == BESIDE[name, kind]


@pytest.mark.torch
@pytest.mark.parametrize("name", ["yolo11n", "yolov10n", "yolo12l"])
def test_those_with_attention_measure_what_we_count(name: str) -> None:
    spec = es.load(name).model_copy(update={"resolution": (96, 64)})
    measured, counted = measure_spec(spec, "torch"), es.count(spec)
    assert (measured.macs, measured.params) == (counted.macs, counted.params)
    assert measured.activations == counted.activations


@pytest.mark.parametrize(
    ("family", "smallest"),
    [
        ("yolov8", "yolov8n"),
        ("yolov9", "yolov9t"),
        ("yolo11-cls", "yolo11n-cls"),
        ("yolox", "yolox-nano"),
    ],
)
def test_a_family_names_its_smallest(family: str, smallest: str) -> None:
    assert es.load(family) == es.load(smallest)


def test_heads_of_attention_follow_any_width() -> None:
    for phi in (1, 2, 3):
        grown = es.scale(es.load("yolo11n"), es.compound(phi))
        assert es.count(grown).products > es.count(es.load("yolo11n")).products


@pytest.mark.parametrize(
    "smallest", ["yolov5n", "yolov8n", "yolov9t", "yolov10n", "yolo11n", "yolo12n"]
)
def test_published_detectors_say_their_average_precision(smallest: str) -> None:
    spec = es.load(smallest)
    every = [spec.published, *(each.published for each in spec.variants.values())]
    found = [printed.ap or 0 for printed in every if printed]
    assert len(found) == len(every)
    assert found == sorted(set(found))  # the larger, the better
