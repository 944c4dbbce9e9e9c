"""Operators that work element by element, or hand on: activations, dropout, views."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from effscale.data import data
from effscale.network.operators.operator import (
    FREE,
    PLAIN,
    PRODUCT,
    Cost,
    Operator,
    Traffic,
)

if TYPE_CHECKING:
    from effscale.network.operators.operator import Map, Maps, Tally, Tape
    from effscale.network.shapes import Shape
    from effscale.spec.values import Activation, Gate

#: Activations whose derivative is that of their output; the others keep their input.
_OF_OUTPUT = {"relu", "sigmoid", "tanh"}


@data
class Act(Operator):
    """An activation function, elementwise."""

    #: As a spec writes it: `silu`, or `leaky_relu(0.1)`.
    kind: str

    @property
    def label(self) -> str:
        return self.kind

    @property
    def word(self) -> Activation | Gate:
        """The function, whatever its slope."""
        return cast("Activation | Gate", self.kind.partition("(")[0])

    def cost(self, out: Shape) -> Cost:
        """Of `prelu` the slope below zero, one for all channels, is learnt."""
        return Cost(params=1) if self.kind == "prelu" else FREE

    def tallies(self, before: Shape, after: Shape) -> dict[Tally, int]:
        learnt: dict[Tally, int] = {"scales": 1} if self.kind == "prelu" else {}
        return {self.word: int(after.elements), **learnt}

    def traffic(self, before: Shape, after: Shape) -> Traffic | None:
        """The derivative is of the input, or of the output."""
        if self.kind == "none":
            return None
        of_output = self.kind in _OF_OUTPUT
        return Traffic(keeps_inputs=not of_output, keeps_output=of_output)

    def run(self, tape: Tape, maps: Maps, after: Shape, held: Maps) -> Map:
        """Of `hard_mish` a product, a sum, a limit, and a product of both."""
        if self.kind != "hard_mish":
            return super().run(tape, maps, after, held)
        half = tape.op(maps, after, held)
        more = tape.op(maps, after, (*held, half))
        limit = tape.op((more,), after, (*held, half), PRODUCT)
        return tape.op((half, limit), after, held, PRODUCT)


@data
class Multiply(Operator):
    """Each element times a number that is not learnt."""

    by: float

    label = "product"

    def traffic(self, before: Shape, after: Shape) -> Traffic:
        return PLAIN


@data
class Dropout(Operator):
    """Elements dropped in training, at this rate."""

    rate: float

    label = "dropout"

    def run(self, tape: Tape, maps: Maps, after: Shape, held: Maps) -> Map:
        """In training, noise and a product with it."""
        if not (self.rate and tape.training):
            return super().run(tape, maps, after, held)
        noise = tape.op(maps, after, held)
        return tape.op((*maps, noise), after, (*held, noise), PRODUCT)


@data
class Bins(Operator):
    """What is handed on, with the fixed numbers that so many logits stand for.

    They count as parameters, as ultralytics' `DFL` has them, one set for all levels;
    `effscale.decode` takes the mean of them.
    """

    count: int
    shared: str | None = "bins"

    label = "bins"

    def cost(self, out: Shape) -> Cost:
        return Cost(params=self.count)


@data
class Flatten(Operator):
    """A feature map of one position as a vector."""

    label = "flatten"


@data
class Shift(Operator):
    """The feature map moved up and left by a position, zeros moved in."""

    label = "shift"

    def traffic(self, before: Shape, after: Shape) -> Traffic:
        """A view of what is padded by a row and a column."""
        channels, height, width = before
        return Traffic(elements=channels * (height + 1) * (width + 1))
