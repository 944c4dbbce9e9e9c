"""What tests share: the baseline, and the program run as a user runs it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeAlias

import pytest
from click.testing import CliRunner, Result

import effscale as es
from effscale.cli import main

# Workers and the programs that they start share the cores: threads of torch that wait
# for each other would take several times as long. It is read when torch is loaded.
os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}

Run: TypeAlias = Callable[..., Result]


@pytest.fixture(scope="session")
def b0() -> es.Spec:
    """EfficientNet-B0, as built in."""
    return es.load("b0")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run("scale", "--phi", "4")`: exit code, output and stderr of the program."""
    for name in ("FORCE_COLOR", "NO_COLOR", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)

    def invoke(*arguments: str, text: str | None = None) -> Result:
        return CliRunner().invoke(main, arguments, input=text, prog_name="effscale")

    return invoke
