"""Files and YAML texts, read to nodes that know their line and column.

PyYAML parses and resolves; nothing is constructed but plain data. A file is refused
before it can cost memory or time: by its size, its depth, and by what its aliases
would come to if they were written out.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml

from effscale.errors import Edit, Fault, Place, SpecError, refusal, short

if TYPE_CHECKING:
    from collections.abc import Callable

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

    def merges(self, faults: list[Fault]) -> bool:
        """Whether a mapping asks for the keys of another one, which is a fault."""
        key = self.keys.get("<<")
        at = (key.line, key.column) if key else ()
        return any(f.code == "EFF007" and (f.line, f.column) == at for f in faults)

    def located(self, fault: Fault, path: str) -> Fault:
        """`fault` as one of this value, in the text of the file at `path`."""
        word = fault.suggestion or fault.instead
        edits = (Edit(self.start, self.end[2], word),) if word else fault.edits
        end_line, end_column, _ = self.end
        return replace(
            fault,
            edits=edits,
            path=path,
            line=self.line,
            column=self.column,
            end_line=end_line,
            end_column=end_column,
        )


def stated(place: Place, root: Node) -> Place:
    """`place` as the file has it: less an index into what the file writes as one."""
    found: list[str | int] = []
    node: Node | None = root
    for step in place:
        value = None if node is None else node.value
        if isinstance(value, dict) and step in value:
            node = value[step]
        elif isinstance(value, list) and step in range(len(value)):
            node = value[int(step)]
        elif isinstance(step, int) and node is not None:
            continue
        elif isinstance(value, list) and step == "layers":
            continue  # of a block that is a list
        else:
            node = None
        found.append(step)
    return tuple(found)


def of_spec(place: Place, root: Node, *, key: bool = False) -> Node:
    """The node at `place` of a spec, or that of the backbone which brings it."""
    brought = place and place[0] not in root.value and "backbone" in root.value
    return root.at(("backbone",) if brought else place, key=key)


@dataclass(frozen=True)
class Origin:
    """Where a spec was read, for what is wrong with those that are made of it.

    All are equal: a network is no other one for where it was read.
    """

    root: Node | None = field(default=None, compare=False, repr=False)
    path: str = field(default="", compare=False)
    #: The place in the file of one in the spec, where a file is none.
    of_file: Callable[[Place], Place] | None = field(default=None, compare=False)

    def located(self, fault: Fault) -> Fault:
        """`fault` as the file has it; as it is where there is no file."""
        if self.root is None:
            return fault
        place = self.of_file(fault.place) if self.of_file else fault.place
        fault = replace(fault, place=stated(place, self.root))
        return of_spec(fault.place, self.root).located(fault, self.path)


def mapping(value: Any) -> dict[str, Any]:  # noqa: ANN401 - plain data of any kind
    """`value` if it has keys, nothing otherwise."""
    return value if isinstance(value, dict) else {}


MAX_BYTES, MAX_DEPTH, MAX_VALUES = 2**20, 40, 50_000

#: Of the tags that are YAML's own.
PREFIX = "tag:yaml.org,2002:"
#: Kinds of scalar that are read as something, and those that stay the text they are.
SCALARS, TEXTS = {"null", "bool", "int", "float"}, {"str", "timestamp"}
KNOWN = SCALARS | TEXTS

#: A key that asks for those of another mapping, and what is said of it.
MERGE = "merge"
NO_MERGE = "merge keys are not read: write the keys out, or define a block under blocks"

#: Where YAML ends a line.
BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")

#: Characters of a number; reading one of base 60 takes their square.
MAX_NUMBER = 10_000

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Unreadable(Exception):  # noqa: N818 - a stop on the way, never seen by callers
    """The text cannot be read further; carries the fault."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


class _Resolver(yaml.SafeLoader):
    """PyYAML's kinds, and numbers such as 1e-3, which it would leave texts."""


#: What `add_implicit_resolver` takes: a tag, its pattern, and how it may begin.
EXPONENT = (
    f"{PREFIX}float",
    re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+"),
    list("-+0123456789"),
)
_Resolver.add_implicit_resolver(*EXPONENT)


def _read(
    tag: str | None, text: str, implicit: tuple[bool, bool]
) -> tuple[str, str, Any]:
    """The tag of a scalar, the kind that it says, and what is read of the text."""
    resolver: Any = _resolver()
    tag = str(tag or resolver.resolve(yaml.ScalarNode, text, implicit))
    kind = tag.removeprefix(PREFIX) if tag.startswith(PREFIX) else "another's"
    if kind not in SCALARS or len(text) > MAX_NUMBER:
        return tag, kind, text
    try:
        return tag, kind, resolver.construct_object(yaml.ScalarNode(tag, text))
    except (ValueError, LookupError, OverflowError):
        return tag, "unread", text
    finally:  # it would keep each node that it has met
        resolver.constructed_objects.clear()
        resolver.recursive_objects.clear()


@cache
def _resolver() -> _Resolver:
    return _Resolver("")


#: Keys, words and numbers of files are mostly some few.
_read_word = lru_cache(maxsize=1024)(_read)
#: Characters of a word that is likely to be met again.
_WORD = 32


class _Composer:
    """Events to nodes, without recursion, so that no nesting overflows the stack."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.faults: list[Fault] = []
        self.anchors: dict[str, Node] = {}
        self.open: list[tuple[Node, Node | None, str | None]] = []  # node, key, anchor
        self.root: Node | None = None
        self.read: Spot = (1, 1, 0)  # the end of the last value
        self.values = 0

    def fault(self, at: Any, code: str, message: str) -> Fault:  # noqa: ANN401
        """A fault of a node, of the text of an event, or at a mark."""
        node = at if isinstance(at, Node) else _node(at)
        return node.located(Fault((), message, code), self.path)

    def compose(self, text: str) -> Node | None:
        for event in yaml.parse(text, Loader=_Loader):
            match event:
                case yaml.ScalarEvent():
                    self.add(self.scalar(event), event)
                case yaml.AliasEvent(anchor=anchor):
                    if anchor not in self.anchors:
                        message = f"expected an anchor &{anchor} above, found none"
                        raise Unreadable(self.fault(event, "EFF005", message))
                    self.read = _spot(event.end_mark)
                    self.add(self.anchors[anchor], event)
                case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                    self.start(event)
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    self.end(event)
                case yaml.DocumentStartEvent() if self.root is not None:
                    message = "expected one document, found a second"
                    raise Unreadable(self.fault(event, "EFF006", message))
                case _:
                    pass
        return self.root

    def scalar(self, event: yaml.ScalarEvent) -> Node:
        read = _read_word if len(event.value) <= _WORD else _read
        tag, kind, value = read(event.tag, event.value, event.implicit)
        parent, key, _ = self.open[-1] if self.open else (None, None, None)
        if kind == MERGE and parent and not key and isinstance(parent.value, dict):
            fault = Fault((), "expected a key, got '<<'", "EFF007", help=NO_MERGE)
            self.faults.append(_node(event).located(fault, self.path))
        elif kind not in KNOWN:
            message = f"expected a plain value, got {short(value, 42)} as {tag!r}"
            self.faults.append(self.fault(event, "EFF007", message))
        self.values += 1
        if self.values > MAX_VALUES and self.open:  # before the rest is read
            raise self.too_many(self.open[-1][0])
        line, column, start = _spot(event.start_mark)
        self.read = _spot(event.end_mark)
        return Node(value, line, column, self.read, start)

    def too_many(self, at: Any) -> Unreadable:  # noqa: ANN401
        message = f"expected at most {MAX_VALUES} values, aliases written out"
        return Unreadable(self.fault(at, "EFF003", message))

    def start(self, event: Any) -> None:  # noqa: ANN401
        mapping = isinstance(event, yaml.MappingStartEvent)
        if len(self.open) == MAX_DEPTH:
            message = f"expected at most {MAX_DEPTH} levels, found more"
            raise Unreadable(self.fault(event, "EFF003", message))
        line, column, start = self.read = _spot(event.start_mark)
        node = Node({} if mapping else [], line, column, self.read, start)
        self.open.append((node, None, event.anchor))

    def end(self, event: Any) -> None:  # noqa: ANN401
        node, _, anchor = self.open.pop()
        mapping = isinstance(node.value, dict)
        if event.end_mark.index > event.start_mark.index:
            self.read = _spot(
                event.end_mark
            )  # ] or }; a block ends with its last value
        node.end = self.read
        children = list(node.value.values() if mapping else node.value)
        node.size = 1 + sum(child.size for child in children)
        node.depth = 1 + max((child.depth for child in children), default=0)
        if node.size > MAX_VALUES:
            raise self.too_many(event)
        if node.depth > MAX_DEPTH:
            message = f"expected at most {MAX_DEPTH} levels, aliases written out"
            raise Unreadable(self.fault(event, "EFF003", message))
        self.add(node, event, anchor)

    def add(self, node: Node, event: Any, anchor: str | None = None) -> None:  # noqa: ANN401
        if anchor := anchor or (
            event.anchor if isinstance(event, yaml.ScalarEvent) else None
        ):
            self.anchors[anchor] = node
        if not self.open:
            self.root = node
            return
        parent, key, name = self.open[-1]
        if isinstance(parent.value, list):
            parent.value.append(node)
        elif key is None:
            self.open[-1] = (parent, node, name)
        else:
            self.open[-1] = (parent, None, name)
            self.enter(parent, key, node)

    def enter(self, parent: Node, key: Node, node: Node) -> None:
        if not isinstance(key.value, str):
            message = f"expected a word as key, got {short(key.plain())}"
            self.faults.append(self.fault(key, "EFF106", message))
        elif key.value in parent.keys:
            first = parent.keys[key.value].line
            message = f"duplicate key {short(key.value)}, first on line {first}"
            self.faults.append(self.fault(key, "EFF103", message))
        else:
            parent.keys[key.value], parent.value[key.value] = key, node


def compose(text: str, path: str) -> tuple[Node | None, list[Fault]]:
    """The root node of `text`, None if it has no value, and the faults on the way."""
    composer = _Composer(path)
    try:
        return composer.compose(text), composer.faults
    except Unreadable as stop:
        fault = stop.fault
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        context = f"{error.context}: " if error.context else ""
        fault = composer.fault(mark, "EFF004", f"not YAML: {context}{error.problem}")
    except yaml.reader.ReaderError as error:
        # The parser in C counts bytes.
        before = text.encode()[: error.position].decode(errors="replace")
        fault = composer.fault(_end(before), "EFF004", f"not YAML: {error.reason}")
    except UnicodeEncodeError as error:
        at = _end(text[: error.start])
        fault = composer.fault(at, "EFF004", f"not YAML: {error.reason}")
    return None, [*composer.faults, fault]


def scalars(text: str) -> list[tuple[int, int]]:
    """Where the scalars of a YAML text begin and end, keys among them, in order."""
    events = yaml.parse(text, Loader=_Loader)
    found = (each for each in events if isinstance(each, yaml.ScalarEvent))
    return [(_spot(each.start_mark)[2], _spot(each.end_mark)[2]) for each in found]


def _node(at: Any) -> Node:  # noqa: ANN401 - an event of PyYAML, or a mark
    start = end = _spot(getattr(at, "start_mark", at))
    if isinstance(at, yaml.ScalarEvent | yaml.AliasEvent):
        end = _spot(at.end_mark)
    return Node(None, *start[:2], end, start[2])


def _end(text: str) -> Node:
    lines = BREAK.split(text)
    line, column = len(lines), len(lines[-1]) + 1
    return Node(None, line, column, (line, column, len(text)), len(text))


def _spot(mark: Any) -> Spot:  # noqa: ANN401 - a mark of PyYAML
    return mark.line + 1, mark.column + 1, mark.index


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
        message = f"cannot be read: {refusal(error)}"
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


def refused(name: str, message: str, code: str = "") -> SpecError:
    """The one fault of a file of which no line is read."""
    return SpecError((Fault((), message, code, path=name),))
