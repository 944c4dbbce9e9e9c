"""Files that are replaced atomically, however the program ends."""

from __future__ import annotations

import glob
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from effscale.errors import EffscaleError, OutputError, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def whole(path: Path) -> Iterator[IO[bytes]]:
    """A file to write, which takes the place of `path` once it is on the disk.

    Until the block ends without an error, what was at `path` is there still. A file
    that is there keeps its permissions; a link stays one.

    Raises:
        OutputError: if the system refuses.
    """
    path, temporary = Path(os.path.realpath(path)), None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _put(Path(temporary), path)
    except OSError as error:
        raise _refused(path, error) from None
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


@contextmanager
def replacing(path: Path, name: str) -> Iterator[Path]:
    """A path to write, for libraries that open files themselves; it replaces `path`.

    It has that `name` until the block has ended without an error, in a folder of its
    own beside `path`.

    Raises:
        OutputError: if the system refuses.
    """
    path = Path(os.path.realpath(path))
    try:
        beside = f".{path.name}."
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=beside) as folder:
            new = Path(folder) / name
            yield new
            _put(new, path)
    except OSError as error:
        if isinstance(error, EffscaleError):
            raise
        raise _refused(path, error) from None


def _put(new: Path, path: Path) -> None:
    """The new file in the place of `path`, with the permissions that belong there."""
    mask = os.umask(0)
    os.umask(mask)
    mode = path.stat().st_mode & 0o7777 if path.exists() else 0o666 & ~mask
    new.chmod(mode)
    new.replace(path)


def _refused(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path}: cannot be written: {refusal(error)}")


def remains(path: Path) -> list[Path]:
    """Files that a program left beside `path`, which was killed while it wrote it."""
    path = Path(os.path.realpath(path))
    return sorted(path.parent.glob(f".{glob.escape(path.name)}.????????"))
