"""Results as notebooks show them: `_repr_html_` of what Python users get."""

from __future__ import annotations

import numpy as np
import pytest

import effscale as es
from effscale.markup import shown, spelled, table


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (5288548, "5,288,548"),
        (True, "True"),
        (0.1 + 0.2, "0.3"),
        ((3, 5), "3×5"),
        ("a < b & c", "a &lt; b &amp; c"),
        (np.array([3, 1, 2000]), "3 from 1 to 2,000"),
        (np.array([[0.5], [1.0]]), "2 from 0.5 to 1"),
    ],
    ids=str,
)
def test_a_cell(value: object, text: str) -> None:
    assert shown(value) == text


def test_a_table_has_a_column_for_every_key() -> None:
    assert table("T & U", [{"a": 1}, {"b": 2}]) == (
        "<table><caption>T &amp; U</caption>"
        "<thead><tr><th>a</th><th>b</th></tr></thead>"
        "<tbody><tr><td>1</td><td></td></tr><tr><td></td><td>2</td></tr></tbody></table>"
    )


def html(value: object) -> str:
    text = value._repr_html_()  # type: ignore[attr-defined]
    assert isinstance(text, str)
    return text


def test_a_spec_is_its_lines(b0: es.Spec) -> None:
    text = html(b0)
    assert "<caption>b0, 3×224×224 px</caption>" in text
    assert text.count("<tr>") == 1 + 1 + 7 + 1
    assert "<td>stage 2</td>" in text
    assert "<td>1,280</td>" in text
    assert "…" in html(es.load("inception-v4"))


def test_a_cost_is_a_row_for_one_or_for_many(b0: es.Spec) -> None:
    assert "<td>385,814,752</td><td>5,288,548</td><td>6,748,036</td>" in html(
        es.count(b0)
    )
    widths = es.Multipliers(width=np.array([1.0, 2.0]))
    scaled = es.scale(b0, widths)
    assert "<td>2 from 385,814,752 to 1,449,958,848</td>" in html(es.count(scaled))
    assert "2 from 1 to 2" in html(widths)
    assert "2 from 32 to 64" in html(scaled)


def test_coefficients_have_their_product(b0: es.Spec) -> None:
    assert "<td>1.2</td><td>1.1</td><td>1.15</td><td>1.92027</td>" in html(
        b0.coefficients
    )


@pytest.mark.torch
def test_a_measurement_says_what_the_counter_said(b0: es.Spec) -> None:
    net = es.build(b0, init=False, device="meta")
    text = html(es.measure(net, b0.resolution, engine="torch"))
    assert "<caption>torch, by operator</caption>" in text
    assert "<td>385,814,752</td>" in text
    assert "<th>convolution</th>" in text


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("utf-8", "φ 2 × α → ²·✓ ─ é 日 ⌊█▎⌋"),
        ("cp1252", "phi 2 × alpha -> ²·ok - é ? floor(# )"),
        ("cp437", "φ 2 x α -> ²·ok ─ é ? floor(█ )"),
        ("ascii", "phi 2 x alpha -> ^2*ok - ? ? floor(# )"),
    ],
)
def test_a_code_page_without_our_signs_says_them(encoding: str, shown: str) -> None:
    assert spelled("φ 2 × α → ²·✓ ─ é 日 ⌊█▎⌋", encoding) == shown


def test_bytes_that_are_no_text_are_no_signs() -> None:
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode("ascii", "legible")
