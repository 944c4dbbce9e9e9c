"""ARCHITECTURE.md names what is there, and every room."""

from __future__ import annotations

import re
from pathlib import Path

from tests.each import of_each

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
#: `effscale/growth/scale.py`, or `growth/` for a folder: whatever is spelled as a path.
PATHS = sorted(set(re.findall(r"`([\w.-]+(?:/[\w.-]+)*(?:/|\.(?:py|md|yaml)))`", TEXT)))
ROOMS = sorted(
    path.name
    for path in (ROOT / "effscale").iterdir()
    if path.is_dir() and path.name != "__pycache__"
)


def test_names_paths() -> None:
    assert len(PATHS) >= len(ROOMS)


@of_each(PATHS)
def test_a_path_that_it_names_is_there(path: str) -> None:
    places = [base / path for base in (ROOT, ROOT / "effscale")]
    found = [each for each in places if each.exists()]
    assert found
    assert all(each.is_dir() for each in found if path.endswith("/"))


@of_each(ROOMS)
def test_names_every_room(room: str) -> None:
    assert re.search(rf"(?m)(?:`|/|^\s*)(?:effscale/)?{room}/", TEXT)


def test_no_text_was_left_half_merged() -> None:
    """A merge that was not finished leaves its marks in text, where no linter looks."""
    marked = [
        str(path.relative_to(ROOT))
        for path in sorted(
            [
                *ROOT.glob("*.md"),
                *ROOT.glob("docs/**/*.md"),
                *ROOT.glob("specs/**/*.yaml"),
            ]
        )
        if any(
            line.startswith(("<" * 7, ">" * 7))
            for line in path.read_text("utf-8").splitlines()
        )
    ]
    assert marked == []
