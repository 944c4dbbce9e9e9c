"""Specs that are wrong, each file with the lines that it must be answered with."""

from __future__ import annotations

from pathlib import Path

import pytest

from effscale.errors import SpecError
from effscale.spec.loading import load_file
from tests.each import of_each

FOLDER = Path(__file__).parents[1] / "bad"
FILES = sorted(path.name for path in FOLDER.glob("*.yaml"))
MARK = "# expected: "


def test_the_files_are_found() -> None:
    assert len(FILES) >= 40


@of_each(FILES, shares=4)
def test_every_fault_of_a_file_is_said(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = (FOLDER / name).read_text(encoding="utf-8").split("\n")
    said = [line.removeprefix(MARK) for line in lines if line.startswith(MARK)]
    expected = [
        line.rpartition(" [EFF")[0] for line in said
    ]  # tests.checking has codes
    monkeypatch.chdir(FOLDER)
    with pytest.raises(SpecError) as caught:
        load_file(name)
    assert str(caught.value).split("\n") == expected
