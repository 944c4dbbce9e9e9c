"""YAML text to nodes that know their line and column.

PyYAML parses and resolves; nothing is constructed but plain data. A file is refused
before it can cost memory or time: by its size, its depth, and by what its aliases
would come to if they were written out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml

from effscale.errors import Fault, short

MAX_BYTES, MAX_DEPTH, MAX_VALUES = 2**20, 40, 50_000

Place: TypeAlias = tuple[str | int, ...]
#: Kinds of scalar that are read as something, and those that stay the text they are.
SCALARS, TEXTS = {"null", "bool", "int", "float"}, {"str", "timestamp"}

#: Characters of a number; reading one of base 60 takes their square.
MAX_NUMBER = 10_000

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass
class Node:
    """A value of the file: a scalar, a list of nodes, or a mapping to nodes."""

    value: Any
    line: int  #: from 1
    column: int  #: from 1
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


def dotted(place: Place) -> str:
    """`("stages", 2, "kernel")` as one writes it in Python: `stages[2].kernel`."""
    text = ""
    for step in place:
        plain = isinstance(step, str) and re.fullmatch(r"\w[\w+-]*", step)
        text += f".{step}" if plain else f"[{short(step)}]"
    return text.removeprefix(".")


class Unreadable(Exception):  # noqa: N818 - a stop on the way, never seen by callers
    """The text cannot be read further; carries the fault."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


class _Resolver(yaml.SafeLoader):
    """PyYAML's kinds, and numbers such as 1e-3, which it would leave texts."""


#: What `add_implicit_resolver` takes: a tag, its pattern, and how it may begin.
EXPONENT = (
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+"),
    list("-+0123456789"),
)
_Resolver.add_implicit_resolver(*EXPONENT)


class _Composer:
    """Events to nodes, without recursion, so that no nesting overflows the stack."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.faults: list[Fault] = []
        self.resolver: Any = _Resolver("")
        self.anchors: dict[str, Node] = {}
        self.open: list[tuple[Node, Node | None, str | None]] = []  # node, key, anchor
        self.root: Node | None = None

    def fault(self, mark: Any, message: str) -> Fault:  # noqa: ANN401
        return Fault(self.path, mark.line + 1, mark.column + 1, "", message)

    def compose(self, text: str) -> Node | None:
        for event in yaml.parse(text, Loader=_Loader):
            match event:
                case yaml.ScalarEvent():
                    self.add(self.scalar(event), event)
                case yaml.AliasEvent(anchor=anchor):
                    if anchor not in self.anchors:
                        message = f"expected an anchor &{anchor} above, found none"
                        raise Unreadable(self.fault(event.start_mark, message))
                    self.add(self.anchors[anchor], event)
                case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                    self.start(event)
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    self.end(event)
                case yaml.DocumentStartEvent() if self.root is not None:
                    message = "expected one document, found a second"
                    raise Unreadable(self.fault(event.start_mark, message))
                case _:
                    pass
        return self.root

    def scalar(self, event: yaml.ScalarEvent) -> Node:
        mark: Any = event.start_mark
        tag = event.tag or self.resolver.resolve(
            yaml.ScalarNode, event.value, event.implicit
        )
        value: Any = event.value
        kind = tag.removeprefix("tag:yaml.org,2002:")
        if kind in SCALARS and len(event.value) <= MAX_NUMBER:
            try:
                node = yaml.ScalarNode(tag, event.value)
                value = self.resolver.construct_object(node)
            except (ValueError, LookupError, OverflowError):
                kind = "unread"
        if kind not in SCALARS | TEXTS:
            message = f"expected a plain value, got {short(value, 42)} as {tag!r}"
            self.faults.append(self.fault(mark, message))
        return Node(value, mark.line + 1, mark.column + 1)

    def start(self, event: Any) -> None:  # noqa: ANN401
        mark, mapping = event.start_mark, isinstance(event, yaml.MappingStartEvent)
        if len(self.open) == MAX_DEPTH:
            message = f"expected at most {MAX_DEPTH} levels, found more"
            raise Unreadable(self.fault(mark, message))
        node = Node({} if mapping else [], mark.line + 1, mark.column + 1)
        self.open.append((node, None, event.anchor))

    def end(self, event: Any) -> None:  # noqa: ANN401
        node, _, anchor = self.open.pop()
        mapping = isinstance(node.value, dict)
        children = list(node.value.values() if mapping else node.value)
        node.size = 1 + sum(child.size for child in children)
        node.depth = 1 + max((child.depth for child in children), default=0)
        if node.size > MAX_VALUES:
            message = f"expected at most {MAX_VALUES} values, aliases written out"
            raise Unreadable(self.fault(event.start_mark, message))
        if node.depth > MAX_DEPTH:
            message = f"expected at most {MAX_DEPTH} levels, aliases written out"
            raise Unreadable(self.fault(event.start_mark, message))
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
            self.faults.append(Fault(self.path, key.line, key.column, "", message))
        elif key.value in parent.keys:
            first = parent.keys[key.value].line
            message = f"duplicate key {short(key.value)}, first on line {first}"
            self.faults.append(Fault(self.path, key.line, key.column, "", message))
        else:
            parent.keys[key.value], parent.value[key.value] = key, node


def compose(text: str, path: str) -> tuple[Node | None, list[Fault]]:
    """The root node of `text`, None if it has no value, and the faults on the way."""
    composer = _Composer(path)
    try:
        return composer.compose(text), composer.faults
    except Unreadable as stop:
        return None, [*composer.faults, stop.fault]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        context = f"{error.context}: " if error.context else ""
        fault = composer.fault(mark, f"not YAML: {context}{error.problem}")
        return None, [*composer.faults, fault]
    except yaml.reader.ReaderError as error:
        # The parser in C counts bytes.
        before = text.encode()[: error.position].decode(errors="replace")
        return None, [*composer.faults, _no_yaml(path, before, str(error.reason))]
    except UnicodeEncodeError as error:
        before = text[: error.start]
        return None, [*composer.faults, _no_yaml(path, before, error.reason)]


def _no_yaml(path: str, before: str, reason: str) -> Fault:
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return Fault(path, line, column, "", f"not YAML: {reason}")
