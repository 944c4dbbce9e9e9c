"""A network that learns the digits in seconds, and data that are less than they."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import repeat
from typing import TYPE_CHECKING

import torch

import effscale as es
from effscale.train.batches import Data, View
from effscale.train.devices import ALONE, Share
from effscale.train.recipe import Recipe
from effscale.train.trainer import Training
from tests.train.text import TEXT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from effscale.train.batches import Images


def small() -> es.Spec:
    """Two classes of grey images."""
    return es.loads(TEXT)


@dataclass(frozen=True)
class Shades:
    """Images of one shade: dark ones of class 0, light ones of class 1."""

    count: int
    at_hand: bool = True

    @property
    def labels(self) -> list[int]:
        """Alternating."""
        return [index % 2 for index in range(self.count)]

    def read(
        self, indices: Sequence[int], view: View, draws: Iterator[torch.Generator]
    ) -> torch.Tensor:
        """As `image` has each."""
        shown = map(self.image, indices, repeat(view), draws)
        return torch.stack(list(shown))

    def image(self, index: int, view: View, draws: torch.Generator) -> torch.Tensor:
        """With noise where it is cropped, so that draws matter."""
        shape = view.channels, view.height, view.width
        shade = torch.full(shape, 60 + 120 * (index % 2), dtype=torch.uint8)
        noise = torch.randint(0, 40, shape, generator=draws, dtype=torch.uint8)
        return shade + noise * int(view.crops)


def first(images: Images, view: View, draws: torch.Generator) -> torch.Tensor:
    """The first of them as (channels, height, width) bytes."""
    return images.read([0], view, iter([draws]))[0]


def shades(count: int = 40) -> Data:
    """So many to learn from, ten held out."""
    return Data("shades", ("0", "1"), Shades(count), Shades(10), "apart", str(count))


RECIPE = Recipe(epochs=4, batch=8, lr=0.05)


def training(
    *,
    data: Data | None = None,
    file: Path | None = None,
    until: int | None = None,
    share: Share = ALONE,
    **recipe: object,
) -> Training:
    """One of twenty steps, five an epoch."""
    asked = replace(RECIPE, **recipe)  # type: ignore[arg-type]
    return Training(
        small(), data or shades(), asked, file=file, until=until, share=share
    )


def weights(trained: Training) -> dict[str, torch.Tensor]:
    """Those learnt and those averaged."""
    parts = {"net": trained.net, "average": trained.average.module}
    return {
        f"{part}.{name}": each
        for part, module in parts.items()
        for name, each in module.state_dict().items()
    }
