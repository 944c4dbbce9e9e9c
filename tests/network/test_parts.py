"""Tests of `effscale.network.parts`: which part reads which, and what is put out."""

from __future__ import annotations

import pytest

from effscale.errors import LayerError
from effscale.network.operators.convolution import Conv
from effscale.network.operators.pooling import GlobalPool
from effscale.network.parts import IMAGE, Network
from effscale.network.shapes import Shape
from tests.parts import branching, part

IMAGE_SHAPE = Shape(3, 8, 8)


def test_a_part_reads_the_one_before_it_and_the_first_the_image() -> None:
    parts = (part("stem", Conv(3, 4)), part("head", Conv(4, 2)))
    net = Network("net", IMAGE_SHAPE, parts)
    assert [net.sources(k) for k in range(2)] == [(IMAGE,), (0,)]
    assert (net.ends, net.is_chain) == ((1,), True)
    assert net.read(1, ["stem's"], "the image") == ["stem's"]
    assert net.read(0, [], "the image") == ["the image"]


def test_a_part_may_read_any_before_it_and_several_may_be_put_out() -> None:
    net = branching()
    assert [net.sources(k) for k in range(len(net.parts))] == [
        *[(IMAGE,), (0,), (1, 0), (IMAGE,)],
        *[(2, 3), (1,)],
    ]
    assert (net.ends, net.is_chain) == ((4, 5), False)


def test_what_no_part_reads_any_more_is_done_with() -> None:
    assert branching().done == ((), (), (0,), (), (2, 3), (1,))


@pytest.mark.parametrize("reads", [(1,), (2,), (-2,), ()])
def test_a_part_reads_only_what_is_there(reads: tuple[int, ...]) -> None:
    parts = (part("stem", Conv(3, 4)), part("head", GlobalPool(), reads))
    with pytest.raises(LayerError) as caught:
        Network("net", IMAGE_SHAPE, parts)
    assert str(caught.value) == f"head: expected parts below 1, got {list(reads)}"
