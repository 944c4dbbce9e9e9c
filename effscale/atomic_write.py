"""Files that are replaced atomically, however the program ends.

What is no regular file, a pipe or `/dev/stdout`, is written to and never replaced.
"""

from __future__ import annotations

import glob
import io
import os
import re
import stat
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING
from zlib import crc32

from effscale.errors import EffscaleError, OutputError, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

#: An open file of a process, which another name, as `/dev/stdout`, may lead to.
_DESCRIPTOR = r"/proc/(\d+)/(?:task/\d+/)?fd/(\d+)"
#: Links that lead from one name to the next; the system follows as many.
_LINKS = 40
#: Bytes of a name; of them, those that a temporary one has beside the file's own.
_LONGEST, _OURS = 255, 40


@contextmanager
def whole(path: Path) -> Iterator[IO[bytes]]:
    """A file to write, which takes the place of `path` once it is on the disk.

    Until the block ends without an error, what was at `path` is there still. A file
    that is there keeps its permissions; a link stays one; what is no regular file gets
    all of it at the end.

    Raises:
        OutputError: if the system refuses.
    """
    try:
        if is_written_through(path):
            held = io.BytesIO()
            yield held
            _write_through(path, held.getbuffer())
            return
        real = Path(os.path.realpath(path))
        _clear(real)
        with _unnamed(real.parent) or _named(real) as file:
            try:
                yield file
                file.flush()
                if hasattr(os, "fchmod"):
                    os.fchmod(file.fileno(), _mode(real))
                os.fsync(file.fileno())
                _put(file, real)
            finally:
                if not isinstance(file.name, int):
                    Path(file.name).unlink(missing_ok=True)
    except OSError as error:
        if isinstance(error, EffscaleError):
            raise
        raise _refused(path, error) from None


@contextmanager
def replacing(path: Path, name: str) -> Iterator[Path]:
    """A path to write, for libraries that open files themselves; it replaces `path`.

    It has that `name` until the block has ended without an error, in a folder of its
    own beside `path`.

    Raises:
        OutputError: if the system refuses.
    """
    import tempfile  # with shutil, a tenth of what a short command imports

    try:
        through = is_written_through(path)
        real = Path(os.path.realpath(path))
        if not through:
            _clear(real)
        folder = Path(tempfile.mkdtemp()) if through else _temporary(real)
        try:
            if not through:
                folder.mkdir(mode=0o700)
            new = folder / name
            yield new
            if through:
                _write_through(path, memoryview(new.read_bytes()))
            else:
                new.chmod(_mode(real))
                with new.open("rb") as file:
                    os.fsync(file.fileno())
                new.replace(real)
                sync(real.parent)
        finally:
            _remove(folder)
    except OSError as error:
        if isinstance(error, EffscaleError):
            raise
        raise _refused(path, error) from None


def is_written_through(path: Path) -> bool:
    """Whether `path` is there, and no regular file that another could replace.

    Raises:
        OutputError: if it is a disk, or another thing that nobody writes a file to.
    """
    if _descriptor(path):
        return True
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    if stat.S_ISBLK(mode) or stat.S_ISSOCK(mode):
        what = "a disk" if stat.S_ISBLK(mode) else "a socket"
        raise OutputError(f"{path}: expected a file or a pipe to write, got {what}")
    return stat.S_ISCHR(mode) or stat.S_ISFIFO(mode)


def sync(folder: Path) -> None:
    """Have the names of the folder's files on the disk, too."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remains(path: Path) -> list[Path]:
    """What programs left beside `path` that were killed while they wrote it."""
    path = Path(os.path.realpath(path))
    beside = path.parent.glob(f".{glob.escape(_start(path))}.{_host()}-*-*")
    return sorted(each for each in beside if _is_of_the_dead(each))


def _descriptor(path: Path) -> re.Match[str] | None:
    """The open file that `path` leads to by links, which its own name would hide."""
    for _ in range(_LINKS):
        path = Path(os.path.realpath(path.parent), path.name)
        if found := re.fullmatch(_DESCRIPTOR, str(path)):
            return found
        try:
            path = path.parent / path.readlink()
        except OSError:
            return None
    return None


def _write_through(path: Path, content: memoryview) -> None:
    found = _descriptor(path)
    if found and int(found[1]) == os.getpid():
        if sys.stdout is not None:
            sys.stdout.flush()
        handle = os.dup(int(found[2]))  # where it stands, behind what is there
    else:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND)
    with os.fdopen(handle, "wb") as file:
        file.write(content)


def _unnamed(folder: Path) -> IO[bytes] | None:
    """A file without a name, which is gone with the program; none where none can be."""
    if sys.platform != "linux" or not Path("/proc/self/fd").is_dir():
        return None
    try:
        handle = os.open(folder, os.O_TMPFILE | os.O_WRONLY, 0o600)
        return os.fdopen(handle, "wb")
    except OSError:  # of systems that have no such files; what else is said again
        return None


def _named(path: Path) -> IO[bytes]:
    return open(_temporary(path), "xb", opener=_private)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _put(file: IO[bytes], path: Path) -> None:
    """The new file in the place of `path`, on the disk with its name."""
    if not isinstance(file.name, int):
        Path(file.name).replace(path)
    else:
        _name(file.fileno(), path)
    sync(path.parent)


def _name(handle: int, path: Path) -> None:
    """Give a file without a name that of `path`."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        # With a folder's handle, Python asks the system to follow the link in /proc.
        link = f"/proc/self/fd/{handle}"
        with suppress(FileExistsError):
            os.link(link, path.name, src_dir_fd=folder, dst_dir_fd=folder)
            return
        new = _temporary(path)
        try:
            os.link(link, new.name, src_dir_fd=folder, dst_dir_fd=folder)
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)
    finally:
        os.close(folder)


def _mode(path: Path) -> int:
    """The permissions that belong to the file at `path`."""
    mask = os.umask(0)
    os.umask(mask)
    return path.stat().st_mode & 0o7777 if path.exists() else 0o666 & ~mask


def _temporary(path: Path) -> Path:
    """A name beside `path` that says which process has given it."""
    who = f"{_host()}-{os.getpid()}-{os.urandom(4).hex()}"
    return path.parent / f".{_start(path)}.{who}"


def _start(path: Path) -> str:
    """As much of the file's name as a temporary one has room for."""
    return os.fsdecode(os.fsencode(path.name)[: _LONGEST - _OURS])


def _host() -> str:
    name = os.uname().nodename if hasattr(os, "uname") else ""
    return f"{crc32(name.encode()):08x}"


def _is_of_the_dead(temporary: Path) -> bool:
    """Whether the process that has made it is no more."""
    process = temporary.name.split("-")[-2]
    if os.name != "posix" or not process.isdecimal():
        return False
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        return False
    return False


def _clear(path: Path) -> None:
    for each in remains(path):
        with suppress(OSError):
            if each.is_dir():
                _remove(each)
            else:
                each.unlink(missing_ok=True)


def _remove(folder: Path) -> None:
    """Remove a folder, and what can be removed in it."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def _refused(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path}: cannot be written: {refusal(error)}")
