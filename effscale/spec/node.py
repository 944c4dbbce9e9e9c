"""A value of a file, and where it stands."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from effscale.errors import Fault, short

Place: TypeAlias = tuple[str | int, ...]
#: Line and column from 1, and characters of the text before it.
Spot: TypeAlias = tuple[int, int, int]


@dataclass
class Node:
    """A value of the file: a scalar, a list of nodes, or a mapping to nodes."""

    value: Any
    line: int  #: from 1
    column: int  #: from 1
    end: Spot = (0, 0, 0)  #: just behind its last character
    start: int = 0  #: characters of the text before it
    keys: dict[str, Node] = field(default_factory=dict)  #: a mapping's keys themselves
    size: int = 1  #: values in it, aliases written out
    depth: int = 0  #: levels of lists and mappings, aliases written out

    def plain(self) -> Any:  # noqa: ANN401 - what YAML can say
        """The same as Python data."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def at(self, place: Place, *, key: bool = False) -> Node:
        """The node at `place`, or the nearest that exists; `key`: its key's node."""
        node, word = self, self
        for step in place:
            if isinstance(node.value, dict) and step in node.value:
                word, node = node.keys[str(step)], node.value[step]
            elif isinstance(node.value, list) and step in range(len(node.value)):
                word = node = node.value[int(step)]
            else:
                return node
        return word if key else node

    def fault(
        self, path: str, place: str, message: str, code: str, *hints: str
    ) -> Fault:
        """The fault of this value; the hints are a word meant, and what would do."""
        suggestion, instead = (*hints, "", "")[:2]
        (end, to, _), at = self.end, (self.line, self.column)
        return Fault(path, *at, place, message, code, suggestion, end, to, instead)


def dotted(place: Place) -> str:
    """`("stages", 2, "kernel")` as one writes it in Python: `stages[2].kernel`."""
    text = ""
    for step in place:
        plain = isinstance(step, str) and re.fullmatch(r"\w[\w+-]*", step)
        text += f".{step}" if plain else f"[{short(step)}]"
    return text.removeprefix(".")


def mapping(value: Any) -> dict[str, Any]:  # noqa: ANN401 - plain data of any kind
    """`value` if it has keys, nothing otherwise."""
    return value if isinstance(value, dict) else {}
