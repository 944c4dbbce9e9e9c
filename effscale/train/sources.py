"""Data sets by name or folder, and the networks that can be trained on them."""

from __future__ import annotations

import gzip
import math
import warnings
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from hashlib import blake2b
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from torch.nn import functional

from effscale.errors import DataError, TrainError
from effscale.growth.scale import with_classes
from effscale.train.batches import Data, View
from effscale.train.recipe import COLOURS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

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
#: Of each class, every fifth digit is for validation.
FOLD = 5

SUFFIXES = {
    *(".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm"),
    *(".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"),
}
#: Names of folders that parts of a data set lie in, and what they are for.
PARTS = {
    **dict.fromkeys(("train", "training"), "training"),
    **dict.fromkeys(("val", "valid", "validation"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
#: What macOS puts into archives beside what was asked for.
FORKS = "__MACOSX"
#: EXIF's tag of how an image is to be turned.
ORIENTATION = 0x0112
#: The most that images of 16 bits hold, and formats that Pillow reads as 32 bits then.
DEEPEST, DEEP_FORMATS = 65535, {"PNG", "PPM"}
#: Black to white in numbers that are no bytes: the first of these that holds them all.
SPANS = (1.0, 255.0, float(DEEPEST))
#: Names that a line shows, of many.
SHOWN = 10
#: Sides up to which images are small: an object fills them, as in CIFAR, of 32 pixels.
SMALL = 64
#: Share of a small image's sides by which it is moved at most: 4 of 32 pixels (He et
#: al. 2015, arXiv:1512.03385, section 4.2).
MOVED = 1 / 8
#: Bytes of decoded images that are kept in memory.
KEPT = 2**28
#: Of each class, this share is for validation where a folder is not split.
SHARE = 0.2
#: Share of an image's sides that its centre has: 224 of 256 pixels
#: (CROP_PADDING, tpu/models/official/efficientnet/preprocessing.py).
CENTRE = 0.875
#: Least area and aspect of random crops (Szegedy et al. 2014, arXiv:1409.4842, section
#: 6).
AREA, ASPECT = 0.08, (3 / 4, 4 / 3)
TRIES = 10

#: Channels of an image that is grey.
GREY = 1

#: Files by the class they show.
Found: TypeAlias = dict[str, list[Path]]
#: The numbers that are black and white.
Span: TypeAlias = tuple[float, float]


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
        expected = "expected a classifier"
        raise TrainError(
            f"{spec.name}: {expected}, got a network without a classifier's head"
        )
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

    def read(
        self, indices: Sequence[int], view: View, draws: Iterator[torch.Generator]
    ) -> torch.Tensor:
        """Digits enlarged by interpolation; a crop would not show them."""
        del draws
        grey = _enlarged(self, view.height, view.width)[list(indices)]
        return grey.expand(-1, view.channels, -1, -1)


@lru_cache(maxsize=2)  # of those to train on, and validation images
def _enlarged(digits: Digits, height: int, width: int) -> torch.Tensor:
    """All of them as (N, 1, height, width) bytes."""
    size = height, width
    large = functional.interpolate(digits.pixels, size, mode="bilinear", antialias=True)
    return large.mul_(255).round_().clamp_(0, 255).byte()


def digits() -> Data:
    """The digits, always split alike: of each class, every fifth is for validation."""
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
        validation=Digits(pixels[held], classes[held]),
        split="of each class, every fifth for validation",
        digest=blake2b(packed, digest_size=8).hexdigest(),
    )


@dataclass(frozen=True)
class Photographs:
    """Files of images, opened when they are looked at."""

    paths: list[Path]
    labels: list[int]
    at_hand: bool = False  #: kept in memory, once they were decoded
    small: bool = False  #: an object fills them: moved, not cropped and mirrored
    span: Span = (0.0, 1.0)  #: black and white of images that are not of bytes
    _kept: dict[tuple[int, int], Image] = field(default_factory=dict, repr=False)

    def read(
        self, indices: Sequence[int], view: View, draws: Iterator[torch.Generator]
    ) -> torch.Tensor:
        """As `image` shows each of them."""
        shown = map(self.image, indices, repeat(view), draws)
        return torch.stack(list(shown))

    def image(self, index: int, view: View, draws: torch.Generator) -> torch.Tensor:
        """Its centre, or a random part of it, mirrored or not, where `view` crops.

        A small image is shown whole, or moved a little.
        """
        from PIL import Image, ImageOps

        image = self._decoded(index, view.channels)
        size, method = (view.width, view.height), Image.Resampling.BICUBIC
        if not view.crops:
            beside = 0.0 if self.small else (1 - CENTRE) / 2
            return _pixels(ImageOps.fit(image, size, method, beside), view)
        if self.small:
            part = ImageOps.fit(_moved(image, draws), size, method)
        else:
            box = random_box(*image.size, draws, view.least)
            part = image.resize(size, method, box)
        mirrors = not self.small if view.mirror is None else view.mirror
        if mirrors and torch.rand((), generator=draws) < 1 / 2:
            part = ImageOps.mirror(part)
        return _pixels(part, view)

    def _decoded(self, index: int, channels: int) -> Image:
        if (index, channels) in self._kept:
            return self._kept[index, channels]
        image = decoded(self.paths[index], channels, self.span)
        if self.at_hand:
            self._kept[index, channels] = image
        return image


def decoded(path: Path, channels: int, span: Span) -> Image:
    """The image in the file: upright, opaque, of bytes, grey or in colours.

    Of several in one file it is the first. `span` is black and white of numbers that
    are no bytes; 16 bits have their own.

    Raises:
        DataError: if there is none.
    """
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as file:
            deep, image = _is_deep(file), ImageOps.exif_transpose(file)
            if deep or image.mode in {"I", "F"}:
                low, high = (0.0, float(DEEPEST)) if deep else span
                image = _of_bytes(image, low, high)
            elif _is_clear(image):
                white = Image.new("RGBA", image.size, "white")
                image = Image.alpha_composite(white, image.convert("RGBA"))
            return image.convert("L" if channels == GREY else "RGB")
    except Exception as error:  # noqa: BLE001 - decoders of broken files raise all
        raise DataError(f"{path}: {_why(error)}") from None


def _why(error: Exception) -> str:
    """Why a file is no image to learn from."""
    from PIL import Image

    if isinstance(error, Image.DecompressionBombError):
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        return f"expected an image of at most {most / 1e6:.0f} M pixels, got more"
    return "not a readable image"


def _is_deep(image: Image) -> bool:
    """Whether its grey is of 16 bits."""
    deep = image.mode == "I" and image.format in DEEP_FORMATS
    return deep or image.mode.startswith("I;16")


def _is_clear(image: Image) -> bool:
    return {"A", "a"} & set(image.getbands()) != set() or "transparency" in image.info


def _of_bytes(image: Image, low: float, high: float) -> Image:
    from PIL import Image

    shares = (np.asarray(image, np.float64) - low) / (high - low or 1)
    return Image.fromarray(np.rint(255 * shares.clip(0, 1)).astype(np.uint8))


def _moved(image: Image, draws: torch.Generator) -> Image:
    """Moved up to an eighth of its sides, its edge continued."""
    from PIL import Image

    pixels = np.asarray(image)
    height, width = pixels.shape[:2]
    y, x = math.ceil(MOVED * height), math.ceil(MOVED * width)
    beside = [(y, y), (x, x), (0, 0)][: pixels.ndim]
    top = int(torch.randint(2 * y + 1, (), generator=draws))
    left = int(torch.randint(2 * x + 1, (), generator=draws))
    padded = np.pad(pixels, beside, mode="edge")
    part = padded[top : top + height, left : left + width]
    return Image.fromarray(np.ascontiguousarray(part))


def _pixels(image: Image, view: View) -> torch.Tensor:
    flat = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    return flat.view(view.height, view.width, view.channels).permute(2, 0, 1)


def random_box(
    width: int, height: int, draws: torch.Generator, least: float = AREA
) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a random part of an image.

    Of `least` to all of its area, from 3:4 to 4:3; all of it where ten such have not
    fitted.
    """
    for _ in range(TRIES):
        size, shape, x, y = torch.rand(4, generator=draws).tolist()
        area = width * height * (least + (1 - least) * size)
        ends = math.log(ASPECT[0]), math.log(ASPECT[1])
        aspect = math.exp(ends[0] + (ends[1] - ends[0]) * shape)
        w, h = math.sqrt(area * aspect), math.sqrt(area / aspect)
        if w <= width and h <= height:
            left, top = x * (width - w), y * (height - h)
            return left, top, left + w, top + h
    return 0, 0, width, height


def folder(path: Path) -> Data:
    """The images below `path`, a folder for each class.

    With `train` and `val` in it, or by other usual names, these are the two parts;
    otherwise a fifth of each class is for validation, chosen by its files' names: that
    is always the same.

    Raises:
        DataError: if there are no classes, no images, other classes in `val`, or files
            that are no images, as far as their beginnings tell.
    """
    if not path.is_dir():
        what = "a file" if path.exists() else "nothing"
        raise DataError(f"{path}: expected a folder of images, got {what}")
    given = _given(path)
    left: Counter[str] = Counter()
    if given is None:
        train, held = _parted(path, _found(path, left))
        split = "of each class, a fifth for validation, by the names of its files"
        notes = []
    elif given.held is None:
        train, held = _parted(path, _found(given.train, left))
        split = (
            f"of each class in {given.train.name}, a fifth for validation, by the names"
        )
        notes = given.notes
    else:
        train, held = _found(given.train, left), _found(given.held, left)
        if unknown := sorted(set(held) - set(train)):
            known = f"the classes of {given.train}"
            raise DataError(f"{given.held}: expected {known}, got {unknown[0]!r} too")
        split = f"{given.train.name} and {given.held.name}, as given"
        notes = given.notes
    seen = _looked_at(path, [*chain(*train.values()), *chain(*held.values())])
    if left:
        kinds = ", ".join(f"{n:,} {what}" for what, n in sorted(left.items()))
        notes = [*notes, f"left out: {kinds}"]
    if seen.small:
        notes = [*notes, _SMALL.format(seen.side)]
    classes = tuple(train)
    return Data(
        name=path.resolve().name,
        classes=classes,
        train=_photographs(train, classes, seen),
        validation=_photographs(held, classes, seen),
        split=split,
        digest=_digest(path, train, held),
        notes=(*notes, *seen.notes),
    )


_SMALL = "up to {} px: --augment plain moves images that small, and mirrors none"


@dataclass(frozen=True)
class Given:
    """The parts that a data set comes in."""

    train: Path
    held: Path | None
    notes: list[str]


def _given(path: Path) -> Given | None:
    """The parts by their folders' names; None if these are names of classes.

    Raises:
        DataError: if two folders are of the same part.
    """
    found: dict[str, Path] = {}
    for each in _folders(path):
        part = PARTS.get(each.name.lower())
        if part is None or not _folders(each):
            continue
        if part in found:
            two = f"{found[part].name!r} and {each.name!r}"
            expected = f"expected one folder of {part} images"
            raise DataError(f"{path}: {expected}, got {two}")
        found[part] = each
    held = found.get("validation", found.get("test"))
    others = [each for each in _folders(path) if each.name.lower() not in PARTS]
    if "training" not in found or (held is None and others):
        return None
    used = {found["training"], held}
    unused = [each.name for each in _folders(path) if each not in used]
    notes = [
        f"left out, as neither training nor validation images: {', '.join(unused)}"
    ]
    return Given(found["training"], held, notes if unused else [])


def _folders(path: Path) -> list[Path]:
    found = (each for each in path.iterdir() if each.is_dir())
    return sorted(each for each in found if not _is_hidden(each.name))


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == FORKS


def _found(path: Path, left: Counter[str]) -> Found:
    """The images below `path`, both they and their classes sorted.

    Counts in `left` what is no image by its suffix or its kind, or is of no class. A
    link that leads nowhere is an image, and a broken one.
    """
    folders = _folders(path)
    if len(folders) < 2:  # noqa: PLR2004 - to tell one class from another
        found = "none" if not folders else f"{folders[0].name!r} alone"
        message = f"{path}: expected a folder for each class, got {found}"
        if folders and len(_folders(folders[0])) > 1:
            message += f"; did you mean {folders[0]}?"
        raise DataError(message)
    images: Found = {}
    for each in folders:
        _check_name(each)
        images[each.name] = []
        for file in sorted(each.rglob("*")):
            inner = file.relative_to(path).parts
            if any(map(_is_hidden, inner)):
                continue
            if (kind := _no_image(file)) is None:
                images[each.name].append(file)
            elif kind:
                left[kind] += 1
        if not images[each.name]:
            message = "expected images of this class, got none"
            raise DataError(f"{each}: {message}")
    loose = [each for each in path.iterdir() if not _is_hidden(each.name)]
    if astray := sum(each.is_file() and _no_image(each) is None for each in loose):
        left["of no class, beside the folders"] += astray
    return images


def _check_name(folder: Path) -> None:
    """Refuse a class whose name no result could hold.

    Raises:
        DataError: if it is not text.
    """
    try:
        folder.name.encode()
    except UnicodeEncodeError:
        expected = "expected a class's name in UTF-8"
        raise DataError(f"{folder}: {expected}, got {folder.name!r}") from None


def _no_image(file: Path) -> str | None:
    """What it is, if no image; nothing for a folder, whose files come by themselves."""
    if file.is_dir():
        return "link to a folder" if file.is_symlink() else ""
    if file.suffix.lower() not in SUFFIXES:
        return file.suffix.lower() or "without a suffix"
    return None if file.is_file() or not file.exists() else "pipe or device"


@dataclass(frozen=True)
class Seen:
    """What the beginnings of images' files tell of them."""

    side: int  #: the longest of all
    bytes: int  #: of all, decoded
    span: Span
    notes: list[str]

    @property
    def small(self) -> bool:
        return self.side <= SMALL


def _looked_at(root: Path, paths: Sequence[Path]) -> Seen:
    """What is to be said of images before they are learnt from.

    Raises:
        DataError: if some are none.
    """
    from PIL import Image

    changed: Counter[str] = Counter()
    broken: dict[Path, str] = {}
    side = area = 0
    low, high = 0.0, 0.0
    for path in paths:
        try:
            with warnings.catch_warnings(action="ignore"), Image.open(path) as image:
                side, area = max(side, *image.size), area + math.prod(image.size)
                changed.update(_changes(image))
                if image.mode in {"I", "F"} and not _is_deep(image):
                    values = np.asarray(image)
                    if not np.isfinite(values).all():
                        raise ValueError("expected numbers")  # noqa: TRY301
                    low = min(low, float(values.min()))
                    high = max(high, float(values.max()))
        except Exception as error:  # noqa: BLE001 - as in `decoded`
            broken[path] = _why(error)
    refuse_broken(root, broken, len(paths))
    spans = [each for each in SPANS if low >= 0 and high <= each]
    span = (0.0, spans[0]) if spans else (low, high)
    notes = [f"{n:,} {what}" for what, n in sorted(changed.items())]
    return Seen(
        side,
        COLOURS * area,
        span,
        [each.format(low=f"{span[0]:g}", high=f"{span[1]:g}") for each in notes],
    )


def _changes(image: Image) -> Iterator[str]:
    """What will be done to it, beside its size."""
    if _is_deep(image):
        yield "of 16 bits, scaled to 8"
    elif image.mode in {"I", "F"}:
        yield "of other numbers than bytes, from {low} as black to {high} as white"
    if _is_clear(image):
        yield "with transparency, laid on white"
    if image.mode in {"CMYK", "YCbCr", "LAB", "HSV"}:
        yield f"of {image.mode}, made RGB"
    # (Of a PNG, getexif would decode all to look behind the image.)
    exif = image.format != "PNG" or "exif" in image.info
    if exif and image.getexif().get(ORIENTATION, 1) != 1:
        yield "turned as their EXIF says"
    if getattr(image, "is_animated", False):
        yield "of several frames, of which the first is taken"


def check(data: Data, progress: Callable[[], None]) -> None:
    """Decode every image that is in a file of its own; call `progress` after each.

    Raises:
        DataError: naming those that are none.
    """
    broken, count = dict[Path, str](), 0
    for part in (data.train, data.validation):
        if not isinstance(part, Photographs):
            continue
        count += len(part.paths)
        for path in part.paths:
            try:
                decoded(path, COLOURS, part.span)
            except DataError as error:
                broken[path] = str(error).removeprefix(f"{path}: ")
            progress()
    refuse_broken(Path(data.name), broken, count)


def refuse_broken(root: Path, broken: Mapping[Path, str], count: int) -> None:
    """Name files that are no images, if there are any, and of one say why.

    Raises:
        DataError: if there are.
    """
    if not broken:
        return
    if len(broken) == 1:
        ((path, why),) = broken.items()
        raise DataError(f"{path}: {why}")
    more = f" and {len(broken) - SHOWN:,} more" if len(broken) > SHOWN else ""
    named = ", ".join(map(str, sorted(broken)[:SHOWN]))
    what = f"expected {count:,} images, got {len(broken):,} that are none"
    raise DataError(f"{root}: {what}: {named}{more}")


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


def _photographs(images: Found, classes: tuple[str, ...], seen: Seen) -> Photographs:
    labels = [k for k, name in enumerate(classes) for _ in images.get(name, ())]
    paths = [path for name in classes for path in images.get(name, ())]
    fit = seen.bytes <= KEPT
    return Photographs(paths, labels, at_hand=fit, small=seen.small, span=seen.span)


def _digest(path: Path, *parts: Found) -> str:
    """Of the names of the files and their sizes, which is quick, not their pixels."""
    files = (each for part in parts for own in part.values() for each in own)
    return _hash(f"{each.relative_to(path)} {each.stat().st_size}" for each in files)


def _hash(lines: Iterable[str]) -> str:
    text = "\n".join(lines).encode(errors="surrogateescape")  # names are but bytes
    return blake2b(text, digest_size=8).hexdigest()


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
