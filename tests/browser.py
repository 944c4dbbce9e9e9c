"""A real browser for tests that open pages, where there is one."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
FOUND = next(filter(None, map(shutil.which, BROWSERS)), None)

needs_browser = [
    pytest.mark.slow,
    pytest.mark.skipif(FOUND is None, reason="no Chromium is installed"),
]


@contextmanager
def page_of(
    browser: Browser,
    path: Path,
    width: int,
    height: int,
    **options: Any,  # noqa: ANN401 - Playwright's
) -> Iterator[Page]:
    """A page of a file; it may say nothing and ask for nothing but itself."""
    page = browser.new_page(viewport={"width": width, "height": height}, **options)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda asked: said.append(asked.url))
    page.goto(path.as_uri())
    yield page
    page.close()
    assert said == [path.as_uri()]


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser, for as long as the block lasts."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=FOUND, args=["--no-sandbox"]
        )
        yield started
        started.close()
