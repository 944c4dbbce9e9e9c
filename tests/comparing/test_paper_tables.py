"""Tests of `effscale.comparing.paper_tables`: every cell accounted for."""

from __future__ import annotations

from fractions import Fraction

import pytest
import yaml

import effscale as es
from effscale.choices import TABLES
from effscale.comparing import paper_tables
from effscale.comparing.paper_tables import Cell, Row, Table, rounds_to
from effscale.cost.count import layer_costs
from effscale.growth.scale import at_resolution
from effscale.network.network import network
from effscale.network.operators.norm import BatchNorm


@pytest.fixture(params=TABLES)
def table(request: pytest.FixtureRequest) -> Table:
    return paper_tables.table(request.param)


def row(name: str, model: str) -> Row:
    (found,) = (each for each in paper_tables.table(name).rows if each.model == model)
    return found


@pytest.mark.parametrize(
    ("exact", "text", "expected"),
    [
        (385814752, "0.39B", True),
        (686802832, "0.70B", False),
        (37745884192, "37B", False),  # cut is not rounded
        (4150000000, "4.1B", True),  # a tie may go either way
        (4150000000, "4.2B", True),
        (4150000001, "4.1B", False),
        (Fraction(97, 20), "4.9x", True),
        (Fraction(97, 20), "4.8x", True),
        (Fraction(1), "1x", True),
        (1000, "1000", True),
    ],
)
def test_equal_is_equal_after_rounding(
    exact: int | Fraction, text: str, *, expected: bool
) -> None:
    assert rounds_to(exact, text) is expected


@pytest.mark.parametrize("text", ["", "x", "1.B", "-1B", "1e9", "1.5 B"])
def test_what_is_no_figure_is_refused(text: str) -> None:
    with pytest.raises(
        ValueError, match=r"^expected a figure such as 1\.5B or 4\.9x, "
    ):
        rounds_to(1, text)


def with_laws(table: Table) -> list[tuple[str, Cell]]:
    """All cells of a table, those of its law too, each with the row that it is in."""
    cells = [(each.model, cell) for each in table.rows for cell in each.cells]
    return cells + [(model, cell.law) for model, cell in cells if cell.law is not None]


def test_every_cell_is_equal_after_rounding_or_explained(table: Table) -> None:
    assert [(m, c) for m, c in with_laws(table) if not c.equal and not c.reason] == []


def test_no_cell_that_is_equal_is_explained_away(table: Table) -> None:
    assert [(m, c) for m, c in with_laws(table) if c.equal and c.reason] == []


def test_every_reason_is_used(table: Table) -> None:
    path = paper_tables._FOLDER / f"{table.name}.yaml"  # noqa: SLF001 - its own data
    data = yaml.safe_load(path.read_text("utf-8"))
    used = {
        why
        for line in data["rows"]
        for cells in ("why", "why_law")
        for why in line.get(cells, {}).values()
    }
    assert used == set(data["reasons"])


@pytest.mark.parametrize(
    ("name", "rows", "cells", "equal"),
    [
        ("efficientnet-2", 24, 94, 56),
        ("efficientnet-3", 14, 14, 9),
        ("efficientnet-5", 26, 39, 21),
        ("efficientnet-7", 5, 5, 2),
        ("efficientdet-1", 9, 45, 45),
        ("efficientdet-2", 14, 28, 20),
        ("efficientdet-4", 3, 6, 4),
        ("efficientdet-5", 6, 12, 9),
    ],
)
def test_as_many_as_the_paper_prints(
    name: str, rows: int, cells: int, equal: int
) -> None:
    found = paper_tables.table(name)
    assert len(found.rows) == rows
    all_cells = [cell for each in found.rows for cell in each.cells]
    assert (len(all_cells), sum(cell.equal for cell in all_cells)) == (cells, equal)


def test_ratios_are_to_the_network_that_leads_the_group() -> None:
    groups: dict[str, int] = {}
    for each in paper_tables.table("efficientnet-2").rows:
        groups[each.to] = groups.get(each.to, 0) + 1
    assert groups == dict(
        zip([f"B{n}" for n in range(8)], [3, 5, 3, 3, 5, 2, 1, 2], strict=True)
    )


def quotients(text: str, lead: str) -> Fraction:
    """The ratio of two figures as printed."""
    one, other = (Fraction(each.rstrip("MB")) for each in (text, lead))
    return one / other


def test_ratios_said_to_be_of_printed_figures_are() -> None:
    found = {each.model: each for each in paper_tables.table("efficientnet-2").rows}
    said = 0
    for each in found.values():
        for cell in each.cells:
            if not (cell.reason or "").startswith("the ratio is that of the printed"):
                continue
            figure = cell.figure.removesuffix("_ratio")
            lead = found[each.to].printed[figure]
            ratio = quotients(each.printed[figure], lead)
            stated = Fraction(cell.printed.rstrip("x"))
            if "cut" in (cell.reason or ""):
                places = len(cell.printed.rstrip("x").partition(".")[2])
                assert 0 <= ratio - stated < Fraction(1, 10**places)
            else:
                assert rounds_to(ratio, cell.printed)
            said += 1
    assert said == 21


@pytest.mark.parametrize(
    ("model", "text"),
    [("B2", "9.18M"), ("DenseNet-264", "33.7M"), ("ResNeXt-101", "83.7M")],
)
def test_running_statistics_make_up_the_params_that_are_too_many(
    model: str, text: str
) -> None:
    found = row("efficientnet-2", model)
    cell = found.cells[0]
    assert text in (cell.reason or "")
    norms = [
        each.visit.leaf
        for each in layer_costs(network(found.spec))
        if isinstance(each.visit.leaf, BatchNorm)
    ]
    both = int(found.cost.params) + sum(2 * int(norm.channels) for norm in norms)
    assert rounds_to(both, text)
    assert rounds_to(both, cell.printed)


@pytest.mark.parametrize(
    ("name", "pixels", "text"),
    [("b4", 368, "4.2B"), ("b7", 592, "37B")],
)
def test_the_images_that_would_cost_what_is_printed(
    name: str, pixels: int, text: str
) -> None:
    spec = at_resolution(es.load(name), (pixels, pixels))
    assert rounds_to(int(es.count(spec).macs), text)


def test_no_image_has_the_compound_mobilenets_cost() -> None:
    spec = row("efficientnet-3", "MobileNetV1 compound").spec
    counts = [
        int(es.count(at_resolution(spec, (side, side))).macs)
        for side in range(280, 300)
    ]
    assert not any(rounds_to(macs, "2.3B") for macs in counts)
    assert counts[8] == 2242960136  # 288 px
    assert counts[9] == 2466301816  # 289 px


@pytest.mark.parametrize(
    ("name", "model", "macs", "pixels"),
    [
        # counted from other implementations, with the digits that were noted down
        ("efficientnet-3", "MobileNetV1 by width", "2.2165B", 224),
        ("efficientnet-3", "MobileNetV1 by resolution", "2.2719B", 448),
        ("efficientnet-3", "MobileNetV1 compound", "2.243B", 288),
        ("efficientnet-3", "MobileNetV2 by depth", "1.2196B", 224),
        ("efficientnet-3", "MobileNetV2 by width", "1.1374B", 224),
        ("efficientnet-3", "MobileNetV2 by resolution", "1.1993B", 448),
        ("efficientnet-3", "MobileNetV2 compound", "1.2844B", 288),
        ("efficientnet-3", "ResNet-50 by depth", "14.5707B", 224),
        ("efficientnet-3", "ResNet-50 by width", "16.1166B", 224),
        ("efficientnet-3", "ResNet-50 by resolution", "16.3506B", 448),
        ("efficientnet-3", "ResNet-50 compound", "15.9155B", 291),
        ("efficientnet-7", "B0 by depth", "1.5751B", 224),
        ("efficientnet-7", "B0 by width", "1.4500B", 224),
        ("efficientnet-7", "B0 by resolution", "1.5375B", 448),
        ("efficientnet-7", "B0 compound", "1.8001B", 291),
        ("efficientnet-2", "ResNeXt-101", "31.549B", 320),
        ("efficientnet-2", "SENet", "42.212B", 320),
    ],
)
def test_scaled_networks_cost_what_was_counted_elsewhere(
    name: str, model: str, macs: str, pixels: int
) -> None:
    found = row(name, model)
    assert found.spec.resolution == (pixels, pixels)
    assert rounds_to(int(found.cost.macs), macs)


def test_points_are_the_papers_accuracies() -> None:
    found = {each.name: each for each in paper_tables.table("efficientnet-7").points}
    assert {name: each.accuracy for name, each in found.items()} == {
        "B0": 77.3,
        "B0 by depth": 79.0,
        "B0 by width": 78.9,
        "B0 by resolution": 79.1,
        "B0 compound": 81.1,
    }
    assert {each.family for each in found.values()} == {"efficientnet"}


@pytest.mark.parametrize("name", ["efficientnet-2", "efficientdet-2"])
def test_specs_publish_what_table_2_prints(name: str) -> None:
    for each in paper_tables.table(name).rows:
        published = es.load(each.spec.name).published
        assert published is not None
        for figure in ("params", "macs", "top1", "top5", "ap"):
            assert getattr(published, figure) == each.printed.get(figure)


@pytest.mark.parametrize(
    ("reason", "standing"),
    [
        ("cut instead of rounded", "explained below"),
        ("a guess: cut instead of rounded", "guessed at"),
        ("not reproduced: 0.745x", "not reproduced"),
        (None, "unexplained"),
    ],
)
def test_a_reason_says_how_well_it_is_known(reason: str | None, standing: str) -> None:
    assert Cell("macs", "1B", 2, reason).standing == standing
