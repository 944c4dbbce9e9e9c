"""Boxes in pixels and scores, of what heads put out; classes of pixels.

Each kind of head has a module that decodes it, and says how far a file's answer is from
what the network's means.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import starmap
from math import ceil, pi
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import torch
from torch import nn
from torch.nn import functional

from effscale.choices import MOST_BOXES
from effscale.data import Same
from effscale.errors import LayerError
from effscale.module.anchors import anchors, detector_of
from effscale.module.boxes import apart, best_pairs, of_rows
from effscale.module.build import OUTPUTS, Detections
from effscale.network.network import network
from effscale.network.parts import Group
from effscale.spec import outputs
from effscale.spec.geometry import strides, totals
from effscale.spec.neck import BOX
from effscale.spec.wiring import ends

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from fractions import Fraction

    from effscale.arrays import Int
    from effscale.spec.geometry import Strides
    from effscale.spec.models import Spec

    Grid: TypeAlias = tuple[torch.Tensor, torch.Tensor]


class Found(NamedTuple):
    """The best of `Decoded`, best first; K pairs of an anchor and a class."""

    boxes: torch.Tensor  #: (N, K, 4), as in `Decoded`
    scores: torch.Tensor  #: (N, K)
    classes: torch.Tensor  #: (N, K), counted from 0
    levels: torch.Tensor  #: (N, K): 3 is P3
    #: What else is told of each, as in `Decoded`, and prototypes of masks.
    beside: Mapping[str, torch.Tensor] = MappingProxyType({})


class Decoded(NamedTuple):
    """A box of each of K anchors, in the order of `effscale.anchors`, lowest first."""

    boxes: torch.Tensor  #: (N, K, 4): y1 x1 y2 x2 in pixels, some beyond the image
    scores: torch.Tensor  #: (N, K, classes), each from 0 to 1 by itself
    levels: torch.Tensor  #: (K,): 3 is P3
    #: What else is told of each, (N, K, …), by name, and `prototypes` of masks; see
    #: `effscale.decode`.
    beside: Mapping[str, torch.Tensor] = MappingProxyType({})

    def best(self, count: int, overlap: float | None = None) -> Found:
        """So many with the highest scores of each image.

        An anchor may come once for each class. All of them, if there are fewer. With
        `overlap` those are left out that a better one of their class overlaps by more
        (intersection over union), of the best thousand; where none is left, scores are
        0 and so are boxes. Of turned boxes nobody tells how they overlap.

        Raises:
            LayerError: if overlaps are asked for, and boxes have `angles`.
        """
        if overlap is not None and "angles" in self.beside:
            message = "expected boxes that are not turned, to tell how they overlap"
            raise LayerError(f"best: {message}")
        rows, scores, classes = best_pairs(
            self.scores, count if overlap is None else MOST_BOXES
        )
        boxes = of_rows(self.boxes, rows)
        if overlap is None:
            return self._found(boxes, scores, classes, rows)
        kept = apart(boxes, scores, classes, overlap, count)
        return self._found(*kept[:3], rows.gather(1, kept.rows))

    def _found(
        self,
        boxes: torch.Tensor,
        scores: torch.Tensor,
        classes: torch.Tensor,
        rows: torch.Tensor,
    ) -> Found:
        """These of the rows, and what is told beside them."""
        beside = {
            name: told if name == PROTOTYPES else of_rows(told, rows)
            for name, told in self.beside.items()
        }
        return Found(boxes, scores, classes, self.levels[rows], beside)


def decode(spec: Spec, detections: Any) -> Decoded:  # noqa: ANN401 - by kind of head
    """The boxes in pixels of what the network of `spec` puts out.

    Of a `yolo` output a side lies as many strides from the position as the mean of its
    bins says; of two branches the one for one box an object is read. Beside its boxes
    it tells, where it does, `coefficients`, (N, K, prototypes), of `prototypes`, which
    are (N, prototypes, rows, columns): a mask is where their weighted sum is above 0
    within the box; `keypoints`, (N, K, points, 2 or 3): y and x in pixels, and how
    likely each is seen; `angles`, (N, K): radians by which a box is turned about its
    centre, clockwise. Of `keypoints` each position has a box, and a score where it is a
    peak among its eight neighbours. Of a detector with a neck:

    A level has (N, A·classes, height, width) logits and (N, A·4, height, width) codes;
    of A anchors at a position the first has the first channels, by scale, then by
    ratio. Logits are for a sigmoid each: classes do not exclude each other, and none is
    the background. A code is (ty, tx, th, tw) relative to its anchor: the centre lies
    ty of the anchor's heights below its centre and tx of its widths right of it, and
    the box is e^th of its heights high and e^tw of its widths wide. What is narrower
    than float32 is decoded in float32.

    Raises:
        LayerError: if `spec` has no such boxes, or this is not what its module puts
            out, or maps of other shapes.
    Source: `decode_box_outputs` of automl/efficientdet/tf2/anchors.py, and of
    effdet/anchors.py; weights of other libraries may have other codes.
    """
    if spec.outputs:
        return _of_output(spec, detections)
    _check(spec, detections)
    device, dtype = detections.boxes[0].device, _wide(detections.boxes[0].dtype)
    boxes = anchors(spec, device=device, dtype=dtype)
    neck, heads = detector_of(spec, "decode")
    found = _decoded(detections, torch.cat(boxes), heads.classes)
    low, _ = neck.levels
    levels = [torch.full((len(each),), low + k) for k, each in enumerate(boxes)]
    return Decoded(*found, torch.cat(levels).to(device))


def _of_output(spec: Spec, made: Any) -> Decoded:  # noqa: ANN401
    """The boxes of the one output that has some."""
    found = {
        name: each
        for name, each in decoders(spec, "decode").items()
        if each.keys[:2] == BOXES
    }
    if len(found) != 1:
        message = f"expected one output of boxes, got {len(found)}"
        raise LayerError(f"decode: {message} of {spec.name}")
    (name, decoder), *_ = found.items()
    given = made
    if len(spec.outputs) > 1:
        given = _named(made, name)
        if given is None:
            raise _other(spec, f"a dict with {name}", made)
    _judge(spec, given, _groups(Same(spec), name), len(decoder.strides))
    levels = [
        torch.full((x.shape[2] * x.shape[3] * decoder.each,), _level(stride))
        for x, stride in zip(decoder.maps(given), decoder.strides, strict=True)
    ]
    boxes, scores, *told = decoder(given)
    beside = dict(zip(decoder.keys[2:], told, strict=True))
    return Decoded(boxes, scores, torch.cat(levels).to(boxes.device), beside)


@lru_cache(maxsize=8)  # a loop decodes what one network puts out, batch by batch
def _groups(spec: Same[Spec], name: str) -> tuple[Group, ...]:
    """What an output puts out, by name."""
    (found,) = (
        part.groups
        for part in network(spec.it).parts
        if part.path == f"{OUTPUTS}{name}"
    )
    return found


def _level(stride: Strides) -> int:
    """l of a stride of 2^l, or of the power of 2 below."""
    return int(max(stride)).bit_length() - 1


def distance(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """The largest difference, over the largest number of ours."""
    if ours.shape != theirs.shape:
        return float("inf")
    apart, largest = float((ours - theirs).abs().max()), float(ours.abs().max())
    return apart / largest if largest else apart


def decoders(spec: Spec, asked: str) -> dict[str, _Decoder]:
    """What decodes each output, by its name; that of a neck's heads has none.

    Raises:
        LayerError: if nobody says what the numbers of one mean.
    """
    if spec.detector:
        return {"boxes": Anchored(spec)}
    if not spec.outputs:
        raise LayerError(f"{asked}: expected a detector, got {spec.name}")
    strided = [strides(spec, spec.stem), *totals(spec)]
    found: dict[str, _Decoder] = {}
    for end, (name, given) in zip(ends(spec), spec.outputs.items(), strict=True):
        read = [strided[number] for number in end.numbers]
        match given:
            case outputs.Yolo():
                found[name] = Distances(given, read)
            case outputs.Detect(boxes=outputs.Boxes() as boxes):
                found[name] = Coded(given, boxes, read, spec.resolution)
            case outputs.YoloAnchors(sizes=tuple() as sizes):
                found[name] = Squared(given, sizes, read)
            case outputs.Keypoints():
                found[name] = Peaks(read)
            case outputs.Segment():
                found[name] = Pixels()
            case outputs.Classify():
                found[name] = Shares()
            case _:
                key = "boxes" if given.kind == "detect" else "sizes"
                message = f"expected {key} that say what its numbers mean, got none"
                raise LayerError(f"{asked}: outputs.{name}: {message}")
    return found


#: What tensors of boxes are called.
BOXES = ("boxes", "scores")
#: What the maps are called of which all masks of an image are made.
PROTOTYPES = "prototypes"
#: What tensors beside boxes are.
BESIDE = {
    "coefficients": "of each prototype; a mask is where they sum to more than 0",
    "keypoints": "y x in pixels",
    "angles": "radians by which a box is turned about its centre, clockwise",
    PROTOTYPES: "of masks, for the whole image",
}
SEEN = "y x in pixels, and how likely it is seen, from 0 to 1"
CORNERS = "y1 x1 y2 x2 in pixels"


class _Decoder(nn.Module):
    """Decodes what one head puts out."""

    #: What its tensors are called; one without a name is called as the output is.
    keys: tuple[str, ...] = BOXES
    #: What each of them is, and in what unit.
    means: tuple[str, ...] = (CORNERS, "of each class, from 0 to 1")
    #: Boxes at each position, and pixels from one to the next by level.
    each = 1
    strides: list[Strides]

    def maps(self, made: Any) -> Sequence[torch.Tensor]:  # noqa: ANN401
        """A map of each level."""
        raise NotImplementedError

    def apart(self, made: Any, theirs: list[torch.Tensor]) -> float:  # noqa: ANN401
        """How far another program's tensors are from what these mean, scores of 1."""
        boxes, scores, *_ = self(made)
        off = float((scores - theirs[1]).abs().max())
        return max(distance(boxes, theirs[0]), off)


class Anchored(_Decoder):
    """Boxes relative to anchors, of a detector with a neck."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.classes = detector_of(spec, "decode")[1].classes
        self.register_buffer("anchors", torch.cat(anchors(spec)), persistent=False)

    def forward(self, made: Detections) -> tuple[torch.Tensor, torch.Tensor]:
        """(N, K, 4) boxes and (N, K, classes) scores."""
        return _decoded(made, self.get_buffer("anchors"), self.classes)


class Distances(_Decoder):
    """Boxes by the distances of their sides from positions, of a `yolo` output."""

    def __init__(self, output: outputs.Yolo, strided: Sequence[Strides]) -> None:
        super().__init__()
        self.output, self.strides = output, [*strided]
        alone = (PROTOTYPES,) if output.masks is not None else ()
        beside = (*output.beside, *alone)
        said = BESIDE | ({"keypoints": SEEN} if self._sees else {})
        self.keys = (*BOXES, *beside)
        self.means = (*self.means, *(said[name] for name in beside))

    @property
    def _sees(self) -> bool:
        """Whether keypoints tell whether they are seen."""
        return self.output.keypoints is not None and self.output.keypoints[1] > 2  # noqa: PLR2004

    def maps(self, made: Any) -> Sequence[torch.Tensor]:  # noqa: ANN401
        """The box maps that are read, by level."""
        return _group(self._read(made), "boxes")

    def _read(self, made: Any) -> Any:  # noqa: ANN401
        return made[1] if self.output.one_to_one else made

    def forward(self, made: Any) -> tuple[torch.Tensor, ...]:  # noqa: ANN401
        """(N, K, 4) boxes, (N, K, classes) scores, and what is told beside them."""
        read, output = self._read(made), self.output
        maps = self.maps(made)
        told = {
            name: _widened(_rows(_group(read, name), numbers))
            for name, numbers in output.beside.items()
        }
        centres, units = _grid(maps, self.strides, 0.5)
        if "angles" in told:
            told["angles"] = (told["angles"][..., 0].sigmoid() - 0.25) * pi
        if output.keypoints is not None:
            points = told["keypoints"].unflatten(-1, output.keypoints)
            told["keypoints"] = self._points(points, centres, units)
        if output.masks is not None:
            told[PROTOTYPES] = read[PROTOTYPES]
        boxes = self._boxes(maps, centres, units, told.get("angles"))
        scores = _widened(_rows(_group(read, "classes"), output.classes)).sigmoid()
        return boxes, scores, *told.values()

    def _boxes(
        self,
        maps: Sequence[torch.Tensor],
        centres: torch.Tensor,
        units: torch.Tensor,
        angles: torch.Tensor | None,
    ) -> torch.Tensor:
        """Boxes by the means of bins; of those that are turned, as they lie before.

        The centre of a turned one lies in its own directions from the position.
        """
        bins = self.output.bins
        sides = _widened(_rows(maps, BOX * bins)).unflatten(-1, (BOX, bins))
        if bins > 1:
            numbers = torch.arange(bins, device=sides.device, dtype=sides.dtype)
            sides = (sides.softmax(-1) * numbers).sum(-1, keepdim=True)
        left, top, right, below = sides.squeeze(-1).unbind(-1)
        before = torch.stack((top, left), -1) * units
        behind = torch.stack((below, right), -1) * units
        if angles is None:
            return torch.cat((centres - before, centres + behind), -1)
        down, across = ((behind - before) / 2).unbind(-1)
        turned = (
            down * angles.cos() + across * angles.sin(),
            across * angles.cos() - down * angles.sin(),
        )
        centres, halves = centres + torch.stack(turned, -1), (before + behind) / 2
        return torch.cat((centres - halves, centres + halves), -1)

    def _points(
        self, told: torch.Tensor, centres: torch.Tensor, units: torch.Tensor
    ) -> torch.Tensor:
        """(N, K, points, 2 or 3): rows and columns in pixels, and whether seen."""
        shifts = 2 * told[..., :2].flip(-1) - 0.5
        places = centres[:, None] + shifts * units[:, None]
        return torch.cat((places, told[..., 2:].sigmoid()), -1)

    def apart(self, made: Any, theirs: list[torch.Tensor]) -> float:  # noqa: ANN401
        """What is told beside boxes, too."""
        _, _, *ours = self(made)
        found = [*map(distance, ours, theirs[2:])]
        return max([super().apart(made, theirs), *found])


class Coded(_Decoder):
    """Boxes by shifts or distances from anchors, of a `detect` output."""

    def __init__(
        self,
        output: outputs.Detect,
        boxes: outputs.Boxes,
        strided: Sequence[Strides],
        image: Sequence[Int],
    ) -> None:
        super().__init__()
        self.output, self.codes, self.strides = output, boxes, [*strided]
        self.each, self.image = output.anchors, [int(side) for side in image]
        if output.background:
            self.means = (CORNERS, "of each class but the background, from 0 to 1")

    def maps(self, made: Any) -> Sequence[torch.Tensor]:  # noqa: ANN401
        """The box maps."""
        boxes: Sequence[torch.Tensor] = _group(made, "boxes")
        return boxes

    def forward(self, made: Any) -> tuple[torch.Tensor, torch.Tensor]:  # noqa: ANN401
        """(N, K, 4) boxes and (N, K, classes) scores, without the background."""
        maps = self.maps(made)
        found = _rows(maps, BOX).to(_wide(maps[0].dtype))
        first, second = found[..., :2].flip(-1), found[..., 2:].flip(-1)
        centres, sides = self._anchors(maps)
        if self.codes.codes == "distances":
            low, high = centres - first.relu() * sides, centres + second.relu() * sides
            return torch.cat((low, high), -1), self._scores(made)
        shifts, logs = self.codes.variances
        centres = centres + first * shifts * sides
        halves = (second * logs).exp() * sides / 2
        boxes = torch.cat((centres - halves, centres + halves), -1)
        return boxes, self._scores(made)

    def _scores(self, made: Any) -> torch.Tensor:  # noqa: ANN401
        """Of classes, times what is told beside them: of how central, the mean."""
        logits = _rows(_group(made, "classes"), self.output.classes)
        logits = logits.to(_wide(logits.dtype))
        scores = logits.sigmoid()
        if self.output.background:
            scores = logits.softmax(-1)[..., 1:]
        if not (beside := self.output.beside):
            return scores
        scores = scores * _rows(_group(made, beside), 1).to(scores.dtype).sigmoid()
        return scores.sqrt() if beside == "centerness" else scores

    def _anchors(self, maps: Sequence[torch.Tensor]) -> Grid:
        """Centres and sides of anchors: rows before columns, by position."""
        steps = [
            [self._step(of, n) for of, n in zip(self.image, x.shape[2:], strict=True)]
            for x in maps
        ]
        middle = 0.5 if self.codes.centred == "middle" else 0.0
        centres, _ = _grid(maps, steps, middle, self.each)
        sides = _sides(maps, self.codes.sizes)
        unit = self.image if self.codes.relative else (1, 1)
        return centres, sides * _like(sides, unit)

    def _step(self, image: int, positions: int) -> float:
        return image // positions if self.codes.whole_steps else image / positions


class Squared(_Decoder):
    """Boxes of a `yolo_anchors` output, by squares of sigmoids.

    Source: ultralytics/yolov5, models/yolo.py (`Detect.forward`); YOLOv3's own are by
    exponentials.
    """

    def __init__(
        self,
        output: outputs.YoloAnchors,
        sizes: outputs.Sizes,
        strided: Sequence[Strides],
    ) -> None:
        super().__init__()
        self.output, self.sizes, self.strides = output, sizes, [*strided]
        self.each = output.anchors

    def maps(self, made: Sequence[torch.Tensor]) -> Sequence[torch.Tensor]:
        """The maps."""
        return made

    def forward(
        self, made: Sequence[torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(N, K, 4) boxes and (N, K, classes) scores."""
        told = _rows(made, BOX + 1 + self.output.classes)
        told = told.to(_wide(told.dtype)).sigmoid()
        centres, units = _grid(made, self.strides, 0.5, self.each)
        centres = centres + (2 * told[..., :2].flip(-1) - 1) * units
        halves = 2 * told[..., 2:BOX].flip(-1).square() * _sides(made, self.sizes)
        boxes = torch.cat((centres - halves, centres + halves), -1)
        return boxes, told[..., BOX : BOX + 1] * told[..., BOX + 1 :]


class Peaks(_Decoder):
    """Boxes at the peaks of heatmaps, of a `keypoints` output."""

    def __init__(self, strided: Sequence[Strides]) -> None:
        super().__init__()
        self.strides = [*strided]

    def maps(self, made: dict[str, torch.Tensor]) -> Sequence[torch.Tensor]:
        """The heatmap."""
        return [made["heatmap"]]

    def forward(
        self, made: dict[str, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(N, K, 4) boxes and (N, K, classes) scores, 0 where there is no peak."""
        heat = made["heatmap"].to(_wide(made["heatmap"].dtype)).sigmoid()
        peaks = functional.max_pool2d(heat, 3, 1, 1) == heat
        places, units = _grid([heat], self.strides, 0.0)
        offsets, sizes = (
            _rows([made[name].to(heat.dtype)], 2).flip(-1)
            for name in ("offsets", "sizes")
        )
        centres, halves = places + offsets * units, sizes * units / 2
        boxes = torch.cat((centres - halves, centres + halves), -1)
        return boxes, _rows([heat * peaks], heat.shape[1])

    def apart(self, made: Any, theirs: list[torch.Tensor]) -> float:  # noqa: ANN401
        """Which of two neighbours all but alike is the peak is open."""
        heat = made["heatmap"].to(_wide(made["heatmap"].dtype)).sigmoid()
        boxes, _ = self(made)
        every = _rows([heat], heat.shape[1])
        around = functional.pad(heat, (1, 1, 1, 1)).unfold(2, 3, 1).unfold(3, 3, 1)
        near = around.flatten(4)[..., [0, 1, 2, 3, 5, 6, 7, 8]].amax(-1)
        more = _rows([heat - near], heat.shape[1]).clamp(min=0)
        less = _rows([near - heat], heat.shape[1]).clamp(min=0)
        kept = (theirs[1] - every).abs().maximum(less)
        wrong = torch.where(theirs[1] > 0, kept, more)
        return max(distance(boxes, theirs[0]), float(wrong.max()))


class Pixels(_Decoder):
    """The class of each pixel, of a `segment` output."""

    keys = ("",)
    means = ("the class of each pixel, counted from 0",)

    def forward(self, made: torch.Tensor) -> tuple[torch.Tensor]:
        """(N, H, W) classes; of one class, 1 where its logit is above 0."""
        if made.shape[1] == 1:
            return ((made[:, 0] > 0).long(),)
        return (made.argmax(1),)

    def apart(self, made: torch.Tensor, theirs: list[torch.Tensor]) -> float:
        """Which of two logits all but alike is the larger is open."""
        if made.shape[1] == 1:
            made = torch.cat((torch.zeros_like(made), made), 1)
        chosen = made.gather(1, theirs[0].long().unsqueeze(1))[:, 0]
        return float((made.amax(1) - chosen).max() / made.abs().max())


class Shares(_Decoder):
    """Probabilities of classes that exclude each other, of a `classify` output."""

    keys = ("",)
    means = ("of each class, 1 in all",)

    def forward(self, made: torch.Tensor) -> tuple[torch.Tensor]:
        """(N, classes)."""
        return (made.to(_wide(made.dtype)).softmax(1),)

    def apart(self, made: torch.Tensor, theirs: list[torch.Tensor]) -> float:
        """The largest difference, of all of 1."""
        return float((self(made)[0] - theirs[0]).abs().max())


def _grid(
    maps: Sequence[torch.Tensor],
    steps: Sequence[Sequence[float | Fraction]],
    middle: float,
    each: int = 1,
) -> Grid:
    """(K, 2) rows and columns in pixels of all positions, and of a step at each.

    A position is there as often as it has boxes, `each`.
    """
    places, units = [], []
    for x, step in zip(maps, steps, strict=True):
        unit = _like(x, [float(side) for side in step])
        rows, columns = (
            (torch.arange(side, device=x.device, dtype=unit.dtype) + middle)
            for side in x.shape[2:]
        )
        at = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), -1) * unit
        at = at.reshape(-1, 1, 2).expand(-1, each, -1).reshape(-1, 2)
        places.append(at)
        units.append(unit.expand(len(at), 2))
    return torch.cat(places), torch.cat(units)


def _sides(maps: Sequence[torch.Tensor], sizes: outputs.Sizes) -> torch.Tensor:
    """(K, 2) heights and widths of the anchors at all positions."""
    found = [
        _like(x, level).flip(-1).repeat(x.shape[2] * x.shape[3], 1)
        for x, level in zip(maps, sizes, strict=True)
    ]
    return torch.cat(found)


def _like(x: torch.Tensor, numbers: Sequence[Any]) -> torch.Tensor:
    return torch.tensor(numbers, device=x.device, dtype=_wide(x.dtype))


def _group(made: Any, name: str) -> Sequence[torch.Tensor]:  # noqa: ANN401
    """The maps of that name, by level."""
    found: Sequence[torch.Tensor] = _named(made, name)
    return found


def _named(made: Any, name: str) -> Any:  # noqa: ANN401
    """What is called so; None where nothing is."""
    return made.get(name) if isinstance(made, dict) else getattr(made, name, None)


def _decoded(
    detections: Detections, given: torch.Tensor, classes: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Boxes and scores of the anchors `given`."""
    codes = _rows(detections.boxes, BOX).to(given.dtype)
    sides = given[:, 2:] - given[:, :2]
    centres = (given[:, :2] + given[:, 2:]) / 2 + codes[..., :2] * sides
    halves = codes[..., 2:].exp() * sides / 2
    logits = _rows(detections.classes, classes)
    scores = logits.to(_wide(logits.dtype)).sigmoid()
    return torch.cat([centres - halves, centres + halves], dim=-1), scores


def _rows(maps: Sequence[torch.Tensor], each: int) -> torch.Tensor:
    """(N, A·each, height, width) of all levels as (N, anchors, each), row by row."""
    flat = [x.permute(0, 2, 3, 1).flatten(1).unflatten(1, (-1, each)) for x in maps]
    return torch.cat(flat, dim=1)


def _widened(x: torch.Tensor) -> torch.Tensor:
    return x.to(_wide(x.dtype))


def _wide(dtype: torch.dtype) -> torch.dtype:
    """Float32 of what is narrower, in which a pixel of a thousand is not a pixel."""
    return torch.promote_types(dtype, torch.float32)


def _judge(spec: Spec, made: Any, groups: Sequence[Group], levels: int) -> None:  # noqa: ANN401
    """Refuse what the module of `spec` does not put out, but for shapes.

    Without groups that is a map of each level; with some for one box an object a pair,
    of which the second is read.
    """
    pair = any(group.one_to_one for group in groups)
    read = {
        group.name: group.levels
        for group in groups
        if group.one_to_one or not (pair and group.levels)
    }
    given = _second(made) if pair else made
    fits = [_are(_named(given, name), count) for name, count in read.items()]
    if not all(fits or [_are(made, levels)]):
        names = " and ".join(read) or "a map"
        many = f" of each of {levels} levels" if any(read.values()) or not read else ""
        raise _other(spec, f"{'a pair of ' * pair}{names}{many}", made)


def _second(made: Any) -> Any:  # noqa: ANN401
    """The second of a pair; None of anything else."""
    return made[1] if isinstance(made, tuple | list) and len(made) == 2 else None  # noqa: PLR2004


def _are(found: Any, levels: int | None) -> bool:  # noqa: ANN401
    """Whether it is a map for each of so many levels, or one map."""
    if levels is None:
        return torch.is_tensor(found)
    several = isinstance(found, tuple | list) and len(found) == levels
    return several and all(map(torch.is_tensor, found))


def _other(spec: Spec, expected: str, made: Any) -> LayerError:  # noqa: ANN401
    """The error of what the module of `spec` does not put out."""
    found = type(made).__name__
    if isinstance(made, dict):
        found = f"{found} of {', '.join(map(str, made)) or 'nothing'}"
    elif isinstance(made, tuple | list):
        found = f"{found} of {len(made)}"
    return LayerError(
        f"decode: expected {expected}, as the module of {spec.name} puts out, got "
        f"{found}"
    )


def _check(spec: Spec, detections: Detections) -> None:
    """Refuse maps that are not those of the network, for its images."""
    low, high = detector_of(spec, "decode")[0].levels
    levels = high - low + 1
    _judge(
        spec, detections, [Group(each, levels) for each in Detections._fields], levels
    )
    expected = list(_shapes(spec))
    pairs = zip(detections.classes, detections.boxes, strict=True)
    found = [(tuple(a.shape[1:]), tuple(b.shape[1:])) for a, b in pairs]
    if found != expected:
        raise LayerError(
            f"decode: expected maps of {_said(expected)} for {spec.name}, got "
            f"{_said(found)}"
        )


def _said(shapes: Sequence[tuple[tuple[int, ...], ...]]) -> str:
    """`12×8×8 and 24×8×8, 12×4×4 and 24×4×4`: class and box maps by level."""
    each = (["×".join(map(str, shape)) for shape in pair] for pair in shapes)
    return ", ".join(starmap("{} and {}".format, each)) or "no level"


def _shapes(spec: Spec) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Shapes of class and box maps by level."""
    neck, heads = detector_of(spec, "decode")
    low, high = neck.levels
    count = heads.anchors.each
    for level in range(low, high + 1):
        size = tuple(ceil(int(side) / 2**level) for side in spec.resolution)
        yield (count * heads.classes, *size), (count * BOX, *size)
