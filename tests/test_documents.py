"""README.md and docs/ say what is true: their output, their examples, their links."""

from __future__ import annotations

import re
from functools import cache
from shutil import copy
from typing import TYPE_CHECKING, get_args

import pytest

import effscale as es
from effscale.spec.lines import OPERATORS, STAGES
from effscale.spec.values import Activation
from tests import documents

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
LINKS = [
    pytest.param(name, path, id=f"{name}: {path}")
    for name, text in TEXTS.items()
    for path in LINK.findall(text)
]
LANGUAGE = TEXTS["docs/reference/language.md"]
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


def test_the_language_in_one_screen_is_the_language() -> None:
    shown = blocks("yaml", LANGUAGE)
    required = next(each for each in shown if "name: tiny\n" in each)
    optional = next(each for each in shown if "image_channels" in each)
    spec = es.loads(required + optional)
    cost = es.count(spec)
    assert spec.expected is not None
    assert (cost.params, cost.macs) == (spec.expected.params, spec.expected.macs)
    defaults = es.loads(required)
    for name in ("image_channels", "norm", "stochastic_depth", "rounding"):
        assert getattr(spec, name) == getattr(defaults, name)
    assert spec.coefficients == defaults.coefficients


def test_the_example_of_cells_is_a_network_with_the_rest() -> None:
    shown = blocks("yaml", LANGUAGE)
    cells = next(each for each in shown if each.startswith("cells:"))
    rest = "name: x\nresolution: 32\nstem: {kernel: 3, channels: 16}\nhead: {}\n"
    spec = es.loads(rest + cells)
    assert es.count(spec).params > 0


def test_the_language_names_every_activation_block_and_operator() -> None:
    line = next(each for each in LANGUAGE.splitlines() if "activation: silu " in each)
    assert set(get_args(Activation)) <= set(re.findall(r"\w+", line))
    for name in (*STAGES, *OPERATORS):
        generic = name.replace("5x5", "3x3").replace("7x7", "3x3").replace("2x2", "3x3")
        if name not in {"conv", "conv_1x3_3x1"}:
            assert f"`{generic}`" in LANGUAGE


@pytest.mark.parametrize(("page", "path"), LINKS)
def test_links_lead_to_files_that_are_there(page: str, path: str) -> None:
    assert ((documents.ROOT / page).parent / path).exists()
