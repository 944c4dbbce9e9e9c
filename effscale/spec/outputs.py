"""Outputs of networks, by kind: heads that read lines of `stages` by their names.

A file names its outputs: `outputs: {mask: {kind: segment, reads: p2}}`. A network of
one that classifies has a `head`, which is short for it.
"""

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, get_args

from pydantic import AfterValidator, PlainSerializer, ValidationInfo
from pydantic_core import PydanticCustomError, core_schema

from effscale.arrays import Int, maximum, whole_share
from effscale.errors import Fault
from effscale.spec import values
from effscale.spec.neck import BOX
from effscale.spec.steps import Steps
from effscale.spec.values import (
    MAX_CHANNELS,
    MAX_RESOLUTION,
    Channels,
    Flag,
    InterpolationName,
    Kernel,
    Model,
    Reads,
    Repeats,
    Share,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Classes = Annotated[int, values.whole(1, MAX_CHANNELS)]


def _beside(classifier: Any, info: ValidationInfo) -> Any:  # noqa: ANN401
    """The classifier, if hidden layers and several classifiers go together with it."""
    if classifier == "conv" and info.data.get("hidden") is not None:
        expected = "true or false beside hidden"
        raise PydanticCustomError("kind", "expected {expected}", {"expected": expected})
    if classifier is not True and info.data.get("classifiers", 1) > 1:
        expected = "true beside classifiers"
        raise PydanticCustomError("kind", "expected {expected}", {"expected": expected})
    return classifier


CLASSIFIER = values.Kind(
    "one of true, false, conv",
    lambda: core_schema.union_schema(
        [core_schema.bool_schema(strict=True), core_schema.literal_schema(["conv"])]
    ),
)


class Head(Model):
    """Steps, 1×1 convolution, pooling, hidden layer, dropout, linear; most optional."""

    layers: Steps = ()
    channels: Channels | None = None
    #: Width of a linear layer and an activation before the last one.
    hidden: Channels | None = None
    classes: Classes = 1000
    dropout: Share = 0.0
    #: Whether the linear layer that makes classes has biases.
    bias: Flag = True
    #: Linear layers that make classes, of whose logits the mean is put out.
    classifiers: Annotated[int, values.whole(1, 16)] = 1
    #: Whether a linear layer makes classes of what is pooled, or nothing comes after;
    #: `conv`: a 1×1 convolution and an activation make them before the pool.
    classifier: Annotated[
        bool | Literal["conv"], CLASSIFIER, AfterValidator(_beside)
    ] = True


class Classify(Head):
    """Logits of each class for the image."""

    kind: Literal["classify"]
    #: The line that it reads; left out, the last one.
    reads: Reads = ()


class Segment(Model):
    """Logits of each class for each pixel: 1×1, then to the size of the image."""

    kind: Literal["segment"]
    #: The line that it reads, the last if left out; of several, each tells classes
    #: apart by a 1×1 of its own, and their logits are added.
    reads: Reads = ()
    #: Steps before the convolution that tells classes apart.
    layers: Steps = ()
    classes: Classes = 21
    dropout: Share = 0.0
    #: How a map smaller than the image is brought to its size.
    mode: InterpolationName = "bilinear"


def _as_lists(levels: "Sequence[Sequence[Sequence[float]]]") -> Any:  # noqa: ANN401
    return [[[*each] for each in level] for level in levels]


Size: TypeAlias = tuple[float, float]
Sizes = Annotated[
    tuple[tuple[Size, ...], ...],
    values.by_level(MAX_RESOLUTION),
    PlainSerializer(_as_lists),
]
Points: TypeAlias = tuple[int, int]


def _points() -> core_schema.CoreSchema:
    """A list of a whole number from 1, and 2 or 3."""
    most = core_schema.int_schema(ge=1, le=1024, strict=True)
    each = core_schema.int_schema(ge=2, le=3, strict=True)
    return core_schema.tuple_positional_schema([most, each])


POINTS = values.Kind("[points, 2 or 3 numbers of each]", _points)
Codes = Literal["shifts", "distances"]
Place = Literal["corner", "middle"]


class Boxes(Model):
    """What the four numbers of a box mean, to those who decode them; they cost nothing.

    Source: Ren et al. 2015, arXiv:1506.01497, section 3.1.2, for shifts; Tian et al.
    2019, arXiv:1904.01355, section 3.1, for distances.
    """

    #: `shifts`: of the centre, x and y in sides of the anchor, and logarithms of width
    #: and height over its; `distances` from its centre to the left, top, right and
    #: bottom of the box, in sides of the anchor, those below 0 being 0.
    codes: Annotated[Codes, values.choice(*get_args(Codes))] = "shifts"
    #: What shifts and what logarithms are multiplied by.
    variances: Annotated[
        Size,
        values.number_or_pair(0, 100, "[of shifts, of logarithms]"),
        AfterValidator(values.pair),
        PlainSerializer(list),
    ] = (1.0, 1.0)
    #: Where in its position an anchor is centred.
    centred: Annotated[Place, values.choice(*get_args(Place))] = "middle"
    #: Whether positions are whole pixels apart, rounded down.
    whole_steps: Flag = False
    #: Width and height of each anchor by level, the finest first: pixels, which stay
    #: what they are where the network is scaled, unless they are `relative`.
    sizes: Sizes
    #: Whether sizes are shares of the image's width and height, as in SSD (Liu et al.
    #: 2016, arXiv:1512.02325, section 2.2), which follow its resolution.
    relative: Flag = False


class Detect(Model):
    """Class logits and boxes by level: layers of each, and a convolution that predicts.

    Of anchors, as in RetinaNet and SSDLite, or of one box a position, as in FCOS.
    """

    kind: Literal["detect"]
    #: Lines of the levels, the finest first.
    reads: Reads
    classes: Classes = 80
    #: Boxes that each position of a level tells of.
    anchors: Annotated[int, values.whole(1, 64)] = 1
    #: Steps before the convolution that predicts, of classes and of boxes each.
    layers: Steps = ()
    #: How often the layers are there, one after the other, at any depth of the network.
    repeats: Repeats = 1
    #: Of the convolution that predicts.
    kernel: Kernel = 3
    #: Whether all levels have the same weights, batch norms aside.
    shared: Flag = True
    #: Whether the layers of boxes tell how central a position is, too (Tian et al.
    #: 2019, arXiv:1904.01355, section 3.2).
    centerness: Flag = False
    #: Whether they tell whether there is an object, too (YOLOX).
    objectness: Flag = False
    #: Whether the first class is the background: classes exclude each other then.
    background: Flag = False
    #: What the numbers of a box mean; left out, nobody decodes them.
    boxes: Boxes | None = None
    #: Share of positives that the class head begins with.
    prior: Annotated[float, values.number(0, 1, above=True)] = 0.01

    @property
    def beside(self) -> str | None:
        """What the layers of boxes tell beside them, by its name."""
        if self.objectness:
            return "objectness"
        return "centerness" if self.centerness else None


class Yolo(Model):
    """Class logits and boxes by level: two branches of two 3×3, then 1×1.

    A side of a box is told as its distance from the position, which is the mean of so
    many `bins` (Li et al. 2020, arXiv:2006.04388, section 3.2).
    """

    kind: Literal["yolo"]
    #: Lines of the levels, the finest first.
    reads: Reads
    classes: Classes = 80
    #: Distances whose mean a side of a box is.
    bins: Annotated[int, values.whole(1, 64)] = 16
    #: Whether the class branch has depthwise 3×3 and 1×1 in place of 3×3 (YOLOv10 on).
    separable: Flag = False
    #: Whether the branches are there twice, the second for one box an object (YOLOv10).
    one_to_one: Flag = False
    #: Points of each box, and numbers of each: across, down and, of 3, whether it is
    #: seen (YOLO-pose).
    keypoints: Annotated[Points, POINTS, PlainSerializer(list)] | None = None
    #: Prototypes of masks, made of the finest level at twice its side; each box tells
    #: of how much of each its mask is (YOLO-seg).
    masks: Annotated[int, values.whole(1, 1024)] | None = None
    #: Of the layers that make prototypes.
    channels: Channels | None = None
    #: Whether each box tells how far it is turned about its centre (YOLO-obb).
    angle: Flag = False

    @property
    def beside(self) -> dict[str, int]:
        """How many numbers a box tells beside classes and sides, by what they are."""
        found = {
            "coefficients": self.masks or 0,
            "keypoints": math.prod(self.keypoints) if self.keypoints else 0,
            "angles": int(self.angle),
        }
        return {name: numbers for name, numbers in found.items() if numbers}

    def inside(self, numbers: int, c_first: Int) -> Int:
        """Channels inside a branch of so many numbers, by those of the finest."""
        found: Int = maximum(numbers, whole_share(c_first, 0.25))
        return found

    def widths(self, c_first: Int) -> tuple[Int, Int]:
        """Channels inside a branch of boxes and of classes, by those of the finest."""
        quarter = whole_share(c_first, 0.25)
        boxes = maximum(max(16, BOX * self.bins), quarter)
        return boxes, maximum(min(self.classes, 100), c_first)

    def normed(self, c_in: int, c_first: int) -> "Iterator[int]":
        """Channels of the norms behind a line of so many, the finest having these."""
        yield from map(int, self.widths(c_first))
        for numbers in self.beside.values():
            yield int(self.inside(numbers, c_first))
        if self.masks is not None and self.channels is not None:
            yield from (int(self.channels), self.masks)
        if self.separable:
            yield c_in


class YoloAnchors(Model):
    """Box, objectness and class logits of each anchor by level, by 1×1 (YOLOv3, v5)."""

    kind: Literal["yolo_anchors"]
    #: Lines of the levels, the finest first.
    reads: Reads
    classes: Classes = 80
    #: Anchors at each position.
    anchors: Annotated[int, values.whole(1, 16)] = 3
    #: Width and height of each anchor by level, the finest first, in pixels, which
    #: stay where the network is scaled; left out, nobody decodes its boxes.
    sizes: Sizes | None = None


class Keypoints(Model):
    """A heatmap of each class, sizes and offsets at its peaks: 3×3, then 1×1.

    Source: CenterNet (Zhou, Wang & Krähenbühl 2019, arXiv:1904.07850, section 5).
    """

    kind: Literal["keypoints"]
    #: The line that it reads; left out, the last one.
    reads: Reads = ()
    classes: Classes = 80
    #: Of the 3×3 of each branch.
    channels: Channels = 64


OUTPUTS: dict[str, type[Model]] = {
    "classify": Classify,
    "segment": Segment,
    "detect": Detect,
    "yolo": Yolo,
    "yolo_anchors": YoloAnchors,
    "keypoints": Keypoints,
}


def output_kind(value: Any) -> type[Model] | None:  # noqa: ANN401 - as in a file, or one
    """The class of an output, by its kind; None where it has none."""
    kind = value.get("kind") if isinstance(value, dict) else None
    kind = getattr(value, "kind", kind)
    return OUTPUTS.get(kind) if isinstance(kind, str) else None


AnyOutput = Classify | Segment | Detect | Yolo | YoloAnchors | Keypoints
Output = Annotated[AnyOutput, values.Told(output_kind, OUTPUTS.values)]


def lines_of_output(output: AnyOutput) -> Steps:
    """The steps that it sends through what it reads."""
    return output.layers if isinstance(output, Classify | Segment) else ()


def of_levels(output: AnyOutput) -> bool:
    """Whether it reads a line for each of several levels."""
    return isinstance(output, Detect | Yolo | YoloAnchors)


def sizes(output: AnyOutput) -> Sizes | None:
    """Sides of anchors by level, where they are said."""
    if isinstance(output, Detect):
        return None if output.boxes is None else output.boxes.sizes
    return output.sizes if isinstance(output, YoloAnchors) else None


def faults(output: AnyOutput) -> "Iterator[Fault]":
    """More lines than it can read, or than steps can follow; anchors amiss."""
    if of_levels(output):
        yield from _faults_of_levels(output)
        return
    if len(output.reads) < 2:  # noqa: PLR2004
        return
    if not isinstance(output, Segment):
        message = f"expected one line, got {len(output.reads)}; join them before"
        yield Fault(("reads",), message)
    elif output.layers:
        message = f"expected none of {len(output.reads)} lines, whose logits are added"
        yield Fault(("layers",), message)


def _faults_of_levels(output: AnyOutput) -> "Iterator[Fault]":
    if isinstance(output, Yolo) and (output.masks is None) != (output.channels is None):
        said, missing = "masks", "channels"
        if output.masks is None:
            said, missing = missing, said
        yield Fault((said,), f"expected {missing} beside it, got none")
    if isinstance(output, Detect):
        if output.objectness and output.centerness:
            yield Fault(("centerness",), "expected false beside objectness, got true")
        if output.background and output.classes < 2:  # noqa: PLR2004
            message = f"expected 2 or more beside background, got {output.classes}"
            yield Fault(("classes",), message)
    given = sizes(output)
    if given is None or not isinstance(output, Detect | YoloAnchors):
        return
    place = ("boxes", "sizes") if isinstance(output, Detect) else ("sizes",)
    if len(given) != len(output.reads):
        message = f"expected one list for each of {len(output.reads)} levels"
        yield Fault(place, f"{message}, got {len(given)}")
    relative = isinstance(output, Detect) and output.boxes and output.boxes.relative
    for level, each in enumerate(given):
        if relative and (largest := max(map(max, each))) > 1:
            message = f"expected shares of the image, at most 1, got {largest:g}"
            yield Fault((*place, level), message)
        if len(each) != output.anchors:
            message = f"expected {output.anchors} (anchors), got {len(each)}"
            yield Fault((*place, level), message)
