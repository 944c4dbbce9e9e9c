"""Tests of `effscale.report.plots`: pictures, and the places of labels in them."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.text import Text

import effscale as es
from effscale import extras
from effscale.choices import TABLES
from effscale.comparing import paper_tables, side_by_side
from effscale.errors import OutputError
from effscale.report import plots
from effscale.report.plots import Box, Dot, Segment, place
from effscale.search.grid import Grid, search
from effscale.search.sweep import sweep
from effscale.spec.names import names

if TYPE_CHECKING:
    from collections.abc import Callable

    from effscale.comparing.side_by_side import Axis, Point

draws = pytest.mark.slow

TEXT = "{http://www.w3.org/2000/svg}text"
#: Where labels are placed, and dots within.
FRAME = Box(0, 0, 800, 600)
dots = st.tuples(st.floats(0, 800), st.floats(0, 600))


def texts(svg: bytes) -> set[str]:
    """What one can read, search for and translate in a picture."""
    root = ET.fromstring(svg)  # noqa: S314 - drawn just now
    return {"".join(each.itertext()).strip() for each in root.iter(TEXT)}


@pytest.mark.parametrize(
    ("name", "form"),
    [("a.png", "png"), ("a.svg", "svg"), ("A.PNG", "png"), ("a.b.svg", "svg")],
)
def test_the_suffix_chooses_the_format(name: str, form: str) -> None:
    assert plots.form(Path(name)) == form


def test_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda _name: None)
    with pytest.raises(OutputError) as caught:
        plots.form(Path("a.png"))
    assert str(caught.value) == (
        "a.png: needs matplotlib; pip install 'effscale[plot]' brings it"
    )


@draws
def test_a_grid_is_two_diagrams_of_text_and_marks(b0: es.Spec) -> None:
    values = np.array([1.0, 1.1, 1.2, 1.4])
    asked = Grid((values, values, values), tolerance=0.2)
    found = search(b0, asked).candidates
    read = texts(plots.grid(asked, found, (1.2, 1.1, 1.15), "b0", "svg"))
    assert {
        "nominal cost, (α·β²·γ²)^φ",
        "realised MACs / baseline",
        "within the tolerance",
        "front: params, activations",
        "feasible networks, those of one β and γ abreast",
        "α (depth)",
        "β (width)",
        "γ (resolution)",
        "b0: networks of 2 times the MACs for each φ, at φ = 1",
    } <= read
    own = tuple(float(each[0]) for each in found.coefficients)
    read = texts(plots.grid(asked, found, own, "b0", "svg"))
    assert "the network's own α, β, γ" in read


def test_points_of_one_place_stand_side_by_side() -> None:
    x, y, by = np.array([[1, 1, 1, 1.5], [2, 2, 3, 2], [1.5, 1.2, 1, 1]])
    apart = plots.beside(x, y, by)
    assert apart[1] < 1 < apart[0] < 1.5
    assert apart[2:].tolist() == [1, 1.5]  # alone in their places


@draws
def test_a_sweep_is_a_staircase_and_the_same_each_time(b0: es.Spec) -> None:
    steps = sweep(b0, "resolution", 200, 240).steps
    svg = plots.sweep("b0", "resolution", steps, "svg")
    assert {"pixels", "MACs"} <= texts(svg)
    assert any(each.endswith("%") for each in texts(svg))
    assert plots.sweep("b0", "resolution", steps, "svg") == svg


def points(*references: str) -> list[Point]:
    names = side_by_side.expanded(references)
    return side_by_side.points(
        side_by_side.entries(names, [es.load(each) for each in names])
    )


#: All that is built in, the paper's tables, and few networks.
PLOTTED: dict[str, Callable[[], list[Point]]] = {
    "all": lambda: points(*names()),
    "two families": lambda: points("efficientnet", "resnet"),
    "one": lambda: points("b0"),
    **{
        name: lambda name=name: paper_tables.table(name).points  # type: ignore[misc]
        for name in TABLES
        if name != "efficientdet-1"  # it prints no accuracies
    },
}


@draws
@pytest.mark.parametrize(
    ("name", "x"),
    [(name, x) for name in PLOTTED for x in ("macs", "params") if name != "all"]
    + [pytest.param("all", "macs", marks=pytest.mark.long)],
)
def test_no_two_names_collide_in_a_picture(name: str, x: Axis) -> None:
    found = PLOTTED[name]()
    figure = plots.accuracy_figure(found, x)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    boxes = {text.get_text(): Text.get_window_extent(text) for text in axes.texts}
    assert set(boxes) == {point.name for point in found}  # none is left out
    within = axes.get_window_extent()
    for one, other in combinations(boxes.values(), 2):
        assert not (
            one.x0 < other.x1 and other.x0 < one.x1
            and one.y0 < other.y1 and other.y0 < one.y1
        )  # fmt: skip
    for box in boxes.values():
        assert within.x0 <= box.x0 < box.x1 <= within.x1
        assert within.y0 <= box.y0 < box.y1 <= within.y1


@draws
def test_a_name_nearer_to_another_dot_is_led_to_its_own() -> None:
    found = points("efficientnet", "regnety", "regnetx", "resnet", "mnasnet", "mixnet")
    figure = plots.accuracy_figure(found, "macs")
    figure.draw_without_rendering()
    axes = figure.axes[0]
    dots = {text: axes.transData.transform(text.xy) for text in axes.texts}  # type: ignore[attr-defined]
    for text, own in dots.items():
        box = Box(*map(float, Text.get_window_extent(text).extents))
        if box.misleads(tuple(own), [tuple(each) for each in dots.values()]):
            assert text.arrow_patch is not None  # type: ignore[attr-defined]


@draws
def test_what_has_no_accuracy_is_listed() -> None:
    read = texts(plots.accuracy(points("b0", "b4"), "macs", "svg", ["my-net", "b0-x"]))
    assert "not drawn, as no such accuracy is published: my-net, b0-x" in read
    assert "Accuracy on ImageNet by MACs of one image" in read


@draws
def test_families_are_joined_from_the_least_accurate_on() -> None:
    found = points("resnet", "xception")
    axes = plots.accuracy_figure(list(reversed(found)), "macs").axes[0]
    joined = [each for each in axes.get_lines() if str(each.get_gid())[:4] == "line"]
    lines = [np.asarray(each.get_ydata()).tolist() for each in joined]
    assert lines == [[69.758, 73.314, 76.0, 77.374, 77.8], [79.0]]


@draws
def test_far_costs_are_on_a_logarithmic_axis() -> None:
    scales = {
        names: plots.accuracy_figure(points(*names), "macs").axes[0].get_xscale()
        for names in [("b0", "b1"), ("b0", "b7"), ("b0",)]
    }
    assert scales == {("b0", "b1"): "linear", ("b0", "b7"): "log", ("b0",): "linear"}


@draws
def test_accuracy_is_drawn_the_same_each_time() -> None:
    svg = plots.accuracy(points("b0", "b4"), "params", "svg")
    assert {"b0", "b4", "params", "published top-1 accuracy, %"} <= texts(svg)
    assert plots.accuracy(points("b0", "b4"), "params", "svg") == svg


def test_without_an_accuracy_nothing_is_drawn() -> None:
    with pytest.raises(OutputError) as caught:
        plots.accuracy([], "macs", "png")
    assert str(caught.value) == (
        "--plot: no accuracy is published of any of these networks"
    )


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (Box(1, 1, 3, 3), True),
        (Box(2, 0, 4, 2), False),  # sides that touch have no area in common
        (Box(0.5, 0.5, 1, 1), True),
        (Box(5, 5, 6, 6), False),
    ],
)
def test_overlap_is_an_area_in_common(other: Box, *, expected: bool) -> None:
    box = Box(0, 0, 2, 2)
    assert box.overlaps(other) is other.overlaps(box) is expected


@pytest.mark.parametrize(
    ("segment", "expected"),
    [
        (((-1, 1), (3, 1)), True),
        (((-1, -1), (3, 3)), True),
        (((0.5, 0.5), (1, 1)), True),
        (((-1, 1), (-0.5, 1)), False),  # ends before it
        (((1, -1), (1, 3)), True),
        (((3, -1), (3, 3)), False),
        (((-1, 2), (2, 5)), False),
    ],
)
def test_crossing_is_to_enter(segment: Segment, *, expected: bool) -> None:
    assert Box(0, 0, 2, 2).crosses(segment) is expected


def test_the_nearest_dot_of_a_box() -> None:
    box = Box(0, 0, 2, 2)
    assert box.nearest((5, 1)) == (2, 1)
    assert box.nearest((1, 1)) == (1, 1)
    assert box.nearest((-1, -1)) == (0, 0)


def test_a_label_alone_stands_beside_its_dot() -> None:
    (box,) = place([(400, 300)], [(60, 12)], FRAME)
    assert box is not None
    assert not box.holds((400, 300), 4)
    nearest = box.nearest((400, 300))
    assert abs(nearest[0] - 400) + abs(nearest[1] - 300) < 10


@given(st.lists(dots, min_size=1, max_size=25))
def test_no_two_labels_collide(points: list[Dot]) -> None:
    places = place(points, [(60, 12)] * len(points), FRAME)
    found = [box for box in places if box is not None]
    assert not any(one.overlaps(other) for one, other in combinations(found, 2))
    for box in found:
        assert 0 <= box.left < box.right <= 800
        assert 0 <= box.bottom < box.top <= 600


def test_dots_on_one_spot_all_get_their_labels() -> None:
    places = place([(400, 300)] * 12, [(60, 12)] * 12, FRAME)
    assert None not in places


def test_a_label_is_nearest_to_its_own_dot_where_that_can_be() -> None:
    found = [(400.0, 300.0), (392.0, 312.0)]
    places = place(found, [(60, 12)] * 2, FRAME)
    for dot, box in zip(found, places, strict=True):
        assert box is not None
        assert not box.misleads(dot, found)


def test_a_line_is_kept_clear_where_that_can_be() -> None:
    (first,) = place([(400, 300)], [(60, 12)], FRAME)
    assert first is not None
    through = ((first.left, first.bottom + 6), (first.right, first.bottom + 6))
    (box,) = place([(400, 300)], [(60, 12)], FRAME, [through])
    assert box is not None
    assert first.crosses(through)
    assert not box.crosses(through)


def test_without_room_there_is_no_label() -> None:
    assert place([(5, 5)], [(60, 12)], Box(0, 0, 10, 10)) == [None]
