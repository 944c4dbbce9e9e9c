"""Tests of `effscale.train.batches`, and of the words that ask for it."""

from __future__ import annotations

import sys

import pytest
import torch

from effscale.errors import TrainError
from effscale.train.batches import augmentation
from effscale.train.recipe import strength

pytestmark = pytest.mark.torch


def test_the_words_that_ask_for_it() -> None:
    asked = ("none", "plain", "rand", "rand:1", "rand:29")
    assert list(map(strength, asked)) == [None, None, 9, 1, 29]


@pytest.mark.parametrize("words", ["", "some", "rand:", "rand:0", "rand:30", "plain:9"])
def test_other_words_are_refused(words: str) -> None:
    with pytest.raises(ValueError, match="none, plain, rand, or rand:1 to rand:29"):
        strength(words)


def test_without_it_images_are_as_they_were() -> None:
    images = torch.rand(3, 1, 8, 8)
    assert augmentation("plain")(images) is images


@pytest.mark.parametrize("channels", [1, 3])
def test_images_keep_their_shape_and_range(channels: int) -> None:
    pytest.importorskip("kornia")
    augmented = augmentation("rand:29")
    images = torch.rand(20, channels, 16, 16)
    torch.manual_seed(0)
    changed = 0
    for _ in range(20):
        result = augmented(images)
        assert result.shape == images.shape
        assert 0 <= float(result.min()) <= float(result.max()) <= 1
        changed += not torch.equal(result, images)
    assert changed > 15


def test_parts_of_so_many_images_are_erased() -> None:
    pytest.importorskip("kornia")
    images = torch.ones(200, 1, 16, 16)
    torch.manual_seed(0)
    result = augmentation("plain", 0.25)(images)
    touched = (result == 0).flatten(1).any(1)
    assert 30 <= int(touched.sum()) <= 70
    assert torch.equal(result[~touched], images[~touched])


def test_the_same_seed_draws_the_same() -> None:
    pytest.importorskip("kornia")
    augmented, images = augmentation("rand"), torch.rand(20, 3, 16, 16)
    results = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        results.append(augmented(images))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_without_kornia_it_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kornia.augmentation.auto", None)
    with pytest.raises(TrainError) as caught:
        augmentation("rand:5")
    hint = "pip install 'effscale[train]', or --augment plain"
    assert str(caught.value) == f"augment: rand:5 needs kornia; {hint}"
    with pytest.raises(TrainError, match=r"erase: 0\.1 needs kornia"):
        augmentation("plain", 0.1)
