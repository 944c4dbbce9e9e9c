"""A rule that spec files are held to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from effscale.errors import Edit, Fault

if TYPE_CHECKING:
    from effscale.checking.source import Source
    from effscale.errors import Place
    from effscale.spec.nodes import Node

Severity = Literal["error", "warning", "note"]
#: What has to be asked for before a fix is made: `--fix`, `--unsafe-fixes` beside it,
#: or `--update`.
Applies = Literal["safe", "unsafe", "update"]


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
    ) -> Fault:
        """What it finds at `place`, or at the nearest that the file states.

        `key`: at the key there, rather than its value.
        """
        fault = Fault(place, message, self.code, help=hint, edits=edits)
        return source.root.at(place, key=key).located(fault, source.path)


def replaced(node: Node, value: object) -> Edit:
    """The edit that writes `value` over what `node` says."""
    return Edit(node.start, node.end[2], str(value))
