"""A training's recipe: what its outcome depends on, beside the network and the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

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
