"""Tests of `effscale.train.sources`: images by class, in one folder or two."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from PIL import Image

from effscale.errors import DataError
from effscale.train.batches import View
from effscale.train.sources import Photographs, folder, random_box

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.torch

VIEW = View(3, 8, 8)


def picture(path: Path, shade: int = 100, size: tuple[int, int] = (20, 10)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (shade, 0, 255 - shade)).save(path)


def pictures(root: Path, classes: str = "ab", count: int = 10) -> Path:
    for name in classes:
        for index in range(count):
            picture(root / name / f"{index}.png", shade=index)
    return root


def names(part: object) -> list[str]:
    assert isinstance(part, Photographs)
    return [f"{path.parent.name}/{path.name}" for path in part.paths]


def test_a_fifth_of_each_class_is_held_out_and_always_the_same(tmp_path: Path) -> None:
    first = folder(pictures(tmp_path / "one"))
    second = folder(pictures(tmp_path / "two"))
    assert first.classes == ("a", "b")
    assert first.train.labels == [0] * 8 + [1] * 8
    assert first.validation.labels == [0] * 2 + [1] * 2
    assert names(first.validation) == names(second.validation)
    every = names(first.train) + names(first.validation)
    assert sorted(every) == sorted(f"{c}/{k}.png" for c in "ab" for k in range(10))
    assert (first.name, first.digest) == ("one", second.digest)
    assert (
        first.split
        == "of each class, a fifth for validation, by the names of its files"
    )


def test_train_and_val_are_taken_as_they_are(tmp_path: Path) -> None:
    pictures(tmp_path / "train", "abc", 3)
    pictures(tmp_path / "val", "bc", 2)
    data = folder(tmp_path)
    assert data.classes == ("a", "b", "c")
    assert data.train.labels == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert data.validation.labels == [1, 1, 2, 2]
    assert data.split == "train and val, as given"


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    pictures(tmp_path, "ab")
    (tmp_path / "a").rename(tmp_path / "train")
    assert folder(tmp_path).classes == ("b", "train")


def test_images_may_lie_deeper_and_other_files_beside_them(tmp_path: Path) -> None:
    pictures(tmp_path)
    picture(tmp_path / "a" / "b" / "deep.JPEG")
    (tmp_path / "a" / "notes.txt").write_text("of a", encoding="utf-8")
    picture(tmp_path / "a" / ".hidden.png")
    (tmp_path / ".cache").mkdir()
    data = folder(tmp_path)
    assert data.classes == ("a", "b")
    assert (data.train.labels + data.validation.labels).count(0) == 11  # type: ignore[operator]


def test_other_files_are_other_data(tmp_path: Path) -> None:
    first = folder(pictures(tmp_path)).digest
    picture(tmp_path / "a" / "0.png", size=(40, 40))
    assert folder(tmp_path).digest != first


def refused(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        folder(path)
    return str(caught.value)


def test_refuses_what_holds_no_classes(tmp_path: Path) -> None:
    missing, file, empty = tmp_path / "no", tmp_path / "a.txt", tmp_path / "empty"
    file.touch()
    empty.mkdir()
    assert refused(missing) == f"{missing}: expected a folder of images, got nothing"
    assert refused(file) == f"{file}: expected a folder of images, got a file"
    assert refused(empty) == f"{empty}: expected a folder for each class, got none"
    picture(empty / "cats" / "0.png")
    message = f"{empty}: expected a folder for each class, got 'cats' alone"
    assert refused(empty) == message
    (empty / "dogs").mkdir()
    message = "expected images of this class, got none"
    assert refused(empty) == f"{empty / 'dogs'}: {message}"
    picture(empty / "dogs" / "0.png")
    message = f"{empty / 'cats'}: expected at least 2 images, got 1"
    assert refused(empty) == message


def test_refuses_a_class_that_is_in_val_alone(tmp_path: Path) -> None:
    pictures(tmp_path / "train", "ab")
    pictures(tmp_path / "val", "abc")
    train, val = tmp_path / "train", tmp_path / "val"
    message = f"{val}: expected the classes of {train}, got 'c' too"
    assert refused(tmp_path) == message


def striped(path: Path) -> Photographs:
    """16 by 8 pixels, from black at the left to white at the right."""
    image = Image.linear_gradient("L").rotate(90).resize((16, 8))
    image.convert("RGB").save(path)
    return Photographs([path], [0])


def test_shows_the_centre_of_what_is_held_out(tmp_path: Path) -> None:
    image = striped(tmp_path / "a.png").image(0, VIEW, torch.Generator())
    assert (image.shape, image.dtype) == ((3, 8, 8), torch.uint8)
    row = image[0, 4].tolist()
    assert row == sorted(row)
    # of a square in the middle, seven eighths: about a quarter to three quarters
    assert row[0] == pytest.approx(72, abs=12)
    assert row[-1] == pytest.approx(183, abs=12)
    grey = striped(tmp_path / "a.png").image(0, View(1, 4, 6), torch.Generator())
    assert grey.shape == (1, 4, 6)


def test_shows_a_part_of_what_is_learnt_mirrored_half_the_time(tmp_path: Path) -> None:
    photograph, view = striped(tmp_path / "a.png"), View(3, 8, 8, crops=True)
    draws = torch.Generator().manual_seed(0)
    rows = [photograph.image(0, view, draws)[0, 4].tolist() for _ in range(100)]
    mirrored = sum(row[0] > row[-1] for row in rows)
    assert 35 <= mirrored <= 65
    assert len({tuple(row) for row in rows}) > 90


def test_mirrors_and_crops_as_asked(tmp_path: Path) -> None:
    photograph, draws = striped(tmp_path / "a.png"), torch.Generator().manual_seed(0)
    view = View(3, 8, 8, crops=True, least=0.9, mirror=False)
    rows = [photograph.image(0, view, draws)[0, 4].tolist() for _ in range(50)]
    assert all(row == sorted(row) for row in rows)
    # nine tenths or more, at most 4:3: none that fits, so all of it
    assert {tuple(row) for row in rows} == {tuple(rows[0])}
    small = replace(photograph, small=True)
    view = View(3, 8, 8, crops=True, mirror=True)
    rows = [small.image(0, view, draws)[0, 4].tolist() for _ in range(100)]
    assert 30 <= sum(row[0] > row[-1] for row in rows) <= 70


def test_a_random_part_is_of_the_area_and_shape_that_it_should_be() -> None:
    draws = torch.Generator().manual_seed(0)
    for _ in range(500):
        left, top, right, bottom = random_box(300, 200, draws)
        assert 0 <= left < right <= 300
        assert 0 <= top < bottom <= 200
        width, height = right - left, bottom - top
        assert 0.0799 <= width * height / 60_000 <= 1
        assert 0.7499 <= width / height <= 1.3334
    # nothing from 3:4 to 4:3 fits a thread
    assert random_box(1000, 1, draws) == (0, 0, 1000, 1)


@pytest.mark.parametrize(
    "content", [b"", b"no image", b"\x89PNG\r\n\x1a\n" + b"x" * 50]
)
def test_what_is_no_image_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        Photographs([path], [0]).image(0, VIEW, torch.Generator())
    assert str(caught.value) == f"{path}: not a readable image"


def test_a_truncated_image_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.effect_noise((64, 64), 50).save(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError) as caught:
        Photographs([path], [0]).image(0, VIEW, torch.Generator())
    assert str(caught.value) == f"{path}: not a readable image"
