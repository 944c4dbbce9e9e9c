"""What a rule is, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from effscale.check.source import Source
    from effscale.spec.nodes import Node, Place

Severity = Literal["error", "warning", "note"]
#: What has to be asked for before a fix is made: `--fix`, `--unsafe-fixes` beside it,
#: or `--update`.
Applies = Literal["safe", "unsafe", "update"]


@dataclass(frozen=True)
class Edit:
    """Characters of a text, from `start` up to `end`, that become another text."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, order=True)
class Finding:
    """A rule that a file breaks, and where: lines and columns count from 1.

    Line 0 speaks of the file as a whole. The end is just behind the last character.
    """

    path: str
    line: int
    column: int
    end_line: int
    end_column: int
    code: str
    message: str
    severity: Severity
    help: str = ""
    #: What mends it, all of it or nothing; none where that takes a decision.
    edits: tuple[Edit, ...] = field(default=(), compare=False, repr=False)
    applies: Applies | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Rule:
    """One thing that is wrong with a file, and why anyone should care."""

    code: str
    name: str
    severity: Severity
    what: str  #: it finds, in a sentence
    why: str  #: that matters, and what to do
    bad: str  #: an example of it, in the language
    good: str  #: the same, mended
    applies: Applies | None = None  #: if it can be mended by the program
    help: str = ""  #: the hint of a finding that has none of its own

    def at(  # noqa: PLR0913 - what a finding is made of
        self,
        source: Source,
        place: Place,
        message: str,
        *,
        key: bool = False,
        hint: str = "",
        edits: tuple[Edit, ...] = (),
    ) -> Finding:
        """What it finds at `place`, or at the nearest that the file states.

        `key`: at the key there, rather than its value.
        """
        node = source.root.at(place, key=key)
        where = source.called(place)
        said = f"{where}: {message}" if where else message
        return self.of(source, node, said, hint=hint, edits=edits)

    def of(
        self,
        source: Source,
        node: Node,
        message: str,
        *,
        hint: str = "",
        edits: tuple[Edit, ...] = (),
    ) -> Finding:
        """What it finds about the value of `node`."""
        return Finding(
            source.path,
            node.line,
            node.column,
            *node.end[:2],
            self.code,
            message,
            self.severity,
            hint or self.help,
            edits,
            self.applies if edits else None,
        )
