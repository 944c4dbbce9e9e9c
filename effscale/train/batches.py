"""Batches of labelled images: their order, their reading, their augmentation."""

from __future__ import annotations

import signal
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

import torch
from torch.utils.data import DataLoader, Dataset

from effscale.errors import DataError, TrainError
from effscale.train.recipe import COLOURS, STRENGTH, seed, strength

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

#: Bytes of (N, channels, height, width) images, and the (N,) classes they show.
Batch: TypeAlias = tuple[torch.Tensor, torch.Tensor]
#: Which image to read, and in which epoch.
Ask: TypeAlias = tuple[int, int]

#: RandAugment's operations for each image (Cubuk et al. 2019, arXiv:1909.13719,
#: section 4.3).
OPERATIONS = 2
#: Images that share their operations: kornia draws them once a call.
TOGETHER = 8


@dataclass(frozen=True)
class View:
    """What a network sees of an image: its channels, 1 or 3, and pixels."""

    channels: int
    height: int
    width: int
    crops: bool = False  #: another part of a photograph, mirrored or not, each time
    least: float = 0.08  #: share of a photograph's area that is shown of it
    mirror: bool | None = None  #: None: photographs are, small images are not


class Images(Protocol):
    """Some images of a data set."""

    @property
    def labels(self) -> Sequence[int]:
        """The class of each."""

    @property
    def at_hand(self) -> bool:
        """Whether they are in memory, or must be read and decoded."""

    def read(
        self, indices: Sequence[int], view: View, draws: Iterator[torch.Generator]
    ) -> torch.Tensor:
        """Some of them as (N, channels, height, width) bytes, each by draws of its own.

        Raises:
            DataError: if one cannot be read.
        """


@dataclass(frozen=True)
class Data:
    """A data set in two parts that have no image in common."""

    name: str
    classes: tuple[str, ...]
    train: Images
    validation: Images
    split: str  #: how it was split, for people
    digest: str  #: of what it holds
    notes: tuple[str, ...] = ()  #: what is left out or changed, for people

    def counts(self) -> dict[str, dict[str, int]]:
        """Images of each class, for training and validation."""
        train, held = Counter(self.train.labels), Counter(self.validation.labels)
        return {
            name: {"train": train[k], "validation": held[k]}
            for k, name in enumerate(self.classes)
        }


@dataclass(frozen=True)
class Order:
    """Which images make which batch, for every step of a training from `start` on.

    Each epoch has every image once, in an order of its own, but for the few that do
    not fill a batch.
    """

    images: int
    batch: int
    epochs: int
    seed: int
    start: int = 0

    @property
    def per_epoch(self) -> int:
        return self.images // self.batch

    def __len__(self) -> int:
        return max(0, self.epochs * self.per_epoch - self.start)

    def __iter__(self) -> Iterator[list[Ask]]:
        first, _ = divmod(self.start, self.per_epoch)
        for epoch in range(first, self.epochs):
            draws = torch.Generator().manual_seed(seed(self.seed, "order", epoch))
            order: list[int] = torch.randperm(self.images, generator=draws).tolist()
            begin = max(self.start - epoch * self.per_epoch, 0)
            for index in range(begin, self.per_epoch):
                chosen = order[index * self.batch : (index + 1) * self.batch]
                yield [(epoch, image) for image in chosen]


def in_turn(images: int, batch: int) -> list[list[Ask]]:
    """Every image once, as they come; the last batch may be smaller."""
    every = [(0, index) for index in range(images)]
    return [every[first : first + batch] for first in range(0, images, batch)]


class _Reader(Dataset["Batch | DataError"]):
    """Reads whole batches; what cannot be read comes back as the error that says so.

    (An error raised in a process of its own would come with that process's traceback.)
    """

    def __init__(self, images: Images, view: View, base: int) -> None:
        self.images, self.view, self.base = images, view, base

    def __getitem__(self, asks: Sequence[Ask]) -> Batch | DataError:
        draws = (
            torch.Generator().manual_seed(seed(self.base, "image", epoch, index))
            for epoch, index in asks
        )
        indices = [index for _, index in asks]
        try:
            read = self.images.read(indices, self.view, draws)
        except DataError as error:
            return error
        return read, torch.tensor([self.images.labels[index] for index in indices])


def _in_process(_number: int) -> None:
    """Let a process that reads end as processes do, whoever started it listens to."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def batches(  # noqa: PLR0913 - what to read, in what order, and how
    images: Images,
    view: View,
    order: Iterable[list[Ask]],
    *,
    base: int,
    workers: int,
    pinned: bool = False,
) -> Iterator[Batch]:
    """The batches of `order`; `base` is the seed of what is drawn in reading them.

    With `workers`, as many processes read ahead.

    Raises:
        DataError: if an image cannot be read.
    """
    loader = DataLoader(
        _Reader(images, view, base),
        batch_size=None,  # it reads whole ones
        sampler=order,
        num_workers=0 if images.at_hand else workers,
        worker_init_fn=_in_process,
        pin_memory=pinned,
    )
    for batch in loader:
        if isinstance(batch, DataError):
            raise batch
        yield batch[0], batch[1]


def augmentation(
    augment: str, erase: float = 0.0
) -> Callable[[torch.Tensor], torch.Tensor]:
    """RandAugment of (N, C, H, W) images from 0 to 1, by torch's own random draws.

    And parts of them erased (Zhong et al. 2017, arXiv:1708.04896). By kornia, which the
    extra `train` brings.

    Raises:
        TrainError: if kornia is not installed.
    """
    magnitude = strength(augment)
    if magnitude is None and not erase:
        return lambda images: images
    try:
        from kornia.augmentation import RandomErasing
        from kornia.augmentation.auto import RandAugment
    except ImportError:
        hint = "pip install 'effscale[train]', or --augment plain"
        words = f"augment: {augment}" if magnitude else f"erase: {erase:g}"
        raise TrainError(f"{words} needs kornia; {hint}") from None
    eraser = RandomErasing(p=erase)
    operations = RandAugment(n=OPERATIONS, m=magnitude or STRENGTH)

    def augmented(images: torch.Tensor) -> torch.Tensor:
        changed = images if magnitude is None else randomly(images)
        erased: torch.Tensor = eraser(changed) if erase else changed
        return erased

    def randomly(images: torch.Tensor) -> torch.Tensor:
        grey = images.shape[1] != COLOURS
        coloured = images.expand(-1, COLOURS, -1, -1) if grey else images
        parts = [operations(part) for part in coloured.split(TOGETHER)]
        result = torch.cat(parts).clamp(0, 1)
        return result[:, :1] if grey else result

    return augmented
