"""What can be wrong with a file whose every value is right."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from effscale.spec.nodes import Place

#: The rules of detectors: taps of the backbone, levels, the neck's graph, the heads.
TAPS, LEVELS, GRAPH, HEADS = "EFF402", "EFF403", "EFF404", "EFF405"


class Wrong(NamedTuple):
    """A place in the file, what is wrong there, and the rule it breaks."""

    place: Place
    message: str
    code: str = "EFF208"
    suggestion: str = ""  #: the word that was nearly certainly meant
    instead: str = ""  #: what would do in its place
