"""Tests of `effscale.report.page`: one page, whole by itself."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

import effscale as es
from effscale.comparing.side_by_side import entries
from effscale.glossary import TERMS
from effscale.quantity import human
from effscale.report import compare
from effscale.report import page as html
from effscale.report.document import Column, Report, Section, percent
from effscale.spec.models import Budget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.report.document import Row

pytestmark = pytest.mark.slow

VOID = {"meta", "link", "input", "br"}


class Elements(HTMLParser):
    """What a page is made of: every tag closed, and what its attributes say."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open it."""
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open and close it at once."""
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        """Close the one that was opened last."""
        assert self.open.pop() == tag

    def all(self, name: str) -> list[str]:
        """The values of an attribute."""
        return [value or "" for key, value in self.attributes if key == name]


def page(*references: str, title: str = "some networks") -> str:
    compared = entries(references, [es.load(each) for each in references])
    none = [None] * len(compared)
    answer = compare.report(compared, measured=none)
    return html.page(compared, answer, title=title, measured=none)


@pytest.fixture(scope="module")
def three() -> str:
    return page("b0", "resnet50", "b0", "nasnet-a-large")


def test_every_tag_is_closed_and_every_id_is_there_once(three: str) -> None:
    found = Elements(three)
    assert found.open == []
    ids = found.all("id")
    assert len(ids) == len(set(ids))
    links = [each[1:] for each in found.all("href") if each.startswith("#")]
    links += re.findall(r"url\(#([^)]+)\)", three)
    assert {"b0-1", "resnet50-2", "b0-3", "nasnet-a-large-4"} <= set(links)
    assert set(links) <= set(ids)


def test_nothing_is_asked_of_anybody(three: str) -> None:
    found = Elements(three)
    outside = [*found.all("src"), *found.all("href"), *found.all("xlink:href")]
    assert {each[:1] for each in outside} <= {"#", "d"}
    assert "data:," in outside  # no icon either
    assert "default-src 'none'" in three
    assert "@import" not in three
    assert "<metadata>" not in three


def test_has_tables_and_pictures_of_each_network(three: str) -> None:
    tags = Elements(three).tags
    assert tags.count("svg") == 1 + 2 * 4
    assert tags.count("h2") == 1
    assert tags.count("h3") == 4
    assert three.count("<h4>By operator</h4>") == 4
    assert "385,814,752 MACs, 5,288,548 params" in three


def test_pictures_are_drawn_in_the_page_s_own_ink(three: str) -> None:
    assert "var(--ink)" in three
    assert "#010203" not in three
    svg = three[three.index("<svg") : three.rindex("</svg>")]
    assert "fill: #ffffff" not in svg


def test_is_the_same_each_time() -> None:
    assert page("b0") == page("b0")


def judged(**budget: Any) -> str:  # noqa: ANN401 - a budget
    specs = [
        es.load("b0").model_copy(update={"name": name, "budget": Budget(**limits)})
        for name, limits in [("kept", {"macs": "<= 400M"}), ("asked", budget)]
    ]
    compared = entries(["kept", "asked"], specs)
    answer = compare.report(compared, measured=[None, None])
    return html.page(compared, answer, title="two", measured=[None, None], made="today")


def test_verdicts_on_budgets_come_first() -> None:
    wrote = judged(macs="<= 300M", params="<= 6M")
    assert "1 of 2 over budget: asked." in wrote
    assert "&lt;= 300 M MACs: 386 M, +28.6 %" in wrote
    assert wrote.index("over budget: asked") < wrote.index("<table>")
    assert "All 2 networks with a budget are within it." in judged(macs="<= 500M")
    assert "budget: " not in page("b0")


def test_a_latency_that_nobody_has_measured_is_no_verdict() -> None:
    timed = judged(macs="<= 500M", latency="<= 20ms", device="cpu")
    assert (
        "All 2 networks with a budget are within it; latency is not measured here."
    ) in timed
    said = "latency &lt;= 20.0 ms on cpu, 1 thread, batch 1, float32: not measured"
    assert f'<li class="unknown">{said}</li>' in timed
    alone = judged(latency="<= 20ms", device="cpu")
    assert "kept is within its budget; latency is not measured here." in alone


def test_says_when_it_was_made_and_what_words_mean(three: str) -> None:
    assert " · today</p>" in judged()
    for term in TERMS.values():
        assert f"<dt>{term.word}</dt>" in three


def test_of_one_network_no_accuracy_is_drawn() -> None:
    assert Elements(page("b0")).tags.count("svg") == 2


def test_what_is_not_ours_is_escaped() -> None:
    wrote = page("b0", title="<script>alert('x')</script> & more")
    assert "<script>alert" not in wrote
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; more" in wrote


def shown(columns: Sequence[Column], row: Row) -> list[html.Cell]:
    return [html.cell(column, row) for column in columns]


def test_cells_sort_by_exact_numbers_and_show_shares() -> None:
    columns = [
        Column("part", "part", justify="left"),
        Column("input", "input", str),
        Column("MACs", "macs", human),
        Column("share", "share", percent),
        Column("off", "off", percent, style=lambda _value: "red"),
        Column("none", "none"),
    ]
    row = {
        "part": "stem",
        "input": [10, 20],
        "macs": 385814752,
        "share": 0.12345,
        "off": 0.5,
        "none": None,
    }
    assert shown(columns, row) == [
        ("stem", None, "left", None),
        ("[10, 20]", 200, "right", None),
        ("386 M", 385814752, "right", None),
        ("12.3 %", 0.12345, "right share", 12.35),
        ("50.0 %", 0.5, "right red", None),
        ("", None, "right", None),
    ]


def test_a_report_of_anything_is_a_page() -> None:
    rows = [{"name": "p3 class head"}, {"name": "p4 class head"}]
    section = Section([Column("part", "name", justify="left")], rows, "By level")
    report = Report({}, [section], [("detector", "d0")], ["a note"])
    wrote = html.html_page("d0", [html.Chapter(report)])
    for said in ("By level", "p3 class head", "detector", "a note"):
        assert said in wrote
    assert Elements(wrote).open == []
