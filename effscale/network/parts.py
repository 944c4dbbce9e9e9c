"""The graph of parts that a network is: stem, stages, necks and heads.

Each part reads parts before it, or the image. What no part reads is what the network
puts out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from effscale.arrays import Int, at_least
from effscale.data import data
from effscale.errors import LayerError
from effscale.network.shapes import Flow, Shape, Window, newest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effscale.network.combinators import Sequential

T = TypeVar("T")

#: In place of a part's number: the image, which the first part reads.
IMAGE = -1


class Group(NamedTuple):
    """Maps that an output puts out under one name."""

    name: str
    levels: int | None = None  #: how many, one a level; None of a map alone
    one_to_one: bool = False  #: of the second of two branches, for one box an object


@data
class Part:
    """A row of a report, the stem, a stage, a head: a layer, and how to call it."""

    name: str  #: for people: `stage 3`
    path: str  #: where it is in the built module: `stages.2`
    operator: str  #: in the papers' notation: `MBConv6 5×5`
    kernel: Window | None  #: None of a block that is made of several
    stride: Window
    channels: Int  #: output channels
    repeats: Int
    layer: Sequential
    #: Numbers of the parts whose output it takes, or `IMAGE`; None is the part before.
    reads: tuple[int, ...] | None = None
    #: Groups that the maps it puts out are in, in their order.
    groups: tuple[Group, ...] = ()


@data
class Network:
    """Parts in order, and the image they are for.

    What no part reads is what the network puts out.
    """

    name: str
    image: Shape
    parts: tuple[Part, ...]
    stochastic_depth: float = 0.0

    def __post_init__(self) -> None:
        """Refuse an image without pixels, and to read what is not there yet."""
        for each in self.image:
            if not at_least(1, each):
                message = f"image: expected at least one pixel, got {self.image}"
                raise LayerError(message, each < 1)
        for index, part in enumerate(self.parts):
            sources = self.sources(index)
            if not sources or not all(IMAGE <= each < index for each in sources):
                found = list(sources)
                raise LayerError(
                    f"{part.name}: expected parts below {index}, got {found}"
                )

    def sources(self, index: int) -> tuple[int, ...]:
        """Numbers of the parts that part `index` reads, or `IMAGE`."""
        reads = self.parts[index].reads
        return (index - 1,) if reads is None else reads

    def named(self, index: int) -> tuple[str, ...]:
        """Names of the parts that a part reads, if not the one before it alone."""
        sources = self.sources(index)
        if sources == (index - 1,):
            return ()
        return tuple("image" if k == IMAGE else self.parts[k].name for k in sources)

    def read(self, index: int, made: Sequence[T], image: T) -> list[T]:
        """What part `index` reads, of what those before it have made of the image."""
        return [image if k == IMAGE else made[k] for k in self.sources(index)]

    def given(self, index: int, flows: Sequence[Flow]) -> Flow:
        """The shapes that part `index` takes in, of those that the parts before give.

        A part that reads several takes the newest of each.
        """
        read = self.read(index, flows, self.image)
        return read[0] if len(read) == 1 else tuple(map(newest, read))

    @property
    def ends(self) -> tuple[int, ...]:
        """Numbers of the parts that no part reads: what the network puts out."""
        numbers = range(len(self.parts))
        read = {source for index in numbers for source in self.sources(index)}
        return tuple(index for index in numbers if index not in read)

    @property
    def done(self) -> tuple[tuple[int, ...], ...]:
        """Of each part, numbers of those whose output no part after it reads."""
        last = {source: k for k in range(len(self.parts)) for source in self.sources(k)}
        last.pop(IMAGE, None)
        return tuple(
            tuple(number for number, k in last.items() if k == index)
            for index in range(len(self.parts))
        )

    @property
    def is_chain(self) -> bool:
        """Whether each part reads the one before it, and none puts out groups."""
        return all(
            self.sources(k) == (k - 1,) and not part.groups
            for k, part in enumerate(self.parts)
        )
