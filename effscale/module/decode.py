"""Boxes in pixels of what a detector puts out."""

from __future__ import annotations

from itertools import starmap
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn

from effscale.errors import LayerError
from effscale.module.anchors import anchors, detector_of
from effscale.spec.neck import BOX

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from effscale.module.build import Detections
    from effscale.spec.models import Spec


#: Pairs of a box and a class among which those that overlap are left out.
MANY = 1000
#: Below every score: of boxes that are taken, or left out.
_GONE = -1.0


class Found(NamedTuple):
    """The best of `Decoded`, best first; K pairs of an anchor and a class."""

    boxes: torch.Tensor  #: (N, K, 4), as in `Decoded`
    scores: torch.Tensor  #: (N, K)
    classes: torch.Tensor  #: (N, K), counted from 0
    levels: torch.Tensor  #: (N, K): 3 is P3


class Decoded(NamedTuple):
    """A box of each of K anchors, in the order of `effscale.anchors`, lowest first."""

    boxes: torch.Tensor  #: (N, K, 4): y1 x1 y2 x2 in pixels, some beyond the image
    scores: torch.Tensor  #: (N, K, classes), each from 0 to 1 by itself
    levels: torch.Tensor  #: (K,): 3 is P3

    def best(self, count: int, overlap: float | None = None) -> Found:
        """So many with the highest scores of each image.

        An anchor may come once for each class. All of them, if there are fewer. With
        `overlap` those are left out that a better one of their class overlaps by more
        (intersection over union), of the best thousand; where none is left, scores are
        0 and so are boxes.
        """
        rows, scores, classes = _best(self.scores, count if overlap is None else MANY)
        boxes = _of_rows(self.boxes, rows)
        if overlap is None:
            return Found(boxes, scores, classes, self.levels[rows])
        kept = apart(boxes, scores, classes, overlap, count)
        return Found(*kept[:3], self.levels[rows.gather(1, kept.rows)])


class Apart(NamedTuple):
    """Boxes of which none overlaps another of its class by much, best first."""

    boxes: torch.Tensor  #: (N, K, 4)
    scores: torch.Tensor  #: (N, K), 0 where there are no more
    classes: torch.Tensor  #: (N, K)
    rows: torch.Tensor  #: (N, K): which they are of those given


def apart(
    boxes: torch.Tensor,
    scores: torch.Tensor,
    classes: torch.Tensor,
    overlap: float,
    count: int,
) -> Apart:
    """The best, without those that a better one of their class overlaps by more.

    Non-maximum suppression one by one, by operators that every format has, of (N, K, 4)
    boxes, (N, K) scores and (N, K) classes: of equal scores the first is better.
    """
    among = boxes.shape[1]
    same = classes[:, :, None] == classes[:, None, :]
    rivals = (_overlaps(boxes) > overlap) & same
    left, rows, kept = scores, [], []
    for _ in range(min(count, among)):
        best = left.argmax(1, keepdim=True)
        rows.append(best)
        kept.append(left.gather(1, best))
        gone = rivals.gather(1, best[..., None].expand(-1, -1, among))[:, 0]
        left = left.masked_fill(gone, _GONE).scatter(1, best, _GONE)
    chosen, found = torch.cat(rows, 1), torch.cat(kept, 1).clamp(min=0)
    there = (found > 0)[..., None]
    return Apart(
        _of_rows(boxes, chosen) * there, found, classes.gather(1, chosen), chosen
    )


def _overlaps(boxes: torch.Tensor) -> torch.Tensor:
    """Intersection over union of each pair, (N, K, K); nan of two without an area."""
    low, high = boxes[..., :2], boxes[..., 2:]
    areas = (high - low).prod(-1)
    begin = torch.maximum(low[:, :, None], low[:, None])
    end = torch.minimum(high[:, :, None], high[:, None])
    both = (end - begin).clamp(min=0).prod(-1)
    return both / (areas[:, :, None] + areas[:, None] - both)


def _best(
    scores: torch.Tensor, count: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Anchors, scores and classes of the best pairs of both, of (N, K, classes)."""
    classes = scores.shape[-1]
    flat = scores.flatten(1)
    best, pairs = flat.topk(min(count, flat.shape[1]))
    return pairs // classes, best, pairs % classes


def _of_rows(boxes: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    return boxes.gather(1, rows[..., None].expand(-1, -1, BOX))


def decode(spec: Spec, detections: Detections) -> Decoded:
    """The boxes in pixels of what the network of `spec` puts out.

    A level has (N, A·classes, height, width) logits and (N, A·4, height, width) codes;
    of A anchors at a position the first has the first channels, by scale, then by
    ratio. Logits are for a sigmoid each: classes do not exclude each other, and none is
    the background. A code is (ty, tx, th, tw) relative to its anchor: the centre lies
    ty of the anchor's heights below its centre and tx of its widths right of it, and
    the box is e^th of its heights high and e^tw of its widths wide. What is narrower
    than float32 is decoded in float32.

    Raises:
        LayerError: if `spec` is no detector, or puts out maps of other shapes.
    Source: `decode_box_outputs` of automl/efficientdet/tf2/anchors.py, and of
    effdet/anchors.py; weights of other libraries may have other codes.
    """
    _check(spec, detections)
    device, dtype = detections.boxes[0].device, _wide(detections.boxes[0].dtype)
    boxes = anchors(spec, device=device, dtype=dtype)
    neck, heads = detector_of(spec, "decode")
    found = _decoded(detections, torch.cat(boxes), heads.classes)
    low, _ = neck.levels
    levels = [torch.full((len(each),), low + k) for k, each in enumerate(boxes)]
    return Decoded(*found, torch.cat(levels).to(device))


class Decoding(nn.Module):
    """A detector that puts out boxes in pixels, and scores; for one size of images."""

    def __init__(self, spec: Spec, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.classes = detector_of(spec, "decode")[1].classes
        self.register_buffer("anchors", torch.cat(anchors(spec)), persistent=False)

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """`boxes` and `scores`, as `Decoded` has them."""
        given: torch.Tensor = self.get_buffer("anchors")
        boxes, scores = _decoded(self.network(images), given, self.classes)
        return {"boxes": boxes, "scores": scores}


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


def _wide(dtype: torch.dtype) -> torch.dtype:
    """Float32 of what is narrower, in which a pixel of a thousand is not a pixel."""
    return torch.promote_types(dtype, torch.float32)


def _check(spec: Spec, detections: Detections) -> None:
    """Refuse maps that are not those of the network, for its images."""
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
