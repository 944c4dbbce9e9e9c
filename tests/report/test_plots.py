"""Tests of `effscale.report.plots`: pictures, and what they need."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from effscale.errors import OutputError
from effscale.report import plots
from effscale.search.grid import Grid, search
from effscale.search.sweep import sweep

if TYPE_CHECKING:
    import effscale as es

pytestmark = pytest.mark.slow

TEXT = "{http://www.w3.org/2000/svg}text"


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


@pytest.mark.parametrize("name", ["a.pdf", "a", "png", ".png", "a.svgz"])
def test_another_suffix_is_refused(name: str) -> None:
    with pytest.raises(OutputError) as caught:
        plots.form(Path("folder") / name)
    assert str(caught.value) == (
        f"folder/{name}: expected a name that ends in .png or .svg"
    )


def test_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "find_spec", lambda _name: None)
    with pytest.raises(OutputError) as caught:
        plots.form(Path("a.png"))
    assert str(caught.value) == (
        "a.png: needs matplotlib; pip install 'effscale[plot]' brings it"
    )


def test_a_grid_is_two_diagrams_of_text_and_marks(b0: es.Spec) -> None:
    values = np.array([1.0, 1.1, 1.2, 1.4])
    asked = Grid(values, values, values, tolerance=0.2)
    found = search(b0, asked).candidates
    read = texts(plots.grid(asked, found, "svg"))
    assert {
        "nominal cost, (α·β²·γ²)^φ",
        "realised MACs / baseline",
        "within the budget",
        "front: params, activations",
        "feasible networks",
        "α (depth)",
        "β (width)",
        "γ (resolution)",
    } <= read


def test_a_sweep_is_a_staircase_and_the_same_each_time(b0: es.Spec) -> None:
    steps = sweep(b0, "resolution", 200, 240)
    svg = plots.sweep("resolution", steps, "svg")
    assert {"pixels", "MACs"} <= texts(svg)
    assert any(each.endswith("%") for each in texts(svg))
    assert plots.sweep("resolution", steps, "svg") == svg
