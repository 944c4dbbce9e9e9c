"""The boxes that a detector's predictions are relative to."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

import torch

from effscale.errors import LayerError

if TYPE_CHECKING:
    from effscale.spec.models import Spec
    from effscale.spec.neck import Heads, Neck


def detector_of(spec: Spec, asked: str) -> tuple[Neck, Heads]:
    """The neck and the heads of a detector.

    Raises:
        LayerError: if `spec` is none, naming what was asked of it.
    """
    if not spec.detector:
        raise LayerError(f"{asked}: expected a detector, got {spec.name}")
    return spec.detector


def anchors(
    spec: Spec,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
) -> tuple[torch.Tensor, ...]:
    """The anchors of a detector by level: (height·width·A, 4), y1 x1 y2 x2 in pixels.

    Row by row of the level's positions; at each position by scale, then by ratio, as
    the channels of `Detections` are ordered. An anchor is centred in its position's
    part of the image, its size scale · 2^(k/scales) times the level's stride, its width
    over its height the ratio; it may reach beyond the image. They are EfficientDet's,
    for RetinaNet too: torchvision's are centred at corners and go by ratio first.

    Raises:
        LayerError: if `spec` is no detector.
    Source: automl/efficientdet/tf2/anchors.py (`_generate_boxes`).
    """
    neck, heads = detector_of(spec, "anchors")
    given, (low, high) = heads.anchors, neck.levels
    height, width = (int(side) for side in spec.resolution)
    found = []
    for level in range(low, high + 1):
        rows, columns = ceil(height / 2**level), ceil(width / 2**level)
        down, across = height / rows, width / columns
        y = (torch.arange(rows, dtype=torch.float64) + 0.5) * down
        x = (torch.arange(columns, dtype=torch.float64) + 0.5) * across
        halves = torch.tensor(
            [(high * down / 2, wide * across / 2) for high, wide in given.sizes],
            dtype=torch.float64,
        )
        centres = torch.stack(torch.meshgrid(y, x, indexing="ij"), dim=-1)
        centre = centres.reshape(-1, 1, 2)
        boxes = torch.cat([centre - halves, centre + halves], dim=-1)
        found.append(boxes.reshape(-1, 4).to(device, dtype))
    return tuple(found)
