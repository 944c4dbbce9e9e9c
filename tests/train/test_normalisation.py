"""Tests of how pixels are normalised: as is said, in training and when asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from effscale.errors import TrainError
from effscale.train.recipe import normalisation
from tests.train.small import training

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.torch


def test_by_name_or_number() -> None:
    assert normalisation("half") == ((0.5,), (0.5,))
    assert normalisation("imagenet")[0] == (0.485, 0.456, 0.406)
    assert normalisation("0.13/0.31") == ((0.13,), (0.31,))
    assert normalisation("0,0.1,1/0.5") == ((0, 0.1, 1), (0.5,))


@pytest.mark.parametrize(
    "words",
    ["", "0.5", "a/b", "0.5/0", "2/1", "0.5/-1", "0.1,0.2/0.5", "0.5/nan", "1/2/3"],
)
def test_other_words_are_refused(words: str) -> None:
    with pytest.raises(ValueError, match="half, imagenet, or MEAN/STD such as 0"):
        normalisation(words)


def test_pixels_go_in_as_is_said_in_training_and_when_asked(tmp_path: Path) -> None:
    part = training(epochs=1, normalize="0.2/0.1", file=tmp_path / "a")
    seen: list[torch.Tensor] = []
    for net in (part.net, part.average.module):
        net.register_forward_pre_hook(lambda _net, given: seen.append(given[0]))
    list(part.run())
    assert len(seen) == 5 + 1 + 2  # steps, statistics, images held out
    pixels = 255 * (0.1 * torch.cat(seen) + 0.2)
    torch.testing.assert_close(pixels, pixels.round())
    assert 60 <= float(pixels.min().round()) <= float(pixels.max().round()) < 220
    assert part.outcome()["normalisation"] == {"mean": [0.2], "std": [0.1]}
    kept = torch.load(tmp_path / "a", weights_only=True)["normalisation"]
    assert kept == [[0.2], [0.1]]


def test_colours_are_no_way_to_normalise_grey_images() -> None:
    with pytest.raises(TrainError) as caught:
        training(normalize="imagenet")
    expected = "expected one mean and one deviation for grey images, got 'imagenet'"
    assert str(caught.value) == f"normalize: {expected}"


def test_another_one_is_another_training(tmp_path: Path) -> None:
    training(file=tmp_path / "a").save()
    with pytest.raises(TrainError, match="got one of normalize half; "):
        training(normalize="0.2/0.1", file=tmp_path / "a")
