"""The page of `effscale report` in a real browser, where there is one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import chromium, needs_browser, page_of
from tests.report.test_page import page as written

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = needs_browser

Open: TypeAlias = Callable[..., AbstractContextManager[Page]]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("report") / "report.html"
    file.write_text(written("b0", "b4", "resnet50"), "utf-8")
    return file


@pytest.fixture
def opened(browser: Browser, path: Path) -> Open:
    """The page, opened so."""

    def visit(width: int = 1280, **options: Any) -> AbstractContextManager[Page]:  # noqa: ANN401
        return page_of(browser, path, width, 900, **options)

    return visit


def column(page: Page, title: str) -> list[str]:
    """What the first table of the page shows under a title."""
    table = page.locator("table").first
    titles = table.locator("thead th").all_inner_texts()
    cells = table.locator(f"tbody tr > :nth-child({titles.index(title) + 1})")
    return cells.all_inner_texts()


def names(page: Page) -> list[str]:
    return page.locator(".network:visible h3").all_inner_texts()


@pytest.mark.parametrize("width", [390, 820, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_opens_without_a_word_and_fits(opened: Open, width: int, scheme: str) -> None:
    with opened(width, color_scheme=scheme) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == width
        colours = page.evaluate(
            "[getComputedStyle(document.body).color,"
            " getComputedStyle(document.querySelector('svg text')).fill]"
        )
        ink = "rgb(28, 35, 48)" if scheme == "light" else "rgb(228, 232, 238)"
        assert colours == [ink, ink]


def test_sorts_by_the_exact_number_down_then_up(opened: Open) -> None:
    with opened() as page:
        assert column(page, "network") == ["b0", "b4", "resnet50"]
        heading = page.locator("table").first.locator("th", has_text="activ.")
        heading.get_by_role("button").click()
        assert heading.get_attribute("aria-sort") == "descending"
        assert column(page, "network") == ["b4", "resnet50", "b0"]
        heading.get_by_role("button").press("Enter")
        assert heading.get_attribute("aria-sort") == "ascending"
        assert column(page, "network") == ["b0", "resnet50", "b4"]


def test_sorts_marked_figures_and_words(opened: Open) -> None:
    with opened() as page:
        table = page.locator("table").first
        # b4's is printed as `¹ 4.39 G`, its exact number is not in the cell
        table.get_by_role("button", name="MACs", exact=True).click()
        assert column(page, "network") == ["b4", "resnet50", "b0"]
        table.get_by_role("button", name="network").click()
        assert column(page, "network") == ["b0", "b4", "resnet50"]


def test_sorting_keeps_the_total_last(opened: Open) -> None:
    with opened() as page:
        page.locator(".network summary").first.click()
        table = page.locator(".network table").first
        table.get_by_role("button", name="MACs").click()
        rows = table.locator("tr").all_inner_texts()
        assert rows[1].startswith("stage 6")
        assert rows[-1].startswith("total")


def test_searches_networks_parts_and_operators(opened: Open) -> None:
    with opened() as page:
        box = page.get_by_role("searchbox", name="Search")
        said = page.locator(".search output")
        box.fill("bottleneck")
        assert names(page) == ["resnet50"]
        assert said.inner_text() == "4 rows"
        box.fill("b4 STAGE 6")
        assert names(page) == ["b4"]
        assert said.inner_text() == "1 row"
        box.fill("nowhere to be found")
        assert names(page) == []
        assert said.inner_text() == "0 rows"
        box.fill("")
        assert names(page) == ["b0", "b4", "resnet50"]
        assert said.inner_text() == ""


def test_links_lead_to_the_networks(opened: Open) -> None:
    with opened() as page:
        page.get_by_role("link", name="resnet50").first.click()
        top = page.locator("#resnet50-3").bounding_box()
        assert top is not None
        assert 0 <= top["y"] < 450
        assert page.locator("#resnet50-3").get_attribute("open") == ""


def test_the_drawing_fades_what_is_not_searched_for(opened: Open) -> None:
    with opened() as page:
        page.get_by_role("searchbox", name="Search").fill("resnet50")
        faded = page.locator(".wide .faded").evaluate_all("all => all.map(e => e.id)")
        assert faded
        assert {each.partition(":")[2] for each in faded} == {"b0|b4", "b0", "b4"}


def test_thirteen_networks_take_three_screens(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(written(*["b0", "mobilenetv3-large"] * 6, "resnet18"), "utf-8")
    page = browser.new_page()
    page.goto(file.as_uri())
    for width, height in ((390, 844), (1280, 900)):
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollHeight") <= 3 * height
    first = page.locator(".network").first
    first.locator("summary").first.click()
    box = first.bounding_box()
    page.close()
    assert box is not None
    assert box["height"] <= 900


def test_is_whole_without_scripts(opened: Open) -> None:
    with opened(java_script_enabled=False) as page:
        assert names(page) == ["b0", "b4", "resnet50"]
        assert not page.locator(".search").is_visible()
        page.locator(".network summary").first.click()
        assert page.locator(".network table").first.is_visible()


def test_is_printed_without_controls_in_black(opened: Open) -> None:
    with opened(color_scheme="dark") as page:
        page.emulate_media(media="print")
        assert not page.locator(".search").is_visible()
        assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.locator(".network table").last.is_visible()
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.pdf(format="A4").startswith(b"%PDF")
