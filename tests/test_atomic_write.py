"""Tests of `effscale.atomic_write`: a file is there whole or not at all."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from effscale import atomic_write
from effscale.atomic_write import remains, replacing, whole
from effscale.errors import OutputError


def left_by_a_killed_program(path: Path) -> Path:
    """The name of a file beside `path` of a process that is no more."""
    name = str(atomic_write._temporary(path))  # noqa: SLF001
    return Path(name.replace(f"-{os.getpid()}-", f"-{2**22}-"))  # above all numbers


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
    assert remains(path) == list(tmp_path.iterdir())


def test_what_a_killed_program_left_goes_when_it_is_written_again(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a[1].json"
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from effscale.atomic_write import replacing\n"
        "with replacing(Path(sys.argv[1]), 'x.pt2') as new:\n"
        "    new.write_bytes(b'half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert remains(path) == list(tmp_path.iterdir())
    assert len(remains(path)) == 1
    with whole(path) as file:
        file.write(b"whole")
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_running_program_writes_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with replacing(path, "x") as new:
        new.write_bytes(b"first")
        assert remains(path) == []
        with whole(path) as file:
            file.write(b"second")
        assert path.read_bytes() == b"second"
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_systems_without_files_that_have_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic_write, "_unnamed", lambda _folder: None)
    test_a_file_takes_its_place_when_the_block_ends(tmp_path)
    test_an_error_leaves_what_was_there(tmp_path)


def test_a_name_as_long_as_names_may_be(tmp_path: Path) -> None:
    path = tmp_path / ("ø" * 127)
    for content in (b"first", b"second"):
        with whole(path) as file:
            file.write(content)
    with replacing(path, "x") as new:
        new.write_bytes(b"third")
    assert path.read_bytes() == b"third"


def put(path: Path, content: bytes, *, by_name: bool) -> None:
    if by_name:
        with replacing(path, "x.pt2") as new:
            new.write_bytes(content)
    else:
        with whole(path) as file:
            file.write(content)


@pytest.mark.parametrize("by_name", [False, True])
def test_a_pipe_is_written_through(tmp_path: Path, by_name: bool) -> None:  # noqa: FBT001
    path, got = tmp_path / "pipe", []
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: got.append(path.read_bytes()))
    reader.start()
    put(path, b"answer", by_name=by_name)
    reader.join()
    assert got == [b"answer"]
    assert path.is_fifo()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("by_name", [False, True])
def test_a_device_is_left_one(by_name: bool) -> None:  # noqa: FBT001
    put(Path(os.devnull), b"answer", by_name=by_name)
    assert Path(os.devnull).is_char_device()


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
@pytest.mark.parametrize("by_name", [False, True])
def test_what_standard_output_holds_stays(
    tmp_path: Path,
    name: str,
    by_name: bool,  # noqa: FBT001
) -> None:
    """A link to it does not make a file of it that one replaces."""
    log, link = tmp_path / "log", tmp_path / "link"
    link.symlink_to(name)
    code = (
        "import sys; from pathlib import Path\n"
        "from tests.test_atomic_write import put\n"
        "print('first')\n"
        f"put(Path(sys.argv[1]), b'second\\n', by_name={by_name})\n"
        "print('third')\n"
    )
    with log.open("wb") as file:
        before = os.fstat(file.fileno()).st_ino
        subprocess.run([sys.executable, "-c", code, link], stdout=file, check=True)
    assert log.read_text("utf-8") == "first\nsecond\nthird\n"
    assert log.stat().st_ino == before
    assert sorted(tmp_path.iterdir()) == [link, log]


def test_a_socket_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))
        with pytest.raises(OutputError, match="got a socket"):
            put(path, b"", by_name=False)
