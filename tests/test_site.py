"""The site of docs/: built strictly, whole in a browser, asking nobody for anything."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from tests.browser import chromium, needs_browser
from tests.documents import PAGES, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` builds it, where a warning is an error.

    Not with `--quiet`, by which mkdocs counts no warnings either.
    """
    folder = tmp_path_factory.mktemp("site")
    words = ["-m", "mkdocs", "build", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing: a test reads what the program says."""


@pytest.fixture(scope="module")
def served(site: Path) -> Iterator[str]:
    """The address of the site on this machine."""
    with ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(_Silent, directory=site)
    ) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def page(browser: Browser, served: str) -> Iterator[Page]:
    """A page of a browser, which may say nothing and ask for nothing but the site."""
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda asked: said.append(asked.url))
    yield page
    page.close()
    inside = (served, "data:", "blob:")
    assert [each for each in said if not each.startswith(inside)] == []


def built(site: Path) -> list[Path]:
    docs = ROOT / "docs"
    pages = [each.relative_to(docs) for each in PAGES if each.is_relative_to(docs)]
    return [site / each.with_suffix(".html") for each in pages]


def test_every_page_is_built(site: Path) -> None:
    assert [each for each in built(site) if not each.is_file()] == []


def test_names_are_explained(site: Path) -> None:
    text = (site / "reference" / "api.html").read_text("utf-8")
    assert "What one image costs" in text
    assert "Raises:" in text
    assert "::: effscale" not in text


@needs_browser[1]
@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.long)])
def test_pages_open_without_a_word(
    site: Path, served: str, page: Page, step: int
) -> None:
    for each in built(site)[::step]:
        page.goto(served + each.relative_to(site).as_posix())
        assert page.locator("h1").first.inner_text()
        page.set_viewport_size({"width": 390, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        page.set_viewport_size({"width": 1280, "height": 800})


@needs_browser[1]
def test_search_finds_a_key_without_a_network(served: str, page: Page) -> None:
    page.goto(served)
    page.locator("input[name=query]").press_sequentially("group_width")
    page.wait_for_selector(".md-search-result__item")
    found = page.locator(".md-search-result__item a").first.get_attribute("href") or ""
    assert "reference/" in found
