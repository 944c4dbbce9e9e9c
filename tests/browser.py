"""A real browser for tests that open pages, where there is one."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
FOUND = next(filter(None, map(shutil.which, BROWSERS)), None)

needs_browser = [
    pytest.mark.slow,
    pytest.mark.skipif(FOUND is None, reason="no Chromium is installed"),
]


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser, for as long as the block lasts."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=FOUND, args=["--no-sandbox"]
        )
        yield started
        started.close()
