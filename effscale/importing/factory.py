"""Code that makes networks of multipliers, scaled where no spec is had of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from effscale.errors import MeasureError, ScaleError, UnreachableError
from effscale.growth.multipliers import Multipliers, strategy
from effscale.growth.rounding import Rules
from effscale.module import any_module
from effscale.module.inputs import Input
from effscale.spec.models import Coefficients, Rounding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from effscale.module.measure import Measurement

#: What a factory may be given, by the names that its own keywords are said to be.
DIMENSIONS = ("depth", "width", "resolution")
#: Halvings of an interval of φ, after which its ends are taken for the nearest.
HALVINGS = 10


@dataclass(frozen=True)
class Made:
    """A network that the code made, and what torch counted of it."""

    name: str
    strategy: str
    phi: float
    multipliers: Multipliers
    sides: tuple[int, int]
    cost: Measurement


#: Height and width of the baseline's image, where nobody says them.
ASSUMED = (224, 224)


@dataclass(frozen=True)
class Factory:
    """A callable, and which of its keywords takes which multiplier."""

    reference: str
    takes: Mapping[str, str]
    arguments: Mapping[str, str] = field(default_factory=dict)
    resolution: tuple[int, int] | None = None  #: None: ASSUMED
    coefficients: Coefficients = field(default_factory=Coefficients)

    def at(self, phi: float, name: str = "compound") -> Made:
        """The network at φ: made on meta, and counted by torch.

        `resolution` is given the image's side in pixels, which is that of the input
        too; a dimension that no keyword takes keeps its 1.

        Raises:
            MeasureError, ScaleError: if there is none, or not all of it is counted.
        """
        asked = strategy(name, phi, self.coefficients)
        given = Multipliers(
            asked.depth if "depth" in self.takes else 1.0,
            asked.width if "width" in self.takes else 1.0,
            asked.resolution,
        )
        if phi and given.is_identity:
            message = f"{name} scales nothing that a keyword of --as-args takes"
            raise ScaleError(f"{self.reference}: {message}")
        rules = Rules.of(Rounding())
        sides = self.resolution or ASSUMED
        height, width = (int(rules.resolution(n, given.resolution)) for n in sides)
        if "resolution" in self.takes and height != width:
            message = f"expected a square image, got {height}×{width}"
            raise ScaleError(f"{self.reference}: {message}")
        values = {"depth": given.depth, "width": given.width, "resolution": height}
        own = {keyword: repr(values[each]) for each, keyword in self.takes.items()}
        said = "" if name == "compound" else f"{name.replace(':', '')}-"
        cost = self._counted({**self.arguments, **own}, (height, width))
        called = f"{self.reference.rpartition(':')[2]}-{said}phi{phi:.12g}"
        return Made(called, name, phi, given, (height, width), cost)

    def _counted(
        self, arguments: Mapping[str, str], sides: tuple[int, int]
    ) -> Measurement:
        try:
            with torch.device("meta"):
                made = any_module.load(self.reference, arguments)
        except MeasureError:  # code that looks at what it has made
            made = any_module.load(self.reference, arguments)
        found = any_module.count(made, [Input((1, 3, *sides))], ["torch"])
        if found.answer is None:
            raise MeasureError(f"{self.reference}: {'; '.join(found.faults())}")
        return found.answer

    def fit(self, macs: int, name: str = "compound") -> list[Made]:
        """The networks below and above a cost that are nearest to it, nearest first.

        φ is halved between one that is cheaper and one that is not; costs are taken to
        grow with it.

        Raises:
            UnreachableError: if no φ of ±20 leads to either.
        """
        low, high = self._around(macs, name)
        for _ in range(HALVINGS):
            if macs in {low.cost.macs, high.cost.macs}:
                break
            middle = self.at((low.phi + high.phi) / 2, name)
            if middle.cost.macs <= macs:
                low = middle
            else:
                high = middle
        both = {each.phi: each for each in (low, high)}.values()
        return sorted(both, key=lambda each: abs(math.log(each.cost.macs / macs)))

    def _around(self, macs: int, name: str) -> tuple[Made, Made]:
        """Networks a unit of φ apart, one no dearer than the cost, the other dearer."""
        here = self.at(0.0, name)
        way = 1 if here.cost.macs <= macs else -1
        for step in range(1, _FARTHEST + 1):
            before, here = here, self.at(float(way * step), name)
            if (here.cost.macs > macs) == (way > 0):
                return (before, here) if way > 0 else (here, before)
        found = f"{here.cost.macs:,} MACs at φ {here.phi:g}"
        raise UnreachableError(
            f"{self.reference}: expected to reach {macs:,}, got {found}"
        )


#: φ beyond which no network is looked for.
_FARTHEST = 20
