"""Labelled images, whatever they come from, and how they are shown to a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch


@dataclass(frozen=True)
class View:
    """What a network sees of an image: its channels, 1 or 3, and pixels."""

    channels: int
    height: int
    width: int
    crops: bool = False  #: another part of a photograph, mirrored or not, each time


class Images(Protocol):
    """Some images of a data set."""

    @property
    def labels(self) -> Sequence[int]:
        """The class of each."""

    @property
    def at_hand(self) -> bool:
        """Whether they are in memory, or must be read and decoded."""

    def image(self, index: int, view: View, draws: torch.Generator) -> torch.Tensor:
        """One of them as (channels, height, width) bytes.

        Raises:
            DataError: if it cannot be read.
        """


@dataclass(frozen=True)
class Data:
    """A data set in two parts that have no image in common."""

    name: str
    classes: tuple[str, ...]
    train: Images
    held_out: Images
    split: str  #: how it was split, for people
    digest: str  #: of what it holds
