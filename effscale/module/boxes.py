"""Boxes by their scores: the best of them, and those that no better one overlaps.

All of it is of operators that every format of an export has.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

#: Below every score: of boxes that are taken, or left out.
_GONE = -1.0


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
    rivals = (overlaps(boxes) > overlap) & same
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
        of_rows(boxes, chosen) * there, found, classes.gather(1, chosen), chosen
    )


def overlaps(boxes: torch.Tensor) -> torch.Tensor:
    """Intersection over union of each pair, (N, K, K); nan of two without an area."""
    low, high = boxes[..., :2], boxes[..., 2:]
    areas = (high - low).prod(-1)
    begin = torch.maximum(low[:, :, None], low[:, None])
    end = torch.minimum(high[:, :, None], high[:, None])
    both = (end - begin).clamp(min=0).prod(-1)
    return both / (areas[:, :, None] + areas[:, None] - both)


def best_pairs(
    scores: torch.Tensor, count: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Anchors, scores and classes of the best pairs of both, of (N, K, classes)."""
    classes = scores.shape[-1]
    flat = scores.flatten(1)
    best, pairs = flat.topk(min(count, flat.shape[1]))
    return pairs // classes, best, pairs % classes


def of_rows(told: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """What is told, (N, K, …), of those rows."""
    each = told.flatten(2) if told.dim() > 2 else told[..., None]  # noqa: PLR2004
    found = each.gather(1, rows[..., None].expand(-1, -1, each.shape[-1]))
    return found.unflatten(2, told.shape[2:]) if told.dim() > 2 else found[..., 0]  # noqa: PLR2004
