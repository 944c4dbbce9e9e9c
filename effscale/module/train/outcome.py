"""What a training came to, as plain data."""

from __future__ import annotations

import math
import platform
from dataclasses import asdict
from importlib import import_module
from typing import TYPE_CHECKING, Any

import torch

from effscale.module.train.recipe import strength
from effscale.module.train.sources import classes_of
from effscale.version import VERSION

if TYPE_CHECKING:
    from effscale.module.train.trainer import Training


def outcome(training: Training) -> dict[str, Any]:
    """The accuracy and all that it depends on, under the keys that JSON promises.

    Accuracy is that of the averaged weights at the end, not the best on the way: that
    would have been chosen by the very images it is measured on.
    """
    data, recipe = training.data, training.recipe
    last, held_out = training.history[-1], len(data.held_out.labels)
    return {
        "accuracy": last.accuracy,
        "classes": classes_of(training.spec),
        "standard_error": standard_error(last.accuracy, held_out),
        "loss": last.held_out_loss,
        **asdict(recipe),
        "steps": training.steps,
        "images_per_second": round(training.images_per_second, 1),
        "seconds": round(training.seconds, 3),
        "data": {
            "name": data.name,
            "classes": len(data.classes),
            "train": len(data.train.labels),
            "held_out": held_out,
            "split": data.split,
            "digest": data.digest,
        },
        "device": _device(training.device),
        "threads": torch.get_num_threads(),
        "checkpoint": None if training.file is None else str(training.file),
        "versions": _versions(recipe.augment),
        "history": [asdict(each) for each in training.history],
    }


def standard_error(share: float, images: int) -> float:
    """How far a share of so many images is from that of all there could be.

    √(p(1−p)/n), the binomial's.
    """
    return math.sqrt(share * (1 - share) / images)


def _device(device: torch.device) -> str:
    name = str(device)
    return (
        f"{name} ({torch.cuda.get_device_name(device)})"
        if device.type == "cuda"
        else name
    )


def _versions(augment: str) -> dict[str, str]:
    found = {
        "effscale": VERSION,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    if strength(augment) is not None:
        found["kornia"] = import_module("kornia").__version__
    return found
