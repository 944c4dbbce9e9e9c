"""Tests of `effscale.network.combinators`: ways to combine, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from effscale.errors import LayerError
from effscale.network.combinators import (
    IDENTITY,
    Graph,
    Maybe,
    Node,
    Repeat,
    Sequential,
    seq,
    unrolled,
)
from effscale.network.operators.convolution import Conv
from effscale.network.operators.elementwise import Act, Flatten
from effscale.network.parts import Network
from effscale.network.shapes import Shape


def test_equal_descriptions_are_equal() -> None:
    assert seq(a=Conv(3, 8), b=Act("relu")) == seq(a=Conv(3, 8), b=Act("relu"))
    assert seq(a=Conv(3, 8)) != seq(b=Conv(3, 8))


def test_seq_names_its_layers_in_order() -> None:
    conv, act = Conv(3, 8), Act("relu")
    assert seq(second=act, first=conv).layers == (("second", act), ("first", conv))


@pytest.mark.parametrize("times", [0, 1, 3])
def test_copies_are_numbered_on_from_their_name(times: int) -> None:
    first, rest = Flatten(), Act("relu")
    stage = Sequential((("0", first), ("1", Repeat(rest, times))))
    numbered = [(str(index + 1), rest) for index in range(times)]
    assert list(unrolled(stage.layers)) == [("0", first), *numbered]


def test_what_may_be_is_there_or_not() -> None:
    layers = (("0", Maybe(Flatten(), 1)), ("1", Maybe(Act("relu"), 0)))
    assert list(unrolled(layers)) == [("0", Flatten())]


@pytest.mark.parametrize("times", [-1, np.array([2, -1])])
def test_fewer_than_no_copies_are_refused(times: int) -> None:
    with pytest.raises(LayerError) as caught:
        Repeat(Flatten(), times)
    assert str(caught.value) == f"times: expected at least 0, got {times}"


@pytest.mark.parametrize(
    ("nodes", "outputs", "message"),
    [
        ([(0, 2)], (2,), "node0: expected maps below 2, got [0, 2]"),
        ([(0, 1), (3,)], (2,), "node1: expected maps below 3, got [3]"),
        ([(-1,)], (2,), "node0: expected maps below 2, got [-1]"),
        ([()], (2,), "node0: expected maps below 2, got []"),
        ([(0, 1)], (3,), "outputs: expected maps below 3, got [3]"),
        ([], (), "outputs: expected maps below 2, got []"),
    ],
)
def test_a_graph_reads_only_what_is_there(
    nodes: list[tuple[int, ...]], outputs: tuple[int, ...], message: str
) -> None:
    named = tuple(Node(f"node{k}", reads, IDENTITY) for k, reads in enumerate(nodes))
    with pytest.raises(LayerError) as caught:
        Graph(2, named, outputs)
    assert str(caught.value) == message


@pytest.mark.parametrize("image", [Shape(3, 0, 32), Shape(0, 8, 8), Shape(3, -2, -2)])
def test_an_image_without_pixels_is_refused(image: Shape) -> None:
    with pytest.raises(LayerError) as caught:
        Network("nothing", image, ())
    assert str(caught.value) == f"image: expected at least one pixel, got {image}"
