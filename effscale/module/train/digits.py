"""1797 handwritten digits of 8×8 pixels, which come with the package.

E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine
Learning Repository, 1998: the test set, as scikit-learn ships it (digits.csv.gz).
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from effscale.module.train.data import Data

if TYPE_CHECKING:
    from effscale.module.train.data import View

FILE = Path(__file__).with_name("digits.csv.gz")
SIDE, CLASSES = 8, 10
DARKEST = 16
#: Of each class, every fifth digit is held out.
FOLD = 5


@dataclass(frozen=True, eq=False)
class Digits:
    """Some of the digits."""

    pixels: torch.Tensor  #: (N, 1, 8, 8), from 0 to 1
    classes: torch.Tensor
    at_hand: bool = True

    @cached_property
    def labels(self) -> list[int]:
        """The digit that each shows."""
        return list(map(int, self.classes.tolist()))

    def image(self, index: int, view: View, draws: torch.Generator) -> torch.Tensor:
        """The digit enlarged by interpolation; a crop would not show it."""
        del draws
        grey = _enlarged(self, view.height, view.width)[index]
        return grey.expand(view.channels, -1, -1)


@lru_cache(maxsize=2)  # of those to learn from, and those held out
def _enlarged(digits: Digits, height: int, width: int) -> torch.Tensor:
    """All of them as (N, 1, height, width) bytes."""
    size = height, width
    large = functional.interpolate(digits.pixels, size, mode="bilinear", antialias=True)
    return large.mul_(255).round_().clamp_(0, 255).byte()


def digits() -> Data:
    """The digits, always split alike: of each class, every fifth is held out."""
    packed = FILE.read_bytes()
    with gzip.open(FILE, "rt", encoding="ascii") as lines:
        table = torch.from_numpy(np.loadtxt(lines, np.uint8, delimiter=","))
    pixels = table[:, :-1].reshape(-1, 1, SIDE, SIDE).float() / DARKEST
    classes = table[:, -1].long()
    counted = functional.one_hot(classes, CLASSES).cumsum(0)
    rank = counted.gather(1, classes[:, None])[:, 0] - 1  # within its class
    held = rank % FOLD == FOLD - 1
    return Data(
        name="digits",
        classes=tuple(map(str, range(CLASSES))),
        train=Digits(pixels[~held], classes[~held]),
        held_out=Digits(pixels[held], classes[held]),
        split="of each class, every fifth held out",
        digest=blake2b(packed, digest_size=8).hexdigest(),
    )
