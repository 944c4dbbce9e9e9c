"""Tests of `effscale.train.sources`."""

from __future__ import annotations

import pytest

import effscale as es
from effscale.errors import TrainError
from effscale.train.sources import classes_of, data_of, fitted
from tests.train.small import shades, small

pytestmark = pytest.mark.torch


def test_a_network_gets_a_class_for_each_of_the_data_s() -> None:
    spec = small()
    assert fitted(spec, shades(), None) is spec
    assert classes_of(fitted(spec, data_of("digits"), None)) == 10
    assert classes_of(fitted(spec, shades(), 7)) == 7


def test_fewer_than_the_data_have_are_refused() -> None:
    with pytest.raises(TrainError) as caught:
        fitted(small(), data_of("digits"), 9)
    assert str(caught.value) == "classes: expected at least the 10 of digits, got 9"


def test_a_network_without_such_a_head_is_refused() -> None:
    detector = es.load("d0").model_copy(update={"name": "d0"})
    with pytest.raises(TrainError) as caught:
        fitted(detector, shades(), None)
    expected = "expected a classifier"
    assert (
        str(caught.value)
        == f"d0: {expected}, got a network without a classifier's head"
    )
