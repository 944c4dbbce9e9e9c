"""Spec files that have changed since a revision, by git."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

from effscale.choices import SPECS
from effscale.errors import SpecError, first_line
from effscale.spec.nodes import refused


@dataclass(frozen=True)
class Changed:
    """A file that is another: None where it is new, or gone."""

    before: str | None
    after: str | None

    @property
    def kind(self) -> str:
        """`added`, `removed`, `renamed` or `changed`."""
        if self.before is None or self.after is None:
            return "added" if self.before is None else "removed"
        return "changed" if self.before == self.after else "renamed"


def base(revision: str) -> str:
    """Where the current branch left that revision: what it has changed, it has since.

    Raises:
        SpecError: if git knows no such revision, or not where the two part.
    """
    try:
        return _git("merge-base", "--", revision, "HEAD").strip()
    except SpecError as error:
        shallow = _git("rev-parse", "--is-shallow-repository").strip() == "true"
        hint = (
            "; the clone is shallow: check out with fetch-depth: 0" if shallow else ""
        )
        message = f"{error.faults[0].message}{hint}"
        raise refused(revision, message, "EFF001") from None


def changed(revision: str, paths: tuple[str, ...]) -> list[Changed]:
    """The YAML files below `paths` that are others than at `revision`, in their order.

    Files that git does not know yet are new; paths are relative to the current folder.
    """
    where = ("--", *(paths or (".",)))
    told = _git("diff", "--name-status", "-z", "-M", "--relative", revision, *where)
    fields = iter(told.split("\0")[:-1])
    found = []
    for status in fields:
        first = next(fields)
        match status[0]:
            case "R":
                found.append(Changed(first, next(fields)))
            case "C":
                found.append(Changed(None, next(fields)))
            case "A":
                found.append(Changed(None, first))
            case "D":
                found.append(Changed(first, None))
            case _:
                found.append(Changed(first, first))
    new = _git("ls-files", "--others", "--exclude-standard", "-z", *where)
    found += [Changed(None, path) for path in new.split("\0")[:-1]]
    yaml = [each for each in found if _name(each).endswith(SPECS)]
    return sorted(yaml, key=_name)


def _name(each: Changed) -> str:
    return each.after or each.before or ""


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - no shell
            ["git", *arguments],  # noqa: S607 - as the user has it
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        message = "expected git to ask for what has changed, found none"
        raise refused("--since", message, "EFF001") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        reason = first_line(OSError(said)).removeprefix("fatal: ")
        message = f"git: {reason or 'no commit in common'}"
        raise refused("--since", message, "EFF001")
    return done.stdout.decode(errors="surrogateescape")
