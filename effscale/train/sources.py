"""Data sets by name or folder, and the networks that can be trained on them."""

from __future__ import annotations

import gzip
import math
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from torch.nn import functional

from effscale.errors import DataError, TrainError
from effscale.growth.scale import with_classes
from effscale.train.batches import Data, View

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from PIL.Image import Image
    from torch import nn

    from effscale.spec.models import Spec

#: 1797 handwritten digits of 8×8 pixels, which come with the package: E. Alpaydin and
#: C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning
#: Repository, 1998, the test set as scikit-learn ships it.
DIGITS = "digits"
FILE = Path(__file__).with_name("digits.csv.gz")
SIDE, CLASSES = 8, 10
DARKEST = 16
#: Of each class, every fifth digit is held out.
FOLD = 5

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tiff", ".webp"}
#: Of each class, this share is held out where a folder is not split.
SHARE = 0.2
#: Share of an image's sides that its centre has: 224 of 256 pixels
#: (CROP_PADDING, tpu/models/official/efficientnet/preprocessing.py).
CENTRE = 0.875
#: Area and aspect of random crops (Szegedy et al. 2014, arXiv:1409.4842, section 6).
AREA, ASPECT = (0.08, 1.0), (3 / 4, 4 / 3)
TRIES = 10

#: Channels that an image can be made to have.
GREY, COLOURS = 1, 3

#: Files by the class they show.
Found: TypeAlias = dict[str, list[Path]]


def data_of(name: str) -> Data:
    """The digits by their name, or else the images of a folder.

    Raises:
        DataError: if it is no folder with a folder of images for each class.
    """
    if name == DIGITS:
        return digits()
    return folder(Path(name))


def fitted(spec: Spec, data: Data, classes: int | None) -> Spec:
    """`spec` with a class for each of the data's, or with `classes` of them.

    Raises:
        TrainError: if these are fewer, or the network is no classifier.
        ScaleError: if the classifier is not a linear layer.
    """
    needed = len(data.classes)
    if classes is not None and classes < needed:
        expected = f"expected at least the {needed} of {data.name}"
        raise TrainError(f"classes: {expected}, got {classes}")
    wanted = needed if classes is None else classes
    return spec if classes_of(spec) == wanted else with_classes(spec, wanted)


def classes_of(spec: Spec) -> int:
    """What the network of `spec` tells apart.

    Raises:
        TrainError: if it has no head that classifies whole images.
    """
    if "head" not in spec.sections:
        expected = "expected a network that tells classes of images apart"
        raise TrainError(f"{spec.name}: {expected}, got one without such a head")
    return spec.classes


@dataclass(frozen=True, eq=False)
class Digits:
    """Some of the digits."""

    pixels: torch.Tensor  #: (N, 1, 8, 8), from 0 to 1
    classes: torch.Tensor
    at_hand: bool = True

    @cached_property
    def labels(self) -> list[int]:
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


@dataclass(frozen=True)
class Photographs:
    """Files of images, opened when they are looked at."""

    paths: list[Path]
    labels: list[int]
    at_hand: bool = False

    def image(self, index: int, view: View, draws: torch.Generator) -> torch.Tensor:
        """Its centre, or a random part of it, mirrored or not, where `view` crops."""
        from PIL import Image, ImageOps

        path = self.paths[index]
        try:
            with warnings.catch_warnings(action="ignore"), Image.open(path) as file:
                image = file.convert("L" if view.channels == 1 else "RGB")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            raise DataError(f"{path}: expected an image, got what is none") from None
        size, method = (view.width, view.height), Image.Resampling.BICUBIC
        if view.crops:
            part = image.resize(size, method, random_box(*image.size, draws))
            if torch.rand((), generator=draws) < 1 / 2:
                part = ImageOps.mirror(part)
        else:
            part = ImageOps.fit(image, size, method, (1 - CENTRE) / 2)
        return _pixels(part, view)


def _pixels(image: Image, view: View) -> torch.Tensor:
    flat = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    return flat.view(view.height, view.width, view.channels).permute(2, 0, 1)


def random_box(
    width: int, height: int, draws: torch.Generator
) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a random part of an image.

    Of 8 to 100 % of its area, from 3:4 to 4:3; all of it where ten such have not
    fitted.
    """
    for _ in range(TRIES):
        size, shape, x, y = torch.rand(4, generator=draws).tolist()
        area = width * height * (AREA[0] + (AREA[1] - AREA[0]) * size)
        ends = math.log(ASPECT[0]), math.log(ASPECT[1])
        aspect = math.exp(ends[0] + (ends[1] - ends[0]) * shape)
        w, h = math.sqrt(area * aspect), math.sqrt(area / aspect)
        if w <= width and h <= height:
            left, top = x * (width - w), y * (height - h)
            return left, top, left + w, top + h
    return 0, 0, width, height


def folder(path: Path) -> Data:
    """The images below `path`, a folder for each class.

    With `train` and `val` in it, these are the two parts; otherwise a fifth of each
    class is held out, chosen by its files' names, so that it is always the same.

    Raises:
        DataError: if there are no classes, no images, or other classes in `val`.
    """
    if not path.is_dir():
        what = "a file" if path.exists() else "nothing"
        raise DataError(f"{path}: expected a folder of images, got {what}")
    given = path / "train", path / "val"
    if all(each.is_dir() for each in given):
        train, held = map(_found, given)
        if unknown := sorted(set(held) - set(train)):
            known = f"the classes of {given[0]}"
            raise DataError(f"{given[1]}: expected {known}, got {unknown[0]!r} too")
        split = "train and val, as given"
    else:
        train, held = _parted(path, _found(path))
        split = "of each class, a fifth held out by the names of its files"
    classes = tuple(train)
    return Data(
        name=path.resolve().name,
        classes=classes,
        train=_photographs(train, classes),
        held_out=_photographs(held, classes),
        split=split,
        digest=_digest(path, train, held),
    )


def _found(path: Path) -> Found:
    """The images below `path`, both they and their classes sorted."""
    folders = sorted(each for each in path.iterdir() if each.is_dir())
    folders = [each for each in folders if not each.name.startswith(".")]
    if len(folders) < 2:  # noqa: PLR2004 - to tell one class from another
        found = "none" if not folders else f"{folders[0].name!r} alone"
        raise DataError(f"{path}: expected a folder for each class, got {found}")
    images = {each.name: sorted(filter(_is_image, each.rglob("*"))) for each in folders}
    for name, own in images.items():
        if not own:
            raise DataError(f"{path / name}: expected images of this class, got none")
    return images


def _is_image(path: Path) -> bool:
    hidden = path.name.startswith(".")
    return path.suffix.lower() in SUFFIXES and not hidden and path.is_file()


def _parted(path: Path, images: Found) -> tuple[Found, Found]:
    """What is left of each class, and a fifth of it, rounded up."""
    train, held = {}, {}
    for name, own in images.items():
        if len(own) < 2:  # noqa: PLR2004 - one to learn from, one to be asked about
            raise DataError(f"{path / name}: expected at least 2 images, got 1")
        mixed = sorted(own, key=lambda each: _hash([each.relative_to(path).as_posix()]))
        count = math.ceil(SHARE * len(own))
        train[name], held[name] = sorted(mixed[count:]), sorted(mixed[:count])
    return train, held


def _photographs(images: Found, classes: tuple[str, ...]) -> Photographs:
    labels = [k for k, name in enumerate(classes) for _ in images.get(name, ())]
    paths = [path for name in classes for path in images.get(name, ())]
    return Photographs(paths, labels)


def _digest(path: Path, *parts: Found) -> str:
    """Of the names of the files and their sizes, which is quick, not their pixels."""
    files = (each for part in parts for own in part.values() for each in own)
    return _hash(f"{each.relative_to(path)} {each.stat().st_size}" for each in files)


def _hash(lines: Iterable[str]) -> str:
    return blake2b("\n".join(lines).encode(), digest_size=8).hexdigest()


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
