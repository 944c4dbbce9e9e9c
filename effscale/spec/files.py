"""Files to texts, or to the one fault that keeps them from being read."""

from __future__ import annotations

import sys
from pathlib import Path

from effscale.errors import Fault, SpecError
from effscale.spec.nodes import MAX_BYTES


def label(path: Path | str) -> str:
    """What messages call the file at `path`."""
    return "<stdin>" if str(path) == "-" else str(path)


def read_bytes(path: Path | str) -> bytes:
    """The bytes at `path`, of standard input at `-`; no more than a spec may have.

    Raises:
        SpecError: if the system refuses.
    """
    try:
        if str(path) == "-":
            return sys.stdin.buffer.read(MAX_BYTES + 1)
        with Path(path).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except IsADirectoryError:
        message = "expected a file, found a folder"
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        message = f"cannot be read: {reason.lower()}"
    raise refused(label(path), message, "EFF001")


def decoded(raw: bytes, name: str) -> str:
    """The text of the file called `name`, less a byte order mark.

    Raises:
        SpecError: if it is too large, or not UTF-8.
    """
    if len(raw) > MAX_BYTES:
        message = f"expected at most {MAX_BYTES:,} bytes, found more"
        raise refused(name, message, "EFF003")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        byte = raw[error.start]
        message = f"expected UTF-8 text, found byte {byte:#04x} in it"
        raise refused(name, message, "EFF002") from None


def refused(name: str, message: str, code: str) -> SpecError:
    """The one fault of a file of which no line is read."""
    return SpecError((Fault(name, 0, 0, "", message, code),))
