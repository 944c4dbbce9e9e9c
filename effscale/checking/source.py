"""A file as rules see it: its text, its values with their places, its spec."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from effscale.cost.count import Counted
from effscale.cost.figures import Running
from effscale.errors import EffscaleError, SpecError
from effscale.growth.scale import variant
from effscale.spec.loading import Reading, examine
from effscale.spec.nodes import BREAK, Node, decoded, scalars
from effscale.spec.references import MAX_REPEATED
from effscale.spec.steps import OwnBlock
from effscale.spec.values import Model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from effscale.errors import Fault, Place
    from effscale.limit import Limit
    from effscale.spec.models import Spec

BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Source:
    """A file's text and what is read of it."""

    path: str  #: as messages have it
    text: str
    file: str = ""  #: where it is
    has_mark: bool = False  #: whether a byte order mark precedes the text
    #: What each of its networks is held to, whatever the file states.
    limits: tuple[Limit, ...] = ()
    running: Running = field(default_factory=Running)
    refused: tuple[Fault, ...] = ()  #: why no text can be had

    @classmethod
    def of(cls, path: str, text: str) -> Source:
        return cls(path, text, path)

    @classmethod
    def of_bytes(cls, path: str, raw: bytes, file: str) -> Source:
        """What the bytes of a file hold."""
        try:
            text = decoded(raw, path)
        except SpecError as error:
            return cls.unread(path, error.faults, file)
        return cls(path, text, file, raw.startswith(BOM))

    @classmethod
    def unread(cls, path: str, faults: tuple[Fault, ...], file: str) -> Source:
        """A file of which no text can be had."""
        return cls(path, "", file, refused=faults)

    def become(self, text: str) -> Source:
        return replace(self, text=text)

    @cached_property
    def reading(self) -> Reading:
        """What the text says, read when it is first asked for.

        So a file of many is read and counted in one go, and what its blocks come to
        is found once for both.
        """
        if self.refused:
            return Reading(None, None, self.refused)
        return examine(self.text, self.path)

    @property
    def raw(self) -> bytes:
        """The bytes of the file that has this text."""
        return (BOM if self.has_mark else b"") + self.text.encode()

    @property
    def is_unread(self) -> bool:
        """Whether no text could be had, as from a folder or an image."""
        return any(not fault.line for fault in self.faults)

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What keeps it from loading."""
        return self.reading.faults

    @property
    def root(self) -> Node:
        """Its values; nothing at the beginning where there are none."""
        return self.reading.root or Node(None, 1, 1, (1, 1, 0))

    @property
    def spec(self) -> Spec | None:
        """Its spec, sound where nothing keeps it from loading."""
        return self.reading.spec

    @cached_property
    def networks(self) -> dict[Place, Counted | EffscaleError]:
        """The baseline and each variant, by where the file states it, or why not."""
        found: dict[Place, Counted | EffscaleError] = {}
        spec = self.spec
        if spec is None or self.faults or not self.is_countable:
            return found
        for name in (None, *spec.variants):
            place: Place = () if name is None else ("variants", name)
            try:
                found[place] = Counted.of(variant(spec, name) if name else spec)
            except EffscaleError as error:
                found[place] = error
        return found

    @cached_property
    def is_countable(self) -> bool:
        """Whether counting it takes no longer than reading it."""
        if self.spec is None:
            return False
        own = total = self.reading.lines
        for each in self.spec.variants.values():
            deeper = max(1, int(each.depth_multiplier))
            total += own * deeper + sum(int(n) for n in each.repeats or ())
        return total <= MAX_REPEATED

    @property
    def is_counted(self) -> bool:
        """Whether every rule could look at all of it: it loads, and each network is."""
        return bool(self.networks) and not any(
            isinstance(each, EffscaleError) for each in self.networks.values()
        )

    @cached_property
    def comments(self) -> list[tuple[int, int]]:
        """Where its comments begin and end; none where the text is no YAML."""
        if self.reading.root is None or "#" not in self.text:
            return []
        found: list[tuple[int, int]] = []
        texts = iter(scalars(self.text))
        begin, behind = next(texts, (len(self.text), 0))
        at = self.text.find("#")
        while at >= 0:
            while behind <= at and begin < len(self.text):
                begin, behind = next(texts, (len(self.text), len(self.text)))
            if begin <= at < behind:
                at = self.text.find("#", behind)
                continue
            line_end = BREAK.search(self.text, at)
            end = line_end.start() if line_end else len(self.text)
            found.append((at, end))
            at = self.text.find("#", end)
        return found

    @cached_property
    def starts(self) -> list[int]:
        return [0, *(match.end() for match in BREAK.finditer(self.text))]

    def place(self, offset: int) -> tuple[int, int]:
        line = bisect_right(self.starts, offset)
        return line, offset - self.starts[line - 1] + 1

    def line(self, number: int) -> str:
        """A line of the text, without its end; empty beyond the last."""
        if not 0 < number <= len(self.starts):
            return ""
        start = self.starts[number - 1]
        stop = self.starts[number] if number < len(self.starts) else len(self.text)
        return BREAK.sub("", self.text[start:stop])

    def sections(self) -> Iterator[tuple[Place, Model, Node]]:
        """Every mapping that the file writes out for a model of its spec."""
        if self.spec is not None:
            yield from _sections(self.spec, self.root, ())


def _sections(
    value: object, node: Node, place: Place
) -> Iterator[tuple[Place, Model, Node]]:
    if isinstance(value, OwnBlock) and isinstance(node.value, list):
        value = value.layers
    if isinstance(value, Model) and isinstance(node.value, dict):
        yield place, value, node
        for name, child in node.value.items():
            yield from _sections(getattr(value, name, None), child, (*place, name))
    elif isinstance(value, dict) and isinstance(node.value, dict):
        for name, child in node.value.items():
            yield from _sections(value.get(name), child, (*place, name))
    elif isinstance(value, tuple) and len(value) == 1 and isinstance(node.value, dict):
        yield from _sections(value[0], node, place)  # a line, for a list of it
    elif isinstance(value, tuple) and isinstance(node.value, list):
        for index, (each, child) in enumerate(zip(value, node.value, strict=False)):
            yield from _sections(each, child, (*place, index))
