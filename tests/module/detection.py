"""A detector's loss on one synthetic batch: focal, and L1 on boxes, by positives.

Lin et al. 2017, arXiv:1708.02002, equation 5 and section 4: α 0.25, γ 2. It shares no
code with effscale but the anchors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch.nn import functional as F  # noqa: N812 - its usual name

import effscale as es

if TYPE_CHECKING:
    from torch import nn

    from effscale.spec.models import Spec


class Batch(NamedTuple):
    """Images with a bright box each, and what each anchor should say."""

    images: torch.Tensor
    classes: torch.Tensor  #: (N, anchors, classes)
    boxes: torch.Tensor  #: (N, anchors, 4)
    positive: torch.Tensor  #: (N, anchors)


def batch(spec: Spec, boxes: torch.Tensor) -> Batch:
    """An image of noise for each of `boxes`, (N, 4): y1 x1 y2 x2 in pixels.

    Box k is of class k. Anchors that overlap it by half, and the one that does most,
    are positive.
    """
    assert spec.heads is not None
    anchors = torch.cat(es.anchors(spec))
    height, width = map(int, spec.resolution)
    images = torch.randn(len(boxes), 3, height, width)
    classes = torch.zeros(len(boxes), len(anchors), spec.heads.classes)
    for k, (y1, x1, y2, x2) in enumerate(boxes.int().tolist()):
        images[k, k % 3, y1:y2, x1:x2] += 3
    low = torch.maximum(anchors[None, :, :2], boxes[:, None, :2])
    high = torch.minimum(anchors[None, :, 2:], boxes[:, None, 2:])
    common = (high - low).clamp(min=0).prod(-1)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(-1)[:, None]
    overlap = common / (area + (anchors[:, 2:] - anchors[:, :2]).prod(-1) - common)
    positive = (overlap >= 0.5) | (overlap == overlap.amax(1, keepdim=True))
    for k in range(len(boxes)):
        classes[k, positive[k], k] = 1
    sides = anchors[:, 2:] - anchors[:, :2]
    centres, wanted = (
        anchors[:, :2] + sides / 2,
        boxes[:, None, 2:] - boxes[:, None, :2],
    )
    moved = (boxes[:, None, :2] + wanted / 2 - centres) / sides
    return Batch(
        images, classes, torch.cat([moved, (wanted / sides).log()], 2), positive
    )


def focal(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """The focal loss, summed."""
    entropy = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    share = logits.sigmoid()
    missed = share + wanted - 2 * share * wanted
    return ((0.75 - 0.5 * wanted) * missed**2 * entropy).sum()


def flat(maps: tuple[torch.Tensor, ...], each: int) -> torch.Tensor:
    """Maps of (N, A·each, H, W) as one (N, anchors, each), row by row."""
    rows = [x.permute(0, 2, 3, 1).reshape(len(x), -1, each) for x in maps]
    return torch.cat(rows, dim=1)


def loss(net: nn.Module, given: Batch) -> torch.Tensor:
    """By the number of positive anchors."""
    logits, boxes = net(given.images)
    apart = (flat(boxes, 4) - given.boxes).abs().sum(-1)
    total = focal(flat(logits, given.classes.shape[-1]), given.classes)
    found: torch.Tensor = total + (apart * given.positive).sum()
    return found / given.positive.sum()
