"""Tests of `effscale.atomic_write`: a file is there whole or not at all."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from effscale.atomic_write import remains, whole
from effscale.errors import OutputError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_takes_its_place_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o640)
    with whole(path) as file:
        file.write(b"new")
        assert path.read_text("utf-8") == "old"
    assert path.read_text("utf-8") == "new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(TypeError), whole(path) as file:
        file.writelines([b"half", None])  # type: ignore[list-item]
    assert path.read_text("utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(OutputError) as caught, whole(path):
        raise OSError(28, "No space left on device")
    assert str(caught.value) == f"{path}: cannot be written: no space left on device"


def test_what_a_killed_program_leaves_is_found_again(tmp_path: Path) -> None:
    path = tmp_path / "a[1].json"
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from effscale.atomic_write import whole\n"
        "with whole(Path(sys.argv[1])) as file:\n"
        "    file.write(b'half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not path.exists()
    assert [each.name for each in remains(path)] == [
        each.name for each in tmp_path.iterdir()
    ]
    assert len(remains(path)) == 1
