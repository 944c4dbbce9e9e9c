"""Steps of tokens: those of no position, and where the others are."""

from typing import Annotated, Literal

from effscale.spec import values
from effscale.spec.line import Line
from effscale.spec.values import PlacingName


class ClassToken(Line):
    """Learnt tokens before those of the positions: one column of all of them."""

    block: Literal["class_token"]
    #: How many there are.
    tokens: Annotated[int, values.whole(1, 1024)] = 1


class Positions(Line):
    """A map that says where each position is, added to what comes in."""

    block: Literal["positions"]
    #: All of it learnt, or a 1×1 convolution of sines of both coordinates (fourier).
    kind: PlacingName = "learnt"


class FirstToken(Line):
    """The first position alone, as that of a class token."""

    block: Literal["first_token"]


class DropTokens(Line):
    """The positions behind the first, as one column."""

    block: Literal["drop_tokens"]
    #: How many are left out.
    tokens: Annotated[int, values.whole(1, 1024)] = 1
