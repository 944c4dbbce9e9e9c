"""README.md and docs/ say what is true: their output, their examples, their links."""

from __future__ import annotations

import re
from functools import cache
from shutil import copy
from typing import TYPE_CHECKING

import pytest

from tests import documents
from tests.each import of_each

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = {
    str(page.relative_to(documents.ROOT)): page.read_text("utf-8")
    for page in documents.PAGES
}
EXAMPLES = [
    pytest.param(name, *each, id=f"{name}: {each[0]}")
    for name, text in TEXTS.items()
    for each in documents.examples(text)
]
#: A link, but to what is elsewhere or on the page itself.
LINK = re.compile(r"\]\(((?!http)[^)#]+)(?:#[^)]*)?\)")
LINKS = [(name, path) for name, text in TEXTS.items() for path in LINK.findall(text)]
#: Lines of the page that one reads first.
ONE_SITTING = 250


def blocks(language: str, text: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_show_commands() -> None:
    assert len(EXAMPLES) >= 15


def test_the_first_page_is_read_in_one_sitting() -> None:
    assert len(TEXTS["README.md"].splitlines()) <= ONE_SITTING


@pytest.mark.torch
@pytest.mark.parametrize(("page", "command", "shown"), EXAMPLES)
def test_show_what_their_commands_print(
    page: str,
    command: str,
    shown: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    documents.write_files(TEXTS[page], tmp_path)
    of_files = "." in command  # else it prints the same on every page
    printed = documents.printed if of_files else printed_once
    assert printed(command) == shown


printed_once = cache(documents.printed)


@pytest.mark.parametrize("page", TEXTS)
def test_tables_are_current(page: str) -> None:
    assert documents.with_tables(TEXTS[page]) == TEXTS[page]


@pytest.mark.torch
@pytest.mark.parametrize(
    "page", [k for k, each in TEXTS.items() if "```python" in each]
)
def test_python_examples_run(
    page: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a folder with a few of the specs, as `specs`."""
    (tmp_path / "specs").mkdir()
    for name in ("b0.yaml", "d0.yaml"):
        copy(documents.ROOT / "specs" / name, tmp_path / "specs")
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {}
    for block in blocks("python", TEXTS[page]):
        exec(block, scope)  # noqa: S102 - our own page
    if page == "docs/reference/python.md":
        printed = capsys.readouterr().out.splitlines()
        assert printed[0] == printed[1] == "6319727088"


@pytest.mark.parametrize("notebook", documents.NOTEBOOKS, ids=lambda each: each.name)
def test_notebooks_show_what_their_cells_answer(notebook: Path) -> None:
    text = notebook.read_text("utf-8")
    assert documents.executed(text) == text


@of_each(LINKS)
def test_links_lead_to_files_that_are_there(link: tuple[str, str]) -> None:
    page, path = link
    assert ((documents.ROOT / page).parent / path).exists()
