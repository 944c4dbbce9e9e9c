"""RandAugment, by kornia (extra `train`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from effscale.errors import TrainError
from effscale.module.train.recipe import strength

if TYPE_CHECKING:
    from collections.abc import Callable

#: Operations for each image (Cubuk et al. 2019, arXiv:1909.13719, section 4.3).
OPERATIONS = 2
#: Images that share their operations: kornia draws them once a call.
TOGETHER = 8
RGB = 3


def augmentation(augment: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """What is made of (N, C, H, W) images from 0 to 1 by torch's own random draws.

    Raises:
        TrainError: if kornia is not installed.
    """
    magnitude = strength(augment)
    if magnitude is None:
        return lambda images: images
    try:
        from kornia.augmentation.auto import RandAugment
    except ImportError:
        hint = "pip install 'effscale[train]', or --augment plain"
        raise TrainError(f"augment: {augment} needs kornia; {hint}") from None
    operations = RandAugment(n=OPERATIONS, m=magnitude)

    def augmented(images: torch.Tensor) -> torch.Tensor:
        grey = images.shape[1] != RGB
        coloured = images.expand(-1, RGB, -1, -1) if grey else images
        parts = [operations(part) for part in coloured.split(TOGETHER)]
        result = torch.cat(parts).clamp(0, 1)
        return result[:, :1] if grey else result

    return augmented
