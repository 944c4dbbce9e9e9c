"""Specs as git has them: `HEAD~1:specs/b0.yaml`."""

from __future__ import annotations

import os
import subprocess

from effscale.spec.files import refused
from effscale.spec.nodes import MAX_BYTES

#: Nothing is asked, fetched or written.
_QUIET = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "LC_ALL": "C",
}


def is_revision(reference: str) -> bool:
    """Whether `reference` has git's form, `REVISION:PATH`."""
    revision, colon, path = reference.partition(":")
    return bool(revision and colon and path) and not reference.startswith("-")


def read(reference: str) -> bytes:
    """The bytes of the file that git has at `reference`; the path is from the root.

    As with git, `HEAD:./b0.yaml` is relative to the current folder.

    Raises:
        SpecError: if there is no git, no repository, no such revision or no such file.
    """
    command = ["git", "cat-file", "blob", reference]
    try:
        # What is larger than a spec may be is not read: closing stops git.
        with subprocess.Popen(  # noqa: S603 - one argument, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **_QUIET},
        ) as git:
            raw = said = b""
            if git.stdout and git.stderr:
                raw = git.stdout.read(MAX_BYTES + 1)
                git.stdout.close()
                said = git.stderr.read()
    except FileNotFoundError:
        message = "expected git to read a revision with, found none"
        raise refused(reference, message, "EFF001") from None
    except (OSError, ValueError) as error:
        message = f"cannot be read: {error}".lower()
        raise refused(reference, message, "EFF001") from None
    if git.returncode and len(raw) <= MAX_BYTES:
        lines = said.decode(errors="replace").strip().splitlines()
        reason = lines[0] if lines else "no such revision or file"
        message = f"cannot be read: git: {reason.removeprefix('fatal: ')}"
        raise refused(reference, message, "EFF001")
    return raw


def parted(reference: str) -> tuple[str, str, str]:
    """A reference, and behind the `@` its variant: `HEAD@{1}:b0.yaml@large`."""
    revision, colon, path = reference.rpartition(":")
    base, at, variant = path.partition("@")
    return f"{revision}{colon}{base}", at, variant
