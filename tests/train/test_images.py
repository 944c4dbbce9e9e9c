"""Tests of `effscale.train.sources`: images as people have them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

from effscale.errors import DataError
from effscale.train.batches import View
from effscale.train.sources import Photographs, check, decoded, folder

if TYPE_CHECKING:
    from pathlib import Path

    from effscale.train.batches import Data
from tests.train.small import first

pytestmark = pytest.mark.torch

UNIT = (0.0, 1.0)


def put(
    path: Path,
    pixels: object,
    mode: str | None = None,
    **options: Any,  # noqa: ANN401 - of any format
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.asarray(pixels))
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def grey(value: int, size: int = 8) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.full((size, size), value, np.uint8)


def classes(root: Path, *names: str, count: int = 5) -> Path:
    for name in names:
        for index in range(count):
            put(root / name / f"{index}.png", grey(index), "RGB")
    return root


def shown(path: Path, channels: int = 1) -> Any:  # noqa: ANN401 - nested lists
    return np.asarray(decoded(path, channels, UNIT)).tolist()


def noted(data: Data) -> set[str]:
    return {each for each in data.notes if not each.startswith("up to ")}


@pytest.mark.parametrize(
    ("train", "held"),
    [
        ("train", "validation"),
        ("train", "valid"),
        ("training", "testing"),
        ("Train", "Test"),
        ("TRAIN", "val"),
    ],
)
def test_parts_by_their_usual_names(tmp_path: Path, train: str, held: str) -> None:
    classes(tmp_path / train, "owl", "crow")
    classes(tmp_path / held, "owl", "crow", count=2)
    data = folder(tmp_path)
    assert data.classes == ("crow", "owl")
    assert data.counts()["owl"] == {"train": 5, "validation": 2}
    assert data.split == f"{train} and {held}, as given"


def test_of_three_parts_one_is_left_for_later_and_said(tmp_path: Path) -> None:
    for part in ("train", "valid", "test"):
        classes(tmp_path / part, "owl", "crow")
    (tmp_path / "labels").mkdir()
    data = folder(tmp_path)
    assert data.split == "train and valid, as given"
    said = "left out, as neither training nor validation images: labels, test"
    assert noted(data) == {said}


def test_images_to_test_on_without_classes_are_no_class(tmp_path: Path) -> None:
    classes(tmp_path / "train", "owl", "crow")
    put(tmp_path / "test" / "0.png", grey(0))
    data = folder(tmp_path)
    assert data.classes == ("crow", "owl")
    assert data.split == "of each class in train, a fifth for validation, by the names"
    assert data.counts()["owl"] == {"train": 4, "validation": 1}


def test_two_folders_of_one_part_are_refused(tmp_path: Path) -> None:
    for part in ("train", "val", "valid"):
        classes(tmp_path / part, "owl", "crow")
    with pytest.raises(DataError) as caught:
        folder(tmp_path)
    message = "expected one folder of validation images, got 'val' and 'valid'"
    assert str(caught.value) == f"{tmp_path}: {message}"


def test_a_folder_around_all_is_pointed_at(tmp_path: Path) -> None:
    inner = classes(tmp_path / "birds", "owl", "crow")
    with pytest.raises(DataError) as caught:
        folder(tmp_path)
    message = "expected a folder for each class, got 'birds' alone; did you mean"
    assert str(caught.value) == f"{tmp_path}: {message} {inner}?"


def test_what_archives_leave_behind_is_no_class_and_no_image(tmp_path: Path) -> None:
    classes(tmp_path, "owl", "crow")
    for name in ("__MACOSX/owl", ".cache", "owl/__MACOSX", "owl/.checkpoints"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "._0.png").write_bytes(b"fork")
        (tmp_path / name / "0.png").write_bytes(b"fork")
    data = folder(tmp_path)
    assert data.classes == ("crow", "owl")
    assert data.counts()["owl"] == {"train": 4, "validation": 1}
    assert noted(data) == set()


def test_other_files_are_counted(tmp_path: Path) -> None:
    classes(tmp_path, "owl", "crow")
    for name in ("a.txt", "b.TXT", "c.nef", "d"):
        (tmp_path / "owl" / name).touch()
    said = "left out: 1 .nef, 2 .txt, 1 without a suffix"
    assert noted(folder(tmp_path)) == {said}


def test_what_is_no_file_or_of_no_class_is_counted_too(tmp_path: Path) -> None:
    classes(tmp_path, "owl", "crow")
    (tmp_path / "owl" / "more").symlink_to(tmp_path / "crow")
    (tmp_path / "owl" / "folder.png").mkdir()
    os.mkfifo(tmp_path / "owl" / "pipe.png")
    (tmp_path / "owl" / "zeros.png").symlink_to("/dev/zero")
    (tmp_path / "astray.png").touch()
    said = "left out: 1 link to a folder, 1 of no class, beside the folders, "
    data = folder(tmp_path)
    assert noted(data) == {f"{said}2 pipe or device"}
    assert data.counts()["owl"] == {"train": 4, "validation": 1}


def test_a_link_that_leads_nowhere_is_a_broken_image(tmp_path: Path) -> None:
    classes(tmp_path, "owl", "crow")
    path = tmp_path / "owl" / "gone.png"
    path.symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(DataError) as caught:
        folder(tmp_path)
    assert str(caught.value) == f"{path}: not a readable image"


def test_files_may_have_any_name_but_classes_are_text(tmp_path: Path) -> None:
    classes(tmp_path, "owl", "crow")
    (tmp_path / "owl" / "0.png").rename(tmp_path / "owl" / os.fsdecode(b"\xff.png"))
    assert folder(tmp_path).counts()["owl"] == {"train": 4, "validation": 1}
    (tmp_path / "owl").rename(tmp_path / os.fsdecode(b"\xff"))
    with pytest.raises(DataError) as caught:
        folder(tmp_path)
    expected = r"expected a class's name in UTF-8, got '\udcff'"
    assert str(caught.value) == f"{tmp_path / os.fsdecode(bytes([255]))}: {expected}"


def test_an_image_of_more_pixels_than_are_decoded_is_said_to_be_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10**6)
    classes(tmp_path, "owl", "crow")
    path = tmp_path / "owl" / "large.png"
    Image.new("1", (2000, 1001)).save(path)
    with pytest.raises(DataError) as caught:
        folder(tmp_path)
    expected = "expected an image of at most 2 M pixels, got more"
    assert str(caught.value) == f"{path}: {expected}"


@pytest.mark.parametrize("suffix", [".tif", ".TIFF", ".jpe", ".jfif", ".pnm", ".webp"])
def test_suffixes(tmp_path: Path, suffix: str) -> None:
    classes(tmp_path, "owl", "crow")
    kind = {".jpe": "JPEG", ".jfif": "JPEG", ".pnm": "PPM"}.get(suffix)
    put(
        tmp_path / "owl" / f"x{suffix}",
        grey(9),
        "RGB",
        **({"format": kind} if kind else {}),
    )
    assert sum(folder(tmp_path).counts()["owl"].values()) == 6


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_sixteen_bits_are_scaled_to_eight(tmp_path: Path, suffix: str) -> None:
    classes(tmp_path, "owl", "crow")
    values = np.array([[0, 257, 12_850], [25_700, 51_400, 65_535]], np.uint16)
    path = put(tmp_path / "owl" / f"x.{suffix}", values)
    assert shown(path) == [[0, 1, 50], [100, 200, 255]]
    assert noted(folder(tmp_path)) == {"1 of 16 bits, scaled to 8"}


@pytest.mark.parametrize(
    ("values", "white"),
    [((0.0, 0.5, 1.0), 1), ((0.0, 127.5, 255.0), 255), ((-2.0, 0.0, 2.0), 2)],
)
def test_floats_are_scaled_alike_in_all_images(
    tmp_path: Path, values: tuple[float, ...], white: int
) -> None:
    classes(tmp_path, "owl", "crow")
    for name, some in (("all", values), ("dark", values[:2])):
        put(tmp_path / "owl" / f"{name}.tif", np.array([some], np.float32))
    data = folder(tmp_path)
    black = min(values[0], 0)
    said = f"2 of other numbers than bytes, from {black:g} as black to {white} as white"
    assert noted(data) == {said}
    assert isinstance(data.train, Photographs)
    for name, expected in (("all", [0, 128, 255]), ("dark", [0, 128])):
        image = decoded(tmp_path / "owl" / f"{name}.tif", 1, data.train.span)
        assert np.asarray(image).tolist() == [expected]


def test_numbers_that_are_none_are_no_image(tmp_path: Path) -> None:
    classes(tmp_path, "owl", "crow")
    path = put(tmp_path / "owl" / "x.tif", np.array([[0, np.nan]], np.float32))
    with pytest.raises(DataError) as caught:
        folder(tmp_path)
    assert str(caught.value) == f"{path}: not a readable image"


def test_is_turned_as_the_file_says(tmp_path: Path) -> None:
    classes(tmp_path, "owl", "crow")
    pixels = np.repeat(np.array([[0], [250]], np.uint8), 16, axis=1).repeat(8, axis=0)
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its left side
    lying = np.rot90(pixels)
    for suffix in ("jpg", "png", "webp"):
        path = put(tmp_path / "owl" / f"x.{suffix}", lying, "RGB", exif=exif)
        found = np.asarray(decoded(path, 1, UNIT))
        assert found[:6].max() < 30
        assert found[-6:].min() > 220
    assert noted(folder(tmp_path)) == {"3 turned as their EXIF says"}


def test_what_is_clear_is_laid_on_white(tmp_path: Path) -> None:
    classes(tmp_path, "owl", "crow")
    clear = np.zeros((1, 3, 4), np.uint8)
    clear[0, :, 3] = 0, 51, 255
    path = put(tmp_path / "owl" / "x.png", clear)
    assert shown(path) == [[255, 204, 0]]
    assert shown(path, 3) == [[[255] * 3, [204] * 3, [0] * 3]]
    listed = Image.new("P", (2, 1))
    listed.putpalette([10, 20, 30, 200, 0, 0])
    listed.putpixel((1, 0), 1)
    listed.save(tmp_path / "owl" / "y.png", transparency=1)
    assert shown(tmp_path / "owl" / "y.png", 3) == [[[10, 20, 30], [255] * 3]]
    assert noted(folder(tmp_path)) == {"2 with transparency, laid on white"}


def test_cmyk_becomes_colours_and_a_palette_is_looked_up(tmp_path: Path) -> None:
    classes(tmp_path, "owl", "crow")
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "owl" / "x.tif")
    assert shown(tmp_path / "owl" / "x.tif", 3)[0][0] == [255, 0, 0]
    listed = Image.new("P", (1, 1))
    listed.putpalette([10, 20, 30])
    listed.save(tmp_path / "owl" / "y.gif")
    assert shown(tmp_path / "owl" / "y.gif", 3) == [[[10, 20, 30]]]
    assert noted(folder(tmp_path)) == {"1 of CMYK, made RGB"}


def test_of_several_frames_the_first(tmp_path: Path) -> None:
    classes(tmp_path, "owl", "crow")
    first, second = (Image.fromarray(grey(each)) for each in (10, 200))
    for suffix in ("gif", "tif"):
        path = tmp_path / "owl" / f"x.{suffix}"
        first.save(path, save_all=True, append_images=[second])
        assert shown(path)[0][0] == 10
    said = "2 of several frames, of which the first is taken"
    assert noted(folder(tmp_path)) == {said}


def test_files_that_are_no_images_are_named_at_once(tmp_path: Path) -> None:
    classes(tmp_path, "owl", "crow")
    paths = [tmp_path / "owl" / f"bad{index}.jpg" for index in range(12)]
    for path in paths:
        path.write_bytes(b"<html>")
    with pytest.raises(DataError) as caught:
        folder(tmp_path)
    few = ", ".join(map(str, sorted(paths)[:10]))
    message = f"expected 22 images, got 12 that are none: {few} and 2 more"
    assert str(caught.value) == f"{tmp_path}: {message}"


def test_one_that_is_broken_further_on_is_found_where_that_is_asked(
    tmp_path: Path,
) -> None:
    classes(tmp_path, "owl", "crow")
    path = tmp_path / "owl" / "x.png"
    Image.effect_noise((64, 64), 50).save(path)
    path.write_bytes(path.read_bytes()[:1000])
    data, seen = folder(tmp_path), []
    with pytest.raises(DataError) as caught:
        check(data, lambda: seen.append(1))
    assert str(caught.value) == f"{path}: not a readable image"
    assert len(seen) == 11


def test_few_are_kept_in_memory_once_decoded(tmp_path: Path) -> None:
    data = folder(classes(tmp_path, "owl", "crow"))
    images, view = data.validation, View(3, 8, 8)
    assert images.at_hand
    kept = first(images, view, torch.Generator())
    for path in tmp_path.rglob("*.png"):
        path.unlink()
    assert torch.equal(first(images, view, torch.Generator()), kept)


def test_small_ones_are_moved_and_never_mirrored(tmp_path: Path) -> None:
    ramp = np.tile(np.arange(0, 256, 8, dtype=np.uint8), (32, 1))  # dark at the left
    for name in ("owl", "crow"):
        for index in range(2):
            put(tmp_path / name / f"{index}.png", ramp, "RGB")
    data, draws = folder(tmp_path), torch.Generator().manual_seed(0)
    said = "up to 32 px: --augment plain moves images that small, and mirrors none"
    assert data.notes == (said,)
    whole = first(data.train, View(1, 32, 32), draws)
    assert whole[0].tolist() == ramp.tolist()
    moves = set()
    for _ in range(200):
        row = first(data.train, View(1, 32, 32, crops=True), draws)[0, 0].tolist()
        assert row == sorted(row)
        moves.add((row[16] - ramp[0, 16].item()) // 8)
    assert moves == set(range(-4, 5))


def test_large_ones_are_cropped(tmp_path: Path) -> None:
    for name in ("owl", "crow"):
        for index in range(2):
            put(tmp_path / name / f"{index}.png", grey(0, 65), "RGB")
    assert folder(tmp_path).notes == ()
