"""A training's recipe: all that its outcome depends on, beside network and data."""

from __future__ import annotations

import math
import platform
from collections import Counter
from dataclasses import dataclass
from hashlib import blake2b
from importlib import import_module
from typing import TYPE_CHECKING, Literal, TypeAlias

import torch

from effscale.errors import TrainError
from effscale.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

Precision: TypeAlias = Literal["float32", "bfloat16"]
#: Means and standard deviations of pixels, one for all channels or one for each.
Normalisation: TypeAlias = tuple[tuple[float, ...], tuple[float, ...]]
Optimizer: TypeAlias = Literal["sgd", "adamw", "rmsprop"]

#: Channels of an image that is not grey.
COLOURS = 3

#: Learning rate for each image of a batch: 0.4 for 256 (pycls, configs/dds_baselines/
#: effnet/EN-B0_dds_8gpu.yaml), in proportion (Goyal et al. 2017, arXiv:1706.02677).
RATE_PER_IMAGE = 0.4 / 256

#: The same of RMSprop (base_learning_rate, tpu/models/official/efficientnet/main.py).
RMSPROP_RATE_PER_IMAGE = 0.016 / 256
#: torch's own of AdamW, whatever the batch.
ADAMW_RATE = 1e-3
#: Decay of RMSprop's squares, and its ε, which TensorFlow has under the root, as 0.001
#: (alpha and eps in references/classification/train.py of torchvision).
RMSPROP = 0.9, 0.0316
#: AdamW's weight decay, which it multiplies with the learning rate (Liu et al. 2022,
#: arXiv:2201.03545, table 5); that of the others is Tan & Le's.
ADAMW_DECAY, DECAY = 0.05, 1e-5

#: Images to learn from that batch norm's statistics are estimated from: a tenth, but at
#: least and at most so many. (On digits 512 are within half a point of all. pycls takes
#: 8192 of ImageNet's: BN.NUM_SAMPLES_PRECISE, pycls/core/config.py.)
LEAST, MOST = 512, 8192
#: And the least that is normalised together: of 16 together, whose statistics are not
#: those of all, mobilenetv3-small at 32 pixels loses 7 points on digits.
TOGETHER = 64

#: Steps below which a training is said to be short: that many are two of ImageNet's
#: epochs in batches of 8192, and figures of fewer tell of how it began.
FEW_STEPS = 300

#: Strength of RandAugment unless another is named (Cubuk et al. 2019,
#: arXiv:1909.13719, section 4.3), and the most there is.
STRENGTH, STRONGEST = 9, 29


@dataclass(frozen=True)
class Recipe:
    """A training by one of torch's optimizers, with cosine schedule and EMA.

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
    weight_decay: float = DECAY
    average: float = 0.9999  #: decay of the averaged weights, once there are many
    warmup: float = 0.05  #: share of the steps
    optimizer: Optimizer = "sgd"
    normalize: str = "half"
    crop: float = 0.08  #: the least share of a photograph's area that is shown
    mirror: bool | None = None  #: None: photographs are, small images are not
    mixup: float = 0.0  #: α of Beta(α, α), by which two images are mixed
    erase: float = 0.0  #: probability that a part of an image is made black
    #: Parts whose weights stay: paths, or `backbone`, all but the classifier.
    freeze: tuple[str, ...] = ()
    lr_backbone: float = 1.0  #: of the learning rate, for all but the classifier


def peak_rate(optimizer: Optimizer, batch: int) -> float:
    """The learning rate at its peak, unless another is asked for."""
    if optimizer == "adamw":
        return ADAMW_RATE
    return batch * (RATE_PER_IMAGE if optimizer == "sgd" else RMSPROP_RATE_PER_IMAGE)


def decay_of(optimizer: Optimizer) -> float:
    """The weight decay that goes with the optimizer."""
    return ADAMW_DECAY if optimizer == "adamw" else DECAY


def statistics_batches(images: int, batch: int) -> tuple[int, int]:
    """How many batches of how many images statistics are estimated from."""
    size = min(max(batch, TOGETHER), images)
    wanted = min(max(LEAST, images // 10), MOST, images)
    return max(wanted // size, 1), size


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


def normalisation(words: str) -> Normalisation:
    """Means and deviations by `half`, `imagenet`, or as `0.13/0.31`, one or three each.

    Of pixels from 0 to 1. Half makes these -1 to 1; ImageNet's are those of torchvision
    (references/classification/presets.py).

    Raises:
        ValueError: if it is none of these.
    """
    if words == "half":
        return (0.5,), (0.5,)
    if words == "imagenet":
        return (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    expected = (
        "half, imagenet, or MEAN/STD such as 0.13/0.31 or 0.5,0.4,0.4/0.2,0.2,0.2"
    )
    means, slash, deviations = words.partition("/")
    try:
        mean = tuple(float(each) for each in means.split(","))
        deviation = tuple(float(each) for each in deviations.split(","))
    except ValueError:
        raise ValueError(expected) from None
    lengths = {len(mean), len(deviation)}
    good = all(0 <= each <= 1 for each in mean) and all(0 < d <= 1 for d in deviation)
    if not slash or not lengths <= {1, COLOURS} or not good:
        raise ValueError(expected)
    return mean, deviation


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

    The first is a copy, as AveragedModel of torch begins.

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


def use_threads(number: int | None, processes: int = 1) -> int:
    """Compute by so many threads of the CPU, or torch's own choice; how many it is.

    Of torch's choice each of several processes has its part.
    """
    if number is None and processes > 1:
        number = max(1, torch.get_num_threads() // processes)
    if number is not None:
        torch.set_num_threads(number)
    return torch.get_num_threads()


def standard_error(share: float, images: int) -> float:
    """How far a share of so many images is from that of all there could be.

    √(p(1−p)/n), the binomial's.
    """
    return math.sqrt(share * (1 - share) / images)


def chance(labels: Sequence[int]) -> float:
    """The share of the most frequent class, which takes no look at the images."""
    return max(Counter(labels).values()) / len(labels)


def is_chance(share: float, labels: Sequence[int]) -> bool:
    """Whether a share of right answers is what chance comes to, within two errors."""
    expected = chance(labels)
    return share <= expected + 2 * standard_error(expected, len(labels))


def device_name(device: torch.device) -> str:
    """`cpu`, or `cuda:0` and what it is."""
    if device.type != "cuda":
        return str(device)
    return f"{device} ({torch.cuda.get_device_name(device)})"


def versions(recipe: Recipe) -> dict[str, str]:
    found = {
        "effscale": VERSION,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    if strength(recipe.augment) is not None or recipe.erase:
        found["kornia"] = import_module("kornia").__version__
    return found
