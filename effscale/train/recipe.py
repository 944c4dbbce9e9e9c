"""A training's recipe: all that its outcome depends on, beside network and data."""

from __future__ import annotations

import math
import platform
from dataclasses import dataclass
from hashlib import blake2b
from importlib import import_module
from typing import Literal, TypeAlias

import torch

from effscale.errors import TrainError
from effscale.version import VERSION

Precision: TypeAlias = Literal["float32", "bfloat16"]

#: Learning rate for each image of a batch: 0.4 for 256 (pycls, configs/dds_baselines/
#: effnet/EN-B0_dds_8gpu.yaml), in proportion (Goyal et al. 2017, arXiv:1706.02677).
RATE_PER_IMAGE = 0.4 / 256

#: Strength of RandAugment unless another is named (Cubuk et al. 2019,
#: arXiv:1909.13719, section 4.3), and the most there is.
STRENGTH, STRONGEST = 9, 29


@dataclass(frozen=True)
class Recipe:
    """A training by gradient descent with Nesterov momentum, cosine schedule and EMA.

    Smoothing is that of Tan & Le 2019 (label_smoothing in tpu/models/official/
    efficientnet/main.py), as are the weight decay and its not being applied to batch
    norm, and the average's decay; momentum is that of pycls.
    """

    epochs: int
    batch: int
    lr: float  #: at its peak
    seed: int = 0
    augment: str = "plain"
    precision: Precision = "float32"
    smoothing: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-5
    average: float = 0.9999  #: decay of the averaged weights, once there are many
    warmup: float = 0.05  #: share of the steps


def strength(augment: str) -> int | None:
    """Of RandAugment in `rand` or `rand:15`; None of `none` and `plain`.

    Raises:
        ValueError: if it is none of these.
    """
    name, colon, number = augment.partition(":")
    if name in {"none", "plain"} and not colon:
        return None
    given = number if colon else str(STRENGTH)
    if name != "rand" or not given.isdecimal() or not 1 <= int(given) <= STRONGEST:
        raise ValueError(f"none, plain, rand, or rand:1 to rand:{STRONGEST}")
    return int(given)


def learning_rate(step: int, steps: int, warmup: int, peak: float) -> float:
    """The learning rate of a step of `steps`, counted from 0.

    Rises in equal steps to `peak` at the last of `warmup` steps, then falls along half
    a cosine, which would be at 0 one step after the last.

    Source: Loshchilov & Hutter 2017, arXiv:1608.03983, equation 5, without restarts;
    the warm-up of Goyal et al. 2017, arXiv:1706.02677, section 2.2.
    """
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2


def average_decay(updates: int, limit: float) -> float:
    """How much of an average of weights stays at this update, counted from 0.

    (1 + n) / (10 + n) up to `limit`: a short training is averaged over its last tenth,
    a long one as `limit` has it. Without that, a few hundred steps would still
    remember the weights they began with.

    Source: tf.train.ExponentialMovingAverage with num_updates, which
    tpu/models/official/efficientnet/main.py uses.
    """
    return min(limit, (1 + updates) / (10 + updates))


def seed(*purpose: int | str) -> int:
    """A seed of 63 bits for what is drawn for this purpose alone.

    So nothing drawn depends on what was drawn before it, and a training that resumes
    needs the state of no generator: the draws of a step are seeded by the step, those
    of an image by epoch and image. They are the same by however many processes images
    are read.
    """
    digest = blake2b(repr(purpose).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def device_of(name: str) -> torch.device:
    """The device of that name; `auto` is CUDA where there is one.

    Raises:
        TrainError: if there is no such device.
    """
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda" if found else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= found:
        known = " or ".join(["cpu", *(f"cuda:{k}" for k in range(found))])
        raise TrainError(f"device: expected {known} on this machine, got {name!r}")
    return device


def precision_of(name: str, device: torch.device) -> Precision:
    """The precision of that name; `auto` is bfloat16 where CUDA computes in it.

    (float16 would need its losses scaled, and is nowhere faster than bfloat16.)
    """
    if name == "auto":
        native = device.type == "cuda" and torch.cuda.is_bf16_supported(
            including_emulation=False
        )
        return "bfloat16" if native else "float32"
    return "bfloat16" if name == "bfloat16" else "float32"


def use_threads(number: int | None) -> None:
    if number is not None:
        torch.set_num_threads(number)


def standard_error(share: float, images: int) -> float:
    """How far a share of so many images is from that of all there could be.

    √(p(1−p)/n), the binomial's.
    """
    return math.sqrt(share * (1 - share) / images)


def device_name(device: torch.device) -> str:
    """`cpu`, or `cuda:0` and what it is."""
    if device.type != "cuda":
        return str(device)
    return f"{device} ({torch.cuda.get_device_name(device)})"


def versions(augment: str) -> dict[str, str]:
    found = {
        "effscale": VERSION,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    if strength(augment) is not None:
        found["kornia"] = import_module("kornia").__version__
    return found
