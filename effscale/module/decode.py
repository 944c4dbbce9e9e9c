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

    def best(self, count: int) -> Found:
        """So many with the highest scores of each image; none is suppressed.

        An anchor may come once for each class. All of them, if there are fewer.
        """
        classes = self.scores.shape[-1]
        flat = self.scores.flatten(1)
        scores, pairs = flat.topk(min(count, flat.shape[1]))
        rows = pairs // classes
        boxes = self.boxes.gather(1, rows[..., None].expand(-1, -1, BOX))
        return Found(boxes, scores, pairs % classes, self.levels[rows])


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
