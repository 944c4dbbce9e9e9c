"""Tests of `effscale.module.decode`, by the reference's decoder written once more."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import effscale as es
from effscale.errors import LayerError
from effscale.growth.scale import at_resolution, with_classes
from effscale.module.boxes import apart
from effscale.module.export import Decoding
from effscale.spec.neck import Anchors
from tests.examples import examples
from tests.libraries import library
from tests.strategies import detectors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from effscale.spec.models import Spec

pytestmark = pytest.mark.torch


def reference(
    spec: Spec, found: es.Detections, image: int
) -> Iterator[tuple[list[float], list[float], int]]:
    """Box, scores and level of each anchor, number by number, in Python's floats.

    As automl/efficientdet/tf2/anchors.py has it: `_generate_boxes` of scales and
    aspect ratios, channels last, and `decode_box_outputs`. It shares no code with ours.
    """
    assert spec.neck is not None
    assert spec.heads is not None
    given_, (low, high) = spec.heads.anchors, spec.neck.levels
    count, classes = given_.each, spec.heads.classes
    image_height, image_width = (int(side) for side in spec.resolution)
    for level in range(low, high + 1):
        logits = found.classes[level - low][image].permute(1, 2, 0).tolist()
        codes = found.boxes[level - low][image].permute(1, 2, 0).tolist()
        # utils.get_feat_sizes: (size - 1) // 2 + 1, level by level
        rows, columns = image_height, image_width
        for _ in range(level):
            rows, columns = (rows - 1) // 2 + 1, (columns - 1) // 2 + 1
        stride_y, stride_x = image_height / rows, image_width / columns
        for row in range(rows):
            for column in range(columns):
                for k, (octave, aspect) in enumerate(anchors(given_)):
                    aspect_x, aspect_y = aspect
                    height = given_.scale * octave * stride_y * aspect_y
                    width = given_.scale * octave * stride_x * aspect_x
                    ty, tx, th, tw = codes[row][column][4 * k : 4 * k + 4]
                    y = ty * height + (row + 0.5) * stride_y
                    x = tx * width + (column + 0.5) * stride_x
                    h, w = math.exp(th) * height, math.exp(tw) * width
                    box = [y - h / 2, x - w / 2, y + h / 2, x + w / 2]
                    own = logits[row][column][classes * k : classes * (k + 1)]
                    yield box, [1 / (1 + math.exp(-each)) for each in own], level
        assert len(codes[0][0]) == 4 * count


def anchors(given_: Anchors) -> list[tuple[float, tuple[float, float]]]:
    """Octaves and aspects (x, y) of the anchors at a position, in order."""
    scales = given_.scales
    octaves = (
        [2 ** (k / scales) for k in range(scales)]
        if isinstance(scales, int)
        else scales
    )
    aspects = []
    for ratio in given_.ratios:
        if isinstance(ratio, tuple):
            aspects.append(ratio)
        else:
            aspects.append((math.sqrt(ratio), 1 / math.sqrt(ratio)))
    return [(octave, aspect) for octave in octaves for aspect in aspects]


def random_outputs(spec: Spec, images: int = 2) -> es.Detections:
    """Numbers as a trained network might put out, of its shapes."""
    assert spec.neck is not None
    assert spec.heads is not None
    count, (low, high) = spec.heads.anchors.each, spec.neck.levels
    sizes = [
        [math.ceil(int(side) / 2**level) for side in spec.resolution]
        for level in range(low, high + 1)
    ]
    return es.Detections(
        tuple(torch.randn(images, count * spec.heads.classes, *size) for size in sizes),
        tuple(torch.randn(images, count * 4, *size) for size in sizes),
    )


def check(spec: Spec, found: es.Detections) -> None:
    decoded = es.decode(spec, found)
    for image in range(len(decoded.boxes)):
        boxes, scores, levels = zip(*reference(spec, found, image), strict=True)
        # 1e-4 px, and what float32 holds of a box of thousands of pixels
        torch.testing.assert_close(
            decoded.boxes[image], torch.tensor(boxes), atol=1e-4, rtol=1e-6
        )
        torch.testing.assert_close(decoded.scores[image], torch.tensor(scores))
        assert decoded.levels.tolist() == [*levels]


@examples(15)
@given(
    spec=detectors(),
    scales=st.integers(1, 3) | st.lists(st.floats(0.5, 2), min_size=1, max_size=3),
    ratios=st.lists(
        st.floats(0.25, 4) | st.tuples(*[st.floats(0.5, 2)] * 2), min_size=1, max_size=3
    ),
)
def test_boxes_are_those_of_the_reference(
    spec: Spec, scales: int | list[float], ratios: list[float | tuple[float, float]]
) -> None:
    assert spec.heads is not None
    own = {"scales": scales, "ratios": ratios, "scale": 3.0}
    heads = spec.heads.model_copy(update={"anchors": Anchors.model_validate(own)})
    spec = spec.model_copy(update={"heads": heads})
    torch.manual_seed(0)
    check(spec, random_outputs(spec))


@pytest.mark.parametrize("name", ["d0", "retinanet-r50"])
def test_boxes_of_built_in_detectors_are_those_of_the_reference(name: str) -> None:
    torch.manual_seed(0)
    spec = with_classes(at_resolution(es.load(name), (128, 256)), 3)
    check(spec, random_outputs(spec, 1))


@pytest.fixture
def tiny() -> Spec:
    """One anchor at each of four positions, and at one above."""
    return es.loads(TINY)


TINY = """
name: tiny
resolution: 4
stem: {kernel: 3, stride: 2, channels: 4}
stages: [{block: conv, kernel: 3, channels: 4}]
neck: {levels: [1, 2], channels: 4, wiring: fpn}
heads: {classes: 2, anchors: {scales: 1, ratios: [1.0], scale: 1.0}}
"""


def one(spec: Spec, **codes: float) -> list[float]:
    """The box of the first anchor, 0 0 2 2, if it is told so."""
    found = random_outputs(spec, 1)
    for each in (*found.classes, *found.boxes):
        each.zero_()
    for index, name in enumerate(("ty", "tx", "th", "tw")):
        found.boxes[0][0, index, 0, 0] = codes.get(name, 0.0)
    box: list[float] = es.decode(spec, found).boxes[0, 0].tolist()
    return box


def test_codes_are_y_x_height_width_over_the_anchor_s_sides(tiny: Spec) -> None:
    assert one(tiny) == [0, 0, 2, 2]
    assert one(tiny, ty=0.5) == [1, 0, 3, 2]
    assert one(tiny, tx=0.5) == [0, 1, 2, 3]
    assert one(tiny, th=math.log(2)) == pytest.approx([-1, 0, 3, 2])
    assert one(tiny, tw=math.log(0.5)) == pytest.approx([0, 0.5, 2, 1.5])


def test_the_best_are_pairs_of_an_anchor_and_a_class(tiny: Spec) -> None:
    found = random_outputs(tiny, 2)
    decoded = es.decode(tiny, found)
    assert decoded.scores.shape == (2, 5, 2)
    assert decoded.levels.tolist() == [1, 1, 1, 1, 2]
    best = decoded.best(4)
    for image in range(2):
        pairs = [(s.item(), k) for k, s in enumerate(decoded.scores[image].flatten())]
        for rank, (score, k) in enumerate(sorted(pairs, reverse=True)[:4]):
            assert best.scores[image, rank].item() == score
            assert best.classes[image, rank].item() == k % 2
            assert torch.equal(best.boxes[image, rank], decoded.boxes[image, k // 2])
            assert best.levels[image, rank].item() == decoded.levels[k // 2].item()
    assert decoded.best(100).scores.shape == (2, 10)


def suppressed(
    boxes: torch.Tensor, scores: torch.Tensor, classes: torch.Tensor, overlap: float
) -> list[int]:
    """Greedy, box by box in Python's floats: which are kept, best first."""

    def area(y1: float, x1: float, y2: float, x2: float) -> float:
        return max(y2 - y1, 0) * max(x2 - x1, 0)

    kept: list[int] = []
    for k in sorted(range(len(scores)), key=lambda k: -scores[k].item()):
        for j in kept:
            a, b = boxes[k].tolist(), boxes[j].tolist()
            both = area(*map(max, a[:2], b[:2]), *map(min, a[2:], b[2:]))
            if classes[k] == classes[j] and both > overlap * (
                area(*a) + area(*b) - both
            ):
                break
        else:
            kept.append(k)
    return kept


def drawn_boxes(count: int, images: int = 2) -> tuple[torch.Tensor, ...]:
    """Boxes that overlap much, in three classes; of scores none is another's."""
    corners, sides = torch.rand(images, count, 2) * 40, torch.rand(images, count, 2)
    scores = torch.stack([torch.randperm(count) for _ in range(images)]) + 1.0
    boxes = torch.cat([corners, corners + 5 + sides * 30], -1)
    return boxes, scores / (count + 1), torch.randint(3, (images, count))


@pytest.mark.parametrize("overlap", [0.0, 0.3, 0.5, 0.9, 1.0])
def test_of_overlapping_boxes_the_best_is_kept(overlap: float) -> None:
    torch.manual_seed(0)
    boxes, scores, classes = drawn_boxes(60)
    found = apart(boxes, scores, classes, overlap, 60)
    for image in range(2):
        kept = suppressed(boxes[image], scores[image], classes[image], overlap)
        assert found.rows[image, : len(kept)].tolist() == kept
        assert torch.equal(found.scores[image, : len(kept)], scores[image, kept])
        assert torch.equal(found.boxes[image, : len(kept)], boxes[image, kept])
        assert not found.scores[image, len(kept) :].any()
        assert not found.boxes[image, len(kept) :].any()


def test_boxes_kept_are_those_of_torchvision() -> None:
    ops = library("torchvision.ops")
    torch.manual_seed(1)
    boxes, scores, classes = drawn_boxes(500, 1)
    try:
        kept = ops.batched_nms(boxes[0], scores[0], classes[0], 0.3)
    except (RuntimeError, NotImplementedError):
        pytest.skip("torchvision's operators are of another torch")
    found = apart(boxes, scores, classes, 0.3, len(kept))
    assert found.rows[0].tolist() == kept.tolist()


@pytest.mark.parametrize("overlap", [0.3, 0.7])
def test_boxes_kept_are_those_of_onnxruntime(overlap: float) -> None:
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    kind, floats = onnx.helper.make_tensor_value_info, onnx.TensorProto.FLOAT
    node = onnx.helper.make_node(
        "NonMaxSuppression", ["boxes", "scores", "most", "overlap"], ["kept"]
    )
    limits = [
        onnx.numpy_helper.from_array(np.array([500], np.int64), "most"),
        onnx.numpy_helper.from_array(np.array([overlap], np.float32), "overlap"),
    ]
    given = [kind("boxes", floats, [2, 500, 4]), kind("scores", floats, [2, 3, 500])]
    made = [kind("kept", onnx.TensorProto.INT64, [None, 3])]
    graph = onnx.helper.make_graph([node], "nms", given, made, limits)
    opset = onnx.helper.make_opsetid("", 18)
    model = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=9)
    session = runtime.InferenceSession(model.SerializeToString())
    torch.manual_seed(2)
    boxes, scores, classes = drawn_boxes(500)
    by_class = torch.where(
        classes[:, None] == torch.arange(3)[:, None], scores[:, None], -9.0
    )
    (triples,) = session.run(None, {"boxes": boxes.numpy(), "scores": by_class.numpy()})
    found = apart(boxes, scores, classes, overlap, 500)
    for image in range(2):
        theirs = {
            int(row)
            for which, its, row in triples
            if which == image and classes[image, row] == its
        }
        ours = found.rows[image][found.scores[image] > 0].tolist()
        assert set(ours) == theirs
        assert len(ours) == len(theirs) < 500


def test_equal_scores_and_boxes_without_an_area_are_taken_in_turn() -> None:
    boxes, scores = torch.zeros(1, 3, 4), torch.ones(1, 3)
    found = apart(boxes, scores, torch.zeros(1, 3, dtype=torch.long), 0.5, 9)
    assert found.rows.tolist() == [[0, 1, 2]]


def test_the_best_that_do_not_overlap(tiny: Spec) -> None:
    decoded = es.decode(tiny, random_outputs(tiny, 2))
    every, found = decoded.best(10), decoded.best(4, overlap=0.2)
    assert found.scores.shape == (2, 4)
    for image in range(2):
        boxes, scores, classes = (each[image] for each in every[:3])
        kept = suppressed(boxes, scores, classes, 0.2)[:4]
        for ours, theirs in zip(found[:4], every[:4], strict=True):
            assert torch.equal(ours[image, : len(kept)], theirs[image, kept])


def test_half_precision_is_decoded_in_single(tiny: Spec) -> None:
    found = random_outputs(tiny)
    halves = es.Detections(*(tuple(x.half() for x in maps) for maps in found))
    decoded = es.decode(tiny, halves)
    assert {each.dtype for each in decoded[:2]} == {torch.float32}
    whole = es.Detections(*(tuple(x.float() for x in maps) for maps in halves))
    assert torch.equal(decoded.boxes, es.decode(tiny, whole).boxes)


def test_a_decoding_network_gives_what_decode_gives(tiny: Spec) -> None:
    torch.manual_seed(0)
    net, x = es.build(tiny).eval(), torch.randn(2, 3, 4, 4)
    with torch.no_grad():
        expected, found = es.decode(tiny, net(x)), Decoding(tiny, net)(x)
    assert torch.equal(found["boxes"], expected.boxes)
    assert torch.equal(found["scores"], expected.scores)


def test_maps_of_another_image_are_refused(tiny: Spec) -> None:
    found = random_outputs(at_resolution(tiny, (8, 4)), 1)
    with pytest.raises(LayerError) as caught:
        es.decode(tiny, found)
    assert str(caught.value) == (
        "decode: expected maps of 2×2×2 and 4×2×2, 2×1×1 and 4×1×1 for tiny, got "
        "2×4×2 and 4×4×2, 2×2×1 and 4×2×1"
    )


def test_a_classifier_has_nothing_to_decode(b0: Spec, tiny: Spec) -> None:
    with pytest.raises(LayerError) as caught:
        es.decode(b0, random_outputs(tiny))
    assert str(caught.value) == "decode: expected a detector, got b0"


def test_what_the_module_does_not_put_out_is_refused(tiny: Spec) -> None:
    found = random_outputs(tiny)
    for made, said in (
        (tuple(found.boxes), "tuple of 2"),
        (found.boxes[0], "Tensor"),
        ({"classes": found.classes}, "dict of classes"),
        (found._replace(boxes=found.boxes[:1]), "Detections of 2"),
    ):
        with pytest.raises(LayerError) as caught:
            es.decode(tiny, made)
        assert str(caught.value) == (
            "decode: expected classes and boxes of each of 2 levels, as the module of "
            f"tiny puts out, got {said}"
        )
