"""Files that are written whole or not at all, however the program ends."""

from __future__ import annotations

import glob
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from effscale.errors import OutputError

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
        mask = os.umask(0)
        os.umask(mask)
        mode = path.stat().st_mode & 0o7777 if path.exists() else 0o666 & ~mask
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OutputError(f"{path}: cannot be written: {reason}") from None
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def remains(path: Path) -> list[Path]:
    """What a program that was killed while it wrote `path` has left beside it."""
    path = Path(os.path.realpath(path))
    return sorted(path.parent.glob(f".{glob.escape(path.name)}.????????"))
