"""Tests of `effscale.comparing.paper_tables`: what is said of EfficientDet's tables."""

from __future__ import annotations

from fractions import Fraction

import pytest

import effscale as es
from effscale.comparing import paper_tables
from effscale.comparing.paper_tables import Row, rounds_to
from effscale.cost.count import part_costs
from effscale.growth.scale import at_resolution
from effscale.network.network import network
from effscale.spec.neck import nodes


def rows(number: int) -> dict[str, Row]:
    return {
        each.model: each for each in paper_tables.table(f"efficientdet-{number}").rows
    }


def cells(row: Row) -> dict[str, object]:
    return {cell.figure: cell.ours for cell in row.cells}


def test_settings_are_those_of_the_spec() -> None:
    # hparams_config.py:301-389 of google/automl
    assert cells(rows(1)["D7x"]) == {
        "input": 1536,
        "backbone": "b7",
        "channels": 384,
        "layers": 8,
        "head_layers": 5,
    }


def test_the_law_stands_beside_what_it_is_meant_for() -> None:
    found = rows(1)
    laws = {cell.figure: cell.law for cell in found["D7"].cells}
    assert {name: law and law.ours for name, law in laws.items()} == {
        "input": 1408,
        "backbone": "b7",
        "channels": 520,  # 64 · 1.35^7 is 523.0
        "layers": 10,
        "head_layers": 5,
    }
    assert [cell.law for cell in found["D7x"].cells] == [None] * 5


def test_the_first_law_of_the_neck_is_two_layers_and_phi_up_to_eight() -> None:
    found = rows(1)
    said = {
        model: row.printed["layers"]
        for model, row in found.items()
        for cell in row.cells
        if cell.law is not None and "first version" in (cell.law.reason or "")
    }
    assert said == {f"D{phi}": str(min(2 + phi, 8)) for phi in (5, 6, 7)}


def test_what_the_profiler_counts_is_a_little_more() -> None:
    # README.md of google/automl, efficientdet, in B: D0 to D4, D6 to D7x
    readme = dict(
        zip(
            ["D0", "D1", "D2", "D3", "D4", "D6", "D7", "D7x"],
            ["2.54", "6.10", "11.0", "24.9", "55.2", "226", "325", "410"],
            strict=True,
        )
    )
    found = rows(2)
    for model, text in readme.items():
        over = Fraction(text) * 10**9 / int(found[model].cost.macs)
        assert Fraction("1.005") < over < Fraction("1.02"), model
    over = Fraction(135 * 10**9, int(found["D5"].cost.macs))
    assert Fraction("1.005") < over < Fraction("1.02")


def test_params_of_nas_fpn_were_cut() -> None:
    for model, row in rows(2).items():
        if "NAS-FPN" in model:
            stated = int(row.printed["params"].removesuffix("M"))
            assert int(row.cost.params) // 10**6 == stated
            assert f"{int(row.cost.params) / 1e6:.1f}M" in (row.cells[0].reason or "")


def test_the_third_detector_has_the_printed_cost_with_five_layers_alone() -> None:
    d3 = es.load("d3")
    assert d3.neck is not None
    macs = {
        repeats: int(
            es.count(
                d3.model_copy(
                    update={"neck": d3.neck.model_copy(update={"repeats": repeats})}
                )
            ).macs
        )
        for repeats in (4, 5, 6)
    }
    assert macs[5] == int(rows(4)["EfficientNet-B3 + BiFPN"].cost.macs)
    assert [rounds_to(each, "24B") for each in macs.values()] == [False, True, False]
    assert rounds_to(macs[6], "24.6B")


def test_a_neck_that_is_swapped_is_that_of_the_spec_which_has_it() -> None:
    def behind_the_backbone(row: Row) -> list[int]:
        spec = at_resolution(row.spec, (640, 640))
        return [int(each.cost.macs) for each in part_costs(network(spec))[-2:]]

    plain, swapped = [*rows(4).values()][:2]
    assert swapped.spec.resolution == (640, 640)
    assert behind_the_backbone(swapped) == behind_the_backbone(plain)


def test_table_5_counts_the_neck_alone() -> None:
    table = paper_tables.table("efficientdet-5")
    assert table.part == "neck"
    first, _, _, _, last, _ = table.rows
    necks = [part_costs(network(each.spec))[-3] for each in (last, first)]
    assert [each.part.name for each in necks] == ["neck", "neck"]
    ratio = Fraction(int(necks[0].cost.macs), int(necks[1].cost.macs))
    assert cells(last)["macs_ratio"] == ratio
    assert es.count(last.spec) == last.cost


def fused(row: Row, *, products: bool) -> int:
    """MACs of a neck, and the sums of maps in its nodes, or their products too."""
    neck = row.spec.neck
    assert neck is not None
    found = 0
    for node in nodes(neck).values():
        side = row.spec.resolution[0] // 2**node.level
        maps = len(node.reads) + len(node.adds)
        found += (maps - 1 + products * maps) * int(neck.channels) * side**2
    macs = int(part_costs(network(row.spec))[-3].cost.macs)
    return macs + int(neck.repeats) * found


@pytest.mark.parametrize(
    ("model", "products", "text"),
    [
        ("BiFPN, weighted", True, "0.68x"),
        ("BiFPN, not weighted", False, "0.67x"),
        ("Fully-connected FPN", False, "1.19x"),
    ],
)
def test_ratios_with_the_sums_and_products_of_maps(
    model: str, text: str, *, products: bool
) -> None:
    found = rows(5)
    lead = fused(found["Repeated top-down FPN"], products=False)
    assert rounds_to(Fraction(fused(found[model], products=products), lead), text)
    reason = found[model].cells[1].reason
    assert reason is None or reason.endswith(text)


def test_points_of_detectors_are_average_precisions() -> None:
    found = {each.name: each for each in paper_tables.table("efficientdet-2").points}
    assert (found["D7x"].accuracy, found["D7x"].metric) == (55.1, "ap")
    assert len(found) == 14


def test_a_table_without_accuracies_has_no_points() -> None:
    assert paper_tables.table("efficientdet-1").points == []
