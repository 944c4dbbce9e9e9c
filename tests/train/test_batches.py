"""Tests of `effscale.train.batches`."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from effscale.errors import DataError
from effscale.train.batches import Order, View, batches, in_turn
from effscale.train.recipe import seed
from tests.train.small import Shades

pytestmark = pytest.mark.torch

VIEW = View(1, 4, 4, crops=True)
ORDER = Order(images=10, batch=3, epochs=4, seed=0)


def test_a_seed_is_for_one_purpose_alone() -> None:
    seeds = {seed(0, "step", 1), seed(0, "step", 2), seed(1, "step", 1), seed(0, 1)}
    assert len(seeds) == 4
    # figures that were published depend on it
    assert seed(0, "step", 1) == 4413158142644703930


def test_an_epoch_has_each_image_at_most_once_in_an_order_of_its_own() -> None:
    steps = list(ORDER)
    assert len(steps) == len(ORDER) == 12
    orders = []
    for epoch in range(4):
        asked = [each for step in steps[3 * epoch : 3 * epoch + 3] for each in step]
        assert {number for number, _ in asked} == {epoch}
        images = [image for _, image in asked]
        assert len(set(images)) == 9
        orders.append(images)
    assert len({tuple(each) for each in orders}) == 4


@pytest.mark.parametrize("start", [0, 1, 3, 7, 11, 12])
def test_what_is_left_is_what_would_have_come(start: int) -> None:
    left = Order(images=10, batch=3, epochs=4, seed=0, start=start)
    assert list(left) == list(ORDER)[start:]
    assert len(left) == 12 - start


def test_in_turn_leaves_out_none() -> None:
    assert in_turn(5, 2) == [[(0, 0), (0, 1)], [(0, 2), (0, 3)], [(0, 4)]]


def test_images_are_the_same_by_however_many_processes_they_are_read() -> None:
    alone, read = (
        [
            torch.cat([images.flatten(), labels])
            for images, labels in batches(
                Shades(10, at_hand=False), VIEW, ORDER, base=3, workers=workers
            )
        ]
        for workers in (0, 2)
    )
    assert len(alone) == 12
    assert all(map(torch.equal, alone, read))
    assert len({tuple(each.tolist()) for each in alone}) == 12


@dataclass(frozen=True)
class Broken(Shades):
    """Images of which one is none."""

    def image(self, index: int, view: View, draws: torch.Generator) -> torch.Tensor:
        """But the last."""
        if index == self.count - 1:
            raise DataError("9.jpg: not a readable image")
        return super().image(index, view, draws)


@pytest.mark.parametrize("workers", [0, 1])
def test_what_cannot_be_read_is_one_line(workers: int) -> None:
    images = Broken(10, at_hand=False)
    with pytest.raises(DataError) as caught:
        list(batches(images, VIEW, in_turn(10, 4), base=0, workers=workers))
    assert str(caught.value) == "9.jpg: not a readable image"
