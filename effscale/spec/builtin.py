"""The specs that come with the package, and what a SPEC on the command line means."""

from __future__ import annotations

import os
import re
from functools import cache
from typing import TYPE_CHECKING

from effscale.choices import SPECS
from effscale.errors import ScaleError, did_you_mean, short
from effscale.spec.loading import FOREIGN, load_file, loads
from effscale.spec.names import aliases, bare, bare_names, files, names
from effscale.spec.nodes import MAX_BYTES, Origin, decoded, label, read_bytes, refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.spec.models import Spec


#: Files that torch writes: of `torch.export`, and of TorchScript.
SAVED = (".pt2", ".pt", ".pth", ".bin", ".ts", ".torchscript")
_CALLABLE = r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d][\w.-]*"
#: How a path of Windows begins.
_DRIVE = r"[A-Za-z]:[\\/]"


@cache
def spec(stem: str) -> Spec:
    """What the file holds; it is not the reader's, and no message points into it."""
    return load_file(files()[stem]).read_at(Origin())


def builtin() -> dict[str, Spec]:
    return {stem: spec(stem) for stem in files()}


def find(reference: str) -> tuple[Spec, str | None]:
    """The spec that `reference` names, and the variant of it, if it names one.

    `b0`, `b4` and `efficientnet-b4` are built in; `my.yaml`, `my.yaml@large`,
    `b0@b4` and `-` (standard input) are read, and `HEAD~1:my.yaml` from git; a model
    file of ultralytics at one of its scales, `yolov8.yaml@s`.

    Raises:
        SpecError: if there is no such name, file or variant, or the file is wrong.
    """
    whole = is_file(reference) and os.path.exists(reference)  # noqa: PTH110
    base, at, name = (reference, "", "") if whole else _parted(reference)
    if at and is_file(base):
        read = text(base)
        if FOREIGN.search(read):
            return loads(read, label(base), scale=name), None
        found, inner = loads(read, label(base)), None
    else:
        found, inner = _based(base)
    if not at:
        return found, inner
    known = [] if inner else list(found.variants)
    if name not in known:
        hint, listed = did_you_mean(name, known), ", ".join(known) or "none"
        message = f"expected a variant of {base} ({listed}), got {name!r}{hint}"
        raise refused(short(reference), message)
    return found, name


def _based(base: str) -> tuple[Spec, str | None]:
    """The spec that a reference without `@` names, and its variant."""
    if base in files():  # no text is read for its name
        return spec(base), None
    if not is_file(base) and (named := names().get(aliases().get(base, base))):
        stem, variant = named
        return spec(stem), variant
    if (base and is_file(base)) or os.path.exists(base) or is_revision(base):  # noqa: PTH110 - raises nothing
        return loads(text(base), label(base)), None
    same = bare_names().get(bare(base))
    hint = f"; did you mean {same!r}?" if same else did_you_mean(base, list(names()))
    message = f"expected a file or a built-in spec{hint or '; see effscale specs'}"
    raise refused(short(base), message)


def by_name(found: Sequence[tuple[str, Spec]]) -> dict[str, Spec]:
    """Specs by their names; those of one name by the references that they come with.

    Raises:
        ScaleError: if two that differ have neither apart.
    """
    names = [each.name for _, each in found]
    listed: dict[str, Spec] = {}
    for reference, each in found:
        name = each.name if names.count(each.name) == 1 else reference
        if listed.setdefault(name, each) != each:
            raise ScaleError(f"expected networks of different names, got two {name}")
    return listed


def text(base: str) -> str:
    """The text of a file, of standard input, or of a file in git: `HEAD~1:my.yaml`.

    Raises:
        SpecError: if it cannot be read.
    """
    if not os.path.exists(base) and is_revision(base):  # noqa: PTH110 - raises nothing
        return decoded(_of_git(base), base)
    return decoded(read_bytes(base), label(base))


def is_foreign(base: str) -> bool:
    """Whether a file is a model of ultralytics, whose scales are its variants.

    Raises:
        SpecError: if it cannot be read.
    """
    return FOREIGN.search(text(base)) is not None


def is_file(base: str) -> bool:
    """Whether a reference names a file, rather than what is built in."""
    return base == "-" or "/" in base or base.endswith(SPECS)


def _parted(reference: str) -> tuple[str, str, str]:
    """A reference, and behind the `@` its variant: `HEAD@{1}:b0.yaml@large`."""
    revision, colon, path = reference.rpartition(":")
    base, at, variant = path.partition("@")
    return f"{revision}{colon}{base}", at, variant


def names_callable(reference: str) -> bool:
    """Whether a reference to code has the form of `my_pkg.nets:make_net`.

    A file of git's has a slash or a suffix: `HEAD~1:specs/b0.yaml`, `main:b0.yaml`.
    """
    named = re.fullmatch(_CALLABLE, reference) is not None
    return named and not reference.endswith(SPECS)


def names_saved(reference: str) -> bool:
    """Whether a reference is to a file that torch has written, by its suffix."""
    return reference.endswith(SAVED)


def is_revision(reference: str) -> bool:
    """Whether `reference` has git's form, `REVISION:PATH`; a drive's letter is none."""
    revision, colon, path = reference.partition(":")
    if reference.startswith("-") or re.match(_DRIVE, reference):
        return False
    return bool(revision and colon and path)


#: Nothing is asked, fetched or written.
_QUIET = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "LC_ALL": "C",
}
#: What git says where what is before the colon is none of its revisions.
_NO_REVISION = ("invalid object name", "not a git repository")


def _of_git(reference: str) -> bytes:
    """The bytes of the file that git has at `reference`; the path is from the root.

    As with git, `HEAD:./b0.yaml` is relative to the current folder. What looks like
    code, and is none of git's, is said to.
    """
    try:
        code, raw, said = _blob(reference)
    except FileNotFoundError:
        message = "expected git to read a revision with, found none"
        raise refused(reference, message, "EFF001") from None
    except (OSError, ValueError) as error:
        message = f"cannot be read: {error}".lower()
        raise refused(reference, message, "EFF001") from None
    if code and len(raw) <= MAX_BYTES:
        lines = said.decode(errors="replace").strip().splitlines()
        reason = lines[0] if lines else "no such revision or file"
        if names_callable(reference) and any(each in reason for each in _NO_REVISION):
            what = "a callable's name: profile alone takes modules"
            raise refused(short(reference), f"expected a spec, got {what}")
        message = f"cannot be read: git: {reason.removeprefix('fatal: ')}"
        raise refused(reference, message, "EFF001")
    return raw


def _blob(reference: str) -> tuple[int, bytes, bytes]:
    """Git's exit code, output and errors; closing stops it beyond a spec's size."""
    import subprocess  # most references are none of git's

    with subprocess.Popen(  # noqa: S603 - one argument, no shell
        ["git", "cat-file", "blob", reference],  # noqa: S607 - as the user has it
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
    return git.returncode, raw, said
