"""Tests of `effscale.cost.fold`: candidates counted once are counted as each is."""

from __future__ import annotations

import math

import numpy as np
import pytest

import effscale as es
from effscale.cost.count import count, total
from effscale.cost.fold import distinct, folded, keys
from effscale.network.network import network

DRAW = np.random.default_rng(7)


def multipliers(shapes: list[tuple[int, ...]]) -> es.Multipliers:
    """Depth, width and resolution, drawn in these shapes."""
    depth, width, resolution = (DRAW.uniform(1, 1.4, shape) for shape in shapes)
    return es.Multipliers(depth, width, resolution)


@pytest.mark.parametrize("name", ["b0", "resnet50", "densenet121", "regnety-400mf"])
@pytest.mark.parametrize(
    "shapes",
    [[(900,)] * 3, [(70, 1, 1), (80, 1), (90,)], [(3, 1, 1), (80, 1), (90,)]],
    ids=["dense", "axes", "a short axis"],
)
def test_counts_are_those_of_all_candidates(
    name: str, shapes: list[tuple[int, ...]]
) -> None:
    spec = es.scale(es.load(name), multipliers(shapes))
    found, expected = vars(count(spec)), vars(total(network(spec)))
    for figure, counted in expected.items():
        np.testing.assert_array_equal(found[figure], counted, figure)


def test_axes_are_folded_each_for_itself() -> None:
    axes = multipliers([(200, 1, 1), (200, 1), (200,)])
    few = folded(es.scale(es.load("b0"), axes))
    assert {axis: len(each) for axis, each in few.places.items()} == dict.fromkeys(
        (-3, -2, -1), 200
    )
    height, _ = few.spec.resolution
    assert np.size(height) < 20


def test_candidates_in_a_row_are_points_of_a_grid(b0: es.Spec) -> None:
    spec = es.scale(b0, multipliers([(2**14,)] * 3))
    few = folded(spec)
    assert len(few.grid) == 3
    assert 2 * math.prod(few.grid) <= 2**14
    found, expected = vars(count(spec)), vars(total(network(spec)))
    for figure, counted in expected.items():
        np.testing.assert_array_equal(found[figure], counted, figure)


def test_points_that_no_candidate_is_refuse_none(b0: es.Spec) -> None:
    """Both are counted, the deepest, widest and largest of them would not fit."""
    figures = [(2000.0, 1.0, 100.0), (1.0, 300.0, 1.0)]
    columns = (np.array(column * 50) for column in zip(*figures, strict=True))
    spec = es.scale(b0, es.Multipliers(*columns))
    assert folded(spec).grid == (2, 2, 2)
    alone = [count(es.scale(b0, es.Multipliers(*each))).macs for each in figures]
    assert np.asarray(count(spec).macs).tolist() == alone * 50


def test_one_network_is_not_looked_at(b0: es.Spec) -> None:
    assert folded(b0).spec is b0
    assert folded(b0).places == {}


def test_keys_are_alike_where_rows_are_and_in_their_order() -> None:
    rows = DRAW.integers(-3, 3, (500, 4))
    known, first, place = np.unique(
        rows, axis=0, return_index=True, return_inverse=True
    )
    ours, where = distinct(rows.T)
    np.testing.assert_array_equal(ours, first)
    np.testing.assert_array_equal(where, place.ravel())
    assert len(known) == len(ours)


def test_keys_of_wide_columns_do_not_wrap() -> None:
    wide = np.array([0, 2**62 - 2, 5, 5])
    found = keys([wide, wide[::-1], np.array([1, 0, 2, 2])])
    assert found[0] < found[2] < found[1]
    assert len(set(found.tolist())) == 4
