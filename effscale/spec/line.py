"""The base of all lines of a network: their keys, and what those mean that it lacks."""

from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from pydantic import SerializerFunctionWrapHandler, model_serializer

from effscale.errors import Fault
from effscale.spec.padding import around, least, positions
from effscale.spec.values import (
    Flag,
    MeetingName,
    Model,
    Name,
    Padding,
    Reads,
    Window,
    pair,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from effscale.arrays import Int
    from effscale.errors import Place

    Lines: TypeAlias = tuple["Line", ...]
    #: Makes other lines of some that follow each other.
    Change: TypeAlias = Callable[[Lines], Lines]

SQUARE = (1, 1)

#: Keys of lines, as the rows of papers' tables have them: what, how large, how often.
KEYS = (
    *("name", "reads", "merge", "block", "cell", "kind", "to", "scale"),
    *("kernel", "kernels", "stride", "factor", "like", "mode"),
    *("expand_ratio", "growth", "bottleneck_ratio", "compression"),
    *("c_in", "c_mid", "channels", "ratio", "group_width", "reduce_ratio", "repeats"),
    *("fixed", "groups", "dilation", "padding", "include_padding", "bias", "norm"),
    *("shortcut_kernel", "se_ratio", "activation", "initial", "single"),
    *("rate", "by", "shared"),
    *("heads", "head_width", "least_head_width", "key_width", "key_ratio"),
    *("value_width", "multi_query", "over", "size", "areas", "shift", "position"),
    *("project", "local"),
    *("queries", "context", "keys", "values"),
    *("tokens", "parts", "shares", "widths", "cascade"),
    *("branches", "layers", "shortcut", "projection"),
)


def states(line: "Line", key: str) -> bool:
    """Whether a line has a value of its own at a key, and not what it need not say."""
    if key == "repeats":
        return line.times is not None
    field, value = type(line).model_fields.get(key), line.said.get(key)
    return value is not None and (field is None or value != field.default)


def in_order(line: "type[Line]", keys: "Collection[str]") -> list[str]:
    """The keys of a line as files have them; a block's parameters follow its name."""
    known = _keys_of(line)
    at = known.index("block") + 1
    own = [key for key in keys if key not in known]
    return [key for key in (*known[:at], *own, *known[at:]) if key in keys]


@cache
def _keys_of(line: "type[Line]") -> tuple[str, ...]:
    """The keys of all lines of a kind, in order."""
    fields = line.model_fields
    return tuple(key for key in KEYS if key in fields)


class Line(Model):
    """A line of a network: what it is made of, by the name of its `block`.

    Lines have different keys; what those mean that a line lacks is said here alone.
    """

    block: str
    #: Whether it makes one position of a map of any size.
    whole: ClassVar[bool] = False
    #: What it is called in reports, and by lines that read it.
    name: Name | None = None
    #: Lines whose maps it takes; left out, the one before it.
    reads: Reads = ()
    #: How several maps become one; `apart`: the first step has a branch for each.
    merge: MeetingName = "concat"
    #: Whether its widths and repeats stay as they are where the network is scaled.
    fixed: Flag = False

    @property
    def said(self) -> "Mapping[str, Any]":
        """Its keys; pydantic's models look at length for attributes that they lack."""
        return vars(self)

    @property
    def times(self) -> "Int | None":
        """Blocks in a row; None where it is one at any depth."""
        found: Int | None = vars(self).get("repeats")
        return found

    @property
    def sides(self) -> Window | None:
        """Rows and columns of its kernel, if it has one."""
        found: Window | None = pair(self.said.get("kernel"))
        return found

    @property
    def window(self) -> tuple[Window, Window, Padding]:
        """Rows and columns seen, stride, padding: by which a feature map shrinks."""
        own = self.said
        rows, columns = pair(own.get("kernel", 1))
        step = own.get("dilation", 1)
        seen = step * (rows - 1) + 1, step * (columns - 1) + 1
        return seen, pair(own.get("stride", 1)), own.get("padding", "same")

    def sides_after(self, sides: Window) -> Window:
        """Positions that it makes of so many rows and columns."""
        kernel, stride, padding = self.window
        rows, columns = sides
        if stride != SQUARE or padding != "same":  # else there are as many
            rows = int(positions(rows, kernel[0], stride[0], around(padding, 0)))
            columns = int(positions(columns, kernel[1], stride[1], around(padding, 1)))
        high, wide = self.grows
        return rows * high, columns * wide

    def sides_before(self, sides: Window) -> Window:
        """The least rows and columns that it makes so many of."""
        kernel, stride, padding = self.window
        high, wide = self.grows
        rows, columns = -(-sides[0] // high), -(-sides[1] // wide)
        if stride == SQUARE and padding == "same":  # there are as many
            return rows, columns
        return (
            least(rows, kernel[0], stride[0], around(padding, 0)),
            least(columns, kernel[1], stride[1], around(padding, 1)),
        )

    @property
    def grows(self) -> Window:
        """By what it multiplies rows and columns, strides aside."""
        return SQUARE

    @property
    def likened(self) -> str | None:
        """The line whose map's size it takes, if another's."""
        return None

    @property
    def chains(self) -> "dict[Place, Lines]":
        """The lines within it, by place: side by side, each on what it takes in."""
        return {}

    def over_chains(self, change: "Change") -> "Line":
        """The same with what `change` makes of each of its chains."""
        del change
        return self

    def c_out(self, c_in: "Int") -> "Int":
        """Channels that it puts out where so many come in."""
        return c_in

    def normed(self, c_in: int) -> "Iterator[int]":
        """Channels of the network's norms in a block of the language."""
        del c_in
        yield from ()

    def gated(self, c_in: int, at: str) -> "Iterator[tuple[int, int]]":
        """Channels that each block of it squeezes and excites, and that come into it.

        In a block they are those of its widest map (`middle`), or that it puts out.
        """
        del c_in, at
        yield from ()

    def faults(self, c_in: int) -> "Iterator[Fault]":
        """What its own numbers are wrong about, at places relative to the line."""
        del c_in
        kernel = self.sides or SQUARE
        odd = kernel[0] % 2 and kernel[1] % 2
        if not odd and self.window[2] == "same":
            found = "×".join(map(str, kernel))
            message = f"expected odd sides, or padding: valid, got {found}"
            yield Fault(("kernel",), message, "EFF202")

    @model_serializer(mode="wrap")
    def _without_defaults(self, serialize: SerializerFunctionWrapHandler) -> Any:  # noqa: ANN401
        """What a file need not say is not written."""
        values, written = type(self).model_fields, serialize(self)
        unsaid = [
            name
            for name in values
            if name != "block" and getattr(self, name) == values[name].default
        ]
        stated = [name for name in written if name not in unsaid]
        return {name: written[name] for name in in_order(type(self), stated)}
