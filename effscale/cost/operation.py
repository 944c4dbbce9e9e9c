"""Feature maps in memory, and the operators that read and make them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from effscale.network.leaves import Shape

#: Bytes of the index that a maximum is found at.
INDEX_BYTES = 8


@dataclass(frozen=True, slots=True)
class Map:
    """A feature map in memory; `number` tells it from others of its shape."""

    number: int
    shape: Shape
    elements: int


#: What layers hand on: one feature map, or several.
Maps: TypeAlias = tuple[Map, ...]


@dataclass(frozen=True, slots=True)
class Op:
    """An operator: what it reads and makes, what is held meanwhile, what is kept."""

    part: int  #: index of the network's part
    reads: Maps
    makes: Map
    held: Maps  #: by the modules around it
    kept: Maps = ()  #: for the way back
    indices: int = 0  #: of maxima, beside the output; kept for the way back, too
    params: int = 0  #: weights that it reads
    trains: int = 0  #: those of them that have a gradient
