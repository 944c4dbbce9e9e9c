"""Whether a network can be trained on images at all, and here."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from effscale.errors import TrainError
from effscale.module.train.data import View

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from effscale.spec.models import Spec

#: Channels that an image can be made to have.
GREY, COLOURS = 1, 3


def view_of(spec: Spec) -> View:
    """The images that `spec` is for.

    Raises:
        TrainError: if they are not grey or coloured ones.
    """
    channels, (height, width) = int(spec.image_channels), spec.resolution
    if channels not in {GREY, COLOURS}:
        expected = f"expected {GREY} or {COLOURS} to train on images"
        raise TrainError(f"{spec.name}: image_channels: {expected}, got {channels}")
    return View(channels, int(height), int(width))


@torch.inference_mode()
def check_output(net: nn.Module, name: str, view: View) -> None:
    """Refuse a network that puts out anything but a number for each class.

    Raises:
        TrainError: if it does, or one image is more than memory holds.
    """
    like = next(net.parameters())
    image = torch.zeros(1, view.channels, view.height, view.width, device=like.device)
    with memory(1):
        logits = net.eval()(image)
    shape = tuple(logits.shape) if isinstance(logits, torch.Tensor) else ()
    if len(shape) != 2:  # noqa: PLR2004 - images and classes
        what = f"a tensor of {shape}" if shape else f"a {type(logits).__name__}"
        expected = "expected a network that puts out a number for each class"
        raise TrainError(f"{name}: {expected}, got {what}")


@contextmanager
def memory(batch: int) -> Iterator[None]:
    """Say in a line that memory ran out, instead of in torch's many.

    Raises:
        TrainError: if it does.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        whose = "the device"
    except RuntimeError as error:
        if "can't allocate memory" not in str(error):
            raise
        whose = "this machine"
    else:
        return
    raise TrainError(f"batch: {batch} images take more memory than {whose} has")
