"""`effscale schema`, as its users see it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from effscale.spec.schema import schema

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Run


def test_prints_the_schema(run: Run) -> None:
    result = run("schema")
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout) == schema()


def test_writes_it_to_a_file(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "effscale.schema.json"
    assert run("schema", "--output", str(path)).exit_code == 0
    assert json.loads(path.read_text("utf-8")) == schema()
    again = run("schema", "--output", str(path))
    assert again.exit_code == 2
    assert "--force replaces it" in again.stderr
