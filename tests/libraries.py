"""Libraries whose networks ours are compared with; who has none skips."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

if TYPE_CHECKING:
    from types import ModuleType

_BOXES = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def library(name: str) -> ModuleType:
    """The module of that name, for an importing test, or else a skipped one.

    torchvision's own operators may be of another torch; that they are declared is all
    that its networks need.
    """
    for each in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, each):
            torch.library.define(f"torchvision::{each}", _BOXES)
    found: ModuleType = pytest.importorskip(name)
    return found
