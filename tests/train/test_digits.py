"""Tests of `effscale.train.sources`."""

from __future__ import annotations

import gzip
from hashlib import sha256

import pytest
import torch

from effscale.train.batches import View
from effscale.train.sources import FILE, Digits, digits
from tests.train.small import first

pytestmark = pytest.mark.torch

SAME = View(1, 8, 8)


def test_the_file_is_scikit_learn_s() -> None:
    # sklearn/datasets/data/digits.csv.gz of scikit-learn 1.9.1
    known = "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"
    assert sha256(FILE.read_bytes()).hexdigest() == known


def test_every_fifth_of_each_class_is_held_out() -> None:
    data = digits()
    train, held = data.train.labels, data.validation.labels
    # Counts of the classes: descr/digits.rst and the UCI page, 1797 in all
    sizes = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert [train.count(k) + held.count(k) for k in range(10)] == sizes
    assert [held.count(k) for k in range(10)] == [n // 5 for n in sizes]
    assert (len(train), len(held)) == (1442, 355)


def test_at_its_own_size_a_digit_is_as_it_was_written() -> None:
    data = digits().train
    written = gzip.decompress(FILE.read_bytes()).decode("ascii").splitlines()[0]
    *pixels, label = map(int, written.split(","))
    image = first(data, SAME, torch.Generator())
    assert data.labels[0] == label == 0
    assert image.flatten().tolist() == [round(255 * each / 16) for each in pixels]


def test_it_is_enlarged_for_a_network_of_three_channels() -> None:
    image = first(digits().train, View(3, 24, 20), torch.Generator())
    assert (image.shape, image.dtype) == ((3, 24, 20), torch.uint8)
    assert torch.equal(image[0], image[2])
    assert 200 < int(image.max()) <= 255


def test_the_split_is_the_same_every_time() -> None:
    first, second = digits(), digits()
    assert isinstance(first.validation, Digits)
    assert isinstance(second.validation, Digits)
    assert torch.equal(first.validation.pixels, second.validation.pixels)
    assert first.digest == second.digest
