"""README.md says what is true: its output, its examples, its files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, get_args

import pytest

import effscale as es
from effscale.spec.lines import OPERATORS, STAGES
from effscale.spec.values import Activation
from tests import readme

if TYPE_CHECKING:
    from pathlib import Path

TEXT = readme.README.read_text("utf-8")
EXAMPLES = readme.examples(TEXT)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files that the page shows, in the current folder."""
    monkeypatch.chdir(tmp_path)
    readme.write_files(TEXT, tmp_path)


def test_shows_commands() -> None:
    assert len(EXAMPLES) >= 4


@pytest.mark.torch
@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("command", "shown"), [pytest.param(*each, id=each[0]) for each in EXAMPLES]
)
def test_shows_what_its_commands_print(command: str, shown: str) -> None:
    assert readme.printed(command) == shown


def test_its_tables_are_current() -> None:
    assert readme.with_tables(TEXT) == TEXT


@pytest.mark.torch
def test_python_examples_run_and_agree(capsys: pytest.CaptureFixture[str]) -> None:
    scope: dict[str, object] = {}
    for block in blocks("python"):
        exec(block, scope)  # noqa: S102 - our own page
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == printed[1] == "6319727088"


def test_the_language_in_one_screen_is_the_language() -> None:
    required = next(each for each in blocks("yaml") if "name: tiny\n" in each)
    optional = next(each for each in blocks("yaml") if "image_channels" in each)
    spec = es.loads(required + optional)
    cost = es.count(spec)
    assert spec.expected is not None
    assert (cost.params, cost.macs) == (spec.expected.params, spec.expected.macs)
    defaults = es.loads(required)
    for name in ("image_channels", "norm", "stochastic_depth", "rounding"):
        assert getattr(spec, name) == getattr(defaults, name)
    assert spec.coefficients == defaults.coefficients


def test_the_example_of_cells_is_a_network_with_the_rest() -> None:
    cells = next(each for each in blocks("yaml") if each.startswith("cells:"))
    rest = "name: x\nresolution: 32\nstem: {kernel: 3, channels: 16}\nhead: {}\n"
    spec = es.loads(rest + cells)
    assert es.count(spec).params > 0


def test_names_every_activation_block_and_operator() -> None:
    assert f"# {', '.join(get_args(Activation))}" in TEXT
    for name in (*STAGES, *OPERATORS):
        generic = name.replace("5x5", "3x3").replace("7x7", "3x3").replace("2x2", "3x3")
        if name not in {"conv", "conv_1x3_3x1"}:
            assert f"`{generic}`" in TEXT


@pytest.mark.parametrize("path", re.findall(r"\]\(((?!http)[^)#]+)\)", TEXT))
def test_links_to_files_that_are_there(path: str) -> None:
    assert (readme.README.parent / path).exists()
