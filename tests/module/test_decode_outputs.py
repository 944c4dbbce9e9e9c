"""Tests of `effscale.module.decode` on outputs by kind, box by box in floats."""

from __future__ import annotations

from itertools import product
from math import cos, exp, pi, sin, sqrt
from typing import TYPE_CHECKING, Any

import pytest
import torch

import effscale as es
from effscale.errors import LayerError
from effscale.module.export import Decode, Decoding, Detecting
from effscale.spec.loading import loads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.torch

SMALL = """
name: small
resolution: [32, 48]
stem: {kernel: 3, stride: 2, channels: 4}
stages:
- {name: p2, block: conv, kernel: 3, stride: 2, channels: 4}
- {name: p3, block: conv, kernel: 3, stride: 2, channels: 4}
outputs:
"""
#: Width and height of two anchors at each of two levels.
SIZES = [[(3.0, 5.0), (7.0, 4.0)], [(12.0, 9.0), (20.0, 6.0)]]


def of(output: str) -> es.Spec:
    """The small network with this output."""
    return loads(SMALL + output)


def made_by(spec: es.Spec) -> Any:  # noqa: ANN401 - by kind of output
    """What the built network puts out for an image."""
    torch.manual_seed(0)
    with torch.no_grad():
        return es.build(spec).eval()(torch.randn(1, 3, 32, 48))


def sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x))


def softmax(row: list[float]) -> list[float]:
    return [exp(x) / sum(map(exp, row)) for x in row]


def positions(maps: list[torch.Tensor], each: int) -> Iterator[tuple[Any, ...]]:
    """Level, row, column, anchor, and the numbers of each map there, in order."""
    for level, x in enumerate(maps):
        for row, column, k in product(
            range(x.shape[2]), range(x.shape[3]), range(each)
        ):
            numbers = x[0, :, row, column].unflatten(0, (each, -1))[k].tolist()
            yield level, row, column, k, numbers


def around(y: float, x: float, high: float, wide: float) -> list[float]:
    """The box of this centre and these sides."""
    return [y - high / 2, x - wide / 2, y + high / 2, x + wide / 2]


def gives(found: es.Decoded, boxes: list[Any], scores: list[Any]) -> None:
    """Boxes and scores are those of the lists."""
    torch.testing.assert_close(
        found.boxes[0], torch.tensor(boxes), atol=1e-4, rtol=1e-5
    )
    torch.testing.assert_close(found.scores[0], torch.tensor(scores))


@pytest.mark.parametrize("more", ["bins: 4", "bins: 1", "bins: 4, one_to_one: true"])
def test_sides_of_yolo_are_means_of_bins(more: str) -> None:
    spec = of(f"  find: {{kind: yolo, reads: [p2, p3], classes: 2, {more}}}")
    made = made_by(spec)
    read = made[1] if "one" in more else made
    bins = 1 if "bins: 1" in more else 4
    boxes = []
    for level, row, column, _, told in positions(read.boxes, 1):
        sides = [told[k * bins : (k + 1) * bins] for k in range(4)]
        means = [
            sum(n * p for n, p in enumerate(softmax(each))) if bins > 1 else each[0]
            for each in sides
        ]
        left, top, right, below = (mean * 4 * 2**level for mean in means)
        y, x = ((n + 0.5) * 4 * 2**level for n in (row, column))
        boxes.append([y - top, x - left, y + below, x + right])
    scores = [[*map(sigmoid, each[-1])] for each in positions(read.classes, 1)]
    found = es.decode(spec, made)
    gives(found, boxes, scores)
    assert found.levels.tolist() == [2] * 96 + [3] * 24


def test_keypoints_of_yolo_lie_two_strides_around_a_position() -> None:
    spec = of("  find: {kind: yolo, reads: [p2, p3], classes: 2, keypoints: [2, 3]}")
    made = made_by(spec)
    points = [
        [
            [
                (2 * told[k + 1] + row) * pixels,
                (2 * told[k] + column) * pixels,
                sigmoid(told[k + 2]),
            ]
            for k in (0, 3)
        ]
        for level, row, column, _, told in positions(made["keypoints"], 1)
        for pixels in [4 * 2**level]
    ]
    found = es.decode(spec, made)
    torch.testing.assert_close(found.beside["keypoints"][0], torch.tensor(points))
    best = found.best(3)
    rows = [*map(tuple, found.boxes[0].tolist())]
    for box, told in zip(best.boxes[0], best.beside["keypoints"][0], strict=True):
        assert told.tolist() == points_at(found, rows.index(tuple(box.tolist())))


def points_at(found: es.Decoded, row: int) -> list[list[float]]:
    told: list[list[float]] = found.beside["keypoints"][0, row].tolist()
    return told


def test_boxes_of_yolo_that_are_turned_lie_in_their_own_directions() -> None:
    spec = of("  find: {kind: yolo, reads: p3, classes: 2, bins: 1, angle: true}")
    made, boxes, angles = made_by(spec), [], []
    told = positions(made["angles"], 1)
    for (_, row, column, _, sides), (*_, (angle,)) in zip(
        positions(made["boxes"], 1), told, strict=True
    ):
        turned = (sigmoid(angle) - 0.25) * pi
        left, top, right, below = (8 * side for side in sides)
        across, down = (right - left) / 2, (below - top) / 2
        x = (column + 0.5) * 8 + across * cos(turned) - down * sin(turned)
        y = (row + 0.5) * 8 + across * sin(turned) + down * cos(turned)
        boxes.append(around(y, x, top + below, left + right))
        angles.append(turned)
    scores = [[*map(sigmoid, each[-1])] for each in positions(made["classes"], 1)]
    found = es.decode(spec, made)
    gives(found, boxes, scores)
    torch.testing.assert_close(found.beside["angles"][0], torch.tensor(angles))
    with pytest.raises(LayerError, match=r"^best: expected boxes that are not turned"):
        found.best(3, overlap=0.5)


def test_masks_of_yolo_are_prototypes_and_how_much_of_each() -> None:
    spec = of("  find: {kind: yolo, reads: p3, classes: 2, masks: 3, channels: 4}")
    made = made_by(spec)
    found = es.decode(spec, made)
    assert torch.equal(found.beside["prototypes"], made["prototypes"])
    told = [each[-1] for each in positions(made["coefficients"], 1)]
    torch.testing.assert_close(found.beside["coefficients"][0], torch.tensor(told))


@pytest.mark.parametrize("wrong", ["keypoints", "prototypes"])
def test_a_file_that_tells_something_else_beside_boxes_is_found_out(wrong: str) -> None:
    spec = of(
        "  find: {kind: yolo, reads: p3, classes: 2, bins: 1, keypoints: [2, 3], "
        "masks: 3, channels: 4}"
    )
    torch.manual_seed(1)
    detecting = Detecting(Decoding(spec, es.build(spec).eval()), 0.5, 4)
    x = torch.randn(2, 3, 32, 48)
    with torch.no_grad():
        made = detecting(x)
        assert detecting.difference(x, [*made.values()]) == 0
        made[wrong] = made[wrong] + made[wrong].abs().max() * 0.1
        assert detecting.difference(x, [*made.values()]) > 0.05


def test_anchors_of_yolo_are_of_squares() -> None:
    spec = of(
        "  find: {kind: yolo_anchors, reads: [p2, p3], classes: 2, anchors: 2, "
        f"sizes: {[[[*each] for each in level] for level in SIZES]}}}"
    )
    made, boxes, scores = made_by(spec), [], []
    for level, row, column, k, told in positions(made, 2):
        x, y, wide, high, there, *classes = map(sigmoid, told)
        step, (own_wide, own_high) = 4 * 2**level, SIZES[level][k]
        middle = (row + 2 * y - 0.5) * step, (column + 2 * x - 0.5) * step
        sides = own_high * (2 * high) ** 2, own_wide * (2 * wide) ** 2
        boxes.append(around(*middle, *sides))
        scores.append([there * each for each in classes])
    gives(es.decode(spec, made), boxes, scores)


DETECT = "  find: {kind: detect, reads: [p2, p3], classes: 3, anchors: 2, "


def test_sizes_that_are_shares_follow_the_image() -> None:
    sizes = [[[wide / 48, high / 32] for wide, high in level] for level in SIZES]
    shares, pixels = (
        of(f"{DETECT}boxes: {{{more}, sizes: {each}}}}}")
        for more, each in (
            ("relative: true", sizes),
            ("relative: false", [[[*each] for each in level] for level in SIZES]),
        )
    )
    made = made_by(pixels)
    expected = es.decode(pixels, made).boxes
    torch.testing.assert_close(es.decode(shares, made).boxes, expected)
    larger = shares.model_copy(update={"resolution": (64, 96)})
    with torch.no_grad():
        made = es.build(larger).eval()(torch.zeros(1, 3, 64, 96))
    still = es.decode(larger, made._replace(boxes=[x * 0 for x in made.boxes]))
    sides = still.boxes[0, 0, 2:] - still.boxes[0, 0, :2]
    torch.testing.assert_close(sides, torch.tensor([10.0, 6.0]))


@pytest.mark.parametrize("centred", ["corner", "middle"])
@pytest.mark.parametrize("more", ["", "background: true, ", "objectness: true, "])
def test_shifts_are_of_anchors(centred: str, more: str) -> None:
    sizes = [[[*each] for each in level] for level in SIZES]
    spec = of(
        f"{DETECT}{more}boxes: {{variances: [0.1, 0.2], centred: {centred}, "
        f"sizes: {sizes}}}}}"
    )
    made, boxes = made_by(spec), []
    maps = made if isinstance(made, dict) else made._asdict()
    for level, row, column, k, (dx, dy, dw, dh) in positions(maps["boxes"], 2):
        wide, high = SIZES[level][k]
        y, x = ((n + 0.5 * (centred == "middle")) * 4 * 2**level for n in (row, column))
        middle = y + 0.1 * dy * high, x + 0.1 * dx * wide
        boxes.append(around(*middle, high * exp(0.2 * dh), wide * exp(0.2 * dw)))
    scores = [
        softmax(row)[1:] if "background" in more else [*map(sigmoid, row)]
        for *_, row in positions(maps["classes"], 2)
    ]
    if "objectness" in more:
        there = [sigmoid(row[0]) for *_, row in positions(maps["objectness"], 2)]
        scores = [
            [x * one for x in row] for row, one in zip(scores, there, strict=True)
        ]
    gives(es.decode(spec, made), boxes, scores)


def test_distances_are_above_zero_and_scores_means_with_centerness() -> None:
    spec = of(
        "  find: {kind: detect, reads: [p2, p3], classes: 3, centerness: true, "
        "boxes: {codes: distances, sizes: [[[4, 4]], [[8, 8]]]}}"
    )
    made, boxes, scores = made_by(spec), [], []
    for level, row, column, _, told in positions(made["boxes"], 1):
        step = 4 * 2**level
        left, top, right, below = (max(each, 0) * step for each in told)
        y, x = (row + 0.5) * step, (column + 0.5) * step
        boxes.append([y - top, x - left, y + below, x + right])
    pairs = zip(
        positions(made["classes"], 1), positions(made["centerness"], 1), strict=True
    )
    for (*_, classes), (*_, (central,)) in pairs:
        scores.append([sqrt(sigmoid(each) * sigmoid(central)) for each in classes])
    gives(es.decode(spec, made), boxes, scores)


def test_whole_steps_are_rounded_down() -> None:
    text = SMALL.replace("[32, 48]", "[36, 48]")  # 9 rows and 5
    sizes = "boxes: {whole_steps: true, centred: corner, sizes: [[[2, 2]], [[2, 2]]]}"
    spec = loads(f"{text}  find: {{kind: detect, reads: [p2, p3], {sizes}}}")
    maps = es.build(spec).eval()(torch.zeros(1, 3, 36, 48))
    zero = es.Detections(*(tuple(x * 0 for x in each) for each in maps))
    rows = es.decode(spec, zero).boxes[0, :, 0] + 1
    assert rows[108:].unique().tolist() == [0, 7, 14, 21, 28]


def test_peaks_are_where_no_neighbour_is_higher() -> None:
    spec = of("  find: {kind: keypoints, reads: p3, classes: 2, channels: 4}")
    made = made_by(spec)
    heat = made["heatmap"][0].sigmoid()
    boxes, scores = [], []
    for row, column in product(range(4), range(6)):
        (dx, dy), (wide, high) = (
            made[name][0, :, row, column].tolist() for name in ("offsets", "sizes")
        )
        boxes.append(around((row + dy) * 8, (column + dx) * 8, high * 8, wide * 8))
        near = heat[:, max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
        here = heat[:, row, column]
        scores.append((here * (here == near.amax((1, 2)))).tolist())
    gives(es.decode(spec, made), boxes, scores)
    assert 0 < sum(each > 0 for row in scores for each in row) < 24


def test_pixels_and_shares_beside_boxes_have_names_of_their_own() -> None:
    spec = of(
        "  mask: {kind: segment, reads: p2, classes: 3}\n"
        "  one: {kind: segment, reads: p2, classes: 1}\n"
        "  sort: {kind: classify, reads: p3, classes: 4}\n"
        "  find: {kind: yolo, reads: p3, classes: 2}\n"
    )
    net, x = es.build(spec).eval(), torch.randn(2, 3, 32, 48)
    decoding = Decoding(spec, net)
    with torch.no_grad():
        made, found = net(x), decoding(x)
    assert [*found] == [*decoding.means] == ["mask", "one", "sort", "boxes", "scores"]
    assert torch.equal(found["mask"], made["mask"].argmax(1))
    assert torch.equal(found["one"], (made["one"][:, 0] > 0).long())
    torch.testing.assert_close(found["sort"], made["sort"].softmax(1))
    assert found["boxes"].shape == (2, 24, 4)


def test_two_outputs_of_boxes_are_told_apart_by_their_names() -> None:
    one = "{kind: yolo, reads: p3, classes: 2}"
    spec = of(f"  face: {one}\n  hand: {one}\n")
    found = Decoding(spec, es.build(spec).eval())(torch.zeros(1, 3, 32, 48))
    assert [*found] == ["face_boxes", "face_scores", "hand_boxes", "hand_scores"]
    with pytest.raises(LayerError) as caught:
        es.decode(spec, found)
    assert str(caught.value) == "decode: expected one output of boxes, got 2 of small"


NONE = "expected {} that say what its numbers mean, got none"


@pytest.mark.parametrize(
    ("output", "nms", "message"),
    [
        (
            "  find: {kind: detect, reads: p3}",
            None,
            f"decode: outputs.find: {NONE.format('boxes')}",
        ),
        (
            "  find: {kind: yolo_anchors, reads: p3}",
            0.5,
            f"decode: outputs.find: {NONE.format('sizes')}",
        ),
        (
            "  mask: {kind: segment}\n  find: {kind: yolo, reads: p3}",
            0.5,
            "nms: expected boxes as the one output, got mask, find",
        ),
        (
            "  mask: {kind: segment}",
            0.5,
            "nms: expected boxes as the one output, got mask",
        ),
        (
            "  find: {kind: yolo, reads: p3, angle: true}",
            0.5,
            "nms: expected boxes that are not turned, got angles",
        ),
        (
            "  find: {kind: keypoints}",
            0.5,
            "nms: expected boxes that overlap, got peaks of heatmaps",
        ),
    ],
)
def test_what_cannot_be_decoded_is_one_line(
    output: str, nms: float | None, message: str
) -> None:
    with pytest.raises(LayerError) as caught:
        Decode(nms).check(of(output))
    assert str(caught.value) == message


def shifted(part: str, by: float) -> Callable[[dict[str, torch.Tensor]], None]:
    """Changes a tensor of what a file gives."""

    def change(given: dict[str, torch.Tensor]) -> None:
        given[part][0, 0] += by

    return change


def swapped(given: dict[str, torch.Tensor]) -> None:
    """The two best boxes of an image the other way round, scores with them."""
    for each in given.values():
        each[0, :2] = each[0, :2].flip(0)


def doubled(given: dict[str, torch.Tensor]) -> None:
    """The best box once more in place of the next."""
    for each in given.values():
        each[0, 1] = each[0, 0]


def emptied(given: dict[str, torch.Tensor]) -> None:
    """The last box left out."""
    given["scores"][0, -1], given["boxes"][0, -1] = 0, 0


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (lambda _given: None, False),
        (swapped, False),  # the same choice, whatever its order
        (shifted("boxes", 1.0), True),
        (shifted("scores", 0.01), True),
        (shifted("classes", 1), True),
        (doubled, True),
        (emptied, True),
    ],
)
def test_a_choice_of_boxes_is_judged_as_one(
    change: Callable[[dict[str, torch.Tensor]], None], *, wrong: bool
) -> None:
    spec = of("  find: {kind: yolo, reads: [p2, p3], classes: 2}")
    torch.manual_seed(0)
    detecting = Detecting(Decoding(spec, es.build(spec).eval()), 0.5, 8)
    x = torch.randn(2, 3, 32, 48)
    with torch.no_grad():
        given = detecting(x)
        change(given)
        assert (detecting.difference(x, [*given.values()]) > 1e-4) is wrong


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("yolo, reads: [p2, p3]", "classes and boxes of each of 2 levels"),
        (
            "yolo, reads: [p2, p3], one_to_one: true",
            "a pair of classes and boxes of each of 2 levels",
        ),
        (
            "yolo, reads: [p2, p3], angle: true",
            "classes and boxes and angles of each of 2 levels",
        ),
        (
            "yolo_anchors, reads: [p2, p3], sizes: [[[3, 5]], [[9, 6]]], anchors: 1",
            "a map of each of 2 levels",
        ),
        ("keypoints, reads: p3", "heatmap and sizes and offsets"),
    ],
)
def test_what_the_module_does_not_put_out_is_refused(
    output: str, expected: str
) -> None:
    spec = of(f"  find: {{kind: {output}, classes: 2}}")
    made = made_by(spec)
    for given, said in (
        ((made, made, made), "tuple of 3"),
        (torch.zeros(1), "Tensor"),
        ({}, "dict of nothing"),
    ):
        with pytest.raises(LayerError) as caught:
            es.decode(spec, given)
        assert str(caught.value) == (
            f"decode: expected {expected}, as the module of small puts out, got {said}"
        )
